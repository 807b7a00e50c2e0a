"""The rehearsal: before a real file is touched, the same programs, run by the same user, try the new ones.

A throwaway cluster is made; the planned settings are parsed, the planned certificate, key, CA and rules are loaded, and a client
verifies what it meets. Whatever the server would complain about, it complains about here.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from pgssl_wizard.change.contents import Contents, setting_after
from pgssl_wizard.change.paths import real_path
from pgssl_wizard.change.staging import Staging, stage_rules, stage_settings
from pgssl_wizard.cluster.facts import Cluster
from pgssl_wizard.errors import Refused
from pgssl_wizard.plan.model import Plan, PlannedFile
from pgssl_wizard.proof.names import to_try
from pgssl_wizard.server import attempt, handshake, programs
from pgssl_wizard.server.identity import Identity
from pgssl_wizard.server.process import StartFailed
from pgssl_wizard.server.programs import Programs
from pgssl_wizard.server.throwaway import Throwaway

#: Settings that name a file or a directory; what they name is staged when it is planned.
_FILE_SETTINGS = ("ssl_cert_file", "ssl_key_file", "ssl_ca_file", "ssl_crl_file", "ssl_crl_dir", "ssl_dh_params_file")
#: Told by the server, never set.
_FIXED = {"ssl_library"}


def rehearse(plan: Plan, cluster: Cluster, contents: Contents) -> None:
    """Try the planned files on a throwaway cluster; it is gone afterwards.

    Raises:
        Refused: the server's own words on what it would not take.
    """
    server_programs = _programs(cluster)
    identity = Identity.of(cluster.uid, cluster.gid)
    with Throwaway(server_programs, identity, name="pgssl-rehearsal-") as throwaway:
        staging = _staging(throwaway)
        planned = contents.by_real_path()
        _parse(plan, cluster, throwaway, staging, planned)
        _stage_tls(plan, cluster, throwaway, staging, planned)
        stage_rules(staging, cluster, planned)
        try:
            throwaway.start({"hba_file": str(staging.path(cluster.hba_file))})
        except StartFailed as failure:
            raise Refused(
                f"the server would not start with these files: {staging.unstaged(failure.message)}",
                where=str(cluster.data_directory),
                hint="nothing was changed; --no-rehearse does without this test",
                code="rehearsal-failed",
            ) from failure
        if contents.leaf_sha256 is not None:
            _shake_hands(plan, cluster, throwaway, staging, contents)


def has_programs(cluster: Cluster) -> bool:
    """Whether there are server programs that could make a throwaway cluster."""
    return cluster.bin_directory is not None and (cluster.bin_directory / "initdb").exists()


def _programs(cluster: Cluster) -> Programs:
    """Return the cluster's own programs.

    Raises:
        Refused: they were not found, or lack initdb.
    """
    found = programs.look(cluster.bin_directory) if cluster.bin_directory else None
    if found is None or not found.has("initdb"):
        raise Refused(
            f"the programs of PostgreSQL {cluster.major} (postgres, initdb) were not found, so nothing can be rehearsed",
            hint="name their directory with --pg-bin, or do without with --no-rehearse",
            code="no-server-programs",
        )
    return found


def _staging(throwaway: Throwaway) -> Staging:
    """Return a staging area inside the throwaway cluster's own directory."""

    def make_directory(path: Path) -> None:
        path.mkdir(mode=0o700)
        os.chown(path, throwaway.identity.uid, throwaway.identity.gid)

    root = throwaway.directory / "files"
    make_directory(root)
    return Staging(root, throwaway.write, make_directory)


