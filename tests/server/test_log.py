"""Reading what the server wrote since a moment."""

from __future__ import annotations

from pathlib import Path

import pytest

from pgssl_wizard.server import log, postmaster
from tests.servers import RealCluster
from tests.servers.certificates import make
from tests.servers.cluster import _until


def test_only_what_came_after_the_mark_is_read(tmp_path: Path) -> None:
    """Across lines cut in two by the mark."""
    path = tmp_path / "log"
    path.write_text("before\n", encoding="utf-8")
    place = log.mark(path)
    assert log.since(place) == ""
    with path.open("a", encoding="utf-8") as file:
        file.write("after\n")
    assert log.since(place) == "after\n"


def test_a_log_that_was_rotated_or_cut_is_read_from_its_beginning(tmp_path: Path) -> None:
    """Both happen at midnight."""
    path = tmp_path / "log"
    path.write_text("a long line before\n", encoding="utf-8")
    place = log.mark(path)
    path.rename(tmp_path / "log.1")
    path.write_text("a new file that is longer than the old one\n", encoding="utf-8")
    assert log.since(place) == "a new file that is longer than the old one\n"
    place = log.mark(path)
    path.write_text("cut\n", encoding="utf-8")
    assert log.since(place) == "cut\n"


def test_a_log_that_is_nowhere_says_nothing(tmp_path: Path) -> None:
    """No log is no reason to fail."""
    assert log.since(log.mark(None)) == ""
    place = log.mark(tmp_path / "missing")
    assert log.since(place) == ""
    (tmp_path / "missing").write_text("x\n", encoding="utf-8")
    assert log.since(place) == "x\n"


def test_the_log_of_a_running_server_is_found(cluster: RealCluster) -> None:
    """Where its standard error points; nowhere once it is down."""
    assert log.find(cluster.data_directory, postmaster.read(cluster.data_directory)) == cluster.log_file
    assert log.find(cluster.data_directory, None) is None


def test_a_reload_with_good_files_brings_no_complaint(cluster: RealCluster) -> None:
    """Nor do clients that are refused."""
    cluster.serve_tls()
    place = log.mark(cluster.log_file)
    cluster.set(authentication_timeout="50s")
    cluster.reload()
    with pytest.raises(RuntimeError):
        cluster.sql("select 1", database="no such database")
    assert "does not exist" in log.since(place)
    assert log.complaints(place) == ()


@pytest.mark.parametrize("collector", [None, "csvlog", "jsonlog"])
def test_what_a_reload_did_not_take_is_told_in_the_servers_words(stopped_cluster: RealCluster, collector: str | None) -> None:
    """In every format of the log."""
    if collector == "jsonlog" and stopped_cluster.major < 15:
        pytest.skip("jsonlog came with PostgreSQL 15")
    if collector is not None:
        stopped_cluster.set(logging_collector="on", log_destination=collector)
    stopped_cluster.start()
    path = None
    for _ in _until("the server's log is nowhere"):
        # The collector is a process of its own and says where it writes when it gets to it.
        path = log.find(stopped_cluster.data_directory, postmaster.read(stopped_cluster.data_directory))
        if path is not None:
            break
    assert path is not None
    assert path.suffix == {None: ".log", "csvlog": ".csv", "jsonlog": ".json"}[collector]
    place = log.mark(path)
    stopped_cluster.write("server.crt", make("one").pem)
    stopped_cluster.write("server.key", make("other").key_pem)
    stopped_cluster.set(ssl="on", port="1")
    with stopped_cluster.hba_file.open("a", encoding="utf-8") as file:
        file.write("host all all nonsense/99 scram-sha-256\n")
    pid = stopped_cluster.pid
    assert pid is not None
    postmaster_reload(pid)
    for _ in _until("the server did not complain"):
        if any("SSL configuration was not reloaded" in complaint for complaint in log.complaints(place)):
            break
    complaints = log.complaints(place)
    assert any("key values mismatch" in complaint for complaint in complaints)
    assert any('parameter "port" cannot be changed without restarting the server' in complaint for complaint in complaints)
    lines = stopped_cluster.hba_file.read_text(encoding="utf-8").count("\n")
    assert any("nonsense/99" in complaint and f"line {lines} of configuration file" in complaint for complaint in complaints)
    assert all("received SIGHUP" not in complaint and 'parameter "ssl" changed' not in complaint for complaint in complaints)


def postmaster_reload(pid: int) -> None:
    """Tell the server; the log is elsewhere than the cluster's own `reload` looks."""
    from pgssl_wizard.server import process

    process.reload(pid)
