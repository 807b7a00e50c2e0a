"""The rehearsal: before a real file is touched, the same programs, run by the same user, try the new ones.

A throwaway cluster is made; the planned settings are parsed, the planned certificate, key, CA and rules are loaded, and a client
verifies what it meets. Whatever the server would complain about, it complains about here.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import secrets
import shlex
import tempfile
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

from pgssl_wizard.change import lists
from pgssl_wizard.change.after import read_rules
from pgssl_wizard.change.contents import Contents, setting_after
from pgssl_wizard.change.paths import real_path
from pgssl_wizard.change.rehearsal_trial import LOOPBACK, Trial
from pgssl_wizard.change.staging import Staging, stage_maps, stage_rules, stage_settings
from pgssl_wizard.change.staging_tls import stage_tls
from pgssl_wizard.cluster.facts import Cluster
from pgssl_wizard.errors import Refused
from pgssl_wizard.plan.model import Plan
from pgssl_wizard.proof.clients import users
from pgssl_wizard.proof.model import Attempt
from pgssl_wizard.proof.names import to_try
from pgssl_wizard.server import attempt, handshake, programs
from pgssl_wizard.server.identity import Identity
from pgssl_wizard.server.process import StartFailed
from pgssl_wizard.server.programs import Programs
from pgssl_wizard.server.throwaway import Throwaway

#: Roles that client certificates are tried with.
_ROLES_TRIED = 5
_KEPT = {"public", "none"}


def rehearse(plan: Plan, cluster: Cluster, contents: Contents) -> tuple[Attempt, ...]:
    """Try the planned files on a throwaway cluster; it is gone afterwards.

    Returns:
        The logins that were tried, all of which ended as planned; empty where TLS stays off or nobody here can open its key.

    Raises:
        Refused: the server's own words on what it would not take.
    """
    server_programs = _programs(cluster)
    identity = Identity.of(cluster.uid, cluster.gid)
    with Throwaway(server_programs, identity, name="pgssl-rehearsal-") as throwaway:
        staging = _staging(throwaway)
        planned = contents.by_real_path()
        _parse(plan, cluster, throwaway, staging, planned)
        stage_rules(staging, cluster, planned)
        stage_maps(staging, cluster, planned)
        passwords = _make_roles(plan, cluster, throwaway, staging)
        values = stage_tls(plan, cluster, throwaway, staging, planned)
        settings = {"hba_file": str(staging.path(cluster.hba_file)), "ident_file": str(staging.path(cluster.ident_file))}
        if contents.key_shut:
            # Its passphrase is known to a person who is not here; what else there is can still be tried.
            settings["ssl"] = "off"
        with _typed(contents, plan, throwaway) as typing:
            try:
                throwaway.start(settings | typing)
            except StartFailed as failure:
                raise Refused(
                    f"the server would not start with these files: {staging.unstaged(failure.message)}",
                    where=str(cluster.data_directory),
                    hint="nothing was changed; --no-rehearse does without this test",
                    code="rehearsal-failed",
                ) from failure
            _refuse_bad_maps(plan, cluster, throwaway, staging)
            if contents.leaf_sha256 is None or contents.key_shut:
                return ()
            _shake_hands(plan, cluster, throwaway, staging, contents)
            _show_certificate(throwaway, staging, contents)
            return Trial(plan, cluster, contents, throwaway, staging, values, settings | typing, passwords).run()


def _make_roles(plan: Plan, cluster: Cluster, throwaway: Throwaway, staging: Staging) -> dict[str, str]:
    """Make the roles that client certificates are tried with; return their passwords. None where no certificates are asked for."""
    if not setting_after(plan, cluster, "ssl_ca_file"):
        return {}
    planned = dataclasses.replace(cluster, rules=read_rules(staging.path(cluster.hba_file), cluster.major))
    # The server keeps some names for itself, and a server for one reads no name with a line break in it.
    names = [
        role
        for role in (*plan.answers.clients.roles, *users(planned))
        if not role.startswith("pg_") and role not in _KEPT and "\n" not in role
    ]
    passwords = {role: secrets.token_hex(16) for role in list(dict.fromkeys(names))[:_ROLES_TRIED]}
    throwaway.make_roles(passwords)
    return passwords


def _refuse_bad_maps(plan: Plan, cluster: Cluster, throwaway: Throwaway, staging: Staging) -> None:
    """Raise where the server complains about planned maps, without which it starts all the same."""
    said = throwaway.log()
    if str(staging.path(cluster.ident_file)) in said and any(change.role == "maps" for change in plan.changes):
        raise Refused(
            f"the server would not take these maps: {staging.unstaged(said.strip()[-500:])}",
            where=str(cluster.ident_file),
            hint="nothing was changed",
            code="rehearsal-failed",
        )


@contextlib.contextmanager
def _typed(contents: Contents, plan: Plan, throwaway: Throwaway) -> Iterator[dict[str, str]]:
    """Yield the settings by which a server learns a passphrase that a person will type at its real start.

    It comes through a pipe with a name, so that it stands in no file.
    """
    if contents.key_passphrase is None or plan.answers.certificate.passphrase != "prompt":
        yield {}
        return
    pipe = throwaway.directory / "passphrase"
    os.mkfifo(pipe, 0o600)
    os.chown(pipe, throwaway.identity.uid, throwaway.identity.gid)
    done = threading.Event()

    def feed(passphrase: bytes) -> None:
        while not done.is_set():
            # Waits until somebody reads, at every attempt to start; a reader that is gone already wants nothing.
            with contextlib.suppress(BrokenPipeError), pipe.open("wb", buffering=0) as end:
                if not done.is_set():
                    end.write(passphrase + b"\n")

    feeder = threading.Thread(target=feed, args=(contents.key_passphrase,), name="passphrase", daemon=True)
    feeder.start()
    try:
        yield {"ssl_passphrase_command": f"head -n 1 {shlex.quote(str(pipe)).replace('%', '%%')}"}
    finally:
        done.set()
        # Whoever waits for a reader gets one, and ends.
        descriptor = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
        feeder.join()
        os.close(descriptor)


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


def _shake_hands(plan: Plan, cluster: Cluster, throwaway: Throwaway, staging: Staging, contents: Contents) -> None:
    """Meet the throwaway server as a client that verifies."""
    served = handshake.fetch(LOOPBACK, throwaway.port)
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
        hostaddr=LOOPBACK,
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


def _show_certificate(throwaway: Throwaway, staging: Staging, contents: Contents) -> None:
    """Meet the throwaway server as a client with a certificate of the CA whose revocation list is new.

    The server loads lists only when a client shows a certificate, and one list that is missing refuses all of them.
    """
    if contents.client_ca is None:
        return
    with tempfile.TemporaryDirectory(prefix="pgssl-client-") as place:
        certificate, key = lists.throwaway_client(contents.client_ca, throwaway.superuser, Path(place))
        result = attempt.try_connection(
            LOOPBACK, throwaway.port, throwaway.superuser, "postgres", sslmode="require", certificate=certificate, key=key
        )
    # What comes after the handshake is about the rules, which others judge; a refusal of the certificate is an alert of TLS.
    # That of a whole CA that was revoked is what somebody wants.
    words = result.message or ""
    if result.outcome == "reject" and re.search(r"alert|certificate verify failed", words) and "revoked" not in words:
        raise Refused(
            f"a client with a certificate of {contents.client_ca.certificate.subject.rfc4514_string()} is refused: {staging.unstaged(result.message or '')}",
            where="ssl_crl_file, ssl_crl_dir",
            hint=staging.unstaged(throwaway.log().strip()[-500:]) or None,
            code="rehearsal-failed",
        )
