"""The files of a server's log: where they are by the settings, the rotated ones too, and their last lines.

Sources: syslogger.c (logfile_getname) of 13 to 18, and how logrotate names what it moves away.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Literal, cast

Form = Literal["plain", "csv", "json"]

_ROTATED = r"(?:[.-]\d+)*(?:\.gz)?"
_DATES = {"Y": r"\d{4}", "y": r"\d\d", "s": r"\d+", "j": r"\d{3}", "e": r"[ \d]\d", "z": r"[+-]\d{4}", "%": "%"}
_DATES |= dict.fromkeys("mdHMSIUWVuCgGk", r"\d{1,4}") | dict.fromkeys("aAbBhpPZ", r"[^\d/]+?")


@dataclass(frozen=True, slots=True)
class Where:
    """What the settings say of the log, and where it is.

    Attributes:
        data_directory: what a relative log_directory means.
        destinations: log_destination.
        collector: logging_collector; without it the plain format goes to `standard_error`.
        directory, filename: log_directory, and the pattern log_filename.
        prefix: log_line_prefix.
        connections: log_connections, as set.
        zone: log_timezone.
        standard_error: the file that the server's standard error is, None where it is none or nobody knows.
    """

    data_directory: Path
    destinations: frozenset[str] = frozenset({"stderr"})
    collector: bool = False
    directory: str = "log"
    filename: str = "postgresql-%Y-%m-%d_%H%M%S.log"
    prefix: str = "%m [%p] "
    connections: str = "off"
    zone: str = "GMT"
    standard_error: Path | None = None

    @property
    def connections_logged(self) -> bool:
        """Whether new connections are logged: a boolean, from 18 on a list of their stages too."""
        words = {word.strip() for word in self.connections.lower().split(",")}
        return bool(words & {"on", "true", "yes", "1", "t", "y", "tr", "tru", "ye", "all", "authorization"})


def find(where: Where) -> tuple[Form, list[Path]] | None:
    """Return the best format that is written, and its files in no order; None: it goes elsewhere.

    Raises:
        OSError: the directory cannot be looked at.
    """
    if where.collector:
        form: Form = "json" if "jsonlog" in where.destinations else "csv" if "csvlog" in where.destinations else "plain"
        if form == "plain" and "stderr" not in where.destinations:
            return None
        directory = where.data_directory / where.directory
        name = where.filename
        if form != "plain":
            # As logfile_getname does it.
            name = f"{name.removesuffix('.log')}.{form}"
        folder, _, name = name.rpartition("/")
        return form, _matching(directory / folder, re.compile(_name_pattern(name) + _ROTATED))
    if "stderr" not in where.destinations or where.standard_error is None:
        return None
    place = where.standard_error
    stem, dot, ending = place.name.rpartition(".")
    # logrotate appends a number or a date, or puts the date before the ending (extension).
    inner = f"{re.escape(stem)}[.-]\\d+{re.escape(dot + ending)}(?:\\.gz)?" if dot else "(?!)"
    try:
        return "plain", _matching(place.parent, re.compile(f"(?:{re.escape(place.name)}{_ROTATED}|{inner})"))
    except PermissionError:
        # Its directory lets pass, and does not let look.
        return "plain", [place]


def _name_pattern(name: str) -> str:
    """Return the expression for the names that a strftime pattern makes."""
    parts = re.split(r"%[EO]?(.)", name)
    return "".join(re.escape(part) if number % 2 == 0 else _DATES.get(part, ".+?") for number, part in enumerate(parts))


def _matching(directory: Path, name: re.Pattern[str]) -> list[Path]:
    try:
        return [directory / each for each in os.listdir(directory) if name.fullmatch(each)]
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return []


def newest(paths: Iterable[Path], since: datetime, at_most: int) -> tuple[list[tuple[Path, int]], bool]:
    """Return the newest files and how many bytes of each are to be read, oldest first, and whether some could not be looked at."""
    dated: list[tuple[float, Path, int]] = []
    unreadable = False
    for path in paths:
        try:
            status = path.stat()
        except OSError:
            unreadable = True
            continue
        if stat.S_ISREG(status.st_mode) and status.st_mtime >= since.timestamp():
            # How long a compressed one becomes stands at its end, and can be wrong; text shrinks to a tenth or less.
            dated.append((status.st_mtime, path, status.st_size * 12 if path.suffix == ".gz" else status.st_size))
    chosen: list[tuple[Path, int]] = []
    for _, path, size in sorted(dated, reverse=True):
        if at_most <= 0:
            break
        chosen.append((path, min(size, at_most)))
        at_most -= size
    return chosen[::-1], unreadable


@contextmanager
def opened(path: Path, length: int) -> Iterator[Iterator[str]]:
    """Open a log for its last lines, so many bytes; of a compressed one for its first, since its end has no price of its own."""
    with path.open("rb") as file:
        if path.suffix == ".gz":
            import gzip  # noqa: PLC0415 - where there is one

            yield _lines(cast("IO[bytes]", gzip.GzipFile(fileobj=file)), length)
            return
        begin = os.fstat(file.fileno()).st_size - length
        if begin > 0:
            file.seek(begin)
            file.readline()
        yield _lines(file, length)


def _lines(file: IO[bytes], length: int) -> Iterator[str]:
    for line in file:
        length -= len(line)
        if length < 0:
            return
        yield line.decode("utf-8", "surrogateescape")
