"""One change on disk: registered whole, done step by step, undone step by step from the other end."""

from __future__ import annotations

import dataclasses
import errno
import hashlib
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from pgssl_wizard.change import checks, write
from pgssl_wizard.change.journal import Journal, Operation, OperationKind, back_up, begin, discard, read
from pgssl_wizard.change.pair import Bridge
from pgssl_wizard.change.paths import is_temporary, real_path
from pgssl_wizard.change.write import FileState, alike, read_state
from pgssl_wizard.cluster.facts import Cluster
from pgssl_wizard.errors import Interrupted, Refused
from pgssl_wizard.files.conf import ConfFile
from pgssl_wizard.files.known_settings import fold
from pgssl_wizard.plan.model import Plan, PlannedFile

#: Within the TLS phase: a file stands before anything refers to it.
_ORDER = {
    "client-ca": 0,
    "crl": 0,
    "server-key": 1,
    "server-certificate": 2,
    "server-pair": 2,
    "record": 3,
    "settings": 4,
    "auto-settings": 5,
    "rules": 1,
}
_TEXTS = {"settings", "auto-settings", "rules", "maps"}
_PHASES = {"ca": 0, "tls": 1, "rules": 2}
#: Of the CA's files the certificate comes last: a CA that has one has its key too.
_CA_ORDER = {
    "root-key": 0,
    "requested-key": 0,
    "request": 1,
    "intermediate-key": 1,
    "intermediate-certificate": 2,
    "root-certificate": 3,
    "ca-crl": 5,
}


class NotBegun(Refused):
    """Undoing was not begun: it could not be recorded, and a change that is half undone must not look like one that stands."""


class ChangedMeanwhile(Exception):
    """Somebody else wrote to a file between our reading it and our writing it."""


def in_order(changes: Sequence[PlannedFile]) -> list[PlannedFile]:
    """Return the files in the order in which they can be written: nothing refers to what is not there yet."""
    order = {**_ORDER, **_CA_ORDER}
    # What goes is needed no more once everything else stands.
    return sorted(changes, key=lambda change: (_PHASES[change.phase], 9 if change.action == "delete" else order.get(change.role, 0)))


def register(plan: Plan, cluster: Cluster, contents: Mapping[Path, bytes], *, by_sql: bool, now: datetime) -> Journal:
    """Copy what will change, and write the journal of everything that is about to happen.

    Args:
        plan: what to do.
        cluster: whose owner gets the copies.
        contents: the bytes of every file to be written, by planned path.
        by_sql: the server itself rewrites `postgresql.auto.conf`.
        now: the time that gives the change its id.

    Raises:
        OSError: no room, no permission. Nothing of it is left then.
        Refused: a file cannot be read, or is not what it was when the plan was made. Nothing of it is left then.
        Interrupted: as for OSError, but the journal stands and cannot be taken away again.
    """
    identifier, directory = begin(plan.data_directory, uid=cluster.uid, gid=cluster.gid, now=now)
    try:
        operations: list[Operation] = []

        def add(change: PlannedFile, kind: OperationKind, data: bytes | None, *, copy: bool) -> None:
            path = real_path(change.path)
            is_folder = data is None and kind in {"directory", "ca"}
            state = FileState(exists=path.is_dir()) if is_folder else read_state(path)
            _refuse_another_mode(change, state)
            if kind == "ca" and not is_folder and change.action == "create":
                # Whatever has come to stand there since is in the way; only a CA's revocation list is replaced.
                state = FileState(exists=False)
            name = back_up(directory, len(operations), path, state, uid=cluster.uid, gid=cluster.gid) if copy and state.exists else None
            operations.append(
                Operation(
                    kind=kind,
                    path=path,
                    phase=change.phase,
                    before=dataclasses.replace(state, data=None, links=0),
                    backup=name,
                    after_sha256=None if data is None else hashlib.sha256(data).hexdigest(),
                    after_mode=change.mode,
                    after_uid=change.uid,
                    after_gid=change.gid,
                    removes=change.action == "delete",
                )
            )

        # Kits are not the transaction's: they are written by themselves, and no undo touches them.
        for folder in (each for each in plan.new_directories if each.phase != "kits"):
            add(folder, "ca" if folder.phase == "ca" else "directory", None, copy=False)
        for change in in_order([each for each in plan.changes if each.phase != "kits"]):
            if change.phase == "ca":
                add(change, "ca", contents[change.path], copy=False)
            elif not (by_sql and change.role == "auto-settings"):
                add(change, "file", contents.get(change.path), copy=True)
        if by_sql:
            add(_auto_settings(cluster), "sql", None, copy=True)
        on = cluster.value("ssl") == "on"
        journal = Journal(
            data_directory=plan.data_directory,
            id=identifier,
            made=now,
            state="working",
            effective=plan.effective,
            pid=os.getpid(),
            plan_hash=plan.hash,
            names=plan.answers.server.names,
            trust_anchor=plan.trust_anchor,
            served_before=cluster.served_sha256,
            certificate_before=cluster.path_of("ssl_cert_file") if on else None,
            key_before=cluster.path_of("ssl_key_file") if on else None,
            opened_by_before=cluster.value("ssl_passphrase_command") if on and cluster.key_encrypted else "",
            auto_conf=cluster.auto_conf,
            log_file=cluster.log_file,
            kept=tuple(operation.path for operation in operations if operation.kind == "ca" and not operation.before.exists),
            kits=plan.answers.clients.directory if any(change.phase == "kits" for change in plan.changes) else None,
            sql=plan.sql if by_sql else (),
            operations=tuple(operations),
        )
        # A rehearsal takes seconds, in which somebody may have written to a file: what is overwritten is what the plan was made from.
        checks.check_unchanged(plan)
        journal.write()
    except BaseException as problem:
        discard(directory)
        if (directory / "journal.json").exists():
            raise Interrupted(
                f"the change was recorded and could not be begun: {problem}",
                where=str(plan.data_directory),
                hint=f"see to that, then run: pgssl-wizard rollback {plan.data_directory}",
                code="interrupted-change",
            ) from problem
        raise
    return journal


