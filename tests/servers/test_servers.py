"""The tests' own servers do what the tests rely on."""

from __future__ import annotations

import asyncio
import socket
import sys
from pathlib import Path

import psycopg
import pytest

from tests.servers import RealCluster


def test_a_running_cluster_answers_its_superuser_and_its_app_role(cluster: RealCluster, major: int) -> None:
    """The superuser over the socket, `app` by password over TCP."""
    assert int(str(cluster.sql("show server_version_num")[0][0])) // 10000 == major
    where = {"host": "127.0.0.1", "port": cluster.port, "user": "app", "dbname": "app", "sslmode": "disable"}
    with psycopg.connect(password=cluster.app_password, **where) as connection:  # type: ignore[arg-type]
        assert connection.execute("select current_user").fetchone() == ("app",)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(password="wrong", **where)  # type: ignore[arg-type]


def test_a_cluster_can_be_stopped_reloaded_and_restarted(cluster: RealCluster) -> None:
    """A setting takes effect at the reload, a port is free after the stop."""
    cluster.set(authentication_timeout="47s")
    cluster.reload()
    assert cluster.sql("show authentication_timeout") == [("47s",)]
    cluster.stop()
    assert not cluster.running
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", cluster.port)) != 0
    cluster.start()
    assert cluster.running


def test_a_closed_cluster_leaves_nothing_behind(major: int, tmp_path: Path) -> None:
    """No process, no directory, no socket."""
    with RealCluster.make(tmp_path, major) as made:
        made.start()
        pid = made.pid
    assert pid is not None
    assert not Path(f"/proc/{pid}/cwd").exists()
    assert not made.base.exists()
    assert not made.socket_directory.exists()


def test_the_debian_layout_keeps_its_configuration_apart(debian_cluster: RealCluster) -> None:
    """With conf.d read at the end."""
    assert debian_cluster.sql("show config_file") == [(str(debian_cluster.config_file),)]
    assert debian_cluster.sql("show data_directory") == [(str(debian_cluster.data_directory),)]
    assert not (debian_cluster.data_directory / "postgresql.conf").exists()
    (debian_cluster.config_directory / "conf.d" / "x.conf").write_text("authentication_timeout = 31s\n", encoding="utf-8")
    debian_cluster.reload()
    assert debian_cluster.sql("show authentication_timeout") == [("31s",)]


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with Python 3.12")
async def test_asynchronous_tests_start_tasks_eagerly() -> None:
    """As Textual's own App.run does."""
    ran = []

    async def note() -> None:
        ran.append(True)

    task = asyncio.create_task(note())
    assert ran == [True]
    await task
