"""Finding out which directory is meant, of which version, and where its configuration lies."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from pgssl_wizard.cluster import layout
from pgssl_wizard.cluster.inspect import inspect
from pgssl_wizard.errors import ExitCode, Refused, UnusableInput, WizardError
from tests.cluster.somebody import STRANGER, as_somebody
from tests.servers import RealCluster

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


def a_data_directory(path: Path, version: str = "17") -> Path:
    """The parts of a data directory by which one is told."""
    (path / "global").mkdir(parents=True)
    (path / "global" / "pg_control").write_bytes(b"\0" * 8192)
    (path / "PG_VERSION").write_text(f"{version}\n", encoding="ascii")
    return path


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("nothing", "no such directory"),
        ("a file", "This is a file"),
        ("an empty directory", "no PG_VERSION"),
        ("the directory above", "looks like one"),
        ("base/1", "no global:"),
        ("half a restore", "no global/pg_control"),
    ],
)
def test_what_is_no_data_directory_is_refused_as_unusable_with_the_reason(tmp_path: Path, what: str, words: str) -> None:
    """And with what a data directory looks like."""
    path = tmp_path / "it"
    if what == "a file":
        path.touch()
    elif what == "the directory above":
        a_data_directory(path / "data")
    elif what != "nothing":
        path.mkdir()
    if what in {"base/1", "half a restore"}:
        (path / "PG_VERSION").write_text("17\n")
    if what == "half a restore":
        (path / "global").mkdir()
    with pytest.raises(UnusableInput, match=words) as caught:
        inspect(path)
    assert caught.value.exit_code == ExitCode.UNUSABLE
    assert caught.value.where == str(path)


@pytest.mark.parametrize("version", ["12", "9.6", "20", "99", "", "seventeen", "17; rm -rf /", "\x1b[31m17", "17" * 200])
def test_an_unknown_version_is_refused(tmp_path: Path, version: str) -> None:
    """Too old, too new, or no version at all; what is shown of it is printable."""
    with pytest.raises(Refused) as caught:
        inspect(a_data_directory(tmp_path / "data", version))
    assert caught.value.code == "unknown-version"
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 200


def test_binary_garbage_for_a_version_is_refused(tmp_path: Path) -> None:
    """A file that is no text."""
    directory = a_data_directory(tmp_path / "data")
    (directory / "PG_VERSION").write_bytes(b"\xff\xfe1\x007\x00")
    with pytest.raises(Refused, match="no text"):
        inspect(directory)


def test_a_version_that_was_not_tried_can_be_inspected_and_says_that_it_is_left_alone(tmp_path: Path) -> None:
    """19 is read, and an error stops every plan."""
    directory = a_data_directory(tmp_path / "data", "19")
    (directory / "postgresql.conf").write_text("ssl = off\n")
    (directory / "pg_hba.conf").write_text("local all all peer\n")
    cluster = inspect(directory)
    assert "ssl_sni" in cluster.settings
    assert [finding.code for finding in cluster.findings if finding.severity == "error"] == ["version-too-new"]


def test_a_configuration_directory_stands_for_the_data_directory_that_it_names(stopped_cluster: RealCluster, tmp_path: Path) -> None:
    """Also when nothing else on the machine knows of it: the server never ran."""
    stopped = stopped_cluster
    apart = tmp_path / "conf"
    apart.mkdir()
    for name in ("postgresql.conf", "pg_hba.conf", "pg_ident.conf"):
        shutil.move(stopped.data_directory / name, apart / name)
    with (apart / "postgresql.conf").open("a") as file:
        file.write("include 'where.conf'\n")
    (apart / "where.conf").write_text(f"data_directory = '{stopped.data_directory}'\n")
    cluster = inspect(apart)
    assert cluster.data_directory == stopped.data_directory
    assert cluster.config_file == apart / "postgresql.conf"
    assert cluster.hba_file == apart / "pg_hba.conf"
    assert cluster.layout == "other"


def test_configuration_that_names_itself_or_nothing_real_as_data_directory_is_unusable(tmp_path: Path) -> None:
    """No endless walk."""
    for target in (tmp_path, tmp_path / "gone", Path("/")):
        (tmp_path / "postgresql.conf").write_text(f"data_directory = '{target}'\n")
        with pytest.raises(UnusableInput, match="names the data directory"):
            layout.named(tmp_path)


def test_debians_layout_is_known_running_and_stopped_by_either_directory(major: int, tmp_path: Path) -> None:
    """And before the first start, when only the places tell that the two belong together."""
    with RealCluster.make(tmp_path, major, "debian") as real:
        for directory in (real.data_directory, real.config_directory):
            never_started = inspect(directory)
            assert never_started.config_file == real.config_file
        real.start()
        for directory in (real.data_directory, real.config_directory):
            running = inspect(directory)
            assert running.running
            assert (running.config_file, running.hba_file, running.ident_file) == (real.config_file, real.hba_file, real.ident_file)
            assert (running.layout, running.label) == ("debian", f"{major}/main")
            assert running.auto_conf == real.auto_conf
        real.stop()
        stopped = inspect(real.data_directory)
        assert (stopped.running, stopped.config_file, stopped.layout) == (False, real.config_file, "debian")


def test_initdbs_layout_is_known(cluster: RealCluster) -> None:
    """Everything in one place."""
    seen = inspect(cluster.data_directory)
    assert (seen.layout, seen.data_directory) == ("initdb", cluster.data_directory)
    assert seen.config_file == cluster.data_directory / "postgresql.conf"
    assert seen.owner.partition(":")[0] == cluster.identity.name
    assert (seen.uid, seen.data_mode) == (cluster.identity.uid, 0o700)


def test_the_running_server_knows_its_configuration_better_than_the_places_do(stopped_cluster: RealCluster, tmp_path: Path) -> None:
    """A file named on its command line counts, however tempting the one in the data directory is; rules and maps stay with `-D`."""
    elsewhere = stopped_cluster.base / "elsewhere"
    elsewhere.mkdir()
    shutil.copy(stopped_cluster.config_file, elsewhere / "my.conf")
    with (elsewhere / "my.conf").open("a") as file:
        file.write("log_connections = on\n")
    (elsewhere / "my.conf").chmod(0o644)
    stopped_cluster.command_line = ["-c", f"config_file={elsewhere / 'my.conf'}"]
    stopped_cluster.start()
    told = stopped_cluster.sql("select current_setting('hba_file'), current_setting('ident_file')")
    for running in (True, False):
        seen = inspect(stopped_cluster.data_directory)
        assert (seen.running, seen.layout) == (running, "other")
        assert seen.config_file == elsewhere / "my.conf"
        assert [(str(seen.hba_file), str(seen.ident_file))] == told
        assert seen.settings["log_connections"].file == elsewhere / "my.conf"
        stopped_cluster.stop()


def test_containers_and_rhel_are_told_by_their_places(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A mark in the root of the container, a path that only those packages use."""
    mark = tmp_path / "mark"
    monkeypatch.setattr(layout, "CONTAINER_MARKS", (mark,))
    data = Path("/var/lib/postgresql/18/docker")
    assert layout.place_of(data, 18, None, {}, data / "postgresql.conf").layout == "initdb"
    mark.touch()
    place = layout.place_of(data, 18, None, {}, data / "postgresql.conf")
    assert (place.layout, layout.label_of(place)) == ("docker", "18/docker")
    data = Path("/var/lib/pgsql/17/data")
    place = layout.place_of(data, 17, None, {}, data / "postgresql.conf")
    assert (place.layout, layout.label_of(place)) == ("rhel", "17/data")


@as_root
def test_a_stranger_is_told_as_whom_to_come_back(stopped_cluster: RealCluster) -> None:
    """Neither root nor the owner: nothing is read."""
    with pytest.raises(Refused, match="cannot be looked into") as caught:
        as_somebody(STRANGER, lambda: inspect(stopped_cluster.data_directory))
    assert caught.value.hint == f"Run this as root, or as {stopped_cluster.identity.name}."
    stopped_cluster.data_directory.chmod(0o755)
    with pytest.raises(Refused, match="belongs to") as caught:
        as_somebody(STRANGER, lambda: inspect(stopped_cluster.data_directory))
    assert caught.value.exit_code == ExitCode.REFUSED
    assert stopped_cluster.identity.name in str(caught.value.hint)


def test_a_path_that_is_none_is_unusable() -> None:
    """A NUL from somebody's answers file."""
    with pytest.raises(WizardError):
        inspect(Path("/tmp/a\0b"))
