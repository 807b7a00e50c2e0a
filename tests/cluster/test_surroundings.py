"""What stands at the places that the answers name, before anything is planned there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pgssl_wizard.answers import Answers
from pgssl_wizard.cluster.facts import Cluster
from pgssl_wizard.cluster.inspect import inspect
from pgssl_wizard.cluster.surroundings import look
from pgssl_wizard.plan.recommend import recommend
from tests.servers import RealCluster, certificates

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


@pytest.fixture
def seen(newest_major: int, tmp_path: Path) -> Iterator[Cluster]:
    """A cluster that is down."""
    with RealCluster.make(tmp_path, newest_major) as real:
        yield inspect(real.data_directory)


@pytest.fixture
def answers(seen: Cluster, tmp_path: Path) -> Answers:
    """What is recommended for it, with the CA below the test's directory."""
    return recommend(seen, tmp_path)


def ca_of(answers: Answers, *, key: bytes | None = None, pem: bytes | None = None) -> certificates.Made:
    """Put a root where the answers want it."""
    made = certificates.make("root", ca=True)
    directory = answers.certificate.ca_directory
    directory.mkdir(exist_ok=True)
    (directory / "root.crt").write_bytes(pem or made.pem)
    (directory / "root.key").write_bytes(key or made.key_pem)
    return made


def test_nothing_there_is_told_with_the_directories_on_the_way(seen: Cluster, answers: Answers) -> None:
    """Up to one that exists."""
    deep = answers.certificate.ca_directory / "a" / "b"
    found = look(seen, replace(answers, certificate=replace(answers.certificate, ca_directory=deep)))
    assert not any(fact.exists for path, fact in found.files.items() if deep in path.parents)
    assert [found.directories[path].exists for path in (deep, deep.parent, deep.parents[1], deep.parents[2])] == [False, False, False, True]
    assert (found.ca, found.ca_keys, found.leaf, found.leaf_due) == ({}, {}, None, False)


def test_a_ca_that_is_there_is_found_with_whether_its_key_is_the_right_one(seen: Cluster, answers: Answers) -> None:
    """Right, of another, encrypted, missing; a leaf in the place of the root is no CA."""
    ca_of(answers)
    found = look(seen, answers)
    assert (found.ca["root.crt"].common_name, found.ca_path_length["root.crt"], found.ca_keys) == ("root", None, {"root.key": True})
    ca_of(answers, key=certificates.make("x").key_pem)
    assert look(seen, answers).ca_keys == {"root.key": False}
    ca_of(answers, key=b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n")
    assert look(seen, answers).ca_keys == {"root.key": None}
    (answers.certificate.ca_directory / "root.key").unlink()
    assert look(seen, answers).ca_keys == {}
    ca_of(answers, pem=certificates.make("leaf", "leaf").pem)
    assert look(seen, answers).ca == {}
    ca_of(answers, pem=b"garbage")
    assert look(seen, answers).ca == {}


def test_a_leaf_in_its_place_is_told_with_who_really_signed_it_and_whether_it_is_due(seen: Cluster, answers: Answers) -> None:
    """By the signature, not by the name."""
    root = ca_of(answers)
    namesake = certificates.make("root", ca=True)
    for issuer, expected in ((root, "root.crt"), (namesake, None), (None, "self")):
        leaf = certificates.make("db", "db", issuer=issuer)
        answers.files.certificate.write_bytes(leaf.pem + (issuer.pem if issuer else b""))
        answers.files.key.write_bytes(leaf.key_pem)
        found = look(seen, answers)
        assert found.leaf is not None
        assert (found.leaf.sha256, found.leaf.key_matches, found.leaf_issuer) == (leaf.sha256, True, expected)
        assert found.leaf_chain == (("root",) if issuer else ())
        life = leaf.certificate.not_valid_after_utc - leaf.certificate.not_valid_before_utc
        due = leaf.certificate.not_valid_after_utc - life / 3
        assert not look(seen, answers, due - timedelta(minutes=1)).leaf_due
        assert look(seen, answers, due + timedelta(minutes=1)).leaf_due
    answers.files.certificate.write_bytes(b"garbage")
    assert look(seen, answers, datetime.now(UTC)).leaf is None


def test_keys_are_hashed_and_never_held(seen: Cluster, answers: Answers) -> None:
    """Neither the CA's nor the server's."""
    made = ca_of(answers)
    answers.files.key.write_bytes(made.key_pem)
    found = look(seen, answers)
    assert found.files[answers.files.key].sha256
    assert all(fact.data is None for path, fact in found.files.items() if path.suffix == ".key")
    assert made.key_pem.split(b"\n")[1].decode() not in repr(found)


@as_root
def test_a_directory_that_the_server_cannot_pass_is_named(seen: Cluster, answers: Answers, tmp_path: Path) -> None:
    """The first one on the way."""
    shut = tmp_path / "shut"
    (shut / "below").mkdir(parents=True)
    shut.chmod(0o700)
    files = replace(answers.files, certificate=shut / "below" / "server.crt", key=answers.files.key)
    found = look(seen, replace(answers, files=files))
    assert found.blocked == {files.certificate: shut}
    shut.chmod(0o711)
    assert look(seen, replace(answers, files=files)).blocked == {}


def test_a_group_for_the_key_is_looked_up(seen: Cluster, answers: Answers) -> None:
    """Its number, whether the server's user is in it; nothing for a group that is not there."""
    import grp

    own = grp.getgrgid(seen.gid).gr_name
    found = look(seen, replace(answers, files=replace(answers.files, key_owner="root", key_group=own)))
    assert (found.key_gid, found.group_member, found.running_with_group) == (seen.gid, True, None)
    found = look(seen, replace(answers, files=replace(answers.files, key_owner="root", key_group="no-such-group")))
    assert (found.key_gid, found.group_member) == (None, None)


def test_a_running_server_is_asked_for_the_groups_that_it_has(newest_cluster: RealCluster, tmp_path: Path) -> None:
    """A membership given later does not reach it."""
    import grp

    running = inspect(newest_cluster.data_directory)
    answers = recommend(running, tmp_path)
    for entry, expected in ((grp.getgrgid(running.gid), True), (grp.getgrnam("daemon"), False)):
        files = replace(answers.files, key_owner="root", key_group=entry.gr_name)
        assert look(running, replace(answers, files=files)).running_with_group is expected
