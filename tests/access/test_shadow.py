"""Rules that earlier ones leave nothing to: what is claimed holds for every attempt, and what anybody would see is seen."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pgssl_wizard.access.decide import Attempt, decide
from pgssl_wizard.access.shadow import Shadow, Undercut, compare
from pgssl_wizard.files.hba import Rule, parse_rules

OWN = ("10.0.0.1/24",)
TYPES = ("local", "host", "hostssl", "hostnossl", "hostgssenc", "hostnogssenc")
DATABASES = ("all", "replication", "sameuser", "samerole", "samegroup", "a", "u", '"all"', "a,u", "all,replication", "/^a")
USERS = ("all", "u", "v", "u,v", "+a", '"+a"', '"all"', "/^u")
ADDRESSES = (
    *("all", '"all"', "samehost", "samenet", "0.0.0.0/0", "::/0", "10.0.0.0/8", "10.0.0.0/24", "10.0.0.1/32", "10.0.0.9 255.255.255.255"),
    *("0.0.0.1 0.0.0.255", "::1/128", "a.corp", "A.Corp", ".corp", "x.a.corp", ".a.corp"),
)
METHODS = ("reject", "trust", "scram-sha-256")

LINES = st.builds(
    lambda kind, database, user, address, method: " ".join([kind, database, user, *([] if kind == "local" else [address]), method]),
    st.sampled_from(TYPES),
    st.sampled_from(DATABASES),
    st.sampled_from(USERS),
    st.sampled_from(ADDRESSES),
    st.sampled_from(METHODS),
)
ATTEMPTS = [
    Attempt(database, user, address, tls=kind == "tls", gss=kind == "gss", replication=replication, roles=roles, host_name=name)
    for database, user, (address, kind, name), replication, roles in product(
        ("a", "u", "all", "b"),
        ("u", "v", "+a"),
        (
            (None, "plain", None),
            *product(("10.0.0.1", "10.0.0.9", "10.9.9.1", "::1", "2001:db8::1"), ("plain", "tls", "gss"), (None,)),
            *product(("10.0.0.9", "::1"), ("plain", "tls"), ("a.corp", "x.a.corp", "all")),
        ),
        (False, True),
        ((), ("a",)),
    )
]


def rules_of(text: str, major: int = 18) -> tuple[Rule, ...]:
    """Parse lines as a file without neighbours."""
    return parse_rules(Path("/hba"), major, lambda _: text.encode(), lambda _: None)


def dead(text: str, major: int = 18) -> list[tuple[int, ...]]:
    """Return the line of each dead rule, then the lines that take all of it."""
    rules = rules_of(text, major)
    return [(rules[each.rule].line, *(rules[by].line for by in each.by)) for each in compare(rules, major).dead]


@settings(max_examples=60, deadline=None)
@given(st.lists(LINES, min_size=2, max_size=7), st.sampled_from([15, 18]))
def test_a_rule_reported_dead_wins_for_no_attempt(lines: list[str], major: int) -> None:
    rules = rules_of("\n".join(lines), major)
    assert not [rule.error for rule in rules if rule.error and "expression" not in rule.error]
    found = compare(rules, major)
    numbers = {rules[each.rule].line for each in found.dead} | {rules[each.rule].line for each in found.undercut if each.dead}
    for attempt in ATTEMPTS if numbers else ():
        decision = decide(rules, attempt, major, own_ranges=OWN)
        assert decision.rule is None or decision.rule.line not in numbers, (attempt, decision)


@settings(max_examples=60, deadline=None)
@given(st.lists(LINES, min_size=2, max_size=6))
def test_whom_a_hostssl_rule_is_for_gets_in_without_tls_where_that_is_claimed(lines: list[str]) -> None:
    rules = rules_of("\n".join(lines))
    for undercut in compare(rules, 18).undercut:
        for attempt in ATTEMPTS:
            if attempt.tls and decide([rules[undercut.rule]], attempt, 18, own_ranges=OWN).rule is not None:
                plain = decide(rules, replace(attempt, tls=False), 18, own_ranges=OWN)
                assert plain.decision == "accept"
                assert plain.rule is not None
                assert plain.rule.line < rules[undercut.rule].line


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("host all all all reject\nhost app app 10.0.0.0/8 trust\n", [(2, 1)]),
        ("host all all 10.0.0.0/8 md5\nhost app app 10.1.0.0/16 reject\n", [(2, 1)]),
        ("local all all peer\nlocal all postgres trust\n", [(2, 1)]),
        ("host all all 0.0.0.0/0 md5\nhost all all ::/0 md5\nhost app all all reject\n", [(3, 1, 2)]),
        ("hostssl all all all md5\nhostnossl all all all reject\nhost app app 10.0.0.0/8 trust\n", [(3, 1, 2)]),
        ("hostnossl all all all reject\nhostgssenc all all all gss\n", [(2, 1)]),
        ("host a,b u,v all md5\nhost b v all reject\n", [(2, 1)]),
        ("host a u all md5\nhost b u all md5\nhost a,b u all reject\n", [(3, 1, 2)]),
        ("host all all .corp md5\nhost all all db.corp reject\n", [(2, 1)]),
        ("host all all samenet md5\nhost all all samehost reject\n", [(2, 1)]),
        ("host all +app all md5\nhost all +app 10.0.0.0/8 reject\n", [(2, 1)]),
        ("host all /^app all md5\nhost app /^app all reject\n", [(2, 1)]),
        ("host all all 0.0.0.255 0.0.0.255 md5\nhost all all 10.0.0.255/32 reject\n", [(2, 1)]),
    ],
)
def test_what_anybody_would_see_is_seen(text: str, expected: list[tuple[int, ...]]) -> None:
    assert dead(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "host all all all reject\nhost replication all all trust\n",
        "host all all 0.0.0.0/0 md5\nhost all all all reject\n",
        "host all all 10.0.0.0/8 md5\nhost all all samenet reject\n",
        "host all +app all md5\nhost all app all reject\n",
        "host all /app all md5\nhost all app all reject\n",
        'host "all" all all md5\nhost app all all reject\n',
        "host sameuser all all md5\nhost app app all reject\n",
        "host all all db.corp md5\nhost all all .corp reject\n",
        "host all all a.corp md5\nhost all all b.corp reject\n",
        'host all all "all" md5\nhost all all 10.0.0.0/8 reject\n',
        "hostssl all all all md5\nhost all all all reject\n",
        "hostnogssenc all all all md5\nhostgssenc all all all reject\n",
        "host all all 10.0.0.0/9 md5\nhost all all 10.0.0.0/8 reject\n",
        "host all all 10.0.0.0/33 md5\nhost all all all reject\n",
        "host replication all all md5\nhost all,replication all all reject\n",
    ],
)
def test_nothing_is_claimed_where_something_is_left(text: str) -> None:
    assert dead(text) == []


def test_a_slash_makes_an_expression_only_from_16_on() -> None:
    text = "host all /x all md5\nhost all /x 10.0.0.0/8 reject\n"
    assert dead(text, 15) == dead(text, 18) == [(2, 1)]
    mixed = 'host all all all md5\nhost all "/x" all reject\n'
    assert dead(mixed, 15) == dead(mixed, 18) == [(2, 1)]


def test_a_rule_that_does_the_same_is_superfluous_and_no_more() -> None:
    text = "host all all all scram-sha-256\nhost app app all scram-sha-256\nhost app app all md5\nhost app app all scram-sha-256 map=x\n"
    rules = rules_of(text.replace(" map=x", ""))
    assert compare(rules, 18).dead == (Shadow(1, (0,), same=True), Shadow(2, (0,), same=False), Shadow(3, (0,), same=True))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("host all all all md5\nhostssl all all all md5\n", [Undercut(1, (0,), dead=True)]),
        ("hostnossl all all all md5\nhostssl app app 10.0.0.0/8 md5\n", [Undercut(1, (0,), dead=False)]),
        ("host all all 10.0.0.0/8 md5\nhostssl all all all md5\n", []),
        ("hostssl all all all md5\nhostnossl all all all md5\n", []),
        ("hostnossl all all all reject\nhostssl all all all md5\n", []),
        ("hostnossl all all 10.1.0.0/16 reject\nhost all all 10.0.0.0/8 md5\nhostssl all all 10.0.0.0/8 md5\n", []),
        ("host all all all md5\nhostssl all all all reject\n", []),
    ],
)
def test_plaintext_above_hostssl_is_seen_where_all_its_clients_get_in(text: str, expected: list[Undercut]) -> None:
    assert list(compare(rules_of(text), 18).undercut) == expected


def test_long_lists_are_compared_as_a_whole() -> None:
    names = ",".join(f"n{number}" for number in range(200))
    others = ",".join(f"n{number}" for number in range(1, 201))
    text = f"host {names} {names} all md5\nhost {names} {names} 10.0.0.0/8 reject\nhost {others} {names} all reject\n"
    assert dead(text) == [(2, 1)]
    assert dead(f"host all all all md5\nhost {names} {names} all reject\n") == [(2, 1)]
    assert dead(f"host all all all md5\nhost {names},replication {names} all reject\n") == []
