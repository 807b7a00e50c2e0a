"""Everything about one data directory, read and asked once: a frozen `Cluster`. Writes nothing."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Generic, TypeVar

from pgssl_wizard.cluster import findings as sayings
from pgssl_wizard.cluster import known, layout, managed, requested, selinux, server_says
from pgssl_wizard.cluster.addresses import own_ranges
from pgssl_wizard.cluster.certificates import tls_files
from pgssl_wizard.cluster.facts import Cluster, FileFact, Postmaster, ServerSays
from pgssl_wizard.cluster.names import found_names
from pgssl_wizard.cluster.protocol_facts import library_of
from pgssl_wizard.cluster.reading import Recorder, fact_of, owner_in_words, who_can_read
from pgssl_wizard.cluster.service import service_of
from pgssl_wizard.cluster.settings import Live, path_in, settings_of
from pgssl_wizard.errors import Refused, WizardError
from pgssl_wizard.files.hba import files_of, parse_rules, surrounding_of
from pgssl_wizard.files.settings import Resolution, resolve
from pgssl_wizard.protocol.openssl_conf import SystemDefault
from pgssl_wizard.protocol.suites import TlsLibrary
from pgssl_wizard.server import command_line, handshake, log, postmaster, programs
from pgssl_wizard.server.identity import Identity

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the running server answered, or why nobody could ask."""

    said: ServerSays | None = None
    live: Live = field(default_factory=Live)
    loaded: float = 0.0
    problem: str | None = None
    tls_answers: bool | None = None
    served_sha256: str | None = None


