"""A unified diff for people: of what changes in one file, whatever bytes it holds."""

from __future__ import annotations

import difflib


def unified(before: bytes | None, after: bytes | None, name: str) -> str:
    """Return the unified diff from `before` to `after` with three lines of context; empty when they are equal.

    None stands for a file that does not exist. Bytes that are no UTF-8 are shown as replacement characters: the diff is
    for reading, the files are written from the bytes.
    """
    old, new = _lines(before), _lines(after)
    if before == after:
        return ""
    source = "/dev/null" if before is None else name
    target = "/dev/null" if after is None else name
    found = difflib.unified_diff(old, new, source, target, lineterm="\n")
    return "".join(line if line.endswith("\n") else line + "\n\\ No newline at end of file\n" for line in found)


def _lines(data: bytes | None) -> list[str]:
    if data is None:
        return []
    # Only LF ends a line here, as it does for the server; str.splitlines would split at form feeds and the like.
    text = data.decode("utf-8", "replace").replace("\r\n", "\n")
    lines = text.split("\n")
    return [line + "\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])
