"""What is there: one frozen `Cluster`, everything the plan may rest on and nothing that it would have to go and look up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal

from pgssl_wizard.files.hba import Rule
from pgssl_wizard.findings import Finding

Layout = Literal["initdb", "debian", "rhel", "docker", "other"]
SettingSource = Literal["default", "file", "auto.conf", "command-line", "environment"]
CertificateRole = Literal["server", "intermediate", "root", "client-ca"]


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
class Session:
    """One client session over TCP that the running server reported."""

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


@dataclass(frozen=True, slots=True)
class Postmaster:
    """A running server as its postmaster.pid describes it; `socket_directory` is None without Unix sockets."""

    pid: int
    port: int
    socket_directory: Path | None
    listen_address: str | None
    started: datetime | None = None


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
        standbys: how many servers stream from this one now.
        restart_pending: settings whose file value counts only after a restart, in words.
        edited: which files of rules and maps those are.
    """

    user: str
    superuser: bool
    in_recovery: bool
    sessions: tuple[Session, ...] = ()
    pending: tuple[str, ...] = ()
    rules_edited_since_load: bool = False
    allow_alter_system: bool = True
    roles: tuple[str, ...] = ()
    standbys: int = 0
    restart_pending: tuple[str, ...] = ()
    edited: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class FoundName:
    """A name or address under which clients may know the server, and how we know."""

    name: str
    why: str
    recommended: bool = True


@dataclass(frozen=True, slots=True)
class Cluster:
    """One data directory and everything around it, at one instant.

    Attributes:
        major: 13 to 19.
        server_version: `17.10` when the programs told, else the major.
        bin_directory: the server's own programs, None when they were not found.
        tls_built_in: None when no program could be asked.
        config_file, hba_file, ident_file, auto_conf: the files in use, absolute.
        files: every configuration file that was read (includes too), by path, in reading order.
        directories: the names in every directory that takes part, for includes.
        settings: every TLS setting of this version and the neighbours that matter (port, listen_addresses, hba_file, …).
        rules: every line of the rules in reading order, includes expanded.
        postmaster: None when the server is down.
        server: None when it is down or nobody could log in; `server_problem` then says why.
        tls_answers: whether a raw SSLRequest was answered with S; None when it could not be asked.
        served_sha256: the certificate actually served, lower-case hex of its DER.
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
    findings: tuple[Finding, ...] = ()
    label: str = ""

    @property
    def running(self) -> bool:
        """Whether a server has this data directory open."""
        return self.postmaster is not None

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


@dataclass(frozen=True, slots=True)
class StandingCa:
    """A CA that stands and is to sign (`existing-ca`).

    Attributes:
        certificate, key: its files.
        chain: the signer and those above it, without the root.
        root: the self-signed end, which is the signer itself where the chain is empty; None when no file holds it.
        root_file: what clients can have as root: a file with it alone, or the one that holds all of them.
        key_fits: whether the key belongs to the signer; None: it is encrypted, or cannot be read.
        key_exists: whether its file is there.
        may_sign: whether the signer is a CA.
        until: when the first of them ends.
        too_short: whether that is before a certificate of the wanted days would end.
    """

    certificate: Path
    key: Path
    chain: tuple[CertificateFact, ...] = ()
    root: CertificateFact | None = None
    root_file: Path | None = None
    key_fits: bool | None = None
    key_exists: bool = False
    may_sign: bool = False
    until: datetime | None = None
    too_short: bool = False

    @property
    def signer(self) -> CertificateFact | None:
        """Who signs; None when there is no certificate."""
        return self.chain[0] if self.chain else self.root


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What stands at the places that the answers name, outside the cluster itself.

    Attributes:
        files: a fact for every path that the plan may create, modify or use, missing ones included.
        directories: the directories these files go into, missing ones included (mode, owner).
        ca: certificates found in the CA directory, by file name (`root.crt`, `intermediate.crt`).
        ca_path_length: how many CAs may stand below each of them, None for any number.
        ca_keys: which of the CA's keys are there and match their certificate, by file name; None: encrypted or unreadable.
        standing_ca: the CA of `existing-ca`.
        leaf: the certificate at the place where the server's goes, with whether the key beside it matches.
        leaf_issuer: whose key really signed it: the file name of a CA above, `standing`, `self`, or None for anybody else.
        leaf_chain: common names of what follows the leaf in its file.
        leaf_due: less than a third of its life is left.
        user: the uid that runs this program.
        key_gid: of the group that shall read the key, None when there is no such group or none is asked for.
        group_member: whether the server's user is in that group; running_with_group: whether the running server already is.
        blocked: per planned file, the first parent directory that the server's user cannot pass, if any.
    """

    files: Mapping[Path, FileFact] = field(default_factory=dict)
    directories: Mapping[Path, FileFact] = field(default_factory=dict)
    ca: Mapping[str, CertificateFact] = field(default_factory=dict)
    ca_path_length: Mapping[str, int | None] = field(default_factory=dict)
    ca_keys: Mapping[str, bool | None] = field(default_factory=dict)
    client_ca: tuple[CertificateFact, ...] = ()
    standing_ca: StandingCa | None = None
    leaf: CertificateFact | None = None
    leaf_issuer: str | None = None
    leaf_chain: tuple[str, ...] = ()
    leaf_due: bool = False
    key_gid: int | None = None
    group_member: bool | None = None
    running_with_group: bool | None = None
    user: int = 0
    user_gid: int = 0
    user_name: str = "root:root"
    umask: int = 0o022
    blocked: Mapping[Path, Path] = field(default_factory=dict)
