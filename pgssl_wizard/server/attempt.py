"""One connection as a client would make it: libpq itself decides what every sslmode means.

Everything that libpq would take from the home directory or the environment is given explicitly, so that the outcome depends on
nothing but the arguments.
"""

from __future__ import annotations

import ctypes
import functools
import os
import re
import select
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from psycopg import pq
    from psycopg.pq.abc import PGconn

    from pgssl_wizard.proof.model import Verdict

#: A place where no file is, spelled like the one that libpq looks at by default.
_NOWHERE = "/nonexistent/.postgresql"

#: Defaults that libpq does not list as such and where an empty value means something else. Everything but SSPI, which only
#: Windows has, is how to say that any method will do.
_UNSPOKEN = {"sslcertmode": "allow", "min_protocol_version": "3.0", "max_protocol_version": "3.0", "require_auth": "!sspi"}

#: libpq reads the environment while a connection starts, and the service's name cannot be overruled by an argument.
_environment = threading.Lock()


@dataclass(frozen=True, slots=True)
class Tried:
    """How it ended.

    Attributes:
        outcome: `accept` when the server let us in or asked for the password, else `reject`.
        tls: protocol version of the connection that decided, None when that one was plaintext.
        message: libpq's whole text on a refusal; with sslmode prefer and allow one paragraph per connection tried.
        asked_for_password: the server got so far, and no further for lack of a password.
    """

    outcome: Verdict
    tls: str | None
    message: str | None
    asked_for_password: bool = False


def try_connection(
    host: str,
    port: int,
    user: str,
    database: str,
    *,
    sslmode: str,
    hostaddr: str | None = None,
    root: Path | str | None = None,
    certificate: Path | None = None,
    key: Path | None = None,
    password: str | None = None,
    crl: Path | None = None,
    timeout: float = 10.0,
    options: Mapping[str, str] | None = None,
) -> Tried:
    """Try one connection and end it at once.

    Args:
        host: the name that the certificate is checked against; a path means a Unix socket.
        port: of the server.
        user: the role.
        database: its database.
        sslmode: as libpq names them.
        hostaddr: the address to connect to, when the name is not to be looked up.
        root: file with the roots that the client trusts, or `system`; None: it has none.
        certificate: the client's certificate.
        key: its key.
        password: None: a server that asks for it has accepted so far.
        crl: revocation list of the client.
        timeout: seconds until it counts as refused.
        options: further parameters of libpq.
    """
    given = {
        "host": host,
        "hostaddr": hostaddr or "",
        "port": str(port),
        "user": user,
        "dbname": database,
        "sslmode": sslmode,
        "sslrootcert": str(root) if root is not None else f"{_NOWHERE}/root.crt",
        "sslcert": str(certificate) if certificate is not None else f"{_NOWHERE}/postgresql.crt",
        "sslkey": str(key) if key is not None else f"{_NOWHERE}/postgresql.key",
        "sslcrl": str(crl) if crl is not None else f"{_NOWHERE}/root.crl",
        "passfile": f"{_NOWHERE}/.pgpass",
        "password": password or "",
        "gssencmode": "disable",
        "application_name": "pgssl-wizard",
        **(options or {}),
    }
    connection = _start(_conninfo(given))
    try:
        return _follow(connection, time.monotonic() + timeout)
    finally:
        connection.finish()


def client_library() -> str:
    """Return the client library in use, `libpq 18.0`."""
    from psycopg import pq  # noqa: PLC0415  (slow to import, and only needed here)

    number = pq.version()
    return f"libpq {number // 10000}.{number % 10000}"


def _start(conninfo: bytes) -> PGconn:
    from psycopg import pq  # noqa: PLC0415

    with _environment:
        hidden = {name: os.environ.pop(name) for name in ("PGSERVICE", "PGSERVICEFILE") if name in os.environ}
        try:
            return pq.PGconn.connect_start(conninfo)
        finally:
            os.environ.update(hidden)


