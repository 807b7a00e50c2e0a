"""A change that has to be confirmed: left with a watchdog that undoes it, and kept when somebody says so in time."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pgssl_wizard.change import transaction, watchdog
from pgssl_wizard.change.history import as_change
from pgssl_wizard.change.journal import Journal, read_all, unfinished
from pgssl_wizard.change.lock import exclusive, refuse_stranger
from pgssl_wizard.change.model import Change
from pgssl_wizard.change.paths import state_directory
from pgssl_wizard.change.unfinished import stops, until_in_words
from pgssl_wizard.errors import Refused, RolledBack
from pgssl_wizard.findings import Finding
from pgssl_wizard.plan.model import Effective
from pgssl_wizard.server.boot import boot_id
from pgssl_wizard.server.login_session import ends_its_processes

_WHY_NOT: dict[Effective, str] = {
    "next-start": "the server is down, so nobody can try it",
    "restart-needed": "it takes effect only with a restart",
    "not-reloaded": "nothing of it is in force yet",
}


def leave_pending(journal: Journal, seconds: float, *, proved: bool) -> Journal:
    """Record that a change waits to be confirmed, and start the watchdog that undoes it otherwise.

    Args:
        journal: the change, made and proved as far as it can be.
        seconds: how long it waits.
        proved: whether the proof holds.

    Raises:
        OSError, Refused: no room, or no watchdog; the caller undoes.
    """
    until = datetime.now(UTC) + timedelta(seconds=seconds)
    journal = transaction.finish(journal, state="pending", proved=proved, confirm_until=until, boot=boot_id())
    watchdog.start(journal)
    return journal


def not_pending(effective: Effective) -> Finding:
    """Return what is said when a change was to be confirmed and there is nothing to confirm."""
    return Finding(
        "warning",
        "nothing-to-confirm",
        f"the change stands without being confirmed: {_WHY_NOT[effective]}",
        hint="rollback puts back what stood before",
        topic="apply",
    )


def about_the_watchdog() -> tuple[Finding, ...]:
    """Return what is to be said where the end of the login session would end the watchdog too."""
    if not ends_its_processes():
        return ()
    return (
        Finding(
            "warning",
            "watchdog-ends-with-session",
            "logging out ends every process of this session, the one that undoes an unconfirmed change too (KillUserProcesses of systemd)",
            hint="stay logged in until the change is confirmed, or run this with systemd-run --pty",
            topic="apply",
        ),
    )


def confirm(data_directory: Path) -> Change:
    """Keep the change that waits to be confirmed, also when its watchdog is gone.

    Args:
        data_directory: of the cluster.

    Returns:
        The change, applied; `id` is None when nothing waited.

    Raises:
        Refused: somebody is at the cluster, or its journals cannot be read.
        RolledBack: the newest change was put back because nobody confirmed it in time.
        Interrupted: a change was cut short; only rolling back ends it.
    """
    data_directory = data_directory.absolute()
    if not state_directory(data_directory).is_dir():
        return _nothing(data_directory)
    owner = refuse_stranger(data_directory)
    with _refuse_while_put_back(data_directory), exclusive(data_directory, uid=owner.st_uid, gid=owner.st_gid):
        journals = read_all(data_directory)
        journal = unfinished(journals)
        if journal is None:
            _refuse_too_late(journals)
            return _nothing(data_directory)
        if journal.state != "pending":
            raise stops(journal)
        return as_change(transaction.finish(journal, state="applied", words=None))


@contextlib.contextmanager
def _refuse_while_put_back(data_directory: Path) -> Iterator[None]:
    """Say it when whoever is at the cluster is the watchdog, which puts the change back.

    Raises:
        RolledBack: the time is over.
    """
    try:
        yield
    except Refused as refusal:
        journal = unfinished(read_all(data_directory)) if refusal.code == "locked" else None
        if journal is None or journal.confirm_until is None or journal.confirm_until > datetime.now(UTC):
            raise
        raise RolledBack(
            f"too late, the change {journal.id} is being put back: nobody confirmed it until {until_in_words(journal)}",
            where=str(data_directory),
            hint="apply it again",
            code="confirmed-too-late",
        ) from refusal


def _refuse_too_late(journals: list[Journal]) -> None:
    """Say it when the newest change is gone because nobody confirmed it.

    Raises:
        RolledBack: it is.
    """
    newest = journals[0] if journals else None
    if newest is not None and newest.state == "rolled-back" and newest.confirm_until is not None and newest.words:
        raise RolledBack(
            f"too late, the change {newest.id} is rolled back: {newest.words}",
            where=str(newest.data_directory),
            hint="apply it again",
            code="confirmed-too-late",
        )


def _nothing(data_directory: Path) -> Change:
    """Return what confirming is where nothing waits."""
    said = Finding("info", "nothing-to-confirm", "no change waits to be confirmed", where=str(data_directory), topic="apply")
    return Change(id=None, state="none", effective="now", proved=False, findings=(said,))
