"""postmaster.pid: whether a server has a data directory open, and where it listens.

Lines of the file: pid, data directory, start time (epoch), port, first socket directory, first listen address, shared memory key,
status (`starting`, `ready`, `standby`, `stopping`). Source: src/include/utils/pidfile.h.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

from pgssl_wizard.cluster.facts import Postmaster
from pgssl_wizard.server import namespaces

__all__ = ["Postmaster", "alive", "named_directory", "read", "status"]


def read(data_directory: Path) -> Postmaster | None:
    """Return the running server of this data directory, or None when it is down.

    A file left behind by a crash, whose number now belongs to another process or to nobody, counts as down. A server in a container
    wrote the number that it has there: it is found by its working directory, and has our number in what is returned. Its sockets and
    addresses are not ours, so they are left out: whoever connected to them would meet another server.
    """
    lines = _lines(data_directory)
    if len(lines) < 4:
        return None
    try:
        pid, started, port = int(lines[0]), int(lines[2]), int(lines[3])
    except ValueError:
        return None
    # A standalone backend (`postgres --single`) writes its number negated: nobody can connect to it, but the directory is in use.
    number: int | None = abs(pid)
    if not alive(abs(pid), data_directory):
        number = namespaces.find(data_directory, abs(pid))
    if number is None:
        return None
    since = datetime.fromtimestamp(started, UTC)
    apart = namespaces.apart(number)
    if apart:
        return Postmaster(pid=number, port=port, socket_directory=None, listen_address=None, started=since, apart=apart)
    socket_directory = lines[4].strip() if len(lines) > 4 else ""
    listen_address = lines[5].strip() if len(lines) > 5 else ""
    return Postmaster(
        pid=number,
        port=port,
        socket_directory=_socket_directory(socket_directory, data_directory),
        listen_address=listen_address or None,
        started=since,
    )


def named_directory(data_directory: Path) -> Path | None:
    """Return what the server itself calls this data directory: another path, where it runs in a container. None: nothing tells."""
    lines = _lines(data_directory)
    return Path(lines[1]) if len(lines) > 1 and lines[1].startswith("/") else None


def status(data_directory: Path) -> str | None:
    """Return how far the server is: `starting`, `ready`, `standby`, `stopping`; None when it is down or too early to say."""
    lines = _lines(data_directory)
    if len(lines) < 8 or not lines[0].strip().lstrip("-").isdigit() or not alive(abs(int(lines[0])), data_directory):
        return None
    return lines[7].strip() or None


def alive(pid: int, data_directory: Path) -> bool:
    """Whether this process is there and is the server of this data directory, which is its working directory."""
    if pid <= 0 or pid == os.getpid():
        return False
    if Path("/proc/self/cwd").exists():
        try:
            return Path(f"/proc/{pid}/cwd").samefile(data_directory)
        except FileNotFoundError:
            # A zombie has no working directory either: it serves nobody any more.
            return False
        except OSError:
            return _foreign_server(pid, data_directory)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _foreign_server(pid: int, data_directory: Path) -> bool:
    """Judge a process whose working directory we may not see: it exists, belongs to the directory's owner and is called postgres."""
    try:
        process = Path(f"/proc/{pid}").stat()
        name = Path(f"/proc/{pid}/comm").read_text(encoding="utf-8", errors="replace").strip()
        return process.st_uid == data_directory.stat().st_uid and name in namespaces.NAMES
    except OSError:
        return False


def _lines(data_directory: Path) -> list[str]:
    try:
        return os.fsdecode((data_directory / "postmaster.pid").read_bytes()).split("\n")
    except OSError:
        return []


def _socket_directory(text: str, data_directory: Path) -> Path | None:
    # The server's relative paths mean its working directory, which is the data directory.
    return data_directory / text if text else None
