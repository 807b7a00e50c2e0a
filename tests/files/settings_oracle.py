"""What real servers say of settings files: at a start (`postgres -C`), in the view pg_file_settings, and after a reload."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from pgssl_wizard.files.conf import ConfFile
from pgssl_wizard.files.settings import SettingsVerdict, judge
from pgssl_wizard.server.identity import Identity
from tests.servers import RealCluster, found

#: On the command line of every start, so that the file under test cannot hide or dress up what the server says of it.
PLAIN_LOG = {
    "log_min_messages": "warning",
    "log_error_verbosity": "default",
    "log_line_prefix": "",
    "log_destination": "stderr",
    "lc_messages": "C",
}

_LEVEL = re.compile(r"^(LOG|FATAL|ERROR|PANIC|WARNING|DETAIL|HINT):  (.*)$", re.DOTALL)

# Bytes that are no UTF-8 would not get through as text.
_VIEW = """
select encode(textsend(sourcefile), 'hex'), sourceline, encode(textsend(name), 'hex'), encode(textsend(setting), 'hex'), applied,
       encode(textsend(error), 'hex')
from pg_file_settings order by seqno
"""
_IN_FORCE = """
select lower(name), encode(textsend(setting), 'hex'), context, source, encode(textsend(sourcefile), 'hex'), sourceline from pg_settings
"""


@dataclass(frozen=True)
class Said:
    """One message with what the server adds to it."""

    message: str
    detail: str | None = None
    hint: str | None = None


@dataclass(frozen=True)
class Started:
    """How a start with a file went."""

    accepted: bool
    said: tuple[Said, ...]
    value: str


@dataclass(frozen=True)
class Row:
    """One row of pg_file_settings."""

    file: str | None
    line: int
    name: str | None
    value: str | None
    applied: bool
    error: str | None


@dataclass
class Starts:
    """Starts of one major, in a directory of its own that holds nothing but settings files."""

    major: int
    directory: Path
    identity: Identity = field(default_factory=found.user)

    def __post_init__(self) -> None:
        self._postgres = found.usable(self.major).program("postgres")

    @classmethod
    def below(cls, directory: Path, major: int) -> Self:
        """Make a place for starts below a directory that the server's user gets through."""
        place = directory / "conf"
        place.mkdir()
        place.chmod(0o755)
        return cls(major, place)

    @property
    def config_file(self) -> Path:
        """The file postgresql.conf."""
        return self.directory / "postgresql.conf"

    def write(self, files: Mapping[str, bytes]) -> None:
        """Leave these files there and no others; a name ending in `/` is a directory."""
        for entry in self.directory.iterdir():
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        for name, data in files.items():
            path = self.directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if name.endswith("/"):
                path.mkdir(exist_ok=True)
            else:
                path.write_bytes(data)

    def start(self, name: str = "port", config_file: Path | None = None) -> Started:
        """Have the server read the files and say one value; nothing is started really."""
        given = [f"{key}={value}" for key, value in PLAIN_LOG.items()]
        command = [str(self._postgres), "-C", name, "-D", str(self.directory)]
        command += [word for setting in given for word in ("-c", setting)]
        if config_file is not None:
            command += ["-c", f"config_file={config_file}"]
        environment = {key: value for key, value in self.identity.environment().items() if not key.startswith(("LC_", "LANG", "TZ"))}
        done = subprocess.run(
            command,
            check=False,
            capture_output=True,
            cwd="/",
            env={**environment, "TZ": "UTC"},
            stdin=subprocess.DEVNULL,
            **self.identity.spawn_options(),
        )
        return Started(done.returncode == 0, _said(done.stderr), done.stdout.decode("utf-8", "surrogateescape").removesuffix("\n"))

    def judged(self, config_file: Path | None = None, *, as_view: bool = False) -> SettingsVerdict:
        """Return our verdict on the same."""
        auto_conf = self.directory / "postgresql.auto.conf"
        return judge(config_file or self.config_file, self.major, reader, lister, auto_conf, PLAIN_LOG, as_view=as_view)


