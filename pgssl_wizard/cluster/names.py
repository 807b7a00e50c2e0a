"""Names and addresses under which clients may know this server, found on the machine."""

from __future__ import annotations

import fcntl
import ipaddress
import os
import socket
import struct
from collections.abc import Iterable, Mapping
from pathlib import Path

from pgssl_wizard.cluster.facts import CertificateFact, FoundName, Setting

_SIOCGIFADDR = 0x8915


def found_names(settings: Mapping[str, Setting], certificates: Iterable[CertificateFact]) -> tuple[FoundName, ...]:
    """Return what was found, best first, each name once.

    Recommended are the host's names, addresses that the server listens on by name, every routable address when it
    listens on all, the names of the certificate in use, and loopback, which tools on the machine itself use.
    """
    found: dict[str, FoundName] = {}

    def add(name: str, why: str, recommended: bool = True) -> None:
        if name and name not in found:
            found[name] = FoundName(name, why, recommended)

    host = socket.gethostname()
    full = _full_name(host)
    if full:
        add(full, "this host's full name")
    if host and "localhost" not in host:
        add(host, "this host's name")
    listen = settings["listen_addresses"].value if "listen_addresses" in settings else ""
    entries = [entry.strip() for entry in listen.split(",") if entry.strip()]
    remote = any(entry in {"*", "0.0.0.0", "::"} for entry in entries)  # noqa: S104 - the words that mean all interfaces
    for entry in entries:
        if entry not in {"*", "0.0.0.0", "::", "localhost"}:  # noqa: S104
            add(entry, "listen_addresses")
    for address, interface in interface_addresses():
        number = ipaddress.ip_address(address)
        if not number.is_loopback and not number.is_link_local:
            add(address, f"interface {interface}", remote)
    for certificate in certificates:
        # A snakeoil certificate's name is the host's at install time; a stale one helps nobody.
        if certificate.role == "server" and "snakeoil" not in certificate.path.name:
            for name in certificate.names:
                add(name, "in the present certificate")
    add("localhost", "for tools on this machine")
    add("127.0.0.1", "for tools on this machine")
    add("::1", "for tools on this machine")
    return tuple(found.values())


def interface_addresses() -> list[tuple[str, str]]:
    """Return the addresses of this machine's interfaces with the interface's name (Linux; elsewhere those of the host name)."""
    found: list[tuple[str, str]] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        for _, name in socket.if_nameindex():
            try:
                answer = fcntl.ioctl(probe.fileno(), _SIOCGIFADDR, struct.pack("256s", os.fsencode(name)[:15]))
            except OSError:
                continue
            found.append((socket.inet_ntoa(answer[20:24]), name))
    try:
        lines = Path("/proc/net/if_inet6").read_text(encoding="ascii").splitlines()
    except OSError:
        return found
    for line in lines:
        parts = line.split()
        found.append((str(ipaddress.IPv6Address(bytes.fromhex(parts[0]))), parts[5]))
    return found


def _full_name(host: str) -> str | None:
    """Return the host's name with its domain, from the resolver; None when it has none or that is only localhost."""
    try:
        name = socket.getfqdn(host)
    except OSError:
        return None
    return name if "." in name and not name.startswith("localhost") and not _is_address(name) else None


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
