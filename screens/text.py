"""Building styled text: pieces, rows of fixed width, and the ASCII spelling of every glyph."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TypeVar

from rich.cells import cell_len, chop_cells
from textual.content import Content

#: One for one, so that no column moves.
_ASCII = str.maketrans(
    {
        "✓": "*",
        "✗": "x",
        "●": "#",
        "◉": "@",
        "○": ".",
        "│": "|",
        "─": "-",
        "╌": "-",
        "═": "=",
        "┌": "+",
        "┐": "+",
        "└": "+",
        "┘": "+",
        "╭": "+",
        "╮": "+",
        "╰": "+",
        "╯": "+",
        "┬": "+",
        "┴": "+",
        "├": "+",
        "┤": "+",
        "▶": ">",
        "▼": "v",
        "◀": "<",
        "…": ".",
        "·": "-",
        "“": '"',
        "”": '"',
        "→": ">",
        "←": "<",
        "↑": "^",
        "↓": "v",
    }
)

Piece = str | tuple[str, str] | Content
_T = TypeVar("_T")


def line(*pieces: Piece) -> Content:
    """Return one line from texts and `(text, style)` pairs; nothing in them is read as markup."""
    return Content.assemble(*pieces)


def lines(rows: Iterable[Content | str]) -> Content:
    """Return several lines as one block."""
    return Content("\n").join([Content(row) if isinstance(row, str) else row for row in rows])


def as_ascii(content: Content) -> Content:
    """Return the same text in ASCII, spans kept."""
    return Content(content.plain.translate(_ASCII), list(content.spans))


def fit(text: str, width: int) -> str:
    """Return the text in exactly `width` cells: padded, or cut with an ellipsis."""
    width = max(width, 0)
    size = cell_len(text)
    if size <= width:
        return text + " " * (width - size)
    while text and cell_len(text) > width - 1:
        text = text[:-1]
    return (text + "…").ljust(width) if width else ""


def wrap(text: str, width: int) -> list[str]:
    """Return the words of a text in lines of at most `width` cells."""
    rows: list[str] = []
    current = ""
    for word in text.split():
        candidate = f"{current} {word}".strip()
        if cell_len(candidate) <= width or not current:
            current = candidate
        else:
            rows.append(current)
            current = word
    return [*rows, current] if current else rows


def short_path(path: object, width: int) -> str:
    """Return a path in at most `width` cells, its beginning left out when it is longer."""
    text = str(path)
    return text if cell_len(text) <= width else "…" + text[-(width - 1) :]


def broken(text: str, width: int, after: str) -> list[str]:
    """Return the whole text in lines of at most `width` cells, broken after the character `after` where that can be done."""
    rows = [""]
    for part in re.split(f"(?<={re.escape(after)})", text):
        for piece in chop_cells(part, width):
            if cell_len(rows[-1] + piece) <= width:
                rows[-1] += piece
            else:
                rows.append(piece)
    return rows


def fingerprint(digest: str, width: int) -> list[str]:
    """Return a digest in hexadecimal as people compare it: pairs with colons, in even lines of at most `width` cells."""
    pairs = [digest[n : n + 2].upper() for n in range(0, len(digest), 2)]
    count = next((count for count in (32, 16, 8) if 3 * count <= width), 4)
    return broken(":".join(pairs), 3 * count, ":")


def some(things: Sequence[_T], most: int) -> tuple[Sequence[_T], int]:
    """Return the first of many things, and how many are left out: never a single one, whose line is as long as saying so."""
    return (things, 0) if len(things) <= most + 1 else (things[:most], len(things) - most)


def listed(names: Sequence[str], width: int) -> str:
    """Return names with commas: all that fit in `width` cells, and how many more there are; never a single one more."""
    text = ", ".join(names)
    if cell_len(text) <= width or len(names) <= 2:
        return text
    room = width - len(f" and {len(names)} more") - cell_len(names[0])
    count = 1
    for name in names[1:-2]:
        room -= cell_len(name) + 2
        if room < 0:
            break
        count += 1
    return f"{', '.join(names[:count])} and {len(names) - count} more"
