"""What is there: one frozen `Cluster`, everything the plan may rest on and nothing that it would have to go and look up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal

from pgssl_wizard.files.hba import Rule
from pgssl_wizard.findings import Finding
from pgssl_wizard.protocol.openssl_conf import SystemDefault
from pgssl_wizard.protocol.suites import TlsLibrary

Layout = Literal["initdb", "debian", "rhel", "docker", "other"]
SettingSource = Literal["default", "file", "auto.conf", "command-line", "environment"]
CertificateRole = Literal["server", "intermediate", "root", "client-ca"]
ServiceKind = Literal["systemd", "debian", "container", "pg_ctl", "manager"]
#: How somebody is known: connected now, in the log, streaming from this server, or named by the person.
KnownFrom = Literal["session", "log", "replication", "named"]
#: Why the log tells of no (more) connections: see `server.connection_log`.
LogSilence = Literal["off", "elsewhere", "unreadable", "no-address", "empty"]


@dataclass(frozen=True, slots=True)
class FileFact:
    """One file as it stood when it was read.

    Attributes:
        path: as the server or the person names it, absolute.
        real_path: after following symbolic links; writes go there.
        exists: False for a file that is only named.
        mode: permission bits, 0 when it does not exist.
        uid, gid, owner: numbers, and `user:group`.
        data: its bytes; None for secrets, for unreadable and for missing files.
        problem: why it could not be read, in words, or None.
        sha256: lower-case hex of its content, secrets too; None when it is missing or unreadable.
    """

    path: Path
    real_path: Path
    exists: bool
    mode: int = 0
    uid: int = -1
    gid: int = -1
    owner: str = ""
    data: bytes | None = field(default=None, repr=False)
    problem: str | None = None
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting and where its value comes from.

    Attributes:
        value: what the files (and the command line) say: the value after the next reload or start.
        source: which of the places wins.
        file, line: the winning line, None for default and command line.
        in_force: what the running server says now, None when nobody could ask it.
        overridden: the lines that set it too and lose, as `file:line`.
        included_by: the include lines that lead from postgresql.conf to `file`, as `file:line`.
    """

    name: str
    value: str
    source: SettingSource = "default"
    file: Path | None = None
    line: int | None = None
    in_force: str | None = None
    overridden: tuple[str, ...] = ()
    included_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CertificateFact:
    """One certificate found on disk, in plain terms; `key_matches` only for the server's own."""

    role: CertificateRole
    path: Path
    subject: str
    issuer: str
    names: tuple[str, ...]
    not_before: datetime
    not_after: datetime
    sha256: str
    key_type: str
    key_matches: bool | None = None
    common_name: str = ""
    self_signed: bool = False


@dataclass(frozen=True, slots=True)
class Known:
    """One way in which somebody comes in, however often.

    Attributes:
        source: how we know.
        database: empty for a physical walsender.
        address: canonical; None means the Unix socket, unless `host_name` says where from.
        host_name: the name that was logged instead of an address, which is not known then; else empty.
        tls: None where nobody knows: as libpq does by itself, over TLS where it is offered and without where that fails.
        certificate: the subject of what it shows, or a common name alone, None when nothing is known of one.
        walsender: replication, physical (without a database: `replication`) or logical.
        administrator: this program's own way in.
        count: how often it was met; last: when last, None when nothing tells, or it is connected now.
    """

    source: KnownFrom
    user: str
    database: str = ""
    address: str | None = None
    host_name: str = ""
    tls: bool | None = False
    gss: bool = False
    replication: bool = False
    walsender: bool = False
    application: str = ""
    certificate: str | None = None
    administrator: bool = False
    count: int = 1
    last: datetime | None = None

    @property
    def over_socket(self) -> bool:
        """Whether it comes over the Unix socket."""
        return self.address is None and not self.host_name


@dataclass(frozen=True, slots=True)
class Session:
    """One client session over TCP that the running server reported; `walsender` says that it streams, physically or logically."""

    user: str
    database: str
    application: str
    address: str
    tls: bool
    gss: bool = False
    replication: bool = False
    tls_version: str | None = None
    cipher: str | None = None
    certificate: str | None = None
    walsender: bool = False