@contextlib.contextmanager
def with_free_file(directory: Path, major: int) -> Iterator[RealCluster]:
    """Run a server whose own settings are all on its command line, so that its postgresql.conf is free for anything."""
    with RealCluster.make(directory, major) as cluster:
        for entry in ConfFile.parse(cluster.config_file.read_bytes()).entries:
            cluster.command_line += ["-c", f"{entry.name}={entry.value}"]
        cluster.config_file.write_bytes(b"")
        cluster.start()
        yield cluster


def settings_given(cluster: RealCluster) -> dict[str, str]:
    """Return the settings on the command line of a cluster."""
    return {name: value for word in cluster.command_line if word != "-c" for name, _, value in [word.partition("=")]}


def said_by(verdict: SettingsVerdict) -> tuple[Said, ...]:
    """Return what our verdict expects the server to log."""
    left: dict[str, list[Said]] = {}
    for row in verdict.rows:
        if row.message is not None:
            left.setdefault(row.message, []).append(Said(row.message, row.detail, row.hint))
    return tuple(left[message].pop(0) if left.get(message) else Said(message) for message in verdict.log)


def view(cluster: RealCluster) -> list[Row]:
    """Return the rows of pg_file_settings."""
    return [
        Row(_text(file), int(str(line or 0)), _text(name), _text(value), bool(applied), _text(error))
        for file, line, name, value, applied, error in cluster.sql(_VIEW)
    ]


@dataclass(frozen=True)
class Force:
    """One row of pg_settings."""

    value: str
    context: str
    source: str
    file: str | None
    line: int


def in_force(cluster: RealCluster) -> dict[str, Force]:
    """Return every setting as a new session sees it."""
    return {
        str(name): Force(_text(value) or "", str(context), str(source), _text(file), int(str(line or 0)))
        for name, value, context, source, file, line in cluster.sql(_IN_FORCE)
    }


def reload(cluster: RealCluster) -> None:
    """Have the files read again, and wait for it by the server's own clock: the log may be switched off by what is tested.

    The files must be free of syntax errors and unknown names: the clock stands still for those.
    """
    clock = "select to_char(pg_conf_load_time() at time zone 'UTC', 'YYYYMMDDHH24MISSUS')"
    before = cluster.sql(f"{clock} from (select pg_reload_conf()) r")
    while cluster.sql(clock) == before:
        pass


def reader(path: Path) -> bytes | None:
    """Read a file as the server would: with its errors, but for one that is not there."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def lister(path: Path) -> list[str] | None:
    """List a directory, None when it is none."""
    return os.listdir(path) if path.is_dir() else None


def _said(stderr: bytes) -> tuple[Said, ...]:
    found_so_far: list[list[str | None]] = []
    place = 0
    for line in stderr.decode("utf-8", "surrogateescape").rstrip("\n").split("\n"):
        level = _LEVEL.match(line)
        if level:
            place = {"DETAIL": 1, "HINT": 2}.get(level[1], 0)
            if place == 0:
                found_so_far.append([level[2], None, None])
            else:
                found_so_far[-1][place] = level[2]
        elif found_so_far:
            # A line that goes on begins with a tab.
            found_so_far[-1][place] = f"{found_so_far[-1][place]}\n{line.removeprefix(chr(9))}"
    return tuple(
        Said(str(message), detail, hint)
        for message, detail, hint in found_so_far
        if not str(message).startswith("skipping missing configuration file")
    )


def _text(value: object) -> str | None:
    return None if value is None else bytes.fromhex(str(value)).decode("utf-8", "surrogateescape")


def as_rows(verdict: SettingsVerdict, running: Mapping[str, Force], given: Collection[str]) -> list[Row]:
    """Return what the view of a running server should show: a valid value that takes a restart could not be applied either.

    Args:
        verdict: made with `as_view`.
        running: what is in force now.
        given: names on the command line, whose rows at the end of ours no view has.
    """
    rows = []
    broken = any(
        (row.error is not None and row.name is None) or row.error == "unrecognized configuration parameter" for row in verdict.rows
    )
    for row in verdict.rows[: len(verdict.rows) - len(given)]:
        error, applied = row.error, row.applied
        if applied and not broken and row.stored is not None and row.name is not None:
            now = running.get(row.setting or "")
            if now is not None and now.context == "postmaster" and now.value != row.stored:
                error, applied = "setting could not be applied", False
        rows.append(Row(None if row.file is None else str(row.file), row.line, row.name, row.value, applied, error))
    return rows
