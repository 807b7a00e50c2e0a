from __future__ import annotations

import psycopg
import pytest

from pgssl_wizard.access.decide import Attempt, ClientCertificate, Decision, decide
from pgssl_wizard.files.hba import parse_rules
from tests.access.rules import parse
from tests.servers import RealCluster

SHOWN = ClientCertificate("app")


def ends(text: str, attempt: Attempt, *, major: int = 17, ssl_ca: bool = True, own: tuple[str, ...] = ()) -> Decision:
    """Return how an attempt ends under these rules."""
    return decide(parse(text, major), attempt, major, ssl_ca=ssl_ca, own_ranges=own)


def line_of(decision: Decision) -> int | None:
    """Return the line of the rule that decided."""
    return decision.rule.line if decision.rule else None


@pytest.mark.parametrize(
    ("kind", "plain", "tls", "gss"),
    [
        ("host", True, True, True),
        ("hostssl", False, True, False),
        ("hostnossl", True, False, True),
        ("hostgssenc", False, False, True),
        ("hostnogssenc", True, True, False),
    ],
)
def test_types_match_as_in_the_server(kind: str, plain: bool, tls: bool, gss: bool) -> None:
    """`hostnossl` means without TLS, and so takes GSS encryption in."""
    rule = f"{kind} all all all trust"
    found = [
        ends(rule, Attempt("app", "app", "192.0.2.1", tls=with_tls, gss=with_gss)).decision == "accept"
        for with_tls, with_gss in ((False, False), (True, False), (False, True))
    ]
    assert found == [plain, tls, gss]
    assert ends(rule, Attempt("app", "app")).decision == "reject", "no TCP rule matches the Unix socket"


@pytest.mark.parametrize(
    ("field", "attempt", "matches"),
    [
        ("all", Attempt("app", "app"), True),
        ("all", Attempt("", "app", replication=True), False),
        ("replication", Attempt("", "app", replication=True), True),
        ("replication", Attempt("replication", "app"), False),
        ('"replication"', Attempt("replication", "app"), True),
        ("sameuser", Attempt("app", "app"), True),
        ("sameuser", Attempt("app", "other"), False),
        ("samerole", Attempt("staff", "app", roles=("staff",)), True),
        ("samegroup", Attempt("staff", "app"), False),
        ('"all"', Attempt("app", "app"), False),
        ("App", Attempt("app", "app"), False),
    ],
)
def test_databases_match_as_in_the_server(field: str, attempt: Attempt, matches: bool) -> None:
    """Keywords count only without quotes, and `all` leaves physical replication out."""
    assert (ends(f"local {field} all trust", attempt).decision == "accept") is matches


@pytest.mark.parametrize(
    ("field", "user", "roles", "version", "matches"),
    [
        ("+staff", "app", ("staff",), 17, True),
        ("+staff", "staff", (), 17, True),
        ("+staff", "app", (), 17, False),
        ('"+staff"', "+staff", (), 17, True),
        ("/^ap", "app", (), 16, True),
        ("/^ap", "app", (), 15, False),
        ("/^ap", "/^ap", (), 15, True),
        ("a,app", "app", (), 17, True),
    ],
)
def test_users_match_as_in_the_server(field: str, user: str, roles: tuple[str, ...], version: int, matches: bool) -> None:
    """Membership by `+`, regular expressions from 16 on."""
    assert (ends(f"local all {field} trust", Attempt("app", user, roles=roles), major=version).decision == "accept") is matches


@pytest.mark.parametrize(
    ("address", "client", "matches"),
    [
        ("10.0.0.0/8", "10.9.8.7", True),
        ("10.0.0.0 255.0.0.0", "10.9.8.7", True),
        ("10/8", "10.9.8.7", False),
        ("0.0.0.0/0", "::1", False),
        ("::/0", "2001:db8::1", True),
        ("samehost", "10.0.0.5", True),
        ("samehost", "10.0.0.6", False),
        ("samenet", "10.0.0.6", True),
        ("ALL", "10.0.0.6", False),
    ],
)
def test_addresses_match_as_in_the_server(address: str, client: str, matches: bool) -> None:
    """Ranges, masks, keywords; IPv4 rules never match IPv6 clients, and `10/8` means 0.0.0.10/8."""
    decision = ends(f"host all all {address} trust", Attempt("app", "app", client), own=("10.0.0.5/24",))
    assert (decision.decision == "accept") is matches


