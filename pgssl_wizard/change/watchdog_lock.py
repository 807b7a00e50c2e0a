"""How everybody knows that a watchdog lives: it holds a lock that dies with it, on the file that takes its words."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

NAME = "watchdog"
#: Whoever only looks holds the lock for an instant: so it is tried again, this often and after so many seconds.
_ATTEMPTS = 4
_PAUSE = 0.02


def take(directory: Path) -> int:
    """Make the file in a change's directory, 0600 and of the directory's owner, and lock it; return its descriptor.

    Whatever inherits the descriptor keeps the lock.

    Raises:
        OSError: it could not be made.
    """
    owner = directory.stat()
    descriptor = os.open(directory / NAME, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        status = os.fstat(descriptor)
        if (status.st_uid, status.st_gid) != (owner.st_uid, owner.st_gid) and os.getuid() == 0:
            os.fchown(descriptor, owner.st_uid, owner.st_gid)
        for last in (*[False] * _ATTEMPTS, True):
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if last:
                    raise
                time.sleep(_PAUSE)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def held(directory: Path) -> bool:
    """Whether somebody holds the lock of this change."""
    try:
        descriptor = os.open(directory / NAME, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(descriptor)
