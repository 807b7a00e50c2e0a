"""Which root certificate a proof trusts: the one given, the one that the last change recorded, or one found beside the certificate."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pgssl_wizard.cluster.facts import Cluster
from pgssl_wizard.errors import UnusableInput

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

#: Where changes are recorded, below the data directory; of a journal only `state` and `trust_anchor` are read here.
_JOURNALS = "pgsql_tmp.pgssl-wizard/changes"


@dataclass(frozen=True, slots=True)
class Anchor:
    """A root certificate that clients may be given: its file, where it has one of its own, and its PEM."""

    path: Path | None
    pem: bytes = field(repr=False)


def find(cluster: Cluster, given: Path | None) -> Anchor | None:
    """Return the trust anchor for a cluster's server certificate; None when nobody knows it.

    Args:
        cluster: with its settings.
        given: the person's own choice.

    Raises:
        UnusableInput: the given file cannot be read or holds no certificate.
    """
    if given is not None:
        return read_given(given)
    for path in (recorded(cluster.data_directory), *_known_roots(cluster)):
        pem = _read(path)
        if path is not None and pem and _signs(pem, cluster):
            return Anchor(path, pem)
    return _in_chain(cluster)


def read_given(path: Path) -> Anchor:
    """Return the root certificates of a file that a person named.

    Raises:
        UnusableInput: it cannot be read or holds no certificate.
    """
    try:
        pem = path.read_bytes()
    except OSError as error:
        raise UnusableInput(f"cannot be read: {error.strerror}", where=str(path), code="unreadable-root") from error
    if not _certificates(pem):
        raise UnusableInput("holds no certificate (PEM)", where=str(path), code="no-certificate")
    return Anchor(path, pem)


def recorded(data_directory: Path) -> Path | None:
    """Return the trust anchor of the newest change that stands; None when there is none or it may not be read."""
    try:
        directories = sorted((data_directory / _JOURNALS).iterdir(), reverse=True)
    except OSError:
        return None
    for directory in directories:
        try:
            journal = json.loads((directory / "journal.json").read_bytes())
            if journal["state"] in {"applied", "pending", "working"} and journal["trust_anchor"]:
                return Path(journal["trust_anchor"])
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return None


def _known_roots(cluster: Cluster) -> list[Path | None]:
    """Return files in which the inspection saw roots, `ssl_ca_file` among them: it often holds the very CA."""
    found: list[Path | None] = [fact.path for fact in cluster.certificates if fact.role == "root"]
    return [*found, cluster.path_of("ssl_ca_file")]


def _in_chain(cluster: Cluster) -> Anchor | None:
    """Return the self-signed certificate in the server's own certificate file, if there is one."""
    from cryptography.hazmat.primitives.serialization import Encoding  # noqa: PLC0415 - only a proof pays for it

    path = cluster.path_of("ssl_cert_file")
    chain = _certificates(_read(path))
    for certificate in reversed(chain):
        if certificate.issuer == certificate.subject:
            own_file = path if len(chain) == 1 else None
            return Anchor(own_file, certificate.public_bytes(Encoding.PEM))
    return None


def _signs(pem: bytes, cluster: Cluster) -> bool:
    """Whether these roots are where the server's chain ends."""
    chain = _certificates(_read(cluster.path_of("ssl_cert_file")))
    if not chain:
        # Nothing to compare with: what was recorded is the best there is.
        return True
    from pgssl_wizard.certificates.authority import signed_by  # noqa: PLC0415 - only a proof pays for it

    # By the signature itself: two CAs may bear the same name.
    return any(signed_by(certificate, root) for certificate in chain for root in _certificates(pem))


def _read(path: Path | None) -> bytes | None:
    """Return a file's content, None when it cannot be read."""
    if path is None:
        return None
    try:
        return path.read_bytes()
    except OSError:
        return None


def _certificates(pem: bytes | None) -> list[Certificate]:
    """Return the certificates in a PEM file, none when it holds no valid one."""
    from cryptography import x509  # noqa: PLC0415

    try:
        return x509.load_pem_x509_certificates(pem) if pem else []
    except ValueError:
        return []


def root_sha256(pem: bytes | None) -> str | None:
    """Return the fingerprint of the root in a PEM file: of the first certificate that is its own issuer, else of the first at all."""
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415

    found = _certificates(pem)
    root = next((each for each in found if each.issuer == each.subject), found[0] if found else None)
    return root.fingerprint(SHA256()).hex() if root else None


def leaf_sha256(pem: bytes | None) -> str | None:
    """Return the fingerprint of the first certificate in a PEM file, lower-case hex of its DER; None when there is none."""
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415

    chain = _certificates(pem)
    return chain[0].fingerprint(SHA256()).hex() if chain else None
