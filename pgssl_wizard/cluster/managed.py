"""Who else looks after a cluster: a manager that would overwrite our edits, or at least somebody to be told."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

from pgssl_wizard.findings import Finding

#: Words in the head of a file that say a tool writes it anew, and the tool's name.
_HEADERS = (
    (re.compile(rb"overwritten by Patroni", re.IGNORECASE), "Patroni"),
    (re.compile(rb"cloudnative-?pg|cnpg", re.IGNORECASE), "CloudNativePG"),
)
_CONFIGURATION_MANAGEMENT = re.compile(
    rb"(ansible managed|managed by (?:ansible|puppet|chef|salt)|this file is managed by[^\n]*)", re.IGNORECASE
)


def manager_of(data_directory: Path, heads: Iterable[bytes]) -> str | None:
    """Return the name of a system that writes this cluster's configuration itself, or None."""
    if (data_directory / "patroni.dynamic.json").exists() or (data_directory / "postgresql.base.conf").exists():
        return "Patroni"
    for head in heads:
        for pattern, name in _HEADERS:
            if pattern.search(head[:2000]):
                return name
    if Path("/controller/manager").exists():
        return "CloudNativePG"
    if Path("/pgconf/tls").exists() and "KUBERNETES_SERVICE_HOST" in os.environ:
        return "Crunchy PGO"
    if "SPILO_CONFIGURATION" in os.environ:
        return "Spilo"
    return None


def told_by_headers(path: Path, data: bytes) -> Finding | None:
    """Return a warning when a file says that configuration management writes it."""
    found = _CONFIGURATION_MANAGEMENT.search(data[:2000])
    if not found:
        return None
    return Finding(
        "warning",
        "configuration-management",
        f"{path.name} says “{found.group(1).decode('utf-8', 'replace').strip()}”: its next run may undo what is changed here.",
        "Change it there too.",
        str(path),
    )
