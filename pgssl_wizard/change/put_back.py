"""Undoing a change in the same run that made it, and saying why."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import NoReturn

from pgssl_wizard.change import transaction
from pgssl_wizard.change.journal import Journal, read
from pgssl_wizard.change.progress import Report, station
from pgssl_wizard.change.serving import NotProved, RunningServer, leaf_on_disk
from pgssl_wizard.change.signals import Stopped
from pgssl_wizard.change.transaction import ChangedMeanwhile
from pgssl_wizard.change.way_in import WayIn, not_as_before
from pgssl_wizard.cluster.inspect import inspect
from pgssl_wizard.errors import Interrupted, Refused, RolledBack, WizardError


def put_back(
    journal: Journal, problem: BaseException, server: RunningServer | None, way_in: WayIn, report: Report, *, started: set[Path]
) -> NoReturn:
    """Put everything back, prove that, and say why it was necessary.

    Args:
        journal: the change as far as it was recorded.
        problem: what went wrong.
        server: the running server, None when it was not to be reloaded.
        way_in: the administrator's login.
        report: is told of the station.
        started: the paths that were written to.

    Raises:
        RolledBack: everything is as before.
        Interrupted: something could not be put back.
        BaseException: `problem` itself when it is a fault of ours; everything is as before then too.
    """
    message = in_words(problem)
    unproved = None
    dressed: tuple[Path, ...] = ()
    with station(report, "undo", "everything is put back"):
        try:
            dressed = transaction.dressed_otherwise(journal, started)
            journal = transaction.undo(journal, started=started)
        except (OSError, WizardError) as second:
            raise Interrupted(
                f"{message}. Not everything could be put back: {in_words(second)}",
                where=str(journal.data_directory),
                hint=f"see to that, then run: pgssl-wizard rollback {journal.data_directory}",
                code="not-put-back",
            ) from problem
        if server is not None:
            unproved = prove_undone(journal, server, way_in)
        close_undone(journal, proved=unproved is None, words=message)
    if not isinstance(problem, (OSError, WizardError, NotProved, ChangedMeanwhile, Stopped, KeyboardInterrupt)):
        raise problem
    if dressed:
        names = ", ".join(str(path) for path in dressed)
        message = f"{message}. Mode, owner and attributes of {names}, which somebody changed meanwhile, are those of before too"
    end = "Everything is as before." if unproved is None else f"The files are as before, but {unproved}."
    raise RolledBack(
        f"{message}. {end}",
        where=str(journal.data_directory),
        hint="if it runs no more, start it; its files are as before" if unproved else _kept_in_words(journal),
        code=_code(problem),
    ) from problem


def close_undone(journal: Journal, *, proved: bool, words: str | None) -> Journal:
    """Close the journal of a change whose files are as before; return it.

    Raises:
        Interrupted: that could not be written down, so the next command takes the change for unfinished.
    """
    try:
        return transaction.finish(journal, state="rolled-back", proved=proved, words=words)
    except OSError as problem:
        standing = _on_disk(journal)
        if standing is not None and standing.state == "rolled-back":
            # Recorded, only not surely so after a power cut; then the next command finds it unfinished, and there is nothing left to do.
            return standing
        raise Interrupted(
            f"the files are as before, and that could not be recorded: {in_words(problem)}",
            where=str(journal.data_directory),
            hint=f"see to that, then run: pgssl-wizard rollback {journal.data_directory}",
            code="not-recorded",
        ) from problem


def _on_disk(journal: Journal) -> Journal | None:
    """Return the journal as it can be read now."""
    try:
        return read(journal.data_directory, journal.id)
    except Refused:
        return None


def _kept_in_words(journal: Journal) -> str | None:
    """Return what stays because it is the person's, None when nothing does."""
    kept = [str(path) for path in journal.kept if path.exists()]
    if not kept:
        return None
    more = f" and {len(kept) - 5} more" if len(kept) > 5 else ""
    return f"Kept, because they are yours: {', '.join(kept[:5])}{more}"


def _code(problem: BaseException) -> str:
    """Return the name of what went wrong, for scripts."""
    match problem:
        case WizardError():
            return problem.code
        case NotProved():
            return "not-proved"
        case ChangedMeanwhile():
            return "changed-meanwhile"
        case OSError():
            return "no-space" if problem.errno in {errno.ENOSPC, errno.EDQUOT} else "cannot-write"
        case _:
            return "stopped"


def prove_undone(journal: Journal, server: RunningServer, way_in: WayIn | None = None) -> str | None:
    """Reload, and see that the server is what it was and the ways in are what they were; return what is different, in words, or None.

    Args:
        journal: the change, its files as they were.
        server: the running server.
        way_in: of the run that made the change, with the cluster as it was inspected before; None: it is inspected now.
    """
    try:
        server.reload()
        server.wait_until_served(leaf_on_disk(journal.certificate_before), or_else=journal.served_before)
        if way_in is not None:
            way_in.check(server.postmaster)
        cluster = way_in.cluster if way_in is not None else inspect(journal.data_directory)
        server.wait_until(lambda: not_as_before(cluster, server.postmaster))
    except (NotProved, WizardError) as still:
        return in_words(still)
    return None


def in_words(problem: BaseException) -> str:
    """Return what went wrong as a sentence without its full stop."""
    match problem:
        case OSError(filename=name, strerror=text) if text:
            return f"{name}: {text}" if name else text
        case KeyboardInterrupt():
            return "stopped by the keyboard"
        case _:
            return (str(problem) or type(problem).__name__).rstrip(".")
