"""The answers that fit a cluster when nobody says otherwise. Pure."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TypedDict, get_args

from pgssl_wizard.answers import Answers, CertificateAnswers, ClientAnswers, FileAnswers, KeyPassphrase, ProtocolAnswers, ServerAnswers
from pgssl_wizard.certificates.profiles import BACKDATED, ROUNDED, KeyType
from pgssl_wizard.cluster.facts import CertificateFact, Cluster, PendingRequest
from pgssl_wizard.files.values import boolean
from pgssl_wizard.protocol.profiles import settings_for


class _Passphrase(TypedDict, total=False):
    """The answers about the passphrase of the server's key."""

    passphrase: KeyPassphrase
    passphrase_command: str
    passphrase_reload: bool


def recommend(cluster: Cluster, base: Path, *, lets_plaintext_in: bool = False) -> Answers:
    """Return a complete set of answers.

    What an authority has signed for this server already stays as it is, so that doing it again changes nothing.

    Args:
        cluster: what is there.
        base: the directory that relative paths of the answers mean; the CA goes below it.
        lets_plaintext_in: the last change left plaintext allowed. Then it stays so until somebody says otherwise: who comes in
            that way may be silent today.
    """
    place = tls_directory(cluster)
    names = tuple(found.name for found in cluster.found_names if found.recommended) or ("localhost",)
    certificate = CertificateAnswers(ca_directory=beside(cluster, base, "ca"), request_file=beside(cluster, base, "server.csr"))
    files = FileAnswers(certificate=place / "server.crt", key=place / "server.key", ca=place / "root.crt")
    present = signed_certificate(cluster)
    if present is not None:
        names = present.names
        certificate = _like(present, cluster, certificate)
        files = _places(cluster, files)
    if cluster.requested is not None:
        names, certificate, files = (
            cluster.requested.names,
            _as_requested(cluster.requested, certificate),
            _place_of(cluster.requested, files),
        )
    return Answers(
        server=ServerAnswers(names),
        certificate=certificate,
        files=files,
        protocol=_protocol(cluster),
        clients=ClientAnswers(
            encryption="optional" if lets_plaintext_in or plaintext_sessions(cluster) or _plaintext_logged(cluster) else "required",
            directory=beside(cluster, base, "clients"),
        ),
    )


def signed_certificate(cluster: Cluster) -> CertificateFact | None:
    """Return the server certificate in use when an authority signed it, it names somebody and its key is there; else None."""
    found = next((each for each in cluster.certificates if each.role == "server"), None)
    if found is None or found.self_signed or not found.names or cluster.value("ssl") != "on":
        return None
    if not found.key_matches and not (found.key_matches is None and cluster.key_encrypted):
        return None
    return found


def _like(present: CertificateFact, cluster: Cluster, otherwise: CertificateAnswers) -> CertificateAnswers:
    """Return the answers that make such a certificate again, where they can be told from it."""
    # A CA younger than an hour has cut off some of the hour that a certificate begins back.
    days = (present.not_after - present.not_before + BACKDATED + ROUNDED).days
    between = [each for each in cluster.certificates if each.role == "intermediate"]
    return replace(
        otherwise,
        key=next((known for known in get_args(KeyType) if known == present.key_type), otherwise.key),
        days=days if 1 <= days <= otherwise.ca_days else otherwise.days,
        intermediate=len(between) == 1,
        intermediate_days=max(otherwise.intermediate_days, days) if len(between) == 1 else otherwise.intermediate_days,
        **_passphrase(cluster),
    )


def _as_requested(pending: PendingRequest, otherwise: CertificateAnswers) -> CertificateAnswers:
    """Return the answers that made the request which waits, so that doing it again changes nothing."""
    key = next((known for known in get_args(KeyType) if known == pending.key_type), otherwise.key)
    return replace(otherwise, source="request", key=key, request_file=pending.request)


def _place_of(pending: PendingRequest, otherwise: FileAnswers) -> FileAnswers:
    """Return where the certificate and the key that waits go."""
    if pending.place == otherwise.key:
        return otherwise
    return replace(otherwise, key=pending.place, certificate=pending.place.with_suffix(".crt"))


def _passphrase(cluster: Cluster) -> _Passphrase:
    """Return how the key that stands is opened."""
    if not cluster.key_encrypted:
        return {}
    command = cluster.value("ssl_passphrase_command")
    if not command:
        return {"passphrase": "prompt"}
    reload = boolean(cluster.value("ssl_passphrase_command_supports_reload"))
    return {"passphrase": "command", "passphrase_command": command, "passphrase_reload": bool(reload)}


def _places(cluster: Cluster, otherwise: FileAnswers) -> FileAnswers:
    """Return where certificate and key lie already, when that is a place of this cluster's own."""
    certificate, key = cluster.path_of("ssl_cert_file"), cluster.path_of("ssl_key_file")
    homes = {cluster.data_directory, cluster.config_file.parent, tls_directory(cluster)}
    if certificate is None or key is None or certificate == key or not {certificate.parent, key.parent} <= homes:
        return otherwise
    return replace(otherwise, certificate=certificate, key=key)


def _protocol(cluster: Cluster) -> ProtocolAnswers:
    """Return the profile `modern` where the files hold it already, so that nothing is loosened; else the usual one."""
    modern = ProtocolAnswers(profile="modern")
    known = cluster.tls_library.groups if cluster.tls_library else ()
    wanted = settings_for(modern, cluster.major, cluster.openssl_version, known)
    held = cluster.value("ssl") == "on" and all(cluster.value(name).lower() == value.lower() for name, value in wanted.items())
    return modern if held else ProtocolAnswers()


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


def beside(cluster: Cluster, base: Path, name: str) -> Path:
    """Return where something of the person's goes that must not be in a data directory: below `base`, or beside the data directory."""
    data = cluster.data_directory
    return (data.parent if base == data or data in base.parents else base) / name


def plaintext_sessions(cluster: Cluster) -> int:
    """Return how many sessions over TCP are connected without encryption now."""
    if cluster.server is None:
        return 0
    return sum(1 for session in cluster.server.sessions if not session.tls and not session.gss)


def _plaintext_logged(cluster: Cluster) -> bool:
    """Whether the log tells of somebody who came in over TCP without encryption; a server that is down asks for no patience."""
    return cluster.server is not None and any(not each.over_socket and not each.tls and not each.gss for each in cluster.logged)
