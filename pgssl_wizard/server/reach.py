"""Whether another OS user gets to a file, by the permission bits of everything on the way."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from pathlib import Path

from pgssl_wizard.server.identity import Identity


def reachable_by(uid: int, path: Path, *, gids: Iterable[int] | None = None) -> Path | None:
    """Return the first directory on the way to `path` that this user cannot pass, or `path` itself when it cannot be used; None: reachable.

    `path` counts as usable when the user may read it, for a directory or a program also pass or run it. Only permission bits are
    looked at: access control lists and mounts can still differ.
    """
    if uid == 0:
        return None if os.access(path, os.F_OK) else path
    groups = frozenset(Identity.of(uid).groups if gids is None else gids)
    for parent in reversed(path.absolute().parents):
        blocked = _blocks(parent, uid, groups, stat.S_IXOTH)
        if blocked:
            return parent
    real = path.resolve()
    if real != path.absolute():
        return reachable_by(uid, real, gids=groups)
    wanted = stat.S_IROTH
    # A directory is passed, a program is run: both need the third bit. Anything executable for somebody is meant to be run.
    try:
        if real.stat().st_mode & 0o111:
            wanted |= stat.S_IXOTH
    except OSError:
        return path
    return path if _blocks(real, uid, groups, wanted) else None


def _blocks(path: Path, uid: int, groups: frozenset[int], wanted: int) -> bool:
    try:
        status = path.stat()
    except OSError:
        return True
    if status.st_uid == uid:
        wanted <<= 6
    elif status.st_gid in groups:
        wanted <<= 3
    return status.st_mode & wanted != wanted
