"""Access control lists, labels, flags, owners and modes of every touched file survive, or the change is refused beforehand."""

from __future__ import annotations

import contextlib
import grp
import os
import shutil
import stat
import struct
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pgssl_wizard.change import checks, write
from pgssl_wizard.change.apply import apply
from pgssl_wizard.change.journal import Operation, back_up, read_all
from pgssl_wizard.change.model import Change
from pgssl_wizard.change.paths import STATE_DIRECTORY
from pgssl_wizard.change.rollback import rollback
from pgssl_wizard.change.write import ACL, FileState
from pgssl_wizard.errors import Refused
from tests.change import planning
from tests.change.test_apply import owned_by, run_as
from tests.change.test_whole_way import facts_of, plan_for
from tests.change.test_write import full_disk
from tests.servers import RealCluster
from tests.servers.cluster import let_through

__all__ = ["full_disk"]

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root, for owners and labels of all kinds"),
    pytest.mark.skipif(not hasattr(os, "setxattr"), reason="extended attributes as Linux has them"),
]

#: A user who is named in access control lists, and nobody's owner here.
NAMED = 4321
_NOBODY = 0xFFFFFFFF
#: As it is when nobody watches.
_OPEN = os.open

Seen = tuple[bytes, int, int, int, int, dict[str, bytes]]


def acl(mode: int, *, named: int = 4) -> bytes:
    """Return a list as Linux stores it, in which one more user has rights; its mask is what `mode` says for the group."""
    entries = [
        (0x01, mode >> 6 & 7, _NOBODY),
        (0x02, named, NAMED),
        (0x04, 0, _NOBODY),
        (0x10, mode >> 3 & 7, _NOBODY),
        (0x20, mode & 7, _NOBODY),
    ]
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


def adorn(path: Path) -> None:
    """Give a file every kind of attribute; its mode stays."""
    mode = stat.S_IMODE(path.stat().st_mode)
    for name, value in {
        "user.note": b"ours",
        "trusted.note": b"root's",
        "security.selinux": b"system_u:object_r:postgresql_db_t:s0\0",
        "security.capability": struct.pack("<5I", 0x02000000, 1 << 10, 0, 0, 0),
        ACL: acl(mode),
    }.items():
        try:
            os.setxattr(path, name, value)
        except OSError as error:
            pytest.skip(f"no {name} on this file system: {error.strerror}")
    assert stat.S_IMODE(path.stat().st_mode) == mode


def seen(path: Path) -> Seen:
    """Return everything of a file that must come back."""
    status = path.lstat()
    attributes = {name: os.getxattr(path, name) for name in os.listxattr(path)}
    return path.read_bytes(), stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid, status.st_mtime_ns, attributes


def hand_down(directory: Path) -> None:
    """Have a directory give everything new in it to the named user, too."""
    try:
        os.setxattr(directory, "system.posix_acl_default", acl(0o775, named=7))
    except OSError as error:
        pytest.skip(f"no access control lists on this file system: {error.strerror}")


