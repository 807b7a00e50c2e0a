"""Everything about one data directory, read and asked once: a frozen `Cluster`. Writes nothing."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

from pgssl_wizard.cluster import findings as sayings
from pgssl_wizard.cluster import layout, managed, server_says
from pgssl_wizard.cluster.certificates import certificates_at
from pgssl_wizard.cluster.facts import Cluster, FileFact, Postmaster, ServerSays
from pgssl_wizard.cluster.names import found_names
from pgssl_wizard.cluster.reading import Recorder, fact_of, owner_in_words
from pgssl_wizard.cluster.settings import path_in, settings_of
from pgssl_wizard.errors import Refused, WizardError
from pgssl_wizard.files.hba import parse_rules
from pgssl_wizard.files.settings import Resolution, resolve
from pgssl_wizard.server import command_line, handshake, log, postmaster, programs


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the running server answered, or why nobody could ask."""

    said: ServerSays | None = None
    in_force: dict[str, str] | None = None
    problem: str | None = None
    tls_answers: bool | None = None
    served_sha256: str | None = None


def inspect(data_directory: Path, *, pg_bin: Path | None = None, user: str | None = None, database: str | None = None) -> Cluster:
    """Return what is there.

    Args:
        data_directory: the data directory, or a configuration directory that names it.
        pg_bin: where the server's programs are, when they cannot be found.
        user: the administrator's role.
        database: for the administrator's connection.

    Raises:
        UnusableInput: this is no data directory.
        Refused: it cannot be read, or is of an unknown version.
    """
    directory = layout.data_directory_of(data_directory)
    status = directory.stat()
    owner = owner_in_words(status.st_uid, status.st_gid)
    if os.geteuid() not in {0, status.st_uid}:
        raise Refused(
            f"This data directory belongs to {owner.split(':')[0]}.",
            where=str(directory),
            hint=f"Run this as root, or as {owner.split(':')[0]}.",
            code="no-permission",
        )
    major = layout.major_of(directory)
    server = postmaster.read(directory)
    arguments = dict(command_line.settings(directory, server))
    place = layout.place_of(directory, major, server, arguments)
    recorder = Recorder()
    auto_conf = directory / "postgresql.auto.conf"
    resolution = resolve(place.config_file, auto_conf, recorder.read, recorder.list_directory, arguments, major)
    defaults = {"hba_file": str(place.config_file.parent / "pg_hba.conf"), "ident_file": str(place.config_file.parent / "pg_ident.conf")}
    hba_file = _file(directory, resolution, "hba_file", defaults)
    ident_file = _file(directory, resolution, "ident_file", defaults)
    rules = parse_rules(hba_file, major, recorder.read, recorder.list_directory)
    recorder.read(ident_file)
    for path in (place.config_file, hba_file):
        _must_be_readable(recorder.files.get(path) or fact_of(path))
    found_programs = _programs(major, pg_bin, directory)
    asked = _ask(server, hba_file, user, database, status.st_uid)
    certificate = path_in(directory, resolution, "ssl_cert_file", "server.crt")
    key = path_in(directory, resolution, "ssl_key_file", "server.key")
    settings = settings_of(resolution, major, auto_conf, defaults, asked.in_force or {})
    tls_on = settings["ssl"].value == "on"
    certificates, _ = certificates_at(
        certificate if tls_on else None, key if tls_on else None, path_in(directory, resolution, "ssl_ca_file", "")
    )
    heads = [fact.data or b"" for fact in recorder.files.values()]
    cluster = Cluster(
        data_directory=directory,
        major=major,
        server_version=found_programs.version if found_programs else str(major),
        owner=owner,
        uid=status.st_uid,
        gid=status.st_gid,
        data_mode=status.st_mode & 0o7777,
        layout=place.layout,
        config_file=place.config_file,
        hba_file=hba_file,
        ident_file=ident_file,
        auto_conf=auto_conf,
        managed_by=managed.manager_of(directory, heads),
        bin_directory=found_programs.bin_directory if found_programs else None,
        tls_built_in=found_programs.tls if found_programs else None,
        openssl_version=found_programs.openssl if found_programs else None,
        postmaster=server,
        server=asked.said,
        server_problem=asked.problem,
        tls_answers=asked.tls_answers,
        served_sha256=asked.served_sha256,
        log_file=log.find(directory, server),
        files=recorder.files,
        directories=recorder.directories,
        command_line=arguments,
        settings=settings,
        certificates=certificates,
        rules=rules,
        found_names=found_names(settings, certificates),
        label=layout.label_of(place),
    )
    return replace(cluster, findings=sayings.of_cluster(cluster, resolution))


def _file(directory: Path, resolution: Resolution, name: str, defaults: dict[str, str]) -> Path:
    winner = resolution.winner(name)
    if winner is None:
        return Path(defaults[name])
    # A relative value means the directory in which the server was started, which nobody can know; the data directory is
    # where a postmaster works, and the best guess.
    return directory / winner.value


def _must_be_readable(fact: FileFact) -> None:
    if not fact.exists:
        raise Refused("This file is missing; the server would not start without it.", where=str(fact.path), code="unreadable-file")
    if fact.problem:
        raise Refused(
            f"This file cannot be used: {fact.problem}.",
            where=str(fact.path),
            hint="Run this as root, or as the user that owns the cluster.",
            code="unreadable-file",
        )


def _programs(major: int, pg_bin: Path | None, directory: Path) -> programs.Programs | None:
    try:
        return programs.find(major, pg_bin, directory)
    except Refused:
        if pg_bin is not None:
            raise
        return None


def _ask(server: Postmaster | None, hba_file: Path, user: str | None, database: str | None, uid: int) -> _Asked:
    if server is None:
        return _Asked()
    from pgssl_wizard.server import admin  # noqa: PLC0415 - psycopg only where a server runs

    address = admin.loopback(server.listen_address)
    served = handshake.fetch(address, server.port) if address else None
    tls = True if served else (handshake.answers_tls(address, server.port) if address else None)
    sha = served.sha256 if served else None
    try:
        with admin.connect(server, user, database, uid) as session:
            said, in_force = server_says.ask(session, hba_file)
    except WizardError as error:
        return _Asked(problem=str(getattr(error, "reason", error.message)), tls_answers=tls, served_sha256=sha)
    return _Asked(said, in_force, None, tls, sha)
