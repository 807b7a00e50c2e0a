"""Certificates found on disk: read from any PEM, and told in plain facts."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from pgssl_wizard.certificates.keys import key_type

if TYPE_CHECKING:
    from pgssl_wizard.cluster.facts import CertificateFact, CertificateRole

_BLOCK = re.compile(rb"-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----.*?-----END (?:TRUSTED |X509 )?CERTIFICATE-----", re.DOTALL)


def read_certificates(pem: bytes) -> list[x509.Certificate]:
    """Return the certificates of a PEM file in their order; text between them is passed over, broken ones are left out."""
    found = []
    for block in _BLOCK.findall(pem):
        try:
            found.append(x509.load_pem_x509_certificate(block.replace(b"X509 CERTIFICATE", b"CERTIFICATE")))
        except ValueError:
            continue
    return found


def names_of(certificate: x509.Certificate) -> tuple[str, ...]:
    """Return the subject alternative names, DNS names first, each text once."""
    try:
        entries = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return ()
    texts = [*entries.get_values_for_type(x509.DNSName), *(str(a) for a in entries.get_values_for_type(x509.IPAddress))]
    return tuple(dict.fromkeys(texts))


def common_name_of(certificate: x509.Certificate) -> str:
    """Return the first common name, which is the one the server and libpq look at; empty when there is none."""
    found = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return str(found[0].value) if found else ""


def is_ca(certificate: x509.Certificate) -> bool:
    """Return whether it may sign others."""
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, ValueError):
        return False


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
