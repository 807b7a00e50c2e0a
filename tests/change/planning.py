"""Facts and plans made by hand, so that a test of the change decides itself what is planned."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Mapping
from pathlib import Path

from pgssl_wizard.answers import Answers, CertificateAnswers, ServerAnswers
from pgssl_wizard.certificates.profiles import Profile
from pgssl_wizard.change.after import read_rules
from pgssl_wizard.cluster.facts import Cluster, FileFact, ServerSays, Setting
from pgssl_wizard.plan.model import Action, Plan, PlannedFile
from pgssl_wizard.server import handshake, log, postmaster
from tests.servers import RealCluster

NAMES = ("db.example.com", "127.0.0.1", "*.cluster.example.com")

Snapshot = dict[str, tuple[object, ...]]


def snapshot(root: Path) -> Snapshot:
    """Return content, mode, owner and time of change of the files that a change might touch, the server's own business left out."""
    found: Snapshot = {}
    for folder, _, names in os.walk(root):
        if any(part in folder for part in ("pgsql_tmp", "pg_wal", "/base", "/global", "pg_", "data/log")):
            continue
        for name in names:
            path = Path(folder) / name
            if not name.endswith((".conf", ".crt", ".key", ".pgssl-wizard")):
                continue
            status = path.lstat()
            content = path.readlink() if path.is_symlink() else path.read_bytes()
            found[os.path.relpath(path, root)] = (
                content,
                stat.S_IMODE(status.st_mode),
                status.st_uid,
                status.st_gid,
                status.st_mtime_ns,
            )
    return found


