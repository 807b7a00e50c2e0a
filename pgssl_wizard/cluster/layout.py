"""Where a cluster keeps its files, and which packaging put them there."""

from __future__ import annotations

import os
import pwd
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pgssl_wizard.cluster.facts import Layout, Postmaster
from pgssl_wizard.cluster.reading import Recorder
from pgssl_wizard.errors import Refused, UnusableInput
from pgssl_wizard.files.settings import resolve
from pgssl_wizard.files.versions import NEWEST, OLDEST
from pgssl_wizard.server import command_line
from pgssl_wizard.server.postmaster import named_directory

DEBIAN_CONFIGURATION = Path("/etc/postgresql")

#: Files that stand in the root of a container (Docker, Podman).
CONTAINER_MARKS = (Path("/.dockerenv"), Path("/run/.containerenv"))

_WHAT_IT_IS = "A data directory holds PG_VERSION, global/ and base/; a running server names its own: SHOW data_directory."

#: Where a data directory often lies below the directory that people name.
_INNER = ("data", "main", "pgdata", "pgroot/data", "docker")


@dataclass(frozen=True, slots=True)
class Named:
    """What a person pointed at: a data directory, and its configuration file when they named the directory of that."""

    data_directory: Path
    config_file: Path | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """A data directory and its configuration file.

    Attributes:
        config_directory: where the server looks for pg_hba.conf and pg_ident.conf unless a setting names them: what `-D` names,
            which is not where a config_file of the command line lies.
    """

    data_directory: Path
    major: int
    config_file: Path
    layout: Layout
    config_directory: Path


def data_directory_of(path: Path) -> Path:
    """Return the data directory that a person means; see `named`."""
    return named(path).data_directory


def named(path: Path) -> Named:
    """Return what a person means: the data directory itself, or the one that a configuration directory names.

    Raises:
        UnusableInput: it is neither; says what is missing.
        Refused: it cannot be looked into.
    """
    path = path.absolute()
    names = _names_in(path)
    if "PG_VERSION" in names:
        # base/1 and tablespaces have a PG_VERSION too.
        missing = next((part for part in ("global", "global/pg_control") if _lacks(path / part)), None)
        if missing:
            raise UnusableInput(
                f"PG_VERSION is there, but no {missing}: this is no data directory, or only a part of one.",
                where=str(path),
                hint=_WHAT_IT_IS,
                code="not-a-data-directory",
            )
        return Named(path.resolve())
    if "postgresql.conf" in names:
        config_file = path.resolve() / "postgresql.conf"
        directory = _data_directory_setting(config_file)
        if directory is not None:
            return _followed(path, config_file, directory)
    for inner in _INNER:
        if os.path.lexists(path / inner / "PG_VERSION"):
            raise UnusableInput(
                f"This is not a data directory; {path / inner} looks like one.", where=str(path), code="not-a-data-directory"
            )
    raise UnusableInput(
        "This is not a data directory: there is no PG_VERSION in it.", where=str(path), hint=_WHAT_IT_IS, code="not-a-data-directory"
    )


