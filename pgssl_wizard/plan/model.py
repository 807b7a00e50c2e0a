"""What would change: one frozen, serialisable `Plan`. Making it reads and writes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

from pgssl_wizard.answers import Answers
from pgssl_wizard.certificates.profiles import Profile
from pgssl_wizard.findings import Finding

Action = Literal["create", "modify", "delete"]
FileRole = Literal[
    "server-certificate",
    "server-key",
    "root-certificate",
    "root-key",
    "intermediate-certificate",
    "intermediate-key",
    "client-ca",
    "record",
    "settings",
    "auto-settings",
    "rules",
    "maps",
]
#: `ca` files belong to the person and are never undone; `tls` goes first and is proved; `rules` follow.
Phase = Literal["ca", "tls", "rules"]
Effective = Literal["now", "next-start", "restart-needed", "not-reloaded"]


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """One file to be created, modified or deleted.

    Attributes:
        path: absolute, symbolic links followed.
        mode: permission bits that it will have, from before its first byte.
        uid, gid, owner: who it will belong to, as numbers and as `user:group`.
        secret: its content is never shown.
        before, after: bytes; `after` is None for what is made at apply (keys, certificates) and for deletions.
        copy_of: instead of `after`: this file gets the bytes of another planned certificate (`ssl_ca_file` = our root).
        profile: for certificates, what they will say; the key files name the profile of their certificate too.
        chain: for a certificate file, the profiles in it, leaf first.
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
        goes_live_too: other people's pending edits that our reload would activate, in words.
        effective: when the change takes effect.
        issue: which certificates apply will make, issuers first.
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
    goes_live_too: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    effective: Effective = "now"
    issue: tuple[Profile, ...] = ()
    hash: str = ""

    @property
    def empty(self) -> bool:
        """Whether there is nothing to do."""
        return not self.changes and not self.sql
