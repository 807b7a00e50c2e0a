"""Exchanging key and certificate, two files, as if they were one.

Between the two renames the pair does not match, and a server that starts just then would refuse to. So for that instant
`postgresql.auto.conf`, which is read last wherever the settings stand, points both settings at one file that holds a whole
pair. Killed in between, the server starts with that pair, and undoing puts everything back.
"""

from __future__ import annotations

from pathlib import Path

from pgssl_wizard.change.journal import Journal
from pgssl_wizard.change.paths import real_path
from pgssl_wizard.change.write import FileState, create, put_back, read_state, remove, replace

_MARK = b"# pgssl-wizard is exchanging a key and its certificate\n"
#: The same after a file that did not end in a newline, so that taking it away leaves the file as it was.
_MARK_AFTER_NEWLINE = b"\n# pgssl-wizard is exchanging a key and its certificate.\n"


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
        self._before: FileState | None = None

    def present(self) -> bool:
        """Whether the detour is in place, perhaps since a run that was killed."""
        return _cut(read_state(self.auto_conf).data or b"") is not None

    def enter(self, pair: bytes) -> None:
        """Make the server use this pair (certificates and key, PEM) at its next start.

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
        quoted = str(self.pair).replace("\\", "\\\\").replace("'", "''").encode("utf-8", "surrogateescape")
        mark = _MARK if not state.data or state.data.endswith(b"\n") else _MARK_AFTER_NEWLINE
        data = state.data + mark + b"ssl_cert_file = '%b'\nssl_key_file = '%b'\n" % (quoted, quoted)
        replace(self.auto_conf, data, mode=state.mode, uid=state.uid, gid=state.gid, attributes=state.attributes)
        self._before = state

    def leave(self) -> None:
        """Take the detour away, if it is there, and the pair's file with it.

        Raises:
            OSError: it could not be taken away.
        """
        state = read_state(self.auto_conf)
        data = _cut(state.data or b"")
        if data is not None:
            if self._before is not None and self._before.data == data:
                put_back(self.auto_conf, self._before)
            else:
                replace(self.auto_conf, data, mode=state.mode, uid=state.uid, gid=state.gid, attributes=state.attributes)
        remove(self.pair)


def _cut(data: bytes) -> bytes | None:
    """Return the file without the detour; None when there is none in it."""
    for mark in (_MARK_AFTER_NEWLINE, _MARK):
        position = data.find(mark)
        if position >= 0:
            return data[:position]
    return None
