"""Real disks that fill up, become read-only or shut a file in the middle of a change; and a user who loses a right."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pgssl_wizard.change.apply import apply
from pgssl_wizard.change.model import Event
from pgssl_wizard.change.rollback import rollback
from pgssl_wizard.errors import Interrupted, RolledBack, WizardError
from tests.change.test_every_step import SCENARIOS, Stage, killed_before, snapshot
from tests.servers import RealCluster
from tests.servers.cluster import let_through

#: Of a whole cluster and its configuration, with room for a change.
SIZE = "120m"


@pytest.fixture
def disk(open_tmp_path: Path) -> Iterator[Path]:
    """A small disk of its own."""
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    place = open_tmp_path / "disk"
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=0755", "none", place], check=False, capture_output=True).returncode:
        pytest.skip("mounting is not allowed here")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


@contextlib.contextmanager
def stage_on(disk: Path, major: int, scenario: str) -> Iterator[Stage]:
    """A cluster on that disk, a change of it, and the place for the CA on another."""
    place = disk.parent / "place"
    place.mkdir()
    with RealCluster.make(disk, major) as cluster:
        yield Stage(cluster, place, SCENARIOS[scenario])


def at(station: str, act: Callable[[], object]) -> Callable[[Event], None]:
    """Return a listener that does something once, when a station begins."""
    done: list[Event] = []

    def listen(event: Event) -> None:
        if (event.station, event.state) == (station, "running") and not done:
            done.append(event)
            act()

    return listen


def fill(place: Path) -> None:
    """Leave no room at all."""
    with (place / "hog").open("wb", buffering=0) as hog, contextlib.suppress(OSError):
        for size in (1 << 20, 4096):
            with contextlib.suppress(OSError):
                while hog.write(b"x" * size):
                    pass


@pytest.mark.parametrize("scenario", ["first TLS", "pair in use"])
@pytest.mark.parametrize("station", ["write", "reload", "rules", "prove-all"])
def test_a_full_disk_in_the_middle_is_rolled_back_without_any_room(disk: Path, newest_major: int, scenario: str, station: str) -> None:
    """The copies take the places of their originals; nobody has to make room first."""
    with stage_on(disk, newest_major, scenario) as stage:
        with pytest.raises(RolledBack, match=r"No space left.*Everything is as before"):
            apply(stage.plan, stage.facts, rehearse=False, report=at(station, lambda: fill(disk)))
        (disk / "hog").unlink()
        stage.assert_as_before()


def test_a_full_disk_does_not_stop_rolling_back(disk: Path, newest_major: int) -> None:
    """Of a change that stands; killed in the middle of that, the next command says so."""
    with stage_on(disk, newest_major, "pair in use") as stage:
        stage.apply()
        fill(disk)
        states = set()
        for number in itertools.count(3, 11):
            if not killed_before(number, lambda: rollback(stage.data)):
                break
            stage.assert_pair_matches()
            states.add(stage.assert_said())
        assert "undoing" in states
        (disk / "hog").unlink()
        stage.assert_as_before()


@pytest.mark.parametrize(("scenario", "station"), [("first TLS", "write"), ("first TLS", "prove-all"), ("pair in use", "rules")])
def test_a_disk_that_becomes_read_only_is_said_and_rollback_finishes_when_it_is_writable(
    open_tmp_path: Path, newest_major: int, scenario: str, station: str
) -> None:
    """As file systems do when they meet an error; the configuration lies on it, the data directory on another."""
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    place = open_tmp_path / "place"
    place.mkdir()
    with RealCluster.make(open_tmp_path, newest_major, "debian") as cluster, on_its_own_disk(cluster.config_directory):
        stage = Stage(cluster, place, SCENARIOS[scenario])

        def remount(how: str) -> None:
            subprocess.run(["mount", "-o", f"remount,{how}", str(cluster.config_directory)], check=True)

        def become_read_only() -> None:
            remount("ro")
            if station == "prove-all":
                raise KeyboardInterrupt

        written = station != "write"
        with pytest.raises(Interrupted if written else RolledBack, match="Read-only file system"):
            apply(stage.plan, stage.facts, rehearse=False, report=at(station, become_read_only))
        stage.assert_pair_matches()
        stage.assert_starts()
        if written:
            with pytest.raises(Interrupted, match="Read-only file system"):
                rollback(stage.data)
            stage.assert_pair_matches()
            stage.assert_starts()
        remount("rw")
        stage.assert_rolls_back()


@contextlib.contextmanager
def on_its_own_disk(directory: Path) -> Iterator[None]:
    """Put what a directory holds on a disk of its own, mounted in its place."""
    aside = directory.with_name("aside")
    directory.rename(aside)
    directory.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,mode=0755", "none", directory], check=False, capture_output=True).returncode:
        pytest.skip("mounting is not allowed here")
    subprocess.run(["cp", "-a", f"{aside}/.", str(directory)], check=True)
    shutil.rmtree(aside)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(directory)], check=True)


@pytest.mark.parametrize(("station", "name"), [("rules", "pg_hba.conf"), ("prove-all", "server.key"), ("rules", ".")])
def test_what_is_made_immutable_in_the_middle_is_named_and_rollback_finishes_afterwards(
    stopped_cluster: RealCluster, open_tmp_path: Path, station: str, name: str
) -> None:
    """Not even root writes to it then."""
    place = open_tmp_path / "place"
    place.mkdir()
    stage = Stage(stopped_cluster, place, SCENARIOS["pair in use"])
    path = stage.data / name
    if shutil.which("chattr") is None or subprocess.run(["chattr", "+i", str(path)], check=False, capture_output=True).returncode:
        pytest.skip("this file system knows no immutable files")
    subprocess.run(["chattr", "-i", str(path)], check=True)

    def shut() -> None:
        subprocess.run(["chattr", "+i", str(path)], check=True)
        if station == "prove-all":
            raise KeyboardInterrupt

    try:
        with pytest.raises((RolledBack, Interrupted)) as caught:
            apply(stage.plan, stage.facts, rehearse=False, report=at(station, shut))
    finally:
        subprocess.run(["chattr", "-i", str(path)], check=True)
    assert "Operation not permitted" in str(caught.value) or isinstance(caught.value, RolledBack)
    stage.assert_pair_matches()
    stage.assert_starts()
    stage.assert_rolls_back()


@pytest.mark.parametrize("station", ["back-up", "write", "reload", "rules"])
def test_a_user_who_loses_the_right_to_write_is_told_so_and_finishes_when_it_is_back(
    stopped_cluster: RealCluster, open_tmp_path: Path, station: str
) -> None:
    """The server's own user, who is not root."""
    if os.geteuid() != 0:
        pytest.skip("becoming another user needs root")
    place = open_tmp_path / "place"
    place.mkdir()
    stage = Stage(stopped_cluster, place, SCENARIOS["pair in use"])
    identity = stopped_cluster.identity
    let_through(place)
    os.chown(place, identity.uid, identity.gid)

    def as_user(body: Callable[[], object]) -> int:
        child = os.fork()
        if child == 0:
            code = 99
            try:
                os.setgroups(list(identity.groups))
                os.setgid(identity.gid)
                os.setuid(identity.uid)
                body()
                code = 0
            except WizardError as problem:
                code = problem.exit_code
            except BaseException:  # noqa: BLE001 - nothing of the tests may run in this copy of them
                traceback.print_exc(file=sys.__stderr__)
            finally:
                os._exit(code)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    def change() -> None:
        from tests.change.test_whole_way import facts_of, plan_for

        facts = facts_of(stopped_cluster)
        plan = plan_for(facts, stage.ca, {"clients.encryption": "required"})
        apply(plan, facts, rehearse=False, report=at(station, lambda: stage.data.chmod(0o500)))

    code = as_user(change)
    # Until something of ours stands there is nothing to put back.
    assert code == (4 if station in {"back-up", "write"} else 5)
    stage.data.chmod(0o700)
    stage.assert_pair_matches()
    stage.assert_starts()
    assert as_user(lambda: rollback(stage.data)) == 0
    os.chown(place, 0, 0)
    assert snapshot(stopped_cluster.base) == stage.before
