"""What the server has written to its log since a certain moment."""

from __future__ import annotations

import csv
import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pgssl_wizard.server.postmaster import Postmaster

#: More than this is not read: a log can grow faster than anybody reads.
_AT_MOST = 4 * 1024 * 1024


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
    """One message of the server with what belongs to it; absent parts are empty."""

    level: str
    text: str
    detail: str = ""
    hint: str = ""
    context: str = ""

    def __str__(self) -> str:
        told = [part for part in (self.detail, self.context) if part]
        return f"{self.text} ({'; '.join(told)})" if told else self.text


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in a log: the file's identity and its length then. `path` is None when nobody knows where the log goes."""

    path: Path | None
    inode: int = 0
    offset: int = 0


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


def mark(path: Path | None) -> Mark:
    """Return the present end of this log."""
    if path is None:
        return Mark(None)
    try:
        status = path.stat()
    except OSError:
        return Mark(path)
    return Mark(path, status.st_ino, status.st_size)


def since(place: Mark) -> str:
    """Return what was written since; a log that was replaced or cut in between is read from its beginning. Empty when unreadable."""
    if place.path is None:
        return ""
    try:
        with place.path.open("rb") as file:
            status = os.fstat(file.fileno())
            if status.st_ino == place.inode and status.st_size >= place.offset:
                file.seek(place.offset)
            return file.read(_AT_MOST).decode(errors="replace")
    except OSError:
        return ""


def messages(place: Mark) -> tuple[Message, ...]:
    """Return the messages written since, in order; understands the plain, the CSV and the JSON format."""
    text = since(place)
    suffix = place.path.suffix if place.path is not None else ""
    if suffix == ".csv":
        return tuple(_of_csv(text))
    if suffix == ".json":
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
    # Columns by the manual's table of csvlog: 12 severity, 14 message, 15 detail, 16 hint, 19 context.
    for row in csv.reader(text.splitlines(keepends=True)):
        if len(row) > 18:
            yield Message(row[11], row[13], row[14], row[15], row[18])


def _of_json(text: str) -> Iterator[Message]:
    for line in text.splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            # The last line may still be in the making.
            continue
        if isinstance(entry, dict):
            words = [str(entry.get(key, "")) for key in ("error_severity", "message", "detail", "hint", "context")]
            yield Message(*words)
