"""What all tests share: real servers, and an event loop as terminals have it."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
import zlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.servers import RealCluster, available
from tests.servers.cluster import let_through, stop_all

_OWN_BASE = pytest.StashKey[Path]()


def _quick_place() -> str:
    """Return a directory in memory with room for many clusters, where there is one: copying one takes a tenth of the time there."""
    try:
        status = os.statvfs("/dev/shm")
    except OSError:
        return "/tmp"
    roomy = status.f_bavail * status.f_frsize > 4 * 1024**3 and not status.f_flag & getattr(os, "ST_NOEXEC", 0)
    return "/dev/shm" if roomy and "TMPDIR" not in os.environ else "/tmp"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--all-majors`."""
    parser.addoption("--all-majors", action="store_true", help="use every PostgreSQL found, not the oldest and the newest by turns")
    parser.addoption("--every-step", action="store_true", help="stop a change at every single step, not at a sample of them")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Keep the tests' directories apart from other sessions': pytest shuts its usual base to the server's user again and again."""
    if config.option.basetemp is None and not hasattr(config, "workerinput"):
        base = Path(tempfile.mkdtemp(prefix="pgt-", dir=_quick_place()))
        config.stash[_OWN_BASE] = base
        config.option.basetemp = str(base)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Leave nothing behind."""
    stop_all()
    base = config.stash.get(_OWN_BASE, None)
    if base is not None:
        shutil.rmtree(base, ignore_errors=True)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that asks for `major` on all servers found; in the quick suite on the oldest or the newest, by turns."""
    if "major" in metafunc.fixturenames:
        majors = list(available())
        if majors and not metafunc.config.getoption("all_majors") and not os.environ.get("PGSSL_ALL_MAJORS"):
            # By its name, so that the turn of one test does not depend on which others there are.
            majors = [majors[-(zlib.crc32(metafunc.function.__name__.encode()) % 2)]]
        missing = [pytest.param(0, marks=pytest.mark.skip(reason="no PostgreSQL server found; `make servers` fetches some"))]
        metafunc.parametrize("major", majors or missing, ids=[f"pg{major}" for major in majors] or ["none"], indirect=False)


@pytest.fixture
def newest_major() -> int:
    """The newest PostgreSQL found, for tests that do not depend on the version."""
    if not available():
        pytest.skip("no PostgreSQL server found; `make servers` fetches some")
    return max(available())


@pytest.fixture
def open_tmp_path(tmp_path: Path) -> Path:
    """The test's directory, opened so far that the server's user gets through."""
    let_through(tmp_path)
    return tmp_path


@pytest.fixture
def stopped_cluster(major: int, tmp_path: Path) -> Iterator[RealCluster]:
    """A cluster as initdb leaves it (scram over TCP, peer over the socket, no TLS), not running; once per major."""
    with RealCluster.make(tmp_path, major) as cluster:
        yield cluster


@pytest.fixture
def cluster(stopped_cluster: RealCluster) -> RealCluster:
    """The same, running."""
    stopped_cluster.start()
    return stopped_cluster


@pytest.fixture
def debian_cluster(major: int, tmp_path: Path) -> Iterator[RealCluster]:
    """A running cluster whose configuration lies apart, as Debian arranges it; once per major."""
    with RealCluster.make(tmp_path, major, "debian") as cluster:
        cluster.start()
        yield cluster


@pytest.fixture
def newest_cluster(newest_major: int, tmp_path: Path) -> Iterator[RealCluster]:
    """A running cluster of the newest PostgreSQL found."""
    with RealCluster.make(tmp_path, newest_major) as cluster:
        cluster.start()
        yield cluster


@pytest_asyncio.fixture
async def _real_task_factory() -> AsyncIterator[None]:
    # What App.run does on Python 3.12 and later and the pilot does not: tasks start at once.
    factory = getattr(asyncio, "eager_task_factory", None)
    if factory:
        asyncio.get_running_loop().set_task_factory(factory)
    yield


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give every asynchronous test, and only those, the event loop of a real terminal; mark what `make matrix` runs."""
    for item in items:
        if isinstance(item, pytest.Function) and "major" in item.fixturenames:
            item.add_marker("matrix")
        if isinstance(item, pytest.Function) and asyncio.iscoroutinefunction(item.function):
            item.fixturenames.insert(0, "_real_task_factory")
