"""pg_hba.conf, pg_ident.conf and pg_hosts.conf as lists of records: `@file` lists and include directives followed.

Source: hba.c (tokenize_auth_file, tokenize_expand_file, tokenize_include_file) and conffiles.c, tried on 13 to 18.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

from pgssl_wizard.files.sources import MAX_DEPTH, MAX_INCLUDED, ListDirectory, Read, beside, configuration_files
from pgssl_wizard.files.tokens import (
    JOINS_LINES,
    WORD_TOO_LONG,
    LogicalLine,
    TooLongError,
    Word,
    as_text,
    fields,
    join,
    logical_lines,
    ordinary,
)

#: The first major with include directives, with a limit on nesting and with its own words for files it cannot open.
INCLUDES = 16
_DIRECTIVES = frozenset({"include", "include_if_exists", "include_dir"})

#: A longer line may have a word that some major finds too long.
_LONG = 10_000
#: Files open at once before a server without a limit on nesting gives up; about what 1,000 files per process leave it.
_DESCRIPTORS = 150
#: Files read for one line, after which lists that multiply each other are given up; the server would run out of memory.
_LISTS = 2_000

T = TypeVar("T")
#: Reads an ordinary physical line at once, or returns None: then it is cut into words.
Quick = Callable[[str, int], T | None]


class Token(NamedTuple):
    """One word of a field: its text without quotes, and whether it began with a quote (then keywords lose their meaning)."""

    text: str
    quoted: bool = False


class AuthLine(NamedTuple):
    """One record that no quick reader took: its fields, or the server's own words for why it has none."""

    file: Path
    first: int
    last: int
    fields: list[list[Token]]
    error: str | None = None


