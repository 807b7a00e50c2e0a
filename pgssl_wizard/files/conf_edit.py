"""Edits of postgresql.conf that touch one line: its own indentation, spacing, comment and line ending stay, and all else.

A line that is added looks like its neighbour: indented as it, with the same sign between name and value, the same line ending.
Lines are counted from 1, as the server counts them.
"""

from __future__ import annotations

import re

from pgssl_wizard.files.conf import ConfFile, Entry
from pgssl_wizard.files.edits import line_ending

_PLAIN_VALUE = re.compile(r"on|off|[0-9]+")
_GAP = re.compile(rb"([ \t]*)(#[^\r\n]*)?")


def quote(value: str) -> str:
    """Return a value as it is always written: `on`, `off` and plain numbers bare, all else in single quotes."""
    if _PLAIN_VALUE.fullmatch(value):
        return value
    # A string ends with its line, so that a line feed is written as its escape.
    return "'" + value.replace("\\", "\\\\").replace("'", "''").replace("\n", "\\n") + "'"


def set_value(data: bytes, name: str, value: str) -> bytes:
    """Return the file with `name` set to `value`.

    The last line that sets it changes in place. Without one, a line is added below the commented-out default (`#ssl = off`), or
    at the end.
    """
    present = ConfFile.parse(data).last(name)
    return replace(data, present, value) if present else append(data, name, value)


def replace(data: bytes, entry: Entry, value: str) -> bytes:
    """Return the file with another value in the line of `entry`; a comment that stands apart keeps its column."""
    old, new = data[entry.start : entry.end], _bytes(quote(value))
    gap = _GAP.match(data, entry.end)
    assert gap is not None
    blanks = gap[1]
    if gap[2] and (len(blanks) > 2 or b"\t" in blanks):
        line_start = data.rfind(b"\n", 0, entry.start) + 1
        before = data[line_start : entry.start]
        blanks = _blanks(blanks, _column(before + new), _column(before + old + blanks))
    return data[: entry.start] + new + blanks + data[gap.end(1) :]


def insert_before(data: bytes, line: int, name: str, value: str) -> bytes:
    """Return the file with one more line before line `line`."""
    lines = data.split(b"\n")
    added = _like(lines[line - 1], name, value)
    ending = _ending(data, lines[line - 1], last=line == len(lines))
    return b"\n".join([*lines[: line - 1], added + ending[:-1], *lines[line - 1 :]])


def insert_after(data: bytes, line: int, name: str, value: str) -> bytes:
    """Return the file with one more line after line `line`, which gets a line ending when it has none."""
    lines = data.split(b"\n")
    added = _like(lines[line - 1], name, value)
    ending = _ending(data, lines[line - 1], last=line == len(lines))
    if line == len(lines):
        return data + (ending if lines[-1] else b"") + added + ending
    return b"\n".join([*lines[:line], added + ending[:-1], *lines[line:]])


def comment_out(data: bytes, line: int) -> bytes:
    """Return the file with line `line` turned into a comment, its indentation kept."""
    lines = data.split(b"\n")
    text = lines[line - 1]
    indent = len(text) - len(text.lstrip(b" \t"))
    lines[line - 1] = text[:indent] + b"#" + text[indent:]
    return b"\n".join(lines)


def remove_line(data: bytes, line: int) -> bytes:
    """Return the file without line `line`."""
    lines = data.split(b"\n")
    if line == len(lines) and len(lines) > 1:
        # The last line has no ending of its own; the one before it ends as it did.
        return b"\n".join([*lines[: line - 1], b""])
    del lines[line - 1]
    return b"\n".join(lines)


def append(data: bytes, name: str, value: str) -> bytes:
    """Return the file with one more setting: below its commented-out default, where the file has one, or at the end."""
    template = _template(data, name)
    if template is not None:
        return insert_after(data, template, name, value)
    return append_at_end(data, name, value)


def append_at_end(data: bytes, name: str, value: str) -> bytes:
    """Return the file with one more line at its very end, behind everything that it includes."""
    ending = line_ending(data)
    if data and not data.endswith(b"\n"):
        data += ending
    entries = ConfFile.parse(data).entries
    pattern = data.split(b"\n")[entries[-1].line - 1] if entries else b""
    return data + _like(pattern, name, value).lstrip(b" \t") + ending


def _template(data: bytes, name: str) -> int | None:
    """Return the last line with the setting in a comment, as initdb leaves it."""
    pattern = re.compile(rb"^[ \t]*#[ \t]*" + re.escape(_bytes(name)) + rb"[ \t]*=", re.MULTILINE | re.IGNORECASE)
    found = None
    for match in pattern.finditer(data):
        found = match
    return None if found is None else data.count(b"\n", 0, found.start()) + 1


def _like(neighbour: bytes, name: str, value: str) -> bytes:
    """Return a line that looks like its neighbour, a setting or one in a comment; otherwise `name = value`."""
    found = re.match(rb"([ \t]*)(#?[ \t]*)([A-Za-z_\x80-\xff][A-Za-z_0-9.\x80-\xff]*)([ \t]*=[ \t]*|[ \t]+)(?=[^ \t\r=#])", neighbour)
    new = _bytes(name)
    # A sentence in a comment has no equals sign.
    if not found or (found[2] and b"=" not in found[4]):
        indent = re.match(rb"[ \t]*", neighbour) if neighbour.strip() else None
        return (indent.group() if indent else b"") + new + b" = " + _bytes(quote(value))
    between = found[4]
    blanks = between[: len(between) - len(between.lstrip(b" \t"))]
    if len(blanks) > 1 or b"\t" in blanks:
        before = found[1] + found[2]
        between = _blanks(blanks, _column(found[1] + new), _column(before + found[3] + blanks)) + between[len(blanks) :]
    return found[1] + new + between + _bytes(quote(value))


def _ending(data: bytes, line: bytes, *, last: bool) -> bytes:
    if last:
        return line_ending(data)
    return b"\r\n" if line.endswith(b"\r") else b"\n"


def _blanks(old: bytes, start: int, column: int) -> bytes:
    """Return blanks of the kind of the old ones that lead from a column to another; one at least."""
    if b"\t" not in old:
        return b" " * max(column - start, 1)
    tabs = column // 8 - start // 8
    if tabs > 0 and column % 8 == 0:
        return b"\t" * tabs
    return b"\t" if start >= column else b"\t" * max(tabs, 0) + b" " * (column % 8 if tabs > 0 else column - start)


def _column(text: bytes) -> int:
    """Return the column behind a text, tabs eight wide."""
    column = 0
    for char in text.decode("utf-8", "replace"):
        column = column + 8 - column % 8 if char == "\t" else column + 1
    return column


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
