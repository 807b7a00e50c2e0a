"""The tokeniser that pg_hba.conf and pg_ident.conf share, character for character as the server's hba.c has it.

Fields are separated by blanks, words in a field by commas; double quotes group anywhere and are removed; `#` outside quotes
starts a comment even inside a word; from 14 on a backslash right before the newline joins the next line, also inside comments
and quotes.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

_BLANKS = " \t\r"


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a field with its place in the logical line; `quoted` when it began with a quote."""

    text: str
    quoted: bool
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class LogicalLine:
    """One line after joining continuations.

    Attributes:
        first, last: physical line numbers, from 1.
        text: Latin-1 decoded, one character a byte.
        starts: logical offset at which each physical piece begins, and `origins` its byte offset in the file.
        end: byte offset behind the last physical line, its newline not counted.
    """

    first: int
    last: int
    text: str
    starts: tuple[int, ...]
    origins: tuple[int, ...]
    end: int

    def byte_offset(self, logical: int) -> int:
        """Return where in the file the logical offset lies."""
        piece = max(0, bisect_right(self.starts, logical) - 1)
        return self.origins[piece] + logical - self.starts[piece]

    def end_offset(self, logical: int) -> int:
        """Return where in the file a word that ends before `logical` ends; at a seam that is the earlier line."""
        return self.byte_offset(logical - 1) + 1 if logical else self.byte_offset(0)


def logical_lines(data: bytes, major: int) -> Iterator[LogicalLine]:
    """Yield every line of the file, blank and comment lines too; continuation lines are joined from 14 on."""
    offset = 0
    physical = data.split(b"\n")
    if physical and physical[-1] == b"":
        physical.pop()
    index = 0
    while index < len(physical):
        first = index + 1
        pieces: list[str] = []
        starts: list[int] = []
        origins: list[int] = []
        length = 0
        while True:
            line = physical[index]
            stripped = line.rstrip(b"\r")
            continued = major >= 14 and stripped.endswith(b"\\") and offset + len(line) < len(data)
            piece = (stripped[:-1] if continued else stripped).decode("latin-1")
            starts.append(length)
            origins.append(offset)
            pieces.append(piece)
            length += len(piece)
            end = offset + len(line)
            offset = end + 1
            index += 1
            if not continued or index >= len(physical):
                break
        yield LogicalLine(first, index, "".join(pieces), tuple(starts), tuple(origins), end)


def fields(text: str) -> list[list[Word]]:
    """Return the fields of one logical line, each with its words; empty for blank and comment lines."""
    found: list[list[Word]] = []
    position = 0
    while position < len(text):
        field: list[Word] = []
        comma = True
        while comma:
            word, comma, position = _next_word(text, position)
            if word is None:
                break
            field.append(word)
        if field:
            found.append(field)
        elif position >= len(text):
            break
    return found


def as_text(text: str) -> str:
    """Turn Latin-1 characters back into the text that the bytes mean, surrogates where they are no UTF-8."""
    return text.encode("latin-1").decode("utf-8", "surrogateescape")


def _next_word(text: str, position: int) -> tuple[Word | None, bool, int]:
    """Return the next word, whether a comma ended it, and where to go on."""
    length = len(text)
    while position < length and (text[position] in _BLANKS or text[position] == ","):
        position += 1
    start = position
    out: list[str] = []
    in_quote = was_quote = initial_quote = saw_quote = comma = False
    while position < length and (text[position] not in _BLANKS or in_quote):
        char = text[position]
        if char == "#" and not in_quote:
            end = position
            return _word(out, saw_quote, initial_quote, start, end), False, length
        if char == "," and not in_quote:
            comma = True
            break
        if char != '"' or was_quote:
            out.append(char)
        was_quote = in_quote and char == '"' and not was_quote
        if char == '"':
            in_quote = not in_quote
            saw_quote = True
            if not out:
                initial_quote = True
        position += 1
    return _word(out, saw_quote, initial_quote, start, position), comma, position


def _word(out: list[str], saw_quote: bool, initial_quote: bool, start: int, end: int) -> Word | None:
    if not out and not saw_quote:
        return None
    return Word("".join(out), initial_quote, start, end)
