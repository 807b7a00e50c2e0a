"""Which line wins: postgresql.conf with its includes, then postgresql.auto.conf, then the command line; the last one counts.

Includes are read in place; `include_dir` takes names that end in `.conf` and do not start with a dot, in byte order. Source:
guc-file.l and conffiles.c, tried on 13 to 18.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pgssl_wizard.files.conf import ConfFile
from pgssl_wizard.files.versions import current_name

Read = Callable[[Path], bytes | None]
ListDirectory = Callable[[Path], list[str] | None]

#: More levels than this and the server refuses the file.
MAX_DEPTH = 10


@dataclass(frozen=True, slots=True)
class SettingLine:
    """One line that sets something; `file` None stands for the server's command line."""

    name: str
    value: str
    file: Path | None
    line: int


@dataclass(frozen=True, slots=True)
class SettingsProblem:
    """What the server would refuse, in its own words."""

    file: Path
    line: int
    message: str


@dataclass(slots=True)
class Resolution:
    """Every setting line in the order in which the server applies them.

    Attributes:
        files_read: the bytes of every file that took part, in reading order.
        directories_read: the include directories.
        includes: which file includes which, with the line.
    """

    lines: list[SettingLine] = field(default_factory=list)
    files_read: dict[Path, bytes] = field(default_factory=dict)
    directories_read: list[Path] = field(default_factory=list)
    includes: list[tuple[Path, int, Path]] = field(default_factory=list)
    errors: list[SettingsProblem] = field(default_factory=list)
    major: int = 18

    def setters(self, name: str) -> tuple[SettingLine, ...]:
        """Return every line that sets `name`, in order."""
        wanted = current_name(name, self.major)
        return tuple(line for line in self.lines if current_name(line.name, self.major) == wanted)

    def winner(self, name: str) -> SettingLine | None:
        """Return the line whose value counts, or None when nothing sets it."""
        found = self.setters(name)
        return found[-1] if found else None

    def overridden(self, name: str) -> tuple[SettingLine, ...]:
        """Return the lines that set it and lose."""
        return self.setters(name)[:-1]


def resolve(
    config_file: Path,
    auto_conf: Path | None,
    read: Read,
    list_directory: ListDirectory,
    command_line: Mapping[str, str] | None = None,
    major: int = 18,
) -> Resolution:
    """Follow the files as the server does at a start or reload.

    Args:
        config_file: postgresql.conf, absolute.
        auto_conf: postgresql.auto.conf; it may be missing.
        read: the bytes of a file, or None when there is none.
        list_directory: the names in a directory, or None when there is none.
        command_line: settings given with `-c` and the like.
        major: decides which names are old spellings of others.
    """
    resolution = Resolution(major=major)
    _follow(config_file, read, list_directory, resolution, 0, None)
    if auto_conf is not None and read(auto_conf) is not None:
        _follow(auto_conf, read, list_directory, resolution, 0, None)
    for name, value in (command_line or {}).items():
        resolution.lines.append(SettingLine(name, value, None, 0))
    return resolution


def _follow(
    path: Path, read: Read, list_directory: ListDirectory, resolution: Resolution, depth: int, origin: tuple[Path, int] | None
) -> None:
    where, line = origin or (path, 0)
    if depth > MAX_DEPTH:
        resolution.errors.append(
            SettingsProblem(where, line, f'could not open configuration file "{path}": maximum nesting depth exceeded')
        )
        return
    data = read(path)
    if data is None:
        resolution.errors.append(SettingsProblem(where, line, f'could not open configuration file "{path}"'))
        return
    resolution.files_read.setdefault(path, data)
    parsed = ConfFile.parse(data)
    resolution.errors.extend(SettingsProblem(path, error.line, error.message) for error in parsed.errors)
    for entry in parsed.entries:
        if entry.kind == "setting":
            resolution.lines.append(SettingLine(entry.name, entry.value, path, entry.line))
            continue
        if not entry.value:
            resolution.errors.append(SettingsProblem(path, entry.line, 'empty configuration file name: ""'))
            continue
        target = path.parent / entry.value
        if entry.kind == "include_dir":
            _follow_directory(target, read, list_directory, resolution, depth, (path, entry.line))
            continue
        if target == path:
            resolution.errors.append(SettingsProblem(path, entry.line, f'configuration file recursion in "{path}"'))
            continue
        if entry.kind == "include_if_exists" and read(target) is None:
            continue
        resolution.includes.append((path, entry.line, target))
        _follow(target, read, list_directory, resolution, depth + 1, (path, entry.line))


def _follow_directory(
    directory: Path, read: Read, list_directory: ListDirectory, resolution: Resolution, depth: int, origin: tuple[Path, int]
) -> None:
    names = list_directory(directory)
    if names is None:
        resolution.errors.append(SettingsProblem(*origin, f'could not open configuration directory "{directory}"'))
        return
    resolution.directories_read.append(directory)
    chosen = [name for name in names if not name.startswith(".") and len(name) > len(".conf") and name.endswith(".conf")]
    for name in sorted(chosen, key=lambda name: name.encode("utf-8", "surrogateescape")):
        target = directory / name
        if list_directory(target) is not None:  # a directory named x.conf is passed over
            continue
        resolution.includes.append((*origin, target))
        _follow(target, read, list_directory, resolution, depth + 1, origin)
