"""Whole changes on real servers."""

from __future__ import annotations

import dataclasses
import os
import stat
from pathlib import Path

import pytest

from pgssl_wizard.change.apply import apply
from pgssl_wizard.change.history import history
from pgssl_wizard.change.model import Change, Event
from pgssl_wizard.change.rollback import rollback
from pgssl_wizard.cluster.facts import Cluster
from pgssl_wizard.errors import Interrupted, Refused, RolledBack, UnusableInput, WizardError
from pgssl_wizard.plan.model import Plan
from pgssl_wizard.proof.verify import verify
from pgssl_wizard.server import handshake
from pgssl_wizard.server.identity import Identity
from tests.change import planning
from tests.servers import RealCluster


def apply_all(real: RealCluster, ca: Path) -> Change:
    """Set up TLS with a new CA, encryption required."""
    facts = planning.look(real)
    return apply(planning.plan(real, facts, ca), facts)


def assert_plaintext(real: RealCluster) -> None:
    """New connections meet no TLS."""
    assert handshake.fetch("127.0.0.1", real.port) is None
    assert handshake.answers_tls("127.0.0.1", real.port) is False


def test_a_change_is_proved_and_undone_byte_for_byte(cluster: RealCluster, tmp_path: Path) -> None:
    """The whole way on every version: applied, proved, listed, rolled back, proved again."""
    before = planning.snapshot(cluster.base)
    made = apply_all(cluster, tmp_path / "ca")
    assert (made.state, made.effective, made.proved, made.findings) == ("applied", "now", True, ())
    proof = made.proof
    assert proof is not None
    assert proof.served is not None
    assert proof.matches_disk
    assert proof.holds
    verified = [each for each in proof.attempts if (each.sslmode, each.root) == ("verify-full", "right")]
    assert [(each.host, each.outcome, each.tls) for each in verified] == [
        ("db.example.com", "accept", "TLSv1.3"),
        ("127.0.0.1", "accept", "TLSv1.3"),
        ("any.cluster.example.com", "accept", "TLSv1.3"),
    ]
    assert {each.outcome for each in proof.attempts if each.sslmode == "disable"} == {"reject"}
    assert [(each.id, each.state) for each in history(cluster.data_directory)] == [(made.id, "applied")]
    undone = rollback(cluster.data_directory)
    assert (undone.id, undone.state, undone.proved) == (made.id, "rolled-back", True)
    assert planning.snapshot(cluster.base) == before
    assert_plaintext(cluster)
    assert undone.kept
    assert (tmp_path / "ca" / "root.key").exists()


def test_a_change_in_debians_layout_is_proved_and_undone(debian_cluster: RealCluster, tmp_path: Path) -> None:
    """Configuration outside the data directory keeps its own modes."""
    before = planning.snapshot(debian_cluster.base)
    made = apply_all(debian_cluster, tmp_path / "ca")
    assert made.proved
    assert stat.S_IMODE(debian_cluster.config_file.stat().st_mode) == 0o644
    assert stat.S_IMODE(debian_cluster.hba_file.stat().st_mode) == 0o640
    rollback(debian_cluster.data_directory)
    assert planning.snapshot(debian_cluster.base) == before


def test_files_have_the_owner_and_mode_that_the_server_wants(newest_cluster: RealCluster, tmp_path: Path) -> None:
    """The key is the server's and nobody else's; the CA's is ours."""
    apply_all(newest_cluster, tmp_path / "ca")
    key = (newest_cluster.data_directory / "server.key").stat()
    assert (stat.S_IMODE(key.st_mode), key.st_uid) == (0o600, newest_cluster.identity.uid)
    ca_key = (tmp_path / "ca" / "root.key").stat()
    assert (stat.S_IMODE(ca_key.st_mode), ca_key.st_uid) == (0o600, os.geteuid())
    assert stat.S_IMODE((tmp_path / "ca").stat().st_mode) == 0o700