def _refuse_another_mode(change: PlannedFile, state: FileState) -> None:
    """Stop when somebody gave a text file another mode or owner since the plan was made, which keeps both; of others it decides them."""
    planned = (change.mode, change.uid, change.gid)
    if change.action == "modify" and change.role in _TEXTS and change.uid >= 0 and planned != (state.mode, state.uid, state.gid):
        raise Refused(
            "has another mode or owner than when the plan was made",
            where=str(change.path),
            hint="make the plan again",
            code="changed-since-plan",
        )


def _auto_settings(cluster: Cluster) -> PlannedFile:
    """Return the file that ALTER SYSTEM rewrites, as if it were planned."""
    return PlannedFile(cluster.auto_conf, "modify", "auto-settings", "tls", mode=0, uid=-1, gid=-1, owner="")


def _bridge(journal: Journal) -> Bridge | None:
    """Return the detour that exchanging the pair in use needs; None when one rename does it, or no pair was in use."""
    if journal.auto_conf is None or journal.certificate_before is None or journal.key_before is None:
        return None
    in_use = {real_path(path) for path in (journal.certificate_before, journal.key_before)}
    standing = [operation for operation in journal.operations if operation.phase == "tls" and operation.before.exists]
    texts = [operation for operation in standing if operation.kind in {"file", "sql"} and not operation.removes]
    # A file in use is exchanged; or the pair's names may stand in several files, and the server's SQL takes one name at a time.
    if not any(operation.path in in_use for operation in standing) and len(texts) < 2:
        return None
    owner = journal.directory.stat()
    return Bridge(journal, uid=owner.st_uid, gid=owner.st_gid)


def perform(
    journal: Journal,
    contents: Mapping[Path, bytes],
    phase: str,
    *,
    pair: bytes | None = None,
    opened_by: str = "",
    started: set[Path] | None = None,
) -> None:
    """Do every file operation of one phase, in order.

    Args:
        journal: the registered change.
        contents: the bytes to write, by real path.
        phase: `ca`, `tls` or `rules`.
        pair: the new certificates and key, PEM, for the instant in which only one of the two files is there.
        opened_by: the command that opens the pair's key, empty when it needs none.
        started: gets every path before it is written to.

    Raises:
        OSError, ChangedMeanwhile, Refused: the caller undoes.
    """
    started = set() if started is None else started
    bridge = _bridge(journal) if phase == "tls" and pair is not None else None
    if bridge is not None and pair is not None:
        bridge.enter(pair, opened_by)
    for operation in journal.operations:
        if operation.phase == phase:
            if bridge is not None and operation.path == bridge.auto_conf:
                _leave_into(bridge, operation, contents.get(operation.path), started)
            elif operation.kind != "sql":
                _perform_one(operation, contents.get(operation.path), started)
    if bridge is not None:
        bridge.leave()


