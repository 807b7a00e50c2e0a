"""Requests (PKCS#10) for a server certificate that somebody else signs: every extension asked for can be read top to bottom."""

from __future__ import annotations

import ipaddress
from hashlib import sha256

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from pgssl_wizard.certificates.issue import digest_for, usage
from pgssl_wizard.certificates.keys import PrivateKey
from pgssl_wizard.certificates.names import Name, parse_names
from pgssl_wizard.certificates.profiles import Profile


def make(profile: Profile, key: PrivateKey) -> bytes:
    """Return the request that a profile describes, PEM, signed with the key that it is for.

    Args:
        profile: of kind `request`.
        key: stays where it is; only its public half is in the request.
    """
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, profile.common_name)])
    # RSA key exchange of TLS 1.2 encrypts with the key; elliptic curve keys only sign.
    wanted = usage(digital_signature=True, key_encipherment=isinstance(key, rsa.RSAPrivateKey))
    builder = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(subject)
        .add_extension(wanted, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(alternative_names(parse_names(profile.names))), critical=False)
    )
    return builder.sign(key, digest_for(key)).public_bytes(Encoding.PEM)


def alternative_names(names: tuple[Name, ...]) -> list[x509.GeneralName]:
    """Return the entries to ask for: each name once, addresses as addresses alone.

    Certificates of our own name an address as a DNS name too, for libpq 13 and 14; a CA that keeps to the rules of the
    field (CA/Browser Forum, 7.1.2.7.12) turns down a request that asks for that.
    """
    return [x509.IPAddress(ipaddress.ip_address(name.text)) if name.kind == "address" else x509.DNSName(name.text) for name in names]


def public_sha256(key: PublicKeyTypes) -> str:
    """Return the lower-case hex SHA-256 of a public key (SubjectPublicKeyInfo, DER), by which a certificate is told to be its."""
    return sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()
