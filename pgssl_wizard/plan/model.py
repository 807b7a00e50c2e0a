"""What would change: one frozen, serialisable `Plan`. Making it reads and writes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

from pgssl_wizard.answers import Answers
from pgssl_wizard.certificates.profiles import Profile
from pgssl_wizard.cluster.facts import KnownFrom
from pgssl_wizard.findings import Finding
from pgssl_wizard.protocol.suites import VERSIONS, Offer, Suite

Action = Literal["create", "modify", "delete"]
FileRole = Literal[
    "server-certificate",
    "server-key",
    "server-pair",
    "root-certificate",
    "root-key",
    "intermediate-certificate",
    "intermediate-key",
    "client-ca",
    "crl",
    "ca-crl",
    "kit",
    "request",
    "requested-key",
    "record",
    "settings",
    "auto-settings",
    "rules",
    "maps",
]
#: `ca` files and `kits` belong to the person and are never undone; `tls` goes first and is proved; `kits` and `rules` follow.
Phase = Literal["ca", "tls", "kits", "rules"]
#: Passphrases that apply asks for: a new one for the server's key or a new CA's keys, or the one that opens a CA's key.
Asks = Literal["server-key", "new-ca-key", "ca-key"]
#: What a plan may hold only when somebody has said so: suites without encryption, TLS 1.0 and 1.1.
Weakness = Literal["null-ciphers", "weak-protocol"]
#: What a known client is, when it is nobody sitting at a keyboard; the administrator's own way in is among them.
Machine = Literal["replication", "monitoring", "backup", "administrator", "failover", "pooler"]
#: What a client has of the certificate that it must show: it shows one already, a kit is planned for it, or nothing.
CertificateNeed = Literal["shown", "kit", "missing"]
Effective = Literal["now", "next-start", "restart-needed", "not-reloaded"]


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """One file to be created, modified or deleted; a `kit` is a directory with its files.

    Attributes:
        path: absolute, symbolic links followed.
        mode: permission bits that it will have, from before its first byte.
        uid, gid, owner: who it will belong to, as numbers and as `user:group`.
        secret: its content is never shown.
        before, after: bytes; `after` is None for what is made at apply (keys, certificates) and for deletions.
        copy_of: instead of `after`: this file gets the bytes of another planned certificate (`ssl_ca_file` = our root).
        profile: for certificates, what they will say; the key files name the profile of their certificate too.
        chain: for a certificate file, the profiles in it, leaf first; in a `server-pair` the leaf's key stands behind them.
        joins: for the server's revocation lists: planned files whose bytes follow those of `after`.
        signed_with: for a CA's revocation list: certificate and key of that CA, where it stands; one made now is the `profile`.
        continues: the list so far, PEM, None for a first one.
        key_file: the file from which a key comes that is not made now; of a `server-pair` `after` then holds the certificates.
        holds: of a file with certificates that are not made now, each in plain words, leaf first.
    """

    path: Path
    action: Action
    role: FileRole
    phase: Phase
    mode: int
    uid: int
    gid: int
    owner: str
    secret: bool = False
    before: bytes | None = None
    after: bytes | None = None
    copy_of: Path | None = None
    profile: Profile | None = None
    chain: tuple[Profile, ...] = ()
    joins: tuple[Path, ...] = ()
    signed_with: tuple[Path, Path] | None = None
    continues: bytes | None = None
    key_file: Path | None = None
    holds: tuple[tuple[str, ...], ...] = ()


class RuleChange(NamedTuple):
    """One rule, today and after.

    Attributes:
        file, line: where it stands today; line 0 for a rule that is new at the end.
        before: the rule as it stands, its own spacing; empty when new.
        after: what replaces it (one or two lines); empty when it is commented out.
        action: `keep`, `change`, `comment-out`, `add`.
        fields: type, database, user, address, method of today's rule, for a table.
        note: why, in a few words.
        plain_sessions, tls_sessions: sessions connected now that this rule let in (best knowledge; 0 when unknown).
    """

    file: Path
    line: int
    before: str
    after: tuple[str, ...]
    action: Literal["keep", "change", "comment-out", "add"]
    fields: tuple[str, str, str, str, str] = ("", "", "", "", "")
    note: str = ""
    plain_sessions: int = 0
    tls_sessions: int = 0


@dataclass(frozen=True, slots=True)
class LockedOut:
    """A known attempt that is accepted today and refused afterwards."""

    who: str
    rule_now: str | None
    rule_then: str | None
    message: str


class KnownChange(NamedTuple):
    """What the change means to one known client.

    Attributes:
        who: in words, with how we know.
        machine: what kind of machine it is; None for anybody else.
        source: how we know.
        rule_now, rule_then: the rule that it meets, as `file:line`; None where none matches.
        changes: it meets another rule, or the same with other words.
        certificate: what it has of the certificate that it must show afterwards; None when it need not show any.
        refused: the words that it gets afterwards, when it is let in today and refused then; else None.
        let_in_now, let_in_then: whether it is let in today, and afterwards.
        user, database, origin, manner, application: for a table; `origin` is an address, a name, or `socket`.
        now, then: how it fares, in two words, for a table.
    """

    who: str
    machine: Machine | None
    source: KnownFrom
    rule_now: str | None
    rule_then: str | None
    changes: bool
    certificate: CertificateNeed | None
    refused: str | None
    let_in_now: bool = True
    let_in_then: bool = True
    user: str = ""
    database: str = ""
    origin: str = ""
    manner: str = ""
    application: str = ""
    now: str = ""
    then: str = ""


@dataclass(frozen=True, slots=True)
class Ciphers:
    """What the server will offer: by its own library, for the type of its key."""

    offer: Offer
    key: str

    @property
    def versions(self) -> tuple[str, ...]:
        """The versions of TLS that it really speaks, oldest first."""
        return self.offer.versions(self.key)

    @property
    def usable(self) -> tuple[Suite, ...]:
        """The suites that can come about."""
        return self.offer.usable(self.key)

    @property
    def asked_versions(self) -> tuple[str, ...]:
        """The versions that the settings let in, whether or not the library offers them."""
        asked = self.offer.asked
        low = VERSIONS.index(asked.minimum) if asked.minimum in VERSIONS else 0
        high = VERSIONS.index(asked.maximum) if asked.maximum in VERSIONS else len(VERSIONS) - 1
        return VERSIONS[low : high + 1]


@dataclass(frozen=True, slots=True)
class Document:
    """One piece of a plan in the format of the system that manages the cluster.

    Attributes:
        title: what it is, in the order in which they are handed over.
        format: of the text.
        text: to be saved as it stands, ending with a newline; passwords in it are replaced by stars, and `how` says so.
        how: what to do with it, line by line for a shell; lines that begin with `#` are for people.
    """

    title: str
    format: Literal["yaml", "json", "nix", "sh"]
    text: str
    how: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class HandedFile:
    """A file that people put in its place themselves, on every member of the cluster; `owner` is `user:group`."""

    path: Path
    mode: int
    owner: str
    what: str


@dataclass(frozen=True, slots=True)
class HandedOver:
    """The same wish in the words of the system that manages the cluster, which takes it instead of the files."""

    manager: str
    documents: tuple[Document, ...] = ()
    files: tuple[HandedFile, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that apply will do, decided beforehand.

    Attributes:
        inputs: SHA-256 of every file the plan rests on, by path; None for files that must not exist.
        new_directories: directories to be made first, with mode and owner.
        settings: every setting that the plan changes, name to value (unquoted).
        sql: statements that apply will run, in order, on a running server.
        openssl: commands for a POSIX shell in an empty directory that make the same files by hand.
        trust_anchor: the file that clients need.
        known: what the change means to everybody who is known, machines first.
        goes_live_too: other people's pending edits that our reload would activate, in words.
        effective: when the change takes effect.
        issue: which certificates apply will make, issuers first.
        asks: the passphrases that no command gives, so that somebody has to type them.
        ciphers: what the settings of the protocol come to; None when nobody could ask the library.
        weaknesses: what somebody has to accept in so many words before it is applied.
        handed_over: for a cluster that somebody manages, what to hand to its manager; then nothing of this is applied.
        hash: over everything above; the same inputs give the same hash.
    """

    data_directory: Path
    major: int
    answers: Answers
    inputs: Mapping[Path, str | None] = field(default_factory=dict)
    new_directories: tuple[PlannedFile, ...] = ()
    changes: tuple[PlannedFile, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)
    sql: tuple[str, ...] = ()
    openssl: tuple[str, ...] = ()
    trust_anchor: Path | None = None
    rules: tuple[RuleChange, ...] = ()
    locked_out: tuple[LockedOut, ...] = ()
    known: tuple[KnownChange, ...] = ()
    goes_live_too: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    effective: Effective = "now"
    issue: tuple[Profile, ...] = ()
    asks: tuple[Asks, ...] = ()
    ciphers: Ciphers | None = None
    weaknesses: tuple[Weakness, ...] = ()
    handed_over: HandedOver | None = None
    hash: str = ""

    @property
    def empty(self) -> bool:
        """Whether there is nothing to do."""
        return not self.changes and not self.sql
