"""Running the server's programs: making a data directory, starting, stopping, reloading.

Everything runs as the user it belongs to, from a clean environment, with messages in English.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

from pgssl_wizard.errors import Refused
from pgssl_wizard.server import log, postmaster
from pgssl_wizard.server.identity import Identity
from pgssl_wizard.server.programs import Programs

How = Literal["smart", "fast", "immediate"]

#: SIGTERM waits for clients, SIGINT ends their sessions, SIGQUIT drops everything (and the next start recovers).
_SIGNALS = {"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT}

#: Between two looks at a foreign process, in seconds.
_PAUSE = 0.005


class StartFailed(Refused):
    """The server did not get ready; the message is what it said. `log` is everything that it wrote."""

    def __init__(self, message: str, log: str) -> None:
        super().__init__(message, code="server-does-not-start")
        self.log = log


def initdb(
    programs: Programs,
    data_directory: Path,
    identity: Identity,
    *,
    superuser: str = "postgres",
    auth_local: str = "trust",
    auth_host: str = "scram-sha-256",
    password_file: Path | None = None,
    encoding: str = "UTF8",
    settings: Mapping[str, str] | None = None,
) -> None:
    """Make a new data directory; its parent belongs to `identity`.

    Without syncing to disk: for clusters that are thrown away.

    Raises:
        Refused: initdb's own words.
    """
    command = [str(programs.program("initdb")), "-D", str(data_directory), "-U", superuser, "--no-sync", "--no-locale", "-E", encoding]
    command += [f"--auth-local={auth_local}", f"--auth-host={auth_host}", "--wal-segsize=1"]
    if password_file is not None:
        command.append(f"--pwfile={password_file}")
    if programs.major >= 16 and settings:
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
    _run(programs, command, identity, "initdb", str(data_directory))


def run_single(
    programs: Programs, data_directory: Path, identity: Identity, statements: Sequence[str], *, settings: Mapping[str, str] | None = None
) -> None:
    """Run statements in a server for one, without a network; the data directory's server is down.

    Args:
        programs: whose `postgres`.
        data_directory: of the cluster.
        identity: its owner.
        statements: they go through a pipe, so that no list of processes shows them.
        settings: for this run.

    Raises:
        Refused: the server's own words.
    """
    # With -j a line break alone ends nothing; names may hold one.
    command = [str(programs.program("postgres")), "--single", "-j", "-D", str(data_directory)]
    for name, value in (settings or {}).items():
        command += ["-c", f"{name}={value}"]
    given = "".join(f"{statement};\n\n" for statement in statements).encode()
    _run(programs, [*command, "-c", "exit_on_error=true", "postgres"], identity, "postgres --single", str(data_directory), given=given)


def _run(programs: Programs, command: Sequence[str], identity: Identity, name: str, where: str, *, given: bytes = b"") -> None:
    """Run one of the server's programs to its end.

    Args:
        programs: which ones.
        command: with its arguments.
        identity: whose process it is.
        name: what it is called in messages.
        where: the data directory.
        given: its standard input.

    Raises:
        Refused: its own words.
    """
    code = f"{name.split(maxsplit=1)[0]}-failed"
    try:
        done = subprocess.run(
            command,
            input=given,
            check=False,
            capture_output=True,
            cwd="/",
            env=identity.environment(),
            start_new_session=True,
            **identity.spawn_options(),
        )
    except OSError as error:
        raise Refused(f"{name} could not be run: {error}", where=str(programs.bin_directory), code=code) from error
    if done.returncode != 0:
        words = done.stderr.decode(errors="replace").strip()
        raise Refused(f"{name} did not work: {words}", where=where, code=code)


def start(
    programs: Programs,
    data_directory: Path,
    identity: Identity,
    *,
    log_file: Path,
    config_file: Path | None = None,
    settings: Mapping[str, str] | None = None,
    environment: Mapping[str, str] | None = None,
    arguments: Sequence[str] = (),
    timeout: float = 60.0,
) -> subprocess.Popen[bytes]:
    """Start a server and return when it takes connections.

    It goes on when we end. A path in `log_file` is created 0600 where it is missing, as `identity`'s.

    Raises:
        StartFailed: it ended, or was not ready in time (then it was stopped).
    """
    command = [str(programs.program("postgres")), "-D", str(data_directory)]
    if config_file is not None:
        command += ["-c", f"config_file={config_file}"]
    for name, value in (settings or {}).items():
        command += ["-c", f"{name}={value}"]
    descriptor = os.open(log_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
    try:
        if not identity.is_us:
            os.fchown(descriptor, identity.uid, identity.gid)
        offset = os.fstat(descriptor).st_size
        process = subprocess.Popen(
            [*command, *arguments],
            cwd="/",
            env=identity.environment(environment),
            stdin=subprocess.DEVNULL,
            stdout=descriptor,
            stderr=descriptor,
            start_new_session=True,
            umask=0o077,
            **identity.spawn_options(),
        )
    except OSError as error:
        raise StartFailed(f"the server's program could not be run: {error}", "") from error
    finally:
        os.close(descriptor)
    for _ in until(timeout):
        if process.poll() is not None:
            said = _written(log_file, offset)
            raise StartFailed(_reason(said) or f"the server ended with status {process.returncode}", said)
        if postmaster.status(data_directory) in {"ready", "standby"}:
            return process
    process.send_signal(signal.SIGQUIT)
    process.wait()
    said = _written(log_file, offset)
    raise StartFailed(_reason(said) or f"the server was not ready after {timeout:.0f} seconds", said)


def stop(data_directory: Path, *, how: How = "fast", timeout: float = 60.0, process: subprocess.Popen[bytes] | None = None) -> bool:
    """Stop the server of this data directory and wait until it is gone; False: it was still there after `timeout` seconds.

    Args:
        data_directory: whose server.
        how: as `pg_ctl stop -m` names it.
        timeout: in seconds.
        process: when it is our own child, so that it does not stay as a zombie.
    """
    running = postmaster.read(data_directory)
    pid = running.pid if running else process.pid if process is not None and process.poll() is None else None
    if pid is None:
        return True
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, _SIGNALS[how])
    for _ in until(timeout):
        if process is not None and process.pid == pid:
            if process.poll() is not None:
                return True
        elif not postmaster.alive(pid, data_directory):
            return True
    return False


def reload(pid: int) -> None:
    """Have the server read its files again. It does so in its own time, and says nothing when they are bad: prove it by a handshake.

    Raises:
        ProcessLookupError: it is gone.
        PermissionError: it belongs to another user.
    """
    os.kill(pid, signal.SIGHUP)


def free_port(host: str = "127.0.0.1") -> int:
    """Return a port of this address that nobody listens on now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port


def until(timeout: float) -> Iterator[None]:
    """Yield again and again with short pauses, until `timeout` seconds are over: at least once, and once more at the end."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        yield
        # A foreign process has nothing to notify us by.
        time.sleep(_PAUSE)
    yield


def _written(log_file: Path, offset: int) -> str:
    try:
        with log_file.open("rb") as file:
            file.seek(offset)
            return file.read().decode(errors="replace")
    except OSError:
        return ""


def _reason(text: str) -> str:
    """Return why a server gave up: what its last words are, and what it found wrong with its files before them."""
    messages = log.parse(text)
    for number, message in enumerate(messages):
        if message.level in {"FATAL", "PANIC"}:
            faults = [str(earlier) for earlier in messages[:number] if log.is_complaint(earlier)]
            return "; ".join([str(message), *faults, *([message.hint] if message.hint else [])])
    return ""
