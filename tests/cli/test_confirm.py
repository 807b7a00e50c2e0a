"""`apply --confirm-within` and `confirm`, as a shell sees them."""

from __future__ import annotations

import re

import pytest

from pgssl_wizard.change.journal import read_all
from tests.change.planning import snapshot
from tests.cli.test_commands import Shell, shell
from tests.servers import RealCluster
from tests.servers.cluster import _until

__all__ = ["shell"]

NAMES = ("--set", "server.names=localhost,127.0.0.1")


def codes(document: dict[str, list[dict[str, str]]]) -> list[str]:
    """Return the codes of a document's findings."""
    return [finding["code"] for finding in document["findings"]]


def test_a_change_waits_is_reported_blocks_what_writes_and_is_kept(cluster: RealCluster, shell: Shell) -> None:
    data = cluster.data_directory
    done = shell.run("apply", data, *NAMES, "--confirm-within", 600)
    assert done.returncode == 0, done.stderr
    assert re.search(r"This change is put back by itself at \d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ, unless you keep it before:", done.stdout)
    assert f"  pgssl-wizard confirm {data}\n" in done.stdout
    for command in ("inspect", "verify", "plan", "check", "history"):
        assert "change-pending" in codes(shell.json(command, data)), command
    for writing in (("apply", data, "--set", "certificate.days=30"), ("renew", data, "--now")):
        document = shell.json(*writing, code=3)
        assert codes(document) == ["change-pending"], writing
        assert f"pgssl-wizard confirm {data}" in (document["findings"][0]["hint"] or "")
    kept = shell.json("confirm", data)
    assert kept["change"]["state"] == "applied"
    assert kept["change"]["confirm_until"] is None
    (change,) = shell.json("history", data)["changes"]
    assert (change["id"], change["state"], change["proved"]) == (kept["change"]["id"], "applied", True)
    again = shell.json("confirm", data)
    assert (again["change"]["id"], codes(again)) == (None, ["nothing-to-confirm"])
    assert "change-pending" not in codes(shell.json("check", data))


def test_a_renewal_can_wait_too_and_rollback_ends_it_at_once(newest_cluster: RealCluster, shell: Shell) -> None:
    data = newest_cluster.data_directory
    shell.json("apply", data, *NAMES)
    before = snapshot(newest_cluster.base)
    document = shell.json("renew", data, "--now", "--confirm-within", "600")
    assert document["change"]["state"] == "pending"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", document["change"]["confirm_until"])
    undone = shell.json("rollback", data)
    assert (undone["change"]["id"], undone["change"]["proved"]) == (document["change"]["id"], True)
    assert snapshot(newest_cluster.base) == before


def test_who_confirms_too_late_is_not_told_that_all_is_well(newest_cluster: RealCluster, shell: Shell) -> None:
    """The shortest window that the command takes; the watchdog has done its work, and `confirm` ends with 4."""
    data = newest_cluster.data_directory
    before = snapshot(newest_cluster.base)
    assert shell.json("apply", data, *NAMES, "--confirm-within", "10")["change"]["proved"] is True
    for _ in _until("nothing was put back"):
        (journal,) = read_all(data)
        if journal.state == "rolled-back":
            break
    assert snapshot(newest_cluster.base) == before
    assert codes(shell.json("confirm", data, code=4)) == ["confirmed-too-late"]
    (change,) = shell.json("history", data)["changes"]
    assert (change["state"], change["proved"]) == ("rolled-back", True)


def test_after_a_restart_of_the_machine_every_command_names_rollback(newest_cluster: RealCluster, shell: Shell) -> None:
    data = newest_cluster.data_directory
    before = snapshot(newest_cluster.base)
    shell.json("apply", data, *NAMES, "--confirm-within", "600")
    (journal,) = read_all(data)
    path = journal.directory / "journal.json"
    path.write_bytes(path.read_bytes().replace(journal.boot.encode(), b"another run"))
    for command in (("plan", data), ("apply", data), ("check", data), ("renew", data, "--now")):
        document = shell.json(*command, code=5)
        assert codes(document) == ["unconfirmed-change"], command
        assert f"rollback {data}" in (document["findings"][0]["hint"] or "")
    assert "unconfirmed-change" in codes(shell.json("inspect", data))
    assert shell.json("rollback", data)["change"]["proved"] is True
    assert snapshot(newest_cluster.base) == before


@pytest.mark.parametrize("seconds", ["9", "86401", "soon"])
def test_a_window_that_is_none_is_wrong_usage(stopped_cluster: RealCluster, shell: Shell, seconds: str) -> None:
    assert codes(shell.json("apply", stopped_cluster.data_directory, "--confirm-within", seconds, code=2)) == ["usage"]


def test_a_server_that_is_down_has_nothing_to_confirm(stopped_cluster: RealCluster, shell: Shell) -> None:
    document = shell.json("apply", stopped_cluster.data_directory, *NAMES, "--confirm-within", "10")
    assert document["change"]["state"] == "applied"
    assert "nothing-to-confirm" in codes(document)
    assert codes(shell.json("confirm", stopped_cluster.data_directory)) == ["nothing-to-confirm"]
