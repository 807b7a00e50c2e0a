"""A cluster of our own in a private directory, for rehearsal and practice: gone afterwards, however we end.

A small companion process holds one end of a pipe. When the pipe closes without the parting word, because we were killed, it
stops the server and deletes the directory.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from pgssl_wizard.errors import Refused
from pgssl_wizard.server import lifecycle, programs
from pgssl_wizard.server.identity import Identity
from pgssl_wizard.server.lifecycle import How, StartFailed
from pgssl_wizard.server.programs import Programs

#: A small server that answers quickly and need not survive a crash of the machine. Nothing here touches TLS or the rules.
THRIFT: Mapping[str, str] = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "2MB",
    "max_connections": "20",
    "max_worker_processes": "0",
    "max_wal_senders": "5",
    "max_wal_size": "8MB",
    "min_wal_size": "2MB",
    "autovacuum": "off",
    "huge_pages": "off",
    "logging_collector": "off",
    "log_destination": "stderr",
}

#: What the companion does when we vanish: stop the server of this directory, and of no other, then delete the directory.
_COMPANION = """
read -r word
[ "$word" = done ] && exit 0
for turn in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    pid=$(head -n 1 "$1/data/postmaster.pid" 2>/dev/null)
    if [ -n "$pid" ]; then
        if [ -d /proc/self ]; then here=$(readlink "/proc/$pid/cwd"); else here=$(ps -o args= -p "$pid" | grep -F "$1/data"); fi
        case "$here" in *"$1/data"*) kill -QUIT "$pid" ;; esac
    fi
    rm -rf "$1" 2>/dev/null
    [ -e "$1" ] || exit 0
    sleep 0.2
