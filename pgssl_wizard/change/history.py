"""The changes made to a cluster, newest first."""

from __future__ import annotations

from pathlib import Path

from pgssl_wizard.change.journal import Journal, read_all
from pgssl_wizard.change.model import Change, State
from pgssl_wizard.findings import Finding
from pgssl_wizard.plan.model import Effective


def history(data_directory: Path) -> list[Change]:
    """Return every change, newest first; one that was cut short says so in its findings.

    Raises:
        Refused: the journals cannot be read.
    """
    return [as_change(journal) for journal in read_all(data_directory.absolute())]


def as_change(
    journal: Journal, *, files: tuple[Path, ...] | None = None, findings: tuple[Finding, ...] = (), effective: Effective | None = None
) -> Change:
    """Return a recorded change as one of the list.

    Args:
        journal: as recorded.
        files: what was touched; by default what the change was registered to touch.
        findings: what is worth saying.
        effective: since when; by default as recorded.
    """
    if not journal.finished:
        unfinished = Finding(
            "error",
            "interrupted-change",
            f"the change {journal.id} was interrupted before it was finished",
            hint=f"run: pgssl-wizard rollback {journal.data_directory}",
            topic="apply",
        )
        findings = (*findings, unfinished)
    elif journal.words:
        findings = (*findings, Finding("info", "rolled-back-because", journal.words, topic="apply"))
    state: State = "applied" if journal.state == "applied" else "rolled-back" if journal.state == "rolled-back" else "pending"
    touched = tuple(operation.path for operation in journal.operations if operation.kind in {"file", "sql"})
    return Change(
        id=journal.id,
        state=state,
        effective=effective or journal.effective,
        proved=journal.proved,
        made=journal.made,
        files=touched if files is None else files,
        kept=journal.kept,
        trust_anchor=journal.trust_anchor,
        trust_anchor_sha256=journal.trust_anchor_sha256,
        findings=findings,
    )
