"""Good and odd certificates, keys, lists and requests, made directly with the library; and what is said of them."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from pgssl_wizard.certificates.given import Fault, Given, Role
from pgssl_wizard.certificates.judge import judge
from pgssl_wizard.certificates.load import load
from pgssl_wizard.certificates.refusals import OpenSSL

NOW = datetime(2027, 3, 1, 12, tzinfo=UTC)
HERE = Path("/etc/pg")
SERVER, CLIENT = (ExtendedKeyUsageOID.SERVER_AUTH,), (ExtendedKeyUsageOID.CLIENT_AUTH,)
PKCS8, TRADITIONAL = PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


@dataclass(frozen=True)
class Made:
    """A certificate with its key."""

    value: x509.Certificate
    key: Key

    @property
    def pem(self) -> bytes:
        """The certificate alone."""
        return self.value.public_bytes(Encoding.PEM)

    @property
    def der(self) -> bytes:
        """The same, binary."""
        return self.value.public_bytes(Encoding.DER)

    def key_as(self, form: PrivateFormat = PKCS8, encoding: Encoding = Encoding.PEM, passphrase: bytes | None = None) -> bytes:
        """The key in some form."""
        return self.key.private_bytes(encoding, form, BestAvailableEncryption(passphrase) if passphrase else NoEncryption())


def elliptic() -> Key:
    """A key that makes nobody wait."""
    return ec.generate_private_key(ec.SECP256R1())


def usage(**on: bool) -> x509.KeyUsage:
    """A key usage with these switched on."""
    names = "digital_signature content_commitment key_encipherment data_encipherment key_agreement key_cert_sign crl_sign encipher_only decipher_only"
    return x509.KeyUsage(**{name: on.get(name, False) for name in names.split()})


def make(
    name: str = "db.example.com",
    names: Sequence[str] | None = None,
    *,
    issuer: Made | None = None,
    ca: bool | None = False,
    path_length: int | None = None,
    key: Key | None = None,
    begins: timedelta = timedelta(days=-10),
    ends: timedelta = timedelta(days=200),
    extended: Sequence[x509.ObjectIdentifier] | None = None,
    key_usage: x509.KeyUsage | None = None,
    identifiers: bool = True,
    constraints: x509.NameConstraints | None = None,
    no_usage: bool = False,
    also: Sequence[x509.ExtensionType] = (),
    now: datetime = NOW,
) -> Made:
    """Make a certificate; without arguments a good one, self-signed, for db.example.com."""
    key = key or elliptic()
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)] if name else [])
    signer = issuer.key if issuer else key
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.value.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + begins)
        .not_valid_after(now + ends)
    )
    extensions: list[tuple[x509.ExtensionType, bool]] = []
    if ca is not None:
        extensions.append((x509.BasicConstraints(ca=ca, path_length=path_length), True))
    if not no_usage:
        extensions.append((key_usage or (usage(key_cert_sign=True, crl_sign=True) if ca else usage(digital_signature=True)), True))
    if extended is not None:
        extensions.append((x509.ExtendedKeyUsage(list(extended)), False))
    wanted = ((name,) if name else ()) if names is None and not ca else names or ()
    if wanted:
        extensions.append((x509.SubjectAlternativeName([_general(text) for text in wanted]), False))
    if identifiers:
        extensions.append((x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False))
        extensions.append((x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), False))
    if constraints is not None:
        extensions.append((constraints, True))
    extensions += [(each, False) for each in also]
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical=critical)
    return Made(builder.sign(signer, None if isinstance(signer, ed25519.Ed25519PrivateKey) else hashes.SHA256()), key)


def root(name: str = "Root", **odd: Any) -> Made:
    """A root."""
    return make(name, ca=True, **{"ends": timedelta(days=3650), **odd})


def between(above: Made, name: str = "Intermediate", **odd: Any) -> Made:
    """An intermediate."""
    return make(name, issuer=above, ca=True, **{"ends": timedelta(days=1800), **odd})


def revocations(
    issuer: Made, begins: timedelta = timedelta(days=-1), ends: timedelta = timedelta(days=30), now: datetime = NOW, key: Key | None = None
) -> x509.CertificateRevocationList:
    """An empty list."""
    builder = x509.CertificateRevocationListBuilder().issuer_name(issuer.value.subject).last_update(now + begins).next_update(now + ends)
    return builder.sign(key or issuer.key, hashes.SHA256())


def list_pem(*lists: x509.CertificateRevocationList) -> bytes:
    """Lists in one file."""
    return b"".join(each.public_bytes(Encoding.PEM) for each in lists)


def request(name: str = "db.example.com", names: Sequence[str] = (), key: Key | None = None) -> bytes:
    """A request."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([_general(text) for text in names]), critical=False)
    return builder.sign(key or elliptic(), hashes.SHA256()).public_bytes(Encoding.PEM)


