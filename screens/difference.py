"""A coloured diff of one text file with line numbers; what changed within a line is bold, so that it shows without colour."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from textual.content import Content

from pgssl_wizard.screens.text import Piece, line


@dataclass(frozen=True, slots=True)
class Difference:
    """How many lines come and go, and the rows to show."""

    added: int
    removed: int
    rows: tuple[Content, ...]


def difference(before: bytes | None, after: bytes | None, context: int = 2) -> Difference:
    """Return the difference for display."""
    old, new = _split(before), _split(after)
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    rows: list[Content] = []
    added = removed = 0
    for number, group in enumerate(matcher.get_grouped_opcodes(context)):
        if number:
            rows.append(line(("    …", "$pg-muted")))
        for tag, a1, a2, b1, b2 in group:
            if tag == "equal":
                rows += [line((f"{a1 + n + 1:5}   ", "$pg-muted"), (old[a1 + n], "$pg-muted")) for n in range(a2 - a1)]
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
    return Difference(added, removed, tuple(rows))


def _row(number: int, sign: str, text: str, other: str | None, colour: str, ground: str) -> Content:
    pieces: list[Piece] = [(f"{number:5} ", f"$pg-muted on {ground}"), (f"{sign} ", f"{colour} on {ground}")]
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
    text = data.decode("utf-8", "replace").replace("\r\n", "\n").replace("\t", "    ")
    return text.removesuffix("\n").split("\n")
