"""Writing one file so that it is never half there: final mode and owner first, then content, then one rename.

Everything happens relative to an open directory, so that nobody who may write to a parent directory can divert the write.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pgssl_wizard.change.paths import real_path, temporary_name
from pgssl_wizard.errors import Refused

#: Passing through a directory needs less than reading it, where the system can say so.
_SEARCH: int = getattr(os, "O_PATH", os.O_RDONLY)


@dataclass(frozen=True, slots=True)
class FileState:
    """A file as it is now.

    Attributes:
        exists: False when nothing has that name; everything else is then empty.
        mode: permission bits.
        modified_ns: the time of its last change, nanoseconds since the epoch.
        sha256: of its content, lower-case hex.
        attributes: extended attributes (access control lists, labels), by name.
        links: how many names it has; 1 for nearly every file.
    """

    exists: bool
    mode: int = 0
    uid: int = -1
    gid: int = -1
    modified_ns: int = 0
    sha256: str | None = None
    data: bytes | None = field(default=None, repr=False)
    attributes: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    links: int = 0


def read_state(path: Path) -> FileState:
    """Return what stands at `path`, symbolic links followed.

    Raises:
        Refused: it is there and is no regular file, or cannot be read.
    """
    try:
        # Without O_NONBLOCK a named pipe would hold us up for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (FileNotFoundError, NotADirectoryError):
        if path.is_symlink():
            raise Refused(
                "is a symbolic link that leads nowhere", where=str(path), hint="remove it or make what it points to", code="dangling-link"
            ) from None
        return FileState(exists=False)
    except OSError as error:
        raise Refused(f"cannot be read: {error.strerror}", where=str(path), code="unreadable-file") from error
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise Refused("is not a regular file", where=str(path), code="not-a-file")
    with os.fdopen(descriptor, "rb") as file:
        data = file.read()
        return FileState(
            exists=True,
            mode=stat.S_IMODE(status.st_mode),
            uid=status.st_uid,
            gid=status.st_gid,
            modified_ns=status.st_mtime_ns,
            sha256=hashlib.sha256(data).hexdigest(),
            data=data,
            attributes=_attributes(file.fileno(), path),
            links=status.st_nlink,
        )


def _attributes(descriptor: int, path: Path) -> dict[str, bytes]:
    """Return the extended attributes of an open file; empty where the system or the file system has none."""
    if not hasattr(os, "listxattr"):
        return {}
    try:
        names = os.listxattr(descriptor)
        return {name: os.getxattr(descriptor, name) for name in names}
    except OSError as error:
        if error.errno in {errno.ENOTSUP, errno.ENODATA, errno.EOPNOTSUPP}:
            return {}
        raise Refused(f"its extended attributes cannot be read: {error.strerror}", where=str(path), code="attributes") from error


def _give_attributes(descriptor: int, attributes: Mapping[str, bytes], path: Path) -> None:
    """Give an open file the extended attributes of the one that it replaces."""
    for name, value in attributes.items():
        try:
            # A label that the directory gives by itself needs no right to set it.
            if os.getxattr(descriptor, name) == value:
                continue
        except OSError:
            pass
        try:
            os.setxattr(descriptor, name, value)
        except OSError as error:
            raise Refused(
                f"its extended attribute {name} (an access control list or a label) cannot be kept: {error.strerror}",
                where=str(path),
                hint="run as root, or remove the attribute first",
                code="attributes",
            ) from error


@contextlib.contextmanager
def _directory(path: Path) -> Iterator[int]:
    """Open the directory of `path`, which is a real path.

    Component by component: a link that somebody slips in between, to lead a write of root's astray, is not followed.
    """
    parts = path.parent.parts
    # The last one is brought to the disk, which a descriptor that is only for searching does not allow.
    descriptor = os.open(parts[0], (os.O_RDONLY if len(parts) == 1 else _SEARCH) | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for number, name in enumerate(parts[1:], start=2):
            kind = os.O_RDONLY if number == len(parts) else _SEARCH
            inner = os.open(name, kind | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = inner
        yield descriptor
    finally:
        os.close(descriptor)


def _fill(descriptor: int, data: bytes) -> None:
    """Write all of `data` and make sure that it is on the disk."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
    os.fsync(descriptor)


def _make_temporary(
    directory: int, name: str, data: bytes, *, mode: int, uid: int, gid: int, attributes: Mapping[str, bytes], path: Path
) -> None:
    """Create `name` in an open directory with its final mode and owner, then fill it; leaves nothing behind on failure."""
    descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode & 0o600, dir_fd=directory)
    try:
        try:
            status = os.fstat(descriptor)
            if (uid, gid) != (status.st_uid, status.st_gid):
                os.fchown(descriptor, uid if uid >= 0 else -1, gid if gid >= 0 else -1)
            os.fchmod(descriptor, mode)
            _give_attributes(descriptor, attributes, path)
            _fill(descriptor, data)
        finally:
            os.close(descriptor)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name, dir_fd=directory)
        raise


