"""Kits in a plan: what is made, by whom it is signed, what stands, and who goes without."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pgssl_wizard.cluster.facts import Cluster, FileFact, ServerSays
from pgssl_wizard.cluster.standing import KitFact, KitSigner
from pgssl_wizard.errors import Refused
from pgssl_wizard.files.hba import parse_rules
from pgssl_wizard.plan.kits import connection, over_tcp
from pgssl_wizard.plan.model import Plan
from pgssl_wizard.plan.serialise import dump, load
from tests.plan.building import HBA, HOME, answers, cluster, plan, root

PLACE = HOME / "clients"
STANDING = {"ca": {"root.crt": root()}, "ca_keys": {"root.key": True}, "ca_path_length": {"root.crt": 1}}
SIGNER = KitSigner(HOME / "ca" / "root.crt", HOME / "ca" / "root.key", "PostgreSQL CA", key_exists=True, key_fits=True)


def server(*roles: str) -> Cluster:
    """Return a running cluster with these roles that can log in."""
    return cluster(server=ServerSays("postgres", superuser=True, in_recovery=False, roles=("postgres", *roles), privileged=("postgres",)))


def made(found: Cluster, *roles: str, kits: dict[str, Any] | None = None, **given: Any) -> Plan:
    """Return the plan for roles whose kits are missing, but those in `kits`."""
    around = {
        "kits": tuple((kits or {}).get(role, KitFact(role, PLACE / role, exists=False)) for role in roles),
        "directories": {PLACE: FileFact(PLACE, PLACE, exists=False), HOME / "ca": FileFact(HOME / "ca", HOME / "ca", exists=False)},
        **given.pop("around", {}),
    }
    return plan(found, around=around, clients__roles=list(roles), **given)


def test_each_role_is_one_entry_that_says_what_its_certificate_will_say() -> None:
    found = made(server("app"), "app", "bob", clients__certificates="verify-full")
    entries = [change for change in found.changes if change.role == "kit"]
    assert [(str(each.path), each.action, each.phase, f"{each.mode:o}", each.owner, each.secret) for each in entries] == [
        ("/home/dba/clients/app", "create", "kits", "700", "root:root", True),
        ("/home/dba/clients/bob", "create", "kits", "700", "root:root", True),
    ]
    assert entries[0].profile is not None
    assert (entries[0].profile.kind, entries[0].profile.common_name, entries[0].profile.issuer) == ("client", "app", "PostgreSQL CA")
    assert (PLACE, "kits") in [(directory.path, directory.phase) for directory in found.new_directories]
    assert load(dump(found), "saved").changes == found.changes


def test_an_intermediate_of_the_same_change_signs_the_roles() -> None:
    found = made(server("app"), "app", clients__certificates="cert", certificate__intermediate=True)
    assert [change.profile.issuer for change in found.changes if change.role == "kit" and change.profile] == ["PostgreSQL CA Intermediate"]


def test_the_plan_says_who_gets_one_and_who_goes_without() -> None:
    found = made(server("app", "bob", "carol"), "app", "typo", clients__certificates="verify-ca")
    said = {finding.code: finding.message for finding in found.findings}
    assert "2 roles get one: app, typo." in said["client-certificates-required"]
    assert "3 roles that can log in over TCP get none: bob, carol, postgres." in said["client-certificates-required"].replace(
        "postgres, bob, carol", "bob, carol, postgres"
    )
    assert "typo" in said["role-not-in-server"]
    assert "kits-not-checked" not in said
    without = plan(server("app"), clients__certificates="cert")
    assert "No role gets one here." in next(each.message for each in without.findings if each.code == "client-certificates-required")
    assert "kits-not-checked" in {finding.code for finding in made(server("app"), "app").findings}


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("host all all all md5", True),
        ("host all app all md5", True),
        ("host all +group all md5", True),
        ('host all "all" all md5', False),
        ("host all bob all md5", False),
        ("local all all peer", False),
        ("host all app all reject", False),
    ],
)
def test_who_comes_in_over_tcp_is_read_off_the_rules(rule: str, expected: bool) -> None:
    rules = parse_rules(HBA, 17, lambda _: rule.encode() + b"\n", lambda _: None)
    assert over_tcp("app", rules) is expected


@pytest.mark.parametrize(
    ("signer", "given", "code"),
    [
        (None, {}, "ca-missing"),
        (KitSigner(SIGNER.certificate, SIGNER.key, "X"), {}, "ca-key-missing"),
        (KitSigner(SIGNER.certificate, SIGNER.key, "X", key_exists=True, key_fits=False), {}, "ca-key-unusable"),
    ],
)
def test_a_ca_that_cannot_sign_stops_the_plan(signer: KitSigner | None, given: dict[str, Any], code: str) -> None:
    with pytest.raises(Refused) as refused:
        made(server("app"), "app", clients__certificates="cert", around={**STANDING, "kit_signer": signer}, **given)
    assert refused.value.code == code


def test_an_encrypted_key_is_asked_for_unless_a_command_opens_it() -> None:
    shut = KitSigner(SIGNER.certificate, SIGNER.key, "X", key_exists=True)
    given: dict[str, Any] = {"clients__certificates": "cert", "around": {**STANDING, "kit_signer": shut}}
    assert "ca-key" in made(server("app"), "app", **given).asks
    given["around"] = {**STANDING, "kit_signer": shut}
    assert "ca-key" not in made(server("app"), "app", certificate__ca_passphrase_command="cat secret", **given).asks


def test_a_kit_that_will_not_do_is_refused_and_a_root_that_is_made_anew_spoils_every_kit() -> None:
    bad = KitFact("app", PLACE / "app", exists=True, problem="its key is rsa-2048")
    with pytest.raises(Refused, match="its key is rsa-2048") as refused:
        made(server("app"), "app", kits={"app": bad}, around={**STANDING, "kit_signer": SIGNER})
    assert (refused.value.code, refused.value.where) == ("kit-in-the-way", str(PLACE / "app"))
    good = KitFact("app", PLACE / "app", exists=True, root=b"pem")
    with pytest.raises(Refused, match="another CA"):
        made(server("app"), "app", kits={"app": good})


def test_the_settings_in_a_kit_name_the_first_real_name_and_the_servers_port() -> None:
    found = cluster({Path("/srv/pg/data/postgresql.conf"): "port = 6543\n"}, running=False)
    assert connection(answers(found, server__names=["*.example.com", "db.example.com"]), found).host == "db.example.com"
    assert connection(answers(found, server__names=["*.example.com"]), found).host is None
    assert connection(answers(found), found).port == 6543
    assert connection(answers(cluster()), cluster()).port == 5432


def test_it_is_said_which_clients_must_show_a_certificate_where_only_some_rules_ask_for_one() -> None:
    rule = "host all all 127.0.0.1/32 scram-sha-256"
    only = plan(server("app"), clients__rule=[{"match": rule, "certificates": "verify-full"}])
    every = plan(server("app"), clients__certificates="cert", clients__rule=[{"match": rule, "certificates": "none"}])
    told = [next(each.message for each in made.findings if each.code == "client-certificates-required") for made in (only, every)]
    assert told[0].startswith(f"Clients of the rule “{rule}” must show")
    assert told[1].startswith(f"Every client over TCP but those of the rule “{rule}” must show")


def test_a_file_where_a_directory_is_needed_is_refused() -> None:
    standing = FileFact(HOME / "ca", HOME / "ca", exists=True, problem="it is no directory")
    with pytest.raises(Refused, match="it is no directory") as caught:
        plan(cluster(), around={"directories": {HOME / "ca": standing}})
    assert (caught.value.code, caught.value.where) == ("in-the-way", str(HOME / "ca"))