done
"""

#: Where Linux keeps files in memory, and how much must be free: a cluster takes 40 MB, copied programs as much again.
_MEMORY = Path("/dev/shm")  # noqa: S108  (made exclusively by mkdtemp)
_ROOM = 512 * 1024 * 1024

#: Longest path of a socket that every system takes, in bytes (104 on macOS, 108 on Linux, with the closing zero).
_LONGEST_SOCKET = 103


class Throwaway:
    """Makes a data directory on entering; `start` runs it; leaving stops it and removes everything.

    Only the server's user gets into its directory, so its socket trusts whoever comes; over TCP a password is asked for.

    Attributes:
        directory: everything is below it, 0700, owned by the server's user.
        superuser: a name that nobody can guess, unless one was given.
        port: on loopback; chosen anew if somebody else was faster.
    """

    def __init__(
        self,
        server_programs: Programs,
        identity: Identity,
        *,
        superuser: str | None = None,
        settings: Mapping[str, str] | None = None,
        name: str = "pgssl-",
    ) -> None:
        self.programs = server_programs
        self.identity = identity
        self.superuser = superuser or f"s{secrets.token_hex(8)}"
        self.port = 0
        self.directory = Path()
        self._name = name
        self._settings = {**THRIFT, **(settings or {})}
        self._companion: subprocess.Popen[bytes] | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def data_directory(self) -> Path:
        """The cluster's data directory."""
        return self.directory / "data"

    @property
    def config_file(self) -> Path:
        """The file postgresql.conf."""
        return self.data_directory / "postgresql.conf"

    @property
    def hba_file(self) -> Path:
        """The file pg_hba.conf."""
        return self.data_directory / "pg_hba.conf"

    @property
    def ident_file(self) -> Path:
        """The file pg_ident.conf."""
        return self.data_directory / "pg_ident.conf"

    @property
    def socket_directory(self) -> Path:
        """Where the server's socket is."""
        return self.directory

    @property
    def log_file(self) -> Path:
        """Where the server's standard error goes."""
        return self.directory / "log"

    @property
    def running(self) -> bool:
        """Whether the server that we started is there."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        """The server's process, None when it is down."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def __enter__(self) -> Self:
        """Make the directory and the data directory.

        Raises:
            Refused: there is no place for it, or initdb failed.
        """
        self.make()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def make(self, *, password_file_text: str | None = None, auth_local: str = "trust") -> None:
        """Make the directory and the data directory; `__enter__` does it. `close` is due from the first moment on.

        Args:
            password_file_text: the superuser's password.
            auth_local: the method of the socket's rules.

        Raises:
            Refused: there is no place for it, or initdb failed.
        """
        try:
            self._make_directory()
            self._watch()
            password_file = None
            if password_file_text is not None:
                password_file = self.directory / "password"
                self.write(password_file, password_file_text.encode())
            self._reach_programs()
            lifecycle.initdb(
                self.programs,
                self.data_directory,
                self.identity,
                superuser=self.superuser,
                auth_local=auth_local,
                password_file=password_file,
                # Saves initdb from finding out what fits this machine; older ones have no such option.
                settings={name: self._settings[name] for name in ("shared_buffers", "max_connections")},
            )
            if password_file is not None:
                password_file.unlink()
        except OSError as error:
            self.close()
            raise Refused(f"a throwaway cluster could not be made: {error}", code="throwaway-failed") from error
        except BaseException:
            self.close()
            raise

    def make_roles(self, passwords: Mapping[str, str]) -> None:
        """Make ordinary roles that can log in with these passwords; the server is down.

        Raises:
            Refused: the server's own words.
        """
        statements = ["SET password_encryption = 'scram-sha-256'"]
        for role, password in passwords.items():
            name, secret = role.replace('"', '""'), password.replace("'", "''")
            statements.append(f"CREATE ROLE \"{name}\" LOGIN PASSWORD '{secret}'")
        lifecycle.run_single(self.programs, self.data_directory, self.identity, statements, settings=self._settings)

    def start(
        self,
        settings: Mapping[str, str] | None = None,
        *,
        in_file: bool = False,
        environment: Mapping[str, str] | None = None,
        timeout: float = 60.0,
    ) -> None:
        """Start the server with these settings on top of the files' and return when it takes connections.

        Args:
            settings: also `listen_addresses`, `port` and `unix_socket_directories`, which have fitting values otherwise.
            in_file: append the settings to postgresql.conf, as in a cluster that lives; otherwise the command line has them, and they
                win over everything that is in the files.
            environment: further variables for the server.
            timeout: seconds to wait for it.

        Raises:
            StartFailed: the server's own words.
        """
        attempts = 5
        original = self.config_file.read_bytes() if in_file else b""
        for left in reversed(range(attempts)):
            self.port = lifecycle.free_port()
            given = {
                **self._settings,
                "port": str(self.port),
                "listen_addresses": "127.0.0.1",
                "unix_socket_directories": str(self.socket_directory),
                **(settings or {}),
            }
            if in_file:
                self.write(self.config_file, original + _lines(given))
                given = {}
            try:
                self._process = lifecycle.start(
                    self.programs,
                    self.data_directory,
                    self.identity,
                    log_file=self.log_file,
                    settings=given,
                    environment=environment,
                    timeout=timeout,
                )
            except StartFailed as failure:
                if left == 0 or "could not create any TCP/IP sockets" not in failure.log:
                    raise
            else:
                return

    def reload(self) -> None:
        """Have the server read its files again.

        Raises:
            ProcessLookupError: it is not running any more.
        """
        if self.pid is None:
            raise ProcessLookupError("the server is not running any more")
        lifecycle.reload(self.pid)

    def stop(self, *, how: How = "fast") -> None:
        """Stop the server; nothing happens when it is down."""
        if self._process is not None:
            lifecycle.stop(self.data_directory, how=how, process=self._process)
            if self._process.poll() is not None:
                self._process = None

    def write(self, path: Path | str, data: bytes, *, mode: int = 0o600) -> Path:
        """Write a file that the server's user owns, never readable by others in between; return its path.

        Relative paths mean the data directory. What is there already is replaced.
        """
        target = self.data_directory / path
        with contextlib.suppress(FileNotFoundError):
            target.unlink()
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
        with open(descriptor, "wb") as file:  # noqa: PTH123  (a descriptor, not a path)
            os.fchown(descriptor, self.identity.uid, self.identity.gid)
            os.fchmod(descriptor, mode)
            file.write(data)
        return target

    def log(self) -> str:
        """Return what the server wrote to standard error so far."""
        try:
            return self.log_file.read_bytes().decode(errors="replace")
        except OSError:
            return ""

    def close(self) -> None:
        """Stop the server at once and remove everything; may be called twice."""
        # Nothing in it is worth a clean shutdown.
        self.stop(how="immediate")
        if self.directory != Path():
            shutil.rmtree(self.directory, ignore_errors=True)
        if self._companion is not None:
            # If something is left nevertheless, the companion tries again: it gets its word only when all is gone.
            if not self.directory.exists() and self._companion.stdin is not None:
                with contextlib.suppress(OSError):
                    self._companion.stdin.write(b"done\n")
                    self._companion.stdin.flush()
            if self._companion.stdin is not None:
                with contextlib.suppress(OSError):
                    self._companion.stdin.close()
            self._companion.wait()
            self._companion = None

    def _make_directory(self) -> None:
        problem: Exception | None = None
        for place in _places(to_run_from=self._must_copy):
            blocking = programs.reachable_by(self.identity.uid, place, gids=self.identity.groups)
            if blocking is not None or len(os.fsencode(place)) + len(self._name) + 30 > _LONGEST_SOCKET:
                continue
            try:
                made = Path(tempfile.mkdtemp(prefix=self._name, dir=place))
                self.directory = made
                if not self.identity.is_us:
                    os.chown(made, self.identity.uid, self.identity.gid)
            except OSError as error:
                problem = error
                continue
            return
        raise Refused(
            f"there is no place for a throwaway cluster that the user {self.identity.name} can reach" + (f": {problem}" if problem else ""),
            hint="name a directory with room in TMPDIR",
            code="no-place-for-throwaway",
        )

    def _watch(self) -> None:
        self._companion = subprocess.Popen(
            ["/bin/sh", "-c", _COMPANION, "pgssl-wizard-companion", str(self.directory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            env=self.identity.environment(),
            # Its own session: what the terminal sends to us does not reach it.
            start_new_session=True,
            **self.identity.spawn_options(),
        )

    @property
    def _must_copy(self) -> bool:
        """Whether this user cannot get at the programs where they are: below a private home, for example."""
        return programs.reachable_by(self.identity.uid, self.programs.program("initdb"), gids=self.identity.groups) is not None

    def _reach_programs(self) -> None:
        if self._must_copy:
            self.programs = programs.copy_for(self.identity, self.programs, self.directory)


def _has_room(place: Path, *, to_run_from: bool) -> bool:
    try:
        status = os.statvfs(place)
    except OSError:
        return False
    # Containers often have 64 MB there, and forbid running programs from it.
    runs = not status.f_flag & getattr(os, "ST_NOEXEC", 0)
    return status.f_bavail * status.f_frsize >= _ROOM and (runs or not to_run_from)


def _lines(settings: Mapping[str, str]) -> bytes:
    text = "\n".join(f"{name} = '{value}'" for name, value in settings.items())
    return f"\n{text}\n".encode()


def _places(*, to_run_from: bool) -> Iterator[Path]:
    """Yield where the directory may go. In memory first: twice as fast, and a key that is tried there never gets to a disk."""
    if "TMPDIR" not in os.environ and _has_room(_MEMORY, to_run_from=to_run_from):
        yield _MEMORY
    yield Path(tempfile.gettempdir())
    yield Path("/tmp")  # noqa: S108  (made exclusively by mkdtemp)
    yield Path("/var/tmp")  # noqa: S108
