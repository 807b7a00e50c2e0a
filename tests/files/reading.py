"""The readers that the tests give to the parsers."""

from __future__ import annotations

from pathlib import Path


def reader(path: Path) -> bytes | None:
    """Read a file, None when it is missing."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def lister(path: Path) -> list[str] | None:
    """List a directory, None when it is none."""
    try:
        return [entry.name for entry in path.iterdir()]
    except OSError:
        return None
