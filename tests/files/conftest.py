"""One running server a major for all comparisons with its views: they read the files as they are, nothing has to be reloaded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.files.settings_oracle import Starts, with_free_file
from tests.servers import RealCluster


class Servers(Mapping[int, RealCluster]):
    """Clusters by major, made and started when they are first asked for."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._made: dict[int, RealCluster] = {}

    def __getitem__(self, major: int) -> RealCluster:
        if major not in self._made:
            cluster = RealCluster.make(self._directory, major)
            self._made[major] = cluster
            cluster.serve_tls()
            cluster.start()
        return self._made[major]

    def __iter__(self) -> Iterator[int]:
        return iter(self._made)

    def __len__(self) -> int:
        return len(self._made)


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """Running servers with TLS on, kept for the tests of one module."""
    found = Servers(tmp_path_factory.mktemp("views"))
    yield found
    for cluster in found.values():
        cluster.close()


@pytest.fixture
def starts(major: int, open_tmp_path: Path) -> Starts:
    """Starts of one major."""
    return Starts.below(open_tmp_path, major)


@pytest.fixture
def free_file(major: int, tmp_path: Path) -> Iterator[RealCluster]:
    """A running server whose own settings are all on its command line, so that its postgresql.conf is free for anything."""
    with with_free_file(tmp_path, major) as cluster:
        yield cluster
