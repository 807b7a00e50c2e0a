"""Whether a map of pg_ident.conf lets a name from a certificate log in as a role, as hba.c (check_usermap) decides it.

A map is never implied beside one that is named: without a line that fits, nobody gets in. Tried on 13 to 18.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from pgssl_wizard.access.attempt import Attempt
from pgssl_wizard.access.match import user_fits
from pgssl_wizard.files.auth_methods import EXPRESSIONS_IN_RULES
from pgssl_wizard.files.ident import MapLine

#: The first major that replaces every back-reference in a role, not only the first one.
_ALL_REFERENCES = 19


class Verdict(NamedTuple):
    """What a map says.

    Attributes:
        line: the line that lets the name in, or ends the search by an error; None when no line fits.
        reason: in the server's own words where it refuses (they stand in its log; the client is not told).
    """

    allowed: bool
    line: MapLine | None
    reason: str


Maps = Mapping[str, Sequence[MapLine]]


def by_name(lines: Iterable[MapLine]) -> Maps:
    """Return the lines of each map in their order; those that the server refuses are left out."""
    found: dict[str, list[MapLine]] = {}
    for line in lines:
        if line.error is None and line.map is not None:
            found.setdefault(line.map, []).append(line)
    return found


def check(maps: Maps, name: str | None, attempt: Attempt, system_user: str, major: int) -> Verdict:
    r"""Return whether somebody who proved to be `system_user` may be the role of the attempt.

    Args:
        maps: those of pg_ident.conf.
        name: the option `map` of the rule; None or empty: both names must be the same.
        attempt: whose role, with its memberships, is wanted.
        system_user: the CN or DN of the certificate.
        major: up to 15 a role is a plain name; before 19 only its first `\1` is replaced.
    """
    if not name:
        if system_user == attempt.user:
            return Verdict(True, None, "both names are the same")
        return Verdict(False, None, f"provided user name ({attempt.user}) and authenticated user name ({system_user}) do not match")
    for line in maps.get(name, ()):
        allowed, problem = _line(line, attempt, system_user, major)
        if problem:
            # The server looks no further.
            return Verdict(False, line, problem)
        if allowed:
            return Verdict(True, line, f"line {line.line} of the map {name} lets {system_user} be {attempt.user}")
    return Verdict(False, None, f'no match in usermap "{name}" for user "{attempt.user}" authenticated as "{system_user}"')


def _line(line: MapLine, attempt: Attempt, system_user: str, major: int) -> tuple[bool, str | None]:
    """Return whether one line lets the name in, and the error that ends the search."""
    assert line.system_user is not None
    assert line.role is not None
    wanted, role = line.system_user.text, line.role
    special = major >= EXPRESSIONS_IN_RULES and ((role.text[:1] == "+" and not role.quoted) or role.text[:1] == "/")
    if wanted[:1] != "/":
        if wanted != system_user:
            return False, None
    else:
        from pgssl_wizard.files.expressions import compile  # noqa: A004, PLC0415 - few maps have expressions

        found = compile(wanted[1:], major).search(system_user)
        if found is None:
            return False, None
        if not special and "\\1" in role.text:
            if found.group1 is None:
                return False, (f'regular expression "{wanted[1:]}" has no subexpressions as requested by backreference in "{role.text}"')
            times = -1 if major >= _ALL_REFERENCES else 1
            return role.text.replace("\\1", found.group1, times) == attempt.user, None
    if major < EXPRESSIONS_IN_RULES:
        return role.text == attempt.user, None
    return user_fits((role,), attempt, major), None
