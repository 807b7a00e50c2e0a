"""postgresql.conf, read as the server's own lexer reads it; edits are in `conf_edit`.

The grammar is that of the server's guc-file.l, the same in 13 to 19: `name [=] value`, `#` comments, single-quoted strings
with backslash escapes and doubled quotes, include directives. Files are bytes; names and values are text in which bytes that are
no UTF-8 stand as lone surrogates, so that any byte survives.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from pgssl_wizard.files.known_settings import fold

# Most lines are one of these two: nothing to read, or one setting whose parts cannot be mistaken.
_EMPTY = re.compile(rb"[ \t\r]*+(?:#.*)?", re.DOTALL)
_SETTING = re.compile(
    rb"[ \t\r]*+([A-Za-z_\x80-\xff][A-Za-z_0-9\x80-\xff]*+)(?:[ \t\r]++=?|=)[ \t\r]*+"
    rb"('[^'\\\n\0]*+'(?!')|[-+]?[0-9]++[a-zA-Z]*+(?![.0-9])|[A-Za-z_\x80-\xff][A-Za-z_0-9\x80-\xff]*+(?![-._:/]))[ \t\r]*+(?:#.*)?",
    re.DOTALL,
)

# The lexer takes the longest match, the first rule on a tie.
_IDENTIFIER = rb"[A-Za-z_\x80-\xff][A-Za-z_0-9\x80-\xff]*+"
_RULES: tuple[tuple[str, re.Pattern[bytes]], ...] = (
    ("id", re.compile(_IDENTIFIER)),
    ("qualified", re.compile(_IDENTIFIER + rb"\." + _IDENTIFIER)),
    ("string", re.compile(rb"'(?:[^'\\\n]++|\\[^\n]|'')*'")),
    ("unquoted", re.compile(rb"[A-Za-z_\x80-\xff][-._:/A-Za-z_0-9\x80-\xff]*+")),
    ("integer", re.compile(rb"[-+]?(?:0x[0-9a-fA-F]++|[0-9]++)[a-zA-Z]*+")),
    ("real", re.compile(rb"[-+]?[0-9]*+\.[0-9]*+(?:[Ee][-+]?[0-9]++)?")),
)
_VALUES = frozenset({"id", "string", "integer", "real", "unquoted"})
_BLANKS = re.compile(rb"[ \t\r]++")

_ESCAPES = {ord("b"): 8, ord("f"): 12, ord("n"): 10, ord("r"): 13, ord("t"): 9}
_QUOTE, _BACKSLASH = ord("'"), ord("\\")
_OCTAL = frozenset(b"01234567")

EntryKind = Literal["setting", "include", "include_if_exists", "include_dir"]
_DIRECTIVES: dict[str, EntryKind] = {"include": "include", "include_if_exists": "include_if_exists", "include_dir": "include_dir"}

#: So many syntax errors, and the server gives up on a file.
MAX_ERRORS = 100


@dataclass(frozen=True, slots=True)
class Entry:
    """One setting or include directive.

    Attributes:
        name: as written.
        value: unquoted and unescaped.
        line: from 1.
        kind: `setting`, or the include directive in lower case.
        start, end: byte offsets of the value token, quotes included.
    """

    name: str
    value: str
    line: int
    kind: EntryKind
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class SyntaxProblem:
    """A line that the server would refuse.

    Attributes:
        line: where it stands, from 1.
        near: the token that the server stumbles over; None at the end of a line.
        told: the line as the server tells it, one too few where the file ends without a line feed.
    """

    line: int
    near: str | None
    told: int

    @property
    def message(self) -> str:
        """The server's words, without file and line."""
        return f"syntax error, {self.place}"

    @property
    def place(self) -> str:
        """Where in its line, in the server's words."""
        return "near end of line" if self.near is None else f'near token "{self.near}"'


