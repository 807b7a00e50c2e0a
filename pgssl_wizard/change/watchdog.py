"""The watchdog: a process of its own that puts a change back when nobody confirms it in time.

It lives outside the terminal and the process that made the change. `python -m pgssl_wizard.change.watchdog DATADIR CHANGE` is how `start`
runs it; what it prints goes to a file in the change's directory, whose lock says that it lives.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from pgssl_wizard.change import watchdog_lock
from pgssl_wizard.change.journal import Journal, read
from pgssl_wizard.change.model import Event
from pgssl_wizard.change.rollback import put_back_unconfirmed
from pgssl_wizard.errors import Refused, WizardError
from pgssl_wizard.server import detached

#: How often it looks whether the change was confirmed, seconds.
_PAUSE = 1.0
#: How soon it tries again when somebody else holds the cluster's lock, seconds: whoever confirms is done by then.
_AGAIN = 0.1


def start(journal: Journal) -> None:
    """Start the watchdog of a pending change; it lives when this returns.

    Raises:
        Refused: it could not be started.
        OSError: no room for its file.
    """
    descriptor = watchdog_lock.take(journal.directory)
    try:
        detached.start("pgssl_wizard.change.watchdog", [journal.data_directory, journal.id], output=descriptor)
    except detached.NotStarted as error:
        raise Refused(f"the watchdog that would undo the change could not be started: {error}", code="no-watchdog") from error
    finally:
        os.close(descriptor)


def watch(data_directory: Path, change_id: str, deadline: float) -> None:
    """Wait until the change is confirmed or undone by somebody, or the time is over; then put everything back and prove it.

    Args:
        data_directory: of the cluster.
        change_id: which change.
        deadline: on `clock`.
    """
    while (left := deadline - clock()) > 0:
        if not _waits(data_directory, change_id):
            return
        time.sleep(min(_PAUSE, left))
    while True:
        try:
            put_back_unconfirmed(data_directory, change_id, _say)
        except Refused as problem:
            if problem.code != "locked":
                _write(str(problem))
                return
            time.sleep(_AGAIN)
        except (WizardError, OSError) as problem:
            # The journal says that it is not finished, and the next command reports it.
            _write(str(problem))
            return
        else:
            return


def clock() -> float:
    """Return seconds of a clock that nobody sets and that runs on while the machine sleeps."""
    # On macOS the monotonic clock runs on by itself.
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def _waits(data_directory: Path, change_id: str) -> bool:
    """Whether the change still has to be confirmed."""
    try:
        return read(data_directory, change_id).state == "pending"
    except Refused:
        # Unreadable for a moment, or gone with its cluster.
        return data_directory.is_dir()


def _say(event: Event) -> None:
    if event.state != "running":
        _write(f"{event.state}: {event.text}")


def _write(text: str) -> None:
    # Its file; on a full disk the work is more than the words.
    with contextlib.suppress(OSError):
        sys.stdout.write(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {text}\n")
        sys.stdout.flush()


def main() -> None:
    """Read the change, leave whoever started us, and watch."""
    data_directory, change_id = Path(sys.argv[1]), sys.argv[2]
    for number in (signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    journal = read(data_directory, change_id)
    assert journal.confirm_until is not None
    deadline = clock() + (journal.confirm_until - datetime.now(UTC)).total_seconds()
    if os.fork():
        # Ready: whoever started us goes on. No clean-up here, for that is the other one's.
        os._exit(0)
    watch(data_directory, change_id, deadline)


if __name__ == "__main__":
    main()
