"""Which line wins, and what the server says of each: postgresql.conf with its includes, then postgresql.auto.conf, then the command line.

`resolve` lists the lines that set something, also those of broken files. `judge` is the server's verdict at a start, line by line
and as a whole. Source: guc-file.l and ProcessConfigFileInternal in guc.c, compared with 13 to 18.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from pgssl_wizard.files.conf_walk import Item, Walk
from pgssl_wizard.files.known_settings import current_name, fold, known
from pgssl_wizard.files.setting_conflicts import conflicts
from pgssl_wizard.files.sources import ListDirectory, Read


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
    """Follow the files as the server does at a start or reload, and on where it would stop at an error.

    Args:
        config_file: postgresql.conf, absolute.
        auto_conf: postgresql.auto.conf; it may be missing.
        read: the bytes of a file, or None when there is none.
        list_directory: the names in a directory, or None when there is none.
        command_line: settings given with `-c` and the like.
        major: decides which names are old spellings of others.
    """
    walk = Walk(read, list_directory, major, lenient=True)
    walk.file(str(config_file))
    if auto_conf is not None:
        walk.file(str(auto_conf), strict=False)
    lines = [SettingLine(item.name, item.value or "", item.file, item.line) for item in walk.items if item.name is not None]
    lines += [SettingLine(name, value, None, 0) for name, value in (command_line or {}).items()]
    errors = [
        SettingsProblem(item.file or config_file, item.line, item.words or item.message or "") for item in walk.items if item.name is None
    ]
    return Resolution(lines, walk.files_read, walk.directories_read, walk.includes, errors, major)


class InForce(NamedTuple):
    """A value as pg_settings shows it, and the line that it comes from; `file` None stands for the command line."""

    value: str
    file: Path | None
    line: int


@dataclass(frozen=True, slots=True)
class JudgedLine:
    """One line as the server sees it, in the order in which it reads them.

    Attributes:
        name, value: as written; None for a line that sets nothing.
        applied: whether the server takes this line's value. One syntax error or unknown name, and it takes none at all.
        error: as in the view pg_file_settings; None also for a line that a later one overrides.
        message, detail, hint: what the server logs against the line.
        words: the message without the place that it names.
        setting: the setting meant, by folded name; None for a name that nobody knows and for an extension's.
        stored: the value as pg_settings would show it; None when it is refused, or not looked at.
    """

    file: Path | None
    line: int
    name: str | None
    value: str | None
    applied: bool
    error: str | None = None
    message: str | None = None
    detail: str | None = None
    hint: str | None = None
    words: str | None = None
    setting: str | None = None
    stored: str | None = None


@dataclass(frozen=True, slots=True)
class SettingNote:
    """What holds only if the machine has it so, or what a line does not do that it seems to do; a sentence without its full stop."""

    name: str
    file: Path | None
    line: int
    text: str


@dataclass(frozen=True, slots=True)
class SettingsVerdict:
    """The server's verdict on its settings files at a start.

    Attributes:
        rows: every line, and every error that belongs to one.
        accepted: whether it would start, as far as these files are concerned.
        in_force: what the files and the command line set, by folded name; everything else has its default. Empty when the
            files are refused.
        notes: what the verdict leaves to the machine.
        conflicts: what keeps the server from starting all the same: settings that do not go together, in its words.
        log: the messages that the server logs on the way, without levels; the last one says that it gives up, if it does.
        skipped: files of include_if_exists that are not there: the file and line that name them, and their path.
    """

    rows: tuple[JudgedLine, ...]
    accepted: bool
    in_force: Mapping[str, InForce]
    notes: tuple[SettingNote, ...]
    conflicts: tuple[SettingNote, ...]
    log: tuple[str, ...]
    skipped: tuple[tuple[Path, int, Path], ...]


def judge(
    config_file: Path,
    major: int,
    read: Read,
    list_directory: ListDirectory,
    auto_conf: Path | None = None,
    command_line: Mapping[str, str] | None = None,
    *,
    as_view: bool = False,
    all_errors: bool = False,
) -> SettingsVerdict:
    """Return what a server of this major says of its settings files when it starts.

    Args:
        config_file: postgresql.conf, absolute.
        major: the server's.
        read: the bytes of a file, or None when there is none; it may raise OSError.
        list_directory: the names in a directory, or None when there is none.
        auto_conf: postgresql.auto.conf, which may be missing; None: none is read.
        command_line: settings given with `-c` and the like, by name.
        as_view: read like pg_file_settings, which leaves a file at its first syntax error; a start logs up to a hundred.
        all_errors: look at every name and value also where the server has given up before: who mends a file wants to know all of
            it. Lines are the real ones then, where a server is off by one at the end of a file.
    """
    walk = Walk(read, list_directory, major, lenient=all_errors, first_error_only=as_view)
    judging = _Judging(major, walk)
    if judging.command_line(command_line or {}):
        judging.files(str(config_file), None if auto_conf is None else str(auto_conf))
    return judging.verdict()


class _Judging:
    """One start of a server, as far as its settings go."""

    def __init__(self, major: int, walk: Walk) -> None:
        self._major = major
        self._walk = walk
        self._given: list[Item] = []
        self._given_names: set[str] = set()
        self._data_directory: Item | None = None
        self._before: dict[str, str] = {}
        self._in_force: dict[str, InForce] = {}
        self._notes: list[SettingNote] = []
        self._target = ""
        self._accepted = True

    def command_line(self, given: Mapping[str, str]) -> bool:
        """Set what the command line gives; an error there ends everything before a file is read."""
        for name, value in given.items():
            item = Item(None, 0, name, value)
            self._given.append(item)
            self._given_names.add(current_name(name, self._major))
            if known(name, self._major) is None and "." not in name:
                item.message = f'unrecognized configuration parameter "{name}"'
                item.error = "unrecognized configuration parameter"
            elif self._set(item, from_file=False):
                continue
            self._give_up(item.message or "")
            return False
        return True

    def files(self, config_file: str, auto_conf: str | None) -> None:
        """Read the files, look at the names, then at the values."""
        on = self._walk.lenient
        failed = None if self._walk.file(config_file) else config_file
        # The data directory is needed before all else, and looked for in this very spelling.
        self._data_directory = next((item for item in reversed(self._walk.items) if item.name == "data_directory"), None)
        if (failed is None or on) and auto_conf is not None and not self._walk.file(auto_conf, strict=False):
            failed = failed or "postgresql.auto.conf"
        if failed is None or on:
            failed = self._look_at_names() or failed
        early = failed
        if early is None or on:
            failed = self._apply() or failed
        if early is not None:
            for item in self._walk.items:
                item.applied = False
        if failed is not None and self._target != "many":
            self._give_up(f'configuration file "{failed}" contains errors')

    def _apply(self) -> str | None:
        """Look at the values, in order; return the last file with one that is refused."""
        failed = None
        for item in self._walk.items:
            if item.ignored or item.name is None or item.error is not None:
                continue
            if not self._set(item, from_file=True):
                failed = str(item.file)
                if self._target == "many":
                    self._accepted = False
                    break
        return failed

    def verdict(self) -> SettingsVerdict:
        """Return all of it."""
        rows = tuple(
            JudgedLine(
                *(item.file, item.line, item.name, item.value, item.applied, item.error, item.message, item.detail, item.hint),
                words=item.words or item.message,
                setting=None if item.name is None or (setting := known(item.name, self._major)) is None else fold(setting.name),
                stored=item.stored,
            )
            for item in (*self._walk.items, *self._given)
        )
        return SettingsVerdict(
            rows=rows,
            accepted=self._accepted,
            in_force=self._in_force if self._accepted else {},
            notes=tuple(self._notes),
            conflicts=tuple(self._conflicts()) if self._accepted else (),
            log=tuple(self._walk.log),
            skipped=tuple(self._walk.skipped),
        )

    def _conflicts(self) -> Iterator[SettingNote]:
        def value(name: str) -> str:
            setting = known(name, self._major)
            return self._before.get(name, setting.default if setting else "")

        for name, text in conflicts(self._major, value):
            found = self._in_force.get(name)
            yield SettingNote(name, found.file if found else None, found.line if found else 0, text)

    def _look_at_names(self) -> str | None:
        """Mark what later lines override, in this very spelling; return the last file with a name that nobody knows."""
        failed = None
        seen: set[str] = set()
        spelled: dict[str, list[Item]] = {}
        for item in self._walk.items:
            if item.name is None:
                continue
            setting = known(item.name, self._major)
            if setting is None:
                if "." not in item.name:
                    item.error = "unrecognized configuration parameter"
                    item.words = f'unrecognized configuration parameter "{item.name}"'
                    item.message = f'{item.words} in file "{item.file}" line {item.line}'
                    self._walk.log.append(item.message)
                    failed = str(item.file)
                continue
            earlier = spelled.setdefault(item.name, [])
            if setting.name in seen:
                for other in earlier:
                    other.ignored = True
                earlier.clear()
            seen.add(setting.name)
            earlier.append(item)
        return failed

    def _set(self, item: Item, *, from_file: bool) -> bool:
        assert item.name is not None
        assert item.value is not None
        setting = known(item.name, self._major)
        name = fold(setting.name) if setting else fold(item.name)
        overridden = from_file and (name in self._given_names or not self._looked_at(item, name))
        value = item.value
        if setting is not None:
            from pgssl_wizard.files.setting_values import check  # noqa: PLC0415 - who only follows the files does without

            checked = check(setting, value, self._major, item.name, self._before)
            item.message, item.detail, item.hint = checked.error, checked.detail, checked.hint
            if checked.value is not None and not overridden:
                self._check_target(item, name, checked.value)
            if item.message is not None or checked.value is None:
                item.error = "setting could not be applied"
                if from_file:
                    self._walk.log.append(item.message or "")
                return False
            value = checked.value
            if checked.note:
                self._notes.append(SettingNote(setting.name, item.file, item.line, checked.note))
        item.applied = True
        item.stored = value
        if not overridden:
            self._before[name] = value
            self._in_force[name] = InForce(value, item.file, item.line)
        return True

    def _looked_at(self, item: Item, name: str) -> bool:
        """Whether the server has not settled a setting before it takes values from its files; it says nothing of the line then."""
        if name == "config_file":
            text = "the server never takes it from a file"
        elif name == "data_directory" and item is not self._data_directory:
            text = "the server takes it from postgresql.conf and its includes only, and only where it is spelled in lower case"
        else:
            return True
        self._notes.append(SettingNote(name, item.file, item.line, text))
        return False

    def _check_target(self, item: Item, name: str, value: str) -> None:
        """There is one target of a recovery; to name another one ends the start at once."""
        if name not in _TARGETS:
            return
        if self._target not in {"", name}:
            item.message = "multiple recovery targets specified"
            names = ", ".join(f'"{target}"' if self._major >= 17 else target for target in _TARGETS)
            item.detail = f"At most one of {names} may be set."
            self._target = "many"
        else:
            self._target = name if value else ""

    def _give_up(self, message: str) -> None:
        self._accepted = False
        self._walk.log.append(message)


_TARGETS = ("recovery_target", "recovery_target_lsn", "recovery_target_name", "recovery_target_time", "recovery_target_xid")
