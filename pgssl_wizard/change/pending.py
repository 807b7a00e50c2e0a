"""A change that was begun and never finished, or that waits to be confirmed, seen from outside."""

from __future__ import annotations

from pathlib import Path

from pgssl_wizard.change import journal
from pgssl_wizard.change.history import as_change
from pgssl_wizard.change.lock import holder
from pgssl_wizard.change.model import Change
from pgssl_wizard.change.unfinished import being_made, finding_of, said_of, stops, waits
from pgssl_wizard.errors import Refused
from pgssl_wizard.findings import Finding


def unfinished(data_directory: Path) -> Change | None:
    """Return the change that was cut short or waits, None when all is well or when it is being made right now.

    Raises:
        Refused: the journals cannot be read.
    """
    found = _unfinished(data_directory)
    return as_change(found) if found is not None else None


def refuse_unfinished(data_directory: Path, *, writes: bool = True) -> tuple[Finding, ...]:
    """Stop at a change that is not finished; return what is to be said of one that waits to be confirmed or is just being made.

    Args:
        data_directory: of the cluster.
        writes: whoever asks is going to write, and has to wait too.

    Raises:
        Interrupted: a change was cut short, or never confirmed.
        Refused: a change waits to be confirmed, or somebody is at the cluster; or the journals cannot be read.
    """
    running = being_made(data_directory.absolute())
    if running is not None and writes:
        raise running
    if running is not None:
        return (said_of(running),)
    found = _unfinished(data_directory)
    if found is None:
        return ()
    if writes or not waits(found):
        raise stops(found)
    said = finding_of(found)
    return (said,) if said is not None else ()


def remarks(data_directory: Path) -> tuple[Finding, ...]:
    """Return what is to be said of a change that is not finished, by whoever only looks; nothing when this user may not know."""
    running = being_made(data_directory.absolute())
    if running is not None:
        return (said_of(running),)
    try:
        found = _unfinished(data_directory)
    except Refused:
        return ()
    said = finding_of(found) if found is not None else None
    return (said,) if said is not None else ()


def _unfinished(data_directory: Path) -> journal.Journal | None:
    data_directory = data_directory.absolute()
    found = journal.unfinished(journal.read_all(data_directory))
    return None if found is None or holder(data_directory) is not None else found