@dataclass(frozen=True, slots=True)
class ConfFile:
    """One file of settings. `to_bytes` gives back exactly what was parsed."""

    data: bytes
    entries: tuple[Entry, ...]
    errors: tuple[SyntaxProblem, ...]

    @classmethod
    def parse(cls, data: bytes) -> ConfFile:
        """Read any bytes whatsoever; what the server would refuse is in `errors`."""
        entries: list[Entry] = []
        errors: list[SyntaxProblem] = []
        offset = 0
        lines = data.split(b"\n")
        for number, line in enumerate(lines, start=1):
            if not _EMPTY.fullmatch(line):
                found = _entry(line, number, offset, last=number == len(lines))
                if isinstance(found, Entry):
                    entries.append(found)
                elif found is not None:
                    errors.append(found)
            offset += len(line) + 1
        return cls(data, tuple(entries), tuple(errors))

    def to_bytes(self) -> bytes:
        """Return the file, byte for byte."""
        return self.data

    def last(self, name: str) -> Entry | None:
        """Return the last line of this file that sets `name`; names are compared as the server does, in any case."""
        wanted = fold(name)
        return next((entry for entry in reversed(self.entries) if entry.kind == "setting" and fold(entry.name) == wanted), None)


def unquote(token: bytes) -> str:
    r"""Return the value of a quoted or bare token, escapes resolved as the server's DeescapeQuotedString does.

    A zero byte ends a value, whether it stands there or comes of `\0`; one that stands there takes the character before with it.
    """
    if not token.startswith(b"'"):
        return _text(token)
    body = token[1:]
    zero = body.find(b"\0")
    # The server cuts off the last character, which is the quote, unless the text ends before it.
    body = body[:-1] if zero < 0 else body[:zero]
    if b"\\" in body or b"''" in body or zero >= 0:
        body = _unescaped(body, cut=zero >= 0)
    return _text(body)


def _unescaped(body: bytes, *, cut: bool) -> bytes:
    out = bytearray()
    position = 0
    while position < len(body):
        byte = body[position]
        if byte == _BACKSLASH:
            position += 1
            if position == len(body):
                out.append(0)
            elif body[position] in _OCTAL:
                end = position
                while end < min(position + 3, len(body)) and body[end] in _OCTAL:
                    end += 1
                out.append(int(body[position:end], 8) & 0xFF)
                position = end - 1
            else:
                out.append(_ESCAPES.get(body[position], body[position]))
        else:
            if byte == _QUOTE and body[position + 1 : position + 2] == b"'":
                position += 1
            out.append(byte)
        position += 1
    if cut:
        del out[-1:]
    return bytes(out).partition(b"\0")[0]


def _entry(line: bytes, number: int, offset: int, *, last: bool) -> Entry | SyntaxProblem | None:
    plain = _SETTING.fullmatch(line)
    if plain:
        start, end = plain.span(2)
        name = plain[1]
    else:
        tokens = _tokens(line)
        if not tokens:
            return None
        bad = _bad(tokens)
        if bad is not None:
            if bad == len(tokens):
                return SyntaxProblem(number, None, number - 1 if last else number)
            # The server writes the token as C does: it ends at a zero byte.
            near = line[tokens[bad][0] : tokens[bad][1]].partition(b"\0")[0]
            return SyntaxProblem(number, _text(near), number)
        name = line[tokens[0][0] : tokens[0][1]]
        start, end, _ = tokens[-1]
    text = _text(name)
    kind = _DIRECTIVES.get(fold(text), "setting")
    return Entry(text, unquote(line[start:end]), number, kind, offset + start, offset + end)


def _bad(tokens: list[tuple[int, int, str]]) -> int | None:
    """Return which token is wrong (as many as there are: one is missing), None when they make a setting."""
    if tokens[0][2] not in {"id", "qualified"}:
        return 0
    value = 2 if len(tokens) > 1 and tokens[1][2] == "equals" else 1
    if value >= len(tokens) or tokens[value][2] not in _VALUES:
        return value
    return value + 1 if len(tokens) > value + 1 else None


def _tokens(line: bytes) -> list[tuple[int, int, str]]:
    """Cut one line as the lexer does; the first four tokens say all."""
    found: list[tuple[int, int, str]] = []
    position = 0
    while len(found) < 4:
        blanks = _BLANKS.match(line, position)
        position = blanks.end() if blanks else position
        if position == len(line) or line[position] == ord("#"):
            break
        byte = line[position]
        end, kind = position, "equals" if byte == ord("=") else "other"
        for candidate, pattern in _RULES:
            match = pattern.match(line, position)
            if match and match.end() > end:
                end, kind = match.end(), candidate
        end = max(end, position + 1)
        found.append((position, end, kind))
        position = end
    return found


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")
