"""Copies of configuration files under another root, so that the server's programs can read them before they are real.

`/etc/postgresql/17/main/pg_hba.conf` is staged as `<root>/etc/postgresql/17/main/pg_hba.conf`: relative includes keep leading to
their neighbours, and taking `<root>` out of a message of the server gives the real name again.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pgssl_wizard.cluster.facts import Cluster
from pgssl_wizard.files.hba import parse_rules


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
    _staged: set[Path] = field(default_factory=set)

    def path(self, real: Path) -> Path:
        """Return where `real` is staged."""
        return self.root / real.relative_to(real.anchor)

    def put(self, files: Mapping[Path, bytes]) -> None:
        """Stage text files; where one names another one of them by its absolute path, the staged path is put in."""
        names = sorted((os.fsencode(path) for path in files), key=len, reverse=True)
        for path, data in files.items():
            staged = data
            for name in names:
                staged = staged.replace(name, os.fsencode(self.root) + name) if name in staged else staged
            self.put_as_is(path, staged)

    def put_as_is(self, path: Path, data: bytes) -> Path:
        """Stage one file without looking into it; return where."""
        target = self.path(path)
        for directory in reversed([target, *target.parents]):
            if directory != target and directory.is_relative_to(self.root) and directory not in self._staged:
                if not directory.exists():
                    self.make_directory(directory)
                self._staged.add(directory)
        self.write(target, data)
        return target

    def unstaged(self, text: str) -> str:
        """Return a message of the server with the real names of files."""
        return text.replace(str(self.root), "")


def rules_files(cluster: Cluster, planned: Mapping[Path, bytes]) -> dict[Path, bytes]:
    """Return every file that the planned rules consist of, includes and lists of names too, by path."""
    found: dict[Path, bytes] = {}

    def read(path: Path) -> bytes | None:
        data = planned.get(path, planned.get(Path(os.path.realpath(path))))
        if data is None:
            try:
                data = path.read_bytes()
            except OSError:
                return None
        found[path] = data
        return data

    def names(path: Path) -> list[str] | None:
        try:
            return os.listdir(path)
        except OSError:
            return None

    parse_rules(cluster.hba_file, cluster.major, read, names, ssl_on=True)
    return found


def settings_files(cluster: Cluster, planned: Mapping[Path, bytes]) -> dict[Path, bytes]:
    """Return every file that the planned settings consist of, `postgresql.auto.conf` left out, by path."""
    found: dict[Path, bytes] = {}
    others = {cluster.auto_conf, cluster.hba_file, cluster.ident_file}
    for path, fact in cluster.files.items():
        if path in others or fact.data is None:
            continue
        found[path] = planned.get(path, planned.get(fact.real_path, fact.data))
    return found
