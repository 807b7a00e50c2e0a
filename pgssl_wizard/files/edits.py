"""Edits of a file's bytes that touch nothing but the place meant: collected first, then made in one pass."""

from __future__ import annotations

from collections.abc import Iterable
from operator import itemgetter
from typing import NamedTuple

_PLACE = itemgetter(0, 1)


class Edit(NamedTuple):
    """The bytes from `start` to `end` become `new`; nothing is taken away where both are equal."""

    start: int
    end: int
    new: bytes


def apply(data: bytes, edits: Iterable[Edit]) -> bytes:
    """Return the bytes with all edits made. They must not overlap; of several at one place the first given comes first.

    Raises:
        ValueError: two edits overlap.
    """
    pieces: list[bytes] = []
    position = 0
    # An insertion in front of something comes before its replacement.
    for start, end, new in sorted(edits, key=_PLACE):
        if start < position:
            raise ValueError(f"two edits at byte {start}")
        pieces.append(data[position:start])
        pieces.append(new)
        position = end
    pieces.append(data[position:])
    return b"".join(pieces)


def line_ending(data: bytes, position: int | None = None) -> bytes:
    """Return how the line at a byte offset ends, LF or CRLF; of the last one that ends at all where it does not.

    Args:
        data: the whole file.
        position: inside the line; None: the end of the file.
    """
    newline = -1 if position is None else data.find(b"\n", position)
    if newline < 0:
        newline = data.rfind(b"\n")
    return b"\r\n" if newline > 0 and data[newline - 1 : newline] == b"\r" else b"\n"


def insertion_behind(data: bytes, end: int, text: str) -> Edit:
    """Return the edit that adds a line behind the one that ends at `end` (the offset of its newline, or of the end of the file)."""
    ending = line_ending(data, end)
    new = text.encode("utf-8", "surrogateescape")
    if end < len(data):
        return Edit(end + 1, end + 1, new + ending)
    return Edit(end, end, ending + new + ending)


def insertion_before(data: bytes, start: int, text: str) -> Edit:
    """Return the edit that adds a line before the one that starts at `start`."""
    return Edit(start, start, text.encode("utf-8", "surrogateescape") + line_ending(data, start))


def addition(data: bytes, text: str) -> Edit:
    """Return the edit that adds a line at the end of the file; a last line without an ending gets one first."""
    ending = line_ending(data)
    lead = ending if data and not data.endswith(b"\n") else b""
    return Edit(len(data), len(data), lead + text.encode("utf-8", "surrogateescape") + ending)


def removal(data: bytes, start: int, end: int) -> Edit:
    """Return the edit that takes away the lines from `start` to the newline at `end`, or to the end of the file."""
    return Edit(start, min(end + 1, len(data)), b"")
