"""How long changes can be undone: old copies are shredded, the record stays, and copies are nobody else's to read meanwhile."""

from __future__ import annotations

import dataclasses
import grp
import os
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pgssl_wizard.change import retention, write
from pgssl_wizard.change.apply import apply
from pgssl_wizard.change.history import history
from pgssl_wizard.change.journal import Journal, Operation, back_up, begin, discard, make_state_directory, read, read_all, sweep
from pgssl_wizard.change.lock import exclusive
from pgssl_wizard.change.paths import changes_directory
from pgssl_wizard.change.recorded import last_answers
from pgssl_wizard.change.retention import Limits, beyond, forget, keep_within_limits
from pgssl_wizard.change.rollback import rollback
from pgssl_wizard.change.write import FileState, read_state
from pgssl_wizard.errors import Interrupted, Refused
from tests.change.test_whole_way import facts_of, plan_for
from tests.servers import RealCluster

NOW = datetime(2026, 11, 24, 11, 0, tzinfo=UTC)
SECRET = b"-----BEGIN PRIVATE KEY-----\nold\n"


def made(data: Path, *ages: float, state: str = "applied") -> list[Journal]:
    """Record changes so many days old, each of which has exchanged a key; return them, newest first."""
    uid, gid = os.getuid(), os.getgid()
    make_state_directory(data, uid=uid, gid=gid)
    for age in ages:
        when = datetime.now(UTC) - timedelta(days=age)
        identifier, directory = begin(data, uid=uid, gid=gid, now=when)
        key = data / "old.key"
        key.write_bytes(SECRET)
        before = read_state(key)
        name = back_up(directory, 0, key, before, uid=uid, gid=gid)
        operation = Operation("file", key, "tls", dataclasses.replace(before, data=None), backup=name, after_sha256="0" * 64)
        Journal(data, identifier, when, state, operations=(operation,)).write()  # type: ignore[arg-type]
    return read_all(data)


def copies(data: Path) -> list[str]:
    """Return the changes that still have a copy of the key, newest first."""
    return sorted((path.parent.name for path in changes_directory(data).glob("*/00-old.key")), reverse=True)


def test_by_default_twenty_stay_and_none_beyond_400_days_but_the_newest_three() -> None:
    """Of what can be undone: rolled back, pending and forgotten changes take nobody's place."""

    def journal(age: float, **changes: object) -> Journal:
        operation = Operation("file", Path("/data/old.key"), "tls", FileState(exists=False))
        whole = Journal(Path("/data"), f"{age:06.1f}", NOW - timedelta(days=age), "applied", operations=(operation,))
        return dataclasses.replace(whole, **changes)  # type: ignore[arg-type]

    young = [journal(age) for age in range(25)]
    assert beyond(young, Limits(), NOW) == young[20:]
    others = [journal(0.5, state="rolled-back"), journal(0.6, state="pending"), journal(0.7, forgotten=NOW)]
    assert beyond([*others, *young], Limits(), NOW) == young[20:]
    assert beyond([journal(1, state=state) for state in ("working", "undoing", "pending")], Limits(number=0), NOW) == []
    old = [journal(age) for age in (401, 500, 600, 700, 800)]
    assert beyond(old, Limits(), NOW) == old[3:]
    mixed = [journal(age) for age in (1, 2, 3, 399, 401)]
    assert beyond(mixed, Limits(), NOW) == mixed[4:]
    request = journal(900, operations=(Operation("ca", Path("/request.csr"), "ca", FileState(exists=False)),))
    assert beyond([*old, request], Limits.asked(0, None), NOW) == old


def test_what_a_person_asks_for_is_meant() -> None:
    """A number alone says nothing about age, an age alone nothing about numbers."""
    assert Limits.asked(None, None) == Limits(20, 400, 3)
    assert Limits.asked(5, None) == Limits(5, None, 0)
    assert Limits.asked(None, 30) == Limits(None, 30, 0)
    assert Limits.asked(0, 30) == Limits(0, 30, 0)


def test_forgetting_shreds_the_copies_and_keeps_the_record(tmp_path: Path) -> None:
    newest, middle, oldest = made(tmp_path, 30, 20, 10)
    held = (oldest.directory / "00-old.key").open("rb")
    done = forget(tmp_path, Limits.asked(1, None))
    assert [change.id for change in done.forgotten] == [middle.id, oldest.id]
    assert [change.id for change in done.undoable] == [newest.id]
    assert copies(tmp_path) == [newest.id]
    with held:
        left = held.read()
    assert len(left) == len(SECRET)
    assert left != SECRET
    listed = history(tmp_path)
    assert [(change.id, change.state, change.undoable) for change in listed] == [
        (newest.id, "applied", True),
        (middle.id, "applied", False),
        (oldest.id, "applied", False),
    ]
    assert listed[0].forgotten is None
    assert listed[1].forgotten is not None
    assert forget(tmp_path, Limits.asked(1, None)).forgotten == ()