def test_stations_come_in_order_and_tls_is_proved_before_the_rules_are_touched(newest_cluster: RealCluster, tmp_path: Path) -> None:
    """Whoever watches sees each begin and end."""
    events: list[Event] = []
    facts = planning.look(newest_cluster)
    apply(planning.plan(newest_cluster, facts, tmp_path / "ca"), facts, report=events.append)
    done = [event.station for event in events if event.state == "done"]
    assert done == ["rehearse", "back-up", "write", "reload", "prove-tls", "rules", "reload-rules", "prove-all"]
    assert [event.station for event in events if event.state == "running"] == done
    assert all(event.seconds is not None for event in events if event.state == "done")


def test_client_certificates_of_another_authority_are_refused_as_the_table_says(cluster: RealCluster, tmp_path: Path) -> None:
    """With ssl_ca_file set, the proof also offers a certificate that nobody trusts."""
    facts = planning.look(cluster)
    made = apply(planning.plan(cluster, facts, tmp_path / "ca", client_ca=True, rules=b""), facts)
    assert made.proof is not None
    strangers = [each for each in made.proof.attempts if each.certificate == "wrong-ca"]
    assert len(strangers) == 18
    assert made.proof.holds


def test_the_table_holds_with_tls_1_2_too(cluster: RealCluster, tmp_path: Path) -> None:
    """There a refused certificate ends the handshake, and prefer falls back to plaintext."""
    facts = planning.look(cluster)
    wanted = planning.plan(cluster, facts, tmp_path / "ca", client_ca=True, rules=b"", settings={"ssl_max_protocol_version": "TLSv1.2"})
    made = apply(wanted, facts)
    assert made.proof is not None
    assert made.proof.served is not None
    assert made.proof.served.protocol == "TLSv1.2"
    assert made.proof.holds


def test_a_second_change_exchanges_the_pair_in_place_and_can_be_undone_alone(cluster: RealCluster, tmp_path: Path) -> None:
    """The newest change is undone first; the one before it after."""
    start = planning.snapshot(cluster.base)
    first = apply_all(cluster, tmp_path / "ca")
    between = planning.snapshot(cluster.base)
    facts = planning.look(cluster, {"ssl": "on"})
    second = apply(planning.plan(cluster, facts, tmp_path / "ca", rules=b""), facts)
    assert first.proof
    assert second.proof
    assert first.proof.served
    assert second.proof.served
    assert first.proof.served.sha256 != second.proof.served.sha256
    with pytest.raises(Refused, match="changed by newer changes since"):
        rollback(cluster.data_directory, first.id)
    assert rollback(cluster.data_directory).id == second.id
    assert planning.snapshot(cluster.base) == between
    served = handshake.fetch("127.0.0.1", cluster.port)
    assert served is not None
    assert served.sha256 == first.proof.served.sha256
    assert rollback(cluster.data_directory).id == first.id
    assert planning.snapshot(cluster.base) == start
    assert rollback(cluster.data_directory).state == "none"


def test_a_stopped_cluster_is_changed_for_its_next_start(stopped_cluster: RealCluster, tmp_path: Path) -> None:
    """Proved by the rehearsal alone, and said so; started, it does what was promised."""
    made = apply_all(stopped_cluster, tmp_path / "ca")
    assert (made.state, made.effective, made.proved) == ("applied", "next-start", False)
    assert [finding.code for finding in made.findings] == ["not-proved"]
    stopped_cluster.start()
    facts = planning.look(stopped_cluster, {"ssl": "on"})
    assert verify(facts, names=planning.NAMES, root=tmp_path / "ca" / "root.crt").holds


def test_without_reload_nothing_changes_for_clients_until_somebody_reloads(newest_cluster: RealCluster, tmp_path: Path) -> None:
    """`--no-reload` writes and leaves the rest to the person."""
    facts = planning.look(newest_cluster)
    made = apply(planning.plan(newest_cluster, facts, tmp_path / "ca"), facts, reload=False)
    assert (made.effective, made.proved) == ("not-reloaded", False)
    assert_plaintext(newest_cluster)
    newest_cluster.reload()
    assert handshake.fetch("127.0.0.1", newest_cluster.port) is not None


