"""Attempts as JSON lines: what a line may hold, and what is wrong with one."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

from pgssl_wizard.access.attempt import Attempt, ClientCertificate

#: What a line may hold.
KEYS = ("id", "database", "user", "address", "tls", "gss", "certificate", "replication", "roles", "host_name")
_KNOWN = frozenset(KEYS)
_IN_CERTIFICATE = frozenset({"cn", "dn", "trusted"})
#: How the server's log writes the Unix socket.
_SOCKET = "[local]"
_REMEMBERED = 1 << 16


class BadAttempt(ValueError):
    """A line that is no attempt; the message says why."""


class Reading:
    """Turns lines into attempts.

    Args:
        memberships: of every role there is, the roles that it is a member of; None when nobody could be asked. What an attempt says
            itself wins.

    Attributes:
        unknown: keys that were passed over, with how often each was met.
    """

    def __init__(self, memberships: Mapping[str, tuple[str, ...]] | None = None) -> None:
        self._memberships = memberships
        self._addresses: dict[str, str | None] = {}
        self._decode = json.JSONDecoder(parse_constant=_no_number).raw_decode
        self.unknown: dict[str, int] = {}

    def read(self, line: str) -> tuple[Any, Attempt]:
        """Return the `id` of a line, whatever it is, and its attempt.

        Raises:
            BadAttempt: it is none.
        """
        line = line.strip(" \t\r\n")
        try:
            given, end = self._decode(line)
        except json.JSONDecodeError as error:
            raise BadAttempt(f"it is no JSON: {error.msg} (column {error.pos + 1})") from None
        except RecursionError:
            raise BadAttempt("it is nested too deeply") from None
        except ValueError as error:
            raise BadAttempt(f"it is no JSON: {error}") from None
        if end != len(line):
            raise BadAttempt(f"there is more than one JSON value in the line (column {end + 1})")
        if type(given) is not dict:
            raise BadAttempt("it is no JSON object")
        if not given.keys() <= _KNOWN:
            self._note(given.keys() - _KNOWN)
        return given.get("id"), self._attempt(given)

    def _attempt(self, given: dict[str, Any]) -> Attempt:
        get = given.get
        user, database, replication = get("user"), get("database"), get("replication", False)
        tls, gss, host_name, roles, shown = get("tls", False), get("gss", False), get("host_name"), get("roles"), get("certificate")
        if database is None and (replication is True or "database" not in given):
            database = ""
        if type(user) is not str or type(database) is not str or "\0" in user or "\0" in database:
            raise _wrong_name(user, database)
        if type(tls) is not bool or type(gss) is not bool or type(replication) is not bool:
            for key in ("tls", "gss", "replication"):
                if type(given.get(key, False)) is not bool:
                    raise BadAttempt(f"{key} is neither true nor false")
        address = get("address")
        if address is not None:
            try:
                address = self._addresses[address]
            except (KeyError, TypeError):
                address = self._address(address)
        if host_name is not None and type(host_name) is not str:
            raise BadAttempt("host_name is neither a name nor null")
        exists = True
        if roles is None:
            members = self._memberships
            roles = ()
            if members is not None:
                exists = user in members
                roles = members.get(user, ())
        elif type(roles) is list and all(type(role) is str for role in roles):
            roles = tuple(roles)
            if self._memberships is not None and not roles:
                exists = user in self._memberships
        else:
            raise BadAttempt("roles is no list of names")
        certificate = None if shown is None else self._certificate(shown)
        return Attempt(database, user, address, tls, gss, certificate, replication, roles, host_name, exists)

    def _address(self, given: object) -> str | None:
        if type(given) is not str:
            raise BadAttempt("address is neither an address nor null")
        found = None if given == _SOCKET else _canonical(given)
        if len(self._addresses) >= _REMEMBERED:
            self._addresses.clear()
        self._addresses[given] = found
        return found

    def _certificate(self, given: object) -> ClientCertificate:
        if type(given) is not dict:
            raise BadAttempt("certificate is neither an object nor null")
        if not given.keys() <= _IN_CERTIFICATE:
            self._note(f"certificate.{key}" for key in given.keys() - _IN_CERTIFICATE)
        cn, dn, trusted = given.get("cn"), given.get("dn"), given.get("trusted", True)
        if (cn is not None and type(cn) is not str) or (dn is not None and type(dn) is not str):
            raise BadAttempt("cn and dn of a certificate are texts or null")
        if type(trusted) is not bool:
            raise BadAttempt("trusted of a certificate is neither true nor false")
        return ClientCertificate(cn or "", dn or "", trusted)

    def _note(self, keys: Iterable[str]) -> None:
        for key in keys:
            self.unknown[key] = self.unknown.get(key, 0) + 1


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number")


def _wrong_name(user: object, database: object) -> BadAttempt:
    for key, value in (("user", user), ("database", database)):
        if not isinstance(value, str):
            return BadAttempt(f"{key} is missing" if value is None else f"{key} is no text")
        if "\0" in value:
            return BadAttempt(f"{key} holds a NUL, which no client can send")
    raise AssertionError(user, database)


def _canonical(address: str) -> str:
    """Return a client's address in the shortest form, its scope kept.

    Raises:
        BadAttempt: it is none.
    """
    host, percent, scope = address.partition("%")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        packed = socket.inet_pton(family, host)
    except (OSError, ValueError):
        packed = b""
    if not packed or (percent and (family == socket.AF_INET or not scope)):
        raise BadAttempt(f"address is no address: {address}")
    return socket.inet_ntop(family, packed) + percent + scope
