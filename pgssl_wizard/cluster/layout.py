"""Where a cluster keeps its files, and which packaging put them there."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pgssl_wizard.cluster.facts import Layout, Postmaster
from pgssl_wizard.errors import Refused, UnusableInput
from pgssl_wizard.files.conf import ConfFile
from pgssl_wizard.files.versions import OLDEST
from pgssl_wizard.server import command_line

DEBIAN_CONFIGURATION = Path("/etc/postgresql")
NEWEST_SUPPORTED = 18


@dataclass(frozen=True, slots=True)
class Place:
    """A data directory and its configuration file."""

    data_directory: Path
    major: int
    config_file: Path
    layout: Layout


def data_directory_of(path: Path) -> Path:
    """Return the data directory that a person means: the path itself, or the one that a configuration directory names.

    Raises:
        UnusableInput: it is neither; says what is missing.
        Refused: it cannot be looked into.
    """
    path = path.absolute()
    try:
        names = os.listdir(path)
    except FileNotFoundError:
        raise UnusableInput("There is no such directory.", where=str(path), hint=_WHAT_IT_IS, code="not-a-data-directory") from None
    except NotADirectoryError:
        raise UnusableInput(
            "This is a file; a data directory is wanted.", where=str(path), hint=_WHAT_IT_IS, code="not-a-data-directory"
        ) from None
    except PermissionError:
        raise Refused(
            "This directory cannot be looked into.",
            where=str(path),
            hint="Run this as root, or as the user that owns the cluster.",
            code="no-permission",
        ) from None
    if "PG_VERSION" in names:
        if "global" not in names:
            raise UnusableInput(
                "PG_VERSION is there, but no global/: this is part of a data directory.",
                where=str(path),
                hint=_WHAT_IT_IS,
                code="not-a-data-directory",
            )
        return path.resolve()
    if "postgresql.conf" in names:
        named = _data_directory_setting(path / "postgresql.conf")
        if named:
            return data_directory_of(named)
    for inner in ("data", "main", "pgdata"):
        if (path / inner / "PG_VERSION").exists():
            raise UnusableInput(
                f"This is not a data directory; {path / inner} looks like one.", where=str(path), code="not-a-data-directory"
            )
    raise UnusableInput(
        "This is not a data directory: there is no PG_VERSION in it.", where=str(path), hint=_WHAT_IT_IS, code="not-a-data-directory"
    )


_WHAT_IT_IS = "A data directory holds PG_VERSION, global/ and base/; a running server names its own: SHOW data_directory."


def major_of(data_directory: Path) -> int:
    """Return the major version of a data directory.

    Raises:
        Refused: it is unreadable, or of a version that this program does not know.
    """
    file = data_directory / "PG_VERSION"
    try:
        text = file.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no version"
        raise Refused(f"PG_VERSION cannot be read: {reason}.", where=str(file), code="unknown-version") from error
    found = re.fullmatch(r"(\d+)(\.\d+)?", text)
    if not found:
        raise Refused(f"PG_VERSION says “{text[:40]}”, which is no version.", where=str(file), code="unknown-version")
    major = int(found.group(1))
    if not OLDEST <= major <= NEWEST_SUPPORTED:
        raise Refused(
            f"PostgreSQL {text} is not among the versions that this program knows ({OLDEST} to {NEWEST_SUPPORTED}).",
            where=str(file),
            code="unknown-version",
        )
    return major


def place_of(data_directory: Path, major: int, postmaster: Postmaster | None, arguments: Mapping[str, str]) -> Place:
    """Return where the configuration is; what the server was started with counts more than any guess."""
    config_file = _config_file(data_directory, major, postmaster, arguments)
    if DEBIAN_CONFIGURATION in config_file.parents or _looks_like_debian(config_file, data_directory, major):
        layout: Layout = "debian"
    elif str(data_directory).startswith("/var/lib/pgsql"):
        layout = "rhel"
    elif Path("/.dockerenv").exists() and str(data_directory).startswith("/var/lib/postgresql"):
        layout = "docker"
    elif config_file.parent == data_directory:
        layout = "initdb"
    else:
        layout = "other"
    return Place(data_directory, major, config_file, layout)


def _config_file(data_directory: Path, major: int, postmaster: Postmaster | None, arguments: Mapping[str, str]) -> Path:
    if "config_file" in arguments:
        return data_directory / arguments["config_file"]
    directory = command_line.directory_argument(data_directory, postmaster)
    if directory is not None and (directory / "postgresql.conf").exists():
        return directory / "postgresql.conf"
    inside = data_directory / "postgresql.conf"
    if inside.exists():
        return inside
    for candidate in (DEBIAN_CONFIGURATION / str(major)).glob("*/postgresql.conf"):
        named = _data_directory_setting(candidate)
        if named is not None and named.resolve() == data_directory:
            return candidate
    return inside


def _looks_like_debian(config_file: Path, data_directory: Path, major: int) -> bool:
    """Whether the configuration stands apart as Debian's tools lay it out: …/postgresql/<major>/<name>/ with start.conf."""
    directory = config_file.parent
    return directory != data_directory and directory.parent.name == str(major) and (directory / "start.conf").exists()


def _data_directory_setting(config_file: Path) -> Path | None:
    try:
        entry = ConfFile.parse(config_file.read_bytes()).last("data_directory")
    except OSError:
        return None
    return Path(entry.value) if entry and entry.value.startswith("/") else None


def label_of(place: Place) -> str:
    """Return what people call the cluster: `17/main` where packages number them, else the last two parts of the path."""
    if place.layout == "debian":
        return f"{place.major}/{place.config_file.parent.name}"
    parts = place.data_directory.parts
    if len(parts) > 2 and parts[-1] in {"data", "main", "pgdata"}:
        return "/".join(parts[-2:])
    return place.data_directory.name
