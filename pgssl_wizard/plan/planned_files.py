"""The files of a cluster as they will be: those that a plan edits in place of those that stand. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pgssl_wizard.cluster.facts import Cluster


@dataclass(frozen=True, slots=True)
class PlannedFiles:
    """What readers of rules, maps and settings are given.

    Attributes:
        cluster: its files as they stood when they were read.
        edits: new bytes, by the path that the server names.
    """

    cluster: Cluster
    edits: Mapping[Path, bytes] = field(default_factory=dict)

    def read(self, path: Path) -> bytes | None:
        """Return the bytes of a file, None when there is none that could be read."""
        if path in self.edits:
            return self.edits[path]
        fact = self.cluster.files.get(path)
        return fact.data if fact else None

    def names(self, path: Path) -> list[str] | None:
        """Return the names in a directory, new ones too; None when it is not there."""
        found = self.cluster.directories.get(path)
        new = (edit.name for edit in self.edits if edit.parent == path and edit.name not in (found or ()))
        return None if found is None else [*found, *new]
