"""Which ways in are opened anew, what the rules promise to each, and what real servers answer."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from pgssl_wizard.cluster.facts import Cluster, Known
from pgssl_wizard.proof.entering import enter
from pgssl_wizard.proof.model import Way
from pgssl_wizard.proof.shown import of_files
from pgssl_wizard.proof.verify import objections, verify
from pgssl_wizard.proof.view import Planned
from pgssl_wizard.proof.ways import KNOWN_TRIED, STANDBYS_TRIED, in_words, objection, plan_ways
from tests.change import planning
from tests.change.test_whole_way import facts_of
from tests.plan import building
from tests.servers import RealCluster, certificates

HERE = "127.0.0.1"


def of_text(rules: str, **more: object) -> Cluster:
    """Return a cluster with TLS and these rules; nothing of it is on any disk."""
    made = building.cluster({building.HBA: f"local all all peer\n{rules}\n", building.CONF: "ssl = on\n"})
    return dataclasses.replace(made, **more)  # type: ignore[arg-type]


def planned(cluster: Cluster, *known: Known, before: Cluster | None = None, addresses: tuple[str, ...] = (HERE,)) -> tuple[Planned, ...]:
    """Return what is planned from here."""
    return plan_ways(cluster, addresses, known=known, before=before).ways


def told(ways: tuple[Way, ...], who: str, transport: str, *, replication: bool = False) -> Way:
    """Return the first way of a role over this transport."""
    return next(each for each in ways if (each.who, each.transport, each.replication) == (who, transport, replication))


def app(address: str = HERE, *, tls: bool | None = True, database: str = "app") -> Known:
    """Return somebody who is known to come in."""
    return Known("session", "app", database, address, tls=tls)


@contextlib.contextmanager
def connected(real: RealCluster, sslmode: str) -> Iterator[None]:
    """Somebody is there, over TCP."""
    with psycopg.connect(
        host=HERE, port=real.port, user="app", dbname="app", password=real.app_password, sslmode=sslmode, gssencmode="disable"
    ):
        yield


def test_a_rule_for_another_address_is_never_a_success_from_here() -> None:
    """What another line says to us is nothing that it says to them."""
    cluster = of_text("hostssl app app 10.0.0.5/32 scram-sha-256\nhost all all 127.0.0.1/32 scram-sha-256")
    ways = planned(cluster, app("10.0.0.5"))
    known = [each for each in ways if each.way.kind == "known" and each.way.transport == "tls"]
    assert [each.possible for each in known] == [False]
    assert known[0].way.outcome == "not-tried"
    assert "its rule is for 10.0.0.5/32; from here (127.0.0.1)" in (known[0].way.message or "")


def test_one_rule_for_both_addresses_can_be_met_from_here() -> None:
    """Then it is tried, although the role comes from elsewhere."""
    cluster = of_text("host all all all scram-sha-256")
    assert [each.possible for each in planned(cluster, app("10.0.0.5")) if each.way.kind == "known"] == [True, True]


def test_a_role_that_comes_from_another_address_of_this_machine_is_tried_from_there() -> None:
    """Its rule is for that address."""
    cluster = of_text("host app app 10.9.8.7/32 scram-sha-256\nhost all all all reject")
    ways = planned(cluster, app("10.9.8.7", tls=False), addresses=(HERE, "10.9.8.7"))
    plain = [each.way for each in ways if each.way.kind == "known" and each.way.transport == "tcp"]
    assert [(each.address, each.expected) for each in plain] == [("10.9.8.7", "accept")]


def test_what_is_left_out_is_counted_and_every_role_comes_before_a_second_database() -> None:
    """A limit that nobody hears of would be a false success."""
    cluster = of_text("host all all all scram-sha-256")
    many = [Known("log", f"role{number}", base, HERE) for base in ("a", "b") for number in range(20)]
    planning_of = plan_ways(cluster, (HERE,), known=many)
    tried = {(each.way.who, each.way.database) for each in planning_of.ways if each.way.kind == "known"}
    assert len(tried) == KNOWN_TRIED
    assert {who for who, _ in tried} == {f"role{number}" for number in range(20)}
    assert planning_of.left_out == 40 - KNOWN_TRIED


def test_standbys_beyond_the_limit_are_counted() -> None:
    """As roles are."""
    cluster = of_text("host replication all all scram-sha-256")
    many = [Known("replication", f"standby{number}", "", HERE, replication=True, walsender=True) for number in range(STANDBYS_TRIED + 3)]
    planning_of = plan_ways(cluster, (HERE,), known=many)
    assert len({each.way.who for each in planning_of.ways if each.way.kind == "replication"}) == STANDBYS_TRIED
    assert planning_of.left_out == 3


def test_every_changed_line_is_met_or_said_to_be_out_of_reach() -> None:
    """Names, `all`, groups, lists for standbys; and a line for others, once."""
    before = of_text(
        "host sales carol 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 scram-sha-256\n"
        "host replication standby all md5\nhost all all 192.0.2.0/24 md5",
    )
    after = of_text(
        "hostssl sales carol 127.0.0.1/32 scram-sha-256\nhostssl all all 127.0.0.1/32 scram-sha-256\n"
        "hostssl replication standby all md5\nhostssl all all 192.0.2.0/24 md5\nhostnossl all,replication all all reject",
    )
    ways = planned(after, before=before)
    plain = {
        (each.way.who, each.way.database, each.way.replication): each.way for each in ways if each.way.transport == "tcp" and each.possible
    }
    assert plain["carol", "sales", False].expected == "reject"
    assert plain["standby", "", True].closed
    assert all(each.closed and each.rule and each.rule.endswith(":6") for each in plain.values())
    assert {each.way.transport for each in ways if each.way.who == "carol"} == {"tls", "tcp"}
    unmet = [each.way for each in ways if not each.possible]
    assert [each.rule for each in unmet] == [f"{building.HBA}:5"]
    assert "192.0.2.0/24" in (unmet[0].message or "")
    assert in_words(unmet[0]) == f"somebody who meets {building.HBA}:5"


def test_rules_that_the_server_does_not_take_promise_nothing() -> None:
    """It goes on with older ones, which are in no file."""
    ways = planned(of_text("host all all all scram-sha-256\nhost all all nonsense/99 md5"), app())
    assert ways
    assert not any(each.possible for each in ways)
    assert all("does not take" in (each.way.message or "") for each in ways)


def test_a_group_that_nobody_could_ask_about_promises_nothing() -> None:
    """Whether somebody is a member decides which rule they meet."""
    cluster = of_text("host all +staff all reject\nhost all all all scram-sha-256", server=None)
    known = [each for each in planned(cluster, app()) if each.way.kind == "known"]
    assert [each.possible for each in known] == [False, False]
    assert "member" in (known[0].way.message or "")


def test_an_objection_names_the_way_the_rule_and_the_servers_words() -> None:
    """A person has to find the line."""
    way = Way("app", "known", "tcp", "shop", expected="reject", outcome="accept", rule="pg_hba.conf:7", address=HERE)
    assert objection([way]) == "role app at database shop over TCP without TLS was to be refused, by pg_hba.conf:7, and was let in"
    refused = dataclasses.replace(way, expected="accept", outcome="reject", message="FATAL:  no entry\nmore")
    assert objection([refused, way]) == (
        "role app at database shop over TCP without TLS was to be let in, by pg_hba.conf:7, and was refused: FATAL:  no entry (and 1 more)"
    )
    assert objection([dataclasses.replace(way, outcome="not-tried")]) is None
    shut = Way("postgres", "administrator", "socket", outcome="reject", message="peer failed")
    assert objection([shut]) == "the administrator's own way in is shut: peer failed"


def test_every_way_is_opened_anew_and_what_was_shut_is_seen_refused_with_the_servers_message(cluster: RealCluster) -> None:
    """On every version: the administrator, a role that is connected, a standby's login, and plaintext that was open before."""
    cluster.serve_tls()
    with connected(cluster, "disable"):
        before = facts_of(cluster)
        cluster.hba_file.write_bytes(planning.tightened(cluster.hba_file.read_bytes()))
        cluster.reload()
        after = facts_of(cluster)
        known = (
            [Known("session", each.user, each.database, each.address, tls=each.tls) for each in after.server.sessions]
            if after.server
            else []
        )
        entered = enter(after, known=known, before=before)
    ways = entered.ways
    assert objection(ways) is None
    assert entered.certificate == cluster.data_directory / "server.crt"
    administrator = ways[0]
    assert (administrator.kind, administrator.transport, administrator.outcome) == ("administrator", "socket", "accept")
    assert told(ways, "app", "tls").outcome == "accept"
    plain = told(ways, "app", "tcp")
    assert (plain.kind, plain.database, plain.outcome, plain.closed) == ("known", "app", "reject", True)
    assert 'pg_hba.conf rejects connection for host "127.0.0.1", user "app", database "app"' in (plain.message or "")
    standby = told(ways, cluster.superuser, "tls", replication=True)
    assert (standby.outcome, standby.message) == ("accept", None)
    shut = told(ways, cluster.superuser, "tcp", replication=True)
    assert (shut.outcome, shut.closed) == ("reject", True)
    assert "pg_hba.conf rejects replication connection" in (shut.message or "")


