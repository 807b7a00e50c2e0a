"""Whether the server's own revocation lists, or the date, turn a client's certificate down."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from pgssl_wizard.certificates.load import load
from pgssl_wizard.certificates.read import read_certificates
from pgssl_wizard.cluster.facts import Cluster
from pgssl_wizard.proof.model import CertificateGiven

Revoked = frozenset[tuple[bytes, int]]


def revoked_by(cluster: Cluster) -> Revoked:
    """Return issuer (DER) and serial number of every certificate on the lists that the settings lead to."""
    places: list[Path] = []
    if (file := cluster.path_of("ssl_crl_file")) is not None:
        places.append(file)
    if (directory := cluster.path_of("ssl_crl_dir")) is not None and directory.is_dir():
        places += directory.glob("????????.r*")
    found: set[tuple[bytes, int]] = set()
    for place in places:
        try:
            data = place.read_bytes()
        except OSError:
            continue
        for each in load(data).crls:
            found |= {(each.value.issuer.public_bytes(), entry.serial_number) for entry in each.value}
    return frozenset(found)


def state_of(certificate: Path, revoked: Revoked) -> CertificateGiven:
    """Return what a client with this certificate shows: `right`, `revoked` or `expired`."""
    try:
        found = read_certificates(certificate.read_bytes())
    except OSError:
        return "right"
    if not found:
        return "right"
    leaf = found[0]
    if (leaf.issuer.public_bytes(), leaf.serial_number) in revoked:
        return "revoked"
    return "expired" if leaf.not_valid_after_utc <= datetime.now(UTC) else "right"
