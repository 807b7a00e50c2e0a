"""An order of rules in which each of them has something to do: the narrower above the wider. Pure.

Only an offer: with the order, the meaning of the file changes, and a person has to want that.
"""

from __future__ import annotations

from collections.abc import Sequence

from pgssl_wizard.access.shadow import compare
from pgssl_wizard.files.hba import Rule

#: Larger files are not worth the time, and their new order nobody could follow.
_LARGEST = 400
#: Each round puts every rule above those that hid it; two rules that hide each other would go round for ever.
_ROUNDS = 8


def propose(rules: Sequence[Rule], major: int) -> tuple[tuple[Rule, Rule], ...]:
    """Return moves: each rule, and the one that it should stand right above; in the order of the file, empty where none is needed.

    Args:
        rules: of one file, in reading order.
        major: decides which words are regular expressions.
    """
    if len(rules) > _LARGEST or len({rule.file for rule in rules}) != 1:
        return ()
    order = list(range(len(rules)))
    for _ in range(_ROUNDS):
        found = compare([rules[position] for position in order], major)
        hidden = [(each.rule, each.by[0]) for each in found.dead if not each.same] + [(each.rule, each.by[0]) for each in found.undercut]
        if not hidden:
            break
        for rule, above in sorted(((order[rule], order[above]) for rule, above in hidden)):
            order.remove(rule)
            order.insert(order.index(above), rule)
    else:
        return ()
    return tuple(_moves(rules, order))


def _moves(rules: Sequence[Rule], order: Sequence[int]) -> list[tuple[Rule, Rule]]:
    """Return the rules that stand below one that they came after, each with the next rule that stays."""
    moves = []
    for place, position in enumerate(order):
        below = next((later for later in order[place + 1 :] if later < position), None)
        if below is not None:
            moves.append((rules[position], rules[below]))
    return moves
