"""What is worth saying of the certificate in use."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from pgssl_wizard.cluster.certificates import TlsFiles, is_snakeoil
from pgssl_wizard.cluster.facts import Cluster
from pgssl_wizard.files.values import boolean
from pgssl_wizard.findings import Finding, Topic
from pgssl_wizard.lint.settings import TLS_OFF

if TYPE_CHECKING:
    from pgssl_wizard.certificates.given import Given

#: Problems with the key's file matter where places are chosen, others where the certificate is.
_TOPICS: dict[str, Topic] = {
    "key-permissions": "files",
    "key-unusable": "files",
    "key-mismatch": "key",
    "no-key": "key",
    "no-client-ca": "clients",
    **dict.fromkeys(("no-crl", "no-crl-dir", "crl-wrong-name", "ca-without-crl"), "clients"),
}
#: Of what is good to know, `inspect` tells what decides how clients verify; the rest is for who looks at the file itself.
_WORTH_SAYING = {"self-signed"}


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
    if leaf is not None and is_snakeoil(leaf):
        yield Finding(
            "warning",
            "snakeoil",
            "TLS is on with the snakeoil certificate of this machine: encrypted, but nobody can verify it.",
            "Every cluster on this machine shares it; give this one a certificate of its own.",
            str(leaf.path),
            "certificate",
        )
    said = {(str(problem.where), problem.code) for problem in tls.problems}
    parts: tuple[tuple[Sequence[Given], Topic], ...] = ((tls.own, "certificate"), (tls.of_clients, "clients"))
    for files, topic in parts:
        for finding in _judged(files, now, topic):
            known = finding.code == "self-signed" and leaf is not None and is_snakeoil(leaf)
            if not known and (finding.where, finding.code) not in said:
                yield finding
    if leaf is not None and cluster.served_sha256 and cluster.served_sha256 != leaf.sha256:
        yield Finding(
            "warning",
            "served-differs",
            "The server serves another certificate than the one on disk: a reload failed, or has not happened.",
            f"The server's log says why a reload failed; else {cluster.to('reload')}.",
            str(leaf.path),
            "certificate",
        )


def _judged(files: Sequence[Given], now: datetime, topic: Topic) -> Iterator[Finding]:
    """Yield what clients hold against files that the server loads, as `lint` says it."""
    if not files:
        return
    from pgssl_wizard.certificates.judge import doubts  # noqa: PLC0415 - with it comes `cryptography`

    for fault in doubts(files, now):
        if fault.severity != "info" or fault.code in _WORTH_SAYING:
            yield Finding("info" if fault.severity == "info" else "warning", fault.code, fault.what, fault.hint, str(fault.path), topic)


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
            f"After each new one, {cluster.to('restart')}.",
            where,
            "key",
        )
