"""What is worth saying of the certificate in use."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from pgssl_wizard.cluster.certificates import TlsFiles, is_snakeoil
from pgssl_wizard.cluster.facts import CertificateFact, Cluster
from pgssl_wizard.files.values import boolean
from pgssl_wizard.findings import Finding, Topic
from pgssl_wizard.lint.settings import TLS_OFF

#: Less than this left and a certificate is worth a word.
_SOON = timedelta(days=30)

#: Problems with the key's file matter where places are chosen, others where the certificate is.
_TOPICS: dict[str, Topic] = {
    "key-permissions": "files",
    "key-unusable": "files",
    "key-mismatch": "key",
    "no-key": "key",
    "no-client-ca": "clients",
}


def of_certificates(cluster: Cluster, tls: TlsFiles, now: datetime) -> Iterator[Finding]:
    """Yield them; with TLS off only that it is off, for whatever lies at the default places is not in use."""
    if cluster.value("ssl") != "on":
        yield Finding("info", "tls-off", f"{TLS_OFF}.")
        return
    for problem in tls.problems:
        yield Finding("warning", problem.code, problem.what, problem.hint, str(problem.where), _TOPICS.get(problem.code, "certificate"))
    yield from _passphrase(cluster, tls)
    key = cluster.path_of("ssl_key_file")
    if key and (cluster.data_directory in key.parents or cluster.data_directory in key.resolve().parents):
        yield Finding(
            "info",
            "key-in-data-directory",
            "The key lies in the data directory, so every base backup and new standby gets a copy of it.",
            None,
            str(key),
            "files",
        )
    leaf = next((certificate for certificate in cluster.certificates if certificate.role == "server"), None)
    if leaf is None:
        return
    for severity, code, message, hint in _leaf(leaf, cluster, now):
        yield Finding("warning" if severity else "info", code, message, hint, str(leaf.path), "certificate")


def _leaf(leaf: CertificateFact, cluster: Cluster, now: datetime) -> Iterator[tuple[bool, str, str, str | None]]:
    """Yield whether it is a warning, its code, the sentence and the cure."""
    if is_snakeoil(leaf):
        yield (
            True,
            "snakeoil",
            "TLS is on with the snakeoil certificate of this machine: encrypted, but nobody can verify it.",
            "Every cluster on this machine shares it; give this one a certificate of its own.",
        )
    elif leaf.self_signed:
        yield False, "self-signed", "The certificate is self-signed: a client can verify it only with a copy of it.", None
    if leaf.not_after <= now:
        yield True, "certificate-expired", f"The certificate expired on {leaf.not_after:%Y-%m-%d}; verifying clients refuse it.", None
    elif leaf.not_after - now < _SOON:
        days = (leaf.not_after - now).days
        when = "today or tomorrow" if days < 1 else f"in {days} days" if days > 1 else "in 1 day"
        yield True, "certificate-expiring", f"The certificate expires {when}, on {leaf.not_after:%Y-%m-%d}.", None
    if leaf.not_before > now:
        yield (
            True,
            "certificate-not-yet-valid",
            f"The certificate counts only from {leaf.not_before:%Y-%m-%d %H:%M} UTC.",
            "Check the clocks.",
        )
    if not leaf.names:
        yield True, "no-san", "The certificate has no subject alternative names: many clients refuse it.", None
    if leaf.key_type.startswith(("ed25519", "ed448")):
        yield (
            True,
            "eddsa-key",
            f"The certificate's key is {leaf.key_type}: logging in with scram-sha-256 fails in PostgreSQL's own clients.",
            "They cannot bind the login to the channel with it; use ECDSA or RSA.",
        )
    bits = leaf.key_type.removeprefix("rsa-")
    if leaf.key_type.startswith("rsa-") and bits.isdigit() and int(bits) < 2048:
        yield True, "weak-key", f"The certificate's RSA key has {bits} bits: current systems refuse less than 2048.", None
    if cluster.served_sha256 and cluster.served_sha256 != leaf.sha256:
        yield (
            True,
            "served-differs",
            "The server serves another certificate than the one on disk: a reload failed, or has not happened.",
            "The server's log says why a reload failed.",
        )


def _passphrase(cluster: Cluster, tls: TlsFiles) -> Iterator[Finding]:
    if not tls.key_encrypted:
        return
    where = str(cluster.path_of("ssl_key_file"))
    if not cluster.value("ssl_passphrase_command"):
        yield Finding(
            "warning",
            "key-asks-for-passphrase",
            "The key is encrypted and there is no ssl_passphrase_command: the server asks for it at every start, and no reload can renew it.",
            None,
            where,
            "key",
        )
    elif not boolean(cluster.value("ssl_passphrase_command_supports_reload")):
        yield Finding(
            "info",
            "key-needs-restart",
            "The key is encrypted and ssl_passphrase_command_supports_reload is off: a new certificate needs a restart.",
            None,
            where,
            "key",
        )