def _leave_into(bridge: Bridge, operation: Operation, data: bytes | None, started: set[Path]) -> None:
    """Take the detour away and do what is to be done to the same file, `postgresql.auto.conf`, in one instant.

    Also where the server does it by SQL afterwards: it takes one setting at a time, and certificate and key would not match in between.
    """
    if bridge.beneath() != operation.before.sha256:
        raise ChangedMeanwhile(f"{operation.path} was changed by somebody else in the meantime")
    started.add(operation.path)
    bridge.leave(into=data)


def _perform_one(operation: Operation, data: bytes | None, started: set[Path]) -> None:
    """Do one operation."""
    path, mode, uid, gid = operation.path, operation.after_mode, operation.after_uid, operation.after_gid
    if real_path(path) != path:
        raise ChangedMeanwhile(f"{path} was replaced by a symbolic link in the meantime")
    if data is None and not operation.removes:
        started.add(path)
        write.make_directory(path, mode=mode, uid=uid, gid=gid)
        return
    state = read_state(path)
    if operation.kind == "ca" and state.exists and not operation.before.exists:
        raise FileExistsError(errno.EEXIST, "exists, and a CA file is never overwritten", str(path))
    if not alike(state, operation.before):
        raise ChangedMeanwhile(f"{path} was changed by somebody else in the meantime")
    started.add(path)
    if operation.removes:
        write.remove(path)
    elif state.exists:
        assert data is not None
        write.replace(path, data, mode=mode, uid=uid, gid=gid, attributes=state.attributes)
    else:
        assert data is not None
        write.create(path, data, mode=mode, uid=uid, gid=gid)


def record_sql(journal: Journal) -> Journal:
    """Note what the server made of `postgresql.auto.conf`, so that a later change of it by somebody else is noticed."""

    def as_it_is(operation: Operation) -> Operation:
        # The server makes the file anew, with a mode and label of its own choice.
        write.give_back(operation.path, operation.before)
        state = read_state(operation.path)
        return dataclasses.replace(operation, after_sha256=state.sha256, after_mode=state.mode, after_uid=state.uid, after_gid=state.gid)

    operations = tuple(as_it_is(operation) if operation.kind == "sql" else operation for operation in journal.operations)
    journal = dataclasses.replace(journal, operations=operations)
    journal.write()
    return journal


def changed_since(journal: Journal) -> tuple[Path, ...]:
    """Return the files that are neither what the change made of them nor what they were before: content, mode, owner or attributes."""
    return tuple(operation.path for operation in journal.operations if operation.kind in {"file", "sql"} and _foreign(journal, operation))


def _foreign(journal: Journal, operation: Operation) -> bool:
    """Whether somebody else has had a hand in a file of the change."""
    if real_path(operation.path) != operation.path:
        return True
    bridge = _bridge(journal)
    if bridge is not None and operation.path == bridge.auto_conf and bridge.present():
        return bridge.beneath() != operation.before.sha256
    state = read_state(operation.path)
    if alike(state, operation.before):
        return False
    if operation.removes:
        return state.exists
    if not state.exists:
        return operation.before.exists
    if operation.kind == "sql":
        return not _only_reset(journal, operation, state) or (operation.after_sha256 is not None and not _as_after(operation, state))
    if not operation.before.exists:
        # It is ours, and putting back deletes it: whatever else somebody did to it, nothing of theirs is lost.
        return state.sha256 != operation.after_sha256
    return not _as_after(operation, state)


def _as_after(operation: Operation, state: FileState) -> bool:
    """Whether a file is what the change made of it."""
    uid = state.uid if operation.after_uid < 0 else operation.after_uid
    gid = state.gid if operation.after_gid < 0 else operation.after_gid
    after = dataclasses.replace(operation.before, sha256=operation.after_sha256, mode=operation.after_mode, uid=uid, gid=gid)
    if operation.kind == "sql":
        # The server makes a new file, and gives it what it gives every file.
        after = dataclasses.replace(after, attributes=state.attributes)
    return alike(state, after)


def _only_reset(journal: Journal, operation: Operation, state: FileState) -> bool:
    """Whether `postgresql.auto.conf` differs from before in nothing but the settings that our statements reset."""
    ours = {fold(statement.rstrip("; ").split()[-1].strip('"')) for statement in journal.sql}

    def others(data: bytes) -> list[tuple[str, str]]:
        return [(fold(entry.name), entry.value) for entry in ConfFile.parse(data).entries if fold(entry.name) not in ours]

    return others(state.data or b"") == others(journal.backup_of(operation).data or b"")


