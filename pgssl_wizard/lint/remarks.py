"""A remark about one line, which can be told alone or together with those that say the same of other lines."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pgssl_wizard.findings import Finding, Severity, Topic

#: How many line numbers are told; a file made by a program may have hundreds.
_LINES = 6


@dataclass(frozen=True, slots=True)
class Remark:
    """What is to be said of a line, as the rest of a sentence that begins with `Line 12` or `Lines 12 and 15`.

    Attributes:
        file: the file it stands in.
        line: from 1; 0 for the file as a whole, whose sentence is `one` alone.
        severity, code, hint, topic: as in a finding.
        one: the words behind `Line 12`.
        many: the words behind `Lines 12 and 15`; None: each line is told by itself.
        end: what follows in both cases.
        alone: `one` is a sentence by itself, although it has a line.
    """

    file: Path
    line: int
    severity: Severity
    code: str
    one: str
    many: str | None = None
    end: str = "."
    hint: str | None = None
    topic: Topic = "rules"
    alone: bool = False


def separately(remarks: Iterable[Remark]) -> tuple[Finding, ...]:
    """Return a finding for each remark."""
    return tuple(_finding([remark]) for remark in remarks)


def together(remarks: Iterable[Remark]) -> tuple[Finding, ...]:
    """Return one finding for all lines of a file of which the same is said, in the order of the first of them."""
    groups: dict[object, list[Remark]] = {}
    for position, remark in enumerate(remarks):
        same = (
            (remark.file, remark.severity, remark.code, remark.many, remark.end, remark.hint) if remark.many and remark.line else position
        )
        groups.setdefault(same, []).append(remark)
    return tuple(_finding(group) for group in groups.values())


def _finding(group: list[Remark]) -> Finding:
    first = group[0]
    lines = list(dict.fromkeys(remark.line for remark in group))
    if not first.line or first.alone:
        message = first.one
    elif len(lines) == 1:
        message = f"Line {first.line} {first.one}"
    else:
        message = f"{in_words(lines)} {first.many}"
    where = f"{first.file}:{first.line}" if first.line else str(first.file)
    return Finding(first.severity, first.code, message + first.end, first.hint, where, first.topic)


def in_words(lines: list[int]) -> str:
    """Return `Line 3`, `Lines 3, 4 and 9`, or how many there are."""
    if len(lines) == 1:
        return f"Line {lines[0]}"
    if len(lines) > _LINES:
        return f"{len(lines)} lines (from {lines[0]} on)"
    told = [str(number) for number in lines]
    return f"Lines {', '.join(told[:-1])} and {told[-1]}"
