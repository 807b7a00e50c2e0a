"""postgresql.conf: read as the server's own lexer reads it, and edited without touching anything but the line meant.

The grammar is that of the server's guc-file.l, the same in 13 to 19: `name [=] value`, `#` comments, single-quoted strings
with backslash escapes and doubled quotes, include directives. Everything is bytes; text is Latin-1 internally so that any
byte survives.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

# The lexer takes the longest match, the first rule on a tie; these are its other value tokens.
_QUALIFIED = re.compile(rb"[A-Za-z_\x80-\xff][A-Za-z_0-9\x80-\xff]*\.[A-Za-z_\x80-\xff][A-Za-z_0-9\x80-\xff]*")
_IDENTIFIER = re.compile(rb"[A-Za-z_\x80-\xff][A-Za-z_0-9\x80-\xff]*")
_UNQUOTED = re.compile(rb"[A-Za-z_\x80-\xff](?:[A-Za-z_0-9\x80-\xff]|[-._:/])*")
_INTEGER = re.compile(rb"[-+]?(?:[0-9]+|0x[0-9a-fA-F]+)[a-zA-Z]*")
_REAL = re.compile(rb"[-+]?[0-9]*\.[0-9]*(?:[Ee][-+]?[0-9]+)?[a-zA-Z]*|[-+]?[0-9]+[Ee][-+]?[0-9]+[a-zA-Z]*")
_STRING = re.compile(rb"'(?:[^'\\\n]|\\.|'')*'", re.DOTALL)

_PLAIN_VALUE = re.compile(r"on|off|[0-9]+")

EntryKind = Literal["setting", "include", "include_if_exists", "include_dir"]


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
    """A line that the server would refuse, in its own words (without file and line)."""

    line: int
    message: str


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
        for number, line in enumerate(data.split(b"\n"), start=1):
            result = _parse_line(line, number, offset)
            if isinstance(result, Entry):
                entries.append(result)
            elif result is not None:
                errors.append(result)
            offset += len(line) + 1
        return cls(data, tuple(entries), tuple(errors))

    def to_bytes(self) -> bytes:
        """Return the file, byte for byte."""
        return self.data

    def last(self, name: str) -> Entry | None:
        """Return the last line of this file that sets `name`; names are case-insensitive, as in the server."""
        found = None
        for entry in self.entries:
            if entry.kind == "setting" and entry.name.lower() == name.lower():
                found = entry
        return found


def quote(value: str) -> str:
    """Return a value as it is always written: `on`, `off` and plain numbers bare, all else in single quotes."""
    if _PLAIN_VALUE.fullmatch(value):
        return value
    return "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"


def unquote(token: bytes) -> str:
    """Return the value of a quoted or bare token, escapes resolved as the server's DeescapeQuotedString does."""
    text = _text(token)
    if not text.startswith("'"):
        return text
    body = text[1:-1]
    out: list[str] = []
    position = 0
    simple = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
    while position < len(body):
        char = body[position]
        if char == "\\":
            position += 1
            octal = re.match(r"[0-7]{1,3}", body[position:])
            if octal:
                out.append(chr(int(octal.group(), 8) & 0xFF))
                position += len(octal.group())
                continue
            follower = body[position : position + 1]
            out.append(simple.get(follower, follower))
        elif char == "'":
            out.append("'")
            position += 1
        else:
            out.append(char)
        position += 1
    return _text("".join(out).encode("utf-8", "surrogateescape"))