@dataclass(frozen=True, slots=True)
class _Asides:
    """What the server's programs told: themselves, and what they hold against the settings files."""

    programs: programs.Programs | None = None
    refusal: str | None = None
    library: TlsLibrary | None = None
    system_default: SystemDefault | None = None


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
    named = layout.named(data_directory)
    directory = named.data_directory
    # The programs run elsewhere than where the person stands.
    pg_bin = pg_bin.absolute() if pg_bin else None
    status = directory.stat()
    owner = owner_in_words(status.st_uid, status.st_gid)
    _must_be_ours(directory, status.st_uid, owner)
    major = layout.major_of(directory)
    server = postmaster.read(directory)
    arguments = dict(command_line.settings(directory, server))
    place = layout.place_of(directory, major, server, arguments, named.config_file if server is None else None)
    # The programs run while we wait for the server and import its client library.
    aside = _Aside(lambda: _run_programs(major, pg_bin, directory, place.config_file, server))
    asked = _ask(server, user, database, status.st_uid)
    if asked.live.in_force.get("config_file") and server is not None:
        # What the server itself says beats every reading of its command line.
        place = layout.place_of(directory, major, server, arguments, Path(asked.live.in_force["config_file"]))
    recorder = Recorder()
    auto_conf = directory / "postgresql.auto.conf"
    resolution = resolve(place.config_file, auto_conf, recorder.read, recorder.list_directory, arguments, major)
    defaults = {"hba_file": str(place.config_directory / "pg_hba.conf"), "ident_file": str(place.config_directory / "pg_ident.conf")}
    hba_file = _file(directory, resolution, "hba_file", defaults, asked.live, server)
    ident_file = _file(directory, resolution, "ident_file", defaults, asked.live, server)
    rules = parse_rules(hba_file, major, recorder.read, recorder.list_directory, surrounding_of(_in_files(resolution), major))
    recorder.read(ident_file)
    for path in (place.config_file, hba_file):
        _must_be_there(recorder.files.get(path) or fact_of(path))
    for fact in recorder.files.values():
        _must_be_readable(fact)
    if asked.said is not None:
        rule_files = files_of(hba_file, major, recorder.read, recorder.list_directory)
        edited = server_says.edited_since((*rule_files, *([ident_file] if ident_file in recorder.files else [])), asked.loaded)
        asked = replace(asked, said=replace(asked.said, rules_edited_since_load=bool(edited), edited=edited))
    settings = settings_of(resolution, major, auto_conf, defaults, asked.live)
    groups = _groups(server, status.st_uid, status.st_gid)
    tls = tls_files(
        path_in(directory, resolution, "ssl_cert_file", "server.crt"),
        path_in(directory, resolution, "ssl_key_file", "server.key"),
        path_in(directory, resolution, "ssl_ca_file", ""),
        status.st_uid,
        groups,
        crl=path_in(directory, resolution, "ssl_crl_file", ""),
        crl_directory=path_in(directory, resolution, "ssl_crl_dir", ""),
    )
    # The names of files that a server in a container writes mean others here.
    log_file = None if server is not None and server.apart else log.find(directory, server)
    standard_error = known.standard_error(place.layout, major, place.config_directory, log_file)
    logged = known.logged(known.where(directory, _in_force(asked.live, resolution), standard_error))
    if server is not None and server.apart:
        logged = known.Logged(silence="elsewhere")
    ran = aside.result()
    found = ran.programs
    cluster = Cluster(
        data_directory=directory,
        major=major,
        server_version=found.version if found else str(major),
        owner=owner,
        uid=status.st_uid,
        gid=status.st_gid,
        data_mode=status.st_mode & 0o7777,
        layout=place.layout,
        config_file=place.config_file,
        hba_file=hba_file,
        ident_file=ident_file,
        auto_conf=auto_conf,
        managed_by=managed.manager_of(directory, place.config_file, {path: fact.data or b"" for path, fact in recorder.files.items()}),
        bin_directory=found.bin_directory if found else None,
        tls_built_in=found.tls if found else None,
        openssl_version=found.openssl if found else None,
        tls_library=ran.library,
        system_default=ran.system_default,
        postmaster=server,
        server=asked.said,
        server_problem=asked.problem,
        tls_answers=asked.tls_answers,
        served_sha256=asked.served_sha256,
        log_file=log_file,
        files=recorder.files,
        directories=recorder.directories,
        command_line=arguments,
        settings=settings,
        certificates=tls.certificates,
        key_encrypted=tls.key_encrypted,
        selinux=selinux.enforcing(),
        requested=requested.find(directory),
        logged=logged.known,
        log_silence=logged.silence,
        unplaced=logged.unplaced,
        own_ranges=own_ranges(),
        patroni=managed.patroni_says(directory),
        rules=rules,
        found_names=found_names(settings, tls.certificates),
        label=layout.label_of(place),
    )
    left_pid = _left_pid(directory) if server is None else None
    cluster = replace(cluster, service=service_of(cluster))
    return replace(cluster, findings=sayings.of_cluster(cluster, sayings.Evidence(resolution, tls, ran.refusal, groups, left_pid)))


