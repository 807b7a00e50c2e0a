"""pg_ident.conf as the server of each major reads it: which certificate or system name may log in as which role.

Source: hba.c (parse_ident_line) and hbafuncs.c of 13 to 19, tried on 13 to 18. Who gets in by a map is decided in `access`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pgssl_wizard.files.auth_lines import AuthLine, Reader, Token, expression_problem
from pgssl_wizard.files.auth_methods import EXPRESSIONS_IN_RULES
from pgssl_wizard.files.sources import ListDirectory, Read

#: The first major with the view pg_ident_file_mappings; before it only the log has words for an error.
_VIEW = 15


@dataclass(frozen=True, slots=True)
class MapLine:
    r"""One logical line of pg_ident.conf that is not blank and not a comment.

    Attributes:
        file, line: where it starts; from 1, or 0 for a file that cannot be opened.
        last_line: the last physical line (continuation lines, 14 and later).
        map: the name that `map=` in pg_hba.conf refers to.
        system_user: the name that the method found out, or `/expression`.
        role: the role, perhaps with `\1`; from 16 on also `all`, `+role` and `/expression`.
        error: the server's own words for this version, or None when the line is accepted.
    """

    file: Path
    line: int
    last_line: int
    map: str | None = None
    system_user: Token | None = None
    role: Token | None = None
    error: str | None = None


def parse_maps(file: Path, major: int, read: Read, list_directory: ListDirectory) -> tuple[MapLine, ...]:
    """Return every line of the maps file as this major reads it, includes (16 and later) and `@file` lists expanded.

    Args:
        file: pg_ident.conf, absolute.
        major: decides continuation lines, includes and regular expressions.
        read: the bytes of a file, or None when there is none.
        list_directory: the names in a directory, or None when there is none.
    """
    reader: Reader[AuthLine] = Reader(major, read, list_directory)
    return tuple(_map_line(line, major) for line in reader.lines(file))


def _map_line(line: AuthLine, major: int) -> MapLine:
    def done(error: str | None, values: list[Token]) -> MapLine:
        name, system_user, role = (*values, None, None, None)[:3]
        return MapLine(line.file, line.first, line.last, name.text if name else None, system_user, role, error)

    if line.error:
        error = line.error
        if line.first == 0 and major < _VIEW + 1:
            error = error.replace("could not open configuration file", "could not open usermap file", 1)
        return done(error, [])
    values: list[Token] = []
    for position in range(3):
        if position >= len(line.fields):
            return done("missing entry at end of line", values)
        if len(line.fields[position]) > 1:
            return done("multiple values in ident field", values)
        values.append(line.fields[position][0])
    # Further fields are ignored in silence.
    problem = expression_problem(values[1].text, major)
    if problem is None and major >= EXPRESSIONS_IN_RULES:
        problem = expression_problem(values[2].text, major)
    return done(problem, values)