def test_the_first_match_decides_and_there_is_no_second_try() -> None:
    """A refusal above an acceptance is the end."""
    rules = "host all app 10.0.0.0/8 reject\nhost all all all trust\n"
    assert (ends(rules, Attempt("app", "app", "10.0.0.1")).decision, line_of(ends(rules, Attempt("app", "app", "10.0.0.1")))) == (
        "reject",
        1,
    )
    assert line_of(ends(rules, Attempt("app", "app", "11.0.0.1"))) == 2


def test_a_certificate_is_asked_for_before_the_method_even_before_reject() -> None:
    """Without ssl_ca_file nobody can show one; without a certificate nobody gets further."""
    rule = "hostssl all all all reject clientcert=verify-ca"
    attempt = Attempt("app", "app", "10.0.0.1", tls=True)
    without_ca = ends(rule, attempt, ssl_ca=False)
    assert without_ca.message == "client certificates can only be checked if a root certificate store is available"
    assert ends(rule, attempt).message == "connection requires a valid client certificate"
    shown = ends(rule, Attempt("app", "app", "10.0.0.1", tls=True, certificate=SHOWN))
    assert shown.message == 'pg_hba.conf rejects connection for host "10.0.0.1", user "app", database "app", SSL encryption'


@pytest.mark.parametrize(
    ("method", "message"),
    [
        ("cert", 'certificate authentication failed for user "other"'),
        ("scram-sha-256 clientcert=verify-full", 'password authentication failed for user "other"'),
        ("trust clientcert=verify-full", '"trust" authentication failed for user "other"'),
        ("ldap ldapserver=l ldapprefix=x clientcert=verify-full", 'LDAP authentication failed for user "other"'),
    ],
)
def test_a_certificate_of_somebody_else_fails_in_the_methods_words(method: str, message: str) -> None:
    """The name is compared after the method, and the client is told that the method failed."""
    decision = ends(f"hostssl all all all {method}", Attempt("app", "other", "10.0.0.1", tls=True, certificate=SHOWN))
    assert (decision.decision, decision.message) == ("reject", message)
    assert ends(f"hostssl all all all {method}", Attempt("app", "app", "10.0.0.1", tls=True, certificate=SHOWN)).decision == "accept"


_RULES = """\
local   all          all                   peer
hostssl app          app    127.0.0.1/32   trust
host    app          +pg_monitor samehost  trust
hostnossl postgres   app    localhost      reject
hostnossl replication app   all            reject
host    postgres     all    127.0.0.0/8    trust
"""


@pytest.mark.parametrize("tls", [True, False], ids=["tls", "plaintext"])
@pytest.mark.parametrize(
    ("database", "user"), [("app", "app"), ("postgres", "app"), ("postgres", "postgres"), ("template1", "app"), ("replication", "app")]
)
def test_real_servers_decide_the_same_with_the_same_words(cluster: RealCluster, database: str, user: str, tls: bool) -> None:
    """Accepted or refused, and the message to the letter, on every major."""
    cluster.serve_tls()
    cluster.write("pg_hba.conf", _RULES)
    cluster.reload()
    replication = database == "replication"
    attempt = Attempt("" if replication else database, user, "127.0.0.1", tls=tls, replication=replication, host_name="localhost")
    text = _RULES.encode()
    rules = parse_rules(cluster.hba_file, cluster.major, lambda path: text if path == cluster.hba_file else None, lambda _: None)
    expected = decide(rules, attempt, cluster.major, own_ranges=("127.0.0.1/8",))
    try:
        psycopg.connect(
            host="127.0.0.1",
            port=cluster.port,
            user=user,
            dbname="postgres" if replication else database,
            sslmode="require" if tls else "disable",
            gssencmode="disable",
            replication="true" if replication else None,
            connect_timeout=20,
        ).close()
        found: tuple[str, str | None] = ("accept", None)
    except psycopg.OperationalError as error:
        found = ("reject", str(error).partition("FATAL:")[2].strip())
    assert found == (expected.decision, expected.message)


