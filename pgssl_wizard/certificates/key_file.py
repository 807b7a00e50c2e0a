"""Who may own a key's file and with which mode: the rule that the server and libpq share, from facts handed in. Pure."""

from __future__ import annotations

from dataclasses import dataclass

#: The server's own words.
ACCESS = "private key file has group or world access"
OWNER = "private key file must be owned by the database user or root"


@dataclass(frozen=True, slots=True)
class KeyFile:
    """What is known of a key's file.

    Attributes:
        mode: permission bits.
        uid, owner: who owns it, as a number and in words.
        server_uid: the user whose key it is; None: whoever owns the file.
    """

    mode: int
    uid: int
    owner: str
    server_uid: int | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong: a whole sentence, and the cure."""

    what: str
    hint: str


def fault(file: KeyFile) -> Fault | None:
    """Return what check_ssl_key_file_permissions of PostgreSQL 13 to 19 would say, None when it is content."""
    if file.server_uid is not None and file.uid not in {file.server_uid, 0}:
        return Fault(f"It belongs to {file.owner}: {OWNER}.", "Give it to the server's user, 0600.")
    users_own = file.uid != 0 if file.server_uid is None else file.uid == file.server_uid
    if file.mode & (0o077 if users_own else 0o037):
        return Fault(
            f"Its mode is {file.mode:04o}: {ACCESS}.",
            "chmod 0600; or 0640 when it belongs to root and a group of the server's user.",
        )
    return None
