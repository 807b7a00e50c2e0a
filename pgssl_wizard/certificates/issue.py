"""Certificates are made here and nowhere else: every extension and its criticality can be read top to bottom.

The profiles are those that satisfy libpq, OpenSSL `-x509_strict`, pyca's verifier and pkilint at once.
"""

from __future__ import annotations

import ipaddress
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from pgssl_wizard.certificates.keys import PrivateKey, to_pem
from pgssl_wizard.certificates.names import Name, parse_names
from pgssl_wizard.certificates.profiles import BACKDATED, Profile
from pgssl_wizard.errors import Refused


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate and its key. The key never shows in a representation."""

    certificate: x509.Certificate
    key: PrivateKey = field(repr=False)

    @property
    def certificate_pem(self) -> bytes:
        """The certificate alone, PEM."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        """The unencrypted key, PKCS#8 PEM: a secret."""
        return to_pem(self.key)

    @property
    def sha256(self) -> str:
        """The fingerprint: lower-case hex of the SHA-256 of the DER."""
        return self.certificate.fingerprint(hashes.SHA256()).hex()


def make(profile: Profile, key: PrivateKey, issuer: Issued | None, now: datetime, *, until: datetime | None = None) -> Issued:
    """Return the certificate that a profile describes.

    Args:
        profile: what it shall say.
        key: its own key.
        issuer: who signs; None signs itself.
        now: the time of making, with a time zone.
        until: the latest end, where somebody above the issuer ends before it does.

    Raises:
        Refused: the issuer has expired, or is no CA that may sign this.
    """
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, profile.common_name)])
    begins, ends = now - BACKDATED, now - BACKDATED + timedelta(days=profile.days)
    if issuer:
        if issuer.certificate.not_valid_after_utc <= now:
            raise Refused(
                f"The CA {issuer.certificate.subject.rfc4514_string()} expired on {issuer.certificate.not_valid_after_utc:%Y-%m-%d}.",
                hint="Make a new CA in another directory, and hand its root to the clients.",
                code="issuer-expired",
            )
        # A leaf that outlives its issuer promises days that no client will grant.
        begins = max(begins, issuer.certificate.not_valid_before_utc)
        ends = min(ends, issuer.certificate.not_valid_after_utc, until or issuer.certificate.not_valid_after_utc)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(secrets.randbits(158) | 1 << 158)
        .not_valid_before(begins.replace(microsecond=0))
        .not_valid_after(ends.replace(microsecond=0))
    )
    signer = issuer.key if issuer else key
    own_identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    issuer_identifier = identifier_of(issuer.certificate) if issuer else own_identifier
    if profile.kind in {"root", "intermediate"}:
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=profile.path_length), critical=True).add_extension(
            usage(certificate_sign=True), critical=True
        )
    elif profile.kind == "client":
        builder = (
            builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(usage(digital_signature=True), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
            # The server reads the CN alone; strict verifiers want an alternative name, and this one says the same.
            .add_extension(x509.SubjectAlternativeName([x509.DirectoryName(subject)]), critical=False)
        )
    else:
        names = parse_names(profile.names)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        if profile.kind != "self-signed":
            # RSA key exchange of TLS 1.2 encrypts with the key; elliptic curve keys only sign. One that is its own issuer says
            # nothing of this: OpenSSL 1.1.1 takes no certificate for self-signed whose usage leaves out signing certificates.
            uses = usage(digital_signature=True, key_encipherment=isinstance(key, rsa.RSAPrivateKey))
            builder = builder.add_extension(uses, critical=True)
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False).add_extension(
            x509.SubjectAlternativeName(alternative_names(names)), critical=False
        )
    builder = builder.add_extension(own_identifier, critical=False)
    if profile.kind != "root":
        authority = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer_identifier)
        builder = builder.add_extension(authority, critical=False)
    return Issued(builder.sign(signer, digest_for(signer)), key)


def alternative_names(names: tuple[Name, ...]) -> list[x509.GeneralName]:
    """Return the entries for a subject alternative name.

    An address goes in twice: as an address, and as text among the DNS names, because libpq 13 and 14 ignore the first
    kind and compare the text.
    """
    entries: list[x509.GeneralName] = [x509.DNSName(name.text) for name in names]
    entries += [x509.IPAddress(ipaddress.ip_address(name.text)) for name in names if name.kind == "address"]
    return entries


def identifier_of(certificate: x509.Certificate) -> x509.SubjectKeyIdentifier:
    """Return the identifier of a CA's key: its own word, or what it would be where an old CA says none."""
    try:
        return certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    except x509.ExtensionNotFound:
        return x509.SubjectKeyIdentifier.from_public_key(certificate.public_key())


def digest_for(key: PrivateKey) -> hashes.SHA256 | hashes.SHA384:
    """Return the digest that the signing key calls for: SHA-384 with P-384, else SHA-256."""
    return hashes.SHA384() if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.key_size == 384 else hashes.SHA256()


def usage(*, certificate_sign: bool = False, digital_signature: bool = False, key_encipherment: bool = False) -> x509.KeyUsage:
    """Return a key usage with these switched on, and crlSign with keyCertSign."""
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=False,
        key_encipherment=key_encipherment,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=certificate_sign,
        crl_sign=certificate_sign,
        encipher_only=False,
        decipher_only=False,
    )
