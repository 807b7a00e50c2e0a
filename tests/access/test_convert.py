from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pgssl_wizard.access.convert import LAST_LINE
from pgssl_wizard.access.decide import decide
from pgssl_wizard.rule_answers import Certificates
from tests.access import rules
from tests.access.rules import ATTEMPTS, HBA, OWN, change, changed, parse
from tests.servers import RealCluster

CORPUS = Path(os.environ.get("PGSSL_CORPUS", Path(__file__).parents[2].parent / "shared" / "corpus"))
DEMANDS: tuple[Certificates, ...] = ("none", "optional", "verify-ca", "verify-full", "cert")


def test_host_becomes_hostssl_and_columns_comments_and_endings_stay() -> None:
    """Only the type changes; the blanks behind it give way, so that columns stay aligned."""
    before = "# people\r\nhost    all   all  10.0.0.0/8   scram-sha-256   # office\r\n\r\nlocal   all   all               peer\r\n"
    after = "# people\r\nhostssl all   all  10.0.0.0/8   scram-sha-256   # office\r\n\r\nlocal   all   all               peer\r\n"
    assert changed(before) == after + LAST_LINE + "\r\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("hostnogssenc all all all md5", ["hostssl all all all md5"]),
        ("hostnossl all all all trust", ["# hostnossl all all all trust"]),
        ("hostnossl all all all reject", ["hostnossl all all all reject"]),
        ("host all all 10.0.0.1/32 reject", ["host all all 10.0.0.1/32 reject"]),
        ("hostgssenc all all all gss", ["hostgssenc all all all gss"]),
        ("hostssl all all all md5", ["hostssl all all all md5"]),
        ("local all all trust", ["local all all trust"]),
        (
            "host all all all gss include_realm=0 # krb",
            ["hostgssenc all all all gss include_realm=0 # krb", "hostssl all all all gss include_realm=0 # krb"],
        ),
    ],
)
def test_each_kind_of_rule_when_encryption_is_required(before: str, after: list[str]) -> None:
    """What becomes of every type; the last line refuses plaintext in clear words."""
    assert changed(before + "\n").splitlines() == [*after, LAST_LINE]


def test_the_last_line_is_not_added_twice_and_comes_after_every_gss_rule() -> None:
    """A refusal that stands above a GSS rule would refuse it; one that is last will do."""
    done = f"hostssl all all all md5\n{LAST_LINE}\n"
    assert changed(done) == done
    above = f"{LAST_LINE}\nhostgssenc all all all gss\n"
    assert changed(above) == f"{above}{LAST_LINE}\n"
    assert changed("hostssl all all all md5\nhostnossl all all all reject\n").endswith(f"reject\n{LAST_LINE}\n"), (
        "`all` leaves replication out"
    )


def test_a_backslash_at_the_end_does_not_swallow_the_last_line() -> None:
    """From 14 on a comment that ends in a backslash goes on in the next line."""
    after = changed("host all all all md5\n# end \\\n")
    assert [rule.type for rule in parse(after)] == ["hostssl", "hostnossl"]
    assert changed("host all all all md5\n# end \\\n", major=13).splitlines()[-2:] == ["# end \\", LAST_LINE]


def test_continued_rules_are_changed_where_they_stand() -> None:
    """A rule over several lines keeps its lines; commented out, each of them becomes a comment."""
    assert changed("host all all \\\n  10.0.0.0/8 md5\n").splitlines()[:2] == ["hostssl all all \\", "  10.0.0.0/8 md5"]
    assert changed("hostnossl all all \\\n  all md5\n").splitlines()[:2] == ["# hostnossl all all \\", "#   all md5"]


@pytest.mark.parametrize("demand", ["verify-ca", "verify-full"])
def test_asking_for_certificates_while_encryption_is_optional_splits_the_rule(demand: Certificates) -> None:
    """TLS with a certificate, or plaintext as before: two adjacent rules."""
    assert changed("host  all all all scram-sha-256 # x\n", required=False, certificates=demand).splitlines() == [
        f"hostssl  all all all scram-sha-256 clientcert={demand} # x",
        "hostnossl  all all all scram-sha-256 # x",
    ]


