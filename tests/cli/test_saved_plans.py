"""A saved plan is applied as it was read, or not at all."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import psycopg
import pytest

from pgssl_wizard.plan.anew import difference
from pgssl_wizard.plan.model import Plan
from pgssl_wizard.plan.serialise import load
from tests.change import planning
from tests.cli.test_commands import Shell, shell
from tests.servers import RealCluster

__all__ = ["shell"]


def save(shell: Shell, real: RealCluster, *options: str) -> Path:
    """Save a plan that requires encryption."""
    place = shell.directory / "plan.json"
    shell.json(
        "plan", real.data_directory, "-o", place, "--set", "server.names=localhost", "--set", "clients.encryption=required", *options
    )
    return place


def test_whoever_has_come_since_is_not_locked_out_by_an_old_plan(newest_cluster: RealCluster, shell: Shell) -> None:
    """Who is known is judged anew: the plan knew nobody."""
    saved = save(shell, newest_cluster)
    before = planning.snapshot(newest_cluster.base)
    newest_cluster.sql("create role late login password 'x'")
    with psycopg.connect(host="127.0.0.1", port=newest_cluster.port, user="late", password="x", dbname="postgres", sslmode="disable"):
        refused = shell.json("apply", newest_cluster.data_directory, saved, code=3)
        assert [each["code"] for each in refused["findings"]] == ["would-lock-out"]
        assert "late" in refused["findings"][0]["message"]
        assert planning.snapshot(newest_cluster.base) == before
        blind = shell.json("apply", newest_cluster.data_directory, saved, "--accept-lock-out", code=3)
        assert [each["code"] for each in blind["findings"]] == ["would-lock-out"], "what was accepted is what the plan named"
        place = shell.directory / "again.json"
        shell.json(
            "plan",
            newest_cluster.data_directory,
            "-o",
            place,
            "--set",
            "server.names=localhost",
            "--set",
            "clients.encryption=required",
            code=1,
        )
        assert shell.json("apply", newest_cluster.data_directory, place, "--accept-lock-out")["change"]["proved"] is True


def test_a_plan_is_refused_when_the_server_was_started_otherwise_since(newest_cluster: RealCluster, shell: Shell) -> None:
    """No file has changed, and all the same its setting would count for nothing."""
    saved = save(shell, newest_cluster)
    newest_cluster.stop()
    newest_cluster.command_line.extend(["-c", "ssl_min_protocol_version=TLSv1.3"])
    newest_cluster.start()
    before = planning.snapshot(newest_cluster.base)
    refused = shell.json("apply", newest_cluster.data_directory, saved, code=3)
    assert refused["findings"]
    assert planning.snapshot(newest_cluster.base) == before


def test_a_plan_is_refused_when_the_owner_or_mode_of_a_file_has_changed_since(newest_cluster: RealCluster, shell: Shell) -> None:
    """It would be set back without a word."""
    saved = save(shell, newest_cluster)
    newest_cluster.hba_file.chmod(0o640)
    refused = shell.json("apply", newest_cluster.data_directory, saved, code=3)
    assert [each["code"] for each in refused["findings"]] == ["changed-since-plan"]
    assert str(newest_cluster.hba_file) in str(refused["findings"][0]["where"])
    assert newest_cluster.hba_file.stat().st_mode & 0o777 == 0o640


def test_the_same_plan_made_twice_is_the_same(newest_cluster: RealCluster, shell: Shell) -> None:
    """Also when one of them was on disk; every difference is named."""
    first = load(save(shell, newest_cluster).read_bytes(), "plan.json")
    second = load(save(shell, newest_cluster).read_bytes(), "plan.json")
    assert difference(first, second) is None
    changed = dataclasses.replace(first.changes[0], mode=0o400)
    others: list[tuple[Plan, str]] = [
        (dataclasses.replace(first, changes=(dataclasses.replace(first.changes[0], role="record"), *first.changes[1:])), "something else"),
        (dataclasses.replace(first, changes=(changed, *first.changes[1:])), "0400"),
        (dataclasses.replace(first, changes=first.changes[1:]), "too"),
        (dataclasses.replace(first, changes=(*first.changes, dataclasses.replace(changed, path=Path("/elsewhere")))), "any more"),
        (dataclasses.replace(first, settings={**first.settings, "ssl": "off"}), "set ssl"),
        (dataclasses.replace(first, sql=("select 1",)), "SQL"),
        (dataclasses.replace(first, issue=()), "certificates"),
        (dataclasses.replace(first, trust_anchor=None), "root certificate"),
    ]
    for saved, words in others:
        found = difference(saved, second)
        assert found is not None
        assert words in found[0]


@pytest.mark.parametrize("name", ["ca", "clients"])
def test_a_directory_that_has_come_since_is_noticed(newest_cluster: RealCluster, shell: Shell, name: str) -> None:
    """What stands there now may be anybody's."""
    saved = save(shell, newest_cluster, "--set", "clients.certificates=optional", "--set", "clients.roles=app")
    (shell.directory / name).mkdir(mode=0o755)
    refused = shell.json("apply", newest_cluster.data_directory, saved, code=3)
    assert [each["code"] for each in refused["findings"]] == ["changed-since-plan"]
