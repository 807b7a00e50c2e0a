"""Exchanging key and certificate, two files, as if they were one.

Between the two renames the pair does not match, and a server that starts just then would refuse to. So for that instant
`postgresql.auto.conf`, which is read last wherever the settings stand, points both settings at one file that holds a whole
pair. Killed in between, the server starts with that pair, and undoing puts everything back. The same holds while settings
that name the pair change in more than one file.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from pgssl_wizard.change.journal import Journal
from pgssl_wizard.change.paths import real_path
from pgssl_wizard.change.write import FileState, create, read_state, remove, replace, shred

#: What the detour begins with: the file's time of last change, and what had to be added before.
_MARK = rb"# pgssl-wizard is exchanging a key and its certificate \((?P<time>\d+)(?P<note>, newline added|, file added)?\)\n"


@dataclass(frozen=True, slots=True)
class _Without:
    """What `postgresql.auto.conf` is without the detour: `data` is None when there was no such file, the time when nobody knows it."""

    data: bytes | None
    modified_ns: int | None


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
        return _cut(read_state(self.auto_conf).data or b"", self.pair) is not None

    def beneath(self) -> str | None:
        """Return the fingerprint of `postgresql.auto.conf` as it is without the detour, None when there is no such file."""
        data = read_state(self.auto_conf).data
        found = _cut(data or b"", self.pair)
        data = data if found is None else found.data
        return None if data is None else hashlib.sha256(data).hexdigest()

    def enter(self, pair: bytes, opened_by: str = "", *, over: FileState | None = None) -> None:
        """Make the server use this pair (certificates and key, PEM) at its next start.

        Args:
            pair: what it shall use.
            opened_by: the command for the passphrase of the pair's key, empty when it needs none.
            over: what `postgresql.auto.conf` becomes in the same instant, beneath the detour; None: what it is.

        Raises:
            OSError: no room or no permission; nothing has changed then.
        """
        if self.present():
            return
        now = read_state(self.auto_conf)
        state = now if over is None else over
        shred(self.pair)
        create(self.pair, pair, mode=0o600, uid=self._uid, gid=self._gid)
        quoted = _quoted(str(self.pair))
        data = state.data or b""
        whole = not data or data.endswith(b"\n")
        start, note = (b"", b"") if whole else (b"\n", b", newline added")
        if not state.exists:
            note = b", file added"
        data += start + b"# pgssl-wizard is exchanging a key and its certificate (%d%b)\n" % (state.modified_ns, note)
        data += b"ssl_cert_file = %b\nssl_key_file = %b\n" % (quoted, quoted)
        if opened_by:
            data += b"ssl_passphrase_command = %b\n" % _quoted(opened_by)
        if state.exists:
            replace(self.auto_conf, data, mode=state.mode, uid=state.uid, gid=state.gid, attributes=state.attributes)
        else:
            replace(self.auto_conf, data, mode=0o600, uid=self._uid, gid=self._gid)

    def leave(self, *, into: bytes | None = None) -> None:
        """Take the detour away, if it is there, and the pair's file with it.

        Args:
            into: what `postgresql.auto.conf` becomes in the same instant; None: what it was before the detour, also in time.

        Raises:
            OSError: it could not be taken away.
        """
        state = read_state(self.auto_conf)
        found = _cut(state.data or b"", self.pair)
        if into is not None:
            replace(self.auto_conf, into, mode=state.mode, uid=state.uid, gid=state.gid, attributes=state.attributes)
        elif found is not None and found.data is None:
            remove(self.auto_conf)
        elif found is not None and found.data is not None:
            replace(
                self.auto_conf,
                found.data,
                mode=state.mode,
                uid=state.uid,
                gid=state.gid,
                attributes=state.attributes,
                modified_ns=found.modified_ns,
            )
        shred(self.pair)


def _quoted(value: str) -> bytes:
    return b"'" + value.replace("\\", "\\\\").replace("'", "''").encode("utf-8", "surrogateescape") + b"'"


def _cut(data: bytes, pair: Path) -> _Without | None:
    """Return the file without the detour over `pair`; None when there is no detour in it."""
    quoted = re.escape(_quoted(str(pair)))
    lines = rb"ssl_cert_file = %b\nssl_key_file = %b\n(?:ssl_passphrase_command = .*\n)?" % (quoted, quoted)
    found = re.search(_MARK + lines, data)
    if found is not None:
        note, modified_ns = found["note"], int(found["time"])
        # What stands behind it was appended by somebody.
        left = data[: found.start() - (1 if note == b", newline added" else 0)] + data[found.end() :]
        return _Without(None if note == b", file added" and not left else left, modified_ns)
    # ALTER SYSTEM keeps every setting and drops every comment, our mark too; the settings themselves it spells as we do.
    left = re.sub(lines, b"", data)
    left = re.sub(rb"(?m)^ssl_(?:cert|key)_file = %b\n" % quoted, b"", left)
    return None if left == data else _Without(left, None)
