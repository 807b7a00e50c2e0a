"""What the server has written to its log since a certain moment."""

from __future__ import annotations

import csv
import itertools
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pgssl_wizard.server.postmaster import Postmaster

#: More than this is not read: a log can grow faster than anybody reads.
_AT_MOST = 4 * 1024 * 1024
#: A log's directory may hold years.
_FILES_LOOKED_AT = 10_000


#: How a line of the plain format goes on after its prefix, whatever log_line_prefix says.
_ENTRY = re.compile(r"(?:^|.*?[^A-Z])(LOG|WARNING|ERROR|FATAL|PANIC|DETAIL|HINT|CONTEXT|STATEMENT):  (.*)")
_LEVELS = frozenset({"LOG", "WARNING", "ERROR", "FATAL", "PANIC"})

#: What a server says when it does not take its files (messages of PostgreSQL 13 to 19).
_NOT_TAKEN = re.compile(
    r"""could\ not\ (?:load|access\ private|open|set|read|parse|create\ SSL|clear|look\ up|bind|fstat)
    |^private\ key\ file | requires\ a\ passphrase | ^check\ of\ private\ key | ^command\ ".*"\ failed
    |^ECDH: | ^DH: | DH\ parameters | ^SSL\ configuration | SSL\ is\ not\ supported | not\ supported\ by\ this\ build
    |contains\ errors | contains\ no\ entries | was\ not\ reloaded | ^syntax\ error\ in\ file
    |^unrecognized\ configuration\ parameter | requires\ a(?:n?)\ (?:Boolean|numeric|integer)
    |^invalid\ value\ for\ parameter | cannot\ be\ changed | exceeded\ maxAllocatedDescs""",
    re.VERBOSE,
)
_FILE_CONTEXT = re.compile(r"line \d+ of (?:configuration )?file")


@dataclass(frozen=True, slots=True)
class Message:
    """One message of the server with what belongs to it; absent parts are empty. `pid` is known in the CSV and JSON formats alone."""

    level: str
    text: str
    detail: str = ""
    hint: str = ""
    context: str = ""
    pid: int | None = None

    def __str__(self) -> str:
        told = [part for part in (self.detail, self.context) if part]
        return f"{self.text} ({'; '.join(told)})" if told else self.text


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in a log: the file's identity and its length then. `path` is None when nobody knows where the log goes.

    Attributes:
        server: whose log it is, so that it is found again after a rotation; None: only this file is looked at.
        beside: the lengths of the files in the same directory, by inode: a rotation may go on in one that was there before.
    """

    path: Path | None
    inode: int = 0
    offset: int = 0
    server: tuple[Path, Postmaster] | None = None
    beside: Mapping[int, int] = field(default_factory=dict, repr=False)


def find(data_directory: Path, postmaster: Postmaster | None) -> Path | None:
    """Return the file that the server's messages go to now: its collector's current file, or where its standard error points.

    None: it goes to a journal, a pipe, a terminal, or we may not look.
    """
    try:
        lines = os.fsdecode((data_directory / "current_logfiles").read_bytes()).splitlines()
    except OSError:
        lines = []
    by_kind = dict(line.split(" ", 1) for line in lines if " " in line)
    for kind in ("stderr", "csvlog", "jsonlog"):
        if kind in by_kind:
            return data_directory / by_kind[kind]
    if postmaster is None:
        return None
    try:
        path = Path(f"/proc/{postmaster.pid}/fd/2").readlink()
        return path if path.is_absolute() and path.is_file() else None
    except OSError:
        return None


def mark(path: Path | None, server: tuple[Path, Postmaster] | None = None) -> Mark:
    """Return the present end of this log.

    Args:
        path: the log's file, None when nobody knows it.
        server: the data directory and the running server, whose log is looked up again: it may have gone on elsewhere since.
    """
    path = (find(*server) if server is not None else None) or path
    if path is None:
        return Mark(None)
    try:
        status = path.stat()
    except OSError:
        return Mark(path, server=server)
    return Mark(path, status.st_ino, status.st_size, server, _beside(path) if server is not None else {})


def pieces(place: Mark) -> tuple[tuple[Path, str], ...]:
    """Return what was written since, by file: after a rotation there are two. What cannot be read is left out.

    A log that was replaced or cut in between is read from its beginning.
    """
    if place.path is None:
        return ()
    now = find(*place.server) if place.server is not None else None
    found: list[tuple[bool, Path, str]] = []
    for path in dict.fromkeys((place.path, now or place.path)):
        try:
            with path.open("rb") as file:
                status = os.fstat(file.fileno())
                same = status.st_ino == place.inode
                offset = place.offset if same else place.beside.get(status.st_ino, 0)
                if status.st_size >= offset:
                    file.seek(offset)
                found.append((not same, path, file.read(_AT_MOST).decode(errors="replace")))
        except OSError:
            continue
    return tuple((path, text) for _, path, text in sorted(found, key=lambda each: each[0]) if text)


def since(place: Mark) -> str:
    """Return what was written since; empty when unreadable."""
    return "".join(text for _, text in pieces(place))


def _beside(path: Path) -> dict[int, int]:
    """Return the lengths of the files in a log's directory, by inode."""
    try:
        with os.scandir(path.parent) as entries:
            files = [each.stat(follow_symlinks=False) for each in itertools.islice(entries, _FILES_LOOKED_AT)]
    except OSError:
        return {}
    return {status.st_ino: status.st_size for status in files}