def dressed_otherwise(journal: Journal, started: set[Path]) -> tuple[Path, ...]:
    """Return the files whose content is ours and whose mode, owner or attributes somebody else has changed since.

    Args:
        journal: the change.
        started: the paths that were written to.
    """
    found = []
    for operation in journal.operations:
        if operation.kind == "file" and operation.path in started and operation.before.exists and not operation.removes:
            state = read_state(operation.path)
            if state.sha256 == operation.after_sha256 and not _as_after(operation, state) and not alike(state, operation.before):
                found.append(operation.path)
    return tuple(found)


def undo(journal: Journal, *, started: set[Path] | None = None, undone: Callable[[Path], None] = lambda _path: None) -> Journal:
    """Put every file back, last one first; done twice it does no harm.

    A file that somebody else has edited is left as it is. The files of a CA stay, unless the run was cut short before its last
    certificate: then nothing was signed by it for good.

    Args:
        journal: the change.
        started: the paths that the same run has written to; what it did not come to is left alone. None: whatever is different.
        undone: is told of every file that was put back.

    Returns:
        The journal in state `undoing`; `finish` closes it.

    Raises:
        NotBegun: nothing was put back.
        OSError, Refused: something could not be put back; the journal stays unfinished, and so does what might refer to it: a server still
            starts.
    """
    journal = dataclasses.replace(journal, state="undoing")
    _record_undoing(journal)
    problems: list[OSError | Refused] = []

    def each(operations: Iterable[Operation]) -> None:
        for operation in operations:
            if started is not None and operation.path not in started:
                continue
            if problems and not operation.before.exists:
                # Settings that stand may refer to it: deleted, it would keep the server from starting.
                continue
            try:
                if operation.kind == "file" and (_foreign(journal, operation) if started is None else _edited(operation)):
                    raise _not_ours_any_more(operation)
                if _undo_one(journal, operation):
                    undone(operation.path)
            except (OSError, Refused) as problem:
                problems.append(problem)

    each(operation for operation in reversed(journal.operations) if operation.phase != "tls")
    if not problems:
        # Rules that could not be put back may demand TLS, which then stays.
        try:
            bridge = _enter_before(journal, started, undone)
        except (OSError, Refused) as problem:
            # Without the detour certificate and key are better left as they are: a pair.
            problems.append(problem)
        else:
            own = bridge.auto_conf if bridge is not None and bridge.present() else None
            each(operation for operation in reversed(journal.operations) if operation.phase == "tls" and operation.path != own)
    for rest in (_leave, _remove_half_a_ca, _sweep):
        try:
            if not problems or rest is _sweep:
                rest(journal)
        except (OSError, Refused) as problem:
            problems.append(problem)
    if problems:
        raise problems[0]
    return journal


def _record_undoing(journal: Journal) -> None:
    """Write down that undoing begins.

    Raises:
        NotBegun: that cannot be written, and the journal on disk says that the change stands.
    """
    try:
        journal.write()
    except OSError:
        if read(journal.data_directory, journal.id).state in {"working", "undoing"}:
            # Both mean the same to whoever comes next: not finished.
            return
        try:
            journal.mark_undoing()
        except OSError as problem:
            raise NotBegun(
                f"the journal cannot be written, so nothing was put back: {problem.strerror}",
                where=str(journal.directory),
                hint="see to that, then run rollback again",
                code="cannot-write",
            ) from problem


def _edited(operation: Operation) -> bool:
    """Whether a file that we have written to has somebody else's content now."""
    if real_path(operation.path) != operation.path:
        return True
    state = read_state(operation.path)
    as_before = state.exists == operation.before.exists and state.sha256 == operation.before.sha256
    as_after = not state.exists if operation.removes else state.sha256 == operation.after_sha256
    return not as_before and not as_after


def _not_ours_any_more(operation: Operation) -> Refused:
    return Refused(
        "was changed by somebody else in the meantime, and is left as it is", where=str(operation.path), code="changed-meanwhile"
    )


def _enter_before(journal: Journal, started: set[Path] | None, undone: Callable[[Path], None]) -> Bridge | None:
    """Have a server that starts now use the pair of before, until everything else is put back; return the detour, None without need.

    `postgresql.auto.conf` itself, where the change has touched it, becomes what it was before in the same instant.

    Raises:
        OSError, Refused: it could not be done, for another reason than a full disk; nothing was put back.
    """
    bridge = _bridge(journal)
    if bridge is None or bridge.present():
        # In place from an earlier run: beneath it stands what stood before.
        return bridge
    touched = [
        operation
        for operation in journal.operations
        if operation.phase == "tls" and operation.kind in {"file", "sql"} and (started is None or operation.path in started)
    ]
    if all(_as_before(operation) for operation in touched):
        return None
    own = next((operation for operation in touched if operation.path == bridge.auto_conf and not _as_before(operation)), None)
    if own is not None and started is not None and _foreign(journal, own):
        raise _not_ours_any_more(own)
    try:
        bridge.enter(_pair_before(journal), journal.opened_by_before, over=journal.backup_of(own) if own is not None else None)
    except OSError as problem:
        if problem.errno not in {errno.ENOSPC, errno.EDQUOT}:
            raise
        # No room for a pair's file: then each file by itself, which needs none.
        return None
    if own is not None:
        undone(own.path)
    return bridge


