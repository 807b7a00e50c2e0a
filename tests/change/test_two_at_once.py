"""Two runs at once on one cluster: one works, and everybody else is told who it is and since when."""

from __future__ import annotations

import contextlib
import os
import re
import select
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from pgssl_wizard.change.lock import exclusive, holder
from pgssl_wizard.change.rollback import rollback
from pgssl_wizard.errors import Refused
from tests.change.test_every_step import command
from tests.servers import RealCluster

CHECKOUT = Path(__file__).resolve().parents[2]


@contextlib.contextmanager
def two_applying(cluster: RealCluster, place: Path) -> Iterator[tuple[subprocess.Popen[str], subprocess.Popen[str]]]:
    """Start the same change twice; yield the run that has ended and the other one, which waits for a passphrase in the middle."""
    pipe = place / "passphrase"
    os.mkfifo(pipe)
    answers = {
        "certificate.ca_directory": place / "ca",
        "certificate.encrypt_ca_key": "true",
        "certificate.ca_passphrase_command": f"cat {pipe}",
        "clients.encryption": "optional",
    }
    options = [each for name, value in answers.items() for each in ("--set", f"{name}={value}")]
    runs = [
        subprocess.Popen(
            [sys.executable, "-m", "pgssl_wizard", "apply", str(cluster.data_directory), "--no-rehearse", "--json", *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=place,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(CHECKOUT), "HOME": str(place)},
        )
        for _ in range(2)
    ]
    watched = {os.pidfd_open(each.pid): each for each in runs}
    try:
        ended, _, _ = select.select(list(watched), [], [])
        first = watched[ended[0]]
        (second,) = [each for each in runs if each is not first]
        yield first, second
        if second.poll() is None:
            pipe.write_text("a passphrase\n", encoding="utf-8")
    finally:
        for descriptor, each in watched.items():
            os.close(descriptor)
            with contextlib.suppress(ProcessLookupError):
                if sys.exc_info()[0] is not None:
                    each.kill()
        for each in runs:
            each.communicate()


def test_of_two_at_the_same_moment_one_works_and_everybody_else_is_told_who(newest_cluster: RealCluster, open_tmp_path: Path) -> None:
    """Whoever writes ends with 3 and has changed nothing; whoever only looks is told in passing."""
    data = newest_cluster.data_directory
    with two_applying(newest_cluster, open_tmp_path) as (refused, working):
        out, err = refused.communicate()
        assert refused.returncode == 3, err
        told = rf"another run is changing this cluster: process {working.pid} of \S+, since \d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
        assert re.search(told, err)
        assert '"locked"' in out
        assert "Traceback" not in err
        for name in ("apply", "rollback", "confirm"):
            code, document = command(name, data)
            assert (code, [each["code"] for each in document["findings"]]) == (3, ["locked"]), name
            assert re.search(told, document["findings"][0]["message"])
        for name in ("inspect", "plan", "verify"):
            code, document = command(name, data)
            (said,) = [each for each in document["findings"] if each["code"] == "change-running"]
            assert (said["severity"], code) == ("info", 1 if name == "verify" else 0), name
            assert re.search(told, said["message"])
    assert working.returncode == 0
    code, document = command("inspect", data)
    assert "change-running" not in [each["code"] for each in document["findings"]]
    assert document["cluster"]["settings"]["ssl"]["value"] == "on"
    rollback(data)


def test_many_who_come_and_go_never_meet_and_none_is_sent_away_for_another_reason(tmp_path: Path) -> None:
    """Each finds the directories that the one before it takes along, and nothing is left at the end."""
    rounds, runs = 60, 4
    children = []
    for _ in range(runs):
        child = os.fork()
        if child == 0:
            code = 1
            try:
                code = come_and_go(tmp_path, rounds)
            finally:
                os._exit(code)
        children.append(child)
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    assert codes == [0] * runs
    assert list(tmp_path.iterdir()) == []


def come_and_go(directory: Path, rounds: int) -> int:
    """Take the lock again and again; return 0 when nobody else was ever inside and the only refusal was that it is taken."""
    inside = directory / "pgsql_tmp.pgssl-wizard" / "changes" / "inside"
    for _ in range(rounds):
        try:
            with exclusive(directory, uid=os.getuid(), gid=os.getgid()):
                inside.mkdir()
                inside.rmdir()
        except Refused as refusal:
            if refusal.code != "locked":
                return 2
    return 0


def test_who_only_looks_does_not_send_a_run_away(tmp_path: Path) -> None:
    """Looking takes the lock for an instant."""
    looking = os.fork()
    if looking == 0:
        parent = os.getppid()
        while os.getppid() == parent:
            holder(tmp_path)
        os._exit(0)
    try:
        for _ in range(200):
            with exclusive(tmp_path, uid=os.getuid(), gid=os.getgid()):
                pass
    finally:
        os.kill(looking, 9)
        os.waitpid(looking, 0)
