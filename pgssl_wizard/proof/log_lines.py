"""The lines that the server itself wrote since it was told to reload, whatever language and format: no sessions, no statements, no secrets.

Only the postmaster reads certificates and rules, and it never runs a statement; so its lines are told by the number of its process,
which every format but a plain one without `%p` in log_line_prefix has.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from pgssl_wizard.proof.model import SinceReload
from pgssl_wizard.server import log

#: Lines that are shown, the last ones.
SHOWN = 50
#: Of one line, characters.
_WIDTH = 500
#: What may be followed by a secret: the server tells the new value of every setting that a reload changes.
_TELLING = re.compile(r"conninfo|_command|passw|passphrase|secret|token|credential|api.?key", re.IGNORECASE)

_NOWHERE = "the server's messages go to no file that can be seen here (syslog, a journal, a pipe or a terminal)"


def since_reload(place: log.Mark, pid: int, *, hide: Sequence[str] = ()) -> SinceReload:
    """Return what the server wrote since.

    Args:
        place: where its log stood when it was told.
        pid: of the postmaster.
        hide: texts that are not to be shown, such as a command that opens a key.
    """
    if place.path is None:
        return SinceReload(None, why_not=_NOWHERE)
    try:
        with place.path.open("rb"):
            pass
    except OSError as error:
        return SinceReload(None, why_not=f"{place.path} cannot be read: {error.strerror}")
    found = log.pieces(place)
    if not found:
        why = f"nothing has come into {place.path} since the reload: the server's messages go elsewhere, or it keeps them to itself"
        return SinceReload(None, why_not=why)
    lines = [_hidden(line, hide) for path, text in found for line in _of_postmaster(path, text, pid)]
    complaints = [_hidden(each, hide) for each in log.complaints(place)]
    return SinceReload(found[-1][0], tuple(lines[-SHOWN:]), tuple(complaints[-SHOWN:]))


def _of_postmaster(path: Path, text: str, pid: int) -> Iterator[str]:
    if path.suffix in {".csv", ".json"}:
        yield from (f"{each.level}:  {each}" for each in log.messages_in(path, text) if each.pid == pid)
        return
    own = re.compile(rf"(?<!\d){pid}(?!\d)")
    if any(own.search(line.partition(":  ")[0]) for line in text.splitlines() if not line.startswith("\t")):
        ours = False
        for line in text.splitlines():
            # Further lines of a message begin with a tab.
            ours = ours if line.startswith("\t") else bool(own.search(line.partition(":  ")[0]))
            if ours:
                yield line
        return
    # Nothing tells whose line it is: then only what is known to be about files, in English.
    yield from (f"{each.level}:  {each}" for each in log.parse(text) if log.is_complaint(each) or each.text.startswith("received SIGHUP"))


def _hidden(line: str, hide: Sequence[str]) -> str:
    """Return a line without what may be a secret, and without what steers a terminal."""
    for text in hide:
        if text:
            line = line.replace(text, "…")
    telling = _TELLING.search(line)
    if telling is not None:
        line = f"{line[: telling.end()]}… (not shown)"
    clean = "".join(sign if sign.isprintable() else " " for sign in line)
    return clean if len(clean) <= _WIDTH else f"{clean[: _WIDTH - 1]}…"
