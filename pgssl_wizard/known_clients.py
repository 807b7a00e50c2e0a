"""Clients that a person names, so that a plan says what happens to them: `USER@DATABASE/ADDRESS`, or a table of the answers file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class NamedClient:
    """One client that must (or must not) get in.

    Attributes:
        user: the role.
        database: empty for the one named like the role, and for physical replication.
        address: canonical; None means the Unix socket.
        tls: None: as libpq does by itself, over TLS where it is offered and without where that fails.
        replication: a physical walsender.
        certificate: the common name of the certificate that it shows; empty for none.
    """

    user: str
    database: str = ""
    address: str | None = None
    tls: bool | None = None
    replication: bool = False
    certificate: str = ""


def parse(value: str | Mapping[str, object]) -> NamedClient:
    """Return the client that a text or a table names; its keys are known to have the right types.

    Raises:
        ValueError: it names nobody; says why.
    """
    if isinstance(value, str):
        value = _table(value)
    user, database, certificate = (str(value.get(key, "")) for key in ("user", "database", "certificate"))
    given, tls, replication = value.get("address"), value.get("tls"), bool(value.get("replication"))
    if not user:
        raise ValueError("a client needs the role that it comes as")
    address: str | None = None
    if given:
        import ipaddress  # noqa: PLC0415 - kept out of the first frame

        try:
            address = str(ipaddress.ip_address(str(given)))
        except ValueError:
            raise ValueError(f"“{given}” is no address: rules are compared with numbers, as in 10.0.0.5") from None
    if address is None and tls:
        raise ValueError("there is no TLS over the Unix socket: name the address that the client comes from")
    if certificate and (tls is False or address is None):
        raise ValueError("a certificate is shown only over TLS")
    if replication and database:
        raise ValueError("physical replication has no database")
    return NamedClient(user, database, address, None if tls is None else bool(tls), replication, certificate)


def _table(text: str) -> dict[str, object]:
    """Return the table that a text stands for; the database `replication` means physical replication, as in a rule."""
    rest, slash, address = text.strip().rpartition("/")
    user, at, database = (rest if slash else address).rpartition("@")
    if not at or not user or not database or (slash and not address):
        raise ValueError(f"“{text}” is no USER@DATABASE/ADDRESS")
    streams = database == "replication"
    found: dict[str, object] = {"user": user, "database": "" if streams else database, "replication": streams}
    return {**found, "address": address} if slash else found


def in_words(client: NamedClient) -> str:
    """Return a client as a person types it."""
    place = f"/{client.address}" if client.address is not None else ""
    return f"{client.user}@{'replication' if client.replication else client.database or client.user}{place}"


def to_table(client: NamedClient) -> dict[str, object]:
    """Return the table that names this client again."""
    values = {name: getattr(client, name) for name in ("user", "database", "address", "tls", "replication", "certificate")}
    return {name: value for name, value in values.items() if value not in ("", None) and (name != "replication" or value)}
