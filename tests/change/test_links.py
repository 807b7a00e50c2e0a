"""Symbolic links that somebody else could have put there lead nobody with more rights astray."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pgssl_wizard.errors import Refused
from tests.change.test_whole_way import facts_of, plan_for
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
