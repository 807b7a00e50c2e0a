"""Files are read with everything that a later write must preserve."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from pgssl_wizard.cluster.facts import FileFact
from pgssl_wizard.cluster.reading import Recorder, directory_fact, fact_of, may_read, who_can_read


def test_a_file_is_told_with_owner_mode_and_content(tmp_path: Path) -> None:
    """And where its link leads."""
    real = tmp_path / "real"
    real.write_bytes(b"text\r\n")
    real.chmod(0o640)
    link = tmp_path / "link"
    link.symlink_to("real")
    fact = fact_of(link)
    assert (fact.path, fact.real_path, fact.exists, fact.mode, fact.data) == (link, real, True, 0o640, b"text\r\n")
    assert (fact.uid, fact.gid) == (real.stat().st_uid, real.stat().st_gid)
    assert fact.sha256 == hashlib.sha256(b"text\r\n").hexdigest()


def test_a_secret_is_hashed_and_let_go(tmp_path: Path) -> None:
    """So that a change of it is still noticed."""
    path = tmp_path / "key"
    path.write_bytes(b"s3cr3t")
    fact = fact_of(path, secret=True)
    assert fact.data is None
    assert fact.sha256 == hashlib.sha256(b"s3cr3t").hexdigest()
    assert "s3cr3t" not in repr(fact_of(path))


def test_what_is_not_there_is_no_problem_and_what_cannot_be_read_is_one(tmp_path: Path) -> None:
    """Missing, below a file, a dangling link; a directory, a pipe, a circle, a NUL."""
    (tmp_path / "file").touch()
    (tmp_path / "dangling").symlink_to("nowhere")
    for path in (tmp_path / "missing", tmp_path / "file" / "below", tmp_path / "dangling"):
        assert (fact_of(path).exists, fact_of(path).problem) == (False, None)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "circle").symlink_to("circle")
    for path in (tmp_path, tmp_path / "pipe", tmp_path / "circle", tmp_path / "a\0b"):
        assert fact_of(path).problem
        assert fact_of(path).data is None
    assert directory_fact(tmp_path).problem is None
    assert directory_fact(tmp_path / "file").problem == "it is no directory"
    assert not directory_fact(tmp_path / "a\0b").exists


@pytest.mark.parametrize(
    ("mode", "owner", "group", "stranger", "words"),
    [
        (0o600, True, False, False, "root and alice"),
        (0o640, True, True, False, "root, alice and the group staff"),
        (0o040, False, True, False, "root and the group staff"),
        (0o604, True, False, True, "anybody who gets to its directory"),
        (0o000, False, False, False, "root"),
    ],
)
def test_who_may_read_follows_from_owner_and_mode(mode: int, owner: bool, group: bool, stranger: bool, words: str) -> None:
    """The owner's bits count for the owner, even when others may do more."""
    fact = FileFact(Path("/x"), Path("/x"), exists=True, mode=mode, uid=1000, gid=50, owner="alice:staff")
    assert may_read(fact, 1000, frozenset({50})) is owner
    assert may_read(fact, 1001, frozenset({50})) is group
    assert may_read(fact, 1001, frozenset()) is stranger
    assert may_read(fact, 0, frozenset())
    assert who_can_read(fact) == words


def test_the_recorder_reads_once_and_remembers_in_order(tmp_path: Path) -> None:
    """What is missing is not remembered, so that it is looked for again."""
    for name in ("b", "a"):
        (tmp_path / name).write_text(name)
    recorder = Recorder()
    assert recorder.read(tmp_path / "missing") is None
    assert (recorder.read(tmp_path / "b"), recorder.read(tmp_path / "a")) == (b"b", b"a")
    (tmp_path / "b").write_text("changed")
    assert recorder.read(tmp_path / "b") == b"b"
    assert list(recorder.files) == [tmp_path / "b", tmp_path / "a"]
    assert recorder.list_directory(tmp_path / "a") is None
    assert sorted(recorder.list_directory(tmp_path) or []) == ["a", "b"]
    assert recorder.directories == {tmp_path: ("a", "b")}
