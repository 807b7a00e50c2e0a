"""The diff that people read."""

from __future__ import annotations

import difflib
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from pgssl_wizard.files.diff import unified

LINES = st.lists(st.sampled_from([b"a", b"b", b"c", b"", b"\xff", b"d e"]), max_size=30)


@given(LINES, LINES, st.booleans())
def test_a_diff_applied_to_the_old_lines_gives_the_new_ones(old: list[bytes], new: list[bytes], ended: bool) -> None:
    before, after = (b"\n".join(lines) + (b"\n" if ended and lines else b"") for lines in (old, new))
    text = unified(before, after, "f")
    assert patched(before.decode("utf-8", "replace"), text) == after.decode("utf-8", "replace")


@given(LINES, st.integers(0, 29), st.sampled_from([b"x", b"y z"]))
def test_one_changed_line_is_shown_as_the_standard_library_shows_it(lines: list[bytes], place: int, new: bytes) -> None:
    if place >= len(lines):
        return
    lines = [b"%d %s" % numbered for numbered in enumerate(lines)]
    changed = [*lines[:place], new, *lines[place + 1 :]]
    before, after = (b"".join(line + b"\n" for line in each) for each in (lines, changed))
    theirs = difflib.unified_diff(
        before.decode("utf-8", "replace").splitlines(keepends=True), after.decode("utf-8", "replace").splitlines(keepends=True), "f", "f"
    )
    assert unified(before, after, "f") == "".join(theirs)


def test_a_file_that_is_new_or_goes_is_compared_with_nothing() -> None:
    assert unified(None, b"a\n", "f") == "--- /dev/null\n+++ f\n@@ -0,0 +1 @@\n+a\n"
    assert unified(b"a", None, "f") == "--- f\n+++ /dev/null\n@@ -1 +0,0 @@\n-a\n\\ No newline at end of file\n"


def patched(before: str, diff: str) -> str:
    """Apply a unified diff."""
    old = before.split("\n")
    old = [line + "\n" for line in old[:-1]] + ([old[-1]] if old[-1] else [])
    new: list[str] = []
    position = 0
    lines = diff.splitlines(keepends=True)[2:]
    for line, behind in pairwise([*lines, ""]):
        text = line[1:].removesuffix("\n") if behind.startswith("\\") else line[1:]
        if line.startswith("@@"):
            span = line.split()[1][1:]
            start = int(span.split(",")[0]) - (0 if span.endswith(",0") else 1)
            new += old[position:start]
            position = start
        elif line[0] == "+":
            new.append(text)
        elif line[0] in " -":
            assert text == old[position]
            if line[0] == " ":
                new.append(text)
            position += 1
    return "".join(new + old[position:])
