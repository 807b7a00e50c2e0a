"""A unified diff for people: of what changes in one file, whatever bytes it holds."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

#: Lines of context around a change.
_CONTEXT = 3
#: What SequenceMatcher calls a piece: tag, and where it begins and ends on either side.
_Piece = tuple[str, int, int, int, int]


def unified(before: bytes | None, after: bytes | None, name: str) -> str:
    """Return the unified diff from `before` to `after` with three lines of context; empty when they are equal.

    None stands for a file that does not exist. Bytes that are no UTF-8 are shown as replacement characters: the diff is
    for reading, the files are written from the bytes.
    """
    if before == after:
        return ""
    old, new = _lines(before), _lines(after)
    source = "/dev/null" if before is None else name
    target = "/dev/null" if after is None else name
    out = [f"--- {source}\n", f"+++ {target}\n"]
    for pieces in _hunks(_pieces(old, new)):
        out.append(f"@@ -{_span(pieces[0][1], pieces[-1][2])} +{_span(pieces[0][3], pieces[-1][4])} @@\n")
        for tag, old_start, old_end, new_start, new_end in pieces:
            if tag == "equal":
                out.extend(f" {_shown(line)}" for line in old[old_start:old_end])
            else:
                out.extend(f"-{_shown(line)}" for line in old[old_start:old_end])
                out.extend(f"+{_shown(line)}" for line in new[new_start:new_end])
    # A difference in line endings alone shows no line.
    return "".join(out) if len(out) > 2 else ""


def _pieces(old: list[bytes], new: list[bytes]) -> list[_Piece]:
    """Return what is equal and what is not. What both begin and end with is put aside: one edit of a long file is found at once."""
    shorter = min(len(old), len(new))
    head = next((index for index in range(shorter) if old[index] != new[index]), shorter)
    tail = next((index for index in range(shorter - head) if old[-1 - index] != new[-1 - index]), shorter - head)
    old_middle, new_middle = old[head : len(old) - tail], new[head : len(new) - tail]
    if set(old_middle).isdisjoint(new_middle):
        found: list[_Piece] = [("replace", 0, len(old_middle), 0, len(new_middle))] if old_middle or new_middle else []
    else:
        found = list(difflib.SequenceMatcher(None, old_middle, new_middle).get_opcodes())
    moved = [(tag, a + head, b + head, c + head, d + head) for tag, a, b, c, d in found]
    before: list[_Piece] = [("equal", 0, head, 0, head)] if head else []
    behind: list[_Piece] = [("equal", len(old) - tail, len(old), len(new) - tail, len(new))] if tail else []
    return [*before, *moved, *behind]


def _hunks(pieces: list[_Piece]) -> Iterator[list[_Piece]]:
    """Yield groups of pieces: each change with its context, those near each other together."""
    group: list[_Piece] = []
    for index, (tag, old_start, old_end, new_start, new_end) in enumerate(pieces):
        if tag != "equal":
            group.append((tag, old_start, old_end, new_start, new_end))
            continue
        length = old_end - old_start
        first, last = index == 0, index == len(pieces) - 1
        if first or last or length > 2 * _CONTEXT:
            if not first:
                shown = min(length, _CONTEXT)
                group.append((tag, old_start, old_start + shown, new_start, new_start + shown))
                yield group
                group = []
            if not last:
                shown = min(length, _CONTEXT)
                group = [(tag, old_end - shown, old_end, new_end - shown, new_end)]
        else:
            group.append((tag, old_start, old_end, new_start, new_end))
    if any(piece[0] != "equal" for piece in group):
        yield group


def _span(start: int, end: int) -> str:
    """Return a range as diffs write it: from 1; of length 1 without it; an empty one names the line before."""
    length = end - start
    if length == 1:
        return str(start + 1)
    return f"{start + 1 if length else start},{length}"


def _lines(data: bytes | None) -> list[bytes]:
    """Return the lines with their newlines. Only LF ends a line here, as it does for the server; CRLF is shown as LF."""
    if data is None:
        return []
    lines = data.replace(b"\r\n", b"\n").split(b"\n")
    return [line + b"\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])


def _shown(line: bytes) -> str:
    text = line.decode("utf-8", "replace")
    return text if text.endswith("\n") else text + "\n\\ No newline at end of file\n"
