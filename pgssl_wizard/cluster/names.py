"""Names and addresses under which clients may know this server, found on the machine."""

from __future__ import annotations

import ipaddress
import socket
import threading
from collections.abc import Iterable, Mapping
from functools import cache

from pgssl_wizard.certificates.names import parse_name
from pgssl_wizard.cluster.addresses import interface_addresses
from pgssl_wizard.cluster.facts import CertificateFact, FoundName, Setting
from pgssl_wizard.errors import UnusableInput
from pgssl_wizard.files.values import boolean

#: Seconds that the resolver gets for the host's full name; without an answer from the network we go on without it.
RESOLVER_PATIENCE = 0.3

_EVERYWHERE = {"*": (4, 6), "0.0.0.0": (4,), "::": (6,)}  # noqa: S104 - the words that mean all interfaces


def found_names(settings: Mapping[str, Setting], certificates: Iterable[CertificateFact]) -> tuple[FoundName, ...]:
    """Return what was found, best first, each name once; only names that a certificate can carry.

    Recommended are the host's names, addresses that the server listens on by name, every lasting address of an outward
    interface when it listens on all, the names of the certificate in use, and loopback, which tools on the machine itself use.
    """
    found: dict[str, FoundName] = {}

    def add(name: str, why: str, recommended: bool = True) -> None:
        try:
            text = parse_name(name).text
        except UnusableInput:
            # The kernel and other people's certificates allow more than clients can connect to.
            return
        if text not in found:
            found[text] = FoundName(text, why, recommended)

    host = socket.gethostname()
    full = full_name(host)
    if full:
        add(full, "this host's full name")
    if host and "localhost" not in host:
        add(host, "this host's name")
    entries = listen_entries(settings["listen_addresses"].value) if "listen_addresses" in settings else ()
    families = {family for entry in entries for family in _EVERYWHERE.get(entry, ())}
    for entry in entries:
        if entry not in _EVERYWHERE and not _loopback(entry):
            add(entry, "listen_addresses")
    for each in interface_addresses():
        reached = ipaddress.ip_address(each.text).version in families
        add(each.text, f"interface {each.interface}" if each.interface else "an interface", reached and each.lasting and not each.internal)
    in_use = "ssl" in settings and boolean(settings["ssl"].value) is True
    for certificate in certificates:
        # A snakeoil certificate's name is the host's at install time; a stale one helps nobody.
        if certificate.role == "server" and "snakeoil" not in certificate.path.name:
            for name in certificate.names:
                add(name, "in the present certificate", in_use)
    for name in ("localhost", "127.0.0.1", "::1"):
        add(name, "for tools on this machine")
    return tuple(found.values())


def listen_entries(value: str) -> tuple[str, ...]:
    """Return the entries of listen_addresses; the server takes them bare or in double quotes."""
    entries = (entry.strip() for entry in value.split(","))
    return tuple(entry[1:-1] if len(entry) > 1 and entry[0] == entry[-1] == '"' else entry for entry in entries if entry)


@cache
def full_name(host: str) -> str | None:
    """Return the host's name with its domain, from the resolver; None when it has none, that is only localhost, or nobody answers in time."""
    answers: list[str] = []

    def ask() -> None:
        try:
            answers.append(socket.getfqdn(host))
        except (OSError, UnicodeError):
            return

    # A resolver without its name server takes many seconds to give up, and cannot be told to be quicker.
    thread = threading.Thread(target=ask, name="full-name", daemon=True)
    thread.start()
    thread.join(RESOLVER_PATIENCE)
    name = answers[0] if answers else ""
    return name if "." in name and not name.startswith("localhost") and not _is_address(name) else None


def _loopback(entry: str) -> bool:
    if entry == "localhost":
        return True
    return _is_address(entry) and ipaddress.ip_address(entry).is_loopback


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
