"""The changes made to a cluster, newest first."""

from __future__ import annotations

from pathlib import Path

from pgssl_wizard.change.journal import Journal, read, read_all
from pgssl_wizard.change.model import Change, State
from pgssl_wizard.change.unfinished import finding_of
from pgssl_wizard.findings import Finding
from pgssl_wizard.plan.model import Effective


def history(data_directory: Path) -> list[Change]:
    """Return every change, newest first; one that was cut short says so in its findings.

    Raises:
        Refused: the journals cannot be read.
    """
    return [as_change(journal) for journal in read_all(data_directory.absolute())]


def look_up(data_directory: Path, change_id: str) -> Change:
    """Return one change as it stands now.

    Raises:
        Refused: there is no such change, or its journal cannot be read.
    """
    return as_change(read(data_directory.absolute(), change_id))


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
    unfinished = finding_of(journal)
    if unfinished is not None:
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
        confirm_until=journal.confirm_until if journal.state == "pending" else None,
        undoable=journal.undoable,
        forgotten=journal.forgotten,
        findings=findings,
    )
