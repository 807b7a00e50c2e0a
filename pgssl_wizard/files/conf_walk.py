"""Following postgresql.conf through its includes and into postgresql.auto.conf, in the server's order and with its errors.

Includes are read in place; `include_dir` takes names that end in `.conf` and do not start with a dot, in byte order. Source:
guc-file.l and conffiles.c.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from pgssl_wizard.files.conf import MAX_ERRORS, ConfFile, Entry
from pgssl_wizard.files.setting_lists import canonical_path
from pgssl_wizard.files.sources import MAX_DEPTH, MAX_INCLUDED, ListDirectory, Read, beside, configuration_files

_MISSING = "No such file or directory"
_BLANK = " \t\r\n"


@dataclass(slots=True)
class Item:
    """One line as the server lists it: a setting, or an error.

    Attributes:
        file: where it stands; None for the command line.
        name, value: of a setting; None for an error.
        error: as in the view pg_file_settings.
        message: what the server logs.
        words: the same without the place, for an error of the file's own text.
        ignored: a later line with the same name counts.
        stored: the value as the server keeps it.
    """

    file: Path | None
    line: int
    name: str | None = None
    value: str | None = None
    error: str | None = None
    message: str | None = None
    words: str | None = None
    detail: str | None = None
    hint: str | None = None
    ignored: bool = False
    applied: bool = False
    stored: str | None = None


@dataclass(slots=True)
class Walk:
    """What following the files brought.

    Attributes:
        items: every setting and error, in order.
        log: what the server logs of it, in order.
        files_read: the bytes of every file that took part, in reading order.
        directories_read: the include directories.
        includes: which file includes which, with the line.
        skipped: files of include_if_exists that are not there, with the line that names them.
    """

    read: Read
    list_directory: ListDirectory
    major: int
    #: A server stops at some errors; who looks at a file to mend it wants the rest too.
    lenient: bool = False
    #: A server's process for a session, which answers the view, stops at the first syntax error of each file.
    first_error_only: bool = False
    items: list[Item] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    files_read: dict[Path, bytes] = field(default_factory=dict)
    directories_read: list[Path] = field(default_factory=list)
    includes: list[tuple[Path, int, Path]] = field(default_factory=list)
    skipped: list[tuple[Path, int, Path]] = field(default_factory=list)
    _parsed: dict[Path, ConfFile] = field(default_factory=dict)
    _included: int = 0

    def file(self, path: str, *, strict: bool = True, caller: tuple[str, int] | None = None, depth: int = 0) -> bool:
        """Follow one file; return whether all of it could be read.

        Args:
            path: as written.
            strict: a missing file is an error.
            caller: the file that includes it, and the line.
            depth: of the include.
        """
        if not path.strip(_BLANK):
            return self._refuse(caller, "empty configuration file name", f'empty configuration file name: "{path}"')
        self._included += depth > 0
        if depth > MAX_DEPTH or self._included > MAX_INCLUDED:
            words = f'could not open configuration file "{path}": maximum nesting depth exceeded'
            return self._refuse(caller, "nesting depth exceeded", words)
        absolute = self._absolute(path, caller)
        if caller is not None and absolute == caller[0]:
            return self._refuse(caller, "configuration file recursion", f'configuration file recursion in "{caller[0]}"')
        target = Path(absolute)
        try:
            data = self.read(target)
            problem = None if data is not None else "Is a directory" if self.list_directory(target) is not None else _MISSING
        except OSError as error:
            data, problem = None, error.strerror or str(error)
        if data is not None:
            if caller is not None:
                self.includes.append((Path(caller[0]), caller[1], target))
            return self._parse(absolute, data, depth)
        if problem == "Is a directory":
            # The server can open a directory; only reading it fails, in the words of its scanner.
            words = "input in flex scanner failed"
            return self._refuse((absolute, 1), words, f'{words} at file "{absolute}" line 1')
        if not strict:
            if caller is not None:
                self.skipped.append((Path(caller[0]), caller[1], target))
            return True
        words = f'could not open configuration file "{absolute}": {problem}'
        return self._refuse(caller, f'could not open file "{absolute}"', words)

    def _directory(self, path: str, caller: tuple[str, int], depth: int) -> bool:
        if not path.strip(_BLANK):
            return self._refuse(caller, "empty configuration directory name", f'empty configuration directory name: "{path}"')
        absolute = self._absolute(path, caller)
        problem = _MISSING
        try:
            names = self.list_directory(Path(absolute))
            if names is None and self.read(Path(absolute)) is not None:
                problem = "Not a directory"
        except OSError as error:
            names, problem = None, error.strerror or str(error)
        if names is None:
            words = f'could not open configuration directory "{absolute}": {problem}'
            return self._refuse(caller, f'could not open directory "{absolute}"', words)
        self.directories_read.append(Path(absolute))
        targets: list[str] = []
        for name in configuration_files(names):
            target = canonical_path(f"{absolute}/{name}", self.major)
            if self.list_directory(Path(target)) is not None:  # a directory named x.conf is passed over
                continue
            if not self.lenient and self._dangling(Path(target)):
                return self._refuse(caller, f'could not stat file "{target}"', f'could not stat file "{target}": {_MISSING}')
            targets.append(target)
        everything = True
        for target in targets:
            if not self.file(target, caller=caller, depth=depth):
                everything = False
                if not self.lenient:
                    break
        return everything

    def _dangling(self, path: Path) -> bool:
        try:
            return self.read(path) is None
        except OSError:
            return False

    def _parse(self, path: str, data: bytes, depth: int) -> bool:
        file = Path(path)
        self.files_read.setdefault(file, data)
        # A file may be included many times over.
        parsed = self._parsed.get(file)
        if parsed is None:
            parsed = self._parsed[file] = ConfFile.parse(data)
        everything = True
        entries, errors = iter(parsed.entries), iter(parsed.errors)
        entry, error = next(entries, None), next(errors, None)
        count = 0
        while entry is not None or error is not None:
            if error is not None and (entry is None or error.line < entry.line):
                words = f'syntax error in file "{path}" line {error.told}, {error.place}'
                everything = self._refuse((path, error.line if self.lenient else error.told), "syntax error", words)
                self.items[-1].words = error.message
                count += 1
                if count >= MAX_ERRORS or self.first_error_only:
                    self.log.append(f'too many syntax errors found, abandoning file "{path}"')
                    if not self.lenient:
                        return False
                error = next(errors, None)
                continue
            assert entry is not None
            everything = self._take(path, entry, depth) and everything
            entry = next(entries, None)
        return everything

    def _take(self, path: str, entry: Entry, depth: int) -> bool:
        caller = (path, entry.line)
        if entry.kind == "include_dir":
            return self._directory(entry.value, caller, depth + 1)
        if entry.kind != "setting":
            return self.file(entry.value, strict=entry.kind == "include", caller=caller, depth=depth + 1)
        self.items.append(Item(Path(path), entry.line, entry.name, entry.value))
        return True

    def _refuse(self, where: tuple[str, int] | None, error: str, message: str) -> bool:
        file, line = where or (None, 0)
        self.items.append(Item(None if file is None else Path(file), line, error=error, message=message))
        self.log.append(message)
        return False

    def _absolute(self, path: str, caller: tuple[str, int] | None) -> str:
        return path if caller is None else beside(path, caller[0], self.major)
