"""A change that is put back by itself unless somebody confirms it, on real servers."""

from __future__ import annotations

import dataclasses
import os
import pickle
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from pgssl_wizard.change import watchdog_lock
from pgssl_wizard.change.apply import apply
from pgssl_wizard.change.confirm import confirm
from pgssl_wizard.change.history import history
from pgssl_wizard.change.journal import Journal, read_all
from pgssl_wizard.change.lock import exclusive
from pgssl_wizard.change.model import Change
from pgssl_wizard.change.pending import refuse_unfinished, remarks
from pgssl_wizard.change.rollback import rollback
from pgssl_wizard.errors import Interrupted, Refused, RolledBack
from pgssl_wizard.server import detached, handshake
from tests.change import planning
from tests.servers import RealCluster
from tests.servers.cluster import _until

#: Long enough to look at a change that waits, seconds; no test waits for its end.
LONG = 600
#: How long a change waits when a test wants it to be put back, seconds.
SHORT = 1.0


def apply_all(cluster: RealCluster, ca: Path, within: float) -> Change:
    """Switch TLS on, to be confirmed."""
    facts = planning.look(cluster)
    return apply(planning.plan(cluster, facts, ca), facts, rehearse=False, confirm_within=within)


def journal_of(cluster: RealCluster) -> Journal:
    """Return the newest journal."""
    return read_all(cluster.data_directory)[0]


def watched(cluster: RealCluster) -> bool:
    """Whether the newest change has a watchdog that lives."""
    return watchdog_lock.held(journal_of(cluster).directory)


def wait_for_the_watchdogs_end(cluster: RealCluster) -> None:
    """Return when the watchdog of the newest change is gone."""
    for _ in _until("the watchdog did not end"):
        if not watched(cluster):
            return


def serves_tls(cluster: RealCluster) -> bool:
    """Whether a new connection meets TLS."""
    return handshake.fetch("127.0.0.1", cluster.port) is not None


def test_a_change_that_is_confirmed_stands_and_its_watchdog_goes(cluster: RealCluster, tmp_path: Path) -> None:
    """Until then nothing else may be written, and whoever looks is told."""
    made = apply_all(cluster, tmp_path / "ca", LONG)
    assert (made.state, made.proved) == ("pending", True)
    assert made.confirm_until is not None
    assert watched(cluster)
    (listed,) = history(cluster.data_directory)
    assert (listed.state, listed.confirm_until) == ("pending", made.confirm_until)
    assert [(each.severity, each.code) for each in remarks(cluster.data_directory)] == [("info", "change-pending")]
    facts = planning.look(cluster, {"ssl": "on"})
    with pytest.raises(Refused, match="waits to be confirmed until") as caught:
        apply(planning.plan(cluster, facts, tmp_path / "ca"), facts)
    assert caught.value.code == "change-pending"
    assert f"confirm {cluster.data_directory}" in (caught.value.hint or "")
    kept = confirm(cluster.data_directory)
    assert (kept.id, kept.state) == (made.id, "applied")
    wait_for_the_watchdogs_end(cluster)
    assert journal_of(cluster).state == "applied"
    assert serves_tls(cluster)
    assert confirm(cluster.data_directory).findings[0].code == "nothing-to-confirm"


_APPLIES = """
import pickle, sys
from pgssl_wizard.change.apply import apply
plan, facts, within = pickle.load(sys.stdin.buffer)
print(apply(plan, facts, rehearse=False, confirm_within=within).state, flush=True)
sys.stdin.buffer.read()
"""


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGKILL])
def test_a_change_that_nobody_confirms_is_put_back_although_its_session_was_killed(
    newest_cluster: RealCluster, tmp_path: Path, number: signal.Signals
) -> None:
    """Byte for byte, and proved; the terminal and the process that applied are gone by then."""
    cluster = newest_cluster
    before = planning.snapshot(cluster.base)
    facts = planning.look(cluster)
    applying = subprocess.Popen(
        [sys.executable, "-c", _APPLIES],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
        start_new_session=True,
    )
    assert applying.stdin is not None
    assert applying.stdout is not None
    applying.stdin.write(pickle.dumps((planning.plan(cluster, facts, tmp_path / "ca"), facts, SHORT)))
    applying.stdin.flush()
    assert applying.stdout.readline() == b"pending\n"
    os.killpg(applying.pid, number)
    assert applying.wait() == -number
    applying.stdin.close()
    applying.stdout.close()
    wait_for_the_watchdogs_end(cluster)
    journal = journal_of(cluster)
    assert (journal.state, journal.proved) == ("rolled-back", True), journal.words
    assert (journal.words or "").startswith("nobody confirmed it until")
    assert planning.snapshot(cluster.base) == before
    assert not serves_tls(cluster)
    assert "done: the server reads the old files" in (journal.directory / watchdog_lock.NAME).read_text(encoding="utf-8")
    with pytest.raises(RolledBack, match="too late"):
        confirm(cluster.data_directory)


def test_rolling_back_does_not_wait_for_the_end_of_the_window(newest_cluster: RealCluster, tmp_path: Path) -> None:
    """And the watchdog finds nothing left to do."""
    before = planning.snapshot(newest_cluster.base)
    made = apply_all(newest_cluster, tmp_path / "ca", LONG)
    undone = rollback(newest_cluster.data_directory)
    assert (undone.id, undone.state, undone.proved) == (made.id, "rolled-back", True)
    assert planning.snapshot(newest_cluster.base) == before
    wait_for_the_watchdogs_end(newest_cluster)
    assert journal_of(newest_cluster).state == "rolled-back"
    assert confirm(newest_cluster.data_directory).id is None, "it was undone by hand, and nobody is too late"


