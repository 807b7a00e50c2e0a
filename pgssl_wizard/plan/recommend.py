"""The answers that fit a cluster when nobody says otherwise. Pure."""

from __future__ import annotations

from pathlib import Path

from pgssl_wizard.answers import Answers, CertificateAnswers, ClientAnswers, FileAnswers, ServerAnswers
from pgssl_wizard.cluster.facts import Cluster


def recommend(cluster: Cluster, base: Path) -> Answers:
    """Return a complete set of answers.

    Args:
        cluster: what is there.
        base: the directory that relative paths of the answers mean; the CA goes below it.
    """
    place = tls_directory(cluster)
    names = tuple(found.name for found in cluster.found_names if found.recommended) or ("localhost",)
    return Answers(
        server=ServerAnswers(names),
        certificate=CertificateAnswers(ca_directory=ca_directory(cluster, base)),
        files=FileAnswers(certificate=place / "server.crt", key=place / "server.key", ca=place / "root.crt"),
        clients=ClientAnswers(encryption="optional" if plaintext_sessions(cluster) else "required"),
    )


def tls_directory(cluster: Cluster) -> Path:
    """Return where certificate and key fit best.

    Debian keeps configuration apart, and so out of base backups. A data directory that its group may read must not hold
    the key: the server wants it 0600, and then backups run by the group fail on it. Else the data directory, where
    PostgreSQL looks by default.
    """
    if cluster.config_file.parent != cluster.data_directory:
        return cluster.config_file.parent
    if cluster.data_mode & 0o040:
        return cluster.data_directory.parent / f"{cluster.data_directory.name}-tls"
    return cluster.data_directory


def ca_directory(cluster: Cluster, base: Path) -> Path:
    """Return `ca` below `base`, or beside the data directory when `base` lies in it."""
    data = cluster.data_directory
    if base == data or data in base.parents:
        return data.parent / "ca"
    return base / "ca"


def plaintext_sessions(cluster: Cluster) -> int:
    """Return how many sessions over TCP are connected without encryption now."""
    if cluster.server is None:
        return 0
    return sum(1 for session in cluster.server.sessions if not session.tls and not session.gss)