def test_a_forgotten_change_is_not_undone_and_says_so(tmp_path: Path) -> None:
    (journal,) = made(tmp_path, 10)
    retention.refuse_forgotten(journal)
    forget(tmp_path, Limits.asked(0, None))
    with pytest.raises(Refused, match="cannot be undone any more, nor can any before it") as refused:
        retention.refuse_forgotten(read(tmp_path, journal.id))
    assert refused.value.code == "forgotten"
    assert "history" in (refused.value.hint or "")


@pytest.mark.parametrize("at", range(17))
def test_a_kill_in_the_middle_of_forgetting_does_no_harm_and_is_finished(tmp_path: Path, at: int) -> None:
    """Before any step; what is forgotten by then is on record, and the next run shreds the rest."""
    newest, *_ = made(tmp_path, 30, 20, 10)
    child = os.fork()
    if child == 0:
        steps = 0

        def before(name: str) -> object:
            real = getattr(os, name)

            def step(*arguments: object, **named: object) -> object:
                nonlocal steps
                steps += 1
                if steps > at:
                    os.kill(os.getpid(), 9)
                return real(*arguments, **named)

            return step

        for name in ("write", "rename", "unlink", "fsync"):
            setattr(os, name, before(name))
        try:
            with exclusive(tmp_path, uid=os.getuid(), gid=os.getgid()):
                retention._forget(read_all(tmp_path), Limits.asked(1, None))
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    for journal in read_all(tmp_path):
        if journal.forgotten is None:
            assert journal.backup_of(journal.operations[0]).data == SECRET
    forget(tmp_path, Limits.asked(1, None))
    assert copies(tmp_path) == [newest.id]
    assert [journal.forgotten is None for journal in read_all(tmp_path)] == [True, False, False]


def test_what_a_killed_undo_has_left_is_shredded_too(tmp_path: Path) -> None:
    """Copies and the pair's file of a change that is rolled back."""
    (journal,) = made(tmp_path, 1, state="rolled-back")
    write.create(journal.directory / "pair.pem", SECRET, mode=0o600)
    assert keep_within_limits(tmp_path) == ()
    assert sorted(os.listdir(journal.directory)) == ["journal.json"]


@pytest.mark.parametrize(("state", "error"), [("pending", Interrupted), ("working", Interrupted), ("undoing", Interrupted)])
def test_a_change_that_is_not_finished_is_never_forgotten(tmp_path: Path, state: str, error: type[Exception]) -> None:
    """It comes first, and the older ones are left alone until then."""
    made(tmp_path, 30)
    made(tmp_path, 20, state=state)
    with pytest.raises(error):
        forget(tmp_path, Limits.asked(0, None))
    assert len(copies(tmp_path)) == 2


def test_forgetting_waits_for_nobody_who_holds_the_lock(tmp_path: Path) -> None:
    made(tmp_path, 30)
    with exclusive(tmp_path, uid=os.getuid(), gid=os.getgid()), pytest.raises(Refused) as refused:
        forget(tmp_path, Limits.asked(0, None))
    assert refused.value.code == "locked"
    assert len(copies(tmp_path)) == 1


def test_at_the_end_of_a_change_the_usual_limits_are_kept_and_that_is_told(tmp_path: Path) -> None:
    made(tmp_path, 700, 600, 500, 450)
    (said,) = keep_within_limits(tmp_path)
    assert (said.severity, said.code) == ("info", "changes-forgotten")
    assert len(copies(tmp_path)) == 3
    assert keep_within_limits(tmp_path) == ()


def test_what_cannot_be_shredded_is_told_and_spoils_nothing(tmp_path: Path) -> None:
    journal = made(tmp_path, 700, 600, 500, 450)[-1]
    path = journal.directory / "journal.json"
    whole = path.read_bytes()
    path.write_bytes(b"{")
    (said,) = keep_within_limits(tmp_path)
    assert (said.severity, said.code) == ("warning", "not-forgotten")
    assert f"pgssl-wizard forget {tmp_path}" in (said.hint or "")
    assert len(copies(tmp_path)) == 4
    path.write_bytes(whole)
    assert [finding.code for finding in keep_within_limits(tmp_path)] == ["changes-forgotten"]