def major_of(data_directory: Path) -> int:
    """Return the major version of a data directory.

    Raises:
        Refused: it is unreadable, or of a version that this program does not know.
    """
    file = data_directory / "PG_VERSION"
    try:
        text = file.read_bytes()[:100].decode("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise Refused(f"PG_VERSION cannot be read: {reason}.", where=str(file), code="unknown-version") from error
    found = re.fullmatch(r"(\d{1,3})(\.\d+)?", text)
    if not found:
        shown = text[:40] if text.isprintable() else repr(text[:40])
        raise Refused(f"PG_VERSION says “{shown}”, which is no version.", where=str(file), code="unknown-version")
    major = int(found.group(1))
    if not OLDEST <= major <= NEWEST:
        raise Refused(
            f"PostgreSQL {text} is not among the versions that this program knows ({OLDEST} to {NEWEST}).",
            where=str(file),
            hint="An older server should be upgraded first." if major < OLDEST else "A newer version of this program may know it.",
            code="unknown-version",
        )
    return major


def place_of(
    data_directory: Path,
    major: int,
    postmaster: Postmaster | None,
    arguments: Mapping[str, str],
    config_file: Path | None = None,
) -> Place:
    """Return where the configuration is; what the server was started with counts more than any guess.

    Args:
        data_directory: resolved.
        major: of it.
        postmaster: the running server, if it runs.
        arguments: settings of its command line, or of that of its last start.
        config_file: what the running server said, or the person named.
    """
    file = config_file or _config_file(data_directory, major, postmaster, arguments)
    directory = file.parent
    if "config_file" in arguments and file == data_directory / arguments["config_file"]:
        given = command_line.directory_argument(data_directory, postmaster)
        directory = given if given is not None and given.is_absolute() else data_directory
    return Place(data_directory, major, file, _layout(data_directory, major, file), directory)


def seen_from_here(data_directory: Path, path: Path, postmaster: Postmaster | None) -> Path:
    """Return where a file that the server names lies for us; relative names mean the data directory.

    Raises:
        Refused: the server runs in a container, and the file lies in there: what has that name here is another one.
    """
    if postmaster is None or not postmaster.apart or not path.is_absolute():
        return data_directory / path
    inside = named_directory(data_directory)
    if inside is not None and path.is_relative_to(inside):
        return data_directory / path.relative_to(inside)
    raise Refused(
        f"The server runs in a container, and it reads {path} in there.",
        where=str(data_directory),
        hint="Run this program inside: docker exec -u postgres CONTAINER pgssl-wizard …",
        code="in-a-container",
    )


def label_of(place: Place) -> str:
    """Return what people call the cluster: `17/main` where packages number them, else the telling end of the path."""
    if place.layout == "debian":
        return f"{place.major}/{place.config_file.parent.name}"
    return short_name(place.data_directory)


def short_name(directory: Path) -> str:
    """Return the end of a path that tells it from others: two parts when the last one is a word like `data`."""
    parts = directory.parts
    if len(parts) > 2 and parts[-1] in {"data", "main", "pgdata", "docker", "_data"}:
        return "/".join(parts[-2:])
    return directory.name or str(directory)


def _layout(data_directory: Path, major: int, config_file: Path) -> Layout:
    if DEBIAN_CONFIGURATION in config_file.parents or _looks_like_debian(config_file, data_directory, major):
        return "debian"
    if str(data_directory).startswith("/var/lib/pgsql"):
        return "rhel"
    if any(map(os.path.exists, CONTAINER_MARKS)) and str(data_directory).startswith("/var/lib/postgresql"):
        return "docker"
    return "initdb" if config_file.parent == data_directory else "other"


def _names_in(path: Path) -> list[str]:
    try:
        return os.listdir(path)
    except FileNotFoundError:
        raise UnusableInput("There is no such directory.", where=str(path), hint=_WHAT_IT_IS, code="not-a-data-directory") from None
    except NotADirectoryError:
        raise UnusableInput(
            "This is a file; a data directory is wanted.", where=str(path), hint=_WHAT_IT_IS, code="not-a-data-directory"
        ) from None
    except PermissionError:
        raise Refused(
            "This directory cannot be looked into by you.",
            where=str(path),
            hint=f"Run this as root, or as {_owner(path) or 'the user that owns the cluster'}.",
            code="no-permission",
        ) from None
    except (OSError, ValueError) as error:
        # ValueError: a path with a NUL in it.
        reason = error.strerror if isinstance(error, OSError) else "it is no path"
        raise UnusableInput(
            f"This directory cannot be looked into: {reason}.", where=repr(str(path)), code="not-a-data-directory"
        ) from error


def _lacks(path: Path) -> bool:
    """Whether something is surely not there; where we may not look, somebody else has to."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def _owner(path: Path) -> str | None:
    """Return who owns a directory, when we may know."""
    try:
        uid = path.stat().st_uid
    except OSError:
        return None
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"the user {uid}"


def _followed(path: Path, config_file: Path, directory: Path) -> Named:
    """Return the data directory that a configuration file names; that one must be real, whatever its own files say."""
    try:
        names = _names_in(directory)
    except UnusableInput as error:
        raise UnusableInput(
            f"postgresql.conf here names the data directory {directory}, and that is none: {error.message}",
            where=str(path),
            hint="Name the data directory itself.",
            code="not-a-data-directory",
        ) from None
    if "PG_VERSION" not in names or _lacks(directory / "global" / "pg_control"):
        raise UnusableInput(
            f"postgresql.conf here names the data directory {directory}, and that is none: it lacks PG_VERSION or global/pg_control.",
            where=str(path),
            hint=_WHAT_IT_IS,
            code="not-a-data-directory",
        )
    return Named(directory.resolve(), config_file)


def _config_file(data_directory: Path, major: int, postmaster: Postmaster | None, arguments: Mapping[str, str]) -> Path:
    if "config_file" in arguments:
        given = seen_from_here(data_directory, Path(arguments["config_file"]), postmaster)
        # What postmaster.opts tells of a server that is down may be long gone.
        if postmaster is not None or given.exists():
            return given
    directory = command_line.directory_argument(data_directory, postmaster)
    if directory is not None and postmaster is not None and postmaster.apart:
        directory = seen_from_here(data_directory, directory, postmaster)
    if directory is not None and (directory / "postgresql.conf").exists():
        return directory / "postgresql.conf"
    inside = data_directory / "postgresql.conf"
    if inside.exists():
        return inside
    for candidate in _debian_candidates(data_directory, major):
        directory = _data_directory_setting(candidate)
        if directory is not None and directory.resolve() == data_directory:
            return candidate
    return inside


def _debian_candidates(data_directory: Path, major: int) -> list[Path]:
    """Return configuration files that may belong to a data directory without one: Debian's, also below another root."""
    found = sorted((DEBIAN_CONFIGURATION / str(major)).glob("*/postgresql.conf"))
    parts = data_directory.parts
    if len(parts) > 5 and parts[-5:-2] == ("var", "lib", "postgresql"):
        beside = Path(*parts[:-5], "etc", "postgresql", *parts[-2:], "postgresql.conf")
        if beside.exists() and beside not in found:
            found.append(beside)
    return found


def _looks_like_debian(config_file: Path, data_directory: Path, major: int) -> bool:
    """Whether the configuration stands apart as Debian's tools lay it out: …/postgresql/<major>/<name>/ with start.conf."""
    directory = config_file.parent
    return directory != data_directory and directory.parent.name == str(major) and (directory / "start.conf").exists()


def _data_directory_setting(config_file: Path) -> Path | None:
    """Return the data directory that a configuration file (with its includes) names, None when it names none or is unreadable."""
    recorder = Recorder()
    winner = resolve(config_file, None, recorder.read, recorder.list_directory).winner("data_directory")
    if winner is None or not winner.value or "\0" in winner.value:
        return None
    # A relative value means the directory in which the server was started; beside the file is the best guess.
    return config_file.parent / winner.value
