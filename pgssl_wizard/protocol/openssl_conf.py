"""The host's openssl.cnf: what its `system_default` section sets for every TLS context before the server sets anything. Pure.

The grammar is that of config(5): sections, `name = value`, `#`, quotes, a backslash at the end of a line, `$name`, `${section::name}`,
`.include`. The way to the section is openssl_conf → ssl_conf → system_default; commands are those of SSL_CONF_cmd(3).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

#: The commands that bound what a server can offer, in lower case, as SSL_CONF_cmd compares them; and how people write them.
_COMMANDS = {
    name.lower(): name
    for name in (
        "MinProtocol",
        "MaxProtocol",
        "Protocol",
        "CipherString",
        "Ciphersuites",
        "Groups",
        "Curves",
        "Options",
        "SignatureAlgorithms",
    )
}
#: Files that include files that include files.
_DEEPEST = 10

_Read = Callable[[Path], bytes | None]
_List = Callable[[Path], Sequence[str] | None]


@dataclass(frozen=True, slots=True)
class SystemDefault:
    """What the host asks of every TLS context.

    Attributes:
        file: which openssl.cnf.
        commands: name to value.
        where: `file:line` of each of them.
        read: every file that was read, the first one included.
    """

    file: Path
    commands: Mapping[str, str] = field(default_factory=dict)
    where: Mapping[str, str] = field(default_factory=dict)
    read: tuple[Path, ...] = ()

    def in_words(self) -> str:
        """Return them as they stand, `MinProtocol = TLSv1.2, …`; empty when there are none."""
        return ", ".join(f"{name} = {value}" for name, value in self.commands.items())


@dataclass(slots=True)
class _Reading:
    """A file being read, with what it includes."""

    read: _Read
    names: _List
    sections: dict[str, dict[str, tuple[str, str]]] = field(default_factory=lambda: {"default": {}})
    files: list[Path] = field(default_factory=list)
    section: str = "default"


def system_default(file: Path, read: _Read, names: _List) -> SystemDefault | None:
    """Return what stands in `system_default`; None when there is no such file.

    Args:
        file: openssl.cnf.
        read: returns the bytes of a file; None when it cannot be read.
        names: returns the names in a directory; None when it is none.
    """
    data = read(file)
    if data is None:
        return None
    reading = _Reading(read, names)
    _file(reading, file, data, 0)
    start = reading.sections["default"].get("openssl_conf")
    applied = reading.sections.get(start[0], {}).get("ssl_conf") if start else None
    section = reading.sections.get(applied[0], {}).get("system_default") if applied else None
    found = reading.sections.get(section[0], {}) if section else {}
    commands: dict[str, str] = {}
    where: dict[str, str] = {}
    for name, (value, place) in found.items():
        # Whatever stands before a dot only tells equal commands apart.
        spelled = _COMMANDS.get(name.rpartition(".")[2].lower())
        if spelled is not None:
            commands[spelled], where[spelled] = value, place
    return SystemDefault(file, commands, where, tuple(dict.fromkeys(reading.files)))


def _file(reading: _Reading, path: Path, data: bytes, depth: int) -> None:
    reading.files.append(path)
    pending, first = "", 0
    for number, raw in enumerate(data.decode("utf-8", "replace").splitlines(), 1):
        line = _without_comment(raw)
        first = first if pending else number
        if line.endswith("\\") and not line.endswith("\\\\"):
            pending += line[:-1]
            continue
        _line(reading, path, first, (pending + line).strip(), depth)
        pending = ""
    if pending.strip():
        _line(reading, path, first, pending.strip(), depth)


def _without_comment(line: str) -> str:
    """Return a line up to its comment; a # inside quotes or behind a backslash is none."""
    quote, skip = "", False
    for place, sign in enumerate(line):
        if skip:
            skip = False
        elif sign == "\\":
            skip = True
        elif quote:
            quote = "" if sign == quote else quote
        elif sign in "\"'`":
            quote = sign
        elif sign == "#":
            return line[:place].rstrip()
    return line.rstrip()


def _line(reading: _Reading, path: Path, number: int, line: str, depth: int) -> None:
    header = re.fullmatch(r"\[\s*(.*?)\s*\]", line)
    if header:
        reading.section = header[1]
        reading.sections.setdefault(reading.section, {})
        return
    include = re.fullmatch(r"\.include(?:\s*=\s*|\s+)(.+)", line)
    if include:
        _include(reading, path, _value(reading, include[1]), depth)
        return
    name, equals, value = line.partition("=")
    name = name.strip()
    if not equals or not name or name.startswith("."):
        return
    section, colons, inner = name.partition("::")
    place = reading.sections.setdefault(section.strip() if colons else reading.section, {})
    place[inner.strip() if colons else name] = (_value(reading, value), f"{path}:{number}")


def _include(reading: _Reading, path: Path, target: str, depth: int) -> None:
    if depth >= _DEEPEST:
        return
    # A relative name means the process's working directory; a server's is its data directory, where nobody puts such files.
    included = path.parent / target
    names = reading.names(included)
    paths = [included] if names is None else [included / name for name in sorted(names) if name.endswith((".cnf", ".conf"))]
    for each in paths:
        data = reading.read(each)
        if data is not None and reading.files.count(each) < 2:
            _file(reading, each, data, depth + 1)


def _value(reading: _Reading, text: str) -> str:
    """Return a value with its quotes off and its variables filled in; what is not known stays empty."""

    def variable(found: re.Match[str]) -> str:
        if found[0].startswith("\\"):
            return found[0][1]
        section, colons, name = (found[1] or found[2] or found[3]).rpartition("::")
        if section == "ENV":
            return ""
        for place in (section,) if colons else (reading.section, "default"):
            value = reading.sections.get(place, {}).get(name)
            if value is not None:
                return value[0]
        return ""

    plain = text.strip()
    if len(plain) >= 2 and plain[0] == plain[-1] and plain[0] in "\"'":
        return plain[1:-1]
    return re.sub(r"\\.|\$\{([\w:]+)\}|\$\(([\w:]+)\)|\$([\w:]+)", variable, plain)
