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
class Proof:
    """The evidence. `matches_disk` is None for a server whose files cannot be read."""

    served: Served | None
    matches_disk: bool | None
    attempts: tuple[Attempt, ...] = ()
    trust_anchor: Path | None = None
    client_library: str = ""
    problems: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether everything that was promised was seen."""
        return (
            self.served is not None and self.matches_disk is not False and not self.problems and all(a.as_expected for a in self.attempts)
        )