class _Aside(Generic[_T]):
    """Something done beside the main way; its error comes out where its result is asked for."""

    def __init__(self, body: Callable[[], _T]) -> None:
        self._results: list[_T] = []
        self._errors: list[BaseException] = []
        self._body = body
        self._thread = threading.Thread(target=self._run, name="aside", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._results.append(self._body())
        except BaseException as error:  # noqa: BLE001 - raised again by `result`
            self._errors.append(error)

    def result(self) -> _T:
        """Return what came out, when it has."""
        self._thread.join()
        if self._errors:
            raise self._errors[0]
        return self._results[0]


def _run_programs(major: int, pg_bin: Path | None, directory: Path, config_file: Path, server: Postmaster | None) -> _Asides:
    """Find the server's programs, and let them read the settings files: they know every setting, we only those around TLS."""
    try:
        found = programs.find(major, pg_bin, directory)
    except Refused:
        if pg_bin is not None:
            raise
        return _Asides()
    refusal = None
    try:
        programs.postgres_c(found, "ssl", directory, {"config_file": str(config_file)})
    except Refused as error:
        refusal = error.message if error.code == "server-refuses-files" else None
    if server is not None and server.apart:
        # The library in its container is another one.
        return _Asides(found, refusal)
    status = directory.stat()
    return _Asides(found, refusal, *library_of(found, status.st_uid, status.st_gid, server.pid if server else None))


def _must_be_ours(directory: Path, uid: int, owner: str) -> None:
    if os.geteuid() in {0, uid}:
        return
    name = owner.partition(":")[0]
    raise Refused(
        f"This data directory belongs to {name}.", where=str(directory), hint=f"Run this as root, or as {name}.", code="no-permission"
    )


def _in_files(resolution: Resolution) -> Callable[[str], str | None]:
    """Return the look-up of a setting's value in the files; what no file sets has its default, the empty list or off."""

    def value(name: str) -> str | None:
        winner = resolution.winner(name)
        return winner.value if winner else ""

    return value


def _in_force(live: Live, resolution: Resolution) -> Callable[[str], str | None]:
    """Return the look-up of any setting's value: as the running server says, else as the files say, else None."""

    def value(name: str) -> str | None:
        said = live.in_force.get(name)
        winner = resolution.winner(name) if said is None else None
        return winner.value if winner else said

    return value


def _file(directory: Path, resolution: Resolution, name: str, defaults: Mapping[str, str], live: Live, server: Postmaster | None) -> Path:
    """Return the file of the rules or maps: as the running server says, unless a restart will change it; else as the files say."""
    if live.in_force.get(name):
        return Path(live.in_force[name])
    winner = resolution.winner(name)
    if winner is None or not winner.value:
        return Path(defaults[name])
    # A relative value means the directory in which the server was started, which nobody can know; the data directory is
    # where a postmaster works, and the best guess.
    return layout.seen_from_here(directory, Path(winner.value), server)


def _must_be_there(fact: FileFact) -> None:
    if not fact.exists:
        raise Refused("This file is missing; the server would not start without it.", where=str(fact.path), code="unreadable-file")


def _must_be_readable(fact: FileFact) -> None:
    # Stolon puts this in place of postgresql.auto.conf, so that ALTER SYSTEM has no effect.
    if fact.problem and fact.real_path != Path(os.devnull):
        able = f"; {who_can_read(fact)} can read it" if fact.owner else ""
        raise Refused(
            f"This file cannot be used: {fact.problem}{able}.",
            where=str(fact.path),
            hint="Run this as root, or as the user that owns the cluster.",
            code="unreadable-file",
        )


def _groups(server: Postmaster | None, uid: int, gid: int) -> frozenset[int]:
    """Return the groups that count when the server opens a file: those of the running process, else its user's."""
    running = command_line.groups(server.pid) if server else None
    return running if running is not None else frozenset(Identity.of(uid, gid).groups)


def _left_pid(directory: Path) -> int | None:
    """Return the process that a postmaster.pid names although no server of this directory is there; None: there is no such file."""
    try:
        first = (directory / "postmaster.pid").read_bytes().split(b"\n", 1)[0].strip()
    except OSError:
        return None
    return abs(int(first)) if first.removeprefix(b"-").isdigit() else 0


def _ask(server: Postmaster | None, user: str | None, database: str | None, uid: int) -> _Asked:
    if server is None:
        return _Asked()
    if server.apart:
        # Its address and its sockets are those of somebody else here.
        return _Asked(problem="it runs in a container")
    from pgssl_wizard.server import admin  # noqa: PLC0415 - psycopg only where a server runs

    address = admin.loopback(server.listen_address)
    met = handshake.probe(address, server.port) if address else None
    tls = None if met is None or met.answer == "nobody" else met.answer == "tls"
    sha = met.served.sha256 if met and met.served else None
    try:
        with admin.connect(server, user, database, uid) as session:
            told = server_says.ask(session)
    except WizardError as error:
        return _Asked(problem=str(getattr(error, "reason", error.message)), tls_answers=tls, served_sha256=sha)
    return _Asked(told.said, told.live, told.loaded, tls_answers=tls, served_sha256=sha)