@dataclass(frozen=True, slots=True)
class Postmaster:
    """A running server as its postmaster.pid describes it; `socket_directory` is None without Unix sockets.

    Attributes:
        pid: by our numbering.
        apart: in which namespaces (`pid`, `net`) it lives and we do not, as in a container: then nothing here connects to it, and it
            has neither sockets nor addresses for us.
    """

    pid: int
    port: int
    socket_directory: Path | None
    listen_address: str | None
    started: datetime | None = None
    apart: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Service:
    """How this cluster is started, with the commands that do it; None for what only its manager decides.

    Attributes:
        kind: `systemd` a unit, `debian` pg_ctlcluster, `container` from outside of it, `pg_ctl` by hand, `manager` a system that manages
            the cluster.
        start, restart, reload: for a shell.
        arguments: where the server's command line is written, for people.
    """

    kind: ServiceKind
    start: str | None
    restart: str | None
    reload: str | None
    arguments: str = "the start command"


@dataclass(frozen=True, slots=True)
class PatroniSays:
    """What Patroni's dynamic configuration holds, by the copy that it keeps in the data directory.

    Attributes:
        parameters: the names of the settings in it.
        rules, maps: whether it holds the lists `pg_hba` and `pg_ident`.
        by_role: lists for members of one role alone, which take the place of the former: `pg_hba_primary` and their like.
    """

    parameters: frozenset[str] = frozenset()
    rules: bool = False
    maps: bool = False
    by_role: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ServerSays:
    """What the running server answered over SQL; absent when nobody could log in.

    Attributes:
        superuser: whether the administrator's login may read everything below.
        in_recovery: a standby.
        sessions: client sessions over TCP, our own not counted.
        pending: settings whose file value differs from the one in force (somebody's edits waiting for a reload), in words.
        rules_edited_since_load: a file of the rules or maps changed after the server last loaded its configuration.
        allow_alter_system: False when ALTER SYSTEM is refused (17 and later).
        roles: that can log in.
        privileged: those of them that are superusers or may replicate.
        standbys: how many servers stream from this one now.
        restart_pending: settings whose file value counts only after a restart, in words.
        edited: which files of rules and maps those are.
        local: who comes in over the Unix socket now, and our own way in.
        memberships: by role, every role that it is a member of, directly or indirectly; None when nobody was asked.
    """

    user: str
    superuser: bool
    in_recovery: bool
    sessions: tuple[Session, ...] = ()
    pending: tuple[str, ...] = ()
    rules_edited_since_load: bool = False
    allow_alter_system: bool = True
    roles: tuple[str, ...] = ()
    privileged: tuple[str, ...] = ()
    standbys: int = 0
    restart_pending: tuple[str, ...] = ()
    edited: tuple[Path, ...] = ()
    local: tuple[Known, ...] = ()
    memberships: Mapping[str, tuple[str, ...]] | None = None


@dataclass(frozen=True, slots=True)
class FoundName:
    """A name or address under which clients may know the server, and how we know."""

    name: str
    why: str
    recommended: bool = True


@dataclass(frozen=True, slots=True)
class PendingRequest:
    """A request for a certificate whose answer has not been imported yet.

    Attributes:
        record: the file that tells of it.
        request: where the request was written.
        key: where its private key waits; it is there.
        place: where the key goes with the certificate.
        names: what was asked for, as they stand in the request.
        key_type: in the words of the answers file.
        public_sha256: lower-case hex of the key's public half (SubjectPublicKeyInfo, DER).
        made: when.
        request_exists: whether the request is still where it was written.
    """

    record: Path
    request: Path
    key: Path
    place: Path
    names: tuple[str, ...]
    key_type: str
    public_sha256: str
    made: datetime
    request_exists: bool = True


def waiting_key(place: Path) -> Path:
    """Return where a key waits that will go to `place` once its certificate is there."""
    return place.with_name(f"{place.name}.requested")


