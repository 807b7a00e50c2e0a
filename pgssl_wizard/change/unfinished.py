"""A change that is not finished: cut short, waiting to be confirmed, or never confirmed; and what is to be said of it."""

from __future__ import annotations

from pathlib import Path

from pgssl_wizard.change import watchdog_lock
from pgssl_wizard.change.journal import Journal, read_all, unfinished
from pgssl_wizard.change.lock import busy, holder
from pgssl_wizard.errors import Interrupted, Refused
from pgssl_wizard.findings import Finding
from pgssl_wizard.server.boot import boot_id


def waits(journal: Journal) -> bool:
    """Whether a change waits to be confirmed, and somebody lives who will undo it otherwise."""
    return journal.state == "pending" and journal.boot == boot_id() and watchdog_lock.held(journal.directory)


def stops(journal: Journal) -> Refused | Interrupted:
    """Return why nothing else may be written before an unfinished change is ended: exit code 3 while it waits, otherwise 5."""
    place = journal.data_directory
    if waits(journal):
        return Refused(
            f"the change {journal.id} waits to be confirmed until {until_in_words(journal)}",
            where=str(place),
            hint=f"pgssl-wizard confirm {place} keeps it, pgssl-wizard rollback {place} puts everything back",
            code="change-pending",
        )
    if journal.state == "pending":
        return Interrupted(
            f"the change {journal.id} was never confirmed, and {_why_it_stands(journal)}",
            where=str(place),
            hint=f"{_way_back(journal)}; pgssl-wizard confirm {place} keeps the change, which is whole",
            code="unconfirmed-change",
        )
    return Interrupted(
        f"the change {journal.id} was interrupted before it was finished",
        where=str(place),
        hint=f"pgssl-wizard rollback {place} finishes putting things back",
        code="interrupted-change",
    )


def _way_back(journal: Journal) -> str:
    """Return how a change that nobody confirmed is put back."""
    command = f"pgssl-wizard rollback {journal.data_directory}"
    if journal.words:
        return f"take back what stands in the way (the files of before are in {journal.directory}), then {command} puts things back"
    return f"{command} finishes putting things back"


def finding_of(journal: Journal) -> Finding | None:
    """Return the same as a finding, None for a change that is finished; of one that is just being made, who is at it."""
    if journal.finished:
        return None
    running = being_made(journal.data_directory)
    if running is not None:
        return said_of(running)
    why = stops(journal)
    return Finding("info" if isinstance(why, Refused) else "error", why.code, why.message, why.hint, why.where, topic="apply")


def being_made(data_directory: Path) -> Refused | None:
    """Return what is said of a run that is at the cluster right now; None when nobody is."""
    who = holder(data_directory)
    return busy(data_directory, who) if who is not None else None


def said_of(running: Refused) -> Finding:
    """Return the same as a finding, for whoever only looks and need not wait."""
    hint = "what is shown here may be the half of it: look again when it is done"
    return Finding("info", "change-running", running.message, hint, running.where, topic="apply")


def until_in_words(journal: Journal) -> str:
    """Return until when a change may be confirmed."""
    return f"{journal.confirm_until:%Y-%m-%d %H:%M:%SZ}" if journal.confirm_until else "?"


def refuse_unfinished(data_directory: Path) -> None:
    """Stop when an earlier change is not finished. For whoever holds the lock.

    Raises:
        Refused: it waits to be confirmed.
        Interrupted: it was cut short, or never confirmed; with the command that puts things right.
    """
    journal = unfinished(read_all(data_directory))
    if journal is not None:
        raise stops(journal)


def _why_it_stands(journal: Journal) -> str:
    """Return why a change that nobody confirmed was not undone by itself."""
    if journal.words:
        return f"it could not be undone by itself: {journal.words}"
    if journal.boot != boot_id():
        return "the machine was restarted before it was undone"
    return "the watchdog that would have undone it is gone"