def _conninfo(given: Mapping[str, str]) -> bytes:
    """Return the parameters as a connection string, with the library's own default for each that the environment would set."""
    from psycopg import pq  # noqa: PLC0415

    parameters = dict(given)
    for option in pq.Conninfo.get_defaults():
        name = option.keyword.decode()
        variable = option.envvar.decode() if option.envvar else None
        if name not in parameters and name not in {"service", "servicefile"} and variable is not None and variable in os.environ:
            parameters[name] = _UNSPOKEN.get(name) or (option.compiled or b"").decode()
    return " ".join(f"{name}={_quoted(value)}" for name, value in parameters.items()).encode()


def _quoted(value: str) -> str:
    escaped = re.sub(r"(['\\])", r"\\\1", value)
    return f"'{escaped}'"


def _follow(connection: PGconn, deadline: float) -> Tried:
    """Poll until the connection stands or falls, noting on the way whether it was encrypted: libpq forgets it when it falls."""
    from psycopg.pq import ConnStatus, PollingStatus  # noqa: PLC0415

    tls: str | None = None
    if connection.status == ConnStatus.BAD:
        return Tried("reject", None, _message(connection))
    waiting_for = PollingStatus.WRITING
    while True:
        left = deadline - time.monotonic()
        if left <= 0 or not _ready(connection.socket, waiting_for, left):
            return Tried("reject", tls, "timeout expired")
        waiting_for = PollingStatus(connection.connect_poll())
        if waiting_for == PollingStatus.FAILED:
            asked = connection.needs_password
            return Tried("accept" if asked else "reject", tls, _message(connection), asked_for_password=asked)
        # In use begins with the first byte of the handshake; what counts is one that came to its end.
        tls = _protocol(connection) if connection.ssl_in_use and connection.status != ConnStatus.SSL_STARTUP else None
        if waiting_for == PollingStatus.OK:
            return Tried("accept", tls, None)


def _ready(descriptor: int, waiting_for: pq.PollingStatus, seconds: float) -> bool:
    poller = select.poll()
    # PGRES_POLLING_READING is 1, PGRES_POLLING_WRITING is 2.
    poller.register(descriptor, select.POLLIN if waiting_for == 1 else select.POLLOUT)
    return bool(poller.poll(seconds * 1000))


def _message(connection: PGconn) -> str:
    return connection.get_error_message().strip()


def _protocol(connection: PGconn) -> str:
    """Return the TLS version of a connection; `TLS` when this libpq cannot be asked."""
    attribute = _ssl_attribute()
    # Every implementation of psycopg has it; its protocol class does not name it.
    pointer = getattr(connection, "pgconn_ptr", None)
    if attribute is None or pointer is None:
        return "TLS"
    value = attribute(pointer, b"protocol")
    return value.decode() if value else "TLS"


@functools.cache
def _ssl_attribute() -> ctypes._NamedFuncPointer | None:
    """Return libpq's PQsslAttribute, which psycopg does not offer, from the very library that psycopg has loaded."""
    for path in _loaded_libpq():
        try:
            function = ctypes.CDLL(path, mode=getattr(os, "RTLD_NOLOAD", 0) | ctypes.DEFAULT_MODE).PQsslAttribute
        except (OSError, AttributeError):
            continue
        function.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
        function.restype = ctypes.c_char_p
        return function
    return None


def _loaded_libpq() -> list[str]:
    from psycopg import pq  # noqa: PLC0415

    try:
        maps = Path("/proc/self/maps").read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        maps = ""
    loaded = dict.fromkeys(re.findall(r"\s(/\S*libpq[-.]\S+)$", maps, re.MULTILINE))
    if not loaded and pq.__impl__ == "binary":
        import psycopg_binary  # noqa: PLC0415

        package = Path(psycopg_binary.__file__ or "").parent
        for place in (package.with_name("psycopg_binary.libs"), package / ".dylibs"):
            loaded.update(dict.fromkeys(str(path) for path in place.glob("libpq*")))
    return list(loaded)
