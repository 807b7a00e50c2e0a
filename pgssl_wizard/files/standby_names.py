"""The little language of synchronous_standby_names. Source: syncrep_gram.y and syncrep_scanner.l, the same in 13 to 19."""

from __future__ import annotations

import re
from dataclasses import dataclass

_TOKEN = re.compile(
    r"""[ \t\n\r\f\v]*(?:
        (?P<name>[A-Za-z_\x80-\U0010ffff][A-Za-z_0-9$\x80-\U0010ffff]*)
      | (?P<quoted>"(?:[^"]|"")*")
      | (?P<open>"(?:[^"]|"")*)
      | (?P<number>[0-9]+)
      | (?P<sign>[*,()])
      | (?P<junk>.)
      | (?P<end>\Z))""",
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class StandbyProblem:
    """What the server says against the value; `message` stands in place of its general one."""

    detail: str = ""
    message: str = ""


class _Unexpected(Exception):
    pass


def check_standby_names(value: str) -> StandbyProblem | None:
    """Return what is wrong with a value, None when the server takes it."""
    if not value:
        return None
    reader = _Reader(value)
    try:
        number = reader.config()
    except _Unexpected:
        if reader.kind == "open":
            return StandbyProblem(f"unterminated quoted identifier{reader.place()}")
        return StandbyProblem(f"syntax error{reader.place()}")
    count = _int(number)
    if count <= 0:
        return StandbyProblem(message=f"number of synchronous standbys ({count}) must be greater than zero")
    return None


class _Reader:
    """Reads tokens one ahead."""

    def __init__(self, text: str) -> None:
        self._value = text
        self._position = 0
        self.kind = ""
        self.text = ""
        self._next()

    def place(self) -> str:
        if self.kind in {"end", "open"}:
            return " at end of input"
        return f' at or near "{self.text}"'

    def config(self) -> str:
        """Read the whole; return the number of standbys."""
        number = "1"
        if self.kind in {"any", "first"}:
            self._next()
            number = self._take("number")
            self._in_brackets()
        elif self.kind == "number":
            first = self._take("number")
            if self.text == "(" and self.kind == "sign":
                number = first
                self._in_brackets()
            else:
                self._more_names()
        else:
            self._name()
            self._more_names()
        if self.kind != "end":
            raise _Unexpected
        return number

    def _in_brackets(self) -> None:
        self._sign("(")
        self._name()
        self._more_names()
        self._sign(")")

    def _more_names(self) -> None:
        while self.kind == "sign" and self.text == ",":
            self._next()
            self._name()

    def _name(self) -> None:
        if self.kind in {"name", "quoted", "number"} or (self.kind == "sign" and self.text == "*"):
            self._next()
            return
        raise _Unexpected

    def _sign(self, sign: str) -> None:
        if self.kind != "sign" or self.text != sign:
            raise _Unexpected
        self._next()

    def _take(self, kind: str) -> str:
        if self.kind != kind:
            raise _Unexpected
        text = self.text
        self._next()
        return text

    def _next(self) -> None:
        found = _TOKEN.match(self._value, self._position)
        assert found is not None
        self._position = found.end()
        self.kind = str(found.lastgroup)
        self.text = found[self.kind]
        if self.kind == "name" and self.text.lower() in {"any", "first"}:
            self.kind = self.text.lower()
        if self.kind == "quoted":
            # The scanner remembers the last of its pieces.
            self.text = '"'


def _int(text: str) -> int:
    """Return what C's atoi makes of digits on a 64-bit machine."""
    value = min(int(text), 2**63 - 1) & 0xFFFFFFFF
    return value - 2**32 if value >= 2**31 else value