def test_after_a_restart_of_the_machine_an_unconfirmed_change_is_reported_until_it_is_ended(
    newest_cluster: RealCluster, tmp_path: Path
) -> None:
    """The journal remembers in which run of the machine it began to wait."""
    cluster = newest_cluster
    before = planning.snapshot(cluster.base)
    made = apply_all(cluster, tmp_path / "ca", LONG)
    path = journal_of(cluster).directory / "journal.json"
    path.write_bytes(path.read_bytes().replace(journal_of(cluster).boot.encode(), b"another run"))
    with pytest.raises(Interrupted, match="restarted before it was undone") as caught:
        refuse_unfinished(cluster.data_directory, writes=False)
    hint = caught.value.hint or ""
    assert f"rollback {cluster.data_directory}" in hint
    assert f"confirm {cluster.data_directory}" in hint
    facts = planning.look(cluster, {"ssl": "on"})
    with pytest.raises(Interrupted):
        apply(planning.plan(cluster, facts, tmp_path / "ca"), facts)
    assert [(each.severity, each.code) for each in remarks(cluster.data_directory)] == [("error", "unconfirmed-change")]
    undone = rollback(cluster.data_directory)
    assert (undone.id, undone.proved) == (made.id, True)
    assert planning.snapshot(cluster.base) == before


def test_a_watchdog_that_died_is_noticed_and_the_change_can_still_be_kept(newest_cluster: RealCluster, tmp_path: Path) -> None:
    """Its lock died with it."""
    cluster = newest_cluster
    apply_all(cluster, tmp_path / "ca", LONG)
    os.kill(watchdog_of(cluster), signal.SIGKILL)
    wait_for_the_watchdogs_end(cluster)
    with pytest.raises(Interrupted, match="the watchdog that would have undone it is gone"):
        refuse_unfinished(cluster.data_directory)
    assert confirm(cluster.data_directory).state == "applied"
    assert refuse_unfinished(cluster.data_directory) == ()
    assert serves_tls(cluster)


def test_what_somebody_did_since_is_not_destroyed_by_the_watchdog(newest_cluster: RealCluster, tmp_path: Path) -> None:
    """It says why it could not put things back, and leaves the choice to a person: what it names as the way back is one."""
    cluster = newest_cluster
    before = planning.snapshot(cluster.base)
    apply_all(cluster, tmp_path / "ca", SHORT)
    ours = cluster.hba_file.read_bytes()
    edited = cluster.hba_file.read_text(encoding="utf-8") + "# mine\n"
    cluster.write(cluster.hba_file, edited)
    wait_for_the_watchdogs_end(cluster)
    assert cluster.hba_file.read_text(encoding="utf-8") == edited
    with pytest.raises(Interrupted, match="could not be undone by itself: changed by somebody since") as caught:
        refuse_unfinished(cluster.data_directory)
    assert "take back what stands in the way" in (caught.value.hint or "")
    with pytest.raises(Refused, match="changed by somebody since"):
        rollback(cluster.data_directory)
    cluster.write(cluster.hba_file, ours.decode())
    assert rollback(cluster.data_directory).state == "rolled-back"
    assert planning.snapshot(cluster.base) == before


def test_who_confirms_while_it_is_being_put_back_is_told_that_it_is_too_late(newest_cluster: RealCluster, tmp_path: Path) -> None:
    """The watchdog holds the lock then; a run of somebody else's before the end is another matter."""
    cluster = newest_cluster
    made = apply_all(cluster, tmp_path / "ca", LONG)
    owner = cluster.identity
    with exclusive(cluster.data_directory, uid=owner.uid, gid=owner.gid):
        with pytest.raises(Refused, match="another run") as busy:
            confirm(cluster.data_directory)
        assert busy.value.code == "locked"
        journal = journal_of(cluster)
        dataclasses.replace(journal, confirm_until=journal.made).write()
        with pytest.raises(RolledBack, match=f"too late, the change {made.id} is being put back") as late:
            confirm(cluster.data_directory)
        assert late.value.code == "confirmed-too-late"
    rollback(cluster.data_directory)


def test_without_a_watchdog_there_is_no_change(newest_cluster: RealCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A window that nothing would end is not opened: everything is put back."""
    before = planning.snapshot(newest_cluster.base)
    monkeypatch.setattr(detached, "sys", SimpleNamespace(executable=str(tmp_path / "no-python")))
    with pytest.raises(RolledBack, match="watchdog") as caught:
        apply_all(newest_cluster, tmp_path / "ca", LONG)
    assert caught.value.code == "no-watchdog"
    assert planning.snapshot(newest_cluster.base) == before
    assert not serves_tls(newest_cluster)


def test_what_nobody_can_try_stands_at_once(stopped_cluster: RealCluster, tmp_path: Path) -> None:
    """A server that is down has nothing to confirm, and that is said."""
    made = apply_all(stopped_cluster, tmp_path / "ca", LONG)
    assert (made.state, made.confirm_until) == ("applied", None)
    assert "nothing-to-confirm" in [finding.code for finding in made.findings]
    assert not watched(stopped_cluster)


def watchdog_of(cluster: RealCluster) -> int:
    """Return the process of the newest change's watchdog, after a look at what everybody may see of it."""
    journal = journal_of(cluster)
    arguments = f"pgssl_wizard.change.watchdog {cluster.data_directory} {journal.id}"
    listed = subprocess.run(["ps", "-ww", "-eo", "pid=,sess=,ppid=,args="], capture_output=True, text=True, check=True).stdout.splitlines()
    (line,) = [each for each in listed if each.rstrip().endswith(arguments)]
    pid, session, _, *_ = line.split(maxsplit=3)
    assert session not in {pid, str(os.getsid(0))}, "a session of its own, and not its leader"
    return int(pid)
