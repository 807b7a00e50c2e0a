"""What goes wrong on real servers, and that everything is as before afterwards."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pgssl_wizard.change.apply import apply
from pgssl_wizard.change.history import history
from pgssl_wizard.change.model import Event, Station
from pgssl_wizard.errors import Refused, RolledBack
from pgssl_wizard.server import handshake
from tests.change import planning
from tests.servers import RealCluster


def names_in(directory: Path) -> list[str]:
    """Return the names in a directory."""
    return sorted(path.name for path in directory.iterdir())


def at(station: Station, act: Callable[[], object], state: str = "running") -> Callable[[Event], None]:
    """Return a listener that does something once, when a station is reached."""
    done: list[Event] = []

    def listen(event: Event) -> None:
        if (event.station, event.state) == (station, state) and not done:
            done.append(event)
            act()

    return listen


@contextlib.contextmanager
def everything_stays(real: RealCluster) -> Iterator[None]:
    """Nothing on disk is different afterwards, and the server answers as before."""
    before = planning.snapshot(real.base)
    was = handshake.fetch("127.0.0.1", real.port) if real.running else None
    yield
    assert planning.snapshot(real.base) == before
    now = handshake.fetch("127.0.0.1", real.port) if real.running else None
    assert (now and now.sha256) == (was and was.sha256)


def nothing_of_ours(real: RealCluster) -> bool:
    """Whether our directory is not even there."""
    return not (real.data_directory / "pgsql_tmp.pgssl-wizard").exists()


def test_a_key_made_unreadable_before_the_reload_is_rolled_back_with_the_servers_words(cluster: RealCluster, tmp_path: Path) -> None:
    """The server says what it does not like, and so do we."""
    facts = planning.look(cluster)
    key = cluster.data_directory / "server.key"
    with everything_stays(cluster), pytest.raises(RolledBack, match=r"group or world access") as caught:
        apply(planning.plan(cluster, facts, tmp_path / "ca"), facts, report=at("reload", lambda: key.chmod(0o644)))
    assert "Everything is as before" in str(caught.value)
    assert [change.state for change in history(cluster.data_directory)] == ["rolled-back"]
    assert cluster.sql("show ssl") == [("off",)]


def test_rules_that_the_server_does_not_take_are_rolled_back(cluster: RealCluster, tmp_path: Path) -> None:
    """Without a rehearsal they get as far as the server, which keeps the old ones."""
    facts = planning.look(cluster)
    rules = cluster.hba_file.read_bytes() + b"hostssl all all nonsense/33 scram-sha-256 no=option\n"
    with everything_stays(cluster), pytest.raises(RolledBack, match="was not reloaded"):
        apply(planning.plan(cluster, facts, tmp_path / "ca", rules=rules), facts, rehearse=False)


def test_rules_that_shut_the_administrator_out_are_refused(cluster: RealCluster, tmp_path: Path) -> None:
    """His way in worked before; the rehearsal says that it would not work after, and without a rehearsal everything is put back."""
    facts = planning.look(cluster)
    wanted = planning.plan(cluster, facts, tmp_path / "ca", rules=b"local all all reject\nhostssl all all all scram-sha-256\n")
    with everything_stays(cluster), pytest.raises(Refused, match="own way in would be shut"):
        apply(wanted, facts)
    with everything_stays(cluster), pytest.raises(RolledBack, match="own way in is shut"):
        apply(wanted, facts, rehearse=False)
    assert cluster.sql("select 1") == [(1,)]


def test_rules_that_somebody_edits_meanwhile_are_not_overwritten(newest_cluster: RealCluster, tmp_path: Path) -> None:
    """The edit stays; everything of ours goes."""
    facts = planning.look(newest_cluster)
    before = newest_cluster.hba_file.read_bytes()

    def edit() -> None:
        newest_cluster.hba_file.write_bytes(before + b"# mine\n")

    with pytest.raises(RolledBack, match="changed by somebody else"):
        apply(planning.plan(newest_cluster, facts, tmp_path / "ca"), facts, report=at("rules", edit))
    assert newest_cluster.hba_file.read_bytes() == before + b"# mine\n"
    assert not (newest_cluster.data_directory / "server.key").exists()
    assert handshake.fetch("127.0.0.1", newest_cluster.port) is None


def test_a_server_that_dies_meanwhile_gets_its_files_back(newest_cluster: RealCluster, tmp_path: Path) -> None:
    """And the message says that it is down."""
    facts = planning.look(newest_cluster)
    before = planning.snapshot(newest_cluster.base)
    with pytest.raises(RolledBack, match="the server is not running any more"):
        apply(
            planning.plan(newest_cluster, facts, tmp_path / "ca"),
            facts,
            report=at("reload", lambda: newest_cluster.stop(how="immediate")),
        )
    assert planning.snapshot(newest_cluster.base) == before
    newest_cluster.start()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"ssl_ca_file": "missing.crt"}, "could not load root certificate file"),
        ({"ssl_min_protocol_version": "TLSv1.3", "ssl_max_protocol_version": "TLSv1.2"}, "could not set SSL protocol version range"),
        ({"ssl_no_such_setting": "on"}, "unrecognized configuration parameter"),
        ({"ssl_crl_file": "missing.crl"}, "could not load SSL certificate revocation list file"),
    ],
)
def test_the_rehearsal_refuses_settings_in_the_servers_words(
    newest_cluster: RealCluster, tmp_path: Path, settings: dict[str, str], words: str
) -> None:
    """Nothing is written, not even our own directory or the CA."""
    facts = planning.look(newest_cluster)
    with everything_stays(newest_cluster), pytest.raises(Refused, match=words):
        apply(planning.plan(newest_cluster, facts, tmp_path / "ca", settings=settings), facts)
    assert nothing_of_ours(newest_cluster)
    assert not (tmp_path / "ca").exists()


def test_the_rehearsal_refuses_rules_and_names_the_real_file(cluster: RealCluster, tmp_path: Path) -> None:
    """Not the copy that it was tried on."""
    facts = planning.look(cluster)
    rules = cluster.hba_file.read_bytes() + b"hostssl all all all no-such-method\n"
    with everything_stays(cluster), pytest.raises(Refused, match="invalid authentication method") as caught:
        apply(planning.plan(cluster, facts, tmp_path / "ca", rules=rules), facts)
    assert "rehearsal-" not in str(caught.value)
    assert nothing_of_ours(cluster)


def test_a_saved_plan_is_refused_when_a_file_has_changed_since(newest_cluster: RealCluster, tmp_path: Path) -> None:
    """Whoever changed it, and however little."""
    facts = planning.look(newest_cluster)
    wanted = planning.plan(newest_cluster, facts, tmp_path / "ca")
    newest_cluster.set(work_mem="5MB")
    with everything_stays(newest_cluster), pytest.raises(Refused, match="changed since the plan was made") as caught:
        apply(wanted, facts)
    assert str(newest_cluster.config_file) in str(caught.value)


def test_a_plan_is_refused_when_a_file_has_appeared_since(newest_cluster: RealCluster, tmp_path: Path) -> None:
    """A CA's key above all."""
    facts = planning.look(newest_cluster)
    wanted = planning.plan(newest_cluster, facts, tmp_path / "ca")
    (tmp_path / "ca").mkdir()
    (tmp_path / "ca" / "root.key").write_bytes(b"precious\n")
    with everything_stays(newest_cluster), pytest.raises(Refused, match=r"root\.key"):
        apply(wanted, facts)
    assert (tmp_path / "ca" / "root.key").read_bytes() == b"precious\n"