def test_cert_takes_the_place_of_the_method_and_its_options() -> None:
    """A map that was written for other names does not come along."""
    after = changed("host all all all ldap ldapserver=l ldapprefix=x\nhostssl all all all gss map=krb clientname=DN\n", certificates="cert")
    assert after.splitlines()[:2] == ["hostssl all all all cert", "hostssl all all all cert clientname=DN"]
    joined = "host all all all ldap ldapserver=l,ldapprefix=x # office\n"
    assert changed(joined, certificates="cert").splitlines()[0] == "hostssl all all all cert # office"


def test_no_rule_is_ever_made_to_ask_for_less() -> None:
    """A rule that asks for more than is wanted now keeps doing so, and `cert` keeps no option that it cannot have."""
    strict = "hostssl all all all cert map=m\nhostssl all all all md5 clientcert=verify-full\n"
    assert changed(strict, certificates="verify-ca").splitlines()[:2] == strict.splitlines()
    assert changed(strict, certificates="none").splitlines()[:2] == strict.splitlines()
    assert changed(strict, certificates="cert").splitlines()[:2] == ["hostssl all all all cert map=m", "hostssl all all all cert"]


def test_old_spellings_of_13_are_understood() -> None:
    """`clientcert=1` is verify-ca and `clientcert=0` is nothing; of several the last counts."""
    assert "clientcert=1" in changed("hostssl all all all md5 clientcert=1\n", certificates="verify-ca", major=13)
    assert "clientcert=verify-ca" in changed("hostssl all all all md5 clientcert=0\n", certificates="verify-ca", major=13)
    twice = "hostssl all all all md5 clientcert=verify-full clientcert=no-verify\n"
    assert changed(twice, certificates="verify-ca", major=13).splitlines()[0] == "hostssl all all all md5 clientcert=verify-ca"


def test_bytes_that_are_no_utf8_survive_a_split() -> None:
    """Role names are bytes to the server."""
    before = b"host all j\xfcrgen all scram-sha-256\n"
    after = change(before, required=False, certificates="verify-ca").files[HBA]
    assert after.count(b"j\xfcrgen") == 2


def test_included_files_change_where_the_rule_stands_and_lists_stay() -> None:
    """From 16 on rules stand in included files; `@file` lists are data and stay."""
    other, names = HBA.parent / "more.conf", HBA.parent / "names"
    before = "include more.conf\nhost @names all all md5\n"
    result = change(before, others={other: b"host all all all md5\n", names: b"app reports\n"})
    assert result.files == {
        other: b"hostssl all all all md5\n",
        HBA: f"include more.conf\nhostssl @names all all md5\n{LAST_LINE}\n".encode(),
    }


def test_a_file_that_is_included_twice_changes_once() -> None:
    """The server reads it twice; it stands once."""
    other = HBA.parent / "more.conf"
    result = change("include more.conf\ninclude more.conf\n", others={other: b"host all all all gss\n"})
    assert result.files[other] == b"hostgssenc all all all gss\nhostssl all all all gss\n"


@settings(max_examples=150, deadline=None)
@given(rules.files(), st.booleans(), st.sampled_from(DEMANDS), st.sampled_from((13, 14, 16, 18)))
def test_changing_the_result_again_changes_nothing(text: str, required: bool, demand: Certificates, major: int) -> None:
    """Whatever the rules were, doing it twice is doing it once, and the server would load the result."""
    data = text.encode()
    if any(rule.error for rule in parse(data, major)):
        return
    once = change(data, required=required, certificates=demand, major=major).files.get(HBA, data)
    assert not [rule.error for rule in parse(once, major) if rule.error]
    assert dict(change(once, required=required, certificates=demand, major=major).files) == {}