def test_a_way_that_ought_to_be_shut_and_is_open_is_objected_to(newest_cluster: RealCluster) -> None:
    """The file says no plaintext, and the server has not read it; so does the whole proof."""
    newest_cluster.serve_tls()
    newest_cluster.hba_file.write_bytes(planning.tightened(newest_cluster.hba_file.read_bytes()))
    entered = enter(planning.look(newest_cluster, {"ssl": "on"}), known=[app(tls=False)])
    wrong = [each for each in entered.ways if not each.as_expected]
    assert {each.transport for each in wrong} == {"tcp"}
    assert "role app at database app over TCP without TLS was to be refused" in (objection(entered.ways) or "")
    proof = verify(planning.look(newest_cluster, {"ssl": "on"}), names=("localhost",), ways=True, known=[app(tls=False)])
    assert not proof.holds


def test_a_way_that_ought_to_be_open_and_is_shut_is_objected_to_though_the_table_holds(newest_cluster: RealCluster) -> None:
    """One role alone is shut out: the table of the proof, made for another, does not see it."""
    newest_cluster.serve_tls()
    rules = newest_cluster.hba_file.read_text()
    newest_cluster.hba_file.write_text(f"host app app all reject\n{rules}")
    newest_cluster.reload()
    newest_cluster.hba_file.write_text(rules)
    looked = planning.look(newest_cluster, {"ssl": "on"})
    assert verify(looked, names=("localhost",)).holds
    proof = verify(looked, names=("localhost",), ways=True, known=[app()])
    assert not proof.holds
    assert 'was refused: connection to server at "127.0.0.1"' in (objections(proof) or "")
    assert 'pg_hba.conf rejects connection for host "127.0.0.1", user "app"' in (objections(proof) or "")


