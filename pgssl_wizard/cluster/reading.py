"""Reading files with everything that a later write must preserve: owner, mode, where a link leads."""

from __future__ import annotations

import errno
import grp
import hashlib
import os
import pwd
import stat
from functools import cache
from pathlib import Path

from pgssl_wizard.cluster.facts import FileFact

#: Configuration files are text of some kilobytes; what is larger than this is none.
LARGEST = 64 * 1024 * 1024


def fact_of(path: Path, *, secret: bool = False) -> FileFact:
    """Return what stands at `path`; a secret's bytes are hashed and let go."""
    try:
        real = path.resolve()
        status = real.stat()
    except (FileNotFoundError, NotADirectoryError):
        return FileFact(path, path.resolve(), exists=False)
    except (OSError, RuntimeError, ValueError) as error:
        # Links that lead in a circle; a name with a NUL in it.
        return FileFact(path, path, exists=True, problem=f"it cannot be looked at ({getattr(error, 'strerror', None) or error})")
    owner = owner_in_words(status.st_uid, status.st_gid)
    common = {"exists": True, "mode": stat.S_IMODE(status.st_mode), "uid": status.st_uid, "gid": status.st_gid, "owner": owner}
    if not stat.S_ISREG(status.st_mode):
        kind = "it is a directory" if stat.S_ISDIR(status.st_mode) else "it is no regular file"
        return FileFact(path, real, **common, problem=kind)  # type: ignore[arg-type]
    if status.st_size > LARGEST:
        return FileFact(path, real, **common, problem="it is too large for a configuration file")  # type: ignore[arg-type]
    try:
        data = real.read_bytes()
    except OSError as error:
        return FileFact(path, real, **common, problem=f"it cannot be read ({error.strerror})")  # type: ignore[arg-type]
    digest = hashlib.sha256(data).hexdigest()
    return FileFact(path, real, **common, data=None if secret else data, sha256=digest)  # type: ignore[arg-type]


def directory_fact(path: Path) -> FileFact:
    """Return what stands at the place of a directory."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return FileFact(path, path, exists=False)
    owner = owner_in_words(status.st_uid, status.st_gid)
    problem = None if stat.S_ISDIR(status.st_mode) else "it is no directory"
    return FileFact(path, path.resolve(), True, stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid, owner, problem=problem)


def foreign_link(path: Path) -> Path | None:
    """Return the first symbolic link on the way to a file that somebody made who does not own what it leads to; None when there is none.

    Whoever may put a link into a directory could lead a writer with more rights to any file of the system. Links of root's are
    an administrator's own doing.
    """
    way = Path(path.anchor)
    for part in path.parts[1:]:
        way /= part
        try:
            link = way.lstat()
        except (OSError, ValueError):
            return None
        if not stat.S_ISLNK(link.st_mode):
            continue
        try:
            owner = way.stat().st_uid
        except OSError:
            owner = -1
        if link.st_uid not in {0, owner}:
            return way
        way = Path(os.path.realpath(way))
    return None


def holds_pem(path: Path) -> bool:
    """Whether a file is empty, or holds certificates or keys: something that was meant for a place like this one."""
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST)
    except (OSError, ValueError):
        return False
    return not data.strip() or b"-----BEGIN " in data


def configuration(path: Path) -> bytes | None:
    """Return the bytes of a file that a person names; None when there is none.

    Raises:
        OSError: it cannot be read, or is too large for a configuration file.
    """
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
    except (FileNotFoundError, NotADirectoryError, ValueError):  # the last: a NUL byte in the name
        return None
    if len(data) > LARGEST:
        raise OSError(errno.EFBIG, "it is too large for a configuration file", str(path))
    return data


def names_in(path: Path) -> list[str] | None:
    """Return the names in a directory, None when it is none or cannot be read."""
    try:
        return os.listdir(path)
    except (OSError, ValueError):
        return None


@cache
def owner_in_words(uid: int, gid: int) -> str:
    """Return `user:group`, numbers where there is no entry."""
    try:
        user = pwd.getpwuid(uid).pw_name
    except KeyError:
        user = str(uid)
    try:
        group = grp.getgrgid(gid).gr_name
    except KeyError:
        group = str(gid)
    return f"{user}:{group}"


def who_can_read(fact: FileFact) -> str:
    """Return in words who may read a file, from its owner and mode; root always may."""
    user, _, group = fact.owner.partition(":")
    able = [user] if fact.mode & 0o400 else []
    able += [f"the group {group}"] if fact.mode & 0o040 else []
    if fact.mode & 0o004:
        return "anybody who gets to its directory"
    return " and ".join(dict.fromkeys(["root", *able])) if len(able) < 2 else f"root, {able[0]} and {able[1]}"


def may_read(fact: FileFact, uid: int, groups: frozenset[int]) -> bool:
    """Whether a user may read a file, by its own permission bits alone."""
    if uid == 0:
        return True
    shift = 6 if fact.uid == uid else 3 if fact.gid in groups else 0
    return bool(fact.mode >> shift & 0o4)


class Recorder:
    """Reads files and directories for a parser and remembers what it saw."""

    def __init__(self) -> None:
        self.files: dict[Path, FileFact] = {}
        self.directories: dict[Path, tuple[str, ...]] = {}

    def read(self, path: Path) -> bytes | None:
        """Return the bytes of a file, None when it is missing or cannot be read."""
        if path not in self.files:
            fact = fact_of(path)
            if not fact.exists:
                return None
            self.files[path] = fact
        return self.files[path].data

    def list_directory(self, path: Path) -> list[str] | None:
        """Return the names in a directory."""
        names = names_in(path)
        if names is not None:
            self.directories[path] = tuple(sorted(names))
        return names


def read_bytes(path: Path) -> bytes | None:
    """Return a file's content, None when it cannot be read."""
    try:
        return path.read_bytes()
    except OSError:
        return None
