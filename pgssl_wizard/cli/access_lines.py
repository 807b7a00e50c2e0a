"""Decisions as JSON lines, and as words for people."""

from __future__ import annotations

import json
from collections.abc import Sequence
from json.encoder import encode_basestring_ascii as quoted
from pathlib import Path
from typing import Any

from pgssl_wizard.access.attempt import Attempt
from pgssl_wizard.access.explain import Comparison
from pgssl_wizard.access.outcome import Decision
from pgssl_wizard.cli.report import paint
from pgssl_wizard.files.hba import Rule
from pgssl_wizard.plan.secrets import masked


class JsonLines:
    """Makes the lines; what is the same for a rule is made once."""

    def __init__(self) -> None:
        self._rules: dict[int, tuple[Rule, str]] = {}

    def line(self, identity: Any, decision: Decision, compared: Sequence[Comparison] | None = None) -> str:
        """Return one line with its newline, in ASCII.

        Args:
            identity: the `id` of the attempt, whatever JSON it was.
            decision: how it ends.
            compared: each rule that it was held against; None: not asked for.
        """
        rule = decision.rule
        if rule is None:
            about = '"rule": null, "method": null, "clientcert": null'
        else:
            known = self._rules.get(id(rule))
            about = known[1] if known else self._about(rule, decision)
        kind = type(identity)
        shown = quoted(identity) if kind is str else str(identity) if kind is int else json.dumps(identity)
        name = "null" if decision.name_compared is None else quoted(decision.name_compared)
        message = "null" if decision.message is None else quoted(decision.message)
        more = "" if compared is None else ', "compared": ' + json.dumps([_comparison(each) for each in compared])
        return (
            f'{{"id": {shown}, "decision": "{decision.decision}", {about}, "name_compared": {name}, '
            f'"reason": {quoted(decision.reason)}, "message": {message}{more}}}\n'
        )

    def _about(self, rule: Rule, decision: Decision) -> str:
        found = (
            f'"rule": {json.dumps(_place(rule))}, "method": {json.dumps(decision.method)}, "clientcert": {json.dumps(decision.clientcert)}'
        )
        self._rules[id(rule)] = (rule, found)
        return found


def _place(rule: Rule) -> dict[str, Any]:
    return {"file": str(rule.file), "line": rule.line}


def _comparison(each: Comparison) -> dict[str, Any]:
    return {"rule": _place(each.rule), "matched": each.matched, "field": each.field, "reason": each.reason}


def in_words(identity: Any, attempt: Attempt, decision: Decision, compared: Sequence[Comparison], main: Path) -> str:
    """Return a paragraph: the attempt, each rule it was held against and why it matched or not, and the end.

    Args:
        identity: the `id` of the attempt.
        attempt: who comes from where.
        decision: how it ends.
        compared: each rule that it was held against.
        main: the file of the rules, which is named shortly.
    """
    name = "" if identity is None else f"{identity if isinstance(identity, str) else json.dumps(identity)}: "
    lines = [name + _attempt(attempt)]
    places = [_where(each.rule, main) for each in compared]
    width = max(map(len, places), default=0)
    for place, each in zip(places, compared, strict=True):
        mark = paint("✓", "32") if each.matched else "·"
        lines += [f"  {mark} {place:{width}}  {_rule(each.rule)}", f"    {'':{width}}  {each.reason}"]
    colour = "32" if decision.decision == "accept" else "31"
    lines.append(f"  {paint(decision.decision, colour)}: {decision.reason}")
    if decision.message:
        lines.append(f"    FATAL: {decision.message}" if decision.rule or "pg_hba" in decision.message else f"    {decision.message}")
    return "\n".join(lines) + "\n\n"


def _attempt(attempt: Attempt) -> str:
    place = "over the Unix socket" if attempt.address is None else f"from {attempt.address}"
    if attempt.address is not None:
        if attempt.host_name:
            place += f" ({attempt.host_name})"
        place += " over TLS" if attempt.tls else " with GSS encryption" if attempt.gss else " in plaintext"
    target = "for physical replication" if attempt.replication else f"at the database {attempt.database or attempt.user}"
    shown = attempt.certificate
    certificate = "" if shown is None else f", certificate {shown.dn or f'CN={shown.cn}'}{'' if shown.trusted else ' (not trusted)'}"
    roles = f", member of {', '.join(attempt.roles)}" if attempt.roles else ""
    return f"{attempt.user} {target} {place}{certificate}{roles}"


def _where(rule: Rule, main: Path) -> str:
    return f"{rule.file.name if rule.file == main else rule.file}:{rule.line}"


def _rule(rule: Rule) -> str:
    """Return a rule in one line, passwords masked."""
    lists = [",".join(f'"{text}"' if quotes else text for text, quotes in tokens) for tokens in (rule.databases, rule.users)]
    address = [part for part in (f'"{rule.address}"' if rule.address_quoted else rule.address, rule.netmask) if part]
    return masked(" ".join([rule.type, *lists, *address, rule.method, *(f"{name}={value}" for name, value in rule.options)]))