def _general(text: str) -> x509.GeneralName:
    if text.startswith("DNS:"):
        return x509.DNSName(text.removeprefix("DNS:"))
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def given(role: Role, data: bytes, name: str | None = None, passphrase: bytes | None = None) -> Given:
    """A file with a role."""
    return Given(HERE / (name or role), role, load(data, passphrase))


def faults(*files: Given, now: datetime = NOW, openssl: OpenSSL = None) -> tuple[Fault, ...]:
    """What is said of files that belong together."""
    return judge(files, now, openssl)


def codes(*files: Given, now: datetime = NOW, openssl: OpenSSL = None) -> set[tuple[str, str]]:
    """Severities and codes alone."""
    return {(fault.severity, fault.code) for fault in faults(*files, now=now, openssl=openssl)}


def warned(*files: Given, now: datetime = NOW) -> set[str]:
    """The codes of errors and warnings."""
    return {code for severity, code in codes(*files, now=now) if severity != "info"}


#: Without any extension, as openssl x509 -req of old makes them; its key follows.
VERSION_1 = b"""\
-----BEGIN CERTIFICATE-----
MIIBLzCB1wIUQYfmQnMdNE/0io2mfKSKRC3qFL0wCgYIKoZIzj0EAwIwGjEYMBYG
A1UEAwwPb2xkLmV4YW1wbGUuY29tMCAXDTI2MTEyNjAwNTczMVoYDzIxMjYxMTAy
MDA1NzMxWjAaMRgwFgYDVQQDDA9vbGQuZXhhbXBsZS5jb20wWTATBgcqhkjOPQIB
BggqhkjOPQMBBwNCAATk3ajoBZ0/T9Tl6jhTAit6Londyf5dL6ESzrpCkwUkEEv3
Xo0Q4yMZlkq1mldcnF0Iz42XyG9RVNiUYYXh68xPMAoGCCqGSM49BAMCA0cAMEQC
IHSbqCzgYRqWIkuXi94kM+rgLy8HNH7SLRKGNi2gNuaHAiAkrQkeDHtFd3S67t4C
7ZBCDEL1EHUTqqeZLG/bGoc5Ow==
-----END CERTIFICATE-----
"""
#: Signed with SHA-1 by the CA that follows, for the same key.
SHA_1 = b"""\
-----BEGIN CERTIFICATE-----
MIIBDDCBtQIBBTAJBgcqhkjOPQQBMAwxCjAIBgNVBAMMAXIwIBcNMjYxMTI2MDA1
NzMyWhgPMjEyNjExMDIwMDU3MzJaMBoxGDAWBgNVBAMMD29sZC5leGFtcGxlLmNv
bTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABOTdqOgFnT9P1OXqOFMCK3ouid3J
/l0voRLOukKTBSQQS/dejRDjIxmWSrWaV1ycXQjPjZfIb1FU2JRhheHrzE8wCQYH
KoZIzj0EAQNHADBEAiBFYuJr6bH0SsQzb6EgjbSONjuHrcMOUfEi/VshY2sGRQIg
C/WVuKMuJdvcXAe4EpOu82RxYib201WQJdGySeFMBD8=
-----END CERTIFICATE-----
"""
SHA_1_ROOT = b"""\
-----BEGIN CERTIFICATE-----
MIIBcDCCARWgAwIBAgIUTu+tw7D4O4asUPmki/LBsOcTXHMwCgYIKoZIzj0EAwIw
DDEKMAgGA1UEAwwBcjAgFw0yNjExMjYwMDU3MzJaGA8yMTI2MTEwMjAwNTczMlow
DDEKMAgGA1UEAwwBcjBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABDDSb9p1fu4N
dG755HTFvEb3N0N/MljrlwLO0X6//8PY5A16V6UEjJfo1xiiW16rCPR8iMC0SusM
mpfXfsf5U5WjUzBRMB0GA1UdDgQWBBT6I5GVg+rHgfmGMLGOIbxZHVBAkzAfBgNV
HSMEGDAWgBT6I5GVg+rHgfmGMLGOIbxZHVBAkzAPBgNVHRMBAf8EBTADAQH/MAoG
CCqGSM49BAMCA0kAMEYCIQCTMSea4A9WxhnPBmUjyhIGOpUPaE5Yj/IL1rlakV36
IgIhAMwNzoBgmwlqfVRNfoJA+/Fd4VzTh2p2I52PpNrhd8ym
-----END CERTIFICATE-----
"""
OLD_KEY = b"""\
-----BEGIN EC PRIVATE KEY-----
MHcCAQEEIH4HvpN9HYmaHM6kIuUxVIfPo5yafyOMdmG71KHZDQ8LoAoGCCqGSM49
AwEHoUQDQgAE5N2o6AWdP0/U5eo4UwIrei6J3cn+XS+hEs66QpMFJBBL916NEOMj
GZZKtZpXXJxdCM+Nl8hvUVTYlGGF4evMTw==
-----END EC PRIVATE KEY-----
"""
