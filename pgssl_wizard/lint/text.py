"""What is odd about a file as text: marks, line ends, zeros, and lines that a backslash joins or does not join."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pgssl_wizard.files.tokens import JOINS_LINES, LogicalLine, logical_lines
from pgssl_wizard.lint.kinds import Kind
from pgssl_wizard.lint.remarks import Remark

#: What helps where the server cannot open a file that another one names.
NOT_OPENED = "See to it that the file is there and that the server can read it, or take the line out."
#: The same where files include each other.
WITHOUT_END = "The files include each other without an end: take one of the lines out."

_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


def cure_of_opening(error: str) -> str:
    """Return what helps against an error that begins with `could not open`."""
    return WITHOUT_END if "nesting depth" in error else NOT_OPENED


def is_text(data: bytes) -> bool:
    """Return whether the file is one byte a character, as the server reads it, and not UTF-16."""
    return not data.startswith(_UTF_16) and not (len(data) > 3 and data[1::2].count(0) > len(data) // 4)


def of_text(file: Path, data: bytes, kind: Kind, major: int) -> Iterator[Remark]:
    """Yield what is worth saying of the bytes of a file."""
    if not is_text(data):
        yield Remark(
            file,
            0,
            "error",
            "not-text",
            f"{file.name} is UTF-16 text, of which the server understands nothing",
            hint="Save it as UTF-8 without a byte order mark.",
        )
        return
    if b"\r" in data:
        yield from _carriage_returns(file, data)
    if kind == "postgresql.conf":
        return
    for number, line in enumerate(data.split(b"\n"), start=1):
        if b"\0" in line:
            yield Remark(
                file,
                number,
                "warning",
                "nul-byte",
                "holds a NUL byte",
                "hold NUL bytes",
                ", and the server does not see the rest of the line.",
                "Take it out; text copied from UTF-16 has many.",
            )
    yield from _backslashes(file, data, major)


def _carriage_returns(file: Path, data: bytes) -> Iterator[Remark]:
    body = data.rstrip(b"\r\n")
    if b"\r" in body and b"\n" not in body:
        yield Remark(
            file,
            0,
            "warning",
            "carriage-returns-only",
            f"{file.name} ends its lines with carriage returns alone: for the server it is a single line",
            hint="Save it with line feeds.",
        )
    elif b"\r\n" in data:
        yield Remark(
            file,
            0,
            "info",
            "carriage-returns",
            f"{file.name} ends lines with CR LF, as on Windows; the server takes that",
        )


def _backslashes(file: Path, data: bytes, major: int) -> Iterator[Remark]:
    if b"\\" not in data:
        return
    if major < JOINS_LINES:
        for number, line in enumerate(data.split(b"\n"), start=1):
            text = line.rstrip(b"\r").decode("latin-1")
            if text.endswith("\\") and comment_in(text) is None:
                yield Remark(
                    file,
                    number,
                    "warning",
                    "no-continuation",
                    "ends in a backslash",
                    "end in a backslash",
                    f", which joins the next line only from {JOINS_LINES} on: PostgreSQL {major} reads two lines.",
                    "Write it in one line.",
                )
        return
    for logical in logical_lines(data, major):
        if logical.last > logical.first:
            yield from _swallowed(file, logical)


def _swallowed(file: Path, logical: LogicalLine) -> Iterator[Remark]:
    """Yield the lines that are comments only because the comment above ends in a backslash."""
    comment = comment_in(logical.text)
    if comment is None:
        return
    for number, start in enumerate(logical.starts[1:], start=1):
        end = logical.starts[number + 1] if number + 1 < len(logical.starts) else len(logical.text)
        piece = logical.text[start:end].strip()
        if start > comment and piece and not piece.startswith("#"):
            yield Remark(
                file,
                logical.first + number,
                "warning",
                "swallowed-by-comment",
                "is part of the comment above it, which ends in a backslash",
                "are part of the comments above them, which end in backslashes",
                ": it counts for nothing.",
                "Take the backslash out.",
            )


def comment_in(text: str) -> int | None:
    """Return where the comment of a line begins, None without one; `#` in double quotes is none."""
    quoted = False
    for position, char in enumerate(text):
        if char == '"':
            quoted = not quoted
        elif char == "#" and not quoted:
            return position
    return None
