"""Edits of pg_hba.conf and pg_ident.conf that touch only the line meant: indentation, alignment, comments and line endings stay."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate

from pgssl_wizard.files.addresses import numeric
from pgssl_wizard.files.auth_lines import Token
from pgssl_wizard.files.edits import Edit, addition, apply, insertion_before, insertion_behind, line_ending, removal
from pgssl_wizard.files.tokens import JOINS_LINES, LogicalLine, Word, fields, join, logical_lines, ordinary

_WORD = r"[^ \t,\"#@\\]+"
_WORDS = rf"{_WORD}(?:,{_WORD})*"
_OCTETS, _COLONS = r"[0-9.]+", r"[0-9A-Fa-f.]*:[0-9A-Fa-f:.]*"
_ADDRESS = rf"[A-Za-z.][A-Za-z0-9._-]*|[^ \t,\"#@\\/]+/[0-9]+|{_OCTETS}[ \t]+{_OCTETS}|{_COLONS}[ \t]+{_COLONS}"
_END = rf"[ \t]+({_WORD})((?:[ \t]+[A-Za-z0-9_.]+={_WORD})*)[ \t]*(?:#.*)?"
#: What most lines of most files look like: words without quotes and file names. Groups: type, method, and the options with
#: the blanks before each.
_OF_HOST = re.compile(rf"[ \t]*(host(?:ssl|nossl|gssenc|nogssenc)?)[ \t]+{_WORDS}[ \t]+{_WORDS}[ \t]+(?:{_ADDRESS}){_END}")
_OF_LOCAL = re.compile(rf"[ \t]*(local)[ \t]+{_WORDS}[ \t]+{_WORDS}{_END}")
_NEEDS_QUOTES = re.compile(r'[ \t\r,#"]')


class LinesEditor:
    """Edits of one file of rules or maps, collected and made at once.

    Lines are named by the number of their first physical line, as the server numbers it. Each line takes one change, or is
    commented out, or removed; any number of lines may be added before and behind it.

    Args:
        data: the file.
        major: decides continuation lines.
    """

    def __init__(self, data: bytes, major: int) -> None:
        self._data = data
        self._major = major
        self._text = data.decode("latin-1")
        self._odd: dict[int, LogicalLine] | None = None
        #: Where each physical line begins; the last one is where another would.
        self._offsets = [0, *accumulate(len(line) + 1 for line in data.split(b"\n"))]
        if data.endswith(b"\n") or not data:
            self._offsets.pop()
        if not ordinary(data, major):
            self._odd = {line.first: line for line in logical_lines(data, major)}
        self._edits: dict[int, list[Edit]] = {}
        #: Lines that were made anew as a whole; equal to edits of their words, and quicker in a file of many.
        self._rewritten: dict[int, str] = {}
        self._around: list[Edit] = []

    def change(
        self,
        line: int,
        *,
        kind: str | None = None,
        method: str | None = None,
        options: Mapping[str, str] | None = None,
        without: Iterable[str] = (),
    ) -> None:
        """Change a rule where its words stand.

        Args:
            line: where the rule begins.
            kind: its new type; blanks behind it give way so that columns stay aligned.
            method: its new method.
            options: set where they stand, or added behind the last word.
            without: options that go.
        """
        ordinary = self._ordinary(line)
        if ordinary is not None:
            new = _rewrite_ordinary(ordinary, kind, method, options or {}, frozenset(without))
            if new is not None:
                self._rewritten[line] = new
                return
        found = self._at(line)
        words = fields(found.text, self._major)
        edits = []
        if kind is not None:
            edits.append(self._replaced(found, words[0][0].start, words[0][0].end, kind))
        at = _method_index(words)
        place, rest = words[at][0], words[at + 1 :]
        added = "".join(f" {name}={_quoted(value)}" for name, value in (options or {}).items() if not _has(rest, name))
        if method is not None and (added or rest):
            # Blanks may give way to a comment behind the method, and not to an option.
            edits.append(Edit(found.byte_offset(place.start), found.end_offset(place.end), method.encode()))
        elif method is not None:
            edits.append(self._replaced(found, place.start, place.end, method))
        edits += self._options(found, rest, options or {}, frozenset(without))
        if added:
            gone = any(not edit.new for edit in edits)
            end = found.end_offset(place.end if gone else words[-1][-1].end)
            edits.append(Edit(end, end, added.encode("utf-8", "surrogateescape")))
        self._edits[line] = edits

    def copy(
        self, line: int, *, kind: str, options: Mapping[str, str] | None = None, method: str | None = None, without: Iterable[str] = ()
    ) -> str:
        """Return a rule with changes as in `change`, to be added elsewhere; it stays as it is itself."""
        ordinary = self._ordinary(line)
        if ordinary is not None:
            new = _rewrite_ordinary(ordinary, kind, method, options or {}, frozenset(without))
            if new is not None:
                return new
        alone = LinesEditor(self.raw(line), self._major)
        alone.change(1, kind=kind, method=method, options=options, without=without)
        return alone.result().decode("utf-8", "surrogateescape")

    def comment_out(self, line: int) -> None:
        """Turn every physical line of a rule into a comment."""
        self._edits[line] = [Edit(origin, origin, b"# ") for origin in self._at(line).origins]

    def replace(self, line: int, text: str) -> None:
        """Put a text in the place of a whole line, its ending kept."""
        found = self._at(line)
        end = found.end - 1 if self._data[found.end - 1 : found.end] == b"\r" else found.end
        self._edits[line] = [Edit(found.origins[0], max(end, found.origins[0]), text.encode("utf-8", "surrogateescape"))]

    def remove(self, line: int) -> None:
        """Take a line away."""
        found = self._at(line)
        self._edits[line] = [removal(self._data, found.origins[0], found.end)]

    def insert_before(self, line: int, text: str) -> None:
        """Add a line before a rule, in the line ending of that one."""
        self._around.append(insertion_before(self._data, self._at(line).origins[0], text))

    def insert_after(self, line: int, text: str) -> None:
        """Add a line behind a rule, in the line ending of that one."""
        end = self._at(line).end
        self._around.append(insertion_behind(self._data, end, self._unswallowed(end, text)))

    def append(self, text: str) -> None:
        """Add a line at the end."""
        self._around.append(addition(self._data, self._unswallowed(len(self._data), text)))

    def raw(self, line: int) -> bytes:
        """Return the physical lines of a rule, without the ending of the last."""
        found = self._at(line)
        return self._data[found.origins[0] : found.end].removesuffix(b"\r")

    def before(self, line: int) -> str:
        """Return a rule as it stands, physical lines joined by newlines, for display."""
        alone = self._alone(line)
        return _displayed(self.raw(line)) if alone is None else alone

    def after(self, line: int) -> str:
        """Return a rule as it will stand."""
        new = self._rewritten.get(line)
        if new is not None:
            return new
        found = self._at(line)
        start = found.origins[0]
        own = [edit._replace(start=edit.start - start, end=edit.end - start) for edit in self._edits.get(line, ())]
        return _displayed(apply(self._data[start : found.end], own))

    def result(self) -> bytes:
        """Return the file with all edits made."""
        edits = [edit for line in self._edits.values() for edit in line]
        for line, new in self._rewritten.items():
            start = self._offsets[line - 1]
            old = self._physical(line).rstrip("\r")
            edits.append(Edit(start, start + len(old), new.encode("utf-8", "surrogateescape")))
        # A line that is added comes before what changes at the start of the next one, and after the end of the file's last.
        inside = [edit for edit in self._around if edit.start < len(self._data)]
        return apply(self._data, [*inside, *edits, *(edit for edit in self._around if edit.start >= len(self._data))])

    def _alone(self, line: int) -> str | None:
        """Return the text of a line that neither goes on in the next one nor has bytes beyond ASCII; None for all others."""
        if self._odd is not None or not 1 <= line < len(self._offsets):
            return None
        text = self._physical(line).rstrip("\r")
        return text if text.isascii() and not text.endswith("\\") else None

    def _ordinary(self, line: int) -> re.Match[str] | None:
        """Return the words of a rule as most are, on a line of its own."""
        text = self._alone(line)
        if text is None or (line > 1 and self._continues(self._physical(line - 1))):
            return None
        return _OF_HOST.fullmatch(text) or _OF_LOCAL.fullmatch(text)

    def _at(self, line: int) -> LogicalLine:
        if self._odd is not None:
            found = self._odd.get(line)
        elif not 1 <= line < len(self._offsets) or (line > 1 and self._continues(self._physical(line - 1))):
            found = None
        else:
            found = join(self._text, self._offsets[line - 1], line, self._major)
        if found is None:
            raise LookupError(f"no rule begins at line {line}")
        return found

    def _physical(self, line: int) -> str:
        return self._text[self._offsets[line - 1] : self._offsets[line] - 1]

    def _unswallowed(self, end: int, text: str) -> str:
        """Return a line that is new at an offset; after a backslash, which would swallow it, with an empty line first."""
        before = self._data[max(0, end - 4) : end].rstrip(b"\r\n").decode("latin-1")
        if not self._continues(before):
            return text
        return f"{line_ending(self._data).decode()}{text}"

    def _continues(self, physical: str) -> bool:
        return self._major >= JOINS_LINES and physical.rstrip("\r").endswith("\\")

    def _replaced(self, line: LogicalLine, first: int, behind: int, new: str) -> Edit:
        """Return the edit of one word; blanks behind it give way or are added so that columns stay aligned."""
        start, end = line.byte_offset(first), line.end_offset(behind)
        blanks = len(self._data[end : end + 80]) - len(self._data[end : end + 80].lstrip(b" "))
        whole = _in_place(self._data[start : end + blanks].decode("latin-1"), 0, end - start, new)
        return Edit(start, end + blanks, whole.encode("latin-1"))

    def _options(self, line: LogicalLine, rest: list[list[Word]], options: Mapping[str, str], without: frozenset[str]) -> list[Edit]:
        """Return the edits of the options that stand there: those that change, and those that go."""
        edits: list[Edit] = []
        # The last of several counts, so that one is set and the others go.
        last = {_name(word): word for field in rest for word in field}
        for field in rest:
            kept = [word for word in field if _name(word) not in without and (_name(word) not in options or word is last[_name(word)])]
            for index, word in enumerate(field):
                start, end = line.byte_offset(word.start), line.end_offset(word.end)
                if word in kept:
                    if _name(word) in options:
                        edits.append(Edit(start, end, f"{_name(word)}={_quoted(options[_name(word)])}".encode("utf-8", "surrogateescape")))
                elif kept and word.start < kept[0].start:
                    # What follows takes its place: a comma left behind would glue it to the field before.
                    edits.append(Edit(start, line.byte_offset(field[index + 1].start), b""))
                else:
                    while start and self._data[start - 1 : start] in {b" ", b"\t", b","}:
                        start -= 1
                    edits.append(Edit(start, end, b""))
        return edits


def _rewrite_ordinary(
    found: re.Match[str], kind: str | None, method: str | None, options: Mapping[str, str], without: frozenset[str]
) -> str | None:
    """Return an ordinary rule with what is new in its place; None when some of its options change or go and others stay."""
    text = found.string
    method_start, method_end = found.span(2)
    end = found.end(3)
    given = {word.partition("=")[0] for word in found[3].split()} if end > method_end else set()
    if given & (without | options.keys()):
        if given - without:
            return None
        end = method_end
    if method is not None or options or end < found.end(3):
        added = "".join([f" {name}={_quoted(value)}" for name, value in options.items()])
        if given or added:
            new = text[method_start:method_end] if method is None else method
            text = text[:method_start] + new + text[method_end:end] + added + text[found.end(3) :]
        elif method is not None:
            text = _in_place(text, method_start, method_end, method)
    return text if kind is None else _in_place(text, *found.span(1), kind)


def _in_place(text: str, start: int, end: int, new: str) -> str:
    """Return the text with a word replaced; blanks behind it give way or are added so that columns stay aligned."""
    grown = len(new) - (end - start)
    blanks = len(text) - end - len(text[end:].lstrip(" "))
    if 0 < grown < blanks:
        end += grown
    elif grown < 0 and blanks > 1:
        new += " " * -grown
    return text[:start] + new + text[end:]


def rule_text(words: Sequence[Sequence[Token]]) -> str:
    """Return a line of the given fields, words quoted where they need it."""
    return " ".join(",".join(f'"{_doubled(token.text)}"' if token.quoted else _quoted(token.text) for token in field) for field in words)


def _quoted(text: str) -> str:
    return f'"{_doubled(text)}"' if not text or _NEEDS_QUOTES.search(text) else text


def _doubled(text: str) -> str:
    return text.replace('"', '""')


def _displayed(data: bytes) -> str:
    return data.decode("utf-8", "replace").rstrip("\r")


def _name(option: Word) -> str:
    return option.text.partition("=")[0]


def _has(rest: list[list[Word]], name: str) -> bool:
    return any(_name(word) == name for field in rest for word in field)


def _method_index(words: list[list[Word]]) -> int:
    if words[0][0].text == "local":
        return 3
    address = words[3][0].text
    return 5 if "/" not in address and numeric(address) is not None else 4
