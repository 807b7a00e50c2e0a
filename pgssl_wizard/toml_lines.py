"""The line of every key and table of a TOML text; tomllib and tomlkit do not tell, and an error has to name it."""

from __future__ import annotations

import re

_BARE_VALUE = re.compile(r"[^\s,\]}#]+(?: \d\d:[^\s,\]}#]+)?")
_KEY_PART = re.compile(r"""\s*(?:"((?:[^"\\\n]|\\.)*)"|'([^'\n]*)'|([A-Za-z0-9_-]+))[ \t]*""")
_GAP = re.compile(r"(?:[\s,]+|#[^\n]*)*")


def key_lines(text: str) -> dict[str, int]:
    """Return the line, from 1, on which each dotted name first stands: tables, keys, and keys of inline tables.

    The elements of lists and of arrays of tables are there too, each by its number from 0: `clients.rule[1].match`.

    Args:
        text: TOML that tomllib accepts; anything else gives some answer, never an error.
    """
    return _Scanner(text).scan()


class _Scanner:
    """One pass over a TOML text, from statement to statement."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._position = 0
        self._lines: dict[str, int] = {}
        #: How many tables of an array have begun, by its name.
        self._counts: dict[tuple[str, ...], int] = {}

    def scan(self) -> dict[str, int]:
        table: tuple[str, ...] = ()
        self._skip_gap()
        while self._position < len(self._text):
            start = self._position
            if self._text[start] == "[":
                array = self._text.startswith("[[", start)
                self._position += 2 if array else 1
                table = self._header(self._key(), array=array)
                self._note(table, start)
                self._position = self._end_of_line()
            else:
                self._assignment(table)
            self._skip_gap()
            if self._position == start:  # no TOML after all
                break
        return self._lines

    def _header(self, name: tuple[str, ...], *, array: bool) -> tuple[str, ...]:
        """Return the name of a table in which arrays that it goes through stand with the number of their last element."""
        found: tuple[str, ...] = ()
        for depth, part in enumerate(name, start=1):
            here = (*found, part)
            if array and depth == len(name):
                self._counts[here] = self._counts.get(here, 0) + 1
            number = self._counts.get(here)
            found = here if number is None else (*found, f"{part}[{number - 1}]")
        return found

    def _assignment(self, table: tuple[str, ...]) -> None:
        start = self._position
        name = (*table, *self._key())
        self._note(name, start)
        if self._text.startswith("=", self._position):
            self._position += 1
            self._value(name)

    def _key(self) -> tuple[str, ...]:
        parts: list[str] = []
        while found := _KEY_PART.match(self._text, self._position):
            parts.append(next(part for part in found.groups() if part is not None))
            self._position = found.end()
            if not self._text.startswith(".", self._position):
                break
            self._position += 1
        return tuple(parts)

    def _value(self, name: tuple[str, ...]) -> None:
        self._skip_gap()
        text, start = self._text, self._position
        for quote in ('"""', "'''", '"', "'"):
            if text.startswith(quote, start):
                self._position = self._end_of_string(start + len(quote), quote)
                return
        if text.startswith(("[", "{"), start):
            closing = "]" if text[start] == "[" else "}"
            self._position += 1
            self._skip_gap()
            number = 0
            while self._position < len(text) and text[self._position] != closing:
                before = self._position
                if closing == "]":
                    element = (*name[:-1], f"{name[-1]}[{number}]") if name else name
                    self._note(element, before)
                    self._value(element)
                    number += 1
                else:
                    self._assignment(name)
                self._skip_gap()
                if self._position == before:
                    return
            self._position += 1
            return
        bare = _BARE_VALUE.match(text, start)
        self._position = bare.end() if bare else start

    def _end_of_string(self, position: int, quote: str) -> int:
        escapes = quote[0] == '"'
        while position < len(self._text):
            if escapes and self._text[position] == "\\":
                position += 2
            elif self._text.startswith(quote, position):
                position += len(quote)
                # Up to two more quotes belong to the content of a multi-line string.
                while len(quote) == 3 and self._text.startswith(quote[0], position):
                    position += 1
                return position
            else:
                position += 1
        return position

    def _end_of_line(self) -> int:
        end = self._text.find("\n", self._position)
        return len(self._text) if end < 0 else end

    def _skip_gap(self) -> None:
        found = _GAP.match(self._text, self._position)
        self._position = found.end() if found else self._position

    def _note(self, name: tuple[str, ...], position: int) -> None:
        line = self._text.count("\n", 0, position) + 1
        for length in range(1, len(name) + 1):
            dotted = ".".join(name[:length])
            self._lines.setdefault(dotted, line)
            # An array stands where its first element does.
            self._lines.setdefault(dotted.rpartition("[")[0] if dotted.endswith("]") else dotted, line)
