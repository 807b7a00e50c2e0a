"""One file at a time: never half there, never with the wrong mode, never through a stranger's link."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pgssl_wizard.change import write
from pgssl_wizard.change.paths import is_temporary, temporary_name
from pgssl_wizard.errors import Refused


def names_in(directory: Path) -> list[str]:
    """Return the names in a directory."""
    return sorted(path.name for path in directory.iterdir())


def mode_of(path: Path) -> int:
    """Return the permission bits of a file."""
    return stat.S_IMODE(path.stat().st_mode)


def test_what_lies_directly_below_the_root_directory_is_brought_to_the_disk_too() -> None:
    """A CA in `/ca` is usual in containers."""
    with write._directory(Path("/name")) as descriptor:
        os.fsync(descriptor)
        assert os.path.samestat(os.fstat(descriptor), Path("/").stat())


def test_a_new_file_has_its_mode_whatever_the_umask(tmp_path: Path) -> None:
    """A permissive or a strict umask makes no difference."""
    for umask in (0o000, 0o077):
        before = os.umask(umask)
        try:
            write.create(tmp_path / f"key{umask}", b"secret", mode=0o640)
        finally:
            os.umask(before)
        assert mode_of(tmp_path / f"key{umask}") == 0o640


def test_a_new_file_never_overwrites(tmp_path: Path) -> None:
    """Neither a file nor a link that leads nowhere."""
    (tmp_path / "root.key").write_bytes(b"precious")
    with pytest.raises(FileExistsError):
        write.create(tmp_path / "root.key", b"new", mode=0o600)
    assert (tmp_path / "root.key").read_bytes() == b"precious"
    assert names_in(tmp_path) == ["root.key"]


def test_replacing_keeps_a_link_a_link(tmp_path: Path) -> None:
    """What it points to gets the new content."""
    real = tmp_path / "etc" / "real.conf"
    real.parent.mkdir()
    real.write_bytes(b"old")
    link = tmp_path / "postgresql.conf"
    link.symlink_to(real)
    write.replace(link, b"new", mode=0o644)
    assert link.is_symlink()
    assert real.read_bytes() == b"new"
    assert names_in(real.parent) == ["real.conf"]


def test_a_temporary_name_is_loaded_by_no_include_directory(tmp_path: Path) -> None:
    """PostgreSQL skips names that begin with a dot or do not end in .conf; ours do both."""
    name = temporary_name("zz-tls.conf")
    assert name.startswith(".")
    assert not name.endswith(".conf")
    assert is_temporary(name)
    assert len(os.fsencode(temporary_name("x" * 255))) <= 255


def test_nothing_is_left_behind_when_the_owner_cannot_be_given(tmp_path: Path) -> None:
    """The half-made file goes away with the error."""
    if os.geteuid() == 0:
        pytest.skip("root may give files to anybody")
    with pytest.raises(PermissionError):
        write.create(tmp_path / "key", b"secret", mode=0o600, uid=0)
    assert names_in(tmp_path) == []


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """Return a directory on a file system of 64 kB."""
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    place = tmp_path / "small"
    place.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(place)], check=False, capture_output=True)
    if done.returncode != 0:
        pytest.skip("mounting is not allowed here")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk_leaves_the_old_file_as_it_was(full_disk: Path) -> None:
    """And no half-written neighbour."""
    (full_disk / "postgresql.conf").write_bytes(b"old")
    with pytest.raises(OSError, match="space") as caught:
        write.replace(full_disk / "postgresql.conf", b"n" * 200_000, mode=0o600)
    assert caught.value.errno == errno.ENOSPC
    assert (full_disk / "postgresql.conf").read_bytes() == b"old"
    assert names_in(full_disk) == ["postgresql.conf"]


def test_putting_back_works_on_a_full_disk(full_disk: Path) -> None:
    """The old content goes over the new one's own blocks when there is no room for a copy."""
    target = full_disk / "postgresql.conf"
    target.write_bytes(b"o" * 20_000)
    target.chmod(0o644)
    before = write.read_state(target)
    write.replace(target, b"n" * 24_000, mode=0o600)
    with (full_disk / "hog").open("wb", buffering=0) as hog, contextlib.suppress(OSError):
        while hog.write(b"x" * 4096):
            pass
    assert os.statvfs(full_disk).f_bfree == 0
    write.put_back(target, before)
    after = write.read_state(target)
    assert (after.data, after.mode, after.modified_ns) == (before.data, before.mode, before.modified_ns)


def test_putting_back_restores_content_mode_owner_and_time(tmp_path: Path) -> None:
    """Everything that ls shows."""
    target = tmp_path / "pg_hba.conf"
    target.write_bytes(b"# rules\r\n")
    target.chmod(0o640)
    os.utime(target, ns=(1_600_000_000_123_456_789, 1_600_000_000_123_456_789))
    before = write.read_state(target)
    write.replace(target, b"other", mode=0o600)
    write.put_back(target, before)
    after = write.read_state(target)
    assert (after.data, after.mode, after.uid, after.gid, after.modified_ns) == (
        before.data,
        before.mode,
        before.uid,
        before.gid,
        before.modified_ns,
    )


