"""The running server during a change: reload it, see what a new connection meets, hear what it says."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from pgssl_wizard.change.contents import fingerprint
from pgssl_wizard.cluster.facts import Postmaster
from pgssl_wizard.proof.log_lines import since_reload
from pgssl_wizard.proof.model import Served, SinceReload
from pgssl_wizard.proof.names import reachable_address
from pgssl_wizard.server import handshake, log, process

#: How long a server may take from SIGHUP to its first answer with the new files, seconds. It takes milliseconds; a machine
#: that is short of memory takes longer.
PATIENCE = 10.0
#: Once the log says that something was not loaded, only this much longer, seconds: the rest of its words are on their way.
_LAST_WORDS = 0.3
_PAUSE = 0.02


class NotProved(Exception):
    """The running server does not do what the change promised.

    Args:
        message: what was seen.
        words: what the server wrote into its log about it, if anything.
    """

    def __init__(self, message: str, words: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.words = words

    def __str__(self) -> str:
        return f"{self.message}. The server says: {' / '.join(self.words)}" if self.words else self.message


#: The server's closing words of a reload that it did not, or not wholly, carry out. "unaffected changes were applied" is not among
#: them: that is what it says about somebody's edit that waits for a restart.
_NOT_TAKEN = re.compile(r"was not reloaded|no changes were applied")


def not_taken(complaints: Iterable[str], ignore: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Return what the server says about files that it did not take; empty when it took them.

    Args:
        complaints: all that its log says about files, whoever is to blame.
        ignore: closing words about files with these names do not count.
    """
    said = tuple(dict.fromkeys(complaints))
    refused = any(_NOT_TAKEN.search(words) and not any(f"{name} was not reloaded" in words for name in ignore) for words in said)
    return said if refused else ()


@dataclass(slots=True)
class RunningServer:
    """One running server and where its log stood at the last reload.

    Attributes:
        ignore: complaints about files with these names were there before us.
        data_directory: whose log is looked up at each reload; None: only `log_file` is looked at.
        hide: texts of the log that are not shown.
        address: where this machine reaches it over TCP; None when it listens on Unix sockets only.
    """

    postmaster: Postmaster
    log_file: Path | None = None
    ignore: tuple[str, ...] = ()
    data_directory: Path | None = None
    hide: tuple[str, ...] = ()
    address: str | None = field(init=False)
    _mark: log.Mark | None = field(default=None, init=False)
    _first: log.Mark | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        """Find out where it can be reached, once."""
        self.address = reachable_address(self.postmaster)

    def reload(self) -> None:
        """Ask the server to read its files again; it answers nothing.

        Raises:
            NotProved: it is gone, or belongs to another user.
        """
        # What a container calls its log is another file here.
        place = (self.data_directory, self.postmaster) if self.data_directory is not None and not self.postmaster.apart else None
        self._mark = log.mark(self.log_file, place)
        self._first = self._first or self._mark
        try:
            process.reload(self.postmaster.pid)
        except ProcessLookupError:
            raise NotProved("the server is not running any more") from None
        except PermissionError:
            raise NotProved("the server belongs to another user and cannot be told to reload") from None

    def words(self) -> tuple[str, ...]:
        """Return what the server complained about since the last reload, in its own words; empty without a readable log."""
        return not_taken(log.complaints(self._mark), self.ignore) if self._mark is not None else ()

    def since_reload(self) -> SinceReload | None:
        """Return what the server has written since the first reload; None when it was not told to."""
        if self._first is None:
            return None
        end = time.monotonic() + _LAST_WORDS
        # A collector is a process of its own, and writes when it gets to it.
        while self._first.path is not None and not log.since(self._first) and time.monotonic() < end:
            time.sleep(_PAUSE)
        return since_reload(self._first, self.postmaster.pid, hide=self.hide)

    def served(self) -> Served | None:
        """Return what a new TLS connection meets; None when TLS is not answered."""
        address = self.address
        return handshake.fetch(address, self.postmaster.port) if address else None

    def wait_until(self, condition: Callable[[], str | None]) -> None:
        """Ask again and again until `condition` has no objection left.

        Args:
            condition: returns what is still wrong, None when all is well.

        Raises:
            NotProved: the patience is at its end, or the log says that the files were not taken.
        """
        end = time.monotonic() + PATIENCE
        heard: float | None = None
        while True:
            objection = condition()
            if objection is None:
                return
            words = self.words()
            now = time.monotonic()
            if words and heard is None:
                heard = now
            if now >= end or (heard is not None and now >= heard + _LAST_WORDS):
                raise NotProved(objection if words else f"{objection}{self._where_it_may_say_why()}", words)
            time.sleep(_PAUSE)

    def _where_it_may_say_why(self) -> str:
        """Return the end of a sentence: why the log does not explain what was seen from outside; empty where it could."""
        log_since = self.since_reload()
        return f". Its log does not explain it: {log_since.why_not}" if log_since is not None and log_since.why_not else ""

    def wait_until_served(self, sha256: str | None, *, or_else: str | None = None) -> None:
        """Wait until new connections meet the certificate with this fingerprint; None: no TLS at all.

        Args:
            sha256: of the leaf, lower-case hex of its DER.
            or_else: another fingerprint that will do as well.

        Raises:
            NotProved: they do not.
        """

        def objection() -> str | None:
            served = self.served()
            now = served.sha256 if served else None
            if now == sha256 or (or_else is not None and now == or_else):
                return None
            if served is None:
                return "after the reload the server still answers without TLS"
            if sha256 is None:
                return "after the reload the server still answers with TLS"
            return f"after the reload the server still shows the certificate {served.sha256[:16]}… and not the new one, {sha256[:16]}…"

        if self.address is not None:
            self.wait_until(objection)


def leaf_on_disk(path: Path | None) -> str | None:
    """Return the fingerprint of the certificate that a file would make the server serve; None when there is none."""
    if path is None:
        return None
    try:
        return fingerprint(path.read_bytes())
    except OSError:
        return None
