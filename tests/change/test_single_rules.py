"""What differs for one rule, and maps of names, on real servers with real certificates."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from pgssl_wizard.change.rollback import rollback
from pgssl_wizard.errors import UnusableInput
from tests.change import planning
from tests.change.test_whole_way import facts_of, plan_for, set_up
from tests.servers import RealCluster

RULES = """\
local all all peer
host  app      app   127.0.0.1/32  scram-sha-256   # the application
host  all      all   127.0.0.1/32  scram-sha-256
"""
APP, ALL = "host app app 127.0.0.1/32 scram-sha-256", "host all all 127.0.0.1/32 scram-sha-256"


def connect(cluster: RealCluster, user: str, kit: Path | None, ca: Path, **more: str) -> str:
    """Return `in`, or what the server says to a client."""
    settings = {
        "host": "localhost",
        "hostaddr": "127.0.0.1",
        "port": str(cluster.port),
        "user": user,
        "dbname": "app",
        "password": cluster.app_password if user == "app" else cluster.password,
        "sslmode": "verify-full",
        "sslrootcert": str(ca / "root.crt"),
        "sslcert": str(kit / "postgresql.crt") if kit else "/nonexistent",
        "sslkey": str(kit / "postgresql.key") if kit else "/nonexistent",
        **more,
    }
    try:
        psycopg.connect(**settings).close()  # type: ignore[arg-type]
    except psycopg.OperationalError as error:
        return str(error)
    return "in"


def test_one_rule_asks_for_a_certificate_with_a_map_and_another_lets_plaintext_in(cluster: RealCluster, tmp_path: Path) -> None:
    """The certificate of `svc` is the role `app` by the map, and nobody else; the other rule stays open; all of it is undone."""
    cluster.write(cluster.hba_file, RULES)
    cluster.reload()
    before = planning.snapshot(cluster.base)
    wanted = {
        "server__names": ["localhost"],
        "clients__encryption": "required",
        "clients__roles": ["svc", "app"],
        "clients__maps": [{"map": "services", "system_user": "svc", "role": "app"}],
        "clients__rule": [
            {"match": APP, "certificates": "cert", "map": "services"},
            {"match": ALL, "encryption": "leave"},
        ],
    }
    made = set_up(cluster, tmp_path / "ca", **wanted)
    assert made.proved, made.findings
    rules = cluster.hba_file.read_text(encoding="utf-8")
    assert "hostssl  app      app   127.0.0.1/32  cert map=services" in rules
    assert "# the application" in rules
    assert "host  all      all   127.0.0.1/32  scram-sha-256\n" in rules
    assert "services  svc  app" in cluster.ident_file.read_text(encoding="utf-8")
    ca, kits = tmp_path / "ca", tmp_path / "clients"
    assert connect(cluster, "app", kits / "svc", ca) == "in"
    assert "certificate authentication failed" in connect(cluster, "app", kits / "app", ca), "the map does not imply the same name"
    assert "requires a valid client certificate" in connect(cluster, "app", None, ca)
    assert connect(cluster, cluster.superuser, None, ca, sslmode="disable", dbname="postgres") == "in"
    again = set_up(cluster, tmp_path / "ca", **wanted)
    assert (again.id, again.state) == (None, "none"), "the same answers change nothing, though the rule has other words now"
    assert rollback(cluster.data_directory).proved
    assert planning.snapshot(cluster.base) == before


def test_the_whole_name_of_a_certificate_names_the_role_where_the_version_can(cluster: RealCluster, tmp_path: Path) -> None:
    wanted = {
        "server.names": ["localhost"],
        "clients.name": "DN",
        "clients.certificates": "cert",
        "clients.roles": ["app"],
        "clients.maps": [{"map": "dn", "system_user": "CN=app", "role": "app"}],
        "clients.rule": [{"match": APP, "certificates": "cert", "map": "dn"}],
    }
    cluster.write(cluster.hba_file, RULES)
    cluster.reload()
    without = {"clients.name": "DN", "clients.certificates": "verify-full", "server.names": ["localhost"]}
    if cluster.major >= 14:
        told = plan_for(facts_of(cluster), tmp_path / "ca", without).findings
        assert "dn-without-map" in {finding.code for finding in told}
    if cluster.major < 14:
        with pytest.raises(UnusableInput) as refused:
            plan_for(facts_of(cluster), tmp_path / "ca", wanted)
        assert refused.value.code == "clientname-unknown"
        return
    made = set_up(cluster, tmp_path / "ca", **{key.replace(".", "__"): value for key, value in wanted.items()})
    assert made.proved, made.findings
    assert "cert map=dn clientname=DN" in cluster.hba_file.read_text(encoding="utf-8")
    assert connect(cluster, "app", tmp_path / "clients" / "app", tmp_path / "ca") == "in"


@pytest.mark.parametrize(
    ("rule", "code"),
    [
        ({"match": "host all all 10.0.0.0/8 scram-sha-256"}, "no-such-rule"),
        ({"match": APP, "map": "services"}, "map-without-method"),
        ({"match": APP, "file": "elsewhere.conf"}, "no-such-rule"),
    ],
)
def test_an_answer_for_a_rule_that_is_not_there_or_takes_no_map_is_refused(
    newest_cluster: RealCluster, tmp_path: Path, rule: dict[str, str], code: str
) -> None:
    newest_cluster.write(newest_cluster.hba_file, RULES)
    with pytest.raises(UnusableInput) as refused:
        plan_for(facts_of(newest_cluster), tmp_path / "ca", {"clients.rule": [rule]})
    assert refused.value.code == code
    assert refused.value.hint


def test_two_rules_with_the_same_words_are_refused(newest_cluster: RealCluster, tmp_path: Path) -> None:
    newest_cluster.write(newest_cluster.hba_file, RULES + APP + "\n")
    with pytest.raises(UnusableInput) as refused:
        plan_for(facts_of(newest_cluster), tmp_path / "ca", {"clients.rule": [{"match": APP}]})
    assert refused.value.code == "ambiguous-rule"


def test_answers_for_rules_that_are_split_or_commented_out_change_nothing_twice(cluster: RealCluster, tmp_path: Path) -> None:
    cluster.write(cluster.hba_file, "local all all peer\nhostnossl old all 127.0.0.1/32 md5\n" + RULES.split("\n", 1)[1])
    cluster.reload()
    wanted = {
        "server__names": ["localhost"],
        "clients__encryption": "optional",
        "clients__rule": [
            {"match": APP, "certificates": "verify-full"},
            {"match": "hostnossl old all 127.0.0.1/32 md5", "encryption": "required"},
        ],
    }
    made = set_up(cluster, tmp_path / "ca", **wanted)
    assert made.proved, made.findings
    rules = cluster.hba_file.read_text(encoding="utf-8")
    assert "# hostnossl old" in rules
    assert "hostnossl  app" in rules
    assert set_up(cluster, tmp_path / "ca", **wanted).id is None
    assert cluster.hba_file.read_text(encoding="utf-8") == rules


def test_a_rule_for_tls_alone_above_one_that_takes_plaintext_is_told(newest_cluster: RealCluster, tmp_path: Path) -> None:
    newest_cluster.write(newest_cluster.hba_file, RULES)
    wanted = {"clients.encryption": "optional", "clients.rule": [{"match": APP, "encryption": "required", "certificates": "cert"}]}
    plan = plan_for(facts_of(newest_cluster), tmp_path / "ca", wanted)
    (told,) = [finding for finding in plan.findings if finding.code == "plaintext-falls-through"]
    assert "line 3" in told.message
    strict = {**wanted, "clients.encryption": "required"}
    assert "plaintext-falls-through" not in {each.code for each in plan_for(facts_of(newest_cluster), tmp_path / "ca", strict).findings}
