"""Symbolic links that somebody else could have put there lead nobody with more rights astray."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from pgssl_wizard.change.apply import apply
from pgssl_wizard.change.rollback import rollback
from pgssl_wizard.errors import Refused
from tests.change.planning import snapshot
from tests.change.test_whole_way import facts_of, plan_for, set_up
from tests.servers import RealCluster


@pytest.mark.skipif(os.geteuid() != 0, reason="links of several owners need root")
@pytest.mark.parametrize("made_by", ["server", "root"])
def test_a_link_to_somebody_elses_file_is_refused(newest_cluster: RealCluster, tmp_path: Path, made_by: str) -> None:
    """Whoever owns the data directory must not lead us to a file of root's; and a link of root's must lead to a key."""
    victim = tmp_path / "victim"
    victim.write_text("root:x:0:0\n")
    victim.chmod(0o644)
    for name in ("server.key", "server.crt"):
        link = newest_cluster.data_directory / name
        link.symlink_to(victim)
        if made_by == "server":
            os.lchown(link, newest_cluster.identity.uid, newest_cluster.identity.gid)
        with pytest.raises(Refused) as refused:
            plan_for(facts_of(newest_cluster), tmp_path / "ca", {})
        assert refused.value.code == ("foreign-link" if made_by == "server" else "in-the-way")
        link.unlink()
    assert victim.read_text() == "root:x:0:0\n"
    assert (victim.stat().st_uid, victim.stat().st_mode & 0o777) == (0, 0o644)


@pytest.mark.skipif(os.geteuid() != 0, reason="links of several owners need root")
def test_rules_behind_a_link_of_somebody_else_are_not_edited(newest_cluster: RealCluster, tmp_path: Path) -> None:
    """Nor copied into our own directory, where the server's user could read them."""
    elsewhere = tmp_path / "rules"
    newest_cluster.hba_file.rename(elsewhere)
    os.chown(elsewhere, 0, 0)
    newest_cluster.hba_file.symlink_to(elsewhere)
    os.lchown(newest_cluster.hba_file, newest_cluster.identity.uid, newest_cluster.identity.gid)
    with pytest.raises(Refused) as refused:
        plan_for(facts_of(newest_cluster), tmp_path / "ca", {})
    assert refused.value.code == "foreign-link"


@pytest.fixture
def other_file_system(tmp_path: Path) -> Iterator[Path]:
    """A directory on another file system than the cluster's, open to the server's user."""
    for place in ("/dev/shm", "/var/tmp", "/tmp"):
        if Path(place).is_dir() and Path(place).stat().st_dev != tmp_path.stat().st_dev:
            made = Path(tempfile.mkdtemp(prefix="pgt-", dir=place))
            made.chmod(0o711)
            try:
                yield made
            finally:
                shutil.rmtree(made)
            return
    pytest.skip("there is but one file system here")


def linked(path: Path, *through: Path, owner: RealCluster, relative: bool = False) -> list[Path]:
    """Move a file to the last of these places and let its old name lead there, through links at all the others; return the links."""
    places = [path, *through]
    content, mode = path.read_bytes(), path.stat().st_mode & 0o777
    path.unlink()
    for link, target in pairwise(places):
        link.symlink_to(os.path.relpath(target, link.parent) if relative else target)
    places[-1].write_bytes(content)
    places[-1].chmod(mode)
    os.chown(places[-1], owner.identity.uid, owner.identity.gid)
    return places[:-1]


