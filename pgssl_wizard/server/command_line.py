"""How a server was started: settings on its command line outrank every file."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from pgssl_wizard.server import namespaces
from pgssl_wizard.server.postmaster import Postmaster

#: Short options that stand for one setting (the server's manual page), with the setting; None: the option takes a value that is no setting.
_WITH_VALUE = {
    "B": "shared_buffers",
    "D": None,
    "d": None,
    "f": None,
    "h": "listen_addresses",
    "k": "unix_socket_directories",
    "N": "max_connections",
    "p": "port",
    "r": None,
    "S": "work_mem",
    "t": None,
    "W": None,
    "v": None,
}
_FLAGS = {"F": ("fsync", "off"), "i": ("listen_addresses", "*"), "l": ("ssl", "on"), "e": ("datestyle", "euro")}

#: Variables of the server's environment that decide which library and which OpenSSL configuration it runs with.
_TELLING = ("OPENSSL_CONF", "OPENSSL_MODULES", "SSL_CERT_FILE", "SSL_CERT_DIR", "LD_LIBRARY_PATH", "TZ", "PGDATESTYLE")


def settings(data_directory: Path, postmaster: Postmaster | None) -> Mapping[str, str]:
    """Return the settings given on the command line, of the running server or else as it was started last (postmaster.opts)."""
    arguments = _arguments(postmaster.pid) if postmaster else None
    if arguments is None:
        arguments = _last_arguments(data_directory)
    return parse(arguments[1:])


def parse(arguments: Sequence[str]) -> dict[str, str]:
    """Return the settings that these arguments of `postgres` make; the last of several wins, names in lower case.

    Understands `-c name=value`, `-cname=value`, `--name=value`, `--name value` is not one, short options and clusters of flags.
    """
    found: dict[str, str] = {}
    rest = list(arguments)
    while rest:
        argument = rest.pop(0)
        if argument.startswith("--"):
            _setting(argument[2:], found, dashes=True)
        elif argument.startswith("-") and len(argument) > 1:
            _short(argument[1:], rest, found)
    return found


def directory_argument(data_directory: Path, postmaster: Postmaster | None) -> Path | None:
    """Return what `-D` named: where the server looks for postgresql.conf. None when it was not given."""
    arguments = _arguments(postmaster.pid) if postmaster else None
    rest = list(arguments or _last_arguments(data_directory))[1:]
    while rest:
        argument = rest.pop(0)
        if argument == "-D" and rest:
            return Path(rest[0])
        if argument.startswith("-D") and len(argument) > 2:
            return Path(argument[2:])
        if argument == "-c" and rest:
            rest.pop(0)
    return None


def executable(pid: int) -> Path | None:
    """Return the binary that this process runs; None when the system does not tell us, and for one in a container."""
    if namespaces.apart(pid):
        # Its path means a file in there; one of the same name here may be of any version.
        return None
    try:
        path = Path(f"/proc/{pid}/exe").readlink()
    except OSError:
        return None
    # After an upgrade of the package under a running server the name ends so; the new binary stands at the same place.
    path = Path(str(path).removesuffix(" (deleted)"))
    return path if os.access(path, os.F_OK) else None


def last_executable(data_directory: Path) -> Path | None:
    """Return the binary that postmaster.opts names, when it is still there."""
    arguments = _last_arguments(data_directory)
    path = Path(arguments[0]) if arguments else None
    return path if path is not None and path.is_absolute() and os.access(path, os.F_OK) else None


def environment(pid: int) -> Mapping[str, str]:
    """Return the variables of the running server that decide what TLS does there; empty when we may not look."""
    try:
        data = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return {}
    pairs = (entry.partition(b"=") for entry in data.split(b"\0"))
    return {os.fsdecode(name): os.fsdecode(value) for name, _, value in pairs if os.fsdecode(name) in _TELLING}


def groups(pid: int) -> frozenset[int] | None:
    """Return the groups that the running process has; a membership given later counts only after a restart. None: not known."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return None
    found: set[int] = set()
    for line in lines:
        name, _, numbers = line.partition(":")
        if name in {"Gid", "Groups"}:
            found.update(int(number) for number in numbers.split())
    return frozenset(found)


def _arguments(pid: int) -> list[str] | None:
    try:
        data = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return None
    return [os.fsdecode(argument) for argument in data.removesuffix(b"\0").split(b"\0")]


def _last_arguments(data_directory: Path) -> list[str]:
    # Written as: program, then every argument in double quotes, which the server does not escape.
    try:
        line = os.fsdecode((data_directory / "postmaster.opts").read_bytes()).strip()
        return shlex.split(line)
    except (OSError, ValueError):
        return []


def _short(cluster: str, rest: list[str], found: dict[str, str]) -> None:
    while cluster:
        letter, cluster = cluster[0], cluster[1:]
        if letter in _FLAGS:
            name, value = _FLAGS[letter]
            found[name] = value
        elif letter == "c" or letter in _WITH_VALUE:
            value = cluster or (rest.pop(0) if rest else "")
            name_of = _WITH_VALUE.get(letter)
            if letter == "c":
                _setting(value, found, dashes=False)
            elif name_of is not None:
                found[name_of] = value
            return


def _setting(text: str, found: dict[str, str], *, dashes: bool) -> None:
    name, equals, value = text.partition("=")
    if equals or not dashes:
        # The server takes a-b for a_b in both spellings.
        found[name.lower().replace("-", "_")] = value
