"""Building styled text: pieces, rows of fixed width, and the ASCII spelling of every glyph."""

from __future__ import annotations

from collections.abc import Iterable

from rich.cells import cell_len
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
