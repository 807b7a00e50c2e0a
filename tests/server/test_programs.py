"""Finding the server's programs, and who can run them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pgssl_wizard.errors import Refused, UnusableInput
from pgssl_wizard.server import programs
from pgssl_wizard.server.identity import Identity
from tests.servers import RealCluster, available
from tests.servers.found import usable, user

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


def script(path: Path, text: str) -> Path:
    """Write an executable that stands where a server program would."""
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def test_programs_tell_their_version_and_their_openssl(major: int) -> None:
    """Offline, from the binaries alone."""
    found = programs.look(available()[major].bin_directory)
    assert found is not None
    assert found.major == major
    assert found.version.startswith(f"{major}.")
    assert found.tls
    assert found.openssl is not None
    assert found.openssl.startswith(("1.1.1", "3."))


def test_a_named_directory_wins(newest_major: int) -> None:
    """--pg-bin comes before everything else."""
    directory = available()[newest_major].bin_directory
    assert programs.find(newest_major, directory).bin_directory == directory


def test_a_named_directory_of_another_version_is_refused(newest_major: int) -> None:
    """A data directory is only ever touched by programs of its own major version."""
    with pytest.raises(UnusableInput, match=f"holds PostgreSQL {newest_major}") as caught:
        programs.find(newest_major - 1, available()[newest_major].bin_directory)
    assert caught.value.hint is not None


def test_a_named_directory_without_a_server_is_refused(tmp_path: Path) -> None:
    """The message says what belongs there."""
    with pytest.raises(UnusableInput, match="no server program"):
        programs.find(17, tmp_path)


def test_programs_that_are_nowhere_are_refused_with_a_cure() -> None:
    """The cure is --pg-bin."""
    with pytest.raises(Refused, match="PostgreSQL 99 were not found") as caught:
        programs.find(99)
    assert caught.value.hint is not None
    assert "--pg-bin" in caught.value.hint


def test_the_running_servers_own_binary_is_found(cluster: RealCluster, major: int) -> None:
    """Wherever it is; and after the stop, where postmaster.opts says it was."""
    assert programs.find(major, None, cluster.data_directory).bin_directory == cluster.programs.bin_directory
    cluster.stop()
    assert programs.find(major, None, cluster.data_directory).bin_directory == cluster.programs.bin_directory


def test_a_server_without_tls_is_recognised(tmp_path: Path) -> None:
    """`postgres -C ssl_library` prints nothing there."""
    script(tmp_path / "postgres", 'case "$1" in --version) echo "postgres (PostgreSQL) 17.10";; -C) echo ;; esac')
    found = programs.look(tmp_path)
    assert found is not None
    assert not found.tls
    assert found.openssl is None


def test_a_directory_called_postgres_is_no_program(tmp_path: Path) -> None:
    """Nor is a file that cannot be run."""
    (tmp_path / "postgres").mkdir()
    assert programs.look(tmp_path) is None
    (tmp_path / "postgres").rmdir()
    (tmp_path / "postgres").write_text("", encoding="utf-8")
    assert programs.look(tmp_path) is None


@as_root
def test_root_runs_a_program_that_somebody_else_owns_as_that_owner(open_tmp_path: Path) -> None:
    """Whoever could replace the file could otherwise become root."""
    open_tmp_path.chmod(0o1777)
    postgres = script(open_tmp_path / "postgres", f'echo "postgres (PostgreSQL) 17.$(id -u)"; id -u >> {open_tmp_path}/who')
    os.chown(postgres, user().uid, user().gid)
    found = programs.look(open_tmp_path)
    assert found is not None
    assert found.version == f"17.{user().uid}"
    assert set((open_tmp_path / "who").read_text(encoding="ascii").split()) == {str(user().uid)}


def test_the_servers_own_parser_computes_a_value(stopped_cluster: RealCluster) -> None:
    """From the files, and from the command line above them."""
    stopped_cluster.set(authentication_timeout="33s")
    ask = programs.postgres_c
    assert ask(stopped_cluster.programs, "authentication_timeout", stopped_cluster.data_directory) in {"33", "33s"}
    assert ask(stopped_cluster.programs, "port", stopped_cluster.data_directory, {"port": "4711"}) == "4711"


def test_the_servers_own_parser_refuses_with_file_and_line(stopped_cluster: RealCluster) -> None:
    """Without time stamps and levels around it."""
    lines = stopped_cluster.config_file.read_text(encoding="utf-8").count("\n")
    with stopped_cluster.config_file.open("a", encoding="utf-8") as file:
        file.write("ssl = on off\n")
    with pytest.raises(Refused) as caught:
        programs.postgres_c(stopped_cluster.programs, "ssl", stopped_cluster.data_directory)
    assert caught.value.message.startswith(f'syntax error in file "{stopped_cluster.config_file}" line {lines + 1}, near token "off"')


@pytest.mark.parametrize(
    ("mode", "owner", "group", "reachable"),
    [
        (0o755, 1, 1, True),
        (0o750, 1, 1, False),
        (0o750, 1, 77, True),
        (0o700, 42, 1, True),
        (0o055, 42, 77, False),
        (0o705, 1, 77, False),
        (0o711, 1, 1, True),
    ],
)
@as_root
def test_reach_follows_the_permission_bits(tmp_path: Path, mode: int, owner: int, group: int, reachable: bool) -> None:
    """Owner bits for the owner, group bits for a member, the others' for everybody else: never a mixture."""
    for parent in (tmp_path, *tmp_path.parents):
        if not parent.stat().st_mode & 1:
            parent.chmod(0o711)
    middle = tmp_path / "middle"
    middle.mkdir()
    file = middle / "file"
    file.write_text("", encoding="utf-8")
    file.chmod(0o644)
    os.chown(middle, owner, group)
    middle.chmod(mode)
    assert programs.reachable_by(42, file, gids=[77]) == (None if reachable else middle)


