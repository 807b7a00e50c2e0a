"""Data directories on this machine, found without connecting anywhere. Never raises; what cannot be read is said."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
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
from pgssl_wizard.server import command_line, namespaces, postmaster

#: Places where packages put data directories, as patterns; `~` is the home of whoever asks.
PLACES = (
    "/var/lib/postgresql/*/*",
    "/var/lib/postgresql/data",
    "/var/lib/pgsql/data",
    "/var/lib/pgsql/*/data",
    "/var/lib/postgres/data",
    "/var/db/postgres/data*",
    "/usr/local/pgsql/data",
    "/usr/local/var/postgres*",
    "/opt/homebrew/var/postgres*",
    "/home/linuxbrew/.linuxbrew/var/postgres*",
    "/Library/PostgreSQL/*/data",
    "~/Library/Application Support/Postgres/var-*",
    "/bitnami/postgresql/data",
    # Docker's volumes, seen from outside; from 18 on the official image has its directory further down.
    "/var/lib/docker/volumes/*/_data",
    "/var/lib/docker/volumes/*/_data/*/docker",
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
    """Return the data directories of this machine: running ones first, newest version first, unusable ones last.

    Args:
        extra: directories that the person named; they come first of all.
    """
    named = [describe(path) for path in extra]
    candidates = dict.fromkeys([*_of_processes(), *_of_debian(), *_of_places(), *_of_environment()])
    # A configuration directory and the data directory that it names are one cluster.
    by_directory = {each.data_directory: each for each in (*named, *map(describe, candidates))}
    first = [each.data_directory for each in named]
    return sorted(
        by_directory.values(),
        key=lambda each: (
            first.index(each.data_directory) if each.data_directory in first else len(first),
            each.problem is not None,
            not each.running,
            -(int(each.version) if each.version.isdigit() else 0),
            str(each.data_directory),
        ),
    )


def describe(path: Path) -> FoundCluster:
    """Return one directory for the list."""
    directory = path
    try:
        named = layout.named(path)
        directory = named.data_directory
        major = layout.major_of(directory)
        server = postmaster.read(directory)
        arguments = command_line.settings(directory, server)
        place = layout.place_of(directory, major, server, arguments, named.config_file if server is None else None)
        tls, worrying = _tls(place, arguments)
        return FoundCluster(directory, layout.label_of(place), str(major), server is not None, tls, worrying)
    except WizardError as error:
        problem = " ".join(part for part in (error.message, error.hint if error.code == "no-permission" else None) if part)
    except (OSError, ValueError) as error:
        problem = f"It cannot be read: {getattr(error, 'strerror', None) or error}."
    label = f"{path.parent.name}/{path.name}" if layout.DEBIAN_CONFIGURATION in path.parents else layout.short_name(directory)
    return FoundCluster(directory, label, "", running=False, problem=problem)


def _tls(place: layout.Place, arguments: Mapping[str, str]) -> tuple[str, bool]:
    """Return the state of TLS in words, and whether it wants attention."""
    recorder = Recorder()
    auto_conf = place.data_directory / "postgresql.auto.conf"
    resolution = resolve(place.config_file, auto_conf, recorder.read, recorder.list_directory, arguments, place.major)
    if place.config_file not in resolution.files_read:
        return "its configuration cannot be read", True
    ssl = resolution.winner("ssl")
    if ssl is None or not boolean(ssl.value):
        return "TLS off", False
    certificate = path_in(place.data_directory, resolution, "ssl_cert_file", "server.crt")
    data = recorder.read(certificate) if certificate else None
    # `cryptography` takes longer to import than all the rest takes to run; most lists do without it.
    leaf = chain_facts(certificate, data)[:1] if certificate and data else []
    state = state_in_words(leaf[0] if leaf else None, datetime.now(UTC))
    return f"TLS on, {state}", not state.startswith("certificate to")


def _of_processes() -> Iterator[Path]:
    """Yield the data directories of running servers (Linux): a postmaster works in its data directory."""
    for entry in _names(Path("/proc")):
        if not entry.isdigit():
            continue
        process = Path("/proc", entry)
        try:
            if (process / "comm").read_bytes().strip() not in {b"postgres", b"postmaster", b"edb-postgres"}:
                continue
            directory = _working_directory(process)
        except OSError:
            continue
        if directory is not None:
            yield directory


def _working_directory(process: Path) -> Path | None:
    """Return a postmaster's data directory, None for its children and for servers in containers whose paths mean nothing here."""
    try:
        directory = (process / "cwd").readlink()
        first_line = (directory / "postmaster.pid").read_bytes().split(b"\n", 1)[0]
    except PermissionError:
        # Somebody else's server: its command line is open to all. Children have rewritten theirs.
        arguments = (process / "cmdline").read_bytes().split(b"\0")
        if b"-D" not in arguments[1:-1]:
            return None
        directory = Path(os.fsdecode(arguments[arguments.index(b"-D") + 1]))
        return directory if directory.is_absolute() and os.path.lexists(directory) else None
    number = first_line.strip()
    if number == os.fsencode(process.name):
        return directory
    # In a container it has another number, and its directory perhaps the same name.
    return directory if number.isdigit() and namespaces.find(directory, int(number)) == int(process.name) else None


def _of_debian() -> list[Path]:
    try:
        return [config.parent for config in sorted(layout.DEBIAN_CONFIGURATION.glob("*/*/postgresql.conf"))]
    except OSError:
        return []


def _of_places() -> Iterator[Path]:
    for pattern in PLACES:
        whole = Path(pattern).expanduser() if pattern.startswith("~") else Path(pattern)
        try:
            matches = sorted(Path(whole.anchor).glob(str(whole).lstrip("/"))) if whole.is_absolute() else []
        except (OSError, ValueError):
            continue
        yield from (path.resolve() for path in matches if _holds_data(path))


def _of_environment() -> list[Path]:
    named = os.environ.get("PGDATA")
    return [Path(named).resolve()] if named and _holds_data(Path(named)) else []


def _holds_data(path: Path) -> bool:
    """Whether this is a data directory, or one of which we may not know: those are shown with the reason."""
    try:
        names = os.listdir(path)
    except PermissionError:
        return True
    except (OSError, ValueError):
        return False
    return "PG_VERSION" in names


def _names(path: Path) -> list[str]:
    try:
        return os.listdir(path)
    except OSError:
        return []
