"""Putting back what stood before a change: the last one, a named one, or one that was cut short."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from pgssl_wizard.change import checks, transaction
from pgssl_wizard.change.history import as_change
from pgssl_wizard.change.journal import Journal, read, read_all, unfinished
from pgssl_wizard.change.lock import exclusive, refuse_stranger
from pgssl_wizard.change.model import Change
from pgssl_wizard.change.paths import real_path, state_directory
from pgssl_wizard.change.progress import Report, silent, skipped, station
from pgssl_wizard.change.put_back import close_undone, in_words, prove_undone
from pgssl_wizard.change.retention import refuse_forgotten
from pgssl_wizard.change.serving import RunningServer
from pgssl_wizard.change.signals import watched
from pgssl_wizard.change.unfinished import until_in_words
from pgssl_wizard.cluster.inspect import inspect
from pgssl_wizard.errors import Interrupted, Refused, UnusableInput, WizardError
from pgssl_wizard.findings import Finding
from pgssl_wizard.server import postmaster


def rollback(data_directory: Path, change_id: str | None = None, report: Report = silent) -> Change:
    """Put back what stood before a change, byte for byte, with modes and owners, and prove it.

    A change that was cut short or waits to be confirmed is always ended first, whatever `change_id` says.

    Args:
        data_directory: of the cluster.
        change_id: as `history` lists it; None for the newest.
        report: is told of the stations.

    Returns:
        The change, rolled back; `id` is None when there was nothing to roll back.

    Raises:
        UnusableInput: there is no such change.
        Refused: somebody has changed one of its files since; nothing was changed.
        Interrupted: something could not be put back.
    """
    data_directory = data_directory.absolute()
    if not state_directory(data_directory).is_dir():
        return _nothing(data_directory, change_id)
    owner = refuse_stranger(data_directory)
    with exclusive(data_directory, uid=owner.st_uid, gid=owner.st_gid), watched() as watch:
        # Half put back is worse than either end: signals wait.
        watch.hold()
        journals = read_all(data_directory)
        journal = unfinished(journals) or _choose(journals, change_id, data_directory)
        if journal is None:
            return _nothing(data_directory, None)
        _refuse_changed(journal)
        checks.check_can_put_back(journal)
        return _undo(journal, report)


def put_back_unconfirmed(data_directory: Path, change_id: str, report: Report = silent) -> Change | None:
    """Put back what stood before a change that nobody confirmed, and prove it; None when it does not wait any more.

    Args:
        data_directory: of the cluster, absolute.
        change_id: the change.
        report: is told of the stations.

    Raises:
        Refused: somebody is at the cluster (`locked`), or has changed one of the files since; nothing was changed then, and the journal
            says so.
        Interrupted: something could not be put back.
    """
    owner = data_directory.stat()
    with exclusive(data_directory, uid=owner.st_uid, gid=owner.st_gid), watched() as watch:
        watch.hold()
        journal = read(data_directory, change_id)
        if journal.state != "pending":
            return None
        try:
            _refuse_changed(journal)
            checks.check_can_put_back(journal)
        except Refused as problem:
            dataclasses.replace(journal, words=problem.message).write()
            raise
        return _undo(journal, report, why=f"nobody confirmed it until {until_in_words(journal)}")


def _choose(journals: list[Journal], change_id: str | None, data_directory: Path) -> Journal | None:
    """Return the change to undo: the named one, or the newest that stands."""
    if change_id is None:
        newest = next((journal for journal in journals if journal.state == "applied" and not journal.all_kept), None)
        if newest is not None:
            refuse_forgotten(newest)
        return newest
    named = next((journal for journal in journals if journal.id == change_id), None)
    if named is None:
        raise UnusableInput(f"there is no change {change_id}", where=str(data_directory), hint="see history", code="no-such-change")
    if named.state == "rolled-back":
        raise Refused(f"the change {change_id} is rolled back already", where=str(data_directory), code="already-rolled-back")
    refuse_forgotten(named)
    if named.state == "applied" and named.all_kept:
        raise Refused(
            f"the change {change_id} wrote nothing but files that are yours, and no undo touches them",
            where=str(data_directory),
            hint=f"move away what is not wanted: {', '.join(str(path) for path in named.kept)}",
            code="nothing-to-undo",
        )
    return named


def _refuse_changed(journal: Journal) -> None:
    """Stop when undoing would destroy what somebody did since.

    Raises:
        Refused: lists the files.
    """
    changed = transaction.changed_since(journal)
    if not changed:
        return
    requests = [each for each in read_all(journal.data_directory) if each.id > journal.id and each.state == "applied" and each.all_kept]
    asked = {path for each in requests for path in (*each.kept, *(operation.path for operation in each.operations))}
    waiting = [path for path in changed if path in asked]
    if len(waiting) == len(changed):
        raise Refused(
            f"a newer request waits where this change would put back the older one: {', '.join(str(path) for path in waiting)}",
            where=str(waiting[0]),
            hint="move these files away, or import what the request brought; then roll back",
            code="changed-since-change",
        )
    newer = [each for each in read_all(journal.data_directory) if each.id > journal.id and each.undoable]
    ours = {operation.path for each in newer for operation in each.operations if operation.kind in {"file", "sql"}}
    if newer and set(changed) <= ours:
        raise Refused(
            f"changed by newer changes since: {', '.join(str(path) for path in changed)}",
            where=str(changed[0]),
            hint=f"roll back {newer[0].id} first, the newest",
            code="changed-since-change",
        )
    raise Refused(
        f"changed by somebody since: {', '.join(str(path) for path in changed)}",
        where=str(changed[0]),
        hint=f"roll back newer changes first, or compare with the copies in {journal.directory} and put them right by hand",
        code="changed-since-change",
    )


def _undo(journal: Journal, report: Report, *, why: str | None = None) -> Change:
    """Put the files back, reload, prove; `why` is what the journal says of it."""
    restored: list[Path] = []
    touched = checks.attributes_changed_since(journal)
    with station(report, "undo", "the files are put back"):
        try:
            journal = transaction.undo(journal, undone=restored.append)
        except transaction.NotBegun:
            raise
        except (OSError, Refused) as problem:
            raise Interrupted(
                f"not everything could be put back: {in_words(problem)}",
                where=str(journal.data_directory),
                hint="see to that, then run rollback again",
                code="not-put-back",
            ) from problem
    running = postmaster.read(journal.data_directory)
    findings: list[Finding] = [*touched, *(_goes_live_too(journal) if running is not None else ())]
    if running is None:
        skipped(report, "reload", "the server is down")
        findings.append(
            Finding("warning", "not-proved", "the server is down; the files are as before", hint="start it, then run verify", topic="apply")
        )
    else:
        with station(report, "reload", "the server reads the old files"):
            unproved = prove_undone(journal, RunningServer(running, journal.log_file, data_directory=journal.data_directory))
        if unproved is not None:
            findings.append(
                Finding(
                    "warning",
                    "not-proved",
                    f"the files are as before, but {unproved}",
                    hint="look into the server's log, or restart it",
                    topic="apply",
                )
            )
    if journal.kept:
        kept = ", ".join(str(path) for path in journal.kept)
        findings.append(Finding("info", "ca-kept", f"kept, because they are yours: {kept}", topic="apply"))
    unproved_words = [finding.message for finding in findings if finding.code == "not-proved"]
    words = "; ".join([why, *unproved_words]) if why else None
    journal = close_undone(journal, proved=not unproved_words, words=words)
    return as_change(journal, files=tuple(reversed(restored)), findings=tuple(findings), effective="now" if running else "next-start")


def _goes_live_too(journal: Journal) -> tuple[Finding, ...]:
    """Return what is said of edits by somebody else that the reload puts in force; nothing where the server cannot be asked."""
    try:
        says = inspect(journal.data_directory).server
    except WizardError:
        return ()
    ours = {operation.path for operation in journal.operations}
    edited = [str(path) for path in (says.edited if says is not None else ()) if real_path(path) not in ours]
    if not edited:
        return ()
    return (
        Finding(
            "warning",
            "goes-live-too",
            f"the reload puts in force what somebody else had edited there and nobody had loaded: {', '.join(edited)}",
            hint="see with pgssl-wizard verify who comes in now",
            where=edited[0],
            topic="apply",
        ),
    )


def _nothing(data_directory: Path, change_id: str | None) -> Change:
    """Return what rolling back is where nothing was changed."""
    if change_id is not None:
        raise UnusableInput(f"there is no change {change_id}", where=str(data_directory), hint="see history", code="no-such-change")
    return Change(
        id=None,
        state="none",
        effective="now",
        proved=False,
        findings=(Finding("info", "nothing-to-roll-back", "no change of ours stands here", where=str(data_directory), topic="apply"),),
    )
