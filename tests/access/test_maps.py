r"""Maps of pg_ident.conf let certificates in as the server's check_usermap does."""

from __future__ import annotations

from pathlib import Path

import pytest

from pgssl_wizard.access.attempt import Attempt
from pgssl_wizard.access.decide import ClientCertificate, decide
from pgssl_wizard.access.maps import Verdict, by_name, check
from pgssl_wizard.files.ident import parse_maps
from tests.access.rules import parse

IDENT = Path("/i")


def told(text: str, user: str, system_user: str, major: int = 17, roles: tuple[str, ...] = ()) -> Verdict:
    """Return what the map `m` says."""
    lines = parse_maps(IDENT, major, lambda _: text.encode(), lambda _: None)
    assert [line.error for line in lines if line.error] == []
    return check(by_name(lines), "m", Attempt("db", user, roles=roles), system_user, major)


@pytest.mark.parametrize(
    ("line", "user", "system_user", "old", "new"),
    [
        ("m alice app", "app", "alice", True, True),
        ("m alice app", "alice", "alice", False, False),
        ("m Alice app", "app", "alice", False, False),
        ("other alice app", "app", "alice", False, False),
        ("m all app", "app", "alice", False, False),
        ("m /lic app", "app", "alice", True, True),
        ("m /^lic app", "app", "alice", False, False),
        ("m /^(.*)@example[.]com$ \\1", "alice", "alice@example.com", True, True),
        ("m /^(.)(.*)$ \\1", "a", "alice", True, True),
        ("m /^(.*)$ \\1\\1", "aa", "a", False, False),
        ("m alice all", "anybody", "alice", False, True),
        ('m alice "all"', "anybody", "alice", False, False),
        ("m alice +staff", "app", "alice", False, True),
        ("m alice +other", "+other", "alice", True, False),
        ("m alice /^ap", "app", "alice", False, True),
        ("m /^(.*)$ +\\1", "app", "staff", False, False),
        ("m /^(.*)$ \\1", "app", "+staff", False, False),
        ('m "CN=alice,O=Example" app', "app", "CN=alice,O=Example", True, True),
    ],
)
def test_a_line_lets_in_what_the_major_makes_of_it(line: str, user: str, system_user: str, old: bool, new: bool) -> None:
    """`all`, `+role` and expressions for roles came with 16; what is put in for a reference is always literal."""
    assert told(line, user, system_user, 15, ("staff",)).allowed is old
    assert told(line, user, system_user, 16, ("staff",)).allowed is new


def test_all_references_are_replaced_from_19_on() -> None:
    """Before, only the first one."""
    assert [told("m /^(.*)$ \\1\\1", "aa", "a", major).allowed for major in (18, 19)] == [False, True]
    assert told("m /^(.*)$ \\1\\1", "a\\1", "a", 18).allowed


def test_a_reference_without_a_group_ends_the_search() -> None:
    """A later line that would let the name in is not looked at."""
    found = told("m /^ali \\1\nm alice alice\n", "alice", "alice")
    assert (found.allowed, found.reason) == (
        False,
        'regular expression "^ali" has no subexpressions as requested by backreference in "\\1"',
    )
    assert found.line is not None
    assert found.line.line == 1
    assert told("m bob \\1\nm alice alice\n", "alice", "alice").allowed, "the line of somebody else does not"


def test_a_map_never_implies_that_equal_names_fit() -> None:
    """Nobody gets in by a map that does not exist."""
    found = told("other alice alice", "alice", "alice")
    assert (found.allowed, found.reason) == (False, 'no match in usermap "m" for user "alice" authenticated as "alice"')


@pytest.mark.parametrize(
    ("rule", "user", "decision", "compared", "reason"),
    [
        ("cert map=m", "app", "accept", "alice", "the certificate is enough; line 1 of the map m lets alice be app"),
        (
            "cert map=m clientname=DN",
            "app",
            "reject",
            "CN=alice,O=X",
            'no match in usermap "m" for user "app" authenticated as "CN=alice,O=X"',
        ),
        (
            "cert clientname=DN map=m",
            "boss",
            "accept",
            "CN=alice,O=X",
            "the certificate is enough; line 2 of the map m lets CN=alice,O=X be boss",
        ),
        ("cert", "app", "reject", "alice", "provided user name (app) and authenticated user name (alice) do not match"),
        ("cert map=", "alice", "accept", "alice", "the certificate is enough"),
        ("scram-sha-256 clientcert=verify-full", "alice", "accept", "alice", "scram-sha-256 takes over"),
        ("scram-sha-256 clientcert=verify-ca", "app", "accept", None, "scram-sha-256 takes over"),
    ],
)
def test_a_rule_compares_the_name_that_it_asks_for(rule: str, user: str, decision: str, compared: str | None, reason: str) -> None:
    """CN or DN, straight or by a map."""
    maps = parse_maps(IDENT, 17, lambda _: b'm alice app\nm "CN=alice,O=X" boss\n', lambda _: None)
    attempt = Attempt("db", user, "10.0.0.1", tls=True, certificate=ClientCertificate("alice", "CN=alice,O=X"))
    found = decide(parse(f"hostssl all all all {rule}"), attempt, 17, ssl_ca=True, maps=maps)
    assert (found.decision, found.name_compared, found.reason) == (decision, compared, reason)
