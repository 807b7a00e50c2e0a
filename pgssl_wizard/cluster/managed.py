"""Who else looks after a cluster: a manager that would overwrite our edits, or at least somebody to be told."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path

from pgssl_wizard.cluster.facts import PatroniSays
from pgssl_wizard.findings import Finding

#: How many bytes of a file count as its head.
_HEAD = 2000

_COMMENT = rb"(?im)^\s*#[^\n]*?"
_PATRONI = re.compile(_COMMENT + rb"overwritten by Patroni")
_CLOUDNATIVEPG = re.compile(rb"(?m)^[^#\n]*\bmap=cnpg_streaming_replica\b")
_CONFIGURATION_MANAGEMENT = re.compile(
    _COMMENT
    + rb"\b(ansible managed|(?:managed|generated|maintained|controlled|deployed) (?:by|with|via) (?:ansible|puppet|chef|salt(?:stack)?|cfengine|terraform)|"
    + rb"this file (?:is|was) (?:managed|generated|maintained) (?:by|with)[^\n]{0,60}|puppet managed|do not edit[^\n]{0,60})"
)

#: Files in (or beside) the data directory that only one system leaves there.
_TRACES = (
    ("patroni.dynamic.json", "Patroni"),
    ("postgresql.base.conf", "Patroni"),
    ("postgresql-auto-failover.conf", "pg_auto_failover"),
    ("../keeperstate", "Stolon"),
)

#: Places in the root of a container that only an operator's images have.
_OPERATOR_PLACES = (
    (Path("/controller/manager"), "CloudNativePG"),
    (Path("/scripts/configure_spilo.py"), "Spilo"),
)
_PGO_CERTIFICATES = Path("/pgconf/tls")

#: What takes a change instead of the files, by manager: a command, or the place of its configuration.
TAKEN_BY = {
    "Patroni": "patronictl edit-config",
    "CloudNativePG": "kubectl patch",
    "Crunchy PGO": "kubectl patch",
    "Spilo": "kubectl patch",
    "Stolon": "stolonctl update --patch",
    "pg_auto_failover": "pg_autoctl enable ssl",
    "NixOS": "nixos-rebuild switch",
}


def refusal(manager: str, config_file: Path) -> Finding:
    """Return why nothing is changed here, and what takes the change instead."""
    by = TAKEN_BY.get(manager)
    return Finding(
        "error",
        "managed",
        f"{manager} manages this cluster and would overwrite or fight a change.",
        f"“pgssl-wizard plan” prints what to hand to {manager}; “{by}” takes it." if by else f"Change it in {manager}.",
        str(config_file),
    )


def patroni_says(data_directory: Path) -> PatroniSays | None:
    """Return what Patroni's dynamic configuration holds, by its copy in the data directory; None: there is none that can be read.

    Patroni writes `patroni.dynamic.json` whenever the configuration changes (patroni/config.py, save_cache).
    """
    try:
        told = json.loads((data_directory / "patroni.dynamic.json").read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    section = told.get("postgresql") if isinstance(told, dict) else None
    if not isinstance(section, dict):
        return PatroniSays() if isinstance(told, dict) else None
    parameters = section.get("parameters")
    return PatroniSays(
        frozenset(map(str.lower, parameters)) if isinstance(parameters, dict) else frozenset(),
        rules=bool(section.get("pg_hba")),
        maps=bool(section.get("pg_ident")),
        by_role=tuple(sorted(name for name in section if re.fullmatch(r"pg_(?:hba|ident)_\w+", name))),
    )


def written_by_patroni(data: bytes | None) -> bool:
    """Whether the head of a file says that Patroni writes it."""
    return bool(_PATRONI.search((data or b"")[:_HEAD]))


def manager_of(data_directory: Path, config_file: Path, files: Mapping[Path, bytes]) -> str | None:
    """Return the name of a system that writes this cluster's configuration itself, or None.

    Args:
        data_directory: looked into for traces.
        config_file: postgresql.conf.
        files: every configuration file read, by path.
    """
    for name, manager in _TRACES:
        if os.path.lexists(data_directory / name):
            return manager
    if any(_PATRONI.search(data[:_HEAD]) for data in files.values()):
        return "Patroni"
    if any(_CLOUDNATIVEPG.search(data) for data in files.values()):
        return "CloudNativePG"
    if config_file.resolve().is_relative_to("/nix/store"):
        return "NixOS"
    for place, manager in _OPERATOR_PLACES:
        if os.access(place, os.F_OK):
            return manager
    if "SPILO_CONFIGURATION" in os.environ:
        return "Spilo"
    if "KUBERNETES_SERVICE_HOST" in os.environ and os.access(_PGO_CERTIFICATES, os.F_OK):
        return "Crunchy PGO"
    return None


def told_by_headers(path: Path, data: bytes) -> Finding | None:
    """Return a warning when a file says that configuration management writes it."""
    found = _CONFIGURATION_MANAGEMENT.search(data[:_HEAD])
    # postgresql.auto.conf says so of ALTER SYSTEM, in every cluster.
    if not found or b"ALTER SYSTEM" in data[:_HEAD]:
        return None
    words = " ".join(found.group(1).decode("utf-8", "replace").split())
    return Finding(
        "warning",
        "configuration-management",
        f"{path.name} says “{words}”: the next run of whatever writes it may undo what is changed here.",
        "Change it there too.",
        str(path),
    )
