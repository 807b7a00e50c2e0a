"""At which of this machine's addresses a server takes connections: `postmaster.pid` names only the first.

Source: proc(5), the tables of TCP sockets, and the sockets that a process holds. Elsewhere than on Linux, and for processes that
we may not look into, nobody knows.
"""

from __future__ import annotations

import ipaddress
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

_TABLES = ("/proc/net/tcp", "/proc/net/tcp6")
#: TCP_LISTEN of the kernel, as the tables write it.
_LISTENS = "0A"


def listening_at(pid: int, port: int, addresses: Sequence[str]) -> tuple[str, ...]:
    """Return those of this machine's addresses at which this process takes connections.

    Args:
        pid: the postmaster.
        port: of the server.
        addresses: numeric, to choose from.
    """
    held = _sockets_of(pid)
    bound = {address for address, at, inode in _listening() if at == port and inode in held} if held else set()
    return tuple(each for each in addresses if each in bound or ("::" if ":" in each else "0.0.0.0") in bound)  # noqa: S104 - read, not bound to


def _sockets_of(pid: int) -> frozenset[str]:
    """Return the inodes of the sockets that a process holds."""
    found = set()
    try:
        for entry in os.scandir(f"/proc/{pid}/fd"):
            target = str(Path(entry.path).readlink())
            if target.startswith("socket:["):
                found.add(target[8:-1])
    except OSError:
        return frozenset()
    return frozenset(found)


def _listening() -> Iterator[tuple[str, int, str]]:
    """Yield address, port and inode of every listening TCP socket of this machine."""
    for table in _TABLES:
        try:
            lines = Path(table).read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            words = line.split()
            if len(words) > 9 and words[3] == _LISTENS:
                address, _, port = words[1].partition(":")
                yield _numeric(address), int(port, 16), words[9]


def _numeric(hexadecimal: str) -> str:
    """Return an address that the kernel writes as 32-bit words in the machine's own byte order."""
    data = b"".join(int(hexadecimal[at : at + 8], 16).to_bytes(4, sys.byteorder) for at in range(0, len(hexadecimal), 8))
    return str(ipaddress.ip_address(data))
