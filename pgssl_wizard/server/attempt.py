"""One connection as a client would make it: libpq itself decides what every sslmode means.

Everything that libpq would take from the home directory or the environment is given explicitly, so that the outcome depends on
nothing but the arguments.
"""

from __future__ import annotations

import contextlib
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
from typing import TYPE_CHECKING, Literal

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

#: PQERRORS_VERBOSE of libpq-fe.h: the server's messages come with their code and the place in its source.
_VERBOSE = 2
#: What verbosity adds to a message: `FATAL:  28000: words`, and a last line `LOCATION:  ClientAuthentication, auth.c:540`. Both labels
#: may be in any language.
_CODE = re.compile(r"(?P<before>[^\s:]: {2})(?P<code>[0-9A-Z]{5}): ")
_PLACE = re.compile(r"^[^\n:]+: {1,2}(?P<routine>\w+), [\w.-]+:\d+$\n?", re.MULTILINE)

#: Where the server's source (13 to 19) decides by the rules alone, before any method: no line, a `reject` line, no certificate.
_BY_RULES = frozenset({"ClientAuthentication"})
#: What runs when somebody has been let in: role, database, places left, settings of the connection.
_INSIDE = frozenset({"InitPostgres", "InitializeSessionUserId", "CheckMyDatabase", "process_startup_options"})
#: What runs before the server looks at who comes: it starts, it stops, it is full.
_BEFORE = frozenset({"InitProcess", "ProcessStartupPacket", "BackendInitialize", "BackendStartup", "SubPostmasterMain"})
#: Codes of the same, for servers behind something that leaves the routine out: no such database, not permitted, not in a state for it.
_INSIDE_CODES = frozenset({"3D000", "42501", "55000"})
#: An authentication that failed, of whatever kind.
_AUTHENTICATION_CODES = frozenset({"28000", "28P01"})
#: The same in English, for a libpq that cannot be asked for codes.
_INSIDE_WORDS = re.compile(
    r'database ".*" does not exist|role ".*" does not exist|is not permitted to log in|permission denied for database'
    r"|is not currently accepting connections|too many connections for"
)

#: Who ended an attempt: the rules, the method that a rule names, the server before it looked at who comes, or after it let them in.
StoppedBy = Literal["rules", "method", "before", "inside"]


@dataclass(frozen=True, slots=True)
class Tried:
    """How it ended.

    Attributes:
        outcome: `accept` when the server let us in or asked for the password, else `reject`.
        tls: protocol version of the connection that decided, None when that one was plaintext.
        message: libpq's whole text on a refusal; with sslmode prefer and allow one paragraph per connection tried.
        asked_for_password: the server got so far, and no further for lack of a password.
        sqlstate: the code of the server's last message, where it sent one and this libpq tells it.
        stopped_by: who refused it, in whatever language the server speaks; None when it was let in, or never got to the server's rules:
            no connection, no TLS, a certificate that did not do.
    """

    outcome: Verdict
    tls: str | None
    message: str | None
    asked_for_password: bool = False
    sqlstate: str | None = None
    stopped_by: StoppedBy | None = None


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
            connection = pq.PGconn.connect_start(conninfo)
        finally:
            os.environ.update(hidden)
    set_verbosity, pointer = _of_libpq("PQsetErrorVerbosity"), getattr(connection, "pgconn_ptr", None)
    if set_verbosity is not None and pointer is not None:
        set_verbosity(ctypes.c_void_p(pointer), ctypes.c_int(_VERBOSE))
    return connection


def _conninfo(given: Mapping[str, str]) -> bytes:
    """Return the parameters as a connection string, with the library's own default for each that the environment would set."""
    from psycopg import pq  # noqa: PLC0415

    parameters = dict(given)
    for option in pq.Conninfo.get_defaults():
        name = option.keyword.decode()
        variable = option.envvar.decode() if option.envvar else None
        if name not in parameters and name not in {"service", "servicefile"} and variable is not None and variable in os.environ:
            parameters[name] = _UNSPOKEN.get(name) or (option.compiled or b"").decode()
    # Names out of a log may hold bytes that are no UTF-8; the server takes them as they are.
    return " ".join(f"{name}={_quoted(value)}" for name, value in parameters.items()).encode("utf-8", "surrogateescape")


