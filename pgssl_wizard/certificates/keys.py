"""Private keys: made, read, compared. Keys stay in memory as objects; only their PEM is written, by the room that writes."""

from __future__ import annotations

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.x509 import Certificate

from pgssl_wizard.certificates.profiles import KeyType

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def generate(kind: KeyType) -> PrivateKey:
    """Return a new private key. RSA with 4096 bits takes seconds."""
    if kind == "ecdsa-p256":
        return ec.generate_private_key(ec.SECP256R1())
    if kind == "ecdsa-p384":
        return ec.generate_private_key(ec.SECP384R1())
    return rsa.generate_private_key(public_exponent=65537, key_size=int(kind.removeprefix("rsa-")))


def to_pem(key: PrivateKey, passphrase: bytes | None = None) -> bytes:
    """Return the PKCS#8 PEM, which the server (PEM only) and libpq both read; encrypted where there is a passphrase.

    The encryption is PBES2 with AES-256, which every OpenSSL since 1.0 opens.
    """
    how: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if passphrase is not None:
        how = serialization.BestAvailableEncryption(passphrase)
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, how)


def load(pem: bytes) -> PrivateKey | None:
    """Return the key in a PEM, or None when it is encrypted, of a type the wizard does not sign with, or no key at all."""
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return None
    return key if isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) else None


def encrypted(pem: bytes) -> bool:
    """Return whether a PEM holds a key that asks for a passphrase."""
    return b"ENCRYPTED" in pem


def matches(pem: bytes, certificate: Certificate) -> bool | None:
    """Return whether the key belongs to the certificate; None when the key is encrypted or cannot be read."""
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return None
    form = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return key.public_key().public_bytes(*form) == certificate.public_key().public_bytes(*form)


def key_type(certificate: Certificate) -> str:
    """Return the type of a certificate's key in the words of the answers file, or what OpenSSL would call it."""
    return type_of(certificate.public_key())


def type_of(key: PublicKeyTypes) -> str:
    """Return the type of a public key in the same words."""
    if isinstance(key, ec.EllipticCurvePublicKey):
        return {"secp256r1": "ecdsa-p256", "secp384r1": "ecdsa-p384"}.get(key.curve.name, f"ecdsa-{key.curve.name}")
    if isinstance(key, rsa.RSAPublicKey):
        return f"rsa-{key.key_size}"
    return type(key).__name__.lstrip("_").removesuffix("PublicKey").lower()
