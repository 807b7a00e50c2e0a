"""Who is known, on real servers: out of the log, over the socket, streaming, members of groups; and what apply makes of it."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from pgssl_wizard.change.apply import apply
from pgssl_wizard.change.rollback import rollback
from pgssl_wizard.errors import Refused
from pgssl_wizard.server.connection_messages import kind_of
from tests.change.test_whole_way import facts_of, plan_for
from tests.cli.test_commands import Shell
from tests.servers import RealCluster

REQUIRED = {"clients.encryption": "required"}


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """A shell in an empty directory."""
    directory = tmp_path / "work"
    directory.mkdir()
    return Shell(directory)


def come(cluster: RealCluster, **more: str) -> psycopg.Connection:
    """Come in without TLS; as `app` unless said otherwise."""
    usual = {"user": "app", "dbname": "app", "password": cluster.app_password, "sslmode": "disable", "gssencmode": "disable"}
    return psycopg.connect(host="127.0.0.1", port=cluster.port, **{**usual, **more})  # type: ignore[arg-type]


def log_connections(cluster: RealCluster) -> None:
    """Switch it on, as the finding says."""
    cluster.sql("alter system set log_connections = on")
    cluster.reload()


def test_somebody_who_came_and_went_is_locked_out_only_when_that_is_accepted(cluster: RealCluster, shell: Shell) -> None:
    """On every version: nobody is connected any more, and the log remembers."""
    log_connections(cluster)
    come(cluster, application_name="nightly report").close()
    come(cluster, application_name="nightly report").close()
    required = ("--set", "clients.encryption=required")
    planned = shell.json("plan", cluster.data_directory, *required, code=1)
    (refused,) = planned["locked_out"]
    assert refused["who"].startswith("role app (nightly report) from 127.0.0.1 at database app, seen in the log in plaintext, last 20")
    assert set(refused) == {"who", "rule_now", "rule_then", "message"}
    assert planned["hash"] == shell.json("plan", cluster.data_directory, *required, code=1)["hash"], "our own looks change nothing"
    denied = shell.json("apply", cluster.data_directory, *required, code=3)
    assert denied["findings"][0]["code"] == "would-lock-out"
    assert "nightly report" in denied["findings"][0]["message"]
    # What is recommended lets them in.
    assert shell.json("plan", cluster.data_directory)["locked_out"] == []
    assert shell.json("apply", cluster.data_directory, *required, "--accept-lock-out")["change"]["proved"] is True
    with pytest.raises(psycopg.OperationalError) as caught:
        come(cluster)
    assert refused["message"] in str(caught.value)
    # Refused already is nothing new.
    assert shell.json("plan", cluster.data_directory, *required)["locked_out"] == []


def test_who_is_known_is_told_with_machines_first(newest_cluster: RealCluster, tmp_path: Path) -> None:
    """A standby, the administrator, a session over the socket and one over TCP, by what the server itself says."""
    newest_cluster.sql("create role standby login replication password 'secret'")
    come(newest_cluster, user="standby", password="secret", application_name="walreceiver", replication="true").close()
    facts = facts_of(newest_cluster)
    assert facts.log_silence == "off"
    with (
        come(newest_cluster, user="standby", password="secret", application_name="walreceiver", replication="true"),
        come(newest_cluster, application_name="web"),
    ):
        plan = plan_for(facts_of(newest_cluster), tmp_path / "ca", {**REQUIRED, "clients.known": ["app@app/192.0.2.7"]})
    assert [(each.machine, each.user, each.source, each.refused is not None) for each in plan.known] == [
        ("replication", "standby", "replication", True),
        ("administrator", newest_cluster.superuser, "session", False),
        (None, "app", "session", True),
        (None, "app", "named", False),
    ]
    (named,) = (each for each in plan.known if each.source == "named")
    assert (named.let_in_now, named.rule_now) == (False, None), "no rule takes that address"
    assert "connections-not-logged" in {finding.code for finding in plan.findings}
    assert len(plan.locked_out) == 2


def test_members_of_a_group_are_told_from_others_by_the_server(newest_cluster: RealCluster, tmp_path: Path) -> None:
    """Membership goes through other roles, whatever it inherits; nobody is a member for being connected."""
    newest_cluster.sql("create role staff")
    newest_cluster.sql("create role clerks noinherit in role staff")
    newest_cluster.sql("create role anna login noinherit password 'secret' in role clerks")
    newest_cluster.sql("create role otto login password 'secret'")
    rules = "local all all peer\nhost all +staff 127.0.0.1/32 scram-sha-256\nhostssl all otto 127.0.0.1/32 scram-sha-256\n"
    newest_cluster.hba_file.write_text(rules)
    newest_cluster.serve_tls()
    log_connections(newest_cluster)
    come(newest_cluster, user="anna", password="secret", dbname="postgres").close()
    come(newest_cluster, user="otto", password="secret", dbname="postgres", sslmode="require").close()
    plan = plan_for(facts_of(newest_cluster), tmp_path / "ca", REQUIRED)
    told = {each.user: (each.rule_now and each.rule_now.rpartition(":")[2], each.refused is not None) for each in plan.known}
    assert told == {"anna": ("2", True), "otto": ("3", False), newest_cluster.superuser: ("1", False)}
    (refused,) = plan.locked_out
    assert "anna" in refused.who


def test_certificates_that_the_log_tells_of_count_as_shown(newest_cluster: RealCluster, tmp_path: Path) -> None:
    """The first change makes a CA and a kit; the second asks for certificates, and only the one who shows none is locked out."""
    log_connections(newest_cluster)
    ca, kits = tmp_path / "ca", tmp_path / "kits"
    facts = facts_of(newest_cluster)
    answers = {**REQUIRED, "clients.certificates": "optional", "clients.roles": ["app"], "clients.directory": str(kits)}
    assert apply(plan_for(facts, ca, answers), facts).proved
    text = newest_cluster.hba_file.read_text()
    newest_cluster.hba_file.write_text("hostssl app app 127.0.0.1/32 cert\n" + text)
    newest_cluster.reload()
    kit = kits / "app"
    come(newest_cluster, sslmode="require", sslcert=str(kit / "postgresql.crt"), sslkey=str(kit / "postgresql.key")).close()
    come(newest_cluster, sslmode="require", user=newest_cluster.superuser, password=newest_cluster.password, dbname="postgres").close()
    plan = plan_for(facts_of(newest_cluster), ca, {**answers, "clients.certificates": "verify-full"})
    told = {(each.user, each.origin): (each.certificate, each.refused) for each in plan.known}
    assert told["app", "127.0.0.1"] == ("shown", None)
    assert told[newest_cluster.superuser, "127.0.0.1"] == ("missing", "connection requires a valid client certificate")
    with pytest.raises(Refused) as caught:
        apply(plan, facts_of(newest_cluster))
    assert caught.value.code == "would-lock-out"
    newest_cluster.hba_file.write_text(text)
    newest_cluster.reload()
    assert rollback(newest_cluster.data_directory).proved


def test_debians_log_is_found_where_its_server_writes_it(debian_cluster: RealCluster) -> None:
    """The plain log without a collector, through the server's own standard error, while it runs."""
    log_connections(debian_cluster)
    come(debian_cluster, application_name="cron").close()
    (seen,) = (each for each in facts_of(debian_cluster).logged if each.application == "cron")
    assert (seen.user, seen.address, seen.tls, seen.source) == ("app", "127.0.0.1", False, "log")
    assert any(kind_of(line.partition(":  ")[2]) == "authorized" for line in debian_cluster.log().splitlines())


