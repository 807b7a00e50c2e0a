"""Clusters made by hand out of the text of their files; nothing is on any disk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pgssl_wizard.answers import Answers, Given, complete
from pgssl_wizard.cluster.facts import (
    CertificateFact,
    Cluster,
    FileFact,
    FoundName,
    Postmaster,
    ServerSays,
    Session,
    Setting,
    SettingSource,
)
from pgssl_wizard.cluster.standing import Surroundings
from pgssl_wizard.files.hba import parse_rules
from pgssl_wizard.files.known_settings import neighbour_settings, tls_settings
from pgssl_wizard.files.settings import resolve
from pgssl_wizard.plan.make import make_plan
from pgssl_wizard.plan.model import Plan
from pgssl_wizard.plan.recommend import recommend

DATA = Path("/srv/pg/data")
HOME = Path("/home/dba")
CONF, HBA, AUTO = DATA / "postgresql.conf", DATA / "pg_hba.conf", DATA / "postgresql.auto.conf"
MADE = datetime(2026, 11, 24, 11, 0, tzinfo=UTC)

INITDB_HBA = """\
# TYPE  DATABASE        USER            ADDRESS                 METHOD
local   all             all                                     peer
host    all             all             127.0.0.1/32            scram-sha-256
host    all             all             ::1/128                 scram-sha-256
local   replication     all                                     peer
host    replication     all             127.0.0.1/32            scram-sha-256
host    replication     all             ::1/128                 scram-sha-256
"""
INITDB_CONF = """\
listen_addresses = '*'

# - SSL -

#ssl = off
#ssl_cert_file = 'server.crt'
"""


def fact(path: Path, text: str | bytes | None, **more: Any) -> FileFact:
    """Return a file of the server's user; None: there is no such file."""
    if text is None:
        return FileFact(path, path, exists=False)
    content = text.encode() if isinstance(text, str) else text
    values = {"mode": 0o600, "uid": 70, "gid": 70, "owner": "postgres:postgres", "data": content, "sha256": "0" * 64, **more}
    return FileFact(path, path, exists=True, **values)


def cluster(
    files: Mapping[Path, str | bytes] | None = None,
    *,
    major: int = 17,
    config_file: Path = CONF,
    hba_file: Path = HBA,
    command_line: Mapping[str, str] | None = None,
    running: bool = True,
    sessions: tuple[Session, ...] = (),
    **more: Any,
) -> Cluster:
    """Return a cluster as initdb leaves it, with these files instead or in addition; `more` are fields of `Cluster`."""
    texts: dict[Path, str | bytes] = {config_file: INITDB_CONF, AUTO: "", hba_file: INITDB_HBA, **(files or {})}
    facts = {path: fact(path, text) for path, text in texts.items()}
    directories = {path.parent: tuple(sorted(other.name for other in texts if other.parent == path.parent)) for path in texts}

    def read(path: Path) -> bytes | None:
        return facts[path].data if path in facts else None

    def names(path: Path) -> list[str] | None:
        return list(directories[path]) if path in directories else None

    resolution = resolve(config_file, AUTO, read, names, command_line, major)
    assert not resolution.errors
    settings: dict[str, Setting] = {}
    for known in (*tls_settings(major), *neighbour_settings(major)):
        line = resolution.winner(known.name)
        source: SettingSource = "default" if line is None else "file" if line.file else "command-line"
        settings[known.name] = Setting(known.name, line.value if line else known.default, source, line.file if line else None)
    values: dict[str, Any] = {
        "server_version": f"{major}.4",
        "owner": "postgres:postgres",
        "uid": 70,
        "gid": 70,
        "data_mode": 0o700,
        "layout": "initdb",
        "config_file": config_file,
        "hba_file": hba_file,
        "ident_file": config_file.parent / "pg_ident.conf",
        "auto_conf": AUTO,
        "tls_built_in": True,
        "openssl_version": "3.0.19",
        "postmaster": Postmaster(4242, 5432, Path("/run/postgresql"), "*") if running else None,
        "server": ServerSays("postgres", superuser=True, in_recovery=False, sessions=sessions) if running else None,
        "files": facts,
        "directories": directories,
        "command_line": dict(command_line or {}),
        "settings": settings,
        "rules": parse_rules(hba_file, major, read, names),
        "found_names": (FoundName("db.example.com", "this host's full name"), FoundName("10.0.0.5", "interface eth0", recommended=False)),
        **more,
    }
    return Cluster(DATA, major, **values)