@pytest.mark.skipif(os.geteuid() != 0, reason="links of several owners need root")
def test_links_stay_links_through_a_change_and_its_undo(cluster: RealCluster, tmp_path: Path, other_file_system: Path) -> None:
    """On every version: a chain of them, relative ones, one to another file system, one in a parent directory; the real file changes."""
    tls = cluster.base / "tls"
    tls.mkdir()
    os.chown(tls, cluster.identity.uid, cluster.identity.gid)
    (cluster.base / "alias").symlink_to("tls")
    real = other_file_system / "settings"
    links = [
        *linked(cluster.config_file, cluster.base / "one.conf", cluster.base / "two.conf", real, owner=cluster),
        *linked(cluster.hba_file, tls / "rules", owner=cluster, relative=True),
        cluster.base / "alias",
    ]
    where = {link: link.readlink() for link in links}
    cluster.restart()
    before = snapshot(cluster.base), real.read_bytes(), real.stat().st_mtime_ns
    keys = {"files__certificate": str(cluster.base / "alias" / "server.crt"), "files__key": str(cluster.base / "alias" / "server.key")}
    made = set_up(cluster, tmp_path / "ca", clients__encryption="required", **keys)
    assert made.proved, made.findings
    assert {link: link.readlink() for link in links} == where
    assert b"ssl = on" in real.read_bytes().replace(b"'", b"")
    assert (tls / "rules").read_bytes().count(b"hostssl") > 0
    assert {"server.crt", "server.key", "rules"} == set(os.listdir(tls))
    assert os.listdir(other_file_system) == ["settings"]
    # Exchanged in place, too.
    first = (tls / "server.key").read_bytes()
    assert set_up(cluster, tmp_path / "ca", clients__encryption="required", server__names=["localhost"], **keys).proved
    assert (tls / "server.key").read_bytes() != first
    rollback(cluster.data_directory)
    assert (tls / "server.key").read_bytes() == first
    rollback(cluster.data_directory)
    assert {link: link.readlink() for link in links} == where
    assert (snapshot(cluster.base), real.read_bytes(), real.stat().st_mtime_ns) == before


def test_a_file_with_two_names_is_left_alone_when_it_is_only_read(newest_cluster: RealCluster, tmp_path: Path) -> None:
    """And refused when it would be written: its names would part."""
    other = tmp_path / "second name"
    other.hardlink_to(newest_cluster.ident_file)
    facts = facts_of(newest_cluster)
    plan = plan_for(facts, tmp_path / "ca", {"clients.encryption": "required"})
    assert apply(plan, facts, rehearse=False).proved
    assert other.samefile(newest_cluster.ident_file)
    rollback(newest_cluster.data_directory)
    rules = tmp_path / "second rules"
    rules.hardlink_to(newest_cluster.hba_file)
    before = snapshot(newest_cluster.base)
    plan = plan_for(facts, tmp_path / "ca", {"clients.encryption": "required"})
    with pytest.raises(Refused, match=r"has 2 names \(hard links\)") as refused:
        apply(plan, facts, rehearse=False)
    assert refused.value.code == "hard-link"
    assert snapshot(newest_cluster.base) == before
    assert rules.samefile(newest_cluster.hba_file)


@pytest.mark.skipif(os.geteuid() != 0, reason="links of several owners need root")
@pytest.mark.parametrize("kind", ["symbolic", "hard"])
def test_a_link_that_alter_system_would_destroy_is_refused(newest_cluster: RealCluster, tmp_path: Path, kind: str) -> None:
    """The server puts a new file there; what we write ourselves goes where the link leads."""
    auto_conf = newest_cluster.auto_conf
    newest_cluster.sql("alter system set ssl = off")
    newest_cluster.reload()
    other = newest_cluster.base / "auto"
    if kind == "symbolic":
        linked(auto_conf, other, owner=newest_cluster)
    else:
        other.hardlink_to(auto_conf)
    before = snapshot(newest_cluster.base), other.read_bytes()
    facts = facts_of(newest_cluster)
    plan = plan_for(facts, tmp_path / "ca", {})
    assert plan.sql
    with pytest.raises(Refused) as refused:
        apply(plan, facts, rehearse=False)
    assert (refused.value.code, refused.value.where) == ("link-in-the-way" if kind == "symbolic" else "hard-link", str(auto_conf))
    assert (snapshot(newest_cluster.base), other.read_bytes()) == before
    if kind == "hard":
        return
    newest_cluster.stop()
    assert set_up(newest_cluster, tmp_path / "ca").effective == "next-start"
    assert auto_conf.is_symlink()
    assert b"ssl" not in other.read_bytes()
    rollback(newest_cluster.data_directory)
    assert (snapshot(newest_cluster.base), other.read_bytes()) == before