def fact(path: Path) -> FileFact:
    """Return a file as it stands."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return FileFact(path, path, exists=False)
    mode = stat.S_IMODE(status.st_mode)
    real = Path(os.path.realpath(path))
    return FileFact(path, real, exists=True, mode=mode, uid=status.st_uid, gid=status.st_gid, owner="", data=path.read_bytes())


def look(real: RealCluster, settings: Mapping[str, str] | None = None) -> Cluster:
    """Return the facts of a cluster; `settings` are those that its files hold besides the defaults."""
    data = real.data_directory
    server = postmaster.read(data)
    served = handshake.fetch("127.0.0.1", server.port) if server else None
    values = {"ssl": "off", "ssl_cert_file": "server.crt", "ssl_key_file": "server.key", "ssl_ca_file": "", **(settings or {})}
    files = [real.config_file, real.auto_conf, real.hba_file, real.ident_file]
    return Cluster(
        data_directory=data,
        major=real.major,
        server_version=real.programs.version,
        owner=f"{real.identity.name}:{real.identity.name}",
        uid=real.identity.uid,
        gid=real.identity.gid,
        data_mode=0o700,
        layout=real.layout,
        config_file=real.config_file,
        hba_file=real.hba_file,
        ident_file=real.ident_file,
        auto_conf=real.auto_conf,
        bin_directory=real.programs.bin_directory,
        tls_built_in=True,
        postmaster=server,
        server=ServerSays(real.superuser, superuser=True, in_recovery=False) if server else None,
        served_sha256=served.sha256 if served else None,
        log_file=log.find(data, server),
        files={path: fact(path) for path in files},
        settings={name: Setting(name, value, "file" if settings and name in settings else "default") for name, value in values.items()},
        rules=read_rules(real.hba_file, real.major),
    )


def tightened(rules: bytes) -> bytes:
    """Return the rules with TLS required over TCP."""
    lines = [line.replace(b"host ", b"hostssl ", 1) if line.startswith(b"host ") else line for line in rules.splitlines(keepends=True)]
    return b"".join(lines) + b"hostnossl all,replication all all reject\n"


def plan(
    real: RealCluster,
    cluster: Cluster,
    ca: Path,
    *,
    settings: Mapping[str, str] | None = None,
    rules: bytes | None = None,
    client_ca: bool = False,
    names: tuple[str, ...] = NAMES,
    sql: tuple[str, ...] = (),
) -> Plan:
    """Return a plan for a first set-up with a new CA below `ca`.

    Args:
        real: whose files.
        cluster: their facts.
        ca: a directory that need not exist.
        settings: further lines for postgresql.conf.
        rules: what the rules become; by default TLS is required. Empty: they stay.
        client_ca: `ssl_ca_file` is set to our own root.
        names: what the certificate covers.
        sql: statements for the server.
    """
    data = cluster.data_directory
    exists = (ca / "root.crt").exists()
    root = Profile("root", "Test CA", "ecdsa-p256", 3650, "Test CA", path_length=0)
    leaf = Profile("server", names[0], "ecdsa-p256", 365, "Test CA", names=names)
    uid, gid, owner = cluster.uid, cluster.gid, cluster.owner
    me = (os.geteuid(), os.getegid(), "me:me")

    def action(path: Path) -> Action:
        return "modify" if path.exists() else "create"

    wanted = {"ssl": "on", **({"ssl_ca_file": "root.crt"} if client_ca else {}), **(settings or {})}
    conf, hba = cluster.config_file.read_bytes(), cluster.hba_file.read_bytes()
    new_conf = conf + "".join(f"{name} = '{value}'\n" for name, value in wanted.items()).encode()
    changes = [
        PlannedFile(
            data / "server.crt",
            action(data / "server.crt"),
            "server-certificate",
            "tls",
            0o644,
            uid,
            gid,
            owner,
            profile=leaf,
            chain=(leaf,),
        ),
        PlannedFile(
            data / "server.key", action(data / "server.key"), "server-key", "tls", 0o600, uid, gid, owner, secret=True, profile=leaf
        ),
        PlannedFile(
            cluster.config_file,
            "modify",
            "settings",
            "tls",
            cluster.files[cluster.config_file].mode,
            uid,
            gid,
            owner,
            before=conf,
            after=new_conf,
        ),
    ]
    if not exists:
        changes += [
            PlannedFile(ca / "root.crt", "create", "root-certificate", "ca", 0o644, *me, profile=root, chain=(root,)),
            PlannedFile(ca / "root.key", "create", "root-key", "ca", 0o600, *me, secret=True, profile=root),
        ]
    if client_ca:
        changes.append(PlannedFile(data / "root.crt", "create", "client-ca", "tls", 0o644, uid, gid, owner, copy_of=ca / "root.crt"))
    new_hba = tightened(hba) if rules is None else rules or hba
    if new_hba != hba:
        changes.append(
            PlannedFile(
                cluster.hba_file,
                "modify",
                "rules",
                "rules",
                cluster.files[cluster.hba_file].mode,
                uid,
                gid,
                owner,
                before=hba,
                after=new_hba,
            )
        )
    if sql:
        # What the plan shows: the file without the lines that the statements take out.
        auto = cluster.auto_conf.read_bytes()
        left = b"".join(line for line in auto.splitlines(keepends=True) if not line.startswith(b"ssl"))
        mode = cluster.files[cluster.auto_conf].mode
        changes.append(PlannedFile(cluster.auto_conf, "modify", "auto-settings", "tls", mode, uid, gid, owner, before=auto, after=left))
    inputs: dict[Path, str | None] = {
        path: hashlib.sha256(each.data).hexdigest() for path, each in cluster.files.items() if each.data is not None
    }
    for change in changes:
        inputs.setdefault(change.path, hashlib.sha256(change.path.read_bytes()).hexdigest() if change.path.exists() else None)
    return Plan(
        data,
        cluster.major,
        Answers(server=ServerAnswers(names), certificate=CertificateAnswers(ca_directory=ca)),
        inputs=inputs,
        new_directories=() if exists else (PlannedFile(ca, "create", "root-certificate", "ca", 0o700, *me),),
        changes=tuple(changes),
        settings=wanted,
        sql=sql,
        trust_anchor=ca / "root.crt",
        issue=(leaf,) if exists else (root, leaf),
        hash="by hand",
    )
