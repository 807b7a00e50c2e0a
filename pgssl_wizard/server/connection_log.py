"""Who came in, by the server's own log: current and rotated files in the plain, the CSV and the JSON format.

A connection is known when the log says that it was authorized: with `log_connections` the server then tells the user, the
database and whether it is encrypted. The address stands in the prefix, in a column, or in what the same process said before.
Sources: elog.c, csvlog.c, jsonlog.c, postmaster.c and postinit.c of 13 to 18.
"""

from __future__ import annotations

import csv
import ipaddress
import json
import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from itertools import dropwhile
from pathlib import Path
from typing import Literal

from pgssl_wizard.server import connection_messages as messages
from pgssl_wizard.server import log_files, log_prefix
from pgssl_wizard.server.log_files import Where

#: How much is read at most, in bytes without compression, the newest first; and how old it may be, in days: a month's jobs count.
AT_MOST = 16 * 1024 * 1024
DAYS = 35

#: So many different ones are kept, those seen last.
MOST = 10_000

#: Why a log tells nothing: `off` (log_connections), `elsewhere` (syslog, a journal, a pipe), `unreadable`, `no-address` (lines that
#: tell neither the address nor the process), `empty` (nobody has come since).
Silence = Literal["off", "elsewhere", "unreadable", "no-address", "empty"]

_PORT = re.compile(r"\(\d*\)$")
_SUBSECONDS = re.compile(r"\.\d+")
_DATED = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} ")
_DATE = re.compile(r"^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)(?: (\S+))?$")


@dataclass(frozen=True, slots=True)
class SeenConnection:
    """One kind of connection that got in, however often.

    Attributes:
        address: canonical; None for the Unix socket, and where only a name was logged.
        host_name: what was logged instead of an address (log_hostname); empty otherwise.
        database: empty for a physical walsender.
        tls, gss: how the session was encrypted.
        replication: a physical walsender; walsender: one of either kind.
        certificate: the subject that the method `cert` took, as the server spells it; None when none is known.
        count: how often.
        last: when last, None when the lines have no time.
    """

    user: str
    database: str
    address: str | None = None
    host_name: str = ""
    tls: bool = False
    gss: bool = False
    replication: bool = False
    walsender: bool = False
    application: str = ""
    certificate: str | None = None
    count: int = 1
    last: datetime | None = None


@dataclass(frozen=True, slots=True)
class ConnectionLog:
    """What a cluster's log tells of connections.

    Attributes:
        seen: those that got in, the last seen first.
        files: that were read, oldest first.
        silence: why it tells nothing (any more), None when it goes on telling.
        unplaced: how many came in whose address nothing tells.
    """

    seen: tuple[SeenConnection, ...] = ()
    files: tuple[Path, ...] = ()
    silence: Silence | None = None
    unplaced: int = 0


def read(where: Where, now: datetime, *, at_most: int = AT_MOST, days: int = DAYS) -> ConnectionLog:
    """Return who came in, as far as the log goes back.

    Args:
        where: what the settings say.
        now: the present.
        at_most: bytes to be read.
        days: older lines do not count.
    """
    since = now - timedelta(days=days)
    off: Silence | None = None if where.connections_logged else "off"
    try:
        known = log_files.find(where)
    except OSError:
        return ConnectionLog(silence=off or "unreadable")
    if known is None:
        return ConnectionLog(silence=off or "elsewhere")
    form, paths = known
    chosen, unreadable = log_files.newest(paths, since, at_most)
    sessions = _Sessions(_zone(where.zone), since)
    done: list[Path] = []
    for path, length in chosen:
        try:
            with log_files.opened(path, length) as lines:
                if form == "csv":
                    _of_csv(lines, sessions)
                elif form == "json":
                    _of_json(lines, sessions)
                else:
                    _of_plain(lines, where.prefix, sessions)
        except (OSError, EOFError, zlib.error):
            unreadable = True
            continue
        done.append(path)
    seen = sessions.seen()
    silence = off
    if off is None and not seen:
        silence = "unreadable" if unreadable and not done else "no-address" if sessions.unplaced else "empty"
    return ConnectionLog(seen, tuple(done), silence, sessions.unplaced)


def _zone(name: str) -> tzinfo:
    if name in {"GMT", "UTC", "Etc/UTC"}:
        return UTC
    from zoneinfo import ZoneInfo  # noqa: PLC0415 - where the log's zone is another

    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        return UTC


#: The fields of a SeenConnection but the last two.
_Key = tuple[str, str, str | None, str, bool, bool, bool, bool, str, str | None]


@dataclass(slots=True)
class _Met:
    """How often one kind of connection was met, and when last."""

    count: int = 0
    last: datetime | None = None