def test_a_hard_link_is_refused(newest_cluster: RealCluster, tmp_path: Path) -> None:
    """Replacing it would part the two names."""
    os.link(newest_cluster.config_file, newest_cluster.base / "other name")
    facts = planning.look(newest_cluster)
    with everything_stays(newest_cluster), pytest.raises(Refused, match="hard links"):
        apply(planning.plan(newest_cluster, facts, tmp_path / "ca"), facts)


@pytest.mark.parametrize("station", ["write", "reload", "prove-tls", "rules", "prove-all"])
def test_a_signal_in_the_middle_puts_everything_back(newest_cluster: RealCluster, tmp_path: Path, station: Station) -> None:
    """Ctrl-C, kill and a closed terminal all end in exit code 4."""
    facts = planning.look(newest_cluster)
    wanted = planning.plan(newest_cluster, facts, tmp_path / "ca")
    with everything_stays(newest_cluster), pytest.raises(RolledBack, match="stopped by SIGTERM"):
        apply(wanted, facts, report=at(station, lambda: os.kill(os.getpid(), signal.SIGTERM)))


def test_a_signal_before_the_first_write_changes_nothing(newest_cluster: RealCluster, tmp_path: Path) -> None:
    """That is a refusal, not a rollback."""
    facts = planning.look(newest_cluster)
    wanted = planning.plan(newest_cluster, facts, tmp_path / "ca")
    with everything_stays(newest_cluster), pytest.raises(Refused, match="nothing was changed"):
        apply(wanted, facts, report=at("rehearse", lambda: os.kill(os.getpid(), signal.SIGINT)))
    assert nothing_of_ours(newest_cluster)


def test_in_a_thread_of_its_own_a_change_works_the_same(newest_cluster: RealCluster, tmp_path: Path) -> None:
    """The wizard applies in one, where signals cannot be caught."""
    facts = planning.look(newest_cluster)
    wanted = planning.plan(newest_cluster, facts, tmp_path / "ca")
    states = []
    thread = threading.Thread(target=lambda: states.append(apply(wanted, facts).state))
    thread.start()
    thread.join()
    assert states == ["applied"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Return a directory on a file system of 64 kB."""
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    place = tmp_path / "small"
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(place)], check=False, capture_output=True).returncode:
        pytest.skip("mounting is not allowed here")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def fill(place: Path) -> None:
    """Leave no room at all."""
    with (place / "hog").open("wb", buffering=0) as hog, contextlib.suppress(OSError):
        while hog.write(b"x" * 4096):
            pass


def test_no_space_is_noticed_beforehand(newest_cluster: RealCluster, small_disk: Path) -> None:
    """A full file system below the CA stops the change before anything is written."""
    fill(small_disk)
    facts = planning.look(newest_cluster)
    with everything_stays(newest_cluster), pytest.raises(Refused, match="no space"):
        apply(planning.plan(newest_cluster, facts, small_disk / "ca"), facts)
    assert nothing_of_ours(newest_cluster)
    assert names_in(small_disk) == ["hog"]


def test_space_lost_midway_is_rolled_back(newest_cluster: RealCluster, small_disk: Path) -> None:
    """It was there when it was looked for; half a CA does not stay."""
    facts = planning.look(newest_cluster)
    wanted = planning.plan(newest_cluster, facts, small_disk / "ca")
    with everything_stays(newest_cluster), pytest.raises(RolledBack, match="No space left") as caught:
        apply(wanted, facts, report=at("write", lambda: fill(small_disk)))
    assert caught.value.code == "no-space"
    assert names_in(small_disk) == ["hog"]