@as_root
def test_reach_names_the_file_itself_when_only_that_is_closed(open_tmp_path: Path) -> None:
    """And follows symbolic links to where they lead."""
    file = open_tmp_path / "file"
    file.write_text("", encoding="utf-8")
    file.chmod(0o600)
    link = open_tmp_path / "link"
    link.symlink_to(file)
    assert programs.reachable_by(42, file, gids=[]) == file
    assert programs.reachable_by(42, link, gids=[]) == file
    file.chmod(0o604)
    assert programs.reachable_by(42, link, gids=[]) is None
    assert programs.reachable_by(42, open_tmp_path / "missing", gids=[]) == open_tmp_path / "missing"
    assert programs.reachable_by(0, file) is None


@as_root
def test_programs_below_a_private_directory_are_copied_and_run(tmp_path: Path, open_tmp_path: Path, newest_major: int) -> None:
    """A checkout below a private home is such a place."""
    private = tmp_path / "home"
    private.mkdir(mode=0o700)
    moved = programs.copy_for(Identity.current(), usable(newest_major), private)
    assert programs.reachable_by(user().uid, moved.program("postgres")) == private
    public = tmp_path / "public"
    public.mkdir()
    public.chmod(0o755)
    copied = programs.copy_for(user(), moved, public)
    assert programs.reachable_by(user().uid, copied.program("postgres")) is None
    found = programs.look(copied.bin_directory)
    assert found is not None
    assert found.version == available()[newest_major].version
    assert found.openssl == available()[newest_major].openssl


def test_an_installation_that_is_spread_over_the_system_is_not_copied(tmp_path: Path) -> None:
    """Only trees that can be moved are."""
    with pytest.raises(Refused, match="cannot be copied elsewhere"):
        programs.copy_for(user(), programs.Programs(tmp_path / "bin", "17.1", tls=True), tmp_path)
