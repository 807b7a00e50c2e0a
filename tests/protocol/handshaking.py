"""What a real server negotiates, found by handshakes alone: a client offers everything, then all but what was chosen, until it is refused."""

from __future__ import annotations

import socket
import ssl
import subprocess
import warnings

#: Everything that this Python's OpenSSL can offer, weak suites included.
EVERYTHING = "ALL:COMPLEMENTOFALL:@SECLEVEL=0"
_OLD = {"TLSv1": ssl.TLSVersion.TLSv1, "TLSv1.1": ssl.TLSVersion.TLSv1_1, "TLSv1.2": ssl.TLSVersion.TLSv1_2}
_NEW = (
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_128_CCM_SHA256",
    "TLS_AES_128_CCM_8_SHA256",
)


def negotiated(port: int) -> set[tuple[str, str]]:
    """Return every pair of version and suite that the server on this port agrees to."""
    found = {(version, suite) for version in _OLD for suite in _suites_of(port, version)}
    return found | {("TLSv1.3", suite) for suite in _NEW if _takes_new(port, suite)}


def can_offer() -> set[str]:
    """Return the suites below TLS 1.3 that this client can offer."""
    return {str(each["name"]) for each in _context("TLSv1.2", EVERYTHING).get_ciphers() if not str(each["name"]).startswith("TLS_")}


def handshake(port: int, version: str, ciphers: str = EVERYTHING) -> str | None:
    """Return the suite that the server chooses, None when it refuses."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(bytes.fromhex("0000000804d2162f"))
        assert connection.recv(1) == b"S"
        try:
            with _context(version, ciphers).wrap_socket(connection) as encrypted:
                chosen = encrypted.cipher()
                return chosen[0] if chosen else None
        except (ssl.SSLError, ConnectionResetError):
            return None


def _suites_of(port: int, version: str) -> set[str]:
    left, found = can_offer(), set[str]()
    while left:
        chosen = handshake(port, version, ":".join(sorted(left)) + ":@SECLEVEL=0")
        if chosen is None:
            break
        found.add(chosen)
        left.discard(chosen)
    return found


def _context(version: str, ciphers: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        context.maximum_version = context.minimum_version = _OLD[version]
    context.set_ciphers(ciphers)
    return context


def _takes_new(port: int, suite: str) -> bool:
    """Python cannot choose among the suites of TLS 1.3; the program can."""
    command = ["openssl", "s_client", "-starttls", "postgres", "-connect", f"127.0.0.1:{port}", "-tls1_3", "-ciphersuites", suite]
    done = subprocess.run(command, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    return f"Cipher is {suite}" in done.stdout
