"""How long a change can be undone: the copies of old ones are shredded, and their journals stay as a record.

Every change keeps a copy of each file that it replaced, old private keys among them. What nobody will ever undo is not worth
keeping keys for.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pgssl_wizard.change.history import as_change
from pgssl_wizard.change.journal import Journal, read_all
from pgssl_wizard.change.lock import exclusive, refuse_stranger
from pgssl_wizard.change.model import Change
from pgssl_wizard.change.paths import state_directory
from pgssl_wizard.change.unfinished import refuse_unfinished
from pgssl_wizard.change.write import shred
from pgssl_wizard.errors import Refused
from pgssl_wizard.findings import Finding

#: The whole pair that a killed exchange of key and certificate may have left (see `pair`), beside the copies.
_PAIR = "pair.pem"
#: With certificates of 90 days, renewed when a third of their life is left, this is more than three years; with such of a week, which
#: some sites have, it bounds how many old keys lie about.
KEPT = 20
#: A server certificate lives 365 days by default: last year's change can be looked at until this year's has stood for a month.
DAYS = 400
#: Whoever changes something every few years can still undo the last steps, however old they are.
ALWAYS = 3


@dataclass(frozen=True, slots=True)
class Limits:
    """What stays undoable; a change goes when one of the first two says so.

    Attributes:
        number: how many, the newest ones; None: any number.
        days: up to which age; None: any age.
        always: so many of the newest stay whatever their age.
    """

    number: int | None = KEPT
    days: int | None = DAYS
    always: int = ALWAYS

    @classmethod
    def asked(cls, number: int | None, days: int | None) -> Limits:
        """Return what a person asks for, who means what they say: no other limit counts. The usual ones when they name none."""
        return cls() if number is None and days is None else cls(number, days, always=0)


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What forgetting did, newest first.

    Attributes:
        forgotten: changes that cannot be undone any more since now.
        undoable: those that still can.
    """

    forgotten: tuple[Change, ...] = ()
    undoable: tuple[Change, ...] = ()


def beyond(journals: Sequence[Journal], limits: Limits, now: datetime) -> list[Journal]:
    """Return the changes that are to be forgotten; of what is not finished, and of what cannot be undone anyway, none.

    Args:
        journals: newest first.
        limits: what stays.
        now: the time, to which ages are counted.
    """
    standing = [journal for journal in journals if journal.finished and journal.undoable]
    return [
        journal
        for place, journal in enumerate(standing)
        if (limits.number is not None and place >= limits.number)
        or (limits.days is not None and place >= limits.always and now - journal.made > timedelta(days=limits.days))
    ]


def forget(data_directory: Path, limits: Limits) -> Forgotten:
    """Forget what lies beyond these limits, and finish what a run that was killed has left.

    Args:
        data_directory: of the cluster.
        limits: what stays undoable.

    Raises:
        Refused: somebody is at the cluster, a change waits to be confirmed, or something could not be written; what was forgotten by
            then is.
        Interrupted: a change was cut short and has to be rolled back first.
    """
    data_directory = data_directory.absolute()
    if not state_directory(data_directory).is_dir():
        return Forgotten()
    owner = refuse_stranger(data_directory)
    with exclusive(data_directory, uid=owner.st_uid, gid=owner.st_gid):
        refuse_unfinished(data_directory)
        try:
            gone = _forget(read_all(data_directory), limits)
        except OSError as error:
            raise Refused(
                f"the copies cannot be shredded: {error.strerror}",
                where=str(error.filename or data_directory),
                hint="see to that, then run forget again",
                code="cannot-write",
            ) from error
        left = [journal for journal in read_all(data_directory) if journal.undoable]
        return Forgotten(tuple(as_change(journal) for journal in gone), tuple(as_change(journal) for journal in left))


def keep_within_limits(data_directory: Path) -> tuple[Finding, ...]:
    """Forget what lies beyond the usual limits, at the end of a change, and return what is to be said of it.

    For whoever holds the lock. A change that was made is not spoiled by this: what goes wrong is told and tried again next time.
    """
    try:
        gone = _forget(read_all(data_directory), Limits())
    except (OSError, Refused) as problem:
        said = f"the copies of old changes could not be shredded: {problem}"
        hint = f"see to that, then run: pgssl-wizard forget {data_directory}"
        return (Finding("warning", "not-forgotten", said, hint, str(data_directory), topic="apply"),)
    if not gone:
        return ()
    what = f"the change {gone[0].id} is" if len(gone) == 1 else f"{len(gone)} changes are"
    said = f"{what} too old to be undone now: the copies of what stood before, old keys among them, were shredded"
    return (Finding("info", "changes-forgotten", said, None, str(data_directory), topic="apply"),)


def refuse_forgotten(journal: Journal) -> None:
    """Stop an undo of a change whose copies are gone.

    Raises:
        Refused: says since when.
    """
    if journal.forgotten is not None:
        raise Refused(
            f"the change {journal.id} cannot be undone any more, nor can any before it: the copies of what stood before it were shredded "
            f"on {journal.forgotten:%Y-%m-%d}",
            where=str(journal.data_directory),
            hint=f"pgssl-wizard history {journal.data_directory} says what it touched; put that right from a backup of your own",
            code="forgotten",
        )


def _forget(journals: Sequence[Journal], limits: Limits) -> list[Journal]:
    """Forget what lies beyond the limits; return those journals, newest first.

    Raises:
        OSError: something could not be written or deleted.
    """
    now = datetime.now(UTC)
    # Oldest first, so that whatever ends this early leaves the newer ones, as everybody expects.
    gone = {journal.id: dataclasses.replace(journal, forgotten=now) for journal in reversed(beyond(journals, limits, now))}
    for journal in reversed(journals):
        if journal.id in gone:
            # The record first: from then on nobody undoes half of it, and the next run finishes what a kill leaves.
            gone[journal.id].write()
        if journal.id in gone or journal.forgotten is not None or journal.state == "rolled-back":
            _shred_copies(journal)
    return list(reversed(gone.values()))


def _shred_copies(journal: Journal) -> None:
    """Shred what stood before a change; its journal and answers stay."""
    for name in (_PAIR, *(operation.backup for operation in journal.operations if operation.backup is not None)):
        path = journal.directory / name
        if os.path.lexists(path):
            shred(path)