@dataclass(frozen=True, slots=True)
class Cluster:
    """One data directory and everything around it, at one instant.

    Attributes:
        major: 13 to 19.
        server_version: `17.10` when the programs told, else the major.
        bin_directory: the server's own programs, None when they were not found.
        tls_built_in: None when no program could be asked.
        tls_library: the library that the server loads, as it describes itself; None when it could not be loaded here.
        system_default: what the host's openssl.cnf asks of it.
        config_file, hba_file, ident_file, auto_conf: the files in use, absolute.
        files: every configuration file that was read (includes too), by path, in reading order.
        directories: the names in every directory that takes part, for includes.
        settings: every TLS setting of this version and the neighbours that matter (port, listen_addresses, hba_file, …).
        rules: every line of the rules in reading order, includes expanded.
        postmaster: None when the server is down.
        server: None when it is down or nobody could log in; `server_problem` then says why.
        tls_answers: whether a raw SSLRequest was answered with S; None when it could not be asked.
        served_sha256: the certificate actually served, lower-case hex of its DER.
        key_encrypted: the server's key asks for a passphrase.
        selinux: SELinux is in force on this machine.
        requested: a certificate that was requested and has not been imported yet.
        logged: who came in, by the server's log.
        log_silence: why the log tells of no (more) connections; None when it does, or was not looked at.
        unplaced: how many came in whose address the log does not tell.
        own_ranges: this machine's addresses as `address/prefix`; empty when nobody looked.
        service: how it is started; None when nobody looked.
        patroni: what Patroni's dynamic configuration holds; None for others, and where it cannot be read.
    """

    data_directory: Path
    major: int
    server_version: str
    owner: str
    uid: int
    gid: int
    data_mode: int
    layout: Layout
    config_file: Path
    hba_file: Path
    ident_file: Path
    auto_conf: Path
    managed_by: str | None = None
    bin_directory: Path | None = None
    tls_built_in: bool | None = None
    openssl_version: str | None = None
    tls_library: TlsLibrary | None = None
    system_default: SystemDefault | None = None
    postmaster: Postmaster | None = None
    server: ServerSays | None = None
    server_problem: str | None = None
    tls_answers: bool | None = None
    served_sha256: str | None = None
    log_file: Path | None = None
    files: Mapping[Path, FileFact] = field(default_factory=dict)
    directories: Mapping[Path, tuple[str, ...]] = field(default_factory=dict)
    command_line: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, Setting] = field(default_factory=dict)
    certificates: tuple[CertificateFact, ...] = ()
    rules: tuple[Rule, ...] = ()
    found_names: tuple[FoundName, ...] = ()
    key_encrypted: bool = False
    selinux: bool = False
    requested: PendingRequest | None = None
    logged: tuple[Known, ...] = ()
    log_silence: LogSilence | None = None
    unplaced: int = 0
    own_ranges: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    label: str = ""
    service: Service | None = None
    patroni: PatroniSays | None = None

    @property
    def running(self) -> bool:
        """Whether a server has this data directory open."""
        return self.postmaster is not None

    def to(self, what: Literal["start", "restart", "reload"]) -> str:
        """Return how people do this here, to stand in a sentence: with the command, where there is one."""
        command = getattr(self.service, what) if self.service is not None else None
        if command is None:
            through = f" through {self.managed_by}" if self.managed_by else ""
            return f"{what} the server{through}"
        kind = self.service.kind if self.service is not None else None
        # pg_ctl refuses to run as root.
        where = {"container": " outside the container", "pg_ctl": f" as {self.owner.partition(':')[0]}"}.get(kind or "", "")
        return f"run “{command}”{where}"

    def value(self, name: str) -> str:
        """Return the value that the files give the setting `name`; empty when this version does not know it."""
        setting = self.settings.get(name)
        return setting.value if setting else ""

    def line_of(self, file: Path, number: int) -> str:
        """Return the text of a line (from 1) of a file that was read; empty when there is none."""
        fact = self.files.get(file)
        lines = ((fact.data if fact else None) or b"").split(b"\n")
        return lines[number - 1].decode("utf-8", "surrogateescape") if 0 < number <= len(lines) else ""

    def path_of(self, name: str) -> Path | None:
        """Return the file that setting `name` points to; relative values mean the data directory. None when empty."""
        value = self.value(name)
        return self.data_directory / value if value else None