def test_a_setting_in_postgresql_auto_conf_is_reset_by_the_server_itself(cluster: RealCluster, tmp_path: Path) -> None:
    """And comes back with the rollback, byte for byte."""
    cluster.sql("alter system set ssl = off")
    cluster.sql("alter system set work_mem = '5MB'")
    cluster.reload()
    before = planning.snapshot(cluster.base)
    facts = planning.look(cluster)
    made = apply(planning.plan(cluster, facts, tmp_path / "ca", sql=("ALTER SYSTEM RESET ssl",)), facts)
    assert made.proved
    assert b"ssl" not in cluster.auto_conf.read_bytes()
    rollback(cluster.data_directory)
    assert planning.snapshot(cluster.base) == before


def test_nothing_to_do_is_proved_all_the_same(newest_cluster: RealCluster, tmp_path: Path) -> None:
    """No change is recorded."""
    apply_all(newest_cluster, tmp_path / "ca")
    facts = planning.look(newest_cluster, {"ssl": "on"})
    nothing = dataclasses.replace(planning.plan(newest_cluster, facts, tmp_path / "ca"), changes=(), issue=())
    made = apply(nothing, facts)
    assert (made.id, made.state, made.proved) == (None, "none", True)
    assert len(history(newest_cluster.data_directory)) == 1


def test_a_named_change_that_does_not_exist_is_unusable_input(newest_cluster: RealCluster) -> None:
    """With the command that lists them."""
    with pytest.raises(UnusableInput, match="no change 2026"):
        rollback(newest_cluster.data_directory, "20260101T000000000Z")


def test_applying_over_an_interrupted_change_is_refused_until_it_is_rolled_back(newest_cluster: RealCluster, tmp_path: Path) -> None:
    """The message names rollback."""
    made = apply_all(newest_cluster, tmp_path / "ca")
    journal = newest_cluster.data_directory / "pgsql_tmp.pgssl-wizard" / "changes" / str(made.id) / "journal.json"
    journal.write_bytes(journal.read_bytes().replace(b'"applied"', b'"working"'))
    facts = planning.look(newest_cluster, {"ssl": "on"})
    with pytest.raises(Interrupted):
        apply(planning.plan(newest_cluster, facts, tmp_path / "ca"), facts)
    assert rollback(newest_cluster.data_directory).state == "rolled-back"
    assert_plaintext(newest_cluster)


def test_a_server_without_tcp_takes_the_change_and_nothing_can_prove_it(newest_cluster: RealCluster, tmp_path: Path) -> None:
    """TLS is for TCP; the server's log and the administrator's socket are all that can be looked at."""
    newest_cluster.set(listen_addresses="")
    newest_cluster.restart()
    made = apply_all(newest_cluster, tmp_path / "ca")
    assert (made.effective, made.proved, made.proof) == ("now", False, None)
    assert [finding.code for finding in made.findings] == ["not-proved"]
    assert newest_cluster.sql("show ssl") == [("on",)]


def test_a_key_that_only_a_new_group_may_read_waits_for_a_restart(newest_cluster: RealCluster, tmp_path: Path) -> None:
    """A running server does not notice that its user has joined a group; that is said, not failed."""
    identity = newest_cluster.identity
    others = [group for group in identity.groups if group != identity.gid]
    if os.geteuid() != 0 or not others:
        pytest.skip("needs root, and a second group of the server's user")
    newest_cluster.stop()
    newest_cluster.identity = dataclasses.replace(identity, groups=(identity.gid,))
    newest_cluster.start()
    facts = planning.look(newest_cluster)
    wanted = planning.plan(newest_cluster, facts, tmp_path / "ca")
    changes = tuple(
        dataclasses.replace(change, uid=0, gid=others[0], mode=0o640) if change.role == "server-key" else change
        for change in wanted.changes
    )
    made = apply(dataclasses.replace(wanted, changes=changes), facts)
    assert (made.state, made.effective, made.proved) == ("applied", "restart-needed", False)
    assert "restarted" in made.findings[0].message
    assert_plaintext(newest_cluster)
    key = (newest_cluster.data_directory / "server.key").stat()
    assert (key.st_uid, key.st_gid, stat.S_IMODE(key.st_mode)) == (0, others[0], 0o640)
    newest_cluster.identity = identity
    newest_cluster.restart()
    assert verify(planning.look(newest_cluster, {"ssl": "on"}), names=planning.NAMES, root=tmp_path / "ca" / "root.crt").holds


