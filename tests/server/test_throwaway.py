"""Clusters of our own: quickly there, and gone however we end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pgssl_wizard.errors import Refused
from pgssl_wizard.server import admin, lifecycle, postmaster, programs
from pgssl_wizard.server.process import StartFailed, Throwaway
from tests.servers import available
from tests.servers.cluster import _until
from tests.servers.found import usable, user

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")

#: Makes a throwaway cluster, says where, and waits to be killed.
_VICTIM = """
import sys
from pathlib import Path
from pgssl_wizard.server import programs
from pgssl_wizard.server.identity import server_user
from pgssl_wizard.server.process import Throwaway
with Throwaway(programs.look(Path(sys.argv[1])), server_user()) as server:
    server.start()
    print(server.directory, server.pid, flush=True)
    sys.stdin.read()
"""


def gone(pid: int) -> bool:
    """Whether there is no such process any more, or only its zombie."""
    return not Path(f"/proc/{pid}/cwd").exists()


def test_a_throwaway_cluster_runs_and_is_gone_afterwards(major: int) -> None:
    """Its directory is private, its superuser over the socket is whoever gets into the directory."""
    with Throwaway(usable(major), user()) as server:
        status = server.directory.stat()
        assert (status.st_uid, status.st_mode & 0o777) == (user().uid, 0o700)
        server.start({"log_disconnections": "on"})
        running = postmaster.read(server.data_directory)
        assert running is not None
        with admin.connect(running, user=server.superuser, database="postgres") as session:
            assert session.query("show log_disconnections") == [{"log_disconnections": "on"}]
            assert session.query("show server_version")[0]["server_version"].startswith(str(major))
        pid = server.pid
    assert pid is not None
    assert gone(pid)
    assert not server.directory.exists()


def test_nobody_gets_in_over_tcp_without_a_password(newest_major: int) -> None:
    """The port is open to everybody on the machine, and nobody has a password."""
    with Throwaway(usable(newest_major), user()) as server:
        rules = [line.split() for line in server.hba_file.read_text(encoding="utf-8").splitlines() if line.startswith("host")]
        assert rules
        assert {rule[-1] for rule in rules} == {"scram-sha-256"}


def test_an_exception_takes_it_away_too(newest_major: int) -> None:
    """Whatever happened inside."""
    server = Throwaway(usable(newest_major), user())
    pid = None

    def fail() -> None:
        nonlocal pid
        with server:
            server.start()
            pid = server.pid
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert pid is not None
    assert gone(pid)
    assert not server.directory.exists()


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_to_us_takes_it_away_too(newest_major: int, signum: signal.Signals) -> None:
    """Even the one that nobody can catch."""
    program = [sys.executable, "-c", _VICTIM, str(usable(newest_major).bin_directory)]
    with subprocess.Popen(
        program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=Path(programs.__file__).parents[2]
    ) as victim:
        assert victim.stdout is not None
        directory, pid = victim.stdout.readline().split()
        assert not gone(int(pid))
        victim.send_signal(signum)
        victim.wait()
    for _ in _until(f"{directory} is still there"):
        if gone(int(pid)) and not Path(directory).exists():
            break


def test_files_that_the_server_refuses_are_told_in_its_words(newest_major: int) -> None:
    """With file and line; and it can be started again once they are right."""
    with Throwaway(usable(newest_major), user()) as server:
        good = server.config_file.read_bytes()
        server.write(server.config_file, b"ssl = on off\n")
        with pytest.raises(StartFailed, match="line 1, near token") as caught:
            server.start()
        assert "FATAL" in caught.value.log
        server.write(server.config_file, good)
        with pytest.raises(StartFailed, match="could not load server certificate file"):
            server.start({"ssl": "on"})
        server.write(server.hba_file, b"host all\n")
        with pytest.raises(StartFailed, match="end-of-line before role specification"):
            server.start()
        server.write(server.hba_file, b"local all all trust\n")
        server.start()
        assert server.running
        server.stop()
        assert not server.running


def test_a_port_that_somebody_takes_first_is_replaced(newest_major: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between choosing and listening anything can happen."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as other, Throwaway(usable(newest_major), user()) as server:
        taken = other.getsockname()[1]
        real = lifecycle.free_port
        ports = iter([taken, taken])
        monkeypatch.setattr(lifecycle, "free_port", lambda: next(ports, None) or real())
        server.start()
        assert server.port != taken
        running = postmaster.read(server.data_directory)
        assert running is not None
        assert running.port == server.port


def test_settings_can_stand_in_the_file_as_in_a_cluster_that_lives(newest_major: int) -> None:
    """Then nothing is on the command line, where it would outrank the files."""
    from pgssl_wizard.server import command_line

    with Throwaway(usable(newest_major), user()) as server:
        server.start({"authentication_timeout": "41s"}, in_file=True)
        running = postmaster.read(server.data_directory)
        assert command_line.settings(server.data_directory, running) == {}
        assert running is not None
        with admin.connect(running, user=server.superuser) as session:
            assert session.query("show authentication_timeout") == [{"authentication_timeout": "41s"}]


def test_a_file_is_never_readable_by_others_on_the_way(newest_major: int) -> None:
    """Owner and mode before content, in place of what was there."""
    with Throwaway(usable(newest_major), user()) as server:
        path = server.write("server.key", b"secret")
        status = path.stat()
        assert (status.st_uid, status.st_mode & 0o777, path.read_bytes()) == (user().uid, 0o600, b"secret")
        path.unlink()
        elsewhere = server.directory / "elsewhere"
        elsewhere.write_bytes(b"untouched")
        path.symlink_to(elsewhere)
        server.write("server.key", b"new", mode=0o640)
        assert not path.is_symlink()
        assert elsewhere.read_bytes() == b"untouched"
        assert path.stat().st_mode & 0o777 == 0o640


@as_root
def test_programs_out_of_the_servers_users_reach_are_copied(newest_major: int, tmp_path: Path) -> None:
    """They go with the cluster."""
    private = tmp_path / "home"
    private.mkdir(mode=0o700)
    hidden = programs.copy_for(user(), usable(newest_major), private)
    with Throwaway(hidden, user()) as server:
        assert server.programs.bin_directory.is_relative_to(server.directory)
        server.start()
        assert server.running
    assert not server.directory.exists()


def test_an_initdb_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    """The message has its words."""
    (tmp_path / "initdb").write_text("#!/bin/sh\necho 'initdb: error: no room' >&2; exit 1\n", encoding="utf-8")
    (tmp_path / "initdb").chmod(0o755)
    for path in (tmp_path, *tmp_path.parents):
        if not path.stat().st_mode & 1:
            path.chmod(0o711)
    server = Throwaway(programs.Programs(tmp_path, "17.1", tls=True), user())
    with pytest.raises(Refused, match="no room"):
        server.make()
    assert not server.directory.exists()


def test_a_data_directory_can_be_stopped_by_anybody_who_may(newest_major: int) -> None:
    """Also when it is not our own child; nothing happens when it is down."""
    with Throwaway(usable(newest_major), user()) as server:
        server.start()
        assert lifecycle.stop(server.data_directory)
        assert postmaster.read(server.data_directory) is None
        assert lifecycle.stop(server.data_directory)


def test_all_versions_found_are_real() -> None:
    """No stand-in among them."""
    assert all(found.version.startswith(f"{major}.") for major, found in available().items())
