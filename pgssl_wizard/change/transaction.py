"""One change on disk: registered whole, done step by step, undone step by step from the other end."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import hashlib
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from pgssl_wizard.change import write
from pgssl_wizard.change.journal import Journal, Operation, OperationKind, back_up, begin
from pgssl_wizard.change.pair import Bridge
from pgssl_wizard.change.paths import is_temporary, real_path
from pgssl_wizard.change.write import FileState, read_state
from pgssl_wizard.cluster.facts import Cluster
from pgssl_wizard.errors import Refused
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
        Refused: a file cannot be read. Nothing of it is left then.
    """
    identifier, directory = begin(plan.data_directory, uid=cluster.uid, gid=cluster.gid, now=now)
    try:
        operations: list[Operation] = []

        def add(change: PlannedFile, kind: OperationKind, data: bytes | None, *, copy: bool) -> None:
            path = real_path(change.path)
            is_folder = data is None and kind in {"directory", "ca"}
            state = FileState(exists=path.is_dir()) if is_folder else read_state(path)
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
            sql=plan.sql if by_sql else (),
            operations=tuple(operations),
        )
        journal.write()
    except BaseException:
        shutil.rmtree(directory, ignore_errors=True)
        raise
    return journal


def _auto_settings(cluster: Cluster) -> PlannedFile:
    """Return the file that ALTER SYSTEM rewrites, as if it were planned."""
    return PlannedFile(cluster.auto_conf, "modify", "auto-settings", "tls", mode=0, uid=-1, gid=-1, owner="")


def _bridge(journal: Journal) -> Bridge | None:
    """Return the detour that exchanging the pair in use needs; None when no file in use is touched."""
    in_use = {real_path(path) for path in (journal.certificate_before, journal.key_before) if path is not None}
    touched = any(operation.path in in_use and operation.before.exists for operation in journal.operations if operation.kind == "file")
    if not touched or journal.auto_conf is None:
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
    bridge = _bridge(journal) if phase == "tls" and pair is not None else None
    if bridge is not None and pair is not None:
        bridge.enter(pair, opened_by)
    for operation in journal.operations:
        if operation.phase == phase and operation.kind != "sql":
            if bridge is not None and operation.path == bridge.auto_conf:
                bridge.leave()
            _perform_one(operation, contents.get(operation.path), set() if started is None else started)
    if bridge is not None:
        bridge.leave()


def _perform_one(operation: Operation, data: bytes | None, started: set[Path]) -> None:
    """Do one operation."""
    path, mode, uid, gid = operation.path, operation.after_mode, operation.after_uid, operation.after_gid
    if data is None and not operation.removes:
        started.add(path)
        write.make_directory(path, mode=mode, uid=uid, gid=gid)
        return
    state = read_state(path)
    if operation.kind == "ca" and state.exists and not operation.before.exists:
        raise FileExistsError(errno.EEXIST, "exists, and a CA file is never overwritten", str(path))
    if state.sha256 != operation.before.sha256:
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
    operations = tuple(
        dataclasses.replace(operation, after_sha256=read_state(operation.path).sha256) if operation.kind == "sql" else operation
        for operation in journal.operations
    )
    journal = dataclasses.replace(journal, operations=operations)
    journal.write()
    return journal


def changed_since(journal: Journal) -> tuple[Path, ...]:
    """Return the files that are neither what the change made of them nor what they were before."""
    bridge = _bridge(journal)
    changed = []
    for operation in journal.operations:
        if operation.kind not in {"file", "sql"}:
            continue
        if operation.kind == "sql" and operation.after_sha256 is None:
            # Interrupted while the server was rewriting it: whatever stands there is the server's.
            continue
        if bridge is not None and operation.path == bridge.auto_conf and bridge.present():
            continue
        state = read_state(operation.path)
        as_before = state.exists == operation.before.exists and state.sha256 == operation.before.sha256
        as_after = not state.exists if operation.removes else state.exists and state.sha256 == operation.after_sha256
        if not (as_before or as_after):
            changed.append(operation.path)
    return tuple(changed)


