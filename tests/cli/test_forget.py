"""`forget` and what `history` says of it, as a shell sees them."""

from __future__ import annotations

import pytest

from pgssl_wizard.change.lock import exclusive
from pgssl_wizard.change.paths import changes_directory
from tests.cli.test_commands import Shell, shell
from tests.servers import RealCluster

__all__ = ["shell"]

NAMES = ("--set", "server.names=localhost,127.0.0.1", "--no-rehearse")


def codes(document: dict[str, list[dict[str, str]]]) -> list[str]:
    """Return the codes of a document's findings."""
    return [finding["code"] for finding in document["findings"]]


def test_a_forgotten_change_stays_in_the_history_and_its_key_is_gone(newest_cluster: RealCluster, shell: Shell) -> None:
    data = newest_cluster.data_directory
    shell.json("apply", data, *NAMES)
    shell.json("renew", data, "--now")
    newest, oldest = shell.json("history", data)["changes"]
    assert (newest["undoable"], newest["forgotten"], oldest["undoable"]) == (True, None, True)
    assert list(changes_directory(data).glob("*/*-server.key"))
    assert codes(shell.json("forget", data, "--keep", 0, "--read-only", code=3)) == ["read-only"]
    done = shell.json("forget", data, "--keep", "1")
    assert [change["id"] for change in done["forgotten"]] == [oldest["id"]]
    assert [change["id"] for change in done["undoable"]] == [newest["id"]]
    newest, oldest = shell.json("history", data)["changes"]
    assert (newest["undoable"], oldest["undoable"], oldest["state"]) == (True, False, "applied")
    assert oldest["forgotten"].endswith("Z")
    assert "cannot be undone" in shell.run("history", data).stdout
    told = shell.run("forget", data, "--older-than", "0").stdout
    assert f"  {newest['id']}" in told
    assert "No change can be undone now." in told
    assert list(changes_directory(data).glob("*/*-server.key")) == []
    assert "Nothing to forget." in shell.run("forget", data).stdout


def test_a_change_that_waits_to_be_confirmed_is_not_forgotten(newest_cluster: RealCluster, shell: Shell) -> None:
    data = newest_cluster.data_directory
    shell.json("apply", data, *NAMES, "--confirm-within", 600)
    assert codes(shell.json("forget", data, "--keep", 0, code=3)) == ["change-pending"]
    shell.json("confirm", data)
    assert len(shell.json("forget", data, "--keep", 0)["forgotten"]) == 1


def test_somebody_who_changes_the_cluster_now_is_named(stopped_cluster: RealCluster, shell: Shell) -> None:
    data, identity = stopped_cluster.data_directory, stopped_cluster.identity
    assert shell.json("forget", data)["forgotten"] == []
    with exclusive(data, uid=identity.uid, gid=identity.gid):
        document = shell.json("forget", data, code=3)
    assert codes(document) == ["locked"]


@pytest.mark.parametrize("option", ["--keep=-1", "--older-than=soon"])
def test_limits_that_are_none_are_wrong_usage(stopped_cluster: RealCluster, shell: Shell, option: str) -> None:
    assert codes(shell.json("forget", stopped_cluster.data_directory, option, code=2)) == ["usage"]
