"""Who runs the server's programs: the owner of the data directory, also when we are root.

PostgreSQL refuses to run as root, and programs that its own user could have replaced must not run as root either.
"""

from __future__ import annotations

import os
import pwd
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypedDict

#: What a server program may inherit from us: nothing that changes which cluster it works on or which language it speaks.
_INHERITED = ("PATH", "TZ", "TMPDIR")
#: Which libraries it loads and how OpenSSL behaves: from us, unless it is known what the real server has.
_LIBRARIES = ("OPENSSL_CONF", "OPENSSL_MODULES", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

#: Users that may run a throwaway server when we are root, in order of preference.
_SERVER_USERS = ("postgres", "pgsql", "_postgres", "nobody")


class SpawnOptions(TypedDict, total=False):
    """The arguments of `subprocess` that choose the user."""

    user: int
    group: int
    extra_groups: list[int]


@dataclass(frozen=True, slots=True)
class Identity:
    """An OS user with its groups; `name` is the number in digits where there is no entry for it."""

    uid: int
    gid: int
    groups: tuple[int, ...] = ()
    name: str = field(default="", compare=False)
    home: Path = field(default=Path("/"), compare=False)

    @classmethod
    def of(cls, uid: int, gid: int | None = None) -> Identity:
        """Return the user with this number; `gid` serves only where there is no entry for it."""
        try:
            entry = pwd.getpwuid(uid)
        except KeyError:
            group = uid if gid is None else gid
            return cls(uid, group, (group,), str(uid))
        groups = tuple(os.getgrouplist(entry.pw_name, entry.pw_gid))
        return cls(uid, entry.pw_gid, groups, entry.pw_name, Path(entry.pw_dir))

    @classmethod
    def owner_of(cls, path: Path) -> Identity:
        """Return the owner of a file or directory.

        Raises:
            OSError: it is not there or out of reach.
        """
        status = path.stat()
        return cls.of(status.st_uid, status.st_gid)

    @classmethod
    def current(cls) -> Identity:
        """Return the user that runs this program."""
        return cls.of(os.geteuid(), os.getegid())

    @property
    def is_us(self) -> bool:
        """Whether this program runs as that user already."""
        return self.uid == os.geteuid()

    def spawn_options(self) -> SpawnOptions:
        """Return the arguments for `subprocess` that start a program as this user; empty when we are that user."""
        if self.is_us:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": list(self.groups)}

    def environment(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return a clean environment: this user's home, messages in English, no PG* variables.

        Args:
            extra: what the real server has (`command_line.environment`); then OpenSSL's variables are taken from there alone.
        """
        names = _INHERITED if extra is not None else _INHERITED + _LIBRARIES
        kept = {name: os.environ[name] for name in names if name in os.environ}
        return {"PATH": _PATH, **kept, "HOME": str(self.home), "USER": self.name, "LOGNAME": self.name, "LC_ALL": "C", **(extra or {})}


def server_user() -> Identity | None:
    """Return who runs a throwaway server: we ourselves, or, as root, `postgres` or else `nobody`. None: there is no such user."""
    if os.geteuid() != 0:
        return Identity.current()
    for name in _SERVER_USERS:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        if entry.pw_uid != 0:
            return Identity.of(entry.pw_uid)
    return None