def replace(
    path: Path,
    data: bytes,
    *,
    mode: int,
    uid: int = -1,
    gid: int = -1,
    attributes: Mapping[str, bytes] | None = None,
    modified_ns: int | None = None,
) -> None:
    """Make `path` hold `data`, whether it existed or not; at every instant it is either the old file or the new one.

    Args:
        path: symbolic links are followed, so that a link stays a link.
        data: its new content.
        mode: permission bits, from before the first byte.
        uid: owner; -1 for whoever runs this.
        gid: group; -1 for the directory's default.
        attributes: extended attributes to give it.
        modified_ns: the time of last change to give it, for putting a file back.

    Raises:
        OSError: no room, no permission; nothing has changed then.
        Refused: an access control list or a label cannot be kept; nothing has changed then.
    """
    target = real_path(path)
    name = temporary_name(target.name)
    with _directory(target) as directory:
        _make_temporary(directory, name, data, mode=mode, uid=uid, gid=gid, attributes=attributes or {}, path=target)
        try:
            if modified_ns is not None:
                os.utime(name, ns=(modified_ns, modified_ns), dir_fd=directory)
            os.rename(name, target.name, src_dir_fd=directory, dst_dir_fd=directory)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(name, dir_fd=directory)
            raise
        os.fsync(directory)


def create(path: Path, data: bytes, *, mode: int, uid: int = -1, gid: int = -1) -> None:
    """Make a new file; never overwrites.

    Raises:
        FileExistsError: something has that name; nothing has changed then.
        OSError: no room, no permission; nothing has changed then.
    """
    target = real_path(path)
    name = temporary_name(target.name)
    with _directory(target) as directory:
        _make_temporary(directory, name, data, mode=mode, uid=uid, gid=gid, attributes={}, path=target)
        try:
            # A link fails where a rename would replace: this is what makes "never overwritten" true even in a race.
            _link(name, target.name, directory)
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name, dir_fd=directory)
        os.fsync(directory)


def _link(name: str, target: str, directory: int) -> None:
    """Give `name` the name `target`, which must not exist."""
    try:
        os.link(name, target, src_dir_fd=directory, dst_dir_fd=directory, follow_symlinks=False)
    except OSError as error:
        if error.errno not in {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}:
            raise
        # A file system without hard links: the best that is left.
        with contextlib.suppress(FileNotFoundError):
            os.stat(target, dir_fd=directory, follow_symlinks=False)
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), target) from None
        os.rename(name, target, src_dir_fd=directory, dst_dir_fd=directory)


def put_back(path: Path, state: FileState) -> None:
    """Make `path` what `state` says it was: content, mode, owner, attributes, time of last change; or gone.

    Raises:
        OSError: it could not be done.
    """
    target = real_path(path)
    if not state.exists:
        remove(target)
        return
    assert state.data is not None
    try:
        replace(
            target,
            state.data,
            mode=state.mode,
            uid=state.uid,
            gid=state.gid,
            attributes=state.attributes,
            modified_ns=state.modified_ns,
        )
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EDQUOT} or not target.exists():
            raise
        # The disk is full: writing over the file's own blocks needs hardly any room. Its content is in the backup.
        _write_over(target, state)


def _write_over(target: Path, state: FileState) -> None:
    """Put content back in place, for a disk without room for a second copy."""
    assert state.data is not None
    descriptor = os.open(target, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.fchmod(descriptor, state.mode & 0o600)
        os.fchown(descriptor, state.uid, state.gid)
        os.fchmod(descriptor, state.mode)
        _fill(descriptor, state.data)
        os.ftruncate(descriptor, len(state.data))
        _give_attributes(descriptor, state.attributes, target)
        os.utime(descriptor, ns=(state.modified_ns, state.modified_ns))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove(path: Path) -> None:
    """Delete a file if it is there, and make sure that it stays deleted after a power cut; a link itself, not what it leads to."""
    path = real_path(path.parent) / path.name
    try:
        with _directory(path) as directory:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path.name, dir_fd=directory)
            os.fsync(directory)
    except FileNotFoundError:
        return


def make_directory(path: Path, *, mode: int, uid: int = -1, gid: int = -1) -> bool:
    """Create one directory with its final mode and owner; return False when it was there already.

    Raises:
        OSError: it could not be made; nothing has changed then.
    """
    try:
        # Nobody else may enter before the owner is right.
        path.mkdir(mode & 0o700)
    except FileExistsError:
        if not path.is_dir():
            raise
        return False
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if uid >= 0 or gid >= 0:
            os.fchown(descriptor, uid, gid)
        os.fchmod(descriptor, mode)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    with _directory(real_path(path)) as parent:
        os.fsync(parent)
    return True


def save(path: Path, data: bytes, *, mode: int = 0o600) -> None:
    """Write a file that the person asked for (answers, a plan): replaces an older one, keeps that one's mode and owner.

    Raises:
        Refused: it could not be written; nothing has changed then.
    """
    path = path.absolute()
    state = read_state(path)
    try:
        if state.exists:
            replace(path, data, mode=state.mode, uid=state.uid, gid=state.gid, attributes=state.attributes)
        else:
            create(path, data, mode=mode)
    except OSError as error:
        raise Refused(f"cannot be written: {error.strerror}", where=str(path), code="cannot-write") from error