def test_an_untrusted_certificate_ends_the_handshake_before_any_rule() -> None:
    """Where clients are asked for certificates, under whatever rule; where they are not, nobody looks at it."""
    attempt = Attempt("app", "app", "10.0.0.1", tls=True, certificate=ClientCertificate("app", trusted=False))
    found = ends("host all all all trust", attempt)
    assert (found.decision, found.rule, found.method) == ("reject", None, None)
    assert found.message == "could not accept SSL connection: certificate verify failed"
    assert ends("host all all all trust", attempt, ssl_ca=False).decision == "accept"
    assert ends("hostssl all all all cert", attempt, ssl_ca=False).message == (
        "client certificates can only be checked if a root certificate store is available"
    )


def test_names_are_completed_and_cut_before_rules_are_looked_for() -> None:
    """The database is the one named like the user; only 63 bytes count."""
    assert line_of(ends("local app app trust\n", Attempt("", "app"))) == 1
    long = "ä" * 40
    assert ends(f"local all {'ä' * 31} trust\nlocal all all reject", Attempt("db", long)).decision == "reject"
    refused = ends("local none all trust", Attempt("d" * 70, "r" * 70))
    assert refused.message == f'no pg_hba.conf entry for host "[local]", user "{"r" * 63}", database "{"d" * 63}", no encryption'
    assert ends("local all all trust", Attempt("db", "")).message == "no PostgreSQL user name specified in startup packet"


def test_who_does_not_exist_is_a_member_of_nothing() -> None:
    """Not of a group of that name either; a database of that name is another matter."""
    rules = "local all +ghost trust\nlocal samerole all trust\nlocal sameuser all trust\n"
    assert line_of(ends(rules, Attempt("ghost", "ghost", exists=False))) == 3
    assert line_of(ends(rules, Attempt("ghost", "ghost"))) == 1


def test_what_cannot_be_known_is_said() -> None:
    """The look-up forward from a host name; a map that nobody gave."""
    by_name = ends("host all all db.example.com md5", Attempt("app", "app", "10.0.0.1", host_name="DB.example.com"))
    assert by_name.reason == "md5 takes over; the host name is taken to lead back to the address"
    by_map = ends("hostssl all all all cert map=m", Attempt("app", "app", "10.0.0.1", tls=True, certificate=SHOWN))
    assert (by_map.decision, by_map.reason) == ("accept", "the certificate is enough, and the map is taken to fit")


def test_13_takes_gss_encryption_only_beside_some_methods() -> None:
    """Its words, and those of the next version for the same session."""
    attempt = Attempt("app", "app", "10.0.0.1", gss=True)
    said = "GSSAPI encryption can only be used with gss, trust, or reject authentication methods"
    assert ends("host all all all scram-sha-256", attempt, major=13).message == said
    assert ends("host all all all trust", attempt, major=13).decision == "accept"
    assert ends("host all all all scram-sha-256", attempt, major=14).decision == "accept"
    assert str(ends("host all none all trust", attempt, major=13).message).endswith(", SSL off")
    assert str(ends("host all none all trust", attempt, major=14).message).endswith(", GSS encryption")


@pytest.mark.parametrize(
    ("rule", "version", "clientcert"),
    [
        ("hostssl all all all cert", 17, "verify-full"),
        ("hostssl all all all cert clientcert=1", 13, "verify-full"),
        ("hostssl all all all md5 clientcert=1", 13, "verify-ca"),
        ("hostssl all all all md5 clientcert=no-verify", 13, None),
        ("hostssl all all all md5 clientcert=verify-ca", 17, "verify-ca"),
    ],
)
def test_what_a_rule_asks_of_certificates_is_told_in_the_words_of_today(rule: str, version: int, clientcert: str | None) -> None:
    """13 has more of them."""
    assert ends(rule, Attempt("app", "app", "10.0.0.1", tls=True, certificate=SHOWN), major=version).clientcert == clientcert
