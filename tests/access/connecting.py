"""A client of a few bytes: it says who it is and how it comes, and reads what the server makes of it. Thousands a minute."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
from dataclasses import dataclass
from typing import Literal

from tests.servers import RealCluster

_SSL_REQUEST = struct.pack("!II", 8, 80877103)
#: Seconds after which a server that says nothing fails a test; nothing waits so long on purpose.
_PATIENCE = 60.0


@dataclass(frozen=True)
class Heard:
    """What the server said.

    Attributes:
        kind: it was satisfied; it asks for something by a method; it refused in words; the handshake failed.
        message: its words where it refused.
    """

    kind: Literal["in", "asked", "refused", "handshake"]
    message: str = ""


def connect(
    cluster: RealCluster,
    *,
    database: str,
    user: str,
    source: str | None,
    tls: ssl.SSLContext | None = None,
    replication: bool = False,
    password: str | None = None,
) -> Heard:
    """Try to get in; the connection is given up as soon as the end is known.

    Args:
        cluster: a running server.
        database: as the startup packet has it, anything but NUL.
        user: likewise.
        source: the address to come from; None: over the Unix socket.
        tls: to come over TLS, with whatever certificate it holds.
        replication: as a physical walsender.
        password: to answer a request for one in clear; None: such a request is the end.
    """
    with _open(cluster, source) as plain, plain.dup() as spare:
        connection = plain
        try:
            if tls is not None:
                plain.sendall(_SSL_REQUEST)
                assert plain.recv(1) == b"S", "the server offers no TLS"
                connection = tls.wrap_socket(plain, server_hostname="localhost")
            words = {"user": user, "database": database, **({"replication": "true"} if replication else {})}
            packet = b"".join(name.encode() + b"\0" + value.encode("utf-8", "surrogateescape") + b"\0" for name, value in words.items())
            connection.sendall(struct.pack("!II", len(packet) + 9, 196608) + packet + b"\0")
            heard = _listen(connection, password)
        except (ssl.SSLError, ConnectionError):
            heard = Heard("handshake")
        finally:
            connection.close()
        if heard.kind == "handshake":
            # The alert comes before the server's line in the log; when it has hung up, that is written.
            with contextlib.suppress(ConnectionError):
                while spare.recv(4096):
                    pass
        return heard


def _open(cluster: RealCluster, source: str | None) -> socket.socket:
    if source is None:
        found = socket.socket(socket.AF_UNIX)
        found.settimeout(_PATIENCE)
        found.connect(str(cluster.socket_directory / f".s.PGSQL.{cluster.port}"))
        return found
    target = "::1" if ":" in source else "127.0.0.1"
    found = socket.create_connection((target, cluster.port), _PATIENCE, (source, 0))
    # Two small messages follow each other; the second one must not wait until the first is acknowledged.
    found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return found


def _listen(connection: socket.socket, password: str | None) -> Heard:
    while True:
        kind, body = _message(connection)
        if not kind:
            return Heard("handshake")
        if kind == b"E":
            parts = [part.decode("utf-8", "surrogateescape") for part in body.split(b"\0")]
            return Heard("refused", next(part[1:] for part in parts if part.startswith("M")))
        if kind == b"R":
            (code,) = struct.unpack_from("!I", body)
            if code == 0:
                return Heard("in")
            if code == 3 and password is not None:
                answer = password.encode() + b"\0"
                connection.sendall(b"p" + struct.pack("!I", len(answer) + 4) + answer)
                continue
            return Heard("asked")


def _message(connection: socket.socket) -> tuple[bytes, bytes]:
    head = _exactly(connection, 5)
    if len(head) < 5:
        return b"", b""
    return head[:1], _exactly(connection, struct.unpack("!I", head[1:])[0] - 4)


def _exactly(connection: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        more = connection.recv(count - len(data))
        if not more:
            break
        data += more
    return data