class Reader(Generic[T]):
    """Reads one file and what it includes.

    Args:
        major: decides continuation lines, includes and limits.
        read: the bytes of a file, or None when there is none.
        list_directory: the names in a directory, or None when there is none.
        quick: makes, for a file, the reader of its ordinary lines.
    """

    def __init__(self, major: int, read: Read, list_directory: ListDirectory, quick: Callable[[Path], Quick[T]] | None = None) -> None:
        self._major = major
        self._read = read
        self._list_directory = list_directory
        self._quick = quick
        self._lists_read = 0
        self._included = 0

    def lines(self, file: Path) -> Iterator[AuthLine | T]:
        """Yield the records in the server's order; one that cannot be opened yields a line 0 with the reason."""
        data, problem = self._open(file, 0)
        if problem:
            yield AuthLine(file, 0, 0, [], problem)
        elif data is not None:
            yield from self._of_file(file, data, 0, (file,))

    def _open(self, file: Path, depth: int) -> tuple[bytes | None, str | None]:
        """Return the bytes of a file or the reason why there are none, in the words of 16 and later."""
        self._included += 1
        if self._major >= INCLUDES and (depth > MAX_DEPTH or (self._included > MAX_INCLUDED and depth > 1)):
            return None, f'could not open file "{file}": maximum nesting depth exceeded'
        verb = "file" if self._major >= INCLUDES or depth else "configuration file"
        try:
            data = self._read(file)
        except IsADirectoryError:
            # It can be opened and not be read; the newer versions log that and go on as if it were empty.
            return (b"", None) if self._major >= JOINS_LINES else (None, f'could not read file "{file}": {os.strerror(errno.EISDIR)}')
        except OSError as error:
            return None, f'could not open {verb} "{file}": {os.strerror(error.errno or errno.EACCES)}'
        if data is None:
            return None, f'could not open {verb} "{file}": {os.strerror(errno.ENOENT)}'
        return data, None

    def _of_file(self, file: Path, data: bytes, depth: int, trail: tuple[Path, ...]) -> Iterator[AuthLine | T]:
        if self._quick is None or not ordinary(data, self._major):
            for line in logical_lines(data, self._major):
                yield from self._of_line(file, line, depth, trail)
            return
        quick = self._quick(file)
        # The lines are cut off one after the other: a list of them would take more room than the rules.
        text = data.decode("latin-1")
        find, length = text.find, len(text)
        offset, number = 0, 1
        while offset < length:
            end = find("\n", offset)
            if end < 0:
                end = length
            here = text[offset:end]
            if not here or (here[0] == "#" and "\\" not in here):
                record = None
            elif len(here) > _LONG or (record := quick(here, number)) is None:
                line = join(text, offset, number, self._major)
                yield from self._of_line(file, line, depth, trail)
                offset, number = line.end + 1, line.last + 1
                continue
            if record is not None:
                yield record
            offset = end + 1
            number += 1

    def _of_line(self, file: Path, line: LogicalLine, depth: int, trail: tuple[Path, ...]) -> Iterator[AuthLine | T]:
        if line.error:
            yield AuthLine(file, line.first, line.last, [], line.error)
            return
        try:
            words = fields(line.text, self._major)
        except TooLongError:
            yield AuthLine(file, line.first, line.last, [], WORD_TOO_LONG)
            return
        if not words:
            return
        if len(trail) == 1:
            self._lists_read = 0
        tokens, problem = self._expand(words, file, depth, trail)
        if problem is None and self._major >= INCLUDES and len(tokens) == 2 and tokens[0][0].text in _DIRECTIVES:
            problem = yield from self._include(tokens[0][0].text, tokens[1][0].text, file, depth, trail)
            if problem is None:
                return
        if tokens or problem:
            yield AuthLine(file, line.first, line.last, tokens, problem)

    def _include(
        self, directive: str, name: str, file: Path, depth: int, trail: tuple[Path, ...]
    ) -> Generator[AuthLine | T, None, str | None]:
        """Yield the records of what a directive names; return the problem with the directive itself."""
        if directive != "include_dir":
            target = Path(beside(name, str(file), self._major))
            data, problem = self._open(target, depth + 1)
            if problem or data is None:
                skipped = directive == "include_if_exists" and str(problem).endswith(os.strerror(errno.ENOENT))
                return None if skipped else problem
            yield from self._of_file(target, data, depth + 1, (*trail, target))
            return None
        if not name.strip(" \t\r\n"):
            return "empty configuration directory name"
        directory = Path(beside(name, str(file), self._major))
        names = self._list_directory(directory)
        if names is None:
            return f'could not open directory "{directory}"'
        problems: list[str] = []
        for each in configuration_files(names):
            target = directory / each
            if self._list_directory(target) is not None:  # a directory named x.conf is passed over
                continue
            data, problem = self._open(target, depth + 1)
            if problem or data is None:
                problems.append(str(problem))
            else:
                yield from self._of_file(target, data, depth + 1, (*trail, target))
        return "\n".join(problems) or None

    def _expand(self, words: list[list[Word]], file: Path, depth: int, trail: tuple[Path, ...]) -> tuple[list[list[Token]], str | None]:
        """Replace `@file` words by the words of that file; an empty one makes its field vanish, as in the server."""
        result: list[list[Token]] = []
        for field in words:
            tokens: list[Token] = []
            problem = None
            for word in field:
                if word.quoted or len(word.text) < 2 or word.text[0] != "@":
                    tokens.append(Token(as_text(word.text), word.quoted))
                    continue
                problem = self._list(as_text(word.text[1:]), file, depth, trail, tokens)
                if problem:
                    break
            if tokens:
                result.append(tokens)
            if problem:
                return result, problem
        return result, None

    def _list(self, name: str, file: Path, depth: int, trail: tuple[Path, ...], tokens: list[Token]) -> str | None:
        """Append the words of an `@file`; return the problem with it."""
        target = Path(beside(name, str(file), self._major))
        if self._major < INCLUDES and (target in trail or len(trail) > _DESCRIPTORS):
            # Without a limit on nesting the server opens the file until it has no descriptors left; the postmaster ends.
            return f'exceeded maxAllocatedDescs while trying to open file "{target}"'
        data, problem = self._open(target, depth + 1)
        if problem or data is None:
            if self._major < INCLUDES and problem and problem.startswith("could not open"):
                return f'could not open secondary authentication file "@{name}" as "{target}": {problem.rpartition(": ")[2]}'
            return problem
        self._lists_read += 1
        if self._lists_read > _LISTS:
            return "out of memory"
        inner: Reader[AuthLine] = Reader(self._major, self._read, self._list_directory)
        inner._lists_read = self._lists_read
        for line in inner._of_file(target, data, depth + 1, (*trail, target)):
            if line.error:
                return line.error
            tokens.extend(token for field in line.fields for token in field)
        self._lists_read = inner._lists_read
        return None


def expression_problem(word: str, major: int) -> str | None:
    """Return what the server says of a word that begins with a slash and is no regular expression; None for all others."""
    if not word.startswith("/"):
        return None
    # Few files have expressions; the others need not wait for their reader.
    from pgssl_wizard.files.expressions import InvalidExpression, compile  # noqa: A004, PLC0415

    try:
        compile(word[1:], major)
    except InvalidExpression as problem:
        return f'invalid regular expression "{word[1:]}": {problem.message}'
    return None
