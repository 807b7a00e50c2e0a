"""Which names and addresses a proof tries, and where their connections really go."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable

#: The label that stands for a wildcard's star when a connection needs a real name.
WILDCARD_LABEL = "any"


def concrete(name: str) -> str:
    """Return a name that a client could give: a wildcard gets a label, everything else stays."""
    return f"{WILDCARD_LABEL}{name[1:]}" if name.startswith("*.") else name


def to_try(names: Iterable[str]) -> tuple[str, ...]:
    """Return the names to try, in order, wildcards made concrete, each once."""
    return tuple(dict.fromkeys(concrete(name) for name in names))


def reachable_address(listen_address: str | None) -> str | None:
    """Return an address of this machine on which the server answers, from the address in `postmaster.pid`.

    Returns:
        None when it listens on Unix sockets only.
    """
    match listen_address:
        case None | "":
            return None
        case "*" | "0.0.0.0":  # noqa: S104 - read, not bound to
            return "127.0.0.1"
        case "::":
            return "::1"
        case _:
            return _resolved(listen_address)


def _resolved(host: str) -> str | None:
    """Return the first address of a host name; an address stays what it is."""
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        pass
    try:
        return str(socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)[0][4][0])
    except OSError:
        return None


def source_address(address: str, port: int) -> str:
    """Return the address that the server sees when this machine connects to `address`; nothing is sent."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((address, port))
            return str(probe.getsockname()[0])
        except OSError:
            return address