def test_putting_back_what_was_not_there_removes_it(tmp_path: Path) -> None:
    """And does nothing when it is gone already."""
    before = write.read_state(tmp_path / "server.key")
    write.create(tmp_path / "server.key", b"secret", mode=0o600)
    write.put_back(tmp_path / "server.key", before)
    write.put_back(tmp_path / "server.key", before)
    assert names_in(tmp_path) == []


def test_an_extended_attribute_survives_a_replacement(tmp_path: Path) -> None:
    """Access control lists and labels are kept the same way."""
    target = tmp_path / "postgresql.conf"
    target.write_bytes(b"old")
    try:
        os.setxattr(target, "user.note", b"ours")
    except (OSError, AttributeError):
        pytest.skip("no extended attributes on this file system")
    state = write.read_state(target)
    write.replace(target, b"new", mode=0o600, attributes=state.attributes)
    assert os.getxattr(target, "user.note") == b"ours"


@pytest.mark.parametrize("kind", ["directory", "pipe", "dangling link"])
def test_what_is_no_file_is_refused(tmp_path: Path, kind: str) -> None:
    """With a sentence, and without waiting for somebody to write into a pipe."""
    target = tmp_path / "odd"
    if kind == "directory":
        target.mkdir()
    elif kind == "pipe":
        os.mkfifo(target)
    else:
        target.symlink_to(tmp_path / "nowhere")
    with pytest.raises(Refused):
        write.read_state(target)


def test_a_directory_gets_its_mode_and_is_left_alone_when_it_is_there(tmp_path: Path) -> None:
    """Only making it says True."""
    assert write.make_directory(tmp_path / "ca", mode=0o700)
    assert mode_of(tmp_path / "ca") == 0o700
    (tmp_path / "ca").chmod(0o755)
    assert not write.make_directory(tmp_path / "ca", mode=0o700)
    assert mode_of(tmp_path / "ca") == 0o755


def test_a_link_slipped_into_a_parent_directory_is_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever may write there must not lead us elsewhere after we looked."""
    (tmp_path / "data").mkdir()
    (tmp_path / "elsewhere").mkdir()

    def swap(path: Path) -> Path:
        real = Path(os.path.realpath(path))
        (tmp_path / "data").rmdir()
        (tmp_path / "data").symlink_to(tmp_path / "elsewhere")
        return real

    monkeypatch.setattr(write, "real_path", swap)
    with pytest.raises(OSError, match="data"):
        write.create(tmp_path / "data" / "server.crt", b"x", mode=0o644)
    assert names_in(tmp_path / "elsewhere") == []


def test_saving_makes_a_private_file_and_keeps_the_mode_of_an_older_one(tmp_path: Path) -> None:
    """Answers hold no secrets, and yet are nobody else's business."""
    path = tmp_path / "answers.toml"
    write.save(path, b"version = 1\n")
    assert mode_of(path) == 0o600
    path.chmod(0o644)
    write.save(path, b"version = 1\n# more\n")
    assert (mode_of(path), path.read_bytes()) == (0o644, b"version = 1\n# more\n")


def test_saving_where_there_is_no_directory_is_refused(tmp_path: Path) -> None:
    """With the reason in words."""
    with pytest.raises(Refused, match="No such file"):
        write.save(tmp_path / "missing" / "answers.toml", b"")


def test_a_shredded_file_is_gone_and_so_is_what_stood_in_its_blocks(tmp_path: Path) -> None:
    """Whoever still holds it open finds as many other bytes."""
    path = tmp_path / "00-server.key"
    secret = b"-----BEGIN PRIVATE KEY-----\n" * 5000
    path.write_bytes(secret)
    with path.open("rb") as held:
        write.shred(path)
        left = held.read()
    assert names_in(tmp_path) == []
    assert len(left) == len(secret)
    assert b"PRIVATE" not in left
    write.shred(path)
    write.shred(tmp_path / "missing" / "key")


def test_shredding_leaves_what_a_link_or_another_name_leads_to(tmp_path: Path) -> None:
    """A program that saves room may have made the copy another name of the original."""
    original = tmp_path / "server.key"
    original.write_bytes(b"secret")
    (tmp_path / "copy").hardlink_to(original)
    (tmp_path / "link").symlink_to(original)
    write.shred(tmp_path / "copy")
    write.shred(tmp_path / "link")
    assert names_in(tmp_path) == ["server.key"]
    assert original.read_bytes() == b"secret"


def test_a_pipe_is_deleted_without_waiting_for_a_reader(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    write.shred(tmp_path / "pipe")
    assert names_in(tmp_path) == []
