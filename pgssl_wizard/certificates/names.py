"""Names and addresses that a certificate can carry, checked and normalised."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Literal

from pgssl_wizard.errors import UnusableInput

NameKind = Literal["dns", "wildcard", "address"]

_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")


@dataclass(frozen=True, slots=True)
class Name:
    """One subject alternative name: `text` is what goes into the certificate (A-labels, canonical addresses)."""

    text: str
    kind: NameKind


def parse_name(text: str, where: str | None = None) -> Name:
    """Return the name that a person means.

    Raises:
        UnusableInput: it can never match a host that a client connects to; the message says why.
    """
    given = text.strip()

    def refuse(why: str, hint: str | None = None) -> UnusableInput:
        return UnusableInput(f"“{given}” cannot be a name in a certificate: {why}.", where=where, hint=hint, code="bad-name")

    if not given:
        raise refuse("it is empty")
    if "%" in given:
        raise refuse("a zone such as %eth0 only means something on one machine")
    bare = given.removeprefix("[").removesuffix("]")
    try:
        return Name(str(ipaddress.ip_address(bare)), "address")
    except ValueError:
        pass
    if "/" in given:
        raise refuse("it is a network or a path", "Name single addresses; a certificate cannot hold a network.")
    if ":" in given:
        raise refuse("it has a port or is no IPv6 address", "Name the host alone; the port does not matter to a certificate.")
    if any(char.isspace() for char in given):
        raise refuse("it contains a blank")
    if given.endswith("."):
        raise refuse("clients never match a name with a dot at its end", f"Write {given.rstrip('.')}")
    wildcard = given.startswith("*.")
    host = given[2:] if wildcard else given
    if "*" in host:
        raise refuse("a * stands only for the whole first label, as in *.example.com")
    try:
        ascii_host = host.lower() if host.isascii() else host.encode("idna").decode("ascii").lower()
    except UnicodeError:
        raise refuse("it is no valid internationalised name") from None
    labels = ascii_host.split(".")
    if len(ascii_host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise refuse("a host name has labels of letters, digits and hyphens, 63 at most each, joined by dots")
    if all(label.isdigit() for label in labels):
        raise refuse("it looks like an address and is none")
    if wildcard and len(labels) < 2:
        raise refuse("*.name would stand for a whole top-level domain")
    return Name(("*." if wildcard else "") + ascii_host, "wildcard" if wildcard else "dns")


def parse_names(texts: tuple[str, ...], where: str | None = None) -> tuple[Name, ...]:
    """Return the names in the given order, each once."""
    return tuple(dict.fromkeys(parse_name(text, where) for text in texts))


def common_name(names: tuple[Name, ...]) -> str:
    """Return the first name that fits a common name (64 characters; no wildcard when there is another)."""
    fitting = [name for name in names if len(name.text) <= 64]
    plain = [name for name in fitting if name.kind != "wildcard"]
    return (plain or fitting)[0].text if fitting else "PostgreSQL server"
