"""Where a change keeps what it needs, and which path a write really goes to."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

#: `pg_basebackup` skips every name that begins like this, the server leaves it alone across restarts (tried on 13 to 18).
STATE_DIRECTORY = "pgsql_tmp.pgssl-wizard"


def state_directory(data_directory: Path) -> Path:
    """Return the directory in which the changes of this cluster are recorded; it may not exist yet."""
    return data_directory / STATE_DIRECTORY


def changes_directory(data_directory: Path) -> Path:
    """Return the directory with one subdirectory for each change."""
    return state_directory(data_directory) / "changes"


def lock_file(data_directory: Path) -> Path:
    """Return the file that whoever changes this cluster holds a lock on."""
    return state_directory(data_directory) / "lock"


def real_path(path: Path) -> Path:
    """Return where a write to `path` lands: symbolic links followed, also in parents; the file itself may be missing."""
    return Path(os.path.realpath(path))


def temporary_name(name: str) -> str:
    """Return a name for a half-written file beside `name`.

    It begins with a dot and does not end in `.conf`, so that no `include_dir` of PostgreSQL loads it.
    """
    # Long enough to say whose it is, short enough for 255 bytes with any name that the file system allows.
    return f".{name[:180]}.{secrets.token_hex(6)}.pgssl-wizard"


def is_temporary(name: str) -> bool:
    """Whether `name` is one of ours that a killed run left behind."""
    return name.startswith(".") and name.endswith(".pgssl-wizard")