def _quoted(value: str) -> str:
    escaped = re.sub(r"(['\\])", r"\\\1", value)
    return f"'{escaped}'"


def _follow(connection: PGconn, deadline: float) -> Tried:
    """Poll until the connection stands or falls, noting on the way whether it was encrypted: libpq forgets it when it falls."""
    from psycopg.pq import ConnStatus, PollingStatus  # noqa: PLC0415

    tls: str | None = None
    if connection.status == ConnStatus.BAD:
        return Tried("reject", None, _told(connection)[0])
    waiting_for = PollingStatus.WRITING
    while True:
        left = deadline - time.monotonic()
        if left <= 0 or not _ready(connection.socket, waiting_for, left):
            return Tried("reject", tls, "timeout expired")
        waiting_for = PollingStatus(connection.connect_poll())
        if waiting_for == PollingStatus.FAILED:
            asked = connection.needs_password
            message, sqlstate, stopped_by = _told(connection)
            if asked:
                return Tried("accept", tls, message, asked_for_password=True, sqlstate=sqlstate)
            return Tried("reject", tls, message, sqlstate=sqlstate, stopped_by=stopped_by)
        # In use begins with the first byte of the handshake; what counts is one that came to its end.
        tls = _protocol(connection) if connection.ssl_in_use and connection.status != ConnStatus.SSL_STARTUP else None
        if waiting_for == PollingStatus.OK:
            return Tried("accept", tls, None)


def _ready(descriptor: int, waiting_for: pq.PollingStatus, seconds: float) -> bool:
    poller = select.poll()
    # PGRES_POLLING_READING is 1, PGRES_POLLING_WRITING is 2.
    poller.register(descriptor, select.POLLIN if waiting_for == 1 else select.POLLOUT)
    return bool(poller.poll(seconds * 1000))


def _told(connection: PGconn) -> tuple[str, str | None, StoppedBy | None]:
    """Return the message as libpq usually gives it, the code in it, and who stopped the attempt."""
    return taken_apart(connection.get_error_message().strip())


def taken_apart(verbose: str) -> tuple[str, str | None, StoppedBy | None]:
    """Return a verbose message without what verbosity added, the last code in it, and whose refusal that is."""
    codes = [found["code"] for found in _CODE.finditer(verbose)]
    routines = [found["routine"] for found in _PLACE.finditer(verbose)]
    plain = _CODE.sub(lambda found: found["before"], _PLACE.sub("", verbose)).strip()
    last = plain.splitlines()[-1] if plain else ""
    if not codes:
        # No server spoke, or a libpq that gives no codes: then its words have to do.
        return plain, None, "inside" if _INSIDE_WORDS.search(last) else "rules" if "pg_hba.conf" in last else None
    return plain, codes[-1], _stopped_by(codes[-1], routines[-1] if routines else None, last)


def _stopped_by(code: str, routine: str | None, words: str) -> StoppedBy:
    if routine in _BY_RULES:
        return "rules"
    if routine in _INSIDE or code in _INSIDE_CODES:
        return "inside"
    if routine in _BEFORE or code not in _AUTHENTICATION_CODES:
        return "before"
    if routine is None:
        return "inside" if _INSIDE_WORDS.search(words) else "rules" if "pg_hba.conf" in words else "method"
    return "method"


def _protocol(connection: PGconn) -> str:
    """Return the TLS version of a connection; `TLS` when this libpq cannot be asked."""
    attribute = _of_libpq("PQsslAttribute")
    # Every implementation of psycopg has it; its protocol class does not name it.
    pointer = getattr(connection, "pgconn_ptr", None)
    if attribute is None or pointer is None:
        return "TLS"
    attribute.restype = ctypes.c_char_p
    value = attribute(ctypes.c_void_p(pointer), b"protocol")
    return value.decode() if value else "TLS"


@functools.cache
def _of_libpq(name: str) -> ctypes._NamedFuncPointer | None:
    """Return a function of libpq that psycopg does not offer, from the very library that psycopg has loaded."""
    for path in _loaded_libpq():
        with contextlib.suppress(OSError, AttributeError):
            return getattr(ctypes.CDLL(path, mode=getattr(os, "RTLD_NOLOAD", 0) | ctypes.DEFAULT_MODE), name)  # type: ignore[no-any-return]
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
