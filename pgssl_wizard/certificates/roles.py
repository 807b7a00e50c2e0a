"""Roles that get a certificate: read from a list, checked, and the names of their kits' directories."""

from __future__ import annotations

import csv
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pgssl_wizard.errors import UnusableInput
from pgssl_wizard.findings import Finding

#: PostgreSQL cuts longer names short. A certificate's common name would hold one byte more.
LONGEST = 63

_SAFE = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")
_COMMENT = re.compile(r"(?:^|[ \t])#.*")


@dataclass(frozen=True, slots=True)
class NamedRole:
    """A role and where the person named it: `roles.txt:3`, or None for the command line."""

    name: str
    where: str | None = None


def parse_list(data: bytes, path: str) -> list[NamedRole]:
    """Return the roles of a file, one a line; blank lines and what follows a `#` are passed over.

    Args:
        data: the file.
        path: as the person named it, for messages.

    Raises:
        UnusableInput: a line that is no UTF-8; names the line.
    """
    found = []
    for number, line in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        where = f"{path}:{number}"
        try:
            text = line.removesuffix(b"\r").decode()
        except UnicodeDecodeError:
            raise UnusableInput("This line is no UTF-8.", where=where, hint="Save the list as UTF-8.", code="bad-role") from None
        name = _COMMENT.sub("", text).strip(" \t")
        if name:
            found.append(NamedRole(name, where))
    return found


def check(roles: Iterable[NamedRole]) -> tuple[tuple[str, ...], tuple[Finding, ...]]:
    """Return every role once, in the given order, and what is to be said about them.

    Raises:
        UnusableInput: a name that cannot be a role's, or that no certificate can hold; names the line.
    """
    findings = []
    seen: dict[str, NamedRole] = {}
    for role in roles:
        _check_one(role)
        if role.name in seen:
            first = seen[role.name].where
            findings.append(
                Finding(
                    "info",
                    "role-named-twice",
                    f"The role {role.name} is named twice; it gets one kit.",
                    f"The first time: {first}." if first else None,
                    role.where,
                    "clients",
                )
            )
            continue
        seen[role.name] = role
        if len(role.name) > 1 and role.name[0] == role.name[-1] and role.name[0] in "\"'":
            findings.append(
                Finding(
                    "warning",
                    "role-in-quotes",
                    f"The quotes of {role.name} belong to the name: names are taken as they stand.",
                    "Leave the quotes out if the role has none.",
                    role.where,
                    "clients",
                )
            )
    return tuple(seen), tuple(findings)


def _check_one(role: NamedRole) -> None:
    def refuse(why: str, hint: str | None = None) -> UnusableInput:
        shown = role.name if len(role.name) <= 80 else role.name[:77] + "…"
        return UnusableInput(f"{shown!a} cannot be a role here: {why}.", where=role.where, hint=hint, code="bad-role")

    if not role.name:
        raise refuse("it is empty")
    if any(unicodedata.category(char) in {"Cc", "Zl", "Zp"} for char in role.name):
        raise refuse("it holds a line break or another control character")
    try:
        length = len(role.name.encode())
    except UnicodeEncodeError:
        raise refuse("it is no UTF-8") from None
    if length > LONGEST:
        raise refuse(
            f"it has {length} bytes; PostgreSQL cuts a role's name at {LONGEST}, and a certificate's common name holds 64",
            "Give the name as pg_roles shows it.",
        )


def directory_name(role: str) -> str:
    """Return the name of a role's kit: every byte outside `A-Za-z0-9_-` as `%XX`, so that no two roles share one."""
    return "".join(chr(byte) if byte in _SAFE else f"%{byte:02X}" for byte in role.encode())


def in_words(roles: Sequence[str], most: int = 5) -> str:
    """Return a list of roles as a sentence has it, a long one cut short."""
    if len(roles) <= most:
        return ", ".join(roles)
    return f"{', '.join(roles[:most])} and {len(roles) - most} more"


def parse_line(text: str) -> tuple[str, ...]:
    """Return the roles of one line, separated by commas; a role with a comma in it stands in double quotes."""
    rows = list(csv.reader([text], skipinitialspace=True))
    found = (name.strip() for name in (rows[0] if rows else []))
    return tuple(dict.fromkeys(name for name in found if name))


def as_line(names: Iterable[str]) -> str:
    """Return roles as one line that `parse_line` reads."""
    return ", ".join(f'"{name.replace(chr(34), chr(34) * 2)}"' if set(name) & {",", '"'} else name for name in names)
