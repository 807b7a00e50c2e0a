"""What a change is going to do, on disk before it does it.

`<data directory>/pgsql_tmp.pgssl-wizard/changes/<id>/` holds `journal.json` and a copy of every file that the change
touches. A change is registered whole before its first write, so that after a kill at any instant the journal knows more than
the disk does, never less: whether an operation was done is read off the files themselves.
"""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import json
import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from pgssl_wizard.change.paths import changes_directory, is_temporary, state_directory
from pgssl_wizard.change.write import FileState, create, make_directory, read_state, refuse_flagged, replace, shred
from pgssl_wizard.errors import Refused
from pgssl_wizard.plan.model import Effective

FORMAT = 1

#: `working` and `undoing` are cut short when nobody works on them; `pending` is whole and waits to be confirmed.
JournalState = Literal["working", "pending", "applied", "undoing", "rolled-back"]
#: `sql`: the server itself rewrites the file, so nobody knows beforehand what it will hold.
OperationKind = Literal["directory", "file", "sql", "ca"]


@dataclass(frozen=True, slots=True)
class Operation:
    """One file or directory that the change creates, modifies or deletes.

    Attributes:
        before: how it stood; its content is in the backup.
        backup: name of the copy inside the change's directory, None when there was nothing to copy.
        after_sha256: of what was written; None for deletions, directories and files that the server rewrites.
        removes: the change deletes the file.
    """

    kind: OperationKind
    path: Path
    phase: str
    before: FileState
    backup: str | None = None
    after_sha256: str | None = None
    after_mode: int = 0
    after_uid: int = -1
    after_gid: int = -1
    removes: bool = False

    def to_json(self) -> dict[str, object]:
        """Return the operation as the journal stores it; no content, no secrets."""
        before = self.before
        return {
            "kind": self.kind,
            "path": os.fsdecode(self.path),
            "phase": self.phase,
            "backup": self.backup,
            "before": None
            if not before.exists
            else {
                "mode": f"{before.mode:04o}",
                "uid": before.uid,
                "gid": before.gid,
                "modified_ns": before.modified_ns,
                "sha256": before.sha256,
                "attributes": {name: base64.b64encode(value).decode() for name, value in before.attributes.items()},
                "flags": before.flags,
            },
            "after": None
            if self.removes
            else {"sha256": self.after_sha256, "mode": f"{self.after_mode:04o}", "uid": self.after_uid, "gid": self.after_gid},
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Operation:
        """Read what `to_json` made; the content of `before` is left to `Journal.backup_of`."""
        before, after = data["before"], data["after"]
        return cls(
            kind=data["kind"],
            path=Path(data["path"]),
            phase=data["phase"],
            backup=data["backup"],
            before=FileState(exists=False)
            if before is None
            else FileState(
                exists=True,
                mode=int(before["mode"], 8),
                uid=before["uid"],
                gid=before["gid"],
                modified_ns=before["modified_ns"],
                sha256=before["sha256"],
                attributes={name: base64.b64decode(value) for name, value in before["attributes"].items()},
                flags=before.get("flags", 0),
            ),
            after_sha256=after and after["sha256"],
            after_mode=int(after["mode"], 8) if after else 0,
            after_uid=after["uid"] if after else -1,
            after_gid=after["gid"] if after else -1,
            removes=after is None,
        )


@dataclass(frozen=True, slots=True)
class Journal:
    """One change as recorded.

    Attributes:
        id: UTC time of its beginning, sortable.
        pid: of the process that made it.
        names: what the server certificate was asked to cover; verify tries them.
        kept: CA files and kits, which no undo touches.
        kits: the directory that kits were to be made in, None when there were none.
        served_before: fingerprint of the certificate served before, None when TLS did not answer.
        certificate_before, key_before: what the settings pointed to while `ssl` was on; None when it was off.
        opened_by_before: the command that opened that key, empty when it needed none.
        words: why it was rolled back, the server's own words where there are any; of a pending change, why it could not be.
        forgotten: since when its copies are gone, so that it cannot be undone any more; UTC.
        confirm_until: of a change that has to be confirmed, or had to; UTC.
        boot: the run of the machine in which it began to wait.
    """

    data_directory: Path
    id: str
    made: datetime
    state: JournalState
    effective: Effective = "now"
    proved: bool = False
    pid: int = 0
    plan_hash: str = ""
    names: tuple[str, ...] = ()
    trust_anchor: Path | None = None
    trust_anchor_sha256: str | None = None
    served_before: str | None = None
    certificate_before: Path | None = None
    key_before: Path | None = None
    opened_by_before: str = ""
    auto_conf: Path | None = None
    log_file: Path | None = None
    kept: tuple[Path, ...] = ()
    kits: Path | None = None
    sql: tuple[str, ...] = ()
    words: str | None = None
    forgotten: datetime | None = None
    confirm_until: datetime | None = None
    boot: str = ""
    operations: tuple[Operation, ...] = field(default=())

    @property
    def directory(self) -> Path:
        """The change's own directory."""
        return changes_directory(self.data_directory) / self.id

    @property
    def undoable(self) -> bool:
        """Whether `rollback` may put back what stood before it; a file that somebody has edited since can still be in the way."""
        return self.state != "rolled-back" and self.forgotten is None and not self.all_kept

    @property
    def all_kept(self) -> bool:
        """Whether it touched nothing of the server's, as a request does: no undo touches what is the person's."""
        return bool(self.operations) and all(operation.kind == "ca" for operation in self.operations)

    @property
    def finished(self) -> bool:
        """Whether nothing is left to be put right."""
        return self.state in {"applied", "rolled-back"}

    def backup_of(self, operation: Operation) -> FileState:
        """Return how the file stood before, content included.

        Raises:
            Refused: the copy is missing or not what it was.
        """
        if operation.backup is None:
            return operation.before
        path = self.directory / operation.backup
        state = read_state(path)
        if state.sha256 != operation.before.sha256:
            raise Refused(
                "the copy kept for undoing is missing or was changed",
                where=str(path),
                hint=f"put {operation.path} right by hand from a backup of your own",
                code="backup-damaged",
            )
        return dataclasses.replace(operation.before, data=state.data)

    def to_bytes(self) -> bytes:
        """Return the journal as JSON."""
        document = {
            "format": FORMAT,
            "id": self.id,
            "made": self.made.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "state": self.state,
            "effective": self.effective,
            "proved": self.proved,
            "pid": self.pid,
            "plan_hash": self.plan_hash,
            "names": list(self.names),
            "trust_anchor": self.trust_anchor and os.fsdecode(self.trust_anchor),
            "trust_anchor_sha256": self.trust_anchor_sha256,
            "served_before": self.served_before,
            "certificate_before": self.certificate_before and os.fsdecode(self.certificate_before),
            "key_before": self.key_before and os.fsdecode(self.key_before),
            "opened_by_before": self.opened_by_before,
            "auto_conf": self.auto_conf and os.fsdecode(self.auto_conf),
            "log_file": self.log_file and os.fsdecode(self.log_file),
            "kept": [os.fsdecode(path) for path in self.kept],
            "kits": self.kits and os.fsdecode(self.kits),
            "sql": list(self.sql),
            "words": self.words,
            "forgotten": self.forgotten and self.forgotten.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "confirm_until": self.confirm_until and self.confirm_until.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "boot": self.boot,
            "operations": [operation.to_json() for operation in self.operations],
        }
        return (json.dumps(document, indent=1) + "\n").encode("utf-8", "surrogateescape")

    def write(self) -> None:
        """Put the journal on disk, in place of its older self."""
        parent = self.directory.stat()
        replace(self.directory / "journal.json", self.to_bytes(), mode=0o600, uid=parent.st_uid, gid=parent.st_gid)

    def mark_undoing(self) -> None:
        """Say in the journal on disk, in its place, that the change is being undone: for a disk without room for another journal.

        All states but the last have the same length, so nothing else moves, and one sector holds the old word or the new one.

        Raises:
            OSError: it could not be written.
        """
        path = self.directory / "journal.json"
        before = b'"state": "'
        place = path.read_bytes().index(before) + len(before)
        descriptor = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            os.pwrite(descriptor, b"undoing", place)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def read(data_directory: Path, change_id: str) -> Journal:
    """Return the journal of one change.

    Raises:
        Refused: there is no such change, or its journal cannot be read.
    """
    path = changes_directory(data_directory) / change_id / "journal.json"
    try:
        data = json.loads(path.read_bytes().decode("utf-8", "surrogateescape"))
        if data["format"] != FORMAT:
            raise Refused(
                f"was written by another version of pgssl-wizard (format {data['format']})",
                where=str(path),
                hint="use that version to roll back",
                code="journal-format",
            )
        return Journal(
            data_directory=data_directory,
            id=data["id"],
            made=datetime.fromisoformat(data["made"]),
            state=data["state"],
            effective=data["effective"],
            proved=data["proved"],
            pid=data["pid"],
            plan_hash=data["plan_hash"],
            names=tuple(data["names"]),
            trust_anchor=Path(data["trust_anchor"]) if data["trust_anchor"] else None,
            trust_anchor_sha256=data["trust_anchor_sha256"],
            served_before=data["served_before"],
            certificate_before=Path(data["certificate_before"]) if data["certificate_before"] else None,
            key_before=Path(data["key_before"]) if data["key_before"] else None,
            opened_by_before=data.get("opened_by_before", ""),
            auto_conf=Path(data["auto_conf"]) if data["auto_conf"] else None,
            log_file=Path(data["log_file"]) if data["log_file"] else None,
            kept=tuple(Path(path) for path in data["kept"]),
            kits=Path(data["kits"]) if data.get("kits") else None,
            sql=tuple(data["sql"]),
            words=data["words"],
            forgotten=datetime.fromisoformat(data["forgotten"]) if data.get("forgotten") else None,
            confirm_until=datetime.fromisoformat(data["confirm_until"]) if data.get("confirm_until") else None,
            boot=data.get("boot", ""),
            operations=tuple(Operation.from_json(operation) for operation in data["operations"]),
        )
    except OSError as error:
        raise Refused(f"cannot be read: {error.strerror}", where=str(path), code="journal-unreadable") from error
    except (ValueError, KeyError, TypeError) as error:
        raise Refused("is not a journal of ours", where=str(path), code="journal-unreadable") from error


def read_all(data_directory: Path) -> list[Journal]:
    """Return every recorded change, newest first; changes killed before their first write are left out.

    Raises:
        Refused: a journal cannot be read.
    """
    directory = changes_directory(data_directory)
    try:
        identifiers = sorted((entry.name for entry in directory.iterdir() if (entry / "journal.json").exists()), reverse=True)
    except FileNotFoundError:
        return []
    except NotADirectoryError as error:
        raise Refused("is not a directory of ours", where=str(directory), code="journal-unreadable") from error
    except PermissionError as error:
        raise Refused(
            "cannot be read by this user",
            where=str(directory),
            hint="run as root or as the owner of the data directory",
            code="journal-unreadable",
        ) from error
    return [read(data_directory, identifier) for identifier in identifiers]


def make_state_directory(data_directory: Path, *, uid: int, gid: int) -> Path:
    """Make the directory for changes, 0700 and the data directory owner's; return it.

    Raises:
        Refused: it cannot be made, or is not a directory of ours.
    """
    directory = state_directory(data_directory)
    for last in (*[False] * 20, True):
        try:
            for path in (directory, changes_directory(data_directory)):
                _make_our_directory(path, uid=uid, gid=gid)
        except OSError as error:
            # A run that has just ended takes the directories along when they are empty: also between two of our steps.
            if isinstance(error, FileNotFoundError) and data_directory.is_dir() and not last:
                continue
            raise Refused(f"cannot be made: {error.strerror}", where=str(error.filename or directory), code="cannot-write") from error
        break
    return directory


def _make_our_directory(path: Path, *, uid: int, gid: int) -> None:
    """Make one directory of ours, or see that it is one."""
    if path.is_symlink():
        raise Refused("is a symbolic link, and should be a directory of ours", where=str(path), code="state-directory")
    refuse_flagged(path if path.exists() else path.parent)
    if not make_directory(path, mode=0o700, uid=uid, gid=gid) and os.geteuid() == 0 and path.stat().st_uid != uid:
        # A run of root's that was killed between making it and giving it away would shut its owner out.
        os.chown(path, uid, gid, follow_symlinks=False)


def begin(data_directory: Path, *, uid: int, gid: int, now: datetime) -> tuple[str, Path]:
    """Make the directory of a new change; return its id and the directory.

    Raises:
        OSError: it could not be made.
    """
    while True:
        identifier = f"{now.astimezone(UTC):%Y%m%dT%H%M%S}{now.microsecond // 1000:03d}Z"
        directory = changes_directory(data_directory) / identifier
        if make_directory(directory, mode=0o700, uid=uid, gid=gid):
            return identifier, directory
        now += timedelta(milliseconds=1)


def back_up(directory: Path, number: int, path: Path, state: FileState, *, uid: int, gid: int) -> str:
    """Copy the content of `path` into the change's directory; return the copy's name there.

    The copy belongs to the data directory's owner and nobody else may read it; the file's own mode and owner are in the journal.
    """
    assert state.data is not None
    name = f"{number:02d}-{path.name[:120]}"
    create(directory / name, state.data, mode=0o600, uid=uid, gid=gid)
    return name


def unfinished(journals: Iterable[Journal]) -> Journal | None:
    """Return the change that was never finished, if any."""
    return next((journal for journal in journals if not journal.finished), None)


def sweep(data_directory: Path) -> None:
    """Remove what runs left behind that were killed: copies without a journal, half-written files, copies of what is undone.

    To be called by whoever holds the lock.
    """
    with contextlib.suppress(OSError):
        for entry in changes_directory(data_directory).iterdir():
            if not (entry / "journal.json").exists():
                # Nothing had been written then.
                discard(entry)
                continue
            for path in entry.iterdir():
                if is_temporary(path.name):
                    shred(path)


def discard(directory: Path) -> None:
    """Remove the directory of a change that was never registered, and shred the copies in it; what cannot be removed stays."""
    with contextlib.suppress(OSError):
        for path in list(directory.iterdir()):
            with contextlib.suppress(OSError):
                shred(path)
    shutil.rmtree(directory, ignore_errors=True)
