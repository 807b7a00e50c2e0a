"""Which names and addresses a proof tries, and where their connections really go."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
from collections.abc import Iterable

from pgssl_wizard.cluster.facts import Postmaster

#: The label that stands for a wildcard's star when a connection needs a real name.
WILDCARD_LABEL = "any"

#: To an address of this very machine.
_CONNECT_SECONDS = 1.0


def concrete(name: str) -> str:
    """Return a name that a client could give: a wildcard gets a label, everything else stays."""
    return f"{WILDCARD_LABEL}{name[1:]}" if name.startswith("*.") else name


def to_try(names: Iterable[str]) -> tuple[str, ...]:
    """Return the names to try, in order, wildcards made concrete, each once."""
    return tuple(dict.fromkeys(concrete(name) for name in names))


def reachable_address(server: Postmaster) -> str | None:
    """Return an address at which this machine reaches a running server, from what `postmaster.pid` says.

    Returns:
        None when it listens on Unix sockets only, or cannot be reached.
    """
    match server.listen_address:
        case None | "":
            return None
        case "0.0.0.0":  # noqa: S104 - read, not bound to
            return "127.0.0.1"
        case "::":
            return "::1"
        case "*":
            return _answering(("127.0.0.1", "::1"), server.port)
        case host:
            return _answering(_resolved(host), server.port)


def _resolved(host: str) -> tuple[str, ...]:
    """Return the addresses of a host name; an address stays what it is."""
    try:
        return (str(ipaddress.ip_address(host)),)
    except ValueError:
        pass
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return ()
    return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))


def _answering(addresses: tuple[str, ...], port: int) -> str | None:
    """Return the first address at which somebody takes connections; with one address there is nothing to choose."""
    if len(addresses) == 1:
        return addresses[0]
    for address in addresses:
        with contextlib.suppress(OSError), socket.create_connection((address, port), _CONNECT_SECONDS):
            return address
    return addresses[0] if addresses else None


def source_of(server: Postmaster | None) -> str | None:
    """Return the address that a running server sees when this machine comes; None when nobody gets to it over TCP."""
    address = reachable_address(server) if server is not None else None
    return source_address(address, server.port) if server is not None and address is not None else None


def source_address(address: str, port: int) -> str:
    """Return the address that the server sees when this machine connects to `address`; nothing is sent."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((address, port))
            return str(probe.getsockname()[0])
        except OSError:
            return address
