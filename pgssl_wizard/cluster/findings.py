"""What a careful colleague would say about a cluster as it stands. Pure but for the clock."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from pgssl_wizard.cluster.certificates import is_snakeoil
from pgssl_wizard.cluster.facts import Cluster
from pgssl_wizard.cluster.managed import told_by_headers
from pgssl_wizard.cluster.settings import place
from pgssl_wizard.files.settings import Resolution
from pgssl_wizard.files.values import boolean
from pgssl_wizard.files.versions import tls_settings
from pgssl_wizard.findings import Finding

#: Less than this left and a certificate is worth a word.
_SOON = timedelta(days=30)


def of_cluster(cluster: Cluster, resolution: Resolution) -> tuple[Finding, ...]:
    """Return the findings, errors first."""
    found = [
        *_files(cluster, resolution),
        *_server(cluster),
        *_reach(cluster),
        *_settings(cluster, resolution),
        *_certificate(cluster),
        *_rules(cluster),
    ]
    order = {"error": 0, "warning": 1, "info": 2}
    return tuple(sorted(found, key=lambda finding: order[finding.severity]))


def _files(cluster: Cluster, resolution: Resolution) -> Iterator[Finding]:
    for problem in resolution.errors:
        yield Finding(
            "error",
            "settings-syntax-error",
            f"The server would refuse this file: {problem.message}.",
            "Correct the line; until then neither a reload nor a restart takes any setting.",
            f"{problem.file}:{problem.line}",
        )
    for rule in cluster.rules:
        if rule.error:
            yield Finding(
                "error",
                "rule-error",
                f"The server would refuse this rule, and with it the whole file: {rule.error}.",
                "Correct the line; the server keeps the rules that it loaded last, and would not start.",
                f"{rule.file}:{rule.line}",
                "rules",
            )
    for path, fact in cluster.files.items():
        said = told_by_headers(path, fact.data or b"")
        if said:
            yield said
    if cluster.managed_by:
        yield Finding(
            "error",
            "managed",
            f"{cluster.managed_by} manages this cluster and would overwrite or fight a change.",
            f"Change it in {cluster.managed_by}.",
        )
    if cluster.bin_directory is None:
        yield Finding(
            "warning",
            "no-server-programs",
            f"The programs of PostgreSQL {cluster.major} were not found, so nothing can be rehearsed.",
            "Name their directory with --pg-bin.",
        )
    if cluster.tls_built_in is False:
        yield Finding(
            "error",
            "no-tls-built-in",
            "This server was built without TLS.",
            "Install a PostgreSQL built with OpenSSL.",
            str(cluster.bin_directory),
        )
    known = {setting.name for setting in tls_settings(cluster.major)}
    for line in resolution.lines:
        name = line.name.lower()
        if (
            name.startswith("ssl")
            and name not in known
            and name not in {"ssl_ecdh_curve", "ssl_renegotiation_limit", "ssl_library"}
            and "." not in name
        ):
            yield Finding(
                "error",
                "setting-unknown",
                f"PostgreSQL {cluster.major} does not know {line.name}, and refuses the whole file for it.",
                "Take the line out.",
                place(line),
            )
    if not cluster.running:
        for name, setting in cluster.settings.items():
            if name == "ssl" and boolean(setting.value) is None:
                yield Finding(
                    "error",
                    "settings-syntax-error",
                    'parameter "ssl" requires a Boolean value',
                    "Write on or off.",
                    f"{setting.file}:{setting.line}",
                )


def _server(cluster: Cluster) -> Iterator[Finding]:
    if not cluster.running:
        yield Finding(
            "info", "server-down", "The server is down: a change counts from its next start, and is tried out only in a rehearsal."
        )
        return
    said = cluster.server
    if said is None:
        yield Finding(
            "warning",
            "no-administrator",
            f"Nobody could log in to ask the server: {cluster.server_problem}.",
            "Give the superuser's login with --user, and a password by PGPASSFILE; sessions and pending edits stay unknown without.",
        )
        return
    if said.in_recovery:
        yield Finding(
            "warning",
            "standby",
            "This is a standby. Each node has files of its own and needs its own run, with all names in every certificate.",
        )
    elif said.standbys:
        yield Finding("info", "has-standbys", f"{said.standbys} standby(s) replicate from here; each needs its own run.")
    if not said.superuser:
        yield Finding(
            "warning",
            "not-superuser",
            f"{said.user} is no superuser: pending edits of others cannot be seen.",
            "Log in as a superuser with --user.",
        )
    if said.pending:
        yield Finding(
            "warning",
            "pending-edits",
            f"{len(said.pending)} edit(s) wait for a reload, and ours would activate them: {said.pending[0]}.",
            "Make sure they are meant, or take them back first.",
            topic="apply",
        )
    if said.rules_edited_since_load:
        yield Finding(
            "warning",
            "pending-rules",
            f"{cluster.hba_file.name} was edited after the server last read it; a reload activates those rules too.",
            "Read the file before you go on.",
            str(cluster.hba_file),
            "rules",
        )
    plain = [session for session in said.sessions if not session.tls and not session.gss]
    if plain:
        roles = ", ".join(sorted({session.user for session in plain}))
        yield Finding(
            "warning",
            "plaintext-sessions",
            f"{len(plain)} session(s) are connected in plaintext now: {roles}.",
            "See to it that they can do TLS before plaintext is refused.",
            topic="rules",
        )
    if not said.allow_alter_system:
        yield Finding("info", "alter-system-off", "allow_alter_system is off: somebody manages these settings from outside.")
    if cluster.value("ssl") == "on" and cluster.tls_answers is False:
        yield Finding(
            "warning",
            "tls-not-loaded",
            "ssl is on, but the server answers that it has no TLS: the last reload failed to load certificate or key.",
            "The server's log says why; the next restart would fail.",
        )


def _reach(cluster: Cluster) -> Iterator[Finding]:
    listen = cluster.value("listen_addresses")
    entries = {entry.strip() for entry in listen.split(",") if entry.strip()}
    if not entries:
        yield Finding(
            "warning",
            "no-tcp",
            "listen_addresses is empty: the server has no TCP port, and TLS exists only over TCP.",
            "Set listen_addresses and restart.",
            topic="names",
        )
    elif entries <= {"localhost", "127.0.0.1", "::1"}:
        yield Finding(
            "info",
            "local-only",
            f"listen_addresses is {listen}: nobody on another machine can reach this server, with or without TLS.",
            "To serve others, set listen_addresses = '*' and restart.",
            topic="names",
        )


def _settings(cluster: Cluster, resolution: Resolution) -> Iterator[Finding]:
    for name, setting in cluster.settings.items():
        if not name.startswith("ssl"):
            continue
        if setting.source == "command-line":
            yield Finding(
                "warning",
                "command-line-override",
                f"{name} is given on the server's command line (as {setting.value}), which no file overrides.",
                "Change the start command, and restart.",
                "command line",
            )
        elif setting.source == "auto.conf":
            yield Finding(
                "warning",
                "auto-conf-override",
                f"ALTER SYSTEM set {name}, which overrides postgresql.conf.",
                "It is reset where it stands in the way.",
                f"{setting.file}:{setting.line}",
            )
        elif setting.overridden and len({line.file for line in resolution.setters(name)}) > 1:
            yield Finding(
                "info",
                "setting-overridden",
                f"{name} is set in {setting.overridden[-1]} too; the later line counts.",
                None,
                f"{setting.file}:{setting.line}",
            )
        if setting.in_force is not None and name == "ssl" and setting.in_force != setting.value and cluster.running:
            yield Finding(
                "warning",
                "ssl-not-in-force",
                f"ssl is {setting.value} in the files and {setting.in_force} in the running server.",
                "A reload has not happened, or failed.",
            )


def _certificate(cluster: Cluster) -> Iterator[Finding]:
    if cluster.value("ssl") != "on":
        yield Finding("info", "tls-off", "TLS is off: whoever is on the network between client and server reads and changes everything.")
        return
    leaf = next((certificate for certificate in cluster.certificates if certificate.role == "server"), None)
    where = str(cluster.path_of("ssl_cert_file"))
    if leaf is None:
        yield Finding(
            "warning",
            "no-certificate",
            "ssl is on, but its certificate cannot be read.",
            "The next restart may fail.",
            where,
            "certificate",
        )
        return
    now = datetime.now(UTC)
    if is_snakeoil(leaf):
        yield Finding(
            "warning",
            "snakeoil",
            "TLS is on with the snakeoil certificate of this machine: encrypted, but nobody can verify it.",
            None,
            where,
            "certificate",
        )
    elif leaf.self_signed:
        yield Finding(
            "info",
            "self-signed",
            "The certificate is self-signed: a client can verify it only with a copy of it.",
            None,
            where,
            "certificate",
        )
    if leaf.not_after <= now:
        yield Finding(
            "warning",
            "certificate-expired",
            f"The certificate expired on {leaf.not_after:%Y-%m-%d}; verifying clients refuse it.",
            None,
            where,
            "certificate",
        )
    elif leaf.not_after - now < _SOON:
        yield Finding(
            "warning", "certificate-expiring", f"The certificate expires on {leaf.not_after:%Y-%m-%d}.", None, where, "certificate"
        )
    if not leaf.names:
        yield Finding(
            "warning", "no-san", "The certificate has no subject alternative names: many clients refuse it.", None, where, "certificate"
        )
    if leaf.key_matches is False:
        yield Finding(
            "warning",
            "key-mismatch",
            "The key does not belong to the certificate: the next restart would fail.",
            None,
            str(cluster.path_of("ssl_key_file")),
            "key",
        )
    if cluster.served_sha256 and cluster.served_sha256 != leaf.sha256:
        yield Finding(
            "warning",
            "served-differs",
            "The server serves another certificate than the one on disk: a reload failed, or has not happened.",
            None,
            where,
            "certificate",
        )
    key = cluster.path_of("ssl_key_file")
    if key and cluster.data_directory in key.parents:
        yield Finding(
            "info",
            "key-in-data-directory",
            "The key lies in the data directory, so every base backup gets a copy of it.",
            None,
            str(key),
            "files",
        )


def _rules(cluster: Cluster) -> Iterator[Finding]:
    for rule in cluster.rules:
        if rule.error:
            continue
        where = f"{rule.file}:{rule.line}"
        if rule.type != "local" and rule.method == "trust":
            yield Finding(
                "warning",
                "trust-over-tcp",
                f"Line {rule.line} lets anybody in over TCP without a password (trust). TLS encrypts that, and still anybody gets in.",
                "Use scram-sha-256; set the roles' passwords first.",
                where,
                "rules",
            )
        elif rule.method in {"md5", "password"}:
            what = "md5 is a broken hash, deprecated since 18" if rule.method == "md5" else "password sends it as it is"
            yield Finding("info", f"{rule.method}-method", f"Line {rule.line}: {what}; scram-sha-256 is better.", None, where, "rules")
        if rule.type == "hostssl" and cluster.value("ssl") != "on":
            yield Finding(
                "info", "hostssl-without-tls", f"Line {rule.line} is hostssl while TLS is off: it matches nobody.", None, where, "rules"
            )
        if (rule.option("clientcert") or rule.method == "cert") and not cluster.value("ssl_ca_file"):
            yield Finding(
                "warning",
                "clientcert-without-ca",
                f"Line {rule.line} asks for client certificates, and ssl_ca_file is not set: it refuses everybody.",
                None,
                where,
                "clients",
            )