def set_value(data: bytes, name: str, value: str) -> bytes:
    """Return the file with `name` set to `value`.

    The last line that sets it changes in place: its indentation, spacing and comment stay. Without one, a line is added
    below the commented-out default (`#ssl = off`), or at the end.
    """
    present = ConfFile.parse(data).last(name)
    new = quote(value).encode("utf-8", "surrogateescape")
    if present:
        return data[: present.start] + new + data[present.end :]
    pattern = re.compile(rb"^[ \t]*#[ \t]*" + re.escape(name.encode()) + rb"[ \t]*=[^\n]*(?:\n|\Z)", re.MULTILINE | re.IGNORECASE)
    template = next(iter(reversed(list(pattern.finditer(data)))), None)
    if template is None or not _at_line_start(data, template.start()):
        return append(data, name, value)
    ending = _line_ending(data)
    before = data[: template.end()]
    if not before.endswith(b"\n"):
        before += ending
    return before + name.encode() + b" = " + new + ending + data[template.end() :]


def append(data: bytes, name: str, value: str) -> bytes:
    """Return the file with one more line at its end, in the file's own line ending."""
    ending = _line_ending(data)
    if data and not data.endswith(b"\n"):
        data += ending
    return data + name.encode() + b" = " + quote(value).encode("utf-8", "surrogateescape") + ending


def comment_out(data: bytes, line: int) -> bytes:
    """Return the file with line `line` (from 1) turned into a comment."""
    lines = data.split(b"\n")
    lines[line - 1] = b"#" + lines[line - 1]
    return b"\n".join(lines)


def remove_line(data: bytes, line: int) -> bytes:
    """Return the file without line `line` (from 1)."""
    lines = data.split(b"\n")
    del lines[line - 1]
    return b"\n".join(lines)


def _parse_line(line: bytes, number: int, offset: int) -> Entry | SyntaxProblem | None:
    tokens = _tokens(line)
    if not tokens:
        return None

    def near(index: int) -> SyntaxProblem:
        if index >= len(tokens):
            return SyntaxProblem(number, "syntax error, near end of line")
        start, end, _ = tokens[index]
        return SyntaxProblem(number, f'syntax error, near token "{_text(line[start:end])}"')

    start, end, kind = tokens[0]
    if kind not in {"id", "qualified"}:
        return near(0)
    name = _text(line[start:end])
    index = 1
    if index < len(tokens) and tokens[index][2] == "equals":
        index += 1
    if index >= len(tokens) or tokens[index][2] not in {"id", "string", "integer", "real", "unquoted"}:
        return near(index)
    value_start, value_end, _ = tokens[index]
    if index + 1 < len(tokens):
        return near(index + 1)
    value = unquote(line[value_start:value_end])
    lowered = name.lower()
    directive: EntryKind = "setting"
    if lowered == "include":
        directive = "include"
    elif lowered == "include_if_exists":
        directive = "include_if_exists"
    elif lowered == "include_dir":
        directive = "include_dir"
    return Entry(name, value, number, directive, offset + value_start, offset + value_end)


def _tokens(line: bytes) -> list[tuple[int, int, str]]:
    """Cut one line as the lexer does: the longest match wins, earlier rules on a tie; stops at a comment."""
    found: list[tuple[int, int, str]] = []
    position = 0
    while position < len(line):
        byte = line[position : position + 1]
        if byte in b" \t\r":
            position += 1
            continue
        if byte == b"#":
            break
        best, kind = position + 1, "equals" if byte == b"=" else "other"
        length = 0
        for candidate, pattern in _RULES:
            match = pattern.match(line, position)
            if match and match.end() - position > length:
                length, best, kind = match.end() - position, match.end(), candidate
        found.append((position, best, kind))
        position = best
    return found


_RULES: tuple[tuple[str, re.Pattern[bytes]], ...] = (
    ("id", _IDENTIFIER),
    ("qualified", _QUALIFIED),
    ("string", _STRING),
    ("unquoted", _UNQUOTED),
    ("integer", _INTEGER),
    ("real", _REAL),
)


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _at_line_start(data: bytes, position: int) -> bool:
    return position == 0 or data[position - 1 : position] == b"\n"


def _line_ending(data: bytes) -> bytes:
    """Return the file's own line ending: CRLF when its first line has it."""
    first = data.find(b"\n")
    return b"\r\n" if first > 0 and data[first - 1 : first] == b"\r" else b"\n"
