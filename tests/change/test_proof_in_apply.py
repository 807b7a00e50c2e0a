"""What a change proves when it is made, and what its undoing proves."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import psycopg
import pytest

from pgssl_wizard.change.apply import apply
from pgssl_wizard.change.model import Event
from pgssl_wizard.change.rollback import rollback
from pgssl_wizard.change.serialise import change_to_json
from pgssl_wizard.change.way_in import not_as_before
from pgssl_wizard.errors import RolledBack
from pgssl_wizard.proof.log_lines import since_reload
from pgssl_wizard.server import attempt, log, postmaster
from tests.change import planning
from tests.change.test_failures import at
from tests.change.test_whole_way import facts_of, set_up
from tests.servers import RealCluster
from tests.servers.cluster import _until


def test_a_change_opens_every_way_in_anew_and_sees_plaintext_refused(cluster: RealCluster, tmp_path: Path) -> None:
    """On every version: whoever is connected is tried, and what was open and is shut is told with the server's message."""
    with psycopg.connect(
        host="127.0.0.1",
        port=cluster.port,
        user="app",
        dbname="app",
        password=cluster.app_password,
        sslmode="disable",
        gssencmode="disable",
    ):
        # Somebody comes in plaintext and will be refused: known, and accepted.
        facts = facts_of(cluster)
        made = apply(planning.plan(cluster, facts, tmp_path / "ca"), facts, rehearse=False, accept_lock_out=True)
    assert made.proved
    assert made.proof is not None
    ways = {(each.who, each.kind, each.transport): each for each in made.proof.ways}
    assert ways[cluster.superuser, "administrator", "socket"].outcome == "accept"
    assert ways["app", "known", "tls"].outcome == "accept"
    plain = ways["app", "known", "tcp"]
    assert (plain.outcome, plain.closed) == ("reject", True)
    assert "pg_hba.conf rejects connection" in (plain.message or "")
    assert made.proof.configured is not None
    assert made.proof.served is not None
    assert made.proof.configured.by_server
    assert made.proof.configured.sha256 == made.proof.served.sha256
    document = change_to_json(made)
    assert document["configured"] == {
        "certificate": str(cluster.data_directory / "server.crt"),
        "sha256": made.proof.served.sha256,
        "by_server": True,
    }
    assert str(document["client_library"]).startswith("libpq ")
    assert isinstance(document["log"], dict)
    assert document["log"]["file"] == str(cluster.log_file)


def test_a_role_that_the_change_shuts_out_unnoticed_puts_everything_back(newest_cluster: RealCluster, tmp_path: Path) -> None:
    """Rules that somebody slips in after the plan was made: the table holds for others, and this role's way does not."""
    with psycopg.connect(
        host="127.0.0.1", port=newest_cluster.port, user="app", dbname="app", password=newest_cluster.app_password, gssencmode="disable"
    ):
        facts = facts_of(newest_cluster)
    # The rules are read from a list beside them.
    listed = newest_cluster.write("shut.txt", "nobody\n")
    rules = b"host all @shut.txt all reject\n" + planning.tightened(newest_cluster.hba_file.read_bytes())
    plan = planning.plan(newest_cluster, facts, tmp_path / "ca", rules=rules)

    def shut() -> None:
        listed.write_text("nobody\napp\n")

    def open_again() -> None:
        for _ in _until("the server did not read its rules"):
            tried = attempt.try_connection("127.0.0.1", newest_cluster.port, "app", "app", sslmode="require")
            if tried.stopped_by == "rules":
                break
        listed.write_text("nobody\n")

    steps = [at("reload-rules", shut), at("prove-all", open_again)]

    def report(event: Event) -> None:
        for step in steps:
            step(event)

    with pytest.raises(RolledBack, match=r'role app at database app .* was refused: .*rejects connection for host "127.0.0.1", user "app"'):
        apply(plan, facts, rehearse=False, accept_lock_out=True, report=report)


