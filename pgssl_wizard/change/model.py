"""What a change reports while it runs, and what it leaves behind."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from pgssl_wizard.findings import Finding
from pgssl_wizard.plan.model import Effective
from pgssl_wizard.proof.model import Attempt, Proof

#: The stations of a change in order; `TLS` is proved before the rules are touched.
Station = Literal["rehearse", "back-up", "write", "reload", "prove-tls", "kits", "rules", "reload-rules", "prove-all", "undo"]
State = Literal["none", "applied", "pending", "rolled-back"]


@dataclass(frozen=True, slots=True)
class Event:
    """One line of progress: which station, how it stands, in words, and how long it took once it is done."""

    station: Station
    state: Literal["running", "done", "failed", "skipped"]
    text: str
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """One applied plan, as `history` lists it.

    Attributes:
        id: None when there was nothing to do.
        files: what was written, deleted or modified, for the report.
        kept: CA files and kits that an undo leaves where they are.
        confirm_until: of a pending change that waits to be confirmed; UTC.
        undoable: whether `rollback` may put back what stood before it.
        forgotten: since when it cannot, because the copies were shredded; UTC.
        rehearsed: the logins that were tried on a throwaway cluster beforehand; None where nothing was rehearsed.
        card: of a CA that was made: what lies where and what is to be taken offline, to be printed.
    """

    id: str | None
    state: State
    effective: Effective
    proved: bool
    made: datetime | None = None
    files: tuple[Path, ...] = ()
    kept: tuple[Path, ...] = ()
    trust_anchor: Path | None = None
    trust_anchor_sha256: str | None = None
    proof: Proof | None = None
    findings: tuple[Finding, ...] = ()
    card: str = ""
    confirm_until: datetime | None = None
    undoable: bool = False
    forgotten: datetime | None = None
    rehearsed: tuple[Attempt, ...] | None = None
