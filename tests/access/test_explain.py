"""Why each rule took an attempt or passed it by, in words for people."""

from __future__ import annotations

from pgssl_wizard.access.decide import Attempt
from pgssl_wizard.access.explain import compare
from tests.access.rules import parse

RULES = """\
local     all              all       peer
hostnossl all              all       all            reject
hostssl   all              all       10.0.0.0/8     scram-sha-256
hostssl   all              all       ::/0           scram-sha-256
hostssl   all              all       samenet        scram-sha-256
hostssl   all              all       db.example.com scram-sha-256
hostssl   replication      all       all            scram-sha-256
hostssl   "all",other      all       all            scram-sha-256
hostssl   shop             +staff,bob all           scram-sha-256
hostssl   shop             app       .example.org   cert
hostssl   all              all       all            reject
"""


def test_every_rule_up_to_the_deciding_one_says_why_it_did_not_match() -> None:
    """The first field that does not fit, as the server compares them."""
    attempt = Attempt("shop", "app", "192.0.2.1", tls=True, host_name="h.example.org")
    found = compare(parse(RULES), attempt, 17, own_ranges=("10.0.0.5/24",))
    assert [(each.rule.line, each.matched, each.field, each.reason) for each in found] == [
        (1, False, "type", "local takes the Unix socket; this one comes over TLS"),
        (2, False, "type", "hostnossl takes sessions without TLS; this one comes over TLS"),
        (3, False, "address", "192.0.2.1 does not lie in 10.0.0.0/8"),
        (4, False, "address", "192.0.2.1 does not lie in ::/0, which is an IPv6 range"),
        (5, False, "address", "192.0.2.1 is not in one of the server's own networks"),
        (6, False, "address", "192.0.2.1 is not db.example.com: its name is h.example.org"),
        (7, False, "database", "replication means physical replication; this is a session at the database shop"),
        (8, False, "database", 'the database shop is not in "all",other'),
        (9, False, "user", "app is not in +staff,bob, nor a member of a group there"),
        (10, True, None, "type, address, database and user fit; h.example.org is taken to lead back to 192.0.2.1"),
    ]


def test_rules_behind_the_deciding_one_are_told_only_on_request() -> None:
    """For a screen that shows all of them."""
    attempt = Attempt("", "app", None, replication=True)
    found = compare(parse("local all all peer\nlocal replication all peer\nlocal replication app md5\n"), attempt, 17, to_the_end=True)
    assert [each.matched for each in found] == [False, True, True]
    assert found[0].reason == "physical replication needs the word replication, which all does not mean; here stands all"
