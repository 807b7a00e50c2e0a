"""pg_hba.conf: rules as the server reads them, and edits that touch only their own line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Token:
    """One word of a field: its text without quotes, and whether it began with a quote (then keywords lose their meaning)."""

    text: str
    quoted: bool = False


@dataclass(frozen=True, slots=True)
class Rule:
    """One logical line of pg_hba.conf that is not blank and not a comment.

    Attributes:
        file, line: where it starts; the first physical line, from 1.
        last_line: the last physical line (continuation lines, 14 and later).
        type: `local`, `host`, `hostssl`, `hostnossl`, `hostgssenc`, `hostnogssenc`; empty when unreadable.
        databases, users: the comma lists.
        address: as written, or None for local rules.
        netmask: as written when it stood in a field of its own.
        method: `trust`, `scram-sha-256`, …
        options: `name=value` in order.
        error: the server's own words for this version, or None when the line is accepted.
    """

    file: Path
    line: int
    last_line: int
    type: str
    databases: tuple[Token, ...] = ()
    users: tuple[Token, ...] = ()
    address: str | None = None
    netmask: str | None = None
    method: str = ""
    options: tuple[tuple[str, str], ...] = ()
    error: str | None = None
    address_quoted: bool = False

    def option(self, name: str) -> str | None:
        """Return the value of the option `name`; the last one wins, as in the server."""
        return dict(self.options).get(name)
