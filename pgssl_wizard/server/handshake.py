"""What the server really serves: the SSLRequest and a TLS handshake, without the client library and without trusting anything.

Wire format: 8 bytes `00 00 00 08 04 d2 16 2f`, answered by `S`, `N` or an error packet `E`; on Unix sockets always `N`.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import warnings
from dataclasses import dataclass
from hashlib import sha256
from typing import Literal, Protocol, cast

from pgssl_wizard.proof.model import Served, ServedCertificate

_SSL_REQUEST = struct.pack("!II", 8, 80877103)

#: Seconds for the whole exchange; loopback needs milliseconds.
TIMEOUT = 5.0

Answer = Literal["tls", "plaintext", "nobody"]


@dataclass(frozen=True, slots=True)
class Handshake:
    """How one attempt went.

    Attributes:
        answer: `tls` when the server agreed to TLS, `plaintext` when it declined, `nobody` when no PostgreSQL server answered.
        served: what a handshake that came to its end met.
        problem: why it did not, in words.
    """

    answer: Answer
    served: Served | None = None
    problem: str | None = None


class _Certificate(Protocol):
    def public_bytes(self, encoding: int, /) -> bytes: ...


class _Innards(Protocol):
    def get_unverified_chain(self) -> list[_Certificate] | None: ...


def fetch(host: str, port: int, server_name: str | None = None, timeout: float = TIMEOUT) -> Served | None:
    """Return what a TLS handshake with this server meets; None when there is no server, no TLS or no common ground (see `probe`)."""
    return probe(host, port, server_name, timeout).served


def answers_tls(host: str, port: int, timeout: float = TIMEOUT) -> bool | None:
    """Return whether the server agrees to TLS when asked; None when nobody answers. How the handshake ends does not matter."""
    answer = probe(host, port, None, timeout).answer
    return None if answer == "nobody" else answer == "tls"


def probe(
    host: str,
    port: int,
    server_name: str | None = None,
    timeout: float = TIMEOUT,
    *,
    minimum: ssl.TLSVersion | None = None,
    maximum: ssl.TLSVersion | None = None,
) -> Handshake:
    """Ask for TLS and, when the server agrees, shake hands, whatever certificate it shows.

    Args:
        host: a name or address.
        port: of the server.
        server_name: what the client says it looks for (SNI); None says nothing.
        timeout: seconds for each exchange.
        minimum: lowest protocol version offered; by default everything that our OpenSSL can do.
        maximum: highest protocol version offered.
    """
    try:
        with socket.create_connection((host, port), timeout) as plain:
            answer, problem = _ask(plain)
            if answer != "tls":
                return Handshake(answer, problem=problem)
            try:
                return _shake_hands(plain, server_name, minimum, maximum)
            except OSError as error:
                return Handshake("tls", problem=_in_words(error))
    except OSError as error:
        return Handshake("nobody", problem=_in_words(error))


def _ask(plain: socket.socket) -> tuple[Answer, str | None]:
    # Without it the goodbye waits for an acknowledgement that the other side delays by 40 ms.
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    plain.sendall(_SSL_REQUEST)
    reply = plain.recv(1)
    if reply == b"S":
        return "tls", None
    if reply == b"N":
        return "plaintext", "the server declines TLS"
    if reply == b"E":
        # A server so busy or so broken that it answers with an error packet.
        words = plain.recv(4096)[4:].split(b"\0")
        told = next((word[1:] for word in words if word.startswith(b"M")), b"an error")
        return "plaintext", f"the server answers the request for TLS with: {told.decode(errors='replace')}"
    return "nobody", "the connection was closed without an answer" if not reply else "this is no PostgreSQL server"


def _shake_hands(
    plain: socket.socket, server_name: str | None, minimum: ssl.TLSVersion | None, maximum: ssl.TLSVersion | None
) -> Handshake:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    # We want to see what is there, however weak: judging it comes later.
    with warnings.catch_warnings(), contextlib.suppress(ssl.SSLError, ValueError):
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = minimum or ssl.TLSVersion.MINIMUM_SUPPORTED
        if maximum is not None:
            context.maximum_version = maximum
        context.set_ciphers("ALL:@SECLEVEL=0")
    # PostgreSQL 17 and later refuse any other protocol name, older ones do not look.
    context.set_alpn_protocols(["postgresql"])
    with context.wrap_socket(plain, server_hostname=server_name or None) as secure:
        served = _served(secure)
        # Saying goodbye and waiting for the end spares the server a line in its log about a connection that was reset.
        with contextlib.suppress(OSError):
            secure.unwrap()
        return Handshake("tls", served=served)


def _served(secure: ssl.SSLSocket) -> Served:
    chain = _chain(secure)
    cipher = secure.cipher()
    return Served(
        sha256=sha256(chain[0]).hexdigest(),
        protocol=secure.version() or "",
        cipher=cipher[0] if cipher else "",
        chain=tuple(_certificate(der) for der in chain),
    )


def _chain(secure: ssl.SSLSocket) -> list[bytes]:
    """Return the certificates as the server sent them, leaf first."""
    if hasattr(secure, "get_unverified_chain"):  # Python 3.13 and later
        return list(secure.get_unverified_chain())
    innards = cast("_Innards | None", getattr(secure, "_sslobj", None))
    sent = innards.get_unverified_chain() if innards is not None else None
    if sent:
        import _ssl  # noqa: PLC0415  (3.10 to 3.12 have the chain, without a public name)

        return [certificate.public_bytes(_ssl.ENCODING_DER) for certificate in sent]
    leaf = secure.getpeercert(binary_form=True)
    if leaf is None:
        raise ssl.SSLError("the server sent no certificate")
    return [leaf]


def _certificate(der: bytes) -> ServedCertificate:
    from cryptography import x509  # noqa: PLC0415  (not before there is something to read)

    certificate = x509.load_der_x509_certificate(der)
    return ServedCertificate(
        subject=certificate.subject.rfc4514_string(),
        issuer=certificate.issuer.rfc4514_string(),
        not_after=certificate.not_valid_after_utc,
        sha256=sha256(der).hexdigest(),
    )


def _in_words(error: OSError) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, ssl.SSLError):
        return (error.reason or str(error)).replace("_", " ").lower()
    return error.strerror or str(error)