def _leave(journal: Journal) -> None:
    """Take the detour away."""
    bridge = _bridge(journal)
    if bridge is not None:
        bridge.leave()


def _pair_before(journal: Journal) -> bytes:
    """Return certificates and key as they were in use before the change, from the copies or, where untouched, from the files."""
    data = b""
    for path in (journal.certificate_before, journal.key_before):
        assert path is not None
        real = real_path(path)
        operation = next((operation for operation in journal.operations if operation.kind == "file" and operation.path == real), None)
        state = read_state(real) if operation is None else journal.backup_of(operation)
        data += (state.data or b"").rstrip(b"\n") + b"\n"
    return data


def _as_before(operation: Operation) -> bool:
    """Whether the file is what it was before the change: content, mode, owner and attributes."""
    return alike(read_state(operation.path), operation.before)


def _undo_one(journal: Journal, operation: Operation) -> bool:
    """Put one file back; return whether anything had to be done."""
    if operation.kind == "ca":
        return False
    if operation.kind == "directory":
        if not operation.before.exists:
            _remove_directory(operation.path)
        return False
    if real_path(operation.path) != operation.path:
        raise Refused("was replaced by a symbolic link since", where=str(operation.path), hint="remove the link", code="changed-meanwhile")
    if _as_before(operation):
        return False
    copy = journal.directory / operation.backup if operation.backup is not None else None
    write.put_back(operation.path, journal.backup_of(operation) if operation.before.exists else operation.before, copy=copy)
    return True


def _remove_directory(path: Path) -> None:
    """Remove a directory of ours; somebody else's file in it keeps it."""
    try:
        path.rmdir()
    except OSError as error:
        if error.errno not in {errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT, errno.ENOTDIR}:
            raise


def _remove_half_a_ca(journal: Journal) -> None:
    """Remove CA files of ours when not all of them were written.

    Raises:
        OSError: one could not be removed.
    """
    ours = [operation for operation in journal.operations if operation.kind == "ca" and not operation.before.exists]
    files = [operation for operation in ours if operation.after_sha256 is not None]
    if all(operation.path.exists() for operation in files):
        return
    for operation in reversed(ours):
        if operation.after_sha256 is None:
            _remove_directory(operation.path)
        elif read_state(operation.path).sha256 == operation.after_sha256:
            write.remove(operation.path)


def _sweep(journal: Journal) -> None:
    """Remove half-written files that a killed run left beside the files of this change, and in its own directory.

    Raises:
        OSError: one could not be removed.
    """
    touched = {operation.path for operation in journal.operations}
    if journal.auto_conf is not None:
        touched.add(real_path(journal.auto_conf))
    for folder in {journal.directory, *(path.parent for path in touched)}:
        names = {path.name[:180] for path in touched if path.parent == folder}
        try:
            found = [entry.name for entry in os.scandir(folder) if is_temporary(entry.name)]
        except (FileNotFoundError, NotADirectoryError):
            continue
        for name in found:
            if folder == journal.directory or any(name.startswith(f".{each}.") for each in names):
                write.shred(folder / name)
    if journal.kits is not None:
        from pgssl_wizard.change import kits  # noqa: PLC0415 - few changes make any

        kits.clear(journal.kits)


def finish(journal: Journal, **changes: Any) -> Journal:
    """Close the journal with its last state; the copies of a change that was undone are needed no longer.

    Raises:
        OSError: it could not be written.
    """
    journal = dataclasses.replace(journal, **changes)
    if journal.state == "rolled-back":
        # First, for on a full disk they make the room that the journal needs; everything is as before and needs them no more.
        forget_copies(journal)
    journal.write()
    return journal


def forget_copies(journal: Journal) -> None:
    """Shred the copies of a change whose files are as before.

    Raises:
        OSError: one could not be deleted.
    """
    for operation in journal.operations:
        if operation.backup is not None:
            write.shred(journal.directory / operation.backup)
