"""Servers in containers, as they are seen from outside."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pgssl_wizard.server import command_line, namespaces, postmaster
from tests.server.container import impossible, in_container
from tests.servers import RealCluster

apart = pytest.mark.skipif(impossible() is not None, reason=impossible() or "")


def test_a_server_beside_us_is_not_apart(newest_cluster: RealCluster) -> None:
    """It has our numbers and our network."""
    running = postmaster.read(newest_cluster.data_directory)
    assert running is not None
    assert running.apart == ()
    assert namespaces.apart(os.getpid()) == ()


@apart
@pytest.mark.parametrize("network", [True, False], ids=["own network", "our network"])
def test_a_server_in_a_container_is_found_by_its_working_directory(stopped_cluster: RealCluster, network: bool) -> None:
    """Its file says 1, which is another process here; it has no sockets and addresses that would be ours, and its binary is not ours."""
    with in_container(stopped_cluster, network=network) as pid:
        assert (stopped_cluster.data_directory / "postmaster.pid").read_text().startswith("1\n")
        running = postmaster.read(stopped_cluster.data_directory)
        assert running is not None
        assert running.pid == pid > 1
        assert running.port == stopped_cluster.port
        assert running.apart == (("pid", "net") if network else ("pid",))
        assert (running.socket_directory, running.listen_address) == (None, None)
        assert command_line.executable(pid) is None
        assert command_line.directory_argument(stopped_cluster.data_directory, running) == stopped_cluster.data_directory
    assert postmaster.read(stopped_cluster.data_directory) is None


@apart
def test_its_sessions_and_other_directories_are_not_taken_for_it(stopped_cluster: RealCluster, tmp_path: Path) -> None:
    """A server's other processes work in the same directory, and have other numbers."""
    with in_container(stopped_cluster) as pid:
        assert namespaces.find(stopped_cluster.data_directory, 1) == pid
        assert namespaces.find(stopped_cluster.data_directory, 99999) is None
        assert namespaces.find(tmp_path, 1) is None
    assert namespaces.find(tmp_path / "gone", 1) is None


def test_what_a_server_calls_its_directory_stands_in_its_file(newest_cluster: RealCluster, tmp_path: Path) -> None:
    """Nothing where there is no file."""
    assert postmaster.named_directory(newest_cluster.data_directory) == newest_cluster.data_directory
    assert postmaster.named_directory(tmp_path) is None