def test_what_fails_inside_has_been_let_in_and_what_a_method_says_is_not_the_rules(newest_cluster: RealCluster) -> None:
    """No such role, no such database, no right to replicate, no ident server: in each case the rules kept their promise."""
    newest_cluster.serve_tls()
    newest_cluster.hba_file.write_text(
        "local all all peer\nhost all nobody all trust\nhost all ghost all ident\n"
        f"host none {newest_cluster.superuser} all trust\nhost replication app all trust\nhost all all all reject\n"
    )
    newest_cluster.reload()
    known = [
        Known("log", "nobody", "app", HERE),
        Known("log", "ghost", "app", HERE),
        Known("log", newest_cluster.superuser, "none", HERE),
        Known("replication", "app", "", HERE, replication=True, walsender=True),
    ]
    ways = enter(planning.look(newest_cluster, {"ssl": "on"}), known=known).ways
    assert objection(ways) is None
    assert {each.outcome for each in ways if each.kind in {"known", "replication"}} == {"accept"}
    assert 'role "nobody" does not exist' in (told(ways, "nobody", "tcp").message or "")
    assert 'database "none" does not exist' in (told(ways, newest_cluster.superuser, "tcp").message or "")
    assert "replication" in (told(ways, "app", "tls", replication=True).message or "").lower()


def test_a_server_that_is_full_says_nothing_of_its_rules(newest_cluster: RealCluster) -> None:
    """Its refusal comes before it looks at who it is: that is neither a success nor a failure."""
    newest_cluster.set(max_wal_senders="0", wal_level="minimal")
    newest_cluster.serve_tls()
    newest_cluster.restart()
    ways = enter(planning.look(newest_cluster, {"ssl": "on"})).ways
    standby = told(ways, newest_cluster.superuser, "tls", replication=True)
    assert (standby.outcome, standby.as_expected) == ("not-tried", True)
    assert "max_wal_senders" in (standby.message or "")


def test_the_administrators_way_is_tried_as_the_inspection_came_in(newest_cluster: RealCluster) -> None:
    """Once the socket refuses, that is said with the server's words; where nobody came in, nothing is promised."""
    looked = planning.look(newest_cluster)
    newest_cluster.hba_file.write_text("local all all reject\nhost all all all scram-sha-256\n")
    newest_cluster.reload()
    way = enter(looked).ways[0]
    assert (way.kind, way.outcome) == ("administrator", "reject")
    assert "pg_hba.conf rejects connection" in (way.message or "")
    unknown = enter(dataclasses.replace(looked, server=None, server_problem="no password")).ways[0]
    assert (unknown.outcome, unknown.message) == ("not-tried", "nobody could log in: no password")


