"""The certificates that the settings point to, and what state they are in."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from pgssl_wizard.cluster.facts import CertificateFact, FileFact
from pgssl_wizard.cluster.reading import fact_of


def certificates_at(
    certificate: Path | None, key: Path | None, client_ca: Path | None
) -> tuple[tuple[CertificateFact, ...], Mapping[Path, FileFact]]:
    """Return what the three files hold, and facts about the files; the key is read only to compare it and let go."""
    # `cryptography` takes 80 ms to import; a cluster without certificates does not pay for it.
    files: dict[Path, FileFact] = {}
    found: list[CertificateFact] = []
    for path in (certificate, client_ca):
        if path is not None:
            files[path] = fact_of(path)
    if key is not None:
        files[key] = fact_of(key, secret=True)
    data = files[certificate].data if certificate else None
    if certificate is not None and data:
        found += chain_facts(certificate, data, key)
    ca_data = files[client_ca].data if client_ca else None
    if client_ca is not None and ca_data:
        from pgssl_wizard.certificates.read import fact, read_certificates  # noqa: PLC0415

        found += [fact(each, "client-ca", client_ca) for each in read_certificates(ca_data)]
    return tuple(found), files


def chain_facts(path: Path, data: bytes, key: Path | None) -> list[CertificateFact]:
    """Return the certificates of a chain file: the leaf first, as the server wants it, then what signs it."""
    from pgssl_wizard.certificates.read import fact, is_ca, read_certificates  # noqa: PLC0415

    found = []
    for position, certificate in enumerate(read_certificates(data)):
        if position == 0:
            found.append(fact(certificate, "server", path, key_matches(key, data)))
        elif is_ca(certificate) and certificate.subject == certificate.issuer:
            found.append(fact(certificate, "root", path))
        else:
            found.append(fact(certificate, "intermediate", path))
    return found


def key_matches(key: Path | None, certificate_pem: bytes) -> bool | None:
    """Return whether the key in a file belongs to the first certificate; None when it cannot be told."""
    from pgssl_wizard.certificates import keys  # noqa: PLC0415
    from pgssl_wizard.certificates.read import read_certificates  # noqa: PLC0415

    if key is None:
        return None
    try:
        pem = key.read_bytes()
    except OSError:
        return None
    certificates = read_certificates(certificate_pem)
    return keys.matches(pem, certificates[0]) if certificates else None


def state_in_words(leaf: CertificateFact | None, now: datetime) -> str:
    """Return what a server certificate is good for, for lists: `snakeoil: nobody can verify it`, `self-signed`, `expired …`."""
    if leaf is None:
        return "no certificate"
    if is_snakeoil(leaf):
        return "snakeoil certificate: nobody can verify it"
    if leaf.not_after <= now:
        return f"expired {leaf.not_after:%Y-%m-%d}"
    if not leaf.names:
        return "certificate without names"
    if leaf.self_signed:
        return "self-signed"
    return f"certificate to {leaf.not_after:%Y-%m-%d}"


def is_snakeoil(leaf: CertificateFact) -> bool:
    """Whether this is the certificate that Debian's ssl-cert makes at install time: every cluster shares it, no client trusts it."""
    return "snakeoil" in leaf.path.name
