"""Whether a process lives where we live: a server in a container has numbers, a network and files of its own.

Source: namespaces(7), and proc(5) for NSpid (its last number is the one that the process itself knows).
"""

from __future__ import annotations

import os
from pathlib import Path

#: What a postmaster's process is called.
NAMES = frozenset({"postgres", "postmaster", "edb-postgres"})

#: The namespaces that matter here: in another one of these, numbers of processes and addresses mean something else.
_KINDS = ("pid", "net")


def apart(pid: int) -> tuple[str, ...]:
    """Return in which namespaces (`pid`, `net`) a process lives and we do not; what we may not see counts as ours."""
    found = []
    for kind in _KINDS:
        try:
            theirs, ours = (Path("/proc", str(who), "ns", kind).readlink() for who in (pid, "self"))
        except OSError:
            # A number for every namespace that it has a number in: more than one where it is not ours.
            if kind == "pid" and len(_numbers(Path(f"/proc/{pid}"))) > 1:
                found.append(kind)
            continue
        if theirs != ours:
            found.append(kind)
    return tuple(found)


def find(data_directory: Path, number: int) -> int | None:
    """Return our number of the server that works in this data directory and calls itself `number`; None: there is none that we see."""
    try:
        here = data_directory.stat()
        entries = os.listdir("/proc")
    except OSError:
        return None
    for entry in entries:
        if not entry.isdigit():
            continue
        process = Path("/proc", entry)
        try:
            if (process / "comm").read_text(encoding="utf-8", errors="replace").strip() not in NAMES:
                continue
            # The same directory has another name in there; it is the same one all the same.
            there = (process / "cwd").stat()
        except OSError:
            continue
        # A session's process works in that directory too.
        if (there.st_dev, there.st_ino) == (here.st_dev, here.st_ino) and _numbers(process)[-1:] == [number]:
            return int(entry)
    return None


def _numbers(process: Path) -> list[int]:
    """Return the numbers of a process, ours first, its own last; empty when nothing tells."""
    try:
        lines = (process / "status").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return []
    return [int(number) for line in lines if line.startswith("NSpid:") for number in line.split()[1:]]
