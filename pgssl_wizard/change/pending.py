"""A change that was begun and never finished."""

from __future__ import annotations

from pathlib import Path

from pgssl_wizard.change import journal
from pgssl_wizard.change.history import as_change
from pgssl_wizard.change.lock import holder
from pgssl_wizard.change.model import Change


def unfinished(data_directory: Path) -> Change | None:
    """Return the change that was cut short, None when all is well or when it is being made right now.

    Raises:
        Refused: the journals cannot be read.
    """
    found = journal.unfinished(journal.read_all(data_directory.absolute()))
    if found is None or holder(data_directory.absolute()) is not None:
        return None
    return as_change(found)
