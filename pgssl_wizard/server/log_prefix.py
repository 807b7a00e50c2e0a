"""What stands before the level of a line in the plain log: `log_line_prefix`, taken apart (elog.c of 13 to 18)."""

from __future__ import annotations

import re
from functools import cache

#: What each escape prints. `%q` prints nothing, and ends the prefix of background processes, which are of no interest here.
_ESCAPES = {
    "a": r"(?P<application>.*?)",
    "u": r"(?P<user>.*?)",
    "d": r"(?P<database>.*?)",
    "r": r"(?P<remote>\[local\]|[^\s()]*\(\d*\)|\S*?)",
    "h": r"(?P<host>\S*?)",
    "b": r"(?P<backend>[a-z ]*?)",
    "p": r"(?P<pid>\d+)",
    "P": r"\d*",
    "t": r"(?P<time>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?: [\w+-]+)?)",
    "m": r"(?P<time>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}(?: [\w+-]+)?)",
    "n": r"(?P<epoch>\d+\.\d{3})",
    "i": r"(?P<tag>[\w ]*?)",
    "e": r"(?P<state>[0-9A-Z]{5})",
    "c": r"(?P<session>[0-9a-f]+\.[0-9a-f]+)",
    "l": r"\d+",
    "s": r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?: [\w+-]+)?",
    "v": r"[\d/]*",
    "x": r"\d*",
    "L": r"(?:\[local\]|[0-9A-Fa-f:.]*)",
    "Q": r"-?\d*",
    "q": "",
    "%": "%",
}
_ESCAPE = re.compile(r"%(?P<padding>-?\d*)(?P<letter>.)|(?P<plain>[^%]+)")


@cache
def pattern(prefix: str) -> re.Pattern[str]:
    """Return what matches everything before `:  ` of a line with this `log_line_prefix`, its parts by name, and the level last."""
    parts: list[str] = []
    named: set[str] = set()
    for found in _ESCAPE.finditer(prefix):
        if found["plain"] is not None:
            parts.append(re.escape(found["plain"]))
            continue
        text = _ESCAPES.get(found["letter"], "")
        name = re.match(r"\(\?P<(\w+)>", text)
        if name is not None:
            # What stands there twice counts once.
            text = text if name[1] not in named else "(?:" + text[name.end() :]
            named.add(name[1])
        if found["padding"]:
            text = text + " *" if found["padding"].startswith("-") else " *" + text
        parts.append(text)
    return re.compile("".join(parts) + r"(?P<level>[^\s:]+)", re.DOTALL)


def tells(prefix: str, *letters: str) -> bool:
    """Whether a prefix has one of these escapes."""
    return any(found["letter"] in letters for found in _ESCAPE.finditer(prefix) if found["letter"])
