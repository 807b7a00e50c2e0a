"""A proposed order leaves every rule something to do."""

from __future__ import annotations

from pathlib import Path

from pgssl_wizard.access.reorder import propose
from pgssl_wizard.access.shadow import compare
from pgssl_wizard.files.hba import parse_rules

RULES = """\
local all all peer
host all all 0.0.0.0/0 scram-sha-256
hostssl app app 10.0.0.0/8 cert
host all all 10.1.0.0/16 reject
host all all 10.1.2.0/24 scram-sha-256
host all all 10.1.2.3/32 md5
"""


def test_the_narrower_goes_above_the_wider_and_nothing_is_hidden_any_more() -> None:
    path = Path("/hba")
    lines = RULES.splitlines()
    rules = parse_rules(path, 17, {path: RULES.encode()}.get, lambda _: None)
    moves = propose(rules, 17)
    assert moves
    order = [rule.line for rule in rules]
    for rule, above in reversed(moves):
        order.remove(rule.line)
        order.insert(order.index(above.line), rule.line)
    text = "\n".join(lines[line - 1] for line in order) + "\n"
    found = compare(parse_rules(path, 17, {path: text.encode()}.get, lambda _: None), 17)
    assert found.dead == ()
    assert found.undercut == ()


def test_rules_in_a_good_order_stay() -> None:
    path = Path("/hba")
    text = b"host all all 10.1.0.0/16 reject\nhost all all 10.0.0.0/8 md5\n"
    assert propose(parse_rules(path, 17, {path: text}.get, lambda _: None), 17) == ()