def test_the_ways_of_before_are_open_again_after_an_undo_or_it_is_said(newest_cluster: RealCluster) -> None:
    """Told from the rules on disk, against what the server does."""
    looked = planning.look(newest_cluster)
    server = postmaster.read(newest_cluster.data_directory)
    assert server is not None
    assert not_as_before(looked, server) is None
    rules = newest_cluster.hba_file.read_bytes()
    newest_cluster.hba_file.write_bytes(planning.tightened(rules))
    newest_cluster.reload()
    newest_cluster.hba_file.write_bytes(rules)
    said = not_as_before(looked, server)
    assert said is not None
    assert "over TCP without TLS was to be let in" in said
    assert "pg_hba.conf rejects" in said
    newest_cluster.reload()
    assert not_as_before(looked, server) is None


def test_a_rollback_whose_rules_the_server_does_not_take_is_not_called_proved(newest_cluster: RealCluster, tmp_path: Path) -> None:
    """The files are as before, and plaintext is still refused: that is said, with the way and the server's words."""
    if os.geteuid() != 0:
        pytest.skip("only root can take a file away from the server")
    made = set_up(newest_cluster, tmp_path / "ca", clients__encryption="required")
    assert made.proved
    owner = newest_cluster.hba_file.stat()

    def take_away() -> None:
        os.chown(newest_cluster.hba_file, 0, 0)

    undone = rollback(newest_cluster.data_directory, None, at("reload", take_away))
    assert not undone.proved
    said = next(finding for finding in undone.findings if finding.code == "not-proved")
    assert "over TCP without TLS was to be let in" in said.message
    os.chown(newest_cluster.hba_file, owner.st_uid, owner.st_gid)


def test_what_the_log_tells_since_the_reload_holds_no_secret_and_no_statement(newest_cluster: RealCluster) -> None:
    """A reload tells the new value of every setting, and sessions tell what they run."""
    server = postmaster.read(newest_cluster.data_directory)
    assert server is not None
    place = log.mark(newest_cluster.log_file, (newest_cluster.data_directory, server))
    newest_cluster.set(log_statement="all", primary_conninfo="host=10.0.0.1 password=precious", work_mem="5MB")
    newest_cluster.reload()
    newest_cluster.sql("select 'another-precious-thing'")
    told = since_reload(place, server.pid)
    text = "\n".join(told.lines)
    assert "another-precious-thing" in log.since(place)
    assert "precious" not in text
    assert 'parameter "primary_conninfo' in text
    assert 'parameter "work_mem" changed to "5MB"' in text
    # The same where no process is named in the lines: only what is about files.
    newest_cluster.set(log_line_prefix="", maintenance_work_mem="5MB")
    newest_cluster.reload()
    place = log.mark(newest_cluster.log_file, (newest_cluster.data_directory, server))
    newest_cluster.set(no_such_setting="1")
    newest_cluster.reload()
    newest_cluster.sql("select 'another-precious-thing'")
    told = since_reload(place, server.pid)
    assert any("received SIGHUP" in each for each in told.lines)
    assert any("unrecognized configuration parameter" in each for each in told.complaints)
    assert not any("precious" in each for each in told.lines)


def test_a_command_that_opens_a_key_is_not_shown(newest_cluster: RealCluster) -> None:
    """It may hold the passphrase, whatever the language of the line."""
    server = postmaster.read(newest_cluster.data_directory)
    assert server is not None
    place = dataclasses.replace(log.mark(newest_cluster.log_file), server=None)
    with newest_cluster.log_file.open("a", encoding="utf-8") as file:
        file.write(f"2026-01-01 00:00:00 UTC [{server.pid}] LOG:  Befehl »echo 4711« fehlgeschlagen\n")
    told = since_reload(place, server.pid, hide=("echo 4711", ""))
    assert told.lines == (f"2026-01-01 00:00:00 UTC [{server.pid}] LOG:  Befehl »…« fehlgeschlagen",)
