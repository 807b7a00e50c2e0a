"""Everything that can be known to go wrong before the first byte is written."""

from __future__ import annotations

import hashlib
import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from pgssl_wizard.change.lock import user_name
from pgssl_wizard.change.paths import real_path
from pgssl_wizard.change.write import read_state
from pgssl_wizard.cluster.facts import Cluster
from pgssl_wizard.errors import Refused
from pgssl_wizard.plan.model import LockedOut, Plan, PlannedFile

#: Room for the journal and directories on the data directory's file system, in bytes.
_JOURNAL_ROOM = 256 * 1024
#: For the files of one kit, each of which takes a block.
_KIT_ROOM = 32 * 1024


def check_findings(plan: Plan, *, accept_lock_out: bool, accept_weak: bool = False) -> None:
    """Stop when the plan itself says that it must not be applied.

    Raises:
        Refused: an error stands in it, it holds a weakness that nobody accepted, or somebody known would be locked out.
    """
    errors = [finding for finding in plan.findings if finding.severity == "error"]
    if errors:
        first = errors[0]
        raise Refused(first.message, where=first.where, hint=first.hint, code=first.code)
    if plan.weaknesses and not accept_weak:
        said = next((finding for finding in plan.findings if finding.code == plan.weaknesses[0]), None)
        raise Refused(
            said.message if said else f"this plan holds what protects nobody: {', '.join(plan.weaknesses)}",
            where="protocol.ciphers" if plan.weaknesses[0] == "null-ciphers" else "protocol.minimum",
            hint="choose something better, or say --accept-weak",
            code=plan.weaknesses[0],
        )
    if plan.locked_out and not accept_lock_out:
        who = "; ".join(f"{known.who} ({known.message})" for known in plan.locked_out[:3])
        more = f" and {len(plan.locked_out) - 3} more" if len(plan.locked_out) > 3 else ""
        raise Refused(
            f"this would lock out {who}{more}",
            hint=f"{_cure(plan.locked_out)}, or say --accept-lock-out",
            code="would-lock-out",
        )


def _cure(locked_out: Sequence[LockedOut]) -> str:
    """Return what would let them in: encryption where that is all they lack."""
    if all("no encryption" in known.message for known in locked_out):
        return "move them to TLS first"
    if all("certificate" in known.message for known in locked_out):
        return "give them certificates first"
    return "see first to what each of them lacks"


def check_unchanged(plan: Plan) -> None:
    """Stop when a file that the plan rests on is not what it was.

    Raises:
        Refused: names the files.
    """
    changed = []
    for path, expected in plan.inputs.items():
        if _fingerprint(path) != expected:
            changed.append(path)
    if changed:
        names = ", ".join(str(path) for path in changed)
        raise Refused(
            f"changed since the plan was made: {names}", where=str(changed[0]), hint="make the plan again", code="changed-since-plan"
        )


def _fingerprint(path: Path) -> str | None:
    """Return the SHA-256 of a file's content, None when there is none."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise Refused(f"cannot be read: {error.strerror}", where=str(path), code="unreadable-file") from error


def check_user(cluster: Cluster) -> None:
    """Stop anybody but root and the server's own user.

    Raises:
        Refused: says who may.
    """
    me = os.geteuid()
    if me not in {0, cluster.uid}:
        owner = cluster.owner.split(":")[0] or user_name(cluster.uid)
        raise Refused(
            f"the data directory belongs to {owner}, and you are {user_name(me)}",
            where=str(cluster.data_directory),
            hint=f"run as root or as {owner}",
            code="wrong-user",
        )


def check_permissions(plan: Plan) -> None:
    """Stop when this user cannot write what the plan wants written.

    Raises:
        Refused: names the file or directory that cannot be written.
    """
    if not _writable(plan.data_directory):
        raise Refused("cannot be written", where=str(plan.data_directory), code="cannot-write")
    new = {real_path(directory.path) for directory in plan.new_directories}
    for directory in new:
        # The outermost new one goes into a directory that is there already.
        if directory.parent in new:
            continue
        if not directory.parent.is_dir():
            raise Refused("does not exist", where=str(directory.parent), code="no-directory")
        if not _writable(directory.parent):
            raise Refused(f"cannot be written, so {directory.name} cannot be made in it", where=str(directory.parent), code="cannot-write")
    for change in plan.changes:
        _check_writable(change, new, os.geteuid())


def _writable(directory: Path) -> bool:
    """Whether this user may make files in a directory; False when it is not there."""
    return os.access(directory, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids)


def _check_writable(change: PlannedFile, new: set[Path], me: int) -> None:
    """Stop when one planned file cannot be written by user `me`."""
    target = real_path(change.path)
    if change.phase in {"tls", "rules"} and target != change.path:
        # Plans name the files themselves, links followed.
        raise Refused(
            f"leads to {target} by a symbolic link that was not there when the plan was made",
            where=str(change.path),
            hint="make the plan again",
            code="changed-since-plan",
        )
    if me not in {0, change.uid} and change.uid >= 0:
        raise Refused(
            f"is to belong to {change.owner}, which only root can give", where=str(change.path), hint="run as root", code="wrong-user"
        )
    if me != 0 and change.gid >= 0 and change.gid not in {os.getegid(), *os.getgroups()}:
        raise Refused(
            f"is to belong to {change.owner}, and you are not a member of that group",
            where=str(change.path),
            hint="run as root",
            code="wrong-user",
        )
    if change.action != "create":
        state = read_state(target)
        if state.links > 1:
            raise Refused(
                f"has {state.links} names (hard links); writing it would part them",
                where=str(change.path),
                hint="make it a file of its own, or a symbolic link",
                code="hard-link",
            )
        if target.is_mount():
            raise Refused(
                "is mounted on its own and cannot be replaced from here",
                where=str(change.path),
                hint="change it where it comes from, outside this container",
                code="mounted-file",
            )
    if target.parent in new:
        return
    if not target.parent.is_dir():
        raise Refused("its directory does not exist", where=str(change.path), code="no-directory")
    if not _writable(target.parent):
        raise Refused("its directory cannot be written", where=str(target.parent), code="cannot-write")


def check_space(plan: Plan, contents: Mapping[Path, bytes]) -> None:
    """Stop when a file system has no room for new files, copies of old ones and the journal.

    Raises:
        Refused: says where and how much is missing.
    """
    needed: dict[Path, int] = defaultdict(int)
    place: dict[int, Path] = {}

    def count(directory: Path, size: int) -> None:
        existing = _existing(directory)
        first = place.setdefault(existing.stat().st_dev, existing)
        block = os.statvfs(existing).f_frsize
        needed[first] += (size // block + 2) * block

    for change in plan.changes:
        count(real_path(change.path).parent, _KIT_ROOM if change.role == "kit" else len(contents.get(change.path, b"")))
        count(plan.data_directory, len(change.before or b""))
    count(plan.data_directory, _JOURNAL_ROOM)
    for directory, size in needed.items():
        status = os.statvfs(directory)
        free = (status.f_bfree if os.geteuid() == 0 else status.f_bavail) * status.f_frsize
        if free < size:
            raise Refused(
                f"no space: {size // 1024} kB are needed on this file system and {free // 1024} kB are free",
                where=str(directory),
                hint="make room first",
                code="no-space",
            )
        # Some file systems count no names at all.
        if status.f_files and status.f_ffree < 2 * len(plan.changes) + 8:
            raise Refused("no space: the file system has no names (inodes) left", where=str(directory), code="no-space")


def _existing(directory: Path) -> Path:
    """Return the directory or the nearest parent that is there."""
    while not directory.exists():
        directory = directory.parent
    return directory
