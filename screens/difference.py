"""A coloured diff of one text file with line numbers; what changed within a line is bold, so that it shows without colour."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from textual.content import Content

from pgssl_wizard.plan.secrets import masked
from pgssl_wizard.screens.text import Piece, line


@dataclass(frozen=True, slots=True)
class Difference:
    """How many lines come and go, and the rows to show."""

    added: int
    removed: int
    rows: tuple[Content, ...]


def squeezed(text: str) -> str:
    """Return a line with runs of blanks made one, for display only."""
    return " ".join(text.split())


def difference(before: bytes | None, after: bytes | None, width: int = 0, context: int = 2, *, squeeze: bool = False) -> Difference:
    """Return the difference for display; lines longer than `width` go on below, and with `squeeze` runs of blanks are drawn as one."""
    old, new = _split(before), _split(after)
    if squeeze:
        # Lines that differ only in blanks must still differ.
        old, new = [squeezed(text) for text in old], [squeezed(text) for text in new]
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    rows: list[Content] = []
    added = removed = 0
    for number, group in enumerate(matcher.get_grouped_opcodes(context)):
        if number:
            rows.append(line(("   …", "$pg-muted")))
        for tag, a1, a2, b1, b2 in group:
            if tag == "equal":
                rows += [line((f"{a1 + n + 1:4}   ", "$pg-muted"), (old[a1 + n], "$pg-muted")) for n in range(a2 - a1)]
                continue
            removed += a2 - a1
            added += b2 - b1
            for n in range(max(a2 - a1, b2 - b1)):
                left = old[a1 + n] if a1 + n < a2 else None
                right = new[b1 + n] if b1 + n < b2 else None
                if left is not None:
                    rows.append(_row(a1 + n + 1, "-", left, right, "$pg-err", "$pg-sub"))
                if right is not None:
                    rows.append(_row(b1 + n + 1, "+", right, left, "$pg-ok", "$pg-add"))
    return Difference(added, removed, tuple(part for row in rows for part in folded(row, width)))


def _row(number: int, sign: str, text: str, other: str | None, colour: str, ground: str) -> Content:
    pieces: list[Piece] = [(f"{number:4} ", f"$pg-muted on {ground}"), (f"{sign} ", f"{colour} on {ground}")]
    if other is None:
        pieces.append((text, f"{colour} on {ground}"))
    else:
        words, others = text.split(" "), other.split(" ")
        for tag, i1, i2, _, _ in difflib.SequenceMatcher(None, words, others, autojunk=False).get_opcodes():
            if i1 == i2:
                continue
            part = " ".join(words[i1:i2]) + (" " if i2 < len(words) else "")
            pieces.append((part, f"{'' if tag == 'equal' else 'bold '}{colour} on {ground}"))
    return line(*pieces)


def _split(data: bytes | None) -> list[str]:
    if not data:
        return []
    text = masked(data.decode("utf-8", "replace")).replace("\r\n", "\n").replace("\t", "    ")
    return text.removesuffix("\n").split("\n")


def folded(row: Content, width: int) -> list[Content]:
    """Return a row in pieces of at most `width` cells, cut at blanks where there are some, with a hanging indent."""
    if not width or row.cell_length <= width:
        return [row]
    parts: list[Content] = []
    indent = ""
    while row.cell_length + len(indent) > width:
        room = max(10, width - len(indent))
        blank = row.plain.rfind(" ", 12, room)
        cut = blank + 1 if blank > 0 else room
        head, row = row[:cut], row[cut:]
        parts.append(Content.assemble(indent, head))
        indent = " " * 9
    return [*parts, Content.assemble(indent, row)]
