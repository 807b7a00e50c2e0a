"""A client certificate that attempts show: its files, whose it is, the name in it, and what is to be expected of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pgssl_wizard.access.attempt import ClientCertificate
from pgssl_wizard.certificates.distinguished_name import of_name
from pgssl_wizard.certificates.read import common_name_of, read_certificates
from pgssl_wizard.proof.model import CertificateGiven, RootGiven
from pgssl_wizard.proof.revoked import Revoked, state_of

#: How a certificate is tried where its whole meaning counts: with a fall-back to plaintext, without one, and by who verifies.
EVERY_WAY: tuple[tuple[str, RootGiven], ...] = (("prefer", "none"), ("require", "none"), ("verify-full", "right"))


@dataclass(frozen=True, slots=True)
class Shown:
    """One client certificate.

    Attributes:
        role: who shows it.
        state: what the table calls it.
        certificate, key: its files, PEM; with the certificate whatever the client has to send above it.
        identity: the names that the server reads in it; None when the file holds no certificate.
        root: the root that comes with it; None: the one of the whole proof.
        ways: sslmode and root of each attempt.
    """

    role: str
    state: CertificateGiven
    certificate: Path
    key: Path
    identity: ClientCertificate | None
    root: Path | None = None
    ways: tuple[tuple[str, RootGiven], ...] = EVERY_WAY


def of_files(role: str, certificate: Path, key: Path, revoked: Revoked = frozenset()) -> Shown:
    """Return a certificate that stands in a file: `right`, or `revoked` or `expired` where the server's lists or the date say so."""
    return Shown(role, state_of(certificate, revoked), certificate, key, identity_in(certificate))


def of_kits(kits: Iterable[tuple[str, Path]], revoked: Revoked) -> Iterator[Shown]:
    """Return the certificates of clients' kits, given role and directory."""
    for role, kit in kits:
        certificate = kit / "postgresql.crt"
        identity = identity_in(certificate)
        verified: tuple[tuple[str, RootGiven], ...] = (("verify-full", "right"),)
        yield Shown(role, state_of(certificate, revoked), certificate, kit / "postgresql.key", identity, kit / "root.crt", verified)


def identity_in(certificate: Path) -> ClientCertificate | None:
    """Return the names that a server reads in a certificate's file; None when it holds none or cannot be read."""
    try:
        found = read_certificates(certificate.read_bytes())
    except OSError:
        return None
    return ClientCertificate(common_name_of(found[0]), of_name(found[0].subject)) if found else None
