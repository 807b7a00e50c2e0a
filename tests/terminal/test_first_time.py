"""The whole way in a real terminal, on a real cluster, and then a real psql."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers import RealCluster
from tests.terminal import tmux

pytestmark = [
    pytest.mark.terminal,
    pytest.mark.skipif(tmux.missing() is not None, reason=str(tmux.missing())),
]

CHECKOUT = Path(__file__).resolve().parents[2]


def wizard(*arguments: str, size: tuple[int, int] = (80, 24), directory: Path, **environment: str) -> tmux.Terminal:
    """Return a terminal in which the wizard starts with `directory` as its working directory."""
    command = ["sh", "-c", f'cd "{directory}" && exec "{sys.executable}" -m pgssl_wizard "$@"', "sh", *arguments]
    return tmux.Terminal(command, size=size, environment={"PYTHONPATH": str(CHECKOUT), **environment})


def psql(cluster: RealCluster, conninfo: str) -> subprocess.CompletedProcess[str]:
    """Ask the server over TCP as the role app, with Debian's or the wheel's psql."""
    program = shutil.which("psql")
    assert program is not None
    return subprocess.run(
        [
            program,
            "-XAtq",
            f"port={cluster.port} user=app dbname=app {conninfo}",
            "-c",
            "select ssl from pg_stat_ssl where pid = pg_backend_pid()",
        ],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "PGPASSWORD": cluster.app_password, "HOME": "/nonexistent"},
    )


@pytest.mark.skipif(shutil.which("psql") is None, reason="psql is not installed")
@pytest.mark.parametrize("size", [(80, 24), (120, 40)], ids=["80x24", "120x40"])
def test_nine_enters_and_the_apply_key_lead_to_a_proven_connection(
    newest_cluster: RealCluster, tmp_path: Path, size: tuple[int, int]
) -> None:
    with wizard("setup", str(newest_cluster.data_directory), size=size, directory=tmp_path) as terminal:
        terminal.wait_for("What would you like to do?")
        # Typed ahead, faster than anything is read: they wait their turn.
        terminal.keys(*["Enter"] * 9)
        terminal.wait_for("Ready to apply")
        terminal.wait_for("pg_hba.conf")
        terminal.keys("A")
        terminal.wait_for("Apply this to")
        terminal.keys("A")
        screen = terminal.wait_for("Proven:", "It did not work", "Nothing was changed")
        assert "Proven: clients verify this server; plaintext is refused" in screen
        root = tmp_path / "ca" / "root.crt"
        verified = psql(newest_cluster, f"host=localhost sslmode=verify-full sslrootcert={root}")
        assert verified.stdout.strip() == "t", verified.stderr
        plain = psql(newest_cluster, "host=localhost sslmode=disable")
        assert "rejects connection" in plain.stderr
        terminal.keys("u")
        terminal.wait_for("Undo this change?")
        terminal.keys("y")
        terminal.wait_for("Undone: everything is as it was before")
        assert psql(newest_cluster, "host=localhost sslmode=disable").stdout.strip() == "f"
        terminal.keys("Enter")
        terminal.wait_for("EXIT:0")


def test_fifty_enters_typed_ahead_never_apply(newest_cluster: RealCluster, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in (newest_cluster.config_file, newest_cluster.hba_file)}
    with wizard("setup", str(newest_cluster.data_directory), directory=tmp_path) as terminal:
        terminal.wait_for("What would you like to do?")
        terminal.keys(*["Enter"] * 50)
        terminal.wait_for("Ready to apply")
        terminal.keys(*["Enter"] * 50)
        terminal.wait_for("Enter applies nothing")
        terminal.keys("A")
        terminal.wait_for("Apply this to")
        terminal.keys(*["Enter"] * 50)
        terminal.wait_for("Enter applies nothing")
        terminal.keys("C-q")
        terminal.wait_for("EXIT:0")
    assert {path: path.read_bytes() for path in before} == before
    assert not (tmp_path / "ca").exists()
    assert not list(newest_cluster.data_directory.glob("pgsql_tmp*"))


def test_practice_leaves_neither_processes_nor_files(tmp_path: Path) -> None:
    with wizard("practice", directory=tmp_path) as terminal:
        terminal.wait_for("One cluster found")
        terminal.keys(*["Enter"] * 9)
        terminal.wait_for("Ready to apply")
        directory = _practice_directory()
        assert directory.is_dir()
        terminal.keys("A")
        terminal.wait_for("Apply this to practice?")
        terminal.keys("A")
        terminal.wait_for("Proven:")
        terminal.keys("Enter")
        terminal.wait_for("EXIT:0")
        assert not directory.parent.exists()
        assert not _servers_in(directory)
        assert list(tmp_path.iterdir()) == []


def test_a_closed_terminal_takes_the_practice_cluster_with_it(tmp_path: Path) -> None:
    with wizard("practice", directory=tmp_path) as terminal:
        terminal.wait_for("One cluster found")
        directory = _practice_directory()
    for _ in tmux.until(f"{directory} is still there"):
        if not directory.exists() and not _servers_in(directory):
            break


def test_a_tiny_terminal_is_told_what_is_needed(newest_cluster: RealCluster, tmp_path: Path) -> None:
    with wizard("setup", str(newest_cluster.data_directory), size=(40, 10), directory=tmp_path) as terminal:
        terminal.wait_for("80x24")
        terminal.keys("C-q")
        terminal.wait_for("EXIT:0")


def test_without_colours_every_state_still_shows(newest_cluster: RealCluster, tmp_path: Path) -> None:
    with wizard("setup", str(newest_cluster.data_directory), directory=tmp_path, NO_COLOR="1", PGSSL_WIZARD_ASCII="1") as terminal:
        terminal.wait_for("What would you like to do?")
        terminal.keys("Enter", "Enter", "Enter")
        screen = terminal.wait_for("Where should the server's certificate come from?")
        assert "> A CA of your own" in screen
        assert screen.isascii()
        terminal.keys("C-q")
        terminal.wait_for("EXIT:0")


def test_being_killed_by_sigterm_restores_the_terminal(newest_cluster: RealCluster, tmp_path: Path) -> None:
    with wizard("setup", str(newest_cluster.data_directory), directory=tmp_path) as terminal:
        terminal.wait_for("What would you like to do?")
        terminal.signal_program("pgssl_wizard")
        screen = terminal.wait_for("EXIT:143")
        assert "was stopped by SIGTERM" in screen


def _practice_directory() -> Path:
    """Return the data directory of the practice cluster that runs now."""
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            arguments = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        for argument in arguments:
            if b"pgssl-practice-" in argument and arguments[0].endswith(b"postgres"):
                return Path(os.fsdecode(argument))
    raise AssertionError("no practice server runs")


def _servers_in(directory: Path) -> list[str]:
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and os.fsencode(directory) in (entry / "cmdline").read_bytes():
                found.append(entry.name)
        except OSError:
            continue
    return found
