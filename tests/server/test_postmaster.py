"""Whether a server is up, and how it was started."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pgssl_wizard.server import command_line, postmaster
from tests.servers import RealCluster
from tests.servers.cluster import _until


@pytest.fixture
def stranger() -> Iterator[int]:
    """The number of a process that has nothing to do with PostgreSQL."""
    process = subprocess.Popen(["sleep", "1000"])
    yield process.pid
    process.kill()
    process.wait()


def test_a_running_server_is_described(cluster: RealCluster) -> None:
    """Process, port, socket, address, time."""
    running = postmaster.read(cluster.data_directory)
    assert running is not None
    assert running.pid == cluster.pid
    assert running.port == cluster.port
    assert running.socket_directory == cluster.socket_directory
    assert running.listen_address == "localhost"
    assert running.started is not None
    assert abs((datetime.now(UTC) - running.started).total_seconds()) < 3600
    assert postmaster.status(cluster.data_directory) == "ready"


def test_a_stopped_server_is_down(stopped_cluster: RealCluster) -> None:
    """Before its first start and after a stop."""
    assert postmaster.read(stopped_cluster.data_directory) is None
    stopped_cluster.start()
    stopped_cluster.stop()
    assert postmaster.read(stopped_cluster.data_directory) is None
    assert postmaster.status(stopped_cluster.data_directory) is None


def test_a_server_that_was_killed_is_down_although_its_file_is_there(cluster: RealCluster) -> None:
    """Also while it is a zombie that nobody has waited for."""
    pid = cluster.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    for _ in _until("the server survived"):
        if postmaster.read(cluster.data_directory) is None:
            break
    assert (cluster.data_directory / "postmaster.pid").exists()


def test_a_number_that_now_belongs_to_another_process_counts_as_down(stopped_cluster: RealCluster, stranger: int) -> None:
    """After a crash of the machine the same number may be anybody's."""
    stopped_cluster.write(
        "postmaster.pid", f"{stranger}\n{stopped_cluster.data_directory}\n1700000000\n5432\n/tmp\nlocalhost\n  1\nready   \n"
    )
    assert postmaster.read(stopped_cluster.data_directory) is None
    assert postmaster.status(stopped_cluster.data_directory) is None


@pytest.mark.parametrize("content", ["", "garbage\n", "12\n", "x\ny\nz\nw\n", "1\n/d\nx\ny\n", "0\n/d\n1\n2\n"])
def test_a_damaged_file_counts_as_down(tmp_path: Path, content: str) -> None:
    """It is no reason to fail."""
    (tmp_path / "postmaster.pid").write_text(content, encoding="utf-8")
    assert postmaster.read(tmp_path) is None
    assert postmaster.status(tmp_path) is None


def test_a_server_without_sockets_or_without_tcp_says_so(stopped_cluster: RealCluster) -> None:
    """The empty lines of the file."""
    stopped_cluster.set(listen_addresses="")
    stopped_cluster.start()
    running = postmaster.read(stopped_cluster.data_directory)
    assert running is not None
    assert running.listen_address is None
    stopped_cluster.stop()
    stopped_cluster.set(listen_addresses="127.0.0.1", unix_socket_directories="")
    stopped_cluster.start()
    running = postmaster.read(stopped_cluster.data_directory)
    assert running is not None
    assert running.socket_directory is None
    assert running.listen_address == "127.0.0.1"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["-D", "/data"], {}),
        (["-D", "/d", "-c", "ssl=on"], {"ssl": "on"}),
        (["-cssl=on"], {"ssl": "on"}),
        (["--ssl=on", "--listen-addresses=*"], {"ssl": "on", "listen_addresses": "*"}),
        (["-c", "SSL=on", "-c", "ssl=off"], {"ssl": "off"}),
        (["-c", "listen-addresses=a"], {"listen_addresses": "a"}),
        (["-l"], {"ssl": "on"}),
        (["-i", "-p", "5433", "-k", "/s"], {"listen_addresses": "*", "port": "5433", "unix_socket_directories": "/s"}),
        (["-p5433", "-N10", "-B", "16MB"], {"port": "5433", "max_connections": "10", "shared_buffers": "16MB"}),
        (["-Fl"], {"fsync": "off", "ssl": "on"}),
        (["-h", "", "-c", "ssl_ciphers=a=b"], {"listen_addresses": "", "ssl_ciphers": "a=b"}),
        (["-D"], {}),
    ],
)
def test_settings_of_a_command_line_are_understood(arguments: list[str], expected: dict[str, str]) -> None:
    """In every spelling that the server takes."""
    assert command_line.parse(arguments) == expected


def test_settings_given_at_the_start_are_found(stopped_cluster: RealCluster) -> None:
    """While it runs, and afterwards: it will probably be started like that again."""
    stopped_cluster.command_line = ["-c", "authentication_timeout=44s", "--log-disconnections=on"]
    stopped_cluster.start()
    for running in (postmaster.read(stopped_cluster.data_directory), None):
        found = command_line.settings(stopped_cluster.data_directory, running)
        assert found == {"authentication_timeout": "44s", "log_disconnections": "on"}
        assert command_line.directory_argument(stopped_cluster.data_directory, running) == stopped_cluster.data_directory
    assert stopped_cluster.sql("show authentication_timeout") == [("44s",)]


def test_the_configuration_file_of_a_debian_server_is_found(debian_cluster: RealCluster) -> None:
    """It stands on the command line."""
    running = postmaster.read(debian_cluster.data_directory)
    assert command_line.settings(debian_cluster.data_directory, running) == {"config_file": str(debian_cluster.config_file)}


def test_the_running_process_tells_its_groups_and_binary(newest_cluster: RealCluster) -> None:
    """A membership given later does not count before a restart."""
    pid = newest_cluster.pid
    assert pid is not None
    assert command_line.groups(pid) == frozenset({newest_cluster.identity.gid, *newest_cluster.identity.groups})
    assert command_line.executable(pid) == newest_cluster.programs.program("postgres").resolve()
    assert command_line.environment(pid).keys() <= {"OPENSSL_CONF", "OPENSSL_MODULES", "LD_LIBRARY_PATH", "TZ"}


def test_a_process_that_is_gone_tells_nothing(newest_cluster: RealCluster) -> None:
    """And does not fail."""
    pid = newest_cluster.pid
    assert pid is not None
    newest_cluster.stop()
    assert command_line.groups(pid) is None
    assert command_line.executable(pid) is None
    assert command_line.environment(pid) == {}
    assert command_line.settings(Path("/nonexistent"), None) == {}