@settings(max_examples=80, deadline=None)
@given(rules.files(), st.sampled_from(DEMANDS))
def test_nobody_gets_in_who_did_not_and_nobody_in_plaintext(text: str, demand: Certificates) -> None:
    """Required encryption only takes away; TLS without a demanded certificate and the Unix socket are decided as before."""
    before, after = parse(text), parse(changed(text, certificates=demand))
    for attempt in ATTEMPTS:
        then = decide(after, attempt, 17, ssl_ca=True, own_ranges=OWN)
        now = decide(before, attempt, 17, ssl_ca=True, own_ranges=OWN)
        if attempt.address is not None and not attempt.tls and not attempt.gss:
            assert then.decision == "reject"
        if demand in {"none", "optional"} and (attempt.tls or attempt.address is None):
            assert (then.decision, then.method) == (now.decision, now.method)
        elif demand != "cert":
            assert then.decision == "reject" or now.decision == "accept"


@settings(max_examples=80, deadline=None)
@given(rules.files(), st.sampled_from(DEMANDS))
def test_optional_encryption_decides_plaintext_as_before(text: str, demand: Certificates) -> None:
    """Splitting a rule is neutral for whoever comes without TLS and without GSS encryption, and over the socket."""
    before, after = parse(text), parse(changed(text, required=False, certificates=demand))
    for attempt in ATTEMPTS:
        if not attempt.tls and not attempt.gss:
            then = decide(after, attempt, 17, ssl_ca=True, own_ranges=OWN)
            now = decide(before, attempt, 17, ssl_ca=True, own_ranges=OWN)
            assert (then.decision, then.method) == (now.decision, now.method)


@pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus of real files is not here")
@pytest.mark.parametrize(("version", "folder"), [(13, "oracle-pg13"), (15, "oracle"), (18, "oracle-pg18")])
def test_real_files_can_be_changed_and_stay_loadable(version: int, folder: str) -> None:
    """Every file that a server took is changed for every demand; the result has no error and changes no further."""
    tried = 0
    for verdict in sorted((CORPUS / folder / "hba").glob("*.json")):
        file = CORPUS / "hba" / verdict.name.removesuffix(".json")
        if not file.is_file() or not json.loads(verdict.read_bytes()).get("accepted"):
            continue
        data = file.read_bytes()
        if any(rule.error for rule in parse(data, version)):
            continue  # rests on files that are not here
        tried += 1
        for required in (True, False):
            for demand in ("none", "verify-full", "cert"):
                once = change(data, required=required, certificates=demand, major=version).files.get(HBA, data)
                assert not [rule for rule in parse(once, version) if rule.error], file.name
                assert dict(change(once, required=required, certificates=demand, major=version).files) == {}, file.name
                kept = [line for line in data.splitlines() if line.lstrip().startswith(b"#")]
                assert [line for line in once.splitlines() if line in set(kept)] == kept, file.name
    assert tried > 100


_EVERY_KIND = """\
# every kind of rule that these servers are built for
local   all         all                             peer
host    all         all        127.0.0.1/32         scram-sha-256   # tools
host    replication all        samenet              scram-sha-256
hostnossl all       legacy     10.0.0.0/8           trust
hostnogssenc app    +app       10.1.0.0 255.255.0.0 md5
hostssl all         all        ::1/128              password
hostssl all         "a b"      .example.com         cert
hostnossl all       bad        all                  reject
host    all         all        all                  reject
"""


@pytest.mark.parametrize("demand", DEMANDS)
@pytest.mark.parametrize("required", [True, False], ids=["required", "optional"])
def test_servers_of_every_major_take_the_changed_rules(cluster: RealCluster, required: bool, demand: Certificates) -> None:
    """The server's own reading has as many rules as ours, none with an error, and takes them over."""
    after = changed(_EVERY_KIND, required=required, certificates=demand, major=cluster.major)
    cluster.serve_tls()
    cluster.write("pg_hba.conf", after)
    cluster.reload()
    seen = cluster.sql("SELECT line_number, type, auth_method, error FROM pg_hba_file_rules ORDER BY line_number")
    assert [row for row in seen if row[1] is None or row[3] is not None] == []
    assert [(row[0], row[1], row[2]) for row in seen] == [(rule.line, rule.type, rule.method) for rule in parse(after, cluster.major)]
    assert "was not reloaded" not in cluster.log()