def run_as(identity: Identity, facts: Cluster, wanted: Plan) -> str:
    """Apply and roll back as another OS user, in a child process; return what came of it.

    A child of ours and no new program: the interpreter may lie where that user cannot reach it.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        answer = "nothing"
        try:
            os.setgroups(identity.groups)
            os.setgid(identity.gid)
            os.setuid(identity.uid)
            made = apply(wanted, facts)
            answer = f"{made.state} {made.proved} {rollback(facts.data_directory).state}"
        except WizardError as error:
            answer = f"{type(error).__name__} {error.code}: {error}"
        except BaseException as error:  # noqa: BLE001 - the child has nobody else to tell
            answer = repr(error)
        finally:
            os.write(writing, answer.encode())
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        answer = pipe.read().decode()
    os.waitpid(child, 0)
    return answer


def owned_by(real: RealCluster, wanted: Plan) -> Plan:
    """Return the plan with a CA that belongs to the server's user, who is the one to apply it."""
    uid, gid = real.identity.uid, real.identity.gid
    changes = tuple(dataclasses.replace(change, uid=uid, gid=gid) for change in wanted.changes)
    folders = tuple(dataclasses.replace(folder, uid=uid, gid=gid) for folder in wanted.new_directories)
    return dataclasses.replace(wanted, changes=changes, new_directories=folders)


def test_the_servers_own_user_can_apply_and_roll_back(newest_cluster: RealCluster, tmp_path: Path) -> None:
    """Root is not needed."""
    if os.geteuid() != 0:
        pytest.skip("needs root, to become somebody else; without it every other test shows this")
    # What the child will need is loaded while we may still read it.
    apply_all(newest_cluster, tmp_path / "ca")
    rollback(newest_cluster.data_directory)
    before = planning.snapshot(newest_cluster.base)
    facts = planning.look(newest_cluster)
    wanted = owned_by(newest_cluster, planning.plan(newest_cluster, facts, newest_cluster.base / "his own" / "ca"))
    assert run_as(newest_cluster.identity, facts, wanted).startswith("Refused no-directory")
    (newest_cluster.base / "his own").mkdir()
    assert run_as(newest_cluster.identity, facts, wanted).startswith("Refused cannot-write")
    os.chown(newest_cluster.base / "his own", newest_cluster.identity.uid, -1)
    assert run_as(newest_cluster.identity, facts, wanted) == "applied True rolled-back"
    after = {name: entry for name, entry in planning.snapshot(newest_cluster.base).items() if "/ca/" not in name}
    assert after == before


def test_anybody_else_is_refused(newest_cluster: RealCluster) -> None:
    """Neither root nor the owner: a clear refusal, and nothing happens."""
    if os.geteuid() != 0:
        pytest.skip("needs root, to become somebody else")
    before = planning.snapshot(newest_cluster.base)
    facts = planning.look(newest_cluster)
    wanted = planning.plan(newest_cluster, facts, newest_cluster.base / "ca")
    assert run_as(Identity(65534, 65534), facts, wanted).startswith("Refused wrong-user")
    assert planning.snapshot(newest_cluster.base) == before


def test_rolled_back_is_an_error_class_of_its_own() -> None:
    """Exit code 4 says that everything is as before."""
    assert RolledBack.exit_code == 4