def test_the_logs_of_a_server_that_is_down_are_found_too(tmp_path: Path, newest_major: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the settings in its files where it collects its log, else where Debian's tools send it."""
    conf = {"log_connections": "on", "logging_collector": "on", "log_destination": "csvlog", "log_directory": "talk"}
    with RealCluster.make(tmp_path, newest_major, conf=conf) as collecting:
        collecting.start()
        come(collecting, application_name="cron").close()
        collecting.stop()
        facts = facts_of(collecting)
        assert [(each.user, each.tls) for each in facts.logged if each.application == "cron"] == [("app", False)]
        assert facts.log_silence is None
        # Nobody can be asked, so what is recommended is required, and the log speaks for those who would be refused.
        assert len(plan_for(facts, tmp_path / "ca", {}).locked_out) == 1
    with RealCluster.make(tmp_path, newest_major, "debian", conf={"log_connections": "on"}) as plain:
        plain.start()
        come(plain, application_name="cron").close()
        plain.stop()
        assert facts_of(plain).log_silence == "elsewhere"
        monkeypatch.setattr("pgssl_wizard.cluster.known.DEBIAN_LOGS", tmp_path)
        (tmp_path / f"postgresql-{newest_major}-main.log").write_bytes(plain.log_file.read_bytes())
        assert [each.user for each in facts_of(plain).logged if each.application == "cron"] == ["app"]


def test_doing_it_again_tightens_nothing_although_the_log_has_forgotten_who_comes_in_plaintext(cluster: RealCluster, shell: Shell) -> None:
    log_connections(cluster)
    come(cluster).close()
    assert shell.json("apply", cluster.data_directory)["change"]["proved"] is True
    rules = cluster.hba_file.read_bytes()
    cluster.log_file.write_bytes(b"")
    again = shell.json("plan", cluster.data_directory)
    assert (again["changes"], again["settings"]) == ([], {})
    assert shell.json("apply", cluster.data_directory)["change"]["id"] is None
    assert cluster.hba_file.read_bytes() == rules
    assert shell.json("apply", cluster.data_directory, "--set", "clients.encryption=required")["change"]["proved"] is True


def test_whoever_an_edit_that_nobody_has_loaded_would_shut_out_counts_as_locked_out(cluster: RealCluster, shell: Shell) -> None:
    """On every version: he is connected under the rules as loaded, and our reload would put the edit in force."""
    before = cluster.hba_file.read_text()
    with come(cluster):
        cluster.hba_file.write_text("host all app 127.0.0.1/32 reject\n" + before)
        answers = ("--set", "clients.encryption=optional")
        planned = shell.json("plan", cluster.data_directory, *answers, code=1)
        (refused,) = planned["locked_out"]
        assert refused["who"].startswith("role app")
        assert "pg_hba.conf rejects connection" in refused["message"]
        (known,) = [each for each in planned["known"] if each["user"] == "app"]
        assert (known["let_in_now"], known["let_in_then"]) == (True, False)
        assert shell.json("apply", cluster.data_directory, *answers, code=3)["findings"][0]["code"] == "would-lock-out"


def test_undoing_says_which_edits_of_others_its_reload_puts_in_force(newest_cluster: RealCluster, shell: Shell) -> None:
    """A file that the change did not touch, edited since and not loaded."""
    shell.json("apply", newest_cluster.data_directory, "--set", "clients.encryption=optional")
    newest_cluster.hba_file.write_text("host all app 127.0.0.1/32 reject\n" + newest_cluster.hba_file.read_text())
    undone = shell.json("rollback", newest_cluster.data_directory)
    (said,) = [each for each in undone["findings"] if each["code"] == "goes-live-too"]
    assert str(newest_cluster.hba_file) in said["message"]


def test_optional_after_required_says_that_it_opens_nothing(newest_cluster: RealCluster, shell: Shell) -> None:
    """And does not say that plaintext is still let in."""
    shell.json("apply", newest_cluster.data_directory, "--set", "clients.encryption=required")
    planned = shell.json("plan", newest_cluster.data_directory, "--set", "clients.encryption=optional")
    codes = {each["code"] for each in planned["findings"]}
    assert "plaintext-refused-already" in codes
    assert "plaintext-still-let-in" not in codes
