"""The server's own programs: where they are, which version they are, whether they can do TLS, and who can run them."""

from __future__ import annotations

import mmap
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pgssl_wizard.errors import Refused, UnusableInput
from pgssl_wizard.server.identity import Identity
from pgssl_wizard.server.reach import reachable_by

__all__ = ["Programs", "copy_for", "find", "look", "newest_installed", "openssl_of", "postgres_c", "reachable_by", "tls_libraries"]

#: How long a program may take that only prints something, in seconds.
_PATIENCE = 30.0

#: Where packages and builders put the programs of a major version; `{major}` is replaced.
_USUAL_PLACES = (
    "/usr/lib/postgresql/{major}/bin",
    "/usr/pgsql-{major}/bin",
    "/usr/lib/postgresql{major}/bin",
    "/usr/libexec/postgresql{major}",
    "/opt/homebrew/opt/postgresql@{major}/bin",
    "/usr/local/opt/postgresql@{major}/bin",
    "/home/linuxbrew/.linuxbrew/opt/postgresql@{major}/bin",
    "/Applications/Postgres.app/Contents/Versions/{major}/bin",
    "/Library/PostgreSQL/{major}/bin",
    "/opt/local/lib/postgresql{major}/bin",
    "/usr/local/pgsql-{major}/bin",
    "/usr/local/pgsql/bin",
    "/opt/bitnami/postgresql/bin",
    "/usr/bin",
    "/usr/local/bin",
)
_NEWEST_LOOKED_FOR = 20
_OLDEST_LOOKED_FOR = 13


@dataclass(frozen=True, slots=True)
class Programs:
    """The server's programs of one version.

    Attributes:
        version: as `postgres --version` says it, `17.10` or `18beta1`.
        tls: whether the server was built with TLS.
        openssl: version of the OpenSSL that it would load, None when that could not be read.
    """

    bin_directory: Path
    version: str
    tls: bool
    openssl: str | None = None

    @property
    def major(self) -> int:
        """The major version, 13 and up."""
        match = re.match(r"\d+", self.version)
        return int(match.group()) if match else 0

    def program(self, name: str) -> Path:
        """Return the path of one program (`postgres`, `initdb`, `pg_ctl`)."""
        return self.bin_directory / name

    def has(self, name: str) -> bool:
        """Whether this program is among them; some packages split the server from its tools."""
        return os.access(self.bin_directory / name, os.X_OK)


def find(major: int, pg_bin: Path | None = None, data_directory: Path | None = None) -> Programs:
    """Return the programs of this major version.

    Looked for in this order: the directory that the person named, the running server's own binary, the usual places of
    packages, `pg_config --bindir`, `PATH`.

    Raises:
        UnusableInput: the named directory holds no server program, or one of another major version.
        Refused: nothing was found.
    """
    if pg_bin is not None:
        return _named(pg_bin, major)
    for directory in _candidates(major, data_directory):
        programs = look(directory)
        if programs is not None and programs.major == major:
            return programs
    raise Refused(
        f"the programs of PostgreSQL {major} were not found on this machine",
        hint="name the directory that holds `postgres` and `initdb` with --pg-bin DIR",
        code="no-server-programs",
    )


def newest_installed() -> Programs | None:
    """Return the newest version here that can make a new cluster with TLS; else the newest that can make one; else None."""
    majors = range(_NEWEST_LOOKED_FOR, _OLDEST_LOOKED_FOR - 1, -1)
    directories = [Path(place.format(major=major)) for major in majors for place in _USUAL_PLACES if "{major}" in place]
    directories += [Path(place) for place in _USUAL_PLACES if "{major}" not in place]
    directories += _of_path()
    existing = dict.fromkeys(directory for directory in directories if os.access(directory / "postgres", os.F_OK))
    looked = [programs for programs in map(look, existing) if programs is not None]
    able = [programs for programs in looked if programs.has("initdb") and programs.major >= _OLDEST_LOOKED_FOR]
    # `max` keeps the first of equals: the usual places come before PATH.
    return max(able, key=lambda programs: (programs.tls, programs.major), default=None)


def look(bin_directory: Path) -> Programs | None:
    """Return what is in this directory, or None when there is no server program that answers."""
    postgres = bin_directory / "postgres"
    if not os.access(postgres, os.X_OK) or os.path.isdir(postgres):  # noqa: PTH112  (Path.is_dir raises where we may not look)
        return None
    version = _version(postgres)
    if version is None:
        return None
    return Programs(bin_directory, version, tls=_built_with_tls(postgres), openssl=openssl_of(postgres))


