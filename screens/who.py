"""The table of those who are known: where from, how they come in today, and how afterwards; machines first."""

from __future__ import annotations

from itertools import groupby

from textual.content import Content

from pgssl_wizard.plan.model import KnownChange, Plan
from pgssl_wizard.screens.text import fit, line, lines, some, wrap

#: So many are listed; `plan --json` has all of them.
_MOST = 200

_KINDS = {
    "replication": "Replication",
    "monitoring": "Monitoring",
    "backup": "Backups",
    "administrator": "The administrator's own way in",
    "failover": "Failover",
    "pooler": "Poolers",
    None: "Everybody else who is known",
}
_SOURCES = {"session": "connected", "log": "log", "replication": "streaming", "named": "named"}
_NEEDS = {"shown": "It must show a certificate, and does.", "kit": "It must show a certificate: its kit is planned."}
_WITHOUT = "It must show a certificate, and no kit is planned for it."


def table(plan: Plan, width: int) -> Content:
    """Return the table for a place of this width."""
    if not plan.known:
        return lines(
            line((row, "$pg-muted"))
            for row in wrap("Nobody is known: no session, nothing in the log. clients.known names those who must get in.", width)
        )
    widths = _widths(width)
    rows = [line(("  " + _columns(("who", "from", "known by", "today", "afterwards"), widths), "$pg-muted"))]
    told, left_out = some(plan.known, _MOST)
    for kind, found in groupby(told, key=lambda each: each.machine):
        rows.append(line((_KINDS[kind], "bold $pg-bright")))
        for each in found:
            rows += _row(each, widths, width)
    if left_out:
        rows.append(line((f"and {left_out} more: plan --json lists them all", "$pg-muted")))
    return lines(rows)


def _row(each: KnownChange, widths: tuple[int, ...], width: int) -> list[Content]:
    left_out = not each.let_in_now and not each.let_in_then
    mark, style = ("✗ ", "$pg-err") if each.refused else ("~ ", "$pg-warn") if each.changes and not left_out else ("  ", "$pg-fg")
    name = each.user if each.origin == "socket" and each.machine == "administrator" else f"{each.user}@{each.database or each.user}"
    after = "refused" if each.refused else "refused still" if left_out else each.then if each.changes else "the same"
    text = _columns((name, each.origin, _SOURCES[each.source], each.now, after), widths)
    rows = [line((mark, style), (text, style if each.refused else "$pg-muted" if left_out else "$pg-fg"))]
    below: list[str] = [each.application] if each.application and each.machine != "administrator" else []
    if each.refused:
        below.append(f"{each.manner}: {each.refused}" if each.manner else each.refused)
    elif each.certificate and not left_out:
        below.append(_NEEDS.get(each.certificate, _WITHOUT))
    return rows + [line(("    " + row, "$pg-muted")) for text in below for row in wrap(text, width - 4)]


def _widths(width: int) -> tuple[int, ...]:
    """Return the columns: names get what the others leave, and rules what they need."""
    rest = max(width - 2 - 4, 50)
    origin, source, rule = (15, 9, 18) if rest < 90 else (24, 9, 22)
    return (max(12, rest - origin - source - 2 * rule), origin, source, rule, rule)


def _columns(texts: tuple[str, ...], widths: tuple[int, ...]) -> str:
    return " ".join(fit(text, width) for text, width in zip(texts, widths, strict=True)).rstrip()
