"""Everybody who is known, under today's rules and under the planned ones."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from pgssl_wizard.access.decide import decide
from pgssl_wizard.cluster.facts import Cluster, Known, ServerSays, Session
from pgssl_wizard.plan import known
from pgssl_wizard.plan.model import KnownChange, Plan
from pgssl_wizard.plan.recommend import recommend
from pgssl_wizard.plan.serialise import dump, load, plan_to_json
from tests.plan.building import HBA, HOME, cluster, plan

RULES = """\
local   all             all                                     peer
host    all             +staff          10.0.0.0/8              scram-sha-256
host    shop            app             10.0.0.0/8              scram-sha-256
hostssl all             holder          10.0.0.0/8              scram-sha-256
host    replication     repl            10.0.0.0/8              scram-sha-256
"""
LAST = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
APP = Known("log", "app", "shop", "10.0.0.5", tls=False, application="web", count=12, last=LAST)
ADMINISTRATOR = Known("session", "postgres", "postgres", application="pgssl-wizard", administrator=True)


def shop(
    *logged: Known,
    asked: bool = True,
    memberships: dict[str, tuple[str, ...]] | None = None,
    sessions: tuple[Session, ...] = (),
    **more: Any,
) -> Cluster:
    """Return a running cluster whose log tells of these."""
    said = ServerSays(
        "postgres", superuser=True, in_recovery=False, sessions=sessions, local=(ADMINISTRATOR,), memberships=(memberships or {}) if asked else None
    )  # fmt: skip
    return cluster({HBA: RULES}, server=said, logged=logged, **more)


def of(made: Plan, user: str) -> KnownChange:
    """Return what the change means to a role."""
    (found,) = (each for each in made.known if each.user == user)
    return found


def test_somebody_in_the_log_is_locked_out_with_the_day_it_came_last() -> None:
    made = plan(shop(APP), clients__encryption="required")
    (refused,) = made.locked_out
    assert refused.who == "role app (web) from 10.0.0.5 at database shop, seen in the log in plaintext, last 2026-11-20"
    assert (refused.rule_now, refused.rule_then) == (f"{HBA}:3", f"{HBA}:6")
    assert 'pg_hba.conf rejects connection for host "10.0.0.5", user "app"' in refused.message
    assert plan(shop(APP), clients__encryption="optional").locked_out == ()
    assert plan(shop(replace(APP, tls=True)), clients__encryption="required").locked_out == ()


def test_plaintext_in_the_log_makes_optional_the_recommendation() -> None:
    """As plaintext sessions do; over the socket or TLS nobody minds."""
    assert recommend(shop(APP), HOME).clients.encryption == "optional"
    assert recommend(shop(replace(APP, tls=True), replace(APP, address=None)), HOME).clients.encryption == "required"


def test_who_is_connected_and_in_the_log_is_told_once() -> None:
    session = Session("app", "shop", "web", "10.0.0.5", tls=False)
    made = plan(shop(APP, sessions=(session, session)), clients__encryption="required")
    assert [each.who for each in made.locked_out] == ["role app (web) from 10.0.0.5 at database shop, connected in plaintext"]
    assert [(change.plain_sessions, change.tls_sessions) for change in made.rules if change.line == 3] == [(2, 0)]


def test_machines_come_first_and_among_them_those_who_are_refused() -> None:
    others = tuple(replace(APP, user="app", application=name) for name in ("web", "pg_dump", "postgres_exporter", "PgBouncer", "psql"))
    standby = Session("repl", "", "walreceiver", "10.0.0.2", tls=True, replication=True, walsender=True)
    fallen = Session("repl", "", "walreceiver", "10.0.0.3", tls=False, replication=True, walsender=True)
    made = plan(shop(*others, sessions=(standby, fallen)), clients__encryption="required")
    assert [(each.machine, each.application or each.user) for each in made.known] == [
        ("replication", "walreceiver"),
        ("replication", "walreceiver"),
        ("monitoring", "postgres_exporter"),
        ("backup", "pg_dump"),
        ("administrator", "pgssl-wizard"),
        ("pooler", "PgBouncer"),
        (None, "psql"),
        (None, "web"),
    ]
    assert [each.origin for each in made.known[:2]] == ["10.0.0.3", "10.0.0.2"]
    own = of(made, "postgres")
    assert (own.who, own.changes, own.refused, own.certificate) == (
        "the administrator postgres over the socket at database postgres, connected",
        False,
        None,
        None,
    )


@pytest.mark.parametrize(
    ("name", "machine"),
    [
        ("barman_streaming_backup", "backup"),
        ("pgBackRest", "backup"),
        ("wal-g", "backup"),
        ("check_postgres", "monitoring"),
        ("Datadog-agent", "monitoring"),
        ("zabbix", "monitoring"),
        ("Patroni", "failover"),
        ("replicator", "replication"),
        ("dumper", None),
        ("report", None),
        ("monitorship", None),
    ],
)
def test_machines_are_known_by_the_words_of_their_names(name: str, machine: str | None) -> None:
    assert known.machine_of(Known("log", "x", application=name)) == known.machine_of(Known("log", name)) == machine


def test_a_certificate_is_shown_or_planned_as_a_kit_or_missing() -> None:
    holder = Known("log", "holder", "shop", "10.0.0.7", tls=True, certificate="CN=holder,O=Shop")
    over_tls = replace(APP, tls=True)
    other = replace(over_tls, user="repl", database="", replication=True, application="")
    made = plan(shop(holder, over_tls, other), clients__certificates="verify-full", clients__roles=["app"])
    assert {each.user: each.certificate for each in made.known} == {"holder": "shown", "app": "kit", "repl": "missing", "postgres": None}
    assert of(made, "holder").refused is None
    # A kit is no certificate yet: until it is installed, the next login fails.
    assert of(made, "app").refused == of(made, "repl").refused == "connection requires a valid client certificate"
    wrong = plan(shop(replace(holder, certificate="/CN=somebody else")), clients__certificates="verify-full")
    assert of(wrong, "holder").refused == 'password authentication failed for user "holder"'


def test_groups_decide_exactly_where_the_server_told_of_them() -> None:
    """Nobody asked: whoever came in is taken to be a member of the group that a rule names."""
    anna = replace(APP, user="anna", database="stock")
    member = {"anna": ("clerks", "staff"), "otto": ("clerks",)}
    assert of(plan(shop(anna, memberships=member), clients__encryption="required"), "anna").refused
    out = of(plan(shop(replace(anna, user="otto"), memberships=member), clients__encryption="required"), "otto")
    assert (out.let_in_now, out.rule_now, out.refused) == (False, None, None)
    assert of(plan(shop(replace(anna, user="otto"), asked=False), clients__encryption="required"), "otto").refused


def test_own_addresses_decide_samehost() -> None:
    rules = {HBA: "local all all peer\nhost all all samehost scram-sha-256\n"}
    here, there = replace(APP, address="10.0.0.9"), replace(APP, user="far", address="10.0.0.10")
    found = cluster(rules, logged=(here, there), own_ranges=("127.0.0.1/8", "10.0.0.9/24"))
    made = plan(found, clients__encryption="required")
    assert (of(made, "app").let_in_now, of(made, "far").let_in_now) == (True, False)


def test_somebody_named_is_judged_as_libpq_would_come() -> None:
    """Over TLS where it is offered, unless the person says otherwise."""
    named = [
        "app@shop/10.0.0.5",
        {"user": "app", "database": "shop", "address": "10.0.0.6", "tls": False},
        "repl@replication/10.0.0.2",
        "root@shop",
    ]
    made = plan(shop(), clients__encryption="required", clients__known=named)
    assert [(each.origin, each.refused is not None) for each in made.known if each.source == "named"] == [
        ("10.0.0.2", False),
        ("10.0.0.6", True),
        ("10.0.0.5", False),
        ("socket", False),
    ]
    stranger = plan(shop(), clients__encryption="required", clients__known=["app@elsewhere/10.0.0.5"])
    assert "named-but-refused" in {finding.code for finding in stranger.findings}
    assert "named-but-refused" not in {finding.code for finding in made.findings}
    assert [each.who for each in made.locked_out] == ["role app from 10.0.0.6 at database shop, named in the answers, in plaintext"]
    strict = plan(
        shop(),
        clients__certificates="verify-full",
        clients__known=["app@shop/10.0.0.5", {"user": "app", "database": "shop", "address": "10.0.0.6", "certificate": "app"}],
    )
    assert [(each.origin, each.certificate, each.refused) for each in strict.known if each.source == "named"] == [
        ("10.0.0.5", "missing", "connection requires a valid client certificate"),
        ("10.0.0.6", "shown", None),
    ]


def test_a_name_in_the_log_fits_what_takes_every_address_and_is_told() -> None:
    by_name = replace(APP, address=None, host_name="web.example.com")
    made = plan(shop(by_name), clients__encryption="required")
    assert (of(made, "app").let_in_now, of(made, "app").origin) == (False, "web.example.com")
    assert "known-by-name-only" in {finding.code for finding in made.findings}
    everywhere = cluster({HBA: "local all all peer\nhost all all all scram-sha-256\n"}, logged=(by_name,))
    assert plan(everywhere, clients__encryption="required").locked_out


@pytest.mark.parametrize(
    ("silence", "code"),
    [
        ("off", "connections-not-logged"),
        ("elsewhere", "connection-log-elsewhere"),
        ("unreadable", "connection-log-unreadable"),
        ("no-address", "connection-log-without-addresses"),
    ],
)
def test_a_log_that_does_not_tell_is_told_where_rules_change(silence: Any, code: str) -> None:
    codes = {finding.code for finding in plan(shop(log_silence=silence), clients__encryption="required").findings}
    assert code in codes
    assert code not in {finding.code for finding in plan(shop(log_silence=silence), clients__encryption="optional").findings}


def test_names_from_a_log_cannot_steer_a_terminal_or_break_a_saved_plan() -> None:
    made = plan(shop(replace(APP, application="\x1b[2J\udcff")), clients__encryption="required")
    assert made.locked_out[0].who.isprintable()
    assert load(dump(made), "plan.json") == made


def test_the_json_tells_of_each() -> None:
    (found,) = (each for each in plan_to_json(plan(shop(APP), clients__encryption="required"))["known"] if each["user"] == "app")
    assert {key: found[key] for key in ("machine", "source", "rule_now", "rule_then", "changes", "certificate", "from")} == {
        "machine": None,
        "source": "log",
        "rule_now": f"{HBA}:3",
        "rule_then": f"{HBA}:6",
        "changes": True,
        "certificate": None,
        "from": "10.0.0.5",
    }


def test_compiled_rules_decide_as_the_plain_ones() -> None:
    """One place decides; it must not matter how."""
    clients = [replace(APP, user=user, address=f"10.0.{number}.5", tls=number % 2 == 0) for number, user in enumerate(("app", "anna", "x"))]
    found = shop(*clients, memberships={"anna": ("staff",)})
    judge = known.Judge(found.rules, found, clients, ssl_ca=False, offers_tls=True)
    for each in clients:
        attempt = judge.attempt(each, tls=bool(each.tls))
        assert judge.meet(each) == decide(found.rules, attempt, found.major)
