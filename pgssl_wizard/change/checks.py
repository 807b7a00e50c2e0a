"""Everything that can be known to go wrong before the first byte is written."""

from __future__ import annotations

import errno
import hashlib
import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from pgssl_wizard.change.journal import Journal, Operation
from pgssl_wizard.change.lock import user_name
from pgssl_wizard.change.paths import real_path
from pgssl_wizard.change.write import ACL, FileState, alike, read_state, refuse_flagged, refuse_signed, try_out
from pgssl_wizard.cluster.facts import Cluster
from pgssl_wizard.cluster.reading import owner_in_words
from pgssl_wizard.errors import Refused
from pgssl_wizard.findings import Finding
from pgssl_wizard.plan.model import LockedOut, Plan, PlannedFile
from pgssl_wizard.server import postmaster

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


def check_ours(cluster: Cluster) -> None:
    """Stop where somebody else manages the files, or the server cannot be reached from here, whatever a saved plan says.

    Raises:
        Refused: says who takes the change, or where to go.
    """
    for found in cluster.findings:
        if found.severity == "error" and found.code in {"managed", "in-a-container"}:
            raise Refused(found.message, where=found.where, hint=found.hint, code=found.code)


def check_permissions(plan: Plan) -> None:
    """Stop when this user cannot write what the plan wants written.

    Raises:
        Refused: names the file or directory that cannot be written.
    """
    refuse_flagged(plan.data_directory)
    if not _writable(plan.data_directory):
        raise Refused("cannot be written", where=str(plan.data_directory), code="cannot-write")
    new = {real_path(directory.path) for directory in plan.new_directories}
    for directory in new:
        # The outermost new one goes into a directory that is there already.
        if directory.parent in new:
            continue
        if not directory.parent.is_dir():
            raise Refused("does not exist", where=str(directory.parent), code="no-directory")
        refuse_flagged(directory.parent)
        if not _writable(directory.parent):
            raise Refused(f"cannot be written, so {directory.name} cannot be made in it", where=str(directory.parent), code="cannot-write")
    for change in plan.changes:
        _check_writable(change, new, os.geteuid())
    if plan.sql or any(change.phase == "tls" and change.action == "modify" for change in plan.changes):
        _check_auto_conf(plan)


def _check_auto_conf(plan: Plan) -> None:
    """Stop when the file could not be rewritten that the server rewrites for ALTER SYSTEM, and we do while a pair is being exchanged."""
    path = plan.data_directory / "postgresql.auto.conf"
    target = real_path(path)
    refuse_flagged(target)
    state = read_state(target)
    if plan.sql and path.is_symlink() and postmaster.read(plan.data_directory) is not None:
        raise Refused(
            "is a symbolic link, and the server itself would put a file in its place (ALTER SYSTEM)",
            where=str(path),
            hint="make it a file of its own; or stop the server first: then what it leads to is edited",
            code="link-in-the-way",
        )
    _refuse_parting(target, state)
    _try_out(target, state, "could not be written and put back")


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
    refuse_flagged(target)
    state = read_state(target) if change.action != "create" else FileState(exists=False)
    _refuse_parting(target, state)
    if target.parent in new:
        return
    if not target.parent.is_dir():
        raise Refused("its directory does not exist", where=str(change.path), code="no-directory")
    refuse_flagged(target.parent)
    if not _writable(target.parent):
        raise Refused("its directory cannot be written", where=str(target.parent), code="cannot-write")
    _try_both_ways(change, target, state)


def _refuse_parting(target: Path, state: FileState) -> None:
    """Stop at a file that a new one cannot take the place of without leaving the old one elsewhere."""
    if state.links > 1:
        raise Refused(
            f"has {state.links} names (hard links); writing it would part them",
            where=str(target),
            hint="make it a file of its own, or a symbolic link",
            code="hard-link",
        )
    if state.exists and target.is_mount():
        raise Refused(
            "is mounted on its own and cannot be replaced from here",
            where=str(target),
            hint="change it where it comes from, outside this container",
            code="mounted-file",
        )


def _try_both_ways(change: PlannedFile, target: Path, state: FileState) -> None:
    """Stop when this user cannot give a file the owner, mode and attributes that it will have, or those that undoing gives it back."""
    refuse_signed(state, target)
    if change.action != "delete":
        after = FileState(True, change.mode, change.uid, change.gid, attributes=state.attributes)
        _try_out(target, after, f"cannot be written as a file of {change.owner} with mode {change.mode:04o}")
    _try_out(target, state, "could not be put back as it is")


def _try_out(target: Path, state: FileState, otherwise: str) -> None:
    """Stop with these words when this user cannot make such a file in its place; nothing happens when `state` is no file."""
    if not state.exists:
        return
    try:
        try_out(target, state)
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise Refused("no space for a new file", where=str(target.parent), hint="make room first", code="no-space") from error
        hint = None if os.geteuid() == 0 else "run as root"
        raise Refused(f"{otherwise}: {error.strerror}", where=str(target), hint=hint, code="cannot-write") from error


def check_can_put_back(journal: Journal) -> None:
    """Stop an undo that is known to end half-way: a file that cannot be written, or not be given what it had.

    Nothing of a change that was cut short is refused: half of it stands anyway, and each file that is put back is one less.

    Raises:
        Refused: names the file; nothing was changed.
    """
    for operation in journal.operations if journal.state in {"applied", "pending"} else ():
        if operation.kind not in {"file", "sql"} or alike(read_state(operation.path), operation.before):
            continue
        refuse_flagged(operation.path)
        if operation.path.parent.is_dir():
            refuse_flagged(operation.path.parent)
            try:
                _try_out(operation.path, operation.before, "could not be put back as it was")
            except Refused as problem:
                # On a full disk the old content goes over the new one, which needs no room.
                if problem.code != "no-space":
                    raise


def attributes_changed_since(journal: Journal) -> tuple[Finding, ...]:
    """Return what somebody did since a change to mode, owner and attributes of files that it made, for whoever is about to undo it.

    Such a file goes away with what was done to it. That is no reason not to undo, for no work is lost that cannot be told in a
    line; but it is told. A file that was there before the change is another matter: `changed_since` stops at it.
    """
    found = []
    for operation in journal.operations:
        if operation.kind != "file" or operation.before.exists:
            continue
        state = read_state(operation.path)
        if state.exists and state.sha256 == operation.after_sha256 and (differs := _differs(state, operation)):
            found.append(
                Finding(
                    "warning",
                    "attributes-changed-since",
                    f"it is gone, as before the change; somebody had changed its {', '.join(differs)} since: "
                    f"it was {state.mode:04o} {owner_in_words(state.uid, state.gid)}",
                    hint="set that again if the change is applied again",
                    where=str(operation.path),
                    topic="apply",
                )
            )
    return tuple(found)


def _differs(state: FileState, operation: Operation) -> list[str]:
    """Return in words what of a file is not as the change made it."""
    differs = []
    if state.mode != operation.after_mode:
        differs.append("mode")
    if any(then not in {-1, now} for now, then in ((state.uid, operation.after_uid), (state.gid, operation.after_gid))):
        differs.append("owner")
    # Labels come from the directory, and so does the list of a file that is no secret.
    if ACL in state.attributes and not operation.after_mode & 0o007:
        differs.append("access control list")
    return differs + [name for name in sorted(state.attributes) if name.startswith(("user.", "trusted."))]


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
