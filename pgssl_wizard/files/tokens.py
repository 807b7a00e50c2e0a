"""The tokeniser that pg_hba.conf, pg_ident.conf and pg_hosts.conf share, character for character as the server's hba.c has it.

Fields are separated by blanks, words in a field by commas; double quotes group anywhere and are removed; `#` outside quotes
starts a comment even inside a word; from 14 on a backslash right before the newline joins the next line, also inside comments
and quotes. Text is Latin-1 internally, one character a byte, so that any byte survives.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

#: The first major in which a backslash at the end of a line joins the next one.
JOINS_LINES = 14
#: Bytes that a line and a word may have (13, and 13 to 15; the late minor versions); None: no limit.
_LINE_LIMIT = {13: 20 * 1024 - 1}
_WORD_LIMIT = {13: 10 * 1024 - 1, 14: 10 * 1024 - 1, 15: 10 * 1024 - 1}
WORD_TOO_LONG = "authentication file token too long"
LINE_TOO_LONG = "authentication file line too long"

#: What separates fields; since 19 a carriage return in the middle of a line does not.
_BLANKS = " \t\r"
_BLANKS_19 = " \t"
#: A word as long as it has no quotes, with what stands before it.
_PLAIN = {
    blanks: re.compile(rf"[{re.escape(blanks)},]*+([^{re.escape(blanks)},#\"]*+)(?=[{re.escape(blanks)},#]|\Z)")
    for blanks in (_BLANKS, _BLANKS_19)
}


class Word(NamedTuple):
    """One word of a field with its place in the logical line; `quoted` when it began with a quote."""

    text: str
    quoted: bool
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class LogicalLine:
    """One line after joining continuations, numbered as the server numbers it.

    Attributes:
        first, last: line numbers, from 1.
        text: Latin-1 decoded, one character a byte.
        starts: logical offset at which each piece begins, and `origins` its byte offset in the file.
        end: byte offset behind the last piece, its newline not counted.
        error: why the server does not even look for words, or None.
    """

    first: int
    last: int
    text: str
    starts: tuple[int, ...]
    origins: tuple[int, ...]
    end: int
    error: str | None = None

    def byte_offset(self, logical: int) -> int:
        """Return where in the file the logical offset lies."""
        piece = max(0, bisect_right(self.starts, logical) - 1)
        return self.origins[piece] + logical - self.starts[piece]

    def end_offset(self, logical: int) -> int:
        """Return where in the file a word that ends before `logical` ends; at a seam that is the earlier line."""
        return self.byte_offset(logical - 1) + 1 if logical else self.byte_offset(0)


class TooLongError(ValueError):
    """A word is longer than this major takes."""


def logical_lines(data: bytes, major: int) -> Iterator[LogicalLine]:
    """Yield every line of the file, blank and comment lines too; continuation lines are joined from 14 on."""
    if not ordinary(data, major):
        yield from (_lines_of_13(data) if major < JOINS_LINES else _lines_with_nul(data))
        return
    text = data.decode("latin-1")
    offset, number = 0, 1
    while offset < len(text):
        line = join(text, offset, number, major)
        yield line
        offset, number = line.end + 1, line.last + 1


def ordinary(data: bytes, major: int) -> bool:
    """Return whether the server's lines are the physical ones: no NUL, and (13) none that its buffer is too small for."""
    if b"\0" in data:
        return False
    limit = _LINE_LIMIT.get(major)
    return limit is None or len(data) < limit or max(map(len, data.split(b"\n"))) + 1 < limit


def join(text: str, offset: int, number: int, major: int) -> LogicalLine:
    """Return the logical line that begins at a physical one.

    Args:
        text: the whole file in Latin-1, one character a byte.
        offset: where the physical line begins.
        number: of that line, from 1.
        major: from 14 on, continuation lines are joined.
    """
    first, end = number, offset
    pieces: list[str] = []
    starts: list[int] = []
    origins: list[int] = []
    length = 0
    while True:
        end = text.find("\n", offset)
        if end < 0:
            end = len(text)
        stripped = text[offset:end].rstrip("\r")
        continued = major >= JOINS_LINES and stripped.endswith("\\")
        piece = stripped[:-1] if continued else stripped
        starts.append(length)
        origins.append(offset)
        pieces.append(piece)
        length += len(piece)
        if not continued or end + 1 >= len(text):
            break
        offset = end + 1
        number += 1
    # Carriage returns are stripped from what has been collected so far: an empty last piece uncovers those before it.
    whole = pieces[0] if len(pieces) == 1 else "".join(pieces)
    return LogicalLine(first, number, whole if continued else whole.rstrip("\r"), tuple(starts), tuple(origins), end)


