"""Writing one file so that it is never half there: final mode and owner first, then content, then one rename.

Everything happens relative to an open directory, so that nobody who may write to a parent directory can divert the write.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import platform
import shlex
import stat
import struct
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pgssl_wizard.change.paths import real_path, temporary_name
from pgssl_wizard.errors import Refused

#: Passing through a directory needs less than reading it, where the system can say so.
_SEARCH: int = getattr(os, "O_PATH", os.O_RDONLY)

#: Access control lists as Linux keeps them (acl(5)): who may what, and what a directory hands to every new file in it.
ACL = "system.posix_acl_access"
#: Capabilities: the system takes them away at every write and every change of owner (capabilities(7)), so they are given last.
_CAPABILITY = "security.capability"
#: What the kernel itself computes from a file's content and attributes (Linux, security/integrity): wrong for any other content.
OF_CONTENT = frozenset({"security.ima", "security.evm"})
#: The first byte of such an attribute when somebody has signed it (enum evm_ima_xattr_type); other kinds the kernel makes anew.
_SIGNED = frozenset({3, 5, 6})

#: Inode flags (linux/fs.h) that say who may write, and how to take them away.
_IMMUTABLE, _APPEND_ONLY, _VERITY = 0x10, 0x20, 0x100000
#: Inode flags that a person sets on one file: compressed, synchronous, not dumped, no access times, no copying on write.
#: They say how the content is stored and never who may read it, so a file system that refuses one is no reason to stop. All
#: others are the file system's own business (extents, inline data, encryption) or come from the directory by themselves.
_KEPT_FLAGS = 0x4 | 0x8 | 0x40 | 0x80 | 0x800000


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
        flags: the inode flags that go along with a new content; 0 for nearly every file.
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
    flags: int = 0


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
            flags=_flags(file.fileno()) & _KEPT_FLAGS,
        )


def _attributes(descriptor: int, path: Path) -> dict[str, bytes]:
    """Return the extended attributes of an open file; empty where the system or the file system has none.

    Those of the namespace `trusted` are shown to root only.
    """
    if not hasattr(os, "listxattr"):
        return {}
    found: dict[str, bytes] = {}
    try:
        for name in os.listxattr(descriptor):
            # One may go between the list and the look.
            with _lacking():
                found[name] = os.getxattr(descriptor, name)
    except OSError as error:
        if error.errno in {errno.ENOTSUP, errno.EOPNOTSUPP}:
            return {}
        raise Refused(f"its extended attributes cannot be read: {error.strerror}", where=str(path), code="attributes") from error
    return found


@contextlib.contextmanager
def _lacking() -> Iterator[None]:
    """Go on where an extended attribute is not there."""
    try:
        yield
    except OSError as error:
        if error.errno != errno.ENODATA:
            raise


def _give_attributes(descriptor: int, attributes: Mapping[str, bytes], path: Path, mode: int) -> None:
    """Give an open file the extended attributes of the one that it replaces, as they are for this mode; its mode is what they leave it.

    Raises:
        Refused: one cannot be given.
    """
    # The access control list last: it is a mode too, and may take away what giving the others needs.
    for name in sorted(attributes, key=lambda name: (name == ACL, name)):
        value = acl_for(attributes[name], mode) if name == ACL else attributes[name]
        try:
            # A label that the directory gives by itself needs no right to set it.
            if os.getxattr(descriptor, name) == value:
                continue
        except OSError:
            pass
        try:
            os.setxattr(descriptor, name, value)
        except OSError as error:
            if name in OF_CONTENT:
                # Where the kernel keeps watch it makes its own, and takes nobody else's.
                continue
            raise Refused(
                f"its extended attribute {name} (an access control list or a label) cannot be kept: {error.strerror}",
                where=str(path),
                hint="run as root, or remove the attribute first",
                code="attributes",
            ) from error


def acl_for(value: bytes, mode: int) -> bytes:
    """Return an access control list as a change of the file's mode would leave it, except that nobody named in it gains by that.

    Given as it stands, a list that grants more than the mode would be in force until the mode is set, and whoever opens the file
    in between keeps it open. So it is given with the mode's bits in it: for the owner, for all others, and as the mask of
    everybody named, or for the group where the list names nobody. Where the mode opens a file to its group (a key of root's that
    the server's group may read), that is for the group alone.

    Args:
        value: as Linux stores it (linux/posix_acl_xattr.h): a version and entries of tag, rights and id.
        mode: permission bits.
    """
    owner, user, own_group, group, mask, other = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20
    entry = struct.Struct("<HHI")
    if len(value) < 4 or (len(value) - 4) % entry.size:
        return value
    entries = list(entry.iter_unpack(value[4:]))
    bound = next((rights for tag, rights, _ in entries if tag == mask), None)
    wanted = mode >> 3 & 7
    limits = {owner: mode >> 6 & 7, other: mode & 7, own_group if bound is None else mask: wanted}
    if bound is not None and wanted & ~bound:
        limits[own_group] = wanted
        entries = [(tag, rights & bound if tag in {user, group} else rights, whom) for tag, rights, whom in entries]
    return value[:4] + b"".join(entry.pack(tag, limits.get(tag, rights), whom) for tag, rights, whom in entries)


def _drop_acl(descriptor: int) -> None:
    """Take away the access control list that the directory has handed to a new file."""
    if not hasattr(os, "removexattr"):
        return
    try:
        os.removexattr(descriptor, ACL)
    except OSError as error:
        if error.errno not in {errno.ENODATA, errno.ENOTSUP, errno.EOPNOTSUPP}:
            raise


def _flags_request(*, give: bool) -> int:
    """Return the number of the call that reads or gives inode flags (ioctl_iflags(2)), which machines spell differently."""
    size = struct.calcsize("l") << 16
    # asm/ioctl.h: these have three bits for the direction, all others two.
    odd = platform.machine().startswith(("ppc", "mips", "sparc", "alpha"))
    direction = (4 if give else 2) << 29 if odd else (1 if give else 2) << 30
    return direction | size | ord("f") << 8 | (2 if give else 1)


def _flags(descriptor: int) -> int:
    """Return the inode flags of an open file or directory; 0 where the system or the file system has none."""
    if sys.platform != "linux":
        return 0
    import fcntl  # noqa: PLC0415 - not on every system

    buffer = bytearray(struct.calcsize("l"))
    try:
        fcntl.ioctl(descriptor, _flags_request(give=False), buffer)
    except OSError:
        return 0
    # The kernel writes 32 bits, whatever the size that the number names.
    flags: int = struct.unpack_from("=I", buffer)[0]
    return flags


def _give_flags(descriptor: int, flags: int) -> None:
    """Add inode flags to an open file, where the file system lets us; see `_KEPT_FLAGS` for why it may refuse."""
    if sys.platform != "linux" or not flags:
        return
    import fcntl  # noqa: PLC0415 - not on every system

    has = _flags(descriptor)
    if has & flags == flags:
        return
    with contextlib.suppress(OSError):
        fcntl.ioctl(descriptor, _flags_request(give=True), struct.pack("=I", has | flags).ljust(struct.calcsize("l"), b"\0"))


def refuse_flagged(path: Path) -> None:
    """Stop at a file or directory that its inode flags shut against writing, root included; nothing happens when it is not there.

    Args:
        path: symbolic links are followed.

    Raises:
        Refused: it is immutable, append-only or sealed; the hint says how that ends.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        # Others say what is wrong with it.
        return
    try:
        flags = _flags(descriptor)
        # macOS and its relatives keep the same in the status (chflags(1)).
        own: int = getattr(os.fstat(descriptor), "st_flags", 0)
    finally:
        os.close(descriptor)
    if flags & _VERITY:
        raise Refused(
            "is sealed (fs-verity), so its content cannot change",
            where=str(path),
            hint="put a copy in its place: a copy is not sealed",
            code="immutable",
        )
    for linux, others, what, letter, name in (
        (_IMMUTABLE, stat.UF_IMMUTABLE | stat.SF_IMMUTABLE, "immutable", "i", "uchg,noschg"),
        (_APPEND_ONLY, stat.UF_APPEND | stat.SF_APPEND, "append-only", "a", "uappnd,nosappnd"),
    ):
        if flags & linux or own & others:
            place = shlex.quote(str(path))
            command = f"chattr -{letter} {place}" if flags & linux else f"chflags no{name} {place}"
            raise Refused(
                f"is {what}, so not even root can write {'in it' if path.is_dir() else 'it'}",
                where=str(path),
                hint=f"run: {command} (and set it again after the change)",
                code="immutable",
            )


def refuse_signed(state: FileState, path: Path) -> None:
    """Stop at a file whose content somebody has signed: no other content can keep that.

    Raises:
        Refused: names the attribute.
    """
    for name in sorted(OF_CONTENT & state.attributes.keys()):
        if state.attributes[name][:1] and state.attributes[name][0] in _SIGNED:
            raise Refused(
                f"its content is signed ({name}), and another content would not be",
                where=str(path),
                hint=f"run: setfattr -x {name} {shlex.quote(str(path))} (and sign it again after the change)",
                code="attributes",
            )


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


def _fill(descriptor: int, data: bytes, attributes: Mapping[str, bytes], path: Path) -> None:
    """Write all of `data`, give what every write takes away, and make sure that it is on the disk."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
    if _CAPABILITY in attributes:
        _give_attributes(descriptor, {_CAPABILITY: attributes[_CAPABILITY]}, path, 0)
    os.fsync(descriptor)


def _dress(descriptor: int, state: FileState, path: Path, *, inherit: bool = False) -> None:
    """Give an open file that nobody else can open the owner, attributes and mode of `state`; at no instant is it open to more.

    Args:
        descriptor: of the file, 0600.
        state: what it is to be.
        path: of the file that it will be, for messages.
        inherit: leave it the access control list that the directory hands to new files.
    """
    if not inherit:
        # Still behind a mode that shuts out everybody named in it.
        _drop_acl(descriptor)
    status = os.fstat(descriptor)
    if (state.uid, state.gid) != (status.st_uid, status.st_gid):
        os.fchown(descriptor, state.uid if state.uid >= 0 else -1, state.gid if state.gid >= 0 else -1)
    given = {name: value for name, value in state.attributes.items() if name != _CAPABILITY}
    _give_attributes(descriptor, given, path, state.mode)
    os.fchmod(descriptor, state.mode)


def _make_temporary(directory: int, name: str, state: FileState, path: Path, *, inherit: bool = False) -> None:
    """Create `name` in an open directory as `state` says, then fill it; leaves nothing behind on failure.

    Even where the directory hands an access control list to every new file nobody else can open it: the mode that a file is made with
    bounds what the list grants (acl(5), "object creation").
    """
    assert state.data is not None
    descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=directory)
    try:
        try:
            _dress(descriptor, state, path, inherit=inherit)
            # Some can be given to an empty file only.
            _give_flags(descriptor, state.flags)
            _fill(descriptor, state.data, state.attributes, path)
        finally:
            os.close(descriptor)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name, dir_fd=directory)
        raise


def try_out(path: Path, state: FileState) -> None:
    """See whether this user can make a file like `state` where `path` stands; leaves nothing, not even another time of the directory.

    Args:
        path: a real path; its directory exists.
        state: mode, owner and attributes that the file must get; its content plays no part.

    Raises:
        OSError: no permission, no room, an owner that cannot be given.
        Refused: an attribute cannot be given.
    """
    with _directory(path) as directory, _nameless(directory, path) as descriptor:
        _dress(descriptor, state, path)
        _give_attributes(descriptor, {name: value for name, value in state.attributes.items() if name == _CAPABILITY}, path, 0)


@contextlib.contextmanager
def _nameless(directory: int, path: Path) -> Iterator[int]:
    """Open a new file that has no name, or only for as long as the block takes where a file must have one."""
    try:
        descriptor = os.open(".", os.O_WRONLY | os.O_TMPFILE | os.O_CLOEXEC, 0o600, dir_fd=directory)
        name = None
    except (AttributeError, OSError) as error:
        if isinstance(error, OSError) and error.errno not in {errno.EOPNOTSUPP, errno.ENOTSUP, errno.EISDIR, errno.ENOENT, errno.EINVAL}:
            raise
        name = temporary_name(path.name)
        descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=directory)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
        if name is not None:
            os.unlink(name, dir_fd=directory)


def replace(
    path: Path,
    data: bytes,
    *,
    mode: int,
    uid: int = -1,
    gid: int = -1,
    attributes: Mapping[str, bytes] | None = None,
    modified_ns: int | None = None,
    flags: int | None = None,
) -> None:
    """Make `path` hold `data`, whether it existed or not; at every instant it is either the old file or the new one.

    Args:
        path: symbolic links are followed, so that a link stays a link.
        data: its new content.
        mode: permission bits, from before the first byte.
        uid: owner; -1 for whoever runs this.
        gid: group; -1 for the directory's default.
        attributes: extended attributes to give it; it has no access control list but what stands here.
        modified_ns: the time of last change to give it, for putting a file back.
        flags: inode flags to give it; None for those of the file that stands there.

    Raises:
        OSError: no room, no permission; nothing has changed then.
        Refused: an access control list or a label cannot be kept; nothing has changed then.
    """
    target = real_path(path)
    name = temporary_name(target.name)
    given = attributes or {}
    if modified_ns is None:
        given = {each: value for each, value in given.items() if each not in OF_CONTENT}
    with _directory(target) as directory:
        if flags is None:
            flags = _flags_of(target.name, directory)
        _make_temporary(directory, name, FileState(True, mode, uid, gid, data=data, attributes=given, flags=flags), target)
        try:
            if modified_ns is not None:
                os.utime(name, ns=(modified_ns, modified_ns), dir_fd=directory)
            os.rename(name, target.name, src_dir_fd=directory, dst_dir_fd=directory)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(name, dir_fd=directory)
            raise
        os.fsync(directory)


def _flags_of(name: str, directory: int) -> int:
    """Return the inode flags of a file that are kept; 0 when it is not there or cannot be opened."""
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW, dir_fd=directory)
    except OSError:
        return 0
    try:
        return _flags(descriptor) & _KEPT_FLAGS
    finally:
        os.close(descriptor)


def create(path: Path, data: bytes, *, mode: int, uid: int = -1, gid: int = -1) -> None:
    """Make a new file; never overwrites.

    A directory may hand an access control list to every new file in it. What is nobody else's business by its mode does not get
    that list: it would open a key to everybody named there. Any other file gets it, as every program's files do.

    Raises:
        FileExistsError: something has that name; nothing has changed then.
        OSError: no room, no permission; nothing has changed then.
    """
    target = real_path(path)
    name = temporary_name(target.name)
    with _directory(target) as directory:
        _make_temporary(directory, name, FileState(True, mode, uid, gid, data=data), target, inherit=bool(mode & 0o007))
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


def put_back(path: Path, state: FileState, *, copy: Path | None = None) -> None:
    """Make `path` what `state` says it was: content, mode, owner, attributes, time of last change; or gone.

    Args:
        path: symbolic links are followed.
        state: how it was.
        copy: a file of ours that holds the same content; it takes the place of the file when there is no room for another one.

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
            flags=state.flags,
        )
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
            raise
        if copy is not None and _put_in_place(copy, target, state):
            return
        if not target.exists():
            raise
        # The disk is full, and the copy lies on another one: writing over the file's own blocks needs hardly any room.
        _write_over(target, state)