def postgres_c(
    programs: Programs,
    name: str,
    config_directory: Path,
    options: Mapping[str, str] | None = None,
    *,
    identity: Identity | None = None,
) -> str:
    """Return the value that `postgres -C` computes for one setting from the files, without starting anything.

    Args:
        programs: whose `postgres` to ask.
        name: of the setting.
        config_directory: what `-D` names: the data directory, or where postgresql.conf is.
        options: settings of the command line.
        identity: who asks; the owner of the directory by default. The program allows root only because `-C` comes first.

    Raises:
        Refused: the server's own parser refuses the files; the message holds its words.
    """
    who = identity or Identity.owner_of(config_directory)
    command = [str(programs.program("postgres")), "-C", name, "-D", str(config_directory)]
    for key, value in (options or {}).items():
        command += ["-c", f"{key}={value}"]
    if not who.is_us and (os.geteuid() != 0 or reachable_by(who.uid, programs.program("postgres"), gids=who.groups) is not None):
        # Programs below a private home; root runs them only if nobody else can replace them.
        who = _trusted(programs.program("postgres"))
    try:
        done = subprocess.run(
            command,
            check=False,
            capture_output=True,
            timeout=_PATIENCE,
            env=who.environment(),
            cwd="/",
            stdin=subprocess.DEVNULL,
            **who.spawn_options(),
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Refused(f"`postgres -C {name}` did not work: {error}", where=str(config_directory), code="postgres-c") from error
    if done.returncode != 0:
        words = _complaints(done.stderr.decode(errors="replace"))
        raise Refused(words or "the server refuses its configuration files", where=str(config_directory), code="server-refuses-files")
    return done.stdout.decode(errors="surrogateescape").removesuffix("\n")


def copy_for(identity: Identity, programs: Programs, directory: Path) -> Programs:
    """Copy the programs with their libraries and data below `directory`, readable by everyone; return where they are now.

    For programs that come as one movable tree (a wheel, a tarball): `bin`, `lib` and `share` side by side. `directory` must
    exist, and `identity` must be able to reach it.

    Raises:
        Refused: this installation cannot be moved, or there is no room.
    """
    root = programs.bin_directory.resolve().parent
    if not (root / "share").is_dir() or not (root / "lib").is_dir() or root == Path("/usr"):
        raise Refused(
            f"{programs.bin_directory} cannot be reached by the user {identity.name}, and these programs cannot be copied elsewhere",
            hint=f"let {identity.name} pass the directories above, or run as another user",
            code="programs-out-of-reach",
        )
    target = directory / f"postgresql-{programs.version}"
    try:
        for part in ("bin", "lib", "share"):
            shutil.copytree(root / part, target / part, symlinks=True, copy_function=_copy_readable, ignore=_superfluous)
        for path, _, _ in os.walk(target):
            Path(path).chmod(0o755)
    except (OSError, shutil.Error) as error:
        raise Refused(f"the server's programs could not be copied to {target}: {error}", code="copy-failed") from error
    return Programs(target / "bin", programs.version, programs.tls, programs.openssl)


def tls_libraries(postgres: Path) -> tuple[Path, ...]:
    """Return libssl and libcrypto as this server program would load them; empty when they are part of it, or cannot be told."""
    return tuple(library for library in _libcrypto(postgres) if library != postgres and library.is_absolute())


def openssl_of(postgres: Path) -> str | None:
    """Return the version of the OpenSSL that this server program would load, such as `3.0.19`; None when it cannot be told."""
    for library in _libcrypto(postgres):
        try:
            with library.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                found = re.search(rb"OpenSSL (\d+\.\d+\.\d+[a-z]*)[ -]", data)
                if found:
                    # Read before the mapping is closed: the match holds no bytes of its own.
                    return found[1].decode()
        except (OSError, ValueError):
            continue
    return None


def _named(pg_bin: Path, major: int) -> Programs:
    programs = look(pg_bin)
    if programs is None:
        raise UnusableInput(
            "holds no server program `postgres` that runs",
            where=str(pg_bin),
            hint="--pg-bin names the directory with `postgres`, `initdb` and `pg_ctl`",
            code="no-server-programs",
        )
    if programs.major != major:
        raise UnusableInput(
            f"holds PostgreSQL {programs.version}, and the data directory belongs to version {major}",
            where=str(pg_bin),
            hint=f"name the programs of PostgreSQL {major} with --pg-bin DIR",
            code="wrong-server-programs",
        )
    return programs


def _candidates(major: int, data_directory: Path | None) -> Iterator[Path]:
    seen: set[Path] = set()
    for directory in _places(major, data_directory):
        if directory not in seen and os.access(directory / "postgres", os.F_OK):
            seen.add(directory)
            yield directory


def _places(major: int, data_directory: Path | None) -> Iterator[Path]:
    if data_directory is not None:
        yield from _of_running_server(data_directory)
    for place in _USUAL_PLACES:
        yield Path(place.format(major=major))
    yield from _of_path()


def _of_path() -> Iterator[Path]:
    path = [Path(entry) for entry in os.environ.get("PATH", "").split(os.pathsep) if entry.startswith("/")]
    for entry in path:
        if os.access(entry / "pg_config", os.X_OK):
            answer = _output([str(entry / "pg_config"), "--bindir"])
            if answer:
                yield Path(answer.strip())
    yield from path


def _of_running_server(data_directory: Path) -> Iterator[Path]:
    """Yield where the running server's binary is, or the last server's, by postmaster.opts."""
    from pgssl_wizard.server import command_line, postmaster  # noqa: PLC0415  (they rest on this module)

    running = postmaster.read(data_directory)
    executable = command_line.executable(running.pid) if running else None
    if executable is None:
        executable = command_line.last_executable(data_directory)
    if executable is not None:
        yield executable.parent


def _version(postgres: Path) -> str | None:
    match = re.search(r"\(PostgreSQL\) (\d[\w.]*)", _output([str(postgres), "--version"]) or "")
    return match.group(1) if match else None


def _built_with_tls(postgres: Path) -> bool:
    # Offline, without a data directory: an empty configuration file and a directory without postgresql.auto.conf.
    return (_output([str(postgres), "-C", "ssl_library", "-c", "config_file=/dev/null", "-D", "/"]) or "").strip() != ""


def _output(command: list[str], *, trusting: Path | None = None) -> str | None:
    """Return what a program prints, None when it fails.

    As root it runs as the owner of the file that it trusts, by default its own: whoever may replace that file must not become root.
    """
    try:
        who = _trusted(trusting or Path(command[0]))
        done = subprocess.run(
            command,
            check=False,
            capture_output=True,
            timeout=_PATIENCE,
            env=who.environment(),
            cwd="/",
            stdin=subprocess.DEVNULL,
            **who.spawn_options(),
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode(errors="replace") if done.returncode == 0 else None


def _trusted(program: Path) -> Identity:
    return Identity.owner_of(program) if os.geteuid() == 0 else Identity.current()


def _libcrypto(postgres: Path) -> Iterator[Path]:
    # `ldd` lets the program's own loader run.
    listed = _output(["/usr/bin/ldd", str(postgres)], trusting=postgres) or _output(["/usr/bin/otool", "-L", str(postgres)]) or ""
    for match in re.finditer(r"(?:=>|^)\s*(\S*/lib(?:crypto|ssl)\.\S+)", listed, re.MULTILINE):
        yield Path(match.group(1))
    yield postgres


def _complaints(stderr: str) -> str:
    """Return the server's own words without time stamps and levels that only a log needs."""
    lines = [re.sub(r"^\d{4}-\d\d-\d\d [\d:.]+ \w+ \[\d+\] ", "", line) for line in stderr.splitlines()]
    told = [
        re.sub(r"^(?:LOG|FATAL|ERROR|DETAIL|HINT):\s+", "", line) for line in lines if "skipping missing configuration file" not in line
    ]
    return "; ".join(line for line in told if line)


def _copy_readable(source: str, target: str) -> str:
    shutil.copyfile(source, target)
    Path(target).chmod(0o755 if os.access(source, os.X_OK) else 0o644)
    return target


def _superfluous(_directory: str, names: list[str]) -> set[str]:
    """Leave out what a server does not need to run: documentation, headers, static libraries, the build system."""
    return {name for name in names if name in {"doc", "man", "pgxs", "include", "pkgconfig"} or name.endswith(".a")}
