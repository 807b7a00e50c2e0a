"""One change at a time: whoever works on a cluster holds a lock that dies with the process."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pwd
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from pgssl_wizard.change.journal import make_state_directory, sweep
from pgssl_wizard.change.paths import changes_directory, lock_file, state_directory
from pgssl_wizard.errors import Refused

#: Whoever only looks whether somebody holds the lock takes it for an instant, and whoever has just got it has not yet written who it is:
#: so it is tried again, this often and after so many seconds.
_ATTEMPTS = 5
_PAUSE = 0.02


def user_name(uid: int) -> str:
    """Return the name of an OS user, or its number."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def refuse_stranger(data_directory: Path) -> os.stat_result:
    """Return the data directory's status, its owner above all.

    Raises:
        Refused: we are neither its owner nor root.
    """
    owner = data_directory.stat()
    if os.geteuid() not in {0, owner.st_uid}:
        raise Refused(
            f"the data directory belongs to {user_name(owner.st_uid)}, and you are {user_name(os.geteuid())}",
            where=str(data_directory),
            hint=f"run as root or as {user_name(owner.st_uid)}",
            code="wrong-user",
        )
    return owner


@contextlib.contextmanager
def exclusive(data_directory: Path, *, uid: int, gid: int) -> Iterator[None]:
    """Hold the cluster's lock; what was made only for the lock is gone afterwards.

    Args:
        data_directory: of the cluster.
        uid: of the data directory's owner, who also gets the lock file.
        gid: the owner's group.

    Raises:
        Refused: somebody else is at it, or the lock cannot be made.
    """
    try:
        make_state_directory(data_directory, uid=uid, gid=gid)
        descriptor = _open_locked(data_directory, uid=uid, gid=gid)
    except OSError as error:
        _remove_empty(data_directory)
        raise Refused(f"the lock cannot be made: {error.strerror}", where=str(lock_file(data_directory)), code="cannot-write") from error
    except Refused as refusal:
        if refusal.code != "locked":
            _remove_empty(data_directory)
        raise
    try:
        # Whoever held it before us takes the empty directories along, up to the instant in which we got it.
        make_state_directory(data_directory, uid=uid, gid=gid)
        _say_who(descriptor)
        sweep(data_directory)
        yield
    finally:
        with contextlib.suppress(OSError):
            changes_directory(data_directory).rmdir()
        with contextlib.suppress(OSError):
            # Still locked while it goes: whoever waits notices that the name no longer leads to what it locked.
            lock_file(data_directory).unlink()
        os.close(descriptor)
        with contextlib.suppress(OSError):
            state_directory(data_directory).rmdir()


def _remove_empty(data_directory: Path) -> None:
    """Take away the directories that were made only for the lock that could not be made."""
    if not lock_file(data_directory).exists():
        for directory in (changes_directory(data_directory), state_directory(data_directory)):
            with contextlib.suppress(OSError):
                directory.rmdir()


def _say_who(descriptor: int) -> None:
    """Write into the lock file who holds it and since when."""
    # On a full disk whoever holds the lock stays unnamed, and putting things back goes on.
    with contextlib.suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n{user_name(os.getuid())}\n{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}\n".encode(), 0)


def _open_locked(data_directory: Path, *, uid: int, gid: int) -> int:
    """Return the locked lock file's descriptor."""
    path = lock_file(data_directory)
    attempts = 0
    while True:
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except FileNotFoundError:
            # Somebody finished between our two steps and took the empty directory along.
            make_state_directory(data_directory, uid=uid, gid=gid)
            continue
        try:
            status = os.fstat(descriptor)
            if (status.st_uid, status.st_gid) != (uid, gid) and os.getuid() == 0:
                os.fchown(descriptor, uid, gid)
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_ino == os.fstat(descriptor).st_ino:
                    return descriptor
        except BlockingIOError:
            message = _who(descriptor)
            os.close(descriptor)
            attempts += 1
            if attempts < _ATTEMPTS:
                time.sleep(_PAUSE)
                continue
            raise busy(data_directory, message) from None
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def busy(data_directory: Path, who: str) -> Refused:
    """Return what a second run is told.

    Args:
        data_directory: of the cluster.
        who: holds the lock, in words.
    """
    return Refused(f"another run is changing this cluster: {who}", where=str(data_directory), hint="wait until it is done", code="locked")


def _who(descriptor: int) -> str:
    """Return in words who holds the lock and since when."""
    lines = os.pread(descriptor, 200, 0).decode("utf-8", "replace").splitlines()
    if len(lines) < 3:
        return "it has just begun"
    pid, user, since = lines[:3]
    return f"process {pid} of {user}, since {since}"


def holder(data_directory: Path) -> str | None:
    """Return in words who is changing the cluster right now, or None."""
    try:
        descriptor = os.open(lock_file(data_directory), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _who(descriptor)
    else:
        return None
    finally:
        os.close(descriptor)