def undo(journal: Journal, *, started: set[Path] | None = None, undone: Callable[[Path], None] = lambda _path: None) -> Journal:
    """Put every file back, last one first; done twice it does no harm.

    The files of a CA stay, unless the run was cut short before its last certificate: then nothing was signed by it for good.

    Args:
        journal: the change.
        started: the paths that the same run has written to; what it did not come to is left alone. None: whatever is different.
        undone: is told of every file that was put back.

    Returns:
        The journal in state `undoing`; `finish` closes it.

    Raises:
        OSError, Refused: something could not be put back; the journal stays unfinished, and the rest was put back.
    """
    journal = dataclasses.replace(journal, state="undoing")
    with contextlib.suppress(OSError):
        # On a full disk the state on disk stays `working`, which means the same: not finished.
        journal.write()
    problems: list[OSError | Refused] = []
    bridge = _bridge(journal)
    # In place from an earlier run: `postgresql.auto.conf` then holds the detour and nothing else that is ours.
    detour = bridge is not None and bridge.present()
    for operation in reversed(journal.operations):
        if started is not None and operation.path not in started:
            continue
        try:
            own_auto_conf = bridge is not None and operation.path == bridge.auto_conf
            if own_auto_conf and detour:
                continue
            if bridge is not None and operation.phase == "tls" and not own_auto_conf and not detour:
                detour = True
                if not _as_before(operation) or any(not _as_before(other) for other in journal.operations if other.kind == "file"):
                    bridge.enter(_pair_before(journal), journal.opened_by_before)
            if _undo_one(journal, operation):
                undone(operation.path)
        except (OSError, Refused) as problem:
            problems.append(problem)
    if bridge is not None:
        bridge.leave()
    _remove_half_a_ca(journal)
    _sweep(journal)
    if problems:
        raise problems[0]
    return journal


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
    """Whether the file is what it was before the change: content, mode and owner."""
    state, before = read_state(operation.path), operation.before
    now_and_then = [(each.exists, each.sha256, each.mode, each.uid, each.gid) for each in (state, before)]
    return now_and_then[0] == now_and_then[1]


def _undo_one(journal: Journal, operation: Operation) -> bool:
    """Put one file back; return whether anything had to be done."""
    if operation.kind == "ca":
        return False
    if operation.kind == "directory":
        if not operation.before.exists:
            with contextlib.suppress(OSError):
                # Somebody else's file in it keeps it.
                operation.path.rmdir()
        return False
    if _as_before(operation):
        return False
    write.put_back(operation.path, journal.backup_of(operation) if operation.before.exists else operation.before)
    return True


def _remove_half_a_ca(journal: Journal) -> None:
    """Remove CA files of ours when not all of them were written."""
    ours = [operation for operation in journal.operations if operation.kind == "ca" and not operation.before.exists]
    files = [operation for operation in ours if operation.after_sha256 is not None]
    if all(operation.path.exists() for operation in files):
        return
    for operation in reversed(ours):
        with contextlib.suppress(OSError):
            if operation.after_sha256 is None:
                operation.path.rmdir()
            elif read_state(operation.path).sha256 == operation.after_sha256:
                write.remove(operation.path)


def _sweep(journal: Journal) -> None:
    """Remove half-written files that a killed run left beside the files of this change."""
    touched = {operation.path for operation in journal.operations}
    if journal.auto_conf is not None:
        touched.add(real_path(journal.auto_conf))
    for folder in {path.parent for path in touched}:
        names = {path.name[:180] for path in touched if path.parent == folder}
        with contextlib.suppress(OSError):
            for entry in list(os.scandir(folder)):
                if is_temporary(entry.name) and any(entry.name.startswith(f".{name}.") for name in names):
                    Path(entry.path).unlink()


def finish(journal: Journal, **changes: Any) -> Journal:
    """Close the journal with its last state; the copies of a change that was undone are needed no longer.

    Raises:
        OSError: it could not be written.
    """
    journal = dataclasses.replace(journal, **changes)
    journal.write()
    if journal.state == "rolled-back":
        for operation in journal.operations:
            if operation.backup is not None:
                (journal.directory / operation.backup).unlink(missing_ok=True)
    return journal
