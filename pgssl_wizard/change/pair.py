"""Exchanging key and certificate, two files, as if they were one.

Between the two renames the pair does not match, and a server that starts just then would refuse to. So for that instant
`postgresql.auto.conf`, which is read last wherever the settings stand, points both settings at one file that holds a whole
pair. Killed in between, the server starts with that pair, and undoing puts everything back.
"""

from __future__ import annotations

import re

from pgssl_wizard.change.journal import Journal
from pgssl_wizard.change.paths import real_path
from pgssl_wizard.change.write import create, read_state, remove, replace

#: What the detour begins with: the file's time of last change, and whether a newline had to be added before.
_MARK = re.compile(rb"# pgssl-wizard is exchanging a key and its certificate \((\d+)(, newline added)?\)\n")


class Bridge:
    """The detour over one file that holds both."""

    def __init__(self, journal: Journal, *, uid: int, gid: int) -> None:
        """Prepare; nothing is written.

        Args:
            journal: the change; the pair's file lies in its directory.
            uid: of the data directory's owner, who must be able to read the pair.
            gid: the owner's group.
        """
        assert journal.auto_conf is not None
        self.pair = journal.directory / "pair.pem"
        self.auto_conf = real_path(journal.auto_conf)
        self._uid = uid
        self._gid = gid

    def present(self) -> bool:
        """Whether the detour is in place, perhaps since a run that was killed."""
        return _cut(read_state(self.auto_conf).data or b"") is not None

    def enter(self, pair: bytes, opened_by: str = "") -> None:
        """Make the server use this pair (certificates and key, PEM) at its next start.

        Args:
            pair: what it shall use.
            opened_by: the command for the passphrase of the pair's key, empty when it needs none.

        Raises:
            OSError: no room or no permission; nothing has changed then.
        """
        if self.present():
            return
        state = read_state(self.auto_conf)
        if not state.exists or state.data is None:
            return
        remove(self.pair)
        create(self.pair, pair, mode=0o600, uid=self._uid, gid=self._gid)
        quoted = _quoted(str(self.pair))
        whole = not state.data or state.data.endswith(b"\n")
        start, note = (b"", b"") if whole else (b"\n", b", newline added")
        mark = start + b"# pgssl-wizard is exchanging a key and its certificate (%d%b)\n" % (state.modified_ns, note)
        data = state.data + mark + b"ssl_cert_file = %b\nssl_key_file = %b\n" % (quoted, quoted)
        if opened_by:
            data += b"ssl_passphrase_command = %b\n" % _quoted(opened_by)
        replace(self.auto_conf, data, mode=state.mode, uid=state.uid, gid=state.gid, attributes=state.attributes)

    def leave(self) -> None:
        """Take the detour away, if it is there, and the pair's file with it.

        Raises:
            OSError: it could not be taken away.
        """
        state = read_state(self.auto_conf)
        found = _cut(state.data or b"")
        if found is not None:
            data, modified_ns = found
            replace(
                self.auto_conf,
                data,
                mode=state.mode,
                uid=state.uid,
                gid=state.gid,
                attributes=state.attributes,
                modified_ns=modified_ns,
            )
        remove(self.pair)


def _quoted(value: str) -> bytes:
    return b"'" + value.replace("\\", "\\\\").replace("'", "''").encode("utf-8", "surrogateescape") + b"'"


def _cut(data: bytes) -> tuple[bytes, int] | None:
    """Return the file without the detour and its time of last change; None when there is no detour in it."""
    found = _MARK.search(data)
    if found is None:
        return None
    return data[: found.start() - (1 if found.group(2) else 0)], int(found.group(1))
