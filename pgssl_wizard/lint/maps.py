"""What is worth saying of the maps in pg_ident.conf: what the server refuses, and what matches otherwise than it looks."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path

from pgssl_wizard.files.auth_lines import INCLUDES
from pgssl_wizard.files.auth_methods import EXPRESSIONS_IN_RULES
from pgssl_wizard.files.ident import MapLine
from pgssl_wizard.lint.names import anchored
from pgssl_wizard.lint.refusals import BYTE_ORDER_MARK, NO_MARK
from pgssl_wizard.lint.remarks import Remark
from pgssl_wizard.lint.text import cure_of_opening

#: From this major on every \1 of a role is replaced, before only the first.
_EVERY_BACKREFERENCE = 19
_SHAPE = "A line is MAP SYSTEM-USER ROLE."

#: The number of fields of a line (from 1) of a file; 0 when it is not known.
FieldsOf = Callable[[Path, int], int]


def of_maps(maps: Sequence[MapLine], major: int, line_of: Callable[[Path, int], str], fields_of: FieldsOf) -> Iterator[Remark]:
    """Yield what is worth saying, line by line."""
    for line in maps:
        if line.error:
            yield _refused(line, major, line_of)
            continue
        if (line.map or "").startswith(BYTE_ORDER_MARK):
            words = f"belongs to a map called {(line.map or '').removeprefix(BYTE_ORDER_MARK)} with a byte order mark before it"
            yield _say(line, "warning", "byte-order-mark", words, None, NO_MARK)
        yield from _system_user(line)
        yield from _role(line, major)
        yield from _backreference(line, major)
        if fields_of(line.file, line.line) > 3:
            yield _say(
                line,
                "warning",
                "extra-fields",
                "has more than three words, and the server ignores the others",
                "have more than three words, and the server ignores the others",
                "Put a name that holds blanks into double quotes; a comment begins with #.",
            )


def of_unused(maps: Sequence[MapLine], named: Collection[str], source: str) -> Iterator[Remark]:
    """Yield the maps that no rule names."""
    told: set[str] = set()
    for line in maps:
        if line.error or line.map is None or line.map in named or line.map in told:
            continue
        told.add(line.map)
        yield _say(
            line,
            "info",
            "map-unused",
            f"belongs to the map {line.map}, which no rule of {source} names",
            f"belong to the map {line.map}, which no rule of {source} names",
            f"Write map={line.map} in the rule it is meant for.",
        )


def _refused(line: MapLine, major: int, line_of: Callable[[Path, int], str]) -> Remark:
    error = line.error or ""
    text = line_of(line.file, line.line)
    if line.line == 0:
        return Remark(
            line.file,
            0,
            "error",
            "map-error",
            f"PostgreSQL {major} cannot read the maps: {error}",
            hint=_cure(error, text, major),
            topic="clients",
        )
    return Remark(
        line.file,
        line.line,
        "error",
        "map-error",
        f"is refused by PostgreSQL {major}, and the whole file with it",
        f"are refused by PostgreSQL {major}, and the whole file with them",
        f": {error}. A reload keeps the maps it has; a start goes on without any.",
        _cure(error, text, major),
        "clients",
    )


def _cure(error: str, text: str, major: int) -> str:
    if text.startswith(BYTE_ORDER_MARK):
        return NO_MARK
    if error.startswith("multiple values"):
        return 'Put a name that holds commas into double quotes: "CN=alice,O=Example".'
    if error.startswith("missing entry"):
        first = text.split()[:1]
        if first in (["include"], ["include_if_exists"], ["include_dir"]) and major < INCLUDES:
            return f"Include lines came with {INCLUDES}: copy the maps in here."
        return f"{_SHAPE} An empty or unclosed quotation may have swallowed a part."
    if error.startswith("invalid regular expression"):
        return "Correct the expression; one that holds a comma or a blank stands in double quotes as a whole."
    if error.startswith("could not open"):
        return cure_of_opening(error)
    return "Correct the line."


def _system_user(line: MapLine) -> Iterator[Remark]:
    user = line.system_user
    assert user is not None
    if not user.quoted and (user.text.lower() == "all" or user.text == "*" or (user.text.startswith("+") and len(user.text) > 1)):
        yield _say(
            line,
            "warning",
            "system-user-not-special",
            f"is for a system user called {user.text}: nothing is special here but /expressions",
            f"are for a system user called {user.text}: nothing is special here but /expressions",
            "Write /^(.*)$ for everybody.",
        )
    elif user.text.startswith("/"):
        text = user.text[1:]
        start, end = anchored(text, at_start=True), anchored(text, at_start=False)
        if start and end:
            return
        what = "anywhere in it" if not start and not end else "at its end" if end else "at its beginning"
        yield _say(
            line,
            "info" if start or end else "warning",
            "expression-unanchored",
            f"takes every name with {text} {what}",
            f"take every name with {text} {what}",
            f"Write /{'' if start else '^'}{text}{'' if end else '$'} for the whole name.",
        )


def _role(line: MapLine, major: int) -> Iterator[Remark]:
    role = line.role
    assert role is not None
    text = role.text
    special = (not role.quoted and (text == "all" or text.startswith("+"))) or (text.startswith("/") and len(text) > 1)
    if major < EXPRESSIONS_IN_RULES and special:
        yield _say(
            line,
            "warning",
            "role-not-special-yet",
            f"is for a role called {text}: that means more only from {EXPRESSIONS_IN_RULES} on",
            f"are for a role called {text}: that means more only from {EXPRESSIONS_IN_RULES} on",
            "Write a line for each role.",
        )
    elif major >= EXPRESSIONS_IN_RULES and role.quoted and (text == "all" or text.startswith("+")):
        yield _say(
            line,
            "warning",
            "quoted-keyword",
            f'is for a role called {text}, as "{text}" is in quotes; pg_ident_file_mappings shows it without them',
            f'are for a role called {text}, as "{text}" is in quotes; pg_ident_file_mappings shows it without them',
            f"Write {text} without quotes, if more is meant.",
        )
    elif not role.quoted and text != "all" and text.lower() == "all":
        yield _say(line, "warning", "keyword-case", f"is for a role called {text}: keywords are in lower case", None, "Write all.")


def _backreference(line: MapLine, major: int) -> Iterator[Remark]:
    user, role = line.system_user, line.role
    assert user is not None
    assert role is not None
    count = role.text.count("\\1")
    if major >= EXPRESSIONS_IN_RULES and role.text.startswith("/"):
        return
    if not user.text.startswith("/"):
        if count:
            yield _say(
                line,
                "warning",
                "backreference-without-expression",
                r"has \1 in its role, and no expression that could fill it in",
                r"have \1 in their roles, and no expressions that could fill it in",
                "Begin the system user with a slash: /^(.*)$",
            )
        return
    if count and _groups(user.text[1:], major) == 0:
        yield _say(
            line,
            "warning",
            "backreference-without-group",
            r"has \1 in its role, and its expression has no group: whoever it fits is refused, whatever stands below",
            r"have \1 in their roles, and their expressions have no group: whoever they fit is refused, whatever stands below",
            "Put what the role is called into parentheses: /^(.*)@example\\.com$",
        )
    elif count > 1 and major < _EVERY_BACKREFERENCE:
        yield _say(
            line,
            "warning",
            "backreference-twice",
            rf"has \1 more than once in its role: PostgreSQL {major} fills in the first",
            rf"have \1 more than once in their roles: PostgreSQL {major} fills in the first",
            None,
        )
    elif re.search(r"\\[2-9]", role.text):
        yield _say(
            line,
            "warning",
            "backreference-beyond-first",
            r"has a reference other than \1 in its role, which stays as it is written",
            r"have references other than \1 in their roles, which stay as they are written",
            r"Only \1 is filled in, by the first group.",
        )


def _groups(expression: str, major: int) -> int:
    """Return how many groups an expression captures."""
    # Few files have expressions; the others need not wait for their reader.
    from pgssl_wizard.files.expressions import compile  # noqa: A004, PLC0415

    return compile(expression, major).groups


def _say(line: MapLine, severity: str, code: str, one: str, many: str | None, hint: str | None) -> Remark:
    return Remark(line.file, line.line, severity, code, one, many, hint=hint, topic="clients")  # type: ignore[arg-type]