def fields(text: str, major: int = 18) -> list[list[Word]]:
    """Return the fields of one logical line, each with its words; empty for blank and comment lines.

    Raises:
        TooLongError: a word is longer than this major takes.
    """
    found: list[list[Word]] = []
    position, length = 0, len(text)
    blanks = _BLANKS if major < 19 else _BLANKS_19
    limit = _WORD_LIMIT.get(major)
    plain = _PLAIN[blanks]
    while position < length:
        field: list[Word] = []
        comma = True
        while comma:
            word: Word | None
            quick = plain.match(text, position)
            if quick and (limit is None or quick.end() - quick.start(1) < limit):
                start, position = quick.span(1)
                comma = position < length and text[position] == ","
                word = Word(quick.group(1), False, start, position) if position > start else None
                if word is None or (position < length and text[position] == "#"):
                    comma, position = False, length
            else:
                word, comma, position = _next_word(text, position, blanks, limit)
            if word is None:
                break
            field.append(word)
        if field:
            found.append(field)
    return found


def as_text(text: str) -> str:
    """Turn Latin-1 characters back into the text that the bytes mean, surrogates where they are no UTF-8."""
    return text if text.isascii() else text.encode("latin-1").decode("utf-8", "surrogateescape")


def _next_word(text: str, position: int, blanks: str, limit: int | None) -> tuple[Word | None, bool, int]:
    """Return the next word, whether a comma ended it, and where to go on."""
    length = len(text)
    while position < length and (text[position] in blanks or text[position] == ","):
        position += 1
    start = position
    out: list[str] = []
    in_quote = was_quote = initial_quote = saw_quote = comma = False
    while position < length and (text[position] not in blanks or in_quote):
        char = text[position]
        if char == "#" and not in_quote:
            return _word(out, saw_quote, initial_quote, start, position), False, length
        if limit is not None and len(out) >= limit:
            raise TooLongError
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


def _lines_of_13(data: bytes) -> Iterator[LogicalLine]:
    """Yield lines as fgets into a buffer of 20 kB sees them: a longer line falls into several, a NUL hides the rest of one."""
    limit = _LINE_LIMIT[13]
    position, number = 0, 0
    while position < len(data):
        newline = data.find(b"\n", position, position + limit)
        behind = newline + 1 if newline >= 0 else min(position + limit, len(data))
        seen = data[position:behind].split(b"\0", 1)[0]
        number += 1
        error = LINE_TOO_LONG if len(seen) == limit else None
        text = seen.rstrip(b"\r\n").decode("latin-1")
        yield LogicalLine(number, number, text, (0,), (position,), newline if newline >= 0 else behind, error)
        position = behind


def _lines_with_nul(data: bytes) -> Iterator[LogicalLine]:
    """Yield lines as pg_get_line_append (14 and later) sees them: a NUL hides the rest of what fgets brought, its newline too.

    So the next physical line goes on in the same logical line, and the server's count falls behind.
    """
    position, number, room = 0, 0, 1024
    while position < len(data):
        number += 1
        pieces: list[bytes] = []
        starts: list[int] = []
        origins: list[int] = []
        collected, last_backslash, continuations = b"", 0, 0
        while True:
            begun = len(collected)
            while position < len(data):
                newline = data.find(b"\n", position, position + room - len(collected) - 1)
                behind = newline + 1 if newline >= 0 else min(position + room - len(collected) - 1, len(data))
                seen = data[position:behind].split(b"\0", 1)[0]
                starts.append(len(collected))
                origins.append(position)
                pieces.append(seen)
                collected += seen
                position = behind
                if len(collected) > begun and collected.endswith(b"\n"):
                    break
                while len(collected) + 129 > room:
                    room *= 2
            if len(collected) == begun:
                break
            collected = collected.rstrip(b"\r\n")
            if len(collected) > last_backslash and collected.endswith(b"\\"):
                collected = collected[:-1]
                last_backslash = len(collected)
                continuations += 1
                continue
            break
        end = position - 1 if data[position - 1 : position] == b"\n" else position
        text = collected.decode("latin-1")
        yield LogicalLine(number, number + continuations, text, tuple(starts), tuple(origins), end)
        number += continuations
