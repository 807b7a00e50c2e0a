"""Copies of configuration files under another root, so that the server's programs can read them before they are real.

`/etc/postgresql/17/main/pg_hba.conf` is staged as `<root>/etc/postgresql/17/main/pg_hba.conf`: relative includes keep leading to
their neighbours, and taking `<root>` out of a message of the server gives the real name again.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pgssl_wizard.change.paths import real_path
from pgssl_wizard.cluster.facts import Cluster
from pgssl_wizard.cluster.reading import names_in, read_bytes
from pgssl_wizard.files.hba import parse_rules
from pgssl_wizard.files.ident import parse_maps
from pgssl_wizard.files.settings import resolve


@dataclass(slots=True)
class Staging:
    """Where things are staged, and what is staged there.

    Attributes:
        root: a directory that the server's user can read.
        write: writes one file as that user's, below directories that exist.
        make_directory: makes one directory as that user's.
    """

    root: Path
    write: Callable[[Path, bytes], object]
    make_directory: Callable[[Path], object]
    _made: set[Path] = field(default_factory=set)

    def path(self, real: Path) -> Path:
        """Return where `real` is staged."""
        return self.root / real.relative_to(real.anchor)

    def put(self, files: Mapping[Path, bytes], directories: Iterable[Path] = ()) -> None:
        """Stage text files and directories; where a file names one of them by its absolute path, the staged path is put in."""
        names = sorted((os.fsencode(path) for path in (*files, *directories)), key=len, reverse=True)
        for directory in directories:
            self._make_directories(self.path(directory))
        for path, data in files.items():
            staged = data
            if names:
                # Longest first in one pass: a directory's name is also the beginning of its files' names.
                pattern = b"|".join(re.escape(name) for name in names)
                staged = re.sub(pattern, lambda found: os.fsencode(self.root) + found.group(), data)
            self.put_as_is(path, staged)

    def put_as_is(self, path: Path, data: bytes) -> Path:
        """Stage one file without looking into it; return where."""
        target = self.path(path)
        self._make_directories(target.parent)
        self.write(target, data)
        return target

    def _make_directories(self, target: Path) -> None:
        """Make a directory and its parents, as far as they are below the root."""
        for directory in reversed([target, *target.parents]):
            if directory != self.root and directory.is_relative_to(self.root) and directory not in self._made:
                if not directory.exists():
                    self.make_directory(directory)
                self._made.add(directory)

    def unstaged(self, text: str) -> str:
        """Return a message of the server with the real names of files."""
        return text.replace(str(self.root), "")


@dataclass(slots=True)
class _Reader:
    """Reads planned files as if they were there, and remembers everything that it was asked for."""

    planned: Mapping[Path, bytes]
    files: dict[Path, bytes] = field(default_factory=dict)
    directories: set[Path] = field(default_factory=set)

    def read(self, path: Path) -> bytes | None:
        data = self.planned.get(path, self.planned.get(real_path(path)))
        if data is None:
            data = read_bytes(path)
        if data is not None:
            self.files[path] = data
        return data

    def names(self, path: Path) -> list[str] | None:
        found = names_in(path)
        # What will be new in an `include_dir` is read there too.
        new = [planned.name for planned in self.planned if planned.parent == real_path(path)]
        if found is None and not new:
            return None
        self.directories.add(path)
        return sorted({*(found or ()), *new})


def stage_rules(staging: Staging, cluster: Cluster, planned: Mapping[Path, bytes]) -> None:
    """Stage every file that the planned rules consist of, includes and lists of names too."""
    reader = _Reader(planned)
    parse_rules(cluster.hba_file, cluster.major, reader.read, reader.names)
    staging.put(reader.files, reader.directories)


def stage_maps(staging: Staging, cluster: Cluster, planned: Mapping[Path, bytes]) -> None:
    """Stage every file that the planned maps consist of; where there is none, the throwaway server has none either."""
    reader = _Reader(planned)
    parse_maps(cluster.ident_file, cluster.major, reader.read, reader.names)
    staging.put(reader.files, reader.directories)


def stage_settings(staging: Staging, cluster: Cluster, planned: Mapping[Path, bytes]) -> None:
    """Stage every file that the planned settings consist of, `postgresql.auto.conf` left out."""
    reader = _Reader(planned)
    resolve(cluster.config_file, None, reader.read, reader.names, {}, cluster.major)
    staging.put(reader.files, reader.directories)
