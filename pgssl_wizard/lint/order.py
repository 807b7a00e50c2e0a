"""What the order of rules makes of them: rules that never match, TLS that is never demanded, replication that is forgotten."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from pgssl_wizard.access.reorder import propose
from pgssl_wizard.access.shadow import PLAINTEXT, SESSIONS, Shadow, Undercut, compare
from pgssl_wizard.files.hba import Rule, Token
from pgssl_wizard.lint.addresses import everywhere
from pgssl_wizard.lint.remarks import Remark, in_words

#: So many moves are told.
_TOLD = 6
_ALL = Token("all")
_REPLICATION = Token("replication")
_SOUNDS_LIKE_REPLICATION = re.compile(r"repl|standby|walreceiver|basebackup", re.IGNORECASE)


def of_order(rules: Sequence[Rule], major: int) -> Iterator[Remark]:
    """Yield what only the rules together show."""
    found = compare(rules, major)
    for shadow in found.dead:
        yield _dead(rules, shadow)
    for undercut in found.undercut:
        yield _undercut(rules, undercut)
    if found.undercut or any(not shadow.same for shadow in found.dead):
        yield from _better_order(rules, major)
    yield from _replication_through_a_gap(rules)
    yield from _replication_forgotten(rules)


def _better_order(rules: Sequence[Rule], major: int) -> Iterator[Remark]:
    """Yield an order in which every rule has something to do."""
    moves = propose(rules, major)
    if not moves:
        return
    told = "; ".join(f"line {rule.line} above line {above.line}" for rule, above in moves[:_TOLD])
    more = f"; and {len(moves) - _TOLD} more" if len(moves) > _TOLD else ""
    yield Remark(
        moves[0][0].file,
        moves[0][0].line,
        "info",
        "proposed-order",
        f"begins an order in which every rule has something to do: {told}{more}",
        hint="The narrower rule goes above the wider one. Hold a few attempts against both orders first: access --explain.",
    )


def _dead(rules: Sequence[Rule], shadow: Shadow) -> Remark:
    rule = rules[shadow.rule]
    by = [rules[position] for position in shadow.by]
    who = _places(by, rule.file)
    takes = "takes" if len(by) == 1 else "take"
    if shadow.same:
        return Remark(
            rule.file,
            rule.line,
            "info",
            "rule-superfluous",
            f"never matches: {who} above {takes} all that it would, and {'does' if len(by) == 1 else 'do'} the same",
            f"never match: {who} above {takes} all that they would, and {'does' if len(by) == 1 else 'do'} the same",
            hint="Take it out, if nothing else is meant.",
        )
    if all(other.method == "reject" for other in by):
        takes = "refuses" if len(by) == 1 else "refuse"
    hint = "The first rule that matches decides: move it up, or take it out."
    if rule.type == "hostgssenc" and any(other.type == "hostnossl" for other in by):
        hint = "Move it up: hostnossl takes sessions with GSS encryption too."
    return Remark(
        rule.file,
        rule.line,
        "warning",
        "rule-never-matches",
        f"never matches: {who} above {takes} all that it would take",
        f"never match: {who} above {takes} all that they would take",
        hint=hint,
    )


def _undercut(rules: Sequence[Rule], undercut: Undercut) -> Remark:
    rule = rules[undercut.rule]
    by = [rules[position] for position in undercut.by]
    who = _places(by, rule.file)
    lets = "lets" if len(by) == 1 else "let"
    too = "with or without TLS" if undercut.dead else "without TLS"
    return Remark(
        rule.file,
        rule.line,
        "warning",
        "plaintext-above-hostssl",
        f"demands TLS from nobody: {who} above {lets} the same clients in {too}",
        f"demand TLS from nobody: {who} above {lets} the same clients in {too}",
        hint="Make that line hostssl, or take it out." if len(by) == 1 else "Make those lines hostssl, or take them out.",
    )


def _replication_through_a_gap(rules: Sequence[Rule]) -> Iterator[Remark]:
    """Yield rules that refuse all of plaintext and forget physical replication, which the word all does not mean."""
    for position, rule in enumerate(rules):
        if (
            rule.error
            or rule.method != "reject"
            or PLAINTEXT not in SESSIONS.get(rule.type, ())
            or _ALL not in rule.databases
            or _REPLICATION in rule.databases
            or rule.users != (_ALL,)
            or not everywhere(rule)
        ):
            continue
        ahead = rules[position + 1 :]
        closed = next((n for n, other in enumerate(ahead) if _closes(other)), len(ahead))
        through = [other for other in ahead[:closed] if _plaintext_replication(other)]
        if through:
            who = _places(through, rule.file)
            yield Remark(
                rule.file,
                rule.line,
                "warning",
                "reject-misses-replication",
                f"refuses all databases, which does not mean physical replication: {who} below still "
                f"{'takes' if len(through) == 1 else 'take'} it without TLS",
                hint="Write all,replication for the database.",
            )
        elif rule.type == "hostnossl" and closed == len(ahead) and not any(_closes(other) for other in rules[:position]):
            yield Remark(
                rule.file,
                rule.line,
                "info",
                "reject-misses-replication",
                "refuses all databases, which does not mean physical replication; no rule below takes that without TLS",
                hint="Write all,replication for the database, so that it stays so.",
            )
        return


def _closes(rule: Rule) -> bool:
    """Whether a rule refuses all physical replication in plaintext."""
    return (
        not rule.error
        and rule.method == "reject"
        and PLAINTEXT in SESSIONS.get(rule.type, ())
        and _REPLICATION in rule.databases
        and _ALL in rule.users
        and everywhere(rule)
    )


def _plaintext_replication(rule: Rule) -> bool:
    return not rule.error and rule.method != "reject" and PLAINTEXT in SESSIONS.get(rule.type, ()) and _REPLICATION in rule.databases


def _replication_forgotten(rules: Sequence[Rule]) -> Iterator[Remark]:
    """Yield rules for a role that sounds like replication, in a file without any rule for that."""
    if any(_REPLICATION in rule.databases for rule in rules):
        return
    for rule in rules:
        named = next((token.text for token in rule.users if _SOUNDS_LIKE_REPLICATION.search(token.text)), None)
        if rule.error or named is None or _ALL not in rule.databases or rule.method == "reject":
            continue
        yield Remark(
            rule.file,
            rule.line,
            "info",
            "replication-not-covered",
            f"lets {named} into all databases, which does not mean physical replication; no rule takes that",
            f"let {named} into all databases, which does not mean physical replication; no rule takes that",
            hint=f"If {named} is a standby's, add a rule with the database replication.",
        )


def _places(rules: Sequence[Rule], file: Path) -> str:
    """Return the lines of rules in words, the files too where they are others."""
    by_file: dict[Path, list[int]] = {}
    for rule in rules:
        by_file.setdefault(rule.file, []).append(rule.line)
    told = [in_words(lines) + ("" if where == file else f" of {where.name}") for where, lines in by_file.items()]
    words = " and ".join(told)
    return words[0].lower() + words[1:]
