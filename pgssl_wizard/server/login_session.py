"""Whether the end of this login session ends every process in it, also one that left its terminal.

Source: logind.conf(5) of systemd: `KillUserProcesses`, `KillOnlyUsers`, `KillExcludeUsers`; drop-ins, by name, after the file itself.
"""

from __future__ import annotations

import configparser
import pwd
import re
from pathlib import Path

_PLACES = ("etc/systemd", "run/systemd", "usr/local/lib/systemd", "usr/lib/systemd")
_SESSION = re.compile(r"/session-[^/]+\.scope")
_YES = {"1", "yes", "y", "true", "t", "on"}


def ends_its_processes(root: Path = Path("/")) -> bool:
    """Return whether logging out would end a process that we leave behind; False where systemd-logind has no say.

    Args:
        root: of the system's files, `/proc` and `/etc` among them.
    """
    cgroup, user = _read(root / "proc/self/cgroup"), _read(root / "proc/self/loginuid").strip()
    if not _SESSION.search(cgroup) or not user.isdecimal():
        return False
    settings = _settings(root)
    if settings.get("killuserprocesses", "no").strip().lower() not in _YES:
        return False
    names = {user, _name(int(user))}
    if names & set(settings.get("killexcludeusers", "root").split()):
        return False
    only = set(settings.get("killonlyusers", "").split())
    return not only or bool(names & only)


def _settings(root: Path) -> dict[str, str]:
    """Return what logind is told, by lower-case name; the last one to say something wins."""
    # Of files with one name, only that of the first place counts.
    main = next((path for place in _PLACES if (path := root / place / "logind.conf").is_file()), None)
    drops: dict[str, Path] = {}
    for place in _PLACES:
        for path in (root / place / "logind.conf.d").glob("*.conf"):
            drops.setdefault(path.name, path)
    found: dict[str, str] = {}
    for path in [*([main] if main else []), *(drops[name] for name in sorted(drops))]:
        parser = configparser.ConfigParser(strict=False, interpolation=None, comment_prefixes=("#", ";"), delimiters=("=",))
        try:
            parser.read_string(_read(path))
        except configparser.Error:
            continue
        found |= dict(parser["Login"]) if parser.has_section("Login") else {}
    return found


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