def messages(place: Mark) -> tuple[Message, ...]:
    """Return the messages written since, in order; understands the plain, the CSV and the JSON format."""
    return tuple(message for path, text in pieces(place) for message in messages_in(path, text))


def messages_in(path: Path, text: str) -> tuple[Message, ...]:
    """Return the messages in a text from this file, whose name tells the format."""
    if path.suffix == ".csv":
        return tuple(_of_csv(text))
    if path.suffix == ".json":
        return tuple(_of_json(text))
    return parse(text)


def parse(text: str) -> tuple[Message, ...]:
    """Return the messages in a text of the plain format, whatever prefix its lines have."""
    return tuple(_of_plain(text))


def complaints(place: Mark) -> tuple[str, ...]:
    """Return what the server wrote since about files that it did not take, in its own words; refused clients are not among it."""
    return tuple(str(message) for message in messages(place) if is_complaint(message))


def is_complaint(message: Message) -> bool:
    """Whether the server says here that it does not take one of its files."""
    if "because SSL is disabled" in message.text:
        # Said of every hostssl line while ssl is off; the line is taken all the same.
        return False
    return bool(_NOT_TAKEN.search(message.text) or _FILE_CONTEXT.search(message.context))


def _of_plain(text: str) -> Iterator[Message]:
    level = ""
    parts: dict[str, list[str]] = {}
    current: list[str] = []
    for line in text.splitlines():
        found = _ENTRY.match(line)
        if found is None:
            # Further lines of a message begin with a tab.
            if line.startswith("\t"):
                current.append(line.strip())
            continue
        kind, words = found.groups()
        if kind in _LEVELS:
            if parts:
                yield _message(level, parts)
            level, parts = kind, {}
        current = parts.setdefault(kind if kind not in _LEVELS else "TEXT", [])
        current.append(words)
    if parts:
        yield _message(level, parts)


def _message(level: str, parts: dict[str, list[str]]) -> Message:
    text, detail, hint, context = (" ".join(parts.get(kind, ())) for kind in ("TEXT", "DETAIL", "HINT", "CONTEXT"))
    return Message(level, text, detail, hint, context)


def _of_csv(text: str) -> Iterator[Message]:
    # Columns by the manual's table of csvlog: 4 process, 12 severity, 14 message, 15 detail, 16 hint, 19 context.
    for row in csv.reader(text.splitlines(keepends=True)):
        if len(row) > 18:
            yield Message(row[11], row[13], row[14], row[15], row[18], int(row[3]) if row[3].isdecimal() else None)


def _of_json(content: str) -> Iterator[Message]:
    for line in content.splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            # The last line may still be in the making.
            continue
        if isinstance(entry, dict):
            level, text, detail, hint, context = (
                str(entry.get(key, "")) for key in ("error_severity", "message", "detail", "hint", "context")
            )
            pid = entry.get("pid")
            yield Message(level, text, detail, hint, context, pid if isinstance(pid, int) else None)