def test_copies_of_a_change_that_never_began_are_shredded(tmp_path: Path) -> None:
    """By whoever comes next, and by the run itself when it cannot register its change."""
    for clear in (lambda _: sweep(tmp_path), discard):
        (journal,) = made(tmp_path, 1)
        (journal.directory / "journal.json").unlink()
        with (journal.directory / "00-old.key").open("rb") as held:
            clear(journal.directory)
            assert held.read() not in {b"", SECRET}
        assert not journal.directory.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, for owners")
@pytest.mark.parametrize("mode", [0o600, 0o640])
def test_copies_are_never_open_to_more_than_the_original(newest_cluster: RealCluster, tmp_path: Path, mode: int) -> None:
    """The data directory's owner alone, in a directory of its owner alone; also of a key that root owns and a group may read."""
    data = newest_cluster.data_directory
    facts = facts_of(newest_cluster)
    group = grp.getgrgid(newest_cluster.identity.gid).gr_name
    answers: dict[str, object] = {"files.key_owner": "root", "files.key_group": group} if mode == 0o640 else {}
    apply(plan_for(facts, tmp_path / "ca", answers), facts, rehearse=False)
    key = data / "server.key"
    original = key.stat()
    assert (stat.S_IMODE(original.st_mode), original.st_uid) == (mode, 0 if mode == 0o640 else newest_cluster.identity.uid)
    facts = facts_of(newest_cluster)
    apply(plan_for(facts, tmp_path / "ca", {**answers, "server.names": ["localhost"]}), facts, rehearse=False)
    journal = read_all(data)[0]
    entries = [journal.directory, *journal.directory.iterdir(), changes_directory(data), changes_directory(data).parent]
    for path in entries:
        status = path.stat()
        expected = 0o700 if path.is_dir() else 0o600
        assert (stat.S_IMODE(status.st_mode), status.st_uid) == (expected, newest_cluster.identity.uid), path
    assert any(path.read_bytes() == journal.backup_of(journal.operations[0]).data for path in entries if path.is_file())
    operation = next(operation for operation in journal.operations if operation.path == key)
    write.put_back(key, journal.backup_of(operation))
    restored, copy = key.stat(), (journal.directory / str(operation.backup)).stat()
    assert (restored.st_mode, restored.st_uid, restored.st_gid, restored.st_mtime_ns) == (
        original.st_mode,
        original.st_uid,
        original.st_gid,
        original.st_mtime_ns,
    )
    assert (stat.S_IMODE(copy.st_mode), copy.st_uid, copy.st_nlink) == (0o600, newest_cluster.identity.uid, 1)


def test_what_renewing_asks_for_outlives_forgetting(newest_cluster: RealCluster, tmp_path: Path) -> None:
    """The answers of a change hold no secret, and stay."""
    facts = facts_of(newest_cluster)
    apply(plan_for(facts, tmp_path / "ca", {}), facts, rehearse=False)
    forget(newest_cluster.data_directory, Limits.asked(0, None))
    (journal,) = read_all(newest_cluster.data_directory)
    assert journal.forgotten is not None
    given = last_answers(newest_cluster.data_directory)
    assert given is not None
    assert given.values["certificate.ca_directory"] == str(tmp_path / "ca")


def test_at_the_end_of_every_apply_old_changes_are_forgotten_and_undoing_stops_there(newest_cluster: RealCluster, tmp_path: Path) -> None:
    """Also of one that had nothing to do; what is forgotten is refused by name and as the next in line, and nothing changes then."""
    data = newest_cluster.data_directory
    oldest = made(data, 700, 600, 500, 450)[-1]
    facts = facts_of(newest_cluster)
    done = apply(plan_for(facts, tmp_path / "ca", {}), facts, rehearse=False)
    assert "changes-forgotten" in [finding.code for finding in done.findings]
    assert done.undoable
    assert [change.undoable for change in history(data)] == [True, True, True, False, False]
    with pytest.raises(Refused) as refused:
        rollback(data, oldest.id)
    assert refused.value.code == "forgotten"
    assert facts_of(newest_cluster).value("ssl") == "on"
    rollback(data)
    made(data, 401, 402)
    forget(data, Limits.asked(0, None))
    with pytest.raises(Refused, match="nor can any before it") as refused:
        rollback(data)
    assert refused.value.code == "forgotten"
    again = facts_of(newest_cluster)
    apply(plan_for(again, tmp_path / "ca", {}), again, rehearse=False)
    made(data, 700, 600, 500, 450)
    facts = facts_of(newest_cluster)
    nothing = apply(plan_for(facts, tmp_path / "ca", {}), facts)
    assert (nothing.id, "changes-forgotten" in [finding.code for finding in nothing.findings]) == (None, True)