def _parse(plan: Plan, cluster: Cluster, throwaway: Throwaway, staging: Staging, planned: Mapping[Path, bytes]) -> None:
    """Have the server's own parser read the planned settings, includes and `postgresql.auto.conf` among them."""
    if not any(change.role in {"settings", "auto-settings"} for change in plan.changes):
        return
    stage_settings(staging, cluster, planned)
    auto_conf = throwaway.data_directory / "postgresql.auto.conf"
    own = auto_conf.read_bytes()
    fact = cluster.files.get(cluster.auto_conf)
    data = planned.get(real_path(cluster.auto_conf), fact.data if fact else None)
    if data is not None:
        throwaway.write(auto_conf, data)
    own_options = {name: value for name, value in cluster.command_line.items() if name.startswith("ssl")}
    where = {"config_file": str(staging.path(cluster.config_file)), "data_directory": str(throwaway.data_directory)}
    options = {**own_options, **where}
    try:
        value = programs.postgres_c(throwaway.programs, "ssl", throwaway.data_directory, options, identity=throwaway.identity)
    except Refused as refusal:
        raise Refused(
            f"the server would not take these settings: {staging.unstaged(refusal.message)}",
            where=str(cluster.config_file),
            hint="nothing was changed",
            code="rehearsal-failed",
        ) from refusal
    finally:
        throwaway.write(auto_conf, own)
    if value != setting_after(plan, cluster, "ssl"):
        raise Refused(f"with these files ssl would be {value}", where=str(cluster.config_file), code="rehearsal-failed")


def _stage_tls(plan: Plan, cluster: Cluster, throwaway: Throwaway, staging: Staging, planned: Mapping[Path, bytes]) -> None:
    """Write the planned TLS files and the settings that lead to them into the throwaway cluster."""
    by_path = {real_path(change.path): change for change in plan.changes}
    lines = []
    names = sorted({*(name for name in cluster.settings if name.startswith("ssl")), *plan.settings} - _FIXED)
    for name in names:
        old = cluster.settings.get(name)
        value = setting_after(plan, cluster, name)
        if name not in plan.settings and (old is None or old.source == "default") and name not in _FILE_SETTINGS:
            continue
        if value and name in _FILE_SETTINGS:
            path = real_path(cluster.data_directory / value)
            change = by_path.get(path)
            data = planned.get(path)
            value = str(path if change is None or data is None else _stage_one(change, path, data, staging))
        quoted = value.replace("\\", "\\\\").replace("'", "''")
        lines.append(f"{name} = '{quoted}'\n")
    # In the file and not among the program's arguments: a passphrase command may hold more than its author thinks.
    config = throwaway.config_file.read_bytes()
    throwaway.write(throwaway.config_file, config + b"\n" + "".join(lines).encode("utf-8", "surrogateescape"))


def _stage_one(change: PlannedFile, path: Path, data: bytes, staging: Staging) -> Path:
    """Stage a certificate, key or CA with the mode and owner that it will have."""
    staged = staging.put_as_is(path, data)
    if os.geteuid() == 0:
        os.chown(staged, change.uid, change.gid)
    staged.chmod(change.mode)
    return staged


def _shake_hands(plan: Plan, cluster: Cluster, throwaway: Throwaway, staging: Staging, contents: Contents) -> None:
    """Meet the throwaway server as a client that verifies."""
    served = handshake.fetch("127.0.0.1", throwaway.port)
    if served is None or served.sha256 != contents.leaf_sha256:
        raise Refused(
            "the server started with these files and does not show the planned certificate",
            where=str(cluster.data_directory),
            hint=staging.unstaged(throwaway.log().strip()[-500:]) or None,
            code="rehearsal-failed",
        )
    names = to_try(plan.answers.server.names)
    if not names or contents.trust_anchor is None:
        return
    root = staging.put_as_is(Path("/trust-anchor.crt"), contents.trust_anchor)
    result = attempt.try_connection(
        names[0],
        throwaway.port,
        throwaway.superuser,
        "postgres",
        hostaddr="127.0.0.1",
        sslmode="verify-full",
        root=root,
    )
    # Whatever the server says after a handshake that the client was content with is about the rules, which others judge.
    if result.tls is None:
        raise Refused(
            f"a client that verifies does not accept the planned certificate: {staging.unstaged(result.message or '')}",
            where=str(cluster.data_directory),
            hint="nothing was changed",
            code="rehearsal-failed",
        )