@contextlib.contextmanager
def flagged(path: Path, letter: str) -> Iterator[None]:
    """Set an inode flag with chattr for the length of a block."""
    if shutil.which("chattr") is None:
        pytest.skip("no chattr")
    done = subprocess.run(["chattr", f"+{letter}", str(path)], check=False, capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"no such flag here: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["chattr", f"-{letter}", str(path)], check=True, capture_output=True)


@pytest.fixture(params=["memory or as the tests", "disk"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A directory in the tests' own place, which is in memory where there is room, and one on a disk."""
    if request.param != "disk":
        yield tmp_path
        return
    made = Path(tempfile.mkdtemp(prefix="pgt-", dir="/var/tmp"))
    try:
        yield made
    finally:
        shutil.rmtree(made)


def change(real: RealCluster, ca: Path, **answers: object) -> Change:
    """Plan and apply, without a rehearsal: it does not touch these files."""
    facts = facts_of(real)
    plan = plan_for(facts, ca, {name.replace("__", "."): value for name, value in answers.items()})
    return apply(plan, facts, rehearse=False)


def test_every_attribute_of_every_file_survives_a_change_and_comes_back(cluster: RealCluster, tmp_path: Path) -> None:
    """On every version: settings, rules, and a pair in use that is exchanged, with the detour over postgresql.auto.conf."""
    change(cluster, tmp_path / "ca", clients__encryption="optional")
    data = cluster.data_directory
    files = [cluster.config_file, cluster.hba_file, cluster.auto_conf, data / "server.key", data / "server.crt"]
    for path in files:
        adorn(path)
    before = {path: seen(path) for path in files}
    made = change(cluster, tmp_path / "ca", clients__encryption="required", server__names=["other.example.com"])
    assert made.proved
    assert set(files) - {cluster.config_file} <= {*made.files, cluster.auto_conf}
    for path, (content, mode, uid, gid, _, attributes) in before.items():
        now = seen(path)
        assert now[1:4] == (mode, uid, gid), path
        assert now[5] == attributes, path
        assert path in {cluster.config_file, cluster.auto_conf} or now[0] != content
    assert rollback(data).proved
    assert {path: seen(path) for path in files} == before


def test_what_this_user_cannot_give_again_is_found_out_beforehand(newest_cluster: RealCluster, tmp_path: Path) -> None:
    """A label that root has set, and the server's user applies: refused, and nothing new is there."""
    # What the child will need is loaded while we may still read it.
    change(newest_cluster, tmp_path / "ca")
    rollback(newest_cluster.data_directory)
    (newest_cluster.base / "his").mkdir()
    os.chown(newest_cluster.base / "his", newest_cluster.identity.uid, -1)
    facts = planning.look(newest_cluster)
    wanted = owned_by(newest_cluster, planning.plan(newest_cluster, facts, newest_cluster.base / "his" / "ca"))
    os.setxattr(newest_cluster.config_file, "security.note", b"a label that only root can give")
    before = planning.snapshot(newest_cluster.base)
    names = sorted(newest_cluster.base.rglob("*"))
    answer = run_as(newest_cluster.identity, facts, wanted)
    assert answer.startswith("Refused attributes"), answer
    assert "security.note" in answer
    assert planning.snapshot(newest_cluster.base) == before
    assert sorted(newest_cluster.base.rglob("*")) == names


@pytest.mark.parametrize("letter", ["i", "a"])
@pytest.mark.parametrize("what", ["pg_hba.conf", "postgresql.auto.conf", "directory of a new file", "data directory"])
def test_immutable_and_append_only_are_refused_with_the_way_to_go(
    newest_cluster: RealCluster, tmp_path: Path, letter: str, what: str
) -> None:
    """Of a file, of the one that the server rewrites, and of directories; nothing has changed then."""
    newest_cluster.stop()
    elsewhere = newest_cluster.base / "tls"
    elsewhere.mkdir()
    os.chown(elsewhere, newest_cluster.identity.uid, newest_cluster.identity.gid)
    facts = facts_of(newest_cluster)
    answers = {"files.certificate": str(elsewhere / "server.crt"), "files.key": str(elsewhere / "server.key")}
    if what == "postgresql.auto.conf":
        newest_cluster.auto_conf.write_text("ssl = 'off'\n")
        facts = facts_of(newest_cluster)
    plan = plan_for(facts, tmp_path / "ca", {**answers, "clients.encryption": "required"})
    before = planning.snapshot(newest_cluster.base)
    path = {"directory of a new file": elsewhere, "data directory": newest_cluster.data_directory}.get(
        what, newest_cluster.data_directory / what
    )
    with flagged(path, letter), pytest.raises(Refused, match=r"is (immutable|append-only)") as refused:
        apply(plan, facts, rehearse=False)
    assert refused.value.code == "immutable"
    assert refused.value.where == str(path)
    assert f"chattr -{letter} {path}" in (refused.value.hint or "")
    assert planning.snapshot(newest_cluster.base) == before
    assert not (newest_cluster.data_directory / STATE_DIRECTORY).exists()
    assert not (tmp_path / "ca").exists()


def test_what_was_made_immutable_since_stops_an_undo_before_it_begins(newest_cluster: RealCluster, tmp_path: Path) -> None:
    """Half put back would be worse than either end."""
    change(newest_cluster, tmp_path / "ca", clients__encryption="required")
    (journal,) = read_all(newest_cluster.data_directory)
    checks.check_can_put_back(journal)
    before = planning.snapshot(newest_cluster.base)
    with flagged(newest_cluster.hba_file, "i"), pytest.raises(Refused) as refused:
        rollback(newest_cluster.data_directory)
    assert (refused.value.code, refused.value.where) == ("immutable", str(newest_cluster.hba_file))
    assert planning.snapshot(newest_cluster.base) == before
    assert rollback(newest_cluster.data_directory).proved


def test_trying_out_leaves_nothing_not_even_another_time_of_the_directory(folder: Path) -> None:
    path = folder / "server.key"
    path.write_bytes(b"secret")
    adorn(path)
    before = (folder.stat().st_mtime_ns, os.listdir(folder), seen(path))
    write.try_out(path, write.read_state(path))
    assert (folder.stat().st_mtime_ns, os.listdir(folder), seen(path)) == before


def test_trying_out_works_where_every_file_needs_a_name(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on NFS; the name is gone afterwards."""
    path = folder / "server.key"
    path.write_bytes(b"secret")
    adorn(path)
    monkeypatch.delattr(os, "O_TMPFILE")
    write.try_out(path, write.read_state(path))
    assert os.listdir(folder) == ["server.key"]


def opened_by_somebody(path: Path) -> bool:
    """Whether the user who is named in the lists can open a file for reading; tried by a process that has become that user."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.setgroups([])
            os.setgid(NAMED)
            os.setuid(NAMED)
            os.close(_OPEN(path, os.O_RDONLY))
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def watch_every_step(monkeypatch: pytest.MonkeyPatch, folder: Path) -> list[tuple[str, str]]:
    """Have the named user try to open everything in a directory after every step of ours; return what succeeded, as it happens."""
    opened: list[tuple[str, str]] = []

    def after(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def step(*arguments: Any, **named: Any) -> Any:
            result = real(*arguments, **named)
            opened.extend((name, each) for each in os.listdir(folder) if opened_by_somebody(folder / each))
            return result

        return step

    for name in ("open", "fchown", "fchmod", "setxattr", "removexattr", "write", "fsync", "link", "rename", "unlink", "utime"):
        monkeypatch.setattr(os, name, after(name, getattr(os, name)))
    return opened


@pytest.mark.parametrize("mode", [0o600, 0o640])
def test_nobody_gets_at_a_new_key_through_what_its_directory_hands_down(folder: Path, monkeypatch: pytest.MonkeyPatch, mode: int) -> None:
    """At no step, and not afterwards: a new secret has no access control list."""
    let_through(folder)
    hand_down(folder)
    (folder / "plain").touch(0o640)
    # The lists are in force here, and trying finds what they let in.
    assert opened_by_somebody(folder / "plain")
    (folder / "plain").unlink()
    with monkeypatch.context() as patch:
        opened = watch_every_step(patch, folder)
        write.create(folder / "server.key", b"secret", mode=mode, uid=NAMED + 1, gid=NAMED + 2)
        write.replace(folder / "server.key", b"another", mode=mode, uid=NAMED + 1, gid=NAMED + 2)
        back_up(folder, 0, folder / "server.key", write.read_state(folder / "server.key"), uid=NAMED + 1, gid=NAMED + 2)
    assert opened == []
    assert ACL not in os.listxattr(folder / "server.key")
    assert stat.S_IMODE((folder / "server.key").stat().st_mode) == mode


def test_directories_that_hand_a_list_down_open_no_secret_of_a_whole_change(newest_cluster: RealCluster, tmp_path: Path) -> None:
    """Keys of the server (root's, and readable for the server's group), of a CA and of kits, and the copies of what was exchanged."""
    data, tls, ca, clients = newest_cluster.data_directory, newest_cluster.base / "tls", tmp_path / "ca", tmp_path / "clients"
    tls.mkdir()
    os.chown(tls, newest_cluster.identity.uid, newest_cluster.identity.gid)
    let_through(tmp_path)
    for directory in (data, tls, tmp_path):
        directory.chmod(0o750)
        try:
            os.setxattr(directory, ACL, acl(0o751, named=5))
        except OSError as error:
            pytest.skip(f"no access control lists on this file system: {error.strerror}")
        hand_down(directory)
    data.chmod(0o750)
    newest_cluster.restart()
    group = grp.getgrgid(newest_cluster.identity.gid).gr_name
    answers = {
        "files__certificate": str(tls / "server.crt"),
        "files__key": str(tls / "server.key"),
        "files__key_owner": "root",
        "files__key_group": group,
        "clients__certificates": "verify-ca",
        "clients__roles": ["app"],
        "clients__directory": str(clients),
    }
    assert change(newest_cluster, ca, **answers).proved
    assert change(newest_cluster, ca, **answers, server__names=["localhost"]).proved
    assert opened_by_somebody(tls / "server.crt")
    assert stat.S_IMODE((tls / "server.key").stat().st_mode) == 0o640
    secrets = [path for place in (data, tls, ca, clients) for path in place.rglob("*") if path.suffix in {".key", ".pk8", ".p12"}]
    assert {"server.key", "root.key", "postgresql.pk8", "postgresql.p12"} <= {path.name for path in secrets}
    assert any(STATE_DIRECTORY in path.parts for path in secrets)
    assert [path for path in secrets if opened_by_somebody(path)] == []


def test_a_key_that_replaces_one_has_exactly_the_old_ones_list_and_never_more(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever the old list lets in is let in; and where the mode becomes narrower, nobody is at any step."""
    let_through(folder)
    hand_down(folder)
    key = folder / "server.key"
    write.create(key, b"secret", mode=0o640)
    os.setxattr(key, ACL, acl(0o640))
    assert opened_by_somebody(key)
    old = write.read_state(key)
    write.replace(key, b"another", mode=0o640, attributes=old.attributes)
    assert os.getxattr(key, ACL) == acl(0o640)
    key.unlink()
    with monkeypatch.context() as patch:
        opened = watch_every_step(patch, folder)
        write.replace(key, b"another", mode=0o600, attributes=old.attributes)
    assert opened == []
    assert os.getxattr(key, ACL) == acl(0o600)
    write.put_back(key, old)
    assert write.read_state(key) == old


def test_a_new_file_for_everybody_gets_what_its_directory_hands_down(folder: Path) -> None:
    """As every program's files do there; within its mode."""
    hand_down(folder)
    write.create(folder / "server.crt", b"public", mode=0o644)
    assert os.getxattr(folder / "server.crt", ACL) == acl(0o644, named=7)


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644, 0o400])
def test_a_list_for_a_mode_is_what_changing_the_mode_makes_of_it(tmp_path: Path, mode: int) -> None:
    """The system's own chmod is the judge, for lists with and without somebody named in them."""
    hand_down(tmp_path)
    short = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", tag, rights, _NOBODY) for tag, rights in ((1, 6), (4, 6), (0x20, 4)))
    for value in (acl(0o664, named=6), short):
        path = tmp_path / "file"
        path.touch()
        os.setxattr(path, ACL, value)
        path.chmod(mode)
        try:
            expected = os.getxattr(path, ACL)
        except OSError:
            # Nobody is named: a mode says the same, and the system keeps no list.
            os.setxattr(path, ACL, write.acl_for(value, mode))
            assert stat.S_IMODE(path.stat().st_mode) == mode
        else:
            assert write.acl_for(value, mode) == expected


def test_putting_back_on_a_full_disk_gives_every_attribute_back(full_disk: Path) -> None:
    """The content is written over; what somebody has added since is gone."""
    target = full_disk / "server.key"
    target.write_bytes(b"o" * 20_000)
    target.chmod(0o640)
    adorn(target)
    before, state = seen(target), write.read_state(target)
    write.replace(target, b"n" * 24_000, mode=0o600)
    os.setxattr(target, "user.other", b"somebody's")
    with (full_disk / "hog").open("wb", buffering=0) as hog, contextlib.suppress(OSError):
        while hog.write(b"x" * 4096):
            pass
    write.put_back(target, state)
    assert seen(target) == before


def test_a_deleted_file_comes_back_with_its_attributes(folder: Path) -> None:
    """From what the journal says, which is text."""
    target = folder / "old.crl"
    target.write_bytes(b"list")
    adorn(target)
    before, state = seen(target), write.read_state(target)
    operation = Operation.from_json(Operation("file", target, "tls", state, backup="00-old.crl", removes=True).to_json())
    write.remove(target)
    write.put_back(target, FileState(**{**{name: getattr(operation.before, name) for name in FileState.__slots__}, "data": state.data}))
    assert seen(target) == before


@pytest.mark.parametrize("letter", ["d", "A"])
def test_flags_that_a_person_has_set_stay_through_a_change_and_its_undo(folder: Path, letter: str) -> None:
    """Such as `no dump` and `no access times`; also when the file was deleted."""
    target = folder / "postgresql.conf"
    target.write_bytes(b"old")

    def flags() -> str:
        return subprocess.run(["lsattr", str(target)], check=True, capture_output=True, text=True).stdout.split()[0]

    with flagged(target, letter):
        state = write.read_state(target)
        write.replace(target, b"new", mode=0o600)
        assert letter in flags()
        write.remove(target)
        write.put_back(target, state)
        assert letter in flags()


def test_a_content_that_somebody_has_signed_is_not_exchanged(folder: Path) -> None:
    """Only its signer could sign the new one."""
    target = folder / "pg_hba.conf"
    target.write_bytes(b"rules")
    os.setxattr(target, "security.ima", b"\x03\x02signature")
    with pytest.raises(Refused, match=r"is signed \(security.ima\)") as refused:
        write.refuse_signed(write.read_state(target), target)
    assert "setfattr -x security.ima" in (refused.value.hint or "")


def test_a_checksum_that_the_kernel_made_goes_with_its_content(folder: Path) -> None:
    """It is not given to the new content, and comes back with the old."""
    target = folder / "pg_hba.conf"
    target.write_bytes(b"rules")
    os.setxattr(target, "security.ima", b"\x01" + bytes(20))
    state = write.read_state(target)
    write.refuse_signed(state, target)
    write.replace(target, b"other rules", mode=0o600, attributes=state.attributes)
    assert "security.ima" not in os.listxattr(target)
    write.put_back(target, state)
    assert os.getxattr(target, "security.ima") == b"\x01" + bytes(20)


def test_what_alter_system_takes_away_can_be_given_back(cluster: RealCluster) -> None:
    """On every version the server makes the file anew: 0600, and without any attribute."""
    cluster.auto_conf.chmod(0o640)
    adorn(cluster.auto_conf)
    state, attributes = write.read_state(cluster.auto_conf), seen(cluster.auto_conf)[5]
    cluster.sql("alter system set work_mem = '5MB'")
    assert (stat.S_IMODE(cluster.auto_conf.stat().st_mode), seen(cluster.auto_conf)[5]) != (0o640, attributes)
    write.give_back(cluster.auto_conf, state)
    content, mode, uid, gid, _, now = seen(cluster.auto_conf)
    assert b"work_mem" in content
    assert (mode, uid, gid, now) == (0o640, state.uid, state.gid, attributes)


def test_what_somebody_did_to_a_file_of_ours_is_told_before_it_goes(newest_cluster: RealCluster, tmp_path: Path) -> None:
    """Undoing goes on: nothing is lost that a line cannot tell."""
    change(newest_cluster, tmp_path / "ca")
    (journal,) = read_all(newest_cluster.data_directory)
    assert checks.attributes_changed_since(journal) == ()
    key, certificate = newest_cluster.data_directory / "server.key", newest_cluster.data_directory / "server.crt"
    os.chown(key, 0, newest_cluster.identity.gid)
    key.chmod(0o640)
    os.setxattr(key, ACL, acl(0o640))
    os.setxattr(certificate, "user.note", b"somebody's")
    told = {finding.where: finding.message for finding in checks.attributes_changed_since(journal)}
    assert set(told) == {str(key), str(certificate)}
    assert "changed its mode, owner, access control list since: it was 0640 root:" in told[str(key)]
    assert "changed its user.note since" in told[str(certificate)]
    undone = rollback(newest_cluster.data_directory)
    assert [finding.where for finding in undone.findings if finding.code == "attributes-changed-since"] == [str(key), str(certificate)]
    assert (key.exists(), certificate.exists()) == (False, False)


@pytest.mark.parametrize("what", ["mode", "owner", "access control list", "attribute", "attribute taken away"])
def test_another_mode_owner_or_attribute_of_somebodys_file_is_not_undone_silently(
    newest_cluster: RealCluster, tmp_path: Path, what: str
) -> None:
    """It is an edit like any other: undoing names the file and waits until that is settled."""
    rules = newest_cluster.hba_file
    adorn(rules)
    before = seen(rules)
    change(newest_cluster, tmp_path / "ca", clients__encryption="required")
    after = seen(rules)
    match what:
        case "mode":
            rules.chmod(0o644)
        case "owner":
            os.chown(rules, 0, newest_cluster.identity.gid)
        case "access control list":
            os.setxattr(rules, ACL, acl(after[1], named=6))
        case "attribute":
            os.setxattr(rules, "user.other", b"somebody's")
        case _:
            os.removexattr(rules, "user.note")
    touched = seen(rules)
    with pytest.raises(Refused) as refused:
        rollback(newest_cluster.data_directory)
    assert (refused.value.code, refused.value.where) == ("changed-since-change", str(rules))
    assert seen(rules) == touched
    os.chown(rules, after[2], after[3])
    rules.chmod(after[1])
    for name in os.listxattr(rules):
        os.removexattr(rules, name)
    for name, value in after[5].items():
        os.setxattr(rules, name, value)
    rollback(newest_cluster.data_directory)
    assert seen(rules) == before


def test_nobody_named_gains_when_a_key_is_opened_to_the_servers_group(folder: Path) -> None:
    """The group gets what its mode says, and the list stays as narrow as it was in force."""
    let_through(folder)
    key = folder / "server.key"
    write.create(key, b"secret", mode=0o600)
    os.setxattr(key, ACL, acl(0o600))
    state = write.read_state(key)
    write.replace(key, b"another", mode=0o640, attributes=state.attributes)
    assert stat.S_IMODE(key.stat().st_mode) == 0o640
    assert not opened_by_somebody(key)
    now = write.read_state(key)
    assert write.alike(now, FileState(True, 0o640, now.uid, now.gid, sha256=now.sha256, attributes=state.attributes))
    key.chmod(0o600)
    write.put_back(key, state)
    assert write.read_state(key) == state


def test_alter_system_leaves_mode_owner_and_attributes_of_its_file(cluster: RealCluster, tmp_path: Path) -> None:
    """On every version: the server makes the file anew, and gets it back as it was."""
    cluster.sql("alter system set ssl = off")
    cluster.reload()
    cluster.auto_conf.chmod(0o640)
    adorn(cluster.auto_conf)
    before = seen(cluster.auto_conf)
    assert change(cluster, tmp_path / "ca").proved
    after = seen(cluster.auto_conf)
    assert b"ssl = 'off'" not in after[0]
    assert (after[1:4], after[5]) == (before[1:4], before[5])
    assert rollback(cluster.data_directory).proved
    assert seen(cluster.auto_conf) == before
