"""Which run of the machine this is: another one after every restart."""

from __future__ import annotations

import subprocess
from pathlib import Path

#: Linux: a random number for every boot; proc(5).
_LINUX = Path("/proc/sys/kernel/random/boot_id")


def boot_id() -> str:
    """Return what is the same until the machine restarts and never afterwards; empty where nothing tells.

    Linux says it in a file; macOS by the time of the start, `sysctl kern.boottime`.
    """
    try:
        return _LINUX.read_text(encoding="ascii").strip()
    except OSError:
        pass
    try:
        done = subprocess.run(
            ["/usr/sbin/sysctl", "-n", "kern.boottime"], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, cwd="/"
        )
    except OSError:
        return ""
    # `{ sec = 1700000000, usec = 12345 } Tue Nov 14 …`; the microseconds move when the clock is set.
    return done.stdout.partition(",")[0].strip("{ \n")