def test_a_server_without_tcp_has_the_administrators_way_alone(newest_cluster: RealCluster) -> None:
    """Nobody else is known to come in."""
    newest_cluster.set(listen_addresses="")
    newest_cluster.restart()
    assert [(each.kind, each.outcome) for each in enter(planning.look(newest_cluster)).ways] == [("administrator", "accept")]


def test_a_role_shows_the_certificate_that_it_has(newest_cluster: RealCluster, tmp_path: Path) -> None:
    """Let in with it and refused without, in the server's words; one that has ended is refused by the handshake."""
    ca = certificates.make("a CA", ca=True)
    shown = []
    for role, days in (("app", 30.0), ("late", -0.5)):
        made = certificates.make(role, issuer=ca, days=days)
        (tmp_path / f"{role}.crt").write_bytes(made.pem)
        (tmp_path / f"{role}.key").write_bytes(made.key_pem)
        (tmp_path / f"{role}.key").chmod(0o600)
        shown.append(of_files(role, tmp_path / f"{role}.crt", tmp_path / f"{role}.key"))
    newest_cluster.write("clients.crt", ca.pem)
    newest_cluster.set(ssl_ca_file="clients.crt")
    newest_cluster.hba_file.write_text("local all all peer\nhostssl all all all cert\n")
    newest_cluster.serve_tls()
    entered = enter(planning.look(newest_cluster, {"ssl": "on", "ssl_ca_file": "clients.crt"}), known=[app()], shown=shown)
    assert objection(entered.ways) is None
    assert {(each.transport, each.certificate): each.outcome for each in entered.ways if each.who == "app"} == {
        ("tls", "none"): "reject",
        ("tls", "right"): "accept",
        ("tcp", "none"): "reject",
    }
    assert "connection requires a valid client certificate" in (told(entered.ways, "app", "tls").message or "")


def test_a_rule_for_another_address_of_this_machine_is_met_from_there(newest_cluster: RealCluster) -> None:
    """Where the server listens there: `postmaster.pid` tells only the first address."""
    newest_cluster.set(listen_addresses="*")
    newest_cluster.serve_tls()
    newest_cluster.restart()
    looked = facts_of(newest_cluster)
    own = [each.partition("/")[0] for each in looked.own_ranges if not each.startswith(("127.", "::1", "fe80"))]
    if not own:
        pytest.skip("this machine has no address but loopback")
    newest_cluster.hba_file.write_text(f"local all all peer\nhost all all {own[0]}/32 reject\nhost all all all scram-sha-256\n")
    newest_cluster.reload()
    ways = enter(facts_of(newest_cluster)).ways
    assert objection(ways) is None
    from_there = [each for each in ways if each.address == own[0]]
    assert from_there
    assert {(each.expected, each.outcome) for each in from_there} == {("reject", "reject")}
    assert f'host "{own[0]}"' in (from_there[0].message or "")


def test_a_server_that_is_down_has_no_ways(stopped_cluster: RealCluster) -> None:
    """Nothing is tried, and the proof says why."""
    looked = planning.look(stopped_cluster, {"ssl": "on"})
    assert enter(looked).ways == ()
    assert verify(looked, names=("localhost",), ways=True).problems == ("the server is down",)


def test_names_out_of_a_log_are_tried_as_they_are_and_shown_without_harm(newest_cluster: RealCluster) -> None:
    """Whoever connects chooses them: bytes that are no UTF-8, and what would steer a terminal."""
    newest_cluster.serve_tls()
    odd = ["caf\udce9", "\x1b]0;title\x07", "it's", "back\\slash", "ä"]
    entered = enter(planning.look(newest_cluster, {"ssl": "on"}), known=[Known("log", name, "app", HERE) for name in odd])
    tried = [each for each in entered.ways if each.kind == "known"]
    assert {each.who for each in tried} == set(odd)
    assert {each.outcome for each in tried} == {"accept"}
    assert all(in_words(each).isprintable() for each in tried)
    refused = dataclasses.replace(tried[2], outcome="reject", message="FATAL:  \x1b[2J")
    assert (objection([refused]) or "").isprintable()
