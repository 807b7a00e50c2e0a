"""Data directories on this machine, found without connecting anywhere. Never raises; what cannot be read is said."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pgssl_wizard.cluster import layout
from pgssl_wizard.cluster.certificates import chain_facts, state_in_words
from pgssl_wizard.cluster.reading import Recorder
from pgssl_wizard.cluster.settings import path_in
from pgssl_wizard.errors import WizardError
from pgssl_wizard.files.settings import resolve
from pgssl_wizard.files.values import boolean
from pgssl_wizard.server import command_line, postmaster

#: Places where packages put data directories, as patterns.
_PLACES = (
    "/var/lib/postgresql/*/*",
    "/var/lib/postgresql/*/docker",
    "/var/lib/postgresql/data",
    "/var/lib/pgsql/data",
    "/var/lib/pgsql/*/data",
    "/usr/local/pgsql/data",
    "/usr/local/var/postgres*",
    "/opt/homebrew/var/postgresql*",
)


@dataclass(frozen=True, slots=True)
class FoundCluster:
    """One data directory for a list.

    Attributes:
        label: `17/main`, or the end of the path.
        version: the major, as PG_VERSION says it.
        tls: its state in words: `TLS off`, `TLS on, self-signed`.
        worrying: the state wants attention.
        problem: why it cannot be set up, or None.
    """

    data_directory: Path
    label: str
    version: str
    running: bool
    tls: str = ""
    worrying: bool = False
    problem: str | None = None


def find(extra: tuple[Path, ...] = ()) -> list[FoundCluster]:
    """Return the data directories of this machine: running ones first, newest version first.

    Args:
        extra: directories that the person named; they come first of all.
    """
    named = [path.resolve() for path in extra if path.exists()]
    candidates = dict.fromkeys([*named, *_of_processes(), *_of_debian(), *_of_places(), *_of_environment()])
    # A configuration directory and the data directory that it names are one cluster.
    found = list({each.data_directory: each for each in map(describe, candidates)}.values())
    first = set(named)
    return sorted(
        found, key=lambda each: (each.data_directory not in first, not each.running, -_number(each.version), str(each.data_directory))
    )


def describe(path: Path) -> FoundCluster:
    """Return one directory for the list."""
    try:
        directory = layout.data_directory_of(path)
    except WizardError as error:
        return FoundCluster(path, path.name, "", running=False, problem=error.message)
    try:
        major = layout.major_of(directory)
        server = postmaster.read(directory)
        arguments = command_line.settings(directory, server)
        place = layout.place_of(directory, major, server, arguments)
        tls, worrying = _tls(place, arguments)
        return FoundCluster(directory, layout.label_of(place), str(major), server is not None, tls, worrying)
    except WizardError as error:
        return FoundCluster(directory, directory.name, "", running=False, problem=error.message)
    except OSError as error:
        return FoundCluster(directory, directory.name, "", running=False, problem=f"cannot be read: {error.strerror}")


def _tls(place: layout.Place, arguments: dict[str, str] | object) -> tuple[str, bool]:
    recorder = Recorder()
    given = arguments if isinstance(arguments, dict) else {}
    resolution = resolve(
        place.config_file, place.data_directory / "postgresql.auto.conf", recorder.read, recorder.list_directory, given, place.major
    )
    if not resolution.files_read:
        return "configuration cannot be read", True
    ssl = resolution.winner("ssl")
    if ssl is None or not boolean(ssl.value):
        return "TLS off", False
    certificate = path_in(place.data_directory, resolution, "ssl_cert_file", "server.crt")
    data = recorder.read(certificate) if certificate else None
    leaf = chain_facts(certificate, data, None)[:1] if certificate and data else []
    state = state_in_words(leaf[0] if leaf else None, datetime.now(UTC))
    return f"TLS on, {state}", not state.startswith("certificate to")


def _of_processes() -> list[Path]:
    """Data directories of running servers (Linux): a postmaster works in its data directory."""
    found = []
    for entry in _names(Path("/proc")):
        if not entry.isdigit():
            continue
        process = Path("/proc", entry)
        try:
            if (process / "comm").read_text(encoding="utf-8", errors="replace").strip() not in {"postgres", "postmaster"}:
                continue
            directory = (process / "cwd").readlink()
            first_line = (directory / "postmaster.pid").read_text(encoding="utf-8", errors="replace").split("\n", 1)[0]
        except OSError:
            continue
        if first_line.strip() == entry:
            found.append(directory)
    return found


def _of_debian() -> list[Path]:
    try:
        return [config.parent for config in sorted(layout.DEBIAN_CONFIGURATION.glob("*/*/postgresql.conf"))]
    except OSError:
        return []


def _of_places() -> list[Path]:
    found = []
    for pattern in _PLACES:
        try:
            found += [path for path in Path("/").glob(pattern.lstrip("/")) if (path / "PG_VERSION").exists()]
        except OSError:
            continue
    return [path.resolve() for path in found]


def _of_environment() -> list[Path]:
    named = os.environ.get("PGDATA")
    return [Path(named).resolve()] if named and (Path(named) / "PG_VERSION").exists() else []


def _names(path: Path) -> list[str]:
    try:
        return os.listdir(path)
    except OSError:
        return []


def _number(version: str) -> int:
    return int(version) if version.isdigit() else 0
