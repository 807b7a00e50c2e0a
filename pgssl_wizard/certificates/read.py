"""Certificates found on disk: read from any PEM, and told in plain facts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

from pgssl_wizard.certificates.keys import key_type
from pgssl_wizard.certificates.load import TROUBLES, load

if TYPE_CHECKING:
    from pgssl_wizard.cluster.facts import CertificateFact, CertificateRole

_Extension = TypeVar("_Extension", bound=x509.ExtensionType)


def read_certificates(pem: bytes) -> list[x509.Certificate]:
    """Return the certificates of a PEM file in their order; text between them is passed over, broken ones are left out."""
    objects = load(pem)
    return [each.value for each in objects.certificates] if objects.format == "PEM" else []


def extension(
    of: x509.Certificate | x509.CertificateSigningRequest | x509.CertificateRevocationList, kind: type[_Extension]
) -> _Extension | None:
    """Return what an extension says, None when it is absent or cannot be read."""
    try:
        return of.extensions.get_extension_for_class(kind).value
    except (x509.ExtensionNotFound, *TROUBLES):
        return None


def extensions_legible(certificate: x509.Certificate) -> bool:
    """Return whether the extensions can be read at all."""
    try:
        return certificate.extensions is not None
    except TROUBLES:
        return False


def public_of(certificate: x509.Certificate | x509.CertificateSigningRequest) -> PublicKeyTypes | None:
    """Return the public key, None when it is of a kind that cannot be read."""
    try:
        return certificate.public_key()
    except TROUBLES:
        return None


def names_of(certificate: x509.Certificate | x509.CertificateSigningRequest) -> tuple[str, ...]:
    """Return the subject alternative names, DNS names first, each text once."""
    entries = extension(certificate, x509.SubjectAlternativeName)
    if entries is None:
        return ()
    texts = [*entries.get_values_for_type(x509.DNSName), *(str(a) for a in entries.get_values_for_type(x509.IPAddress))]
    return tuple(dict.fromkeys(texts))


def common_name_of(certificate: x509.Certificate) -> str:
    """Return the first common name, which is the one the server and libpq look at; empty when there is none."""
    found = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return str(found[0].value) if found else ""


def is_ca(certificate: x509.Certificate) -> bool:
    """Return whether it may sign others."""
    constraints = extension(certificate, x509.BasicConstraints)
    return constraints is not None and constraints.ca


def fingerprint(certificate: x509.Certificate) -> str:
    """Return the lower-case hex of the SHA-256 of the DER."""
    return certificate.fingerprint(hashes.SHA256()).hex()


def fact(certificate: x509.Certificate, role: CertificateRole, path: Path, key_matches: bool | None = None) -> CertificateFact:
    """Return what is worth knowing about a certificate."""
    from pgssl_wizard.cluster.facts import CertificateFact  # noqa: PLC0415 - the record belongs to the room above

    return CertificateFact(
        role=role,
        path=path,
        subject=certificate.subject.rfc4514_string(),
        issuer=certificate.issuer.rfc4514_string(),
        names=names_of(certificate),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        sha256=fingerprint(certificate),
        key_type=key_type(certificate),
        key_matches=key_matches,
        common_name=common_name_of(certificate),
        self_signed=certificate.subject == certificate.issuer,
    )