def answers(found: Cluster, **given: object) -> Answers:
    """Return what is recommended, with these answers instead; two underscores stand for the dot."""
    values = {name.replace("__", "."): value for name, value in given.items()}
    return complete(Given(values, dict.fromkeys(values, "--set"), HOME), recommend(found, HOME), found.data_directory)


def surroundings(said: Answers, standing: Mapping[Path, FileFact] | None = None, **more: Any) -> Surroundings:
    """Return surroundings in which nothing stands but `standing`."""
    certificate, files = said.certificate, said.files
    paths = [
        files.certificate,
        files.key,
        files.ca,
        *(certificate.ca_directory / f"{kind}{end}" for kind in ("root", "intermediate") for end in (".crt", ".key")),
    ]
    facts = {path: fact(path, None) for path in paths} | dict(standing or {})
    directories = {path.parent: FileFact(path.parent, path.parent, exists=path.parent != certificate.ca_directory) for path in paths}
    values: dict[str, Any] = {"files": facts, "directories": directories, "user_name": "root:root", **more}
    return Surroundings(**values)


def plan(found: Cluster, standing: Mapping[Path, FileFact] | None = None, around: Mapping[str, Any] | None = None, **given: object) -> Plan:
    """Return the plan for these answers; `around` are fields of `Surroundings`."""
    said = answers(found, **given)
    return make_plan(found, surroundings(said, standing, **(around or {})), said)


def leaf(names: tuple[str, ...] = ("db.example.com",), **more: Any) -> CertificateFact:
    """Return a server certificate signed by the CA in the CA directory."""
    values: dict[str, Any] = {
        "role": "server",
        "path": DATA / "server.crt",
        "subject": f"CN={names[0]}" if names else "",
        "issuer": "CN=PostgreSQL CA",
        "names": names,
        "not_before": MADE,
        "not_after": MADE + timedelta(days=365),
        "sha256": "ab" * 32,
        "key_type": "ecdsa-p256",
        "key_matches": True,
        "common_name": names[0] if names else "",
        **more,
    }
    return CertificateFact(**values)


def root(**more: Any) -> CertificateFact:
    """Return the certificate of the CA in the CA directory."""
    values = {
        "role": "root",
        "path": HOME / "ca" / "root.crt",
        "subject": "CN=PostgreSQL CA",
        "self_signed": True,
        "common_name": "PostgreSQL CA",
    }
    return replace(leaf((), not_after=MADE + timedelta(days=3650)), **{**values, **more})


def applied(found: Cluster, made: Plan) -> tuple[Cluster, dict[Path, FileFact], dict[str, Any]]:
    """Return the cluster, the files and the surroundings as they are once a plan is applied."""
    texts: dict[Path, str | bytes] = {path: each.data or b"" for path, each in found.files.items()}
    standing: dict[Path, FileFact] = {}
    for change in made.changes:
        if change.after is not None and change.role != "client-ca":
            texts[change.path] = change.after
        else:
            content = b"public" if change.role.endswith("-certificate") or change.role == "client-ca" else None
            standing[change.path] = fact(change.path, "", mode=change.mode, uid=change.uid, data=content)
    after = cluster(
        texts,
        major=found.major,
        config_file=found.config_file,
        hba_file=found.hba_file,
        command_line=found.command_line,
        sessions=found.server.sessions if found.server else (),
        certificates=(leaf(made.answers.server.names),),
    )
    around = {
        "ca": {"root.crt": root()},
        "ca_keys": {"root.key": True},
        "ca_path_length": {"root.crt": 1},
        "leaf": leaf(made.answers.server.names),
        "leaf_issuer": "root.crt",
    }
    return after, standing, around