def _put_in_place(copy: Path, target: Path, state: FileState) -> bool:
    """Give a copy the name of its original in one instant, which needs no room; False when it lies on another file system.

    The copy keeps its own name too; whoever deletes it deletes that name alone.
    """
    name = temporary_name(target.name)
    with _directory(target) as directory:
        try:
            os.link(copy, name, dst_dir_fd=directory, follow_symlinks=False)
        except OSError:
            return False
        try:
            descriptor = os.open(name, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
            try:
                _dress(descriptor, state, target)
                _fill(descriptor, b"", state.attributes, target)
            finally:
                os.close(descriptor)
            os.utime(name, ns=(state.modified_ns, state.modified_ns), dir_fd=directory)
            os.rename(name, target.name, src_dir_fd=directory, dst_dir_fd=directory)
        finally:
            # Also where both names led to the same file already: then a rename does nothing.
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name, dir_fd=directory)
        os.fsync(directory)
    return True


def _write_over(target: Path, state: FileState) -> None:
    """Put content back in place, for a disk without room for a second copy."""
    assert state.data is not None
    descriptor = os.open(target, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.fchmod(descriptor, 0o600)
        _drop_foreign(descriptor, state, target)
        _dress(descriptor, state, target)
        _fill(descriptor, state.data, {}, target)
        os.ftruncate(descriptor, len(state.data))
        # Only now, for every write and every other length take them away.
        _fill(descriptor, b"", state.attributes, target)
        os.utime(descriptor, ns=(state.modified_ns, state.modified_ns))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _drop_foreign(descriptor: int, state: FileState, path: Path) -> None:
    """Take the extended attributes away that an open file has and `state` has not; labels of the system's own stay."""
    for name in _attributes(descriptor, path).keys() - state.attributes.keys():
        if name.startswith(("user.", "trusted.")) or name == _CAPABILITY:
            with _lacking():
                os.removexattr(descriptor, name)


def give_back(path: Path, state: FileState) -> None:
    """Give a file that somebody else has rewritten the mode, owner and attributes that it had; its content stays.

    Args:
        path: symbolic links are followed.
        state: how it was; nothing happens when it was not there.

    Raises:
        OSError: it could not be done.
        Refused: an attribute cannot be given.
    """
    if not state.exists:
        return
    descriptor = os.open(real_path(path), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        given = {name: value for name, value in state.attributes.items() if name not in OF_CONTENT}
        os.fchmod(descriptor, 0o600)
        _dress(descriptor, FileState(True, state.mode, state.uid, state.gid, attributes=given), path)
        if _CAPABILITY in given:
            _give_attributes(descriptor, {_CAPABILITY: given[_CAPABILITY]}, path, 0)
        _give_flags(descriptor, state.flags)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def alike(one: FileState, other: FileState) -> bool:
    """Whether two states are the same file to everybody who looks: content, mode, owner and attributes, times left out.

    An access control list counts as it is in force with the state's own mode.
    """

    def seen(state: FileState) -> tuple[object, ...]:
        given = {name: value for name, value in state.attributes.items() if name not in OF_CONTENT}
        if ACL in given:
            given[ACL] = acl_for(given[ACL], state.mode)
        return state.exists, state.sha256, state.mode, state.uid, state.gid, given

    return seen(one) == seen(other)


def shred(path: Path) -> None:
    """Overwrite a file with random bytes, and delete it; nothing happens when it is not there.

    Whoever reads the disk itself then finds no secret where it stood. Copy-on-write and journaling file systems, snapshots, backups and
    flash storage may keep older blocks all the same; only encryption of the whole disk helps there.

    Args:
        path: a link goes, and what it leads to stays.

    Raises:
        OSError: it could not be deleted.
    """
    path = real_path(path.parent) / path.name
    try:
        with _directory(path) as directory:
            # What cannot be written over can still be deleted.
            with contextlib.suppress(OSError):
                _overwrite(path.name, directory)
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path.name, dir_fd=directory)
            os.fsync(directory)
    except FileNotFoundError:
        return


def _overwrite(name: str, directory: int) -> None:
    """Fill a file with random bytes, as long as it is."""
    descriptor = os.open(name, os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=directory)
    try:
        status = os.fstat(descriptor)
        # Programs that save room turn copies into further names of the original, which must not lose its content.
        if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
            return
        left = status.st_size
        while left > 0:
            left -= os.write(descriptor, os.urandom(min(left, 1 << 16)))
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
    try:
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
    except BaseException:
        with contextlib.suppress(OSError):
            path.rmdir()
        raise
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
