from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgssl_wizard.cluster.facts import Session
from pgssl_wizard.errors import Refused, UnusableInput
from pgssl_wizard.plan.secrets import STARS, line_of_secret, masked
from pgssl_wizard.plan.serialise import dump, is_plan, load, plan_to_json
from tests.plan.building import AUTO, HBA, cluster, fact, plan

PLAIN = Session("metrics", "app", "exporter", "10.0.9.7", tls=False)


def test_a_saved_plan_comes_back_whole() -> None:
    """Bytes, profiles, rules, paths that are no UTF-8: everything, and so the hash."""
    odd = Path("/etc/caf\udce9/server.key")
    for made in (
        plan(cluster()),
        plan(cluster(sessions=(PLAIN,)), certificate__intermediate=True, clients__encryption="required", clients__certificates="cert"),
        plan(cluster({AUTO: "ssl = off\n"}), certificate__source="self-signed", files__key=str(odd)),
    ):
        saved = dump(made)
        assert is_plan(saved)
        assert load(saved, "plan.json") == made


@pytest.mark.parametrize(
    "text", [b"", b"{}", b"[]", b"null", b"version = 1", b"\xff", b'{"format": "pgssl-wizard plan 1"}', b"[" * 100_000]
)
def test_what_is_no_saved_plan_is_said(text: bytes) -> None:
    """With exit code 2 and the file's name."""
    with pytest.raises(UnusableInput) as caught:
        load(text, "plan.json")
    assert caught.value.where == "plan.json"
    assert not is_plan(text) or b"plan 1" in text


def test_a_plan_changed_by_hand_is_refused() -> None:
    """Its hash is over everything in it."""
    document = json.loads(dump(plan(cluster())))
    document["plan"]["changes"][1]["mode"] = 0o644
    with pytest.raises(UnusableInput, match="changed by hand"):
        load(json.dumps(document).encode(), "plan.json")


def test_the_document_has_what_the_contract_names() -> None:
    """Absolute paths, modes as text, null for what is absent; a diff for text, words for certificates, neither for keys."""
    local = replace(PLAIN, address="127.0.0.1")
    document = plan_to_json(plan(cluster(sessions=(local,)), clients__encryption="required"))
    assert {"changes", "settings", "sql", "openssl", "trust_anchor", "locked_out", "goes_live_too", "hash"} <= set(document)
    assert document["trust_anchor"] == {"path": "/home/dba/ca/root.crt"}
    changes = {Path(change["path"]).name: change for change in document["changes"]}
    for change in changes.values():
        assert set(change) == {"path", "action", "mode", "owner", "secret", "diff", "profile"}
    assert changes["server.key"]["mode"] == "0600"
    assert changes["server.key"]["secret"] is True
    assert changes["server.key"]["diff"] is None
    assert changes["server.key"]["profile"] is None
    assert changes["server.crt"]["diff"] is None
    assert "db.example.com" in changes["server.crt"]["profile"]
    assert "+hostssl all             all             127.0.0.1/32            scram-sha-256" in changes["pg_hba.conf"]["diff"]
    assert set(document["locked_out"][0]) == {"who", "rule_now", "rule_then", "message"}
    json.dumps(document)


LDAP = 'host all all 10.0.0.0/8 ldap ldapserver=l ldapbasedn=x ldapbinddn=y ldapbindpasswd="geheim 1" # old\n'


def test_passwords_in_the_servers_files_stay_out_of_diffs_and_saved_plans() -> None:
    """In the changed line and in those around it; the saved plan is refused, because it would need them."""
    auto = "primary_conninfo = 'host=a password=geheim2 port=1'\nssl = off\n"
    made = plan(cluster({HBA: "local all all peer\n" + LDAP, AUTO: auto}))
    text = json.dumps(plan_to_json(made))
    assert "geheim" not in text
    assert text.count(STARS) >= 3
    with pytest.raises(Refused) as caught:
        dump(made)
    assert caught.value.where in {f"{HBA}:2", f"{AUTO}:1"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("host all all all ldap ldapbindpasswd=abc ldapserver=x", f"host all all all ldap ldapbindpasswd={STARS} ldapserver=x"),
        ('host all all all ldap "ldapbindpasswd=a b",ldapserver=x', f'host all all all ldap "ldapbindpasswd={STARS}",ldapserver=x'),
        ('host all all all radius radiussecrets="a,b" radiusservers=x', f"host all all all radius radiussecrets={STARS} radiusservers=x"),
        ("primary_conninfo = 'password=''a b'' user=x'", f"primary_conninfo = 'password={STARS} user=x'"),
        ("primary_conninfo = 'user=x password = abc'", f"primary_conninfo = 'user=x password = {STARS}'"),
        ("primary_conninfo = 'postgresql://u:abc@h/d'", f"primary_conninfo = 'postgresql://u:{STARS}@h/d'"),
        ("password_encryption = 'md5'", "password_encryption = 'md5'"),
        ("host all all all password", "host all all all password"),
        ("# the password is set elsewhere", "# the password is set elsewhere"),
    ],
)
def test_passwords_are_found_where_the_files_have_them(text: str, shown: str) -> None:
    """Options of rules and connection strings; names that only sound so stay."""
    assert masked(text) == shown
    assert (line_of_secret(f"\n{text}\n".encode()) == 2) is (text != shown)


@given(st.text(max_size=60))
def test_masking_twice_is_masking_once(text: str) -> None:
    """Whatever the text."""
    assert masked(masked(text)) == masked(text)


def test_a_file_that_holds_a_private_key_is_never_saved() -> None:
    """Whoever put it there."""
    assert line_of_secret(b"a\n-----BEGIN EC PRIVATE KEY-----\n") == 2
    assert fact(HBA, "x").data == b"x"
