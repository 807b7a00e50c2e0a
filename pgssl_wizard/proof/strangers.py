"""Throwaway certificates of nobody: a root that signed nothing here, and a client certificate that no server here trusts."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Strangers:
    """Files below one private directory: a wrong root, and a client certificate of a wrong CA with its key."""

    root: Path
    certificate: Path
    key: Path


def make(directory: Path, user: str) -> Strangers:
    """Make them; they are valid for an hour.

    Args:
        directory: private to us; it goes away with the proof.
        user: the client certificate's CN, as a real one would have it.
    """
    from cryptography import x509  # noqa: PLC0415 - only a proof pays for it
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat  # noqa: PLC0415
    from cryptography.x509.oid import NameOID  # noqa: PLC0415

    now = datetime.now(UTC)

    def name(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text[:64] or "nobody")])

    def certificate(subject: str, *, ca: bool, key: ec.EllipticCurvePrivateKey, signer: ec.EllipticCurvePrivateKey) -> bytes:
        return (
            x509.CertificateBuilder()
            .subject_name(name(subject))
            .issuer_name(name("a CA that nobody here knows"))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(hours=1))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .sign(signer, SHA256())
            .public_bytes(Encoding.PEM)
        )

    ca_key = ec.generate_private_key(ec.SECP256R1())
    client_key = ec.generate_private_key(ec.SECP256R1())
    made = Strangers(directory / "wrong-root.crt", directory / "wrong-client.crt", directory / "wrong-client.key")
    made.root.write_bytes(certificate("a CA that nobody here knows", ca=True, key=ca_key, signer=ca_key))
    made.certificate.write_bytes(certificate(user, ca=False, key=client_key, signer=ca_key))
    write_private(made.key, client_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return made


def write_private(path: Path, data: bytes) -> None:
    """Write a new file that nobody else can read."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
