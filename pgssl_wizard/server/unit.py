"""Which service a process belongs to, by its control group: a systemd unit, a container, or neither.

Source: cgroups(7), systemd.unit(5); the names of containers are those of Docker, Podman, containerd, CRI-O and LXC.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

#: Units that run whatever somebody starts in them; restarting one would not restart the server alone.
_OF_ANYTHING = re.compile(r"(user@\d+|ssh|sshd|cron|crond|atd|getty@.*|docker|containerd|podman|crio|kubelet)\.service")
#: What in the name of a unit tells that it is a database's.
_OF_A_SERVER = re.compile(r"postg|pgsql|pgbouncer|edb|patroni|stolon|pg_?auto|(?:^|[-_@.])pg", re.IGNORECASE)
_CONTAINER = re.compile(
    r"/(?:docker|libpod|libpod_parent|kubepods|kubepods\.slice|lxc|lxc\.payload[^/]*)/|/(?:docker|libpod|crio|cri-containerd)-[0-9a-f]{12,}"
)

#: First processes of containers that start another one and wait for it.
_INITS = frozenset({"tini", "docker-init", "dumb-init", "catatonit", "podman-init", "pid1"})


@dataclass(frozen=True, slots=True)
class Unit:
    """A systemd unit; `of_user` when it is one of a user's own manager (`systemctl --user`)."""

    name: str
    of_user: bool = False


def unit_of(pid: int) -> Unit | None:
    """Return the systemd unit that started a process; None where there is none, or only one that runs anything."""
    return parse(_control_groups(pid))


def parse(text: str) -> Unit | None:
    """Return the unit that the text of /proc/PID/cgroup tells, of either version of control groups."""
    for line in text.splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number != "0" and controllers != "name=systemd":
            continue
        parts = [part for part in path.split("/") if part]
        # Inside a service there may be groups of its own making.
        for part in reversed(parts):
            if part.endswith(".scope"):
                break
            if part.endswith(".service"):
                if _OF_ANYTHING.fullmatch(part) or not _OF_A_SERVER.search(part):
                    break
                return Unit(part, of_user=any(above.startswith("user@") for above in parts))
    return None


def in_container(pid: int) -> bool:
    """Whether a process is what a container is there for: its first one, or the first's only business."""
    if _CONTAINER.search(_control_groups(pid)):
        return True
    if pid == 1:
        return True
    return _parent(pid) == 1 and _name(1) in _INITS


def _control_groups(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cgroup").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _parent(pid: int) -> int | None:
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) for line in lines if line.startswith("PPid:")), None)


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
