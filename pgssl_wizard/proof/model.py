"""What real connections showed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

RootGiven = Literal["none", "right", "wrong"]
CertificateGiven = Literal["none", "right", "wrong-name", "wrong-ca", "expired", "revoked"]
Verdict = Literal["accept", "reject"]
Outcome = Literal["accept", "reject", "not-tried"]
#: Over the Unix socket, over TCP in plaintext, over TCP with TLS.
Transport = Literal["socket", "tcp", "tls"]
#: Why a way in is tried: the administrator's own, a role that is known to come in, a standby's, or a rule that somebody has to meet.
WayKind = Literal["administrator", "known", "replication", "rule"]


@dataclass(frozen=True, slots=True)
class ServedCertificate:
    """One certificate of the chain as the server sent it."""

    subject: str
    issuer: str
    not_after: datetime
    sha256: str


@dataclass(frozen=True, slots=True)
class Served:
    """What a TLS handshake met: leaf fingerprint, protocol (`TLSv1.3`), cipher suite, chain leaf first."""

    sha256: str
    protocol: str
    cipher: str
    chain: tuple[ServedCertificate, ...]


@dataclass(frozen=True, slots=True)
class Attempt:
    """One connection tried with the client library, as a client would.

    Attributes:
        host: the name given; the address actually used stands in `hostaddr`.
        root: which root certificate the client had.
        certificate: which client certificate it offered.
        expected: what the rules and settings promise; outcome: what happened.
        tls: protocol version when the connection was encrypted.
        message: the client's or server's own words on a refusal.
    """

    host: str
    user: str
    sslmode: str
    root: RootGiven
    certificate: CertificateGiven
    expected: Verdict
    outcome: Outcome
    hostaddr: str | None = None
    tls: str | None = None
    message: str | None = None

    @property
    def as_expected(self) -> bool:
        """Whether it went as promised; an attempt that was not made promises nothing."""
        return self.outcome in {"not-tried", self.expected}


@dataclass(frozen=True, slots=True)
class Way:
    """One way in, opened anew from this machine.

    Attributes:
        who: the role.
        database: as asked for; empty for a physical walsender, and for the database named like the role.
        address: from which this machine came; None over the socket, and where it was not tried.
        asked: the server asked for the password, and nobody here knows it: the rules let it in, and how the login ends is not known.
        certificate: what the client showed.
        expected: what the rules promise to somebody who comes from here.
        outcome: what happened; `accept` as in `Attempt`.
        message: the server's words where it refused, or where it let in and something later went wrong; why it was not tried.
        rule: the line that decides, as `file:line`; None when none does.
        closed: it was open before the change, and has to be shut now.
    """

    who: str
    kind: WayKind
    transport: Transport
    database: str = ""
    replication: bool = False
    certificate: CertificateGiven = "none"
    expected: Verdict = "accept"
    outcome: Outcome = "not-tried"
    message: str | None = None
    rule: str | None = None
    closed: bool = False
    address: str | None = None
    asked: bool = False

    @property
    def as_expected(self) -> bool:
        """Whether it went as promised; a way that was not tried promises nothing."""
        return self.outcome in {"not-tried", self.expected}


@dataclass(frozen=True, slots=True)
class Configured:
    """The certificate that the settings name, and its fingerprint now; `by_server`: the running server's own, else those of the files."""

    certificate: Path
    sha256: str | None
    by_server: bool


@dataclass(frozen=True, slots=True)
class SinceReload:
    """What the server has written to its log since it was told to reload.

    Attributes:
        file: where it stands; None when nothing can be read.
        lines: the last ones, oldest first, without statements and secrets.
        complaints: what it says about files that it did not take.
        why_not: why nothing can be read, in words.
    """

    file: Path | None
    lines: tuple[str, ...] = ()
    complaints: tuple[str, ...] = ()
    why_not: str | None = None


@dataclass(frozen=True, slots=True)
class Proof:
    """The evidence.

    Attributes:
        matches_disk: None for a server whose files cannot be read.
        client_library: which one made the attempts.
        ways: the ways in, each opened anew.
        ways_left_out: how many more are known and were not tried, so that a proof comes to its end.
        configured: None for a server whose settings are not known.
        log: what the server wrote since its reload; None where it was not told to.
    """

    served: Served | None
    matches_disk: bool | None
    attempts: tuple[Attempt, ...] = ()
    trust_anchor: Path | None = None
    client_library: str = ""
    problems: tuple[str, ...] = ()
    ways: tuple[Way, ...] = ()
    ways_left_out: int = 0
    configured: Configured | None = None
    log: SinceReload | None = None

    @property
    def holds(self) -> bool:
        """Whether everything that was promised was seen."""
        return (
            self.served is not None
            and self.matches_disk is not False
            and self.matches_settings is not False
            and not self.problems
            and all(attempt.as_expected for attempt in self.attempts)
            and all(way.as_expected for way in self.ways)
        )

    @property
    def matches_settings(self) -> bool | None:
        """Whether the certificate served is the one that the settings in force name; None where they could not be asked."""
        if self.served is None or self.configured is None or not self.configured.by_server:
            return None
        return self.configured.sha256 == self.served.sha256