@dataclass(slots=True)
class _Sessions:
    """Puts together what the lines of one process say."""

    zone: tzinfo
    since: datetime
    unplaced: int = 0
    _hosts: dict[str, str] = field(default_factory=dict)
    _subjects: dict[str, str] = field(default_factory=dict)
    _fresh: dict[str, _Met] = field(default_factory=dict)
    _counts: dict[_Key, _Met] = field(default_factory=dict)

    def take(self, said: messages.Said, process: str, host: str, user: str, database: str | None, time: str) -> None:
        """Take one message.

        Args:
            said: the message.
            process: its session or process, empty when the line does not tell.
            host: as prefix or columns tell it; empty when they do not.
            user: likewise.
            database: likewise, None when they do not tell it.
            time: as the line has it, or the seconds since 1970; empty when it has none.
        """
        if said.kind == "received":
            if process:
                self._hosts[process] = said.host
                self._subjects.pop(process, None)
                self._fresh.pop(process, None)
            return
        if said.kind == "authenticated":
            if process and said.method == "cert":
                self._subjects[process] = said.identity
            return
        place = host or self._hosts.pop(process, "")
        subject = self._subjects.pop(process, None)
        if not place:
            self.unplaced += 1
            return
        when = _time(_SUBSECONDS.sub("", time), self.zone)
        if when is not None and when < self.since:
            return
        walsender = said.kind == "replication"
        # For a walsender the message has no database: an empty one elsewhere means a physical one, and the plain message alone does too.
        base = database if database is not None else (said.database or "")
        address = _address(place)
        name = "" if address or place == "[local]" else place
        ends = (said.tls, said.gss, walsender and not base, walsender, said.application, subject)
        key = (user or said.user, base, address, name, *ends)
        met = self._counts.setdefault(key, _Met())
        met.count += 1
        if when is not None and (met.last is None or when > met.last):
            met.last = when
        if process:
            self._fresh[process] = met

    def turned_away(self, process: str) -> None:
        """Take back what this process had been authorized for: it did not get in after all."""
        met = self._fresh.pop(process, None)
        if met is not None:
            met.count -= 1

    def seen(self) -> tuple[SeenConnection, ...]:
        """Return them all, the last seen first."""
        never = datetime.min.replace(tzinfo=UTC)
        found = sorted(self._counts.items(), key=lambda each: each[1].last or never, reverse=True)
        return tuple(SeenConnection(*key, count=met.count, last=met.last) for key, met in found[:MOST] if met.count)


@lru_cache(maxsize=64)
def _time(text: str, otherwise: tzinfo) -> datetime | None:
    """Return the moment that a line tells: a date in UTC or in the zone of the log, or the seconds since 1970."""
    found = _DATE.match(text)
    if found is None:
        try:
            return datetime.fromtimestamp(int(text.partition(".")[0]), UTC) if text else None
        except (ValueError, OverflowError, OSError):
            return None
    zone = UTC if found[2] in {"UTC", "GMT"} else otherwise
    try:
        return datetime.fromisoformat(found[1]).replace(tzinfo=zone).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


@lru_cache(maxsize=MOST)
def _address(host: str) -> str | None:
    """Return a logged host as a canonical address, None for a name and for `[local]`."""
    try:
        return str(ipaddress.ip_address(host.partition("%")[0]))
    except ValueError:
        return None


def _of_plain(lines: Iterable[str], prefix: str, sessions: _Sessions) -> None:
    pattern = log_prefix.pattern(prefix)
    # Where every line tells the address, the first message of a connection adds nothing.
    placed = log_prefix.tells(prefix, "h", "r")
    for line in lines:
        # The application's name may stand in the prefix, with anything in it.
        at = line.find(":  ")
        while at >= 0:
            message = line[at + 3 :].rstrip("\r\n")
            kind = messages.kind_of(message)
            fatal = kind is None and line[max(0, at - 12) : at].endswith(_FATAL) and messages.did_not_get_in(message)
            if (kind is not None and not (placed and kind == "received")) or fatal:
                found = pattern.fullmatch(line, 0, at)
                if found is not None:
                    _take_plain(found.groupdict(""), message, sessions, fatal=fatal)
                    break
            at = line.find(":  ", at + 1)


_FATAL = tuple(messages.FATAL)


def _take_plain(parts: dict[str, str], message: str, sessions: _Sessions, *, fatal: bool) -> None:
    process = parts.get("session") or parts.get("pid") or ""
    if fatal:
        sessions.turned_away(process)
        return
    said = messages.read(message)
    if said is None:
        return
    if said.kind == "received":
        sessions.take(said, process, "", "", None, "")
        return
    host = parts.get("host") or _PORT.sub("", parts.get("remote", ""))
    database = _told(parts["database"]) if "database" in parts else None
    if said.kind == "authorized" and database == "":
        database = None
    time = parts.get("epoch") or parts.get("time", "")
    sessions.take(said, process, _told(host), _told(parts.get("user", "")), database, time)


def _told(text: str) -> str:
    """Return what an escape printed, empty for the server's word for nothing."""
    return "" if text == "[unknown]" else text


def _of_csv(lines: Iterable[str], sessions: _Sessions) -> None:
    # Where only the end of a file is read, it may begin inside a statement of several lines, in quotes.
    lines = dropwhile(lambda line: not _DATED.match(line), lines)
    # The manual's table of csvlog: time, user, database, process, host:port, session, line, tag, …, 12 level, 13 state, 14 message.
    for row in _rows(lines):
        if len(row) < 14:
            continue
        if row[12] in messages.NOT_IN_STATES and row[11] in messages.FATAL:
            sessions.turned_away(row[5])
        elif row[7] == "authentication" and (said := messages.read(row[13])) is not None:
            host = row[4] if row[4] == "[local]" else row[4].rpartition(":")[0]
            sessions.take(said, row[5], host, row[1], row[2], row[0])


def _rows(lines: Iterable[str]) -> Iterator[list[str]]:
    reader = csv.reader(line.replace("\0", "") for line in lines)
    while True:
        try:
            yield next(reader)
        except StopIteration:
            return
        except csv.Error:
            # A field beyond the limit: some statement, nothing of ours.
            continue


def _of_json(lines: Iterable[str], sessions: _Sessions) -> None:
    for line in lines:
        if '"ps":"authentication"' not in line and '"state_code"' not in line:
            continue
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if not isinstance(entry, dict):
            continue
        process = str(entry.get("session_id", ""))
        if entry.get("state_code") in messages.NOT_IN_STATES and entry.get("error_severity") in messages.FATAL:
            sessions.turned_away(process)
        elif (said := messages.read(str(entry.get("message", "")))) is not None:
            told = [str(entry.get(key, "")) for key in ("remote_host", "user", "dbname", "timestamp")]
            sessions.take(said, process, *told)
