from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pgssl_wizard.cluster.facts import Cluster, Session
from pgssl_wizard.errors import Refused, UnusableInput
from pgssl_wizard.findings import Finding
from pgssl_wizard.plan.make import make_plan
from pgssl_wizard.plan.model import Plan
from tests.plan import building
from tests.plan.building import CONF, DATA, HBA, HOME, MADE, answers, applied, cluster, fact, leaf, plan, root, surroundings

PLAIN = Session("metrics", "app", "exporter", "10.0.9.7", tls=False)
CA = {"ca": {"root.crt": root()}, "ca_keys": {"root.key": True}, "ca_path_length": {"root.crt": 1}}


def codes(made: Plan) -> set[str]:
    """Return the codes of a plan's findings."""
    return {finding.code for finding in made.findings}


def roles(made: Plan) -> set[str]:
    """Return what kinds of files a plan writes."""
    return {change.role for change in made.changes}


def refusal(found: Cluster, **given: Any) -> Refused:
    """Return why no plan is made."""
    with pytest.raises(Refused) as caught:
        plan(found, **given)
    return caught.value


def test_a_first_plan_has_everything_that_is_needed() -> None:
    """CA, certificate, key, settings, rules; each with mode, owner and phase; the CA's belong to the person."""
    made = plan(cluster())
    assert [
        (str(change.path), change.action, change.phase, f"{change.mode:o}", change.owner, change.secret) for change in made.changes
    ] == [
        ("/home/dba/ca/root.crt", "create", "ca", "644", "root:root", False),
        ("/home/dba/ca/root.key", "create", "ca", "600", "root:root", True),
        ("/srv/pg/data/server.crt", "create", "tls", "644", "postgres:postgres", False),
        ("/srv/pg/data/server.key", "create", "tls", "600", "postgres:postgres", True),
        ("/srv/pg/data/postgresql.conf", "modify", "tls", "600", "postgres:postgres", False),
        ("/srv/pg/data/pg_hba.conf", "modify", "rules", "600", "postgres:postgres", False),
    ]
    assert [profile.kind for profile in made.issue] == ["root", "server"]
    assert made.trust_anchor == HOME / "ca" / "root.crt"
    assert [directory.path for directory in made.new_directories] == [HOME / "ca"]
    assert made.effective == "now"
    assert made.hash


def test_the_same_inputs_make_the_same_plan_and_others_do_not() -> None:
    """Pure: nothing of the clock or of chance is in it."""
    first, second = plan(cluster()), plan(cluster())
    assert first == second
    assert plan(cluster(), certificate__days=90).hash != first.hash
    assert plan(cluster({CONF: "port = 5433\n"})).hash != first.hash


@pytest.mark.parametrize(
    "given", [{}, {"clients__certificates": "verify-full"}, {"clients__encryption": "optional", "clients__certificates": "cert"}]
)
def test_a_plan_that_is_applied_leaves_nothing_to_do(given: dict[str, Any]) -> None:
    """The same answers a second time change nothing."""
    found = cluster()
    first = plan(found, **given)
    after, standing, around = applied(found, first)
    if "client-ca" in roles(first):
        standing[HOME / "ca" / "root.crt"] = fact(HOME / "ca" / "root.crt", "public")
    again = make_plan(after, surroundings(first.answers, standing, **around), first.answers)
    assert again.empty, again.changes
    assert again.settings == {}
    assert again.locked_out == ()
    assert "plaintext-will-be-refused" not in codes(again)


def test_recommended_answers_stay_what_they_are_once_applied() -> None:
    """Names, key, days and places are told from the certificate in use; a name found later does not reissue it."""
    found = cluster()
    given: dict[str, Any] = {"server__names": ["db.example.com", "db"], "certificate__key": "rsa-3072", "certificate__days": 90}
    after, _, _ = applied(found, plan(found, **given))
    present = leaf(("db.example.com", "db"), key_type="rsa-3072", not_after=MADE + timedelta(days=90))
    said = answers(replace(after, certificates=(present,)))
    assert said.server.names == ("db.example.com", "db")
    assert (said.certificate.key, said.certificate.days, said.certificate.intermediate) == ("rsa-3072", 90, False)
    assert said.files == answers(found).files


def test_a_modern_server_is_not_loosened_by_a_recommendation() -> None:
    """Where only TLS 1.3 is let in, that stays."""
    found = cluster()
    modern, _, _ = applied(found, plan(found, protocol__profile="modern"))
    assert answers(modern).protocol.profile == "modern"
    assert answers(found).protocol.profile == "intermediate"


def test_recommended_places_keep_keys_out_of_backups_where_that_is_easy() -> None:
    """Debian has its configuration apart; a data directory that its group may read cannot hold a key of 0600 well."""
    etc = Path("/etc/postgresql/17/main")
    debian = cluster(config_file=etc / "postgresql.conf", hba_file=etc / "pg_hba.conf")
    assert answers(debian).files.key == etc / "server.key"
    assert answers(cluster(data_mode=0o750)).files.key == Path("/srv/pg/data-tls/server.key")
    assert answers(cluster()).files.key == DATA / "server.key"


def test_encryption_is_recommended_as_far_as_nobody_known_is_hurt() -> None:
    """Required when no plaintext session is seen, or nobody can be seen because the server is down."""
    assert answers(cluster()).clients.encryption == "required"
    assert answers(cluster(running=False)).clients.encryption == "required"
    assert answers(cluster(sessions=(replace(PLAIN, tls=True),))).clients.encryption == "required"
    assert answers(cluster(sessions=(PLAIN,))).clients.encryption == "optional"


@pytest.mark.parametrize(
    ("why", "found"),
    [
        ("managed", cluster(managed_by="a system without words of its own here")),
        ("no-tls-built-in", cluster(tls_built_in=False)),
        ("unknown-version", replace(cluster(), major=12)),
        ("unknown-version", replace(cluster(), major=19)),
        (
            "settings-syntax-error",
            cluster(findings=(Finding("error", "settings-syntax-error", "syntax error", None, "postgresql.conf:3"),)),
        ),
        ("rule-error", cluster({HBA: "host all all md5\n"})),
        ("no-rules", cluster({HBA: "# nothing\n"})),
    ],
)
def test_what_would_not_be_safe_is_refused(why: str, found: Cluster) -> None:
    """With exit code 3, and before anything is planned."""
    caught = refusal(found)
    assert (caught.code, int(caught.exit_code)) == (why, 3)
    assert caught.where


@pytest.mark.parametrize("place", ["postgresql.conf", "pg_hba.conf", "base/server.key", "pg_wal/server.key", "PG_VERSION"])
def test_certificate_and_key_do_not_go_over_the_servers_own_files(place: str) -> None:
    """Nor among its data."""
    assert refusal(cluster(), files__key=place).code == "in-the-way"


def test_nobodys_key_is_overwritten() -> None:
    """A file elsewhere that the server does not use is somebody's; the shared snakeoil key in any case; our own is replaced."""
    key = Path("/etc/ssl/private/app.key")
    found = cluster()
    with pytest.raises(Refused) as caught:
        plan(found, {key: fact(key, "x")}, files__key=str(key))
    assert (caught.value.code, caught.value.where) == ("in-the-way", str(key))
    used = cluster({CONF: f"ssl_key_file = '{key}'\n"})
    assert "file-replaced" in codes(plan(used, {key: fact(key, "x")}, files__key=str(key)))
    snakeoil = Path("/etc/ssl/private/ssl-cert-snakeoil.key")
    with pytest.raises(Refused, match="shared"):
        plan(cluster({CONF: f"ssl_key_file = '{snakeoil}'\n"}), {snakeoil: fact(snakeoil, "x")}, files__key=str(snakeoil))
    own = plan(found, {DATA / "server.key": fact(DATA / "server.key", "x")})
    assert next(change.action for change in own.changes if change.role == "server-key") == "modify"


def test_a_directory_that_the_server_cannot_pass_is_refused() -> None:
    """The key would stand where nobody finds it."""
    key = Path("/root/tls/server.key")
    with pytest.raises(Refused) as caught:
        plan(cluster(), around={"blocked": {key: Path("/root")}}, files__key=str(key))
    assert (caught.value.code, caught.value.where) == ("parent-blocks", "/root")


def test_a_standing_ca_is_used_and_never_overwritten() -> None:
    """Its key signs; without the key, or with something that is no CA in its place, there is no plan."""
    standing = {HOME / "ca" / "root.crt": fact(HOME / "ca" / "root.crt", "x")}
    made = plan(cluster(), standing, CA)
    assert roles(made) >= {"server-certificate", "server-key"}
    assert not roles(made) & {"root-certificate", "root-key"}
    for around, code in (({**CA, "ca_keys": {}}, "ca-key-missing"), ({}, "ca-file-in-the-way")):
        with pytest.raises(Refused) as caught:
            plan(cluster(), standing, around)
        assert caught.value.code == code


@pytest.mark.parametrize(
    "change",
    [
        {"leaf": leaf(("other.example.com",))},
        {"leaf": leaf(key_type="rsa-2048")},
        {"leaf": leaf(key_matches=False)},
        {"leaf": leaf(not_after=MADE + timedelta(days=90))},
        {"leaf_due": True},
        {"leaf_issuer": None},
        {"leaf_chain": ("PostgreSQL CA Intermediate",)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_leaf_is_issued_again_only_when_something_about_it_is_not_as_asked(change: dict[str, object]) -> None:
    """Names, key, life, issuer, chain; or because it is due."""
    key = DATA / "server.key"
    fits = {**CA, "leaf": leaf(), "leaf_issuer": "root.crt"}
    standing = {key: fact(key, "x", data=None)}
    assert plan(cluster(), standing, fits).issue == ()
    assert [profile.kind for profile in plan(cluster(), standing, {**fits, **change}).issue] == ["server"]


@pytest.mark.parametrize(("mode", "uid", "stays"), [(0o600, 70, True), (0o400, 70, True), (0o640, 70, False), (0o600, 0, False)])
def test_a_key_that_the_server_would_not_load_is_made_again(mode: int, uid: int, stays: bool) -> None:
    """PostgreSQL looks at owner and mode before it looks at the key."""
    key = DATA / "server.key"
    made = plan(cluster(), {key: fact(key, "x", data=None, mode=mode, uid=uid)}, {**CA, "leaf": leaf(), "leaf_issuer": "root.crt"})
    assert (made.issue == ()) is stays


def test_a_key_of_roots_needs_its_group_and_a_restart() -> None:
    """A running server does not notice that its user joined a group."""
    given: dict[str, Any] = {"files__key_owner": "root", "files__key_group": "ssl-cert"}
    around = {"key_gid": 113, "group_member": True, "running_with_group": False}
    made = plan(cluster(), around=around, **given)
    key = next(change for change in made.changes if change.role == "server-key")
    assert (key.mode, key.uid, key.gid, key.owner) == (0o640, 0, 113, "root:ssl-cert")
    assert made.effective == "restart-needed"
    assert "restart-needed" in codes(made)
    for wrong, code in (({**around, "key_gid": None}, "no-such-group"), ({**around, "group_member": False}, "not-in-group")):
        with pytest.raises(Refused) as caught:
            plan(cluster(), around=wrong, **given)
        assert caught.value.code == code


def test_known_plaintext_sessions_are_locked_out_and_unknown_ones_warned_about() -> None:
    """The session is named with the rule that lets it in today and the words it would get."""
    hba = "local all all peer\nhost app metrics 10.0.0.0/8 md5\n"
    made = plan(cluster({HBA: hba}, sessions=(PLAIN, PLAIN, replace(PLAIN, tls=True, user="app"))), clients__encryption="required")
    (known,) = made.locked_out
    assert (known.rule_now, known.rule_then) == (f"{HBA}:2", f"{HBA}:3")
    assert "metrics" in known.who
    assert known.message == 'pg_hba.conf rejects connection for host "10.0.9.7", user "metrics", database "app", no encryption'
    assert "plaintext-will-be-refused" in codes(made)
    assert [(change.plain_sessions, change.tls_sessions) for change in made.rules if change.line == 2] == [(2, 0)]
    assert plan(cluster({HBA: hba}, sessions=(PLAIN,)), clients__encryption="optional").locked_out == ()


@pytest.mark.parametrize("rule", ["host all +monitoring 10.0.0.0/8 md5", "host all all samehost md5", "host all all samenet md5"])
def test_sessions_behind_rules_by_group_or_own_network_are_known_too(rule: str) -> None:
    """Nobody was asked about memberships; who is connected did get in."""
    assert plan(cluster({HBA: f"local all all peer\n{rule}\n"}, sessions=(PLAIN,)), clients__encryption="required").locked_out


def test_replication_without_a_certificate_is_locked_out_when_one_is_demanded() -> None:
    """A standby is a client too."""
    standby = Session("repl", "", "walreceiver", "10.0.0.2", tls=True, replication=True)
    hba = "local all all peer\nhostssl replication repl 10.0.0.0/8 scram-sha-256\n"
    made = plan(cluster({HBA: hba}, sessions=(standby,)), clients__certificates="verify-ca")
    assert made.locked_out[0].message == "connection requires a valid client certificate"
    assert "replication-needs-certificate" in codes(made)


def test_what_a_colleague_would_say_is_said() -> None:
    """Rules that vanish, ways in that close, keys in backups, roots that change."""
    hba = "hostnossl all all 10.0.0.0/8 trust\nhostnossl replication all 10.0.0.0/8 trust\n"
    trust = Finding("warning", "trust-over-tcp", "Line 1 lets anybody in.", None, f"{HBA}:1", "rules")
    made = plan(cluster({HBA: hba}, findings=(trust,)))
    assert codes(made) >= {
        "plaintext-rules-commented-out",
        "no-way-for-replication",
        "no-way-over-tcp",
        "no-local-way",
        "key-in-data-directory",
        "ca-key-offline",
    }
    assert "trust-over-tcp" not in codes(made), "the rule is gone"
    assert not {"no-way-for-replication", "no-way-over-tcp", "no-local-way"} & codes(plan(cluster()))
    kept = plan(cluster({HBA: "local all all peer\nhost all all all trust\n"}, findings=(replace(trust, where=f"{HBA}:2"),)))
    assert "trust-over-tcp" in codes(kept), "encrypted, and still anybody gets in"


def test_clients_that_verify_are_thought_of_when_the_signer_changes() -> None:
    """A new root refuses everybody who has the old one; the snakeoil certificate nobody could verify."""
    on = {CONF: "ssl = on\n"}
    assert "anchor-changes" in codes(plan(cluster(on, certificates=(leaf(issuer="CN=Corporate CA"),))))
    assert "anchor-changes" in codes(plan(cluster(on, certificates=(leaf(self_signed=True),))))
    assert "anchor-changes" not in codes(plan(cluster(on, certificates=(leaf(),)), around=CA, certificate__days=90))
    snakeoil = leaf(path=Path("/etc/ssl/certs/ssl-cert-snakeoil.pem"), self_signed=True)
    assert "anchor-changes" not in codes(plan(cluster(on, certificates=(snakeoil,))))


def test_the_clients_ca_is_only_written_when_certificates_are_asked_for() -> None:
    """Our own root by default, somebody else's when named; never one with a private key in it."""
    assert "client-ca" not in roles(plan(cluster()))
    made = plan(cluster(), clients__certificates="optional")
    own = next(change for change in made.changes if change.role == "client-ca")
    assert (own.path, own.copy_of, own.after) == (DATA / "root.crt", HOME / "ca" / "root.crt", None)
    theirs = HOME / "corporate.pem"
    given: dict[str, Any] = {"clients__certificates": "verify-ca", "clients__ca": str(theirs)}
    around = {"client_ca": (root(role="client-ca"),)}
    made = plan(cluster(), {theirs: fact(theirs, "PEM")}, around, **given)
    assert next(change.after for change in made.changes if change.role == "client-ca") == b"PEM"
    with pytest.raises(Refused, match="private key"):
        plan(cluster(), {theirs: fact(theirs, "-----BEGIN PRIVATE KEY-----\n")}, around, **given)
    with pytest.raises(Refused):
        plan(cluster(), {theirs: fact(theirs, None)}, **given)


def test_a_replaced_authority_for_clients_is_said() -> None:
    """Who has a certificate of the old one is refused afterwards."""
    standing = {DATA / "root.crt": fact(DATA / "root.crt", "old")}
    assert "client-ca-replaced" in codes(plan(cluster(), standing, clients__certificates="optional"))


def test_other_peoples_edits_that_the_reload_would_activate_are_shown() -> None:
    """They are not ours, and they go live with ours."""
    found = cluster()
    assert found.server is not None
    work, ours = "work_mem = 8MB in postgresql.conf:3 waits for a reload", "ssl = off in postgresql.conf:9 waits for a reload"
    said = Finding("warning", "pending-edits", "1 edit waits for a reload.")
    pending = replace(found, server=replace(found.server, pending=(work, ours), rules_edited_since_load=True), findings=(said,))
    made = plan(pending)
    assert made.goes_live_too[0] == work
    assert len(made.goes_live_too) == 2, "what the plan overwrites never comes alive"
    assert "goes-live-too" in codes(made)
    assert "pending-edits" not in codes(made), "once is enough"


def test_what_a_plan_cures_is_not_said_again() -> None:
    """What was wrong with the certificate in use, and that TLS is off; what stays true stays said."""
    old = Path("/etc/ssl/old.crt")
    said = (
        Finding("warning", "certificate-expired", "It expired.", None, str(old), "certificate"),
        Finding("warning", "key-permissions", "The key can be read by all.", None, "/etc/ssl/old.key", "files"),
        Finding("info", "tls-off", "TLS is off."),
        Finding("info", "local-only", "Nobody elsewhere can reach it."),
    )
    found = cluster({CONF: f"ssl_cert_file = '{old}'\nssl_key_file = '/etc/ssl/old.key'\n"}, findings=said)
    assert codes(plan(found)) & {finding.code for finding in said} == {"local-only"}


def test_the_openssl_commands_name_the_files_of_the_plan() -> None:
    """For the same files by hand, in an empty directory."""
    made = plan(cluster(), clients__certificates="optional", certificate__intermediate=True, files__ca="clients.crt")
    text = "\n".join(made.openssl)
    for name in ("root.crt", "root.key", "intermediate.crt", "server.crt", "server.key", "clients.crt"):
        assert name in text


def test_names_that_no_certificate_can_hold_are_refused() -> None:
    """With exit code 2."""
    with pytest.raises(UnusableInput):
        plan(cluster(), server__names=["db example com"])


def test_symbolic_links_are_followed() -> None:
    """The link stays, and what it leads to is written."""
    found = cluster()
    real = Path("/etc/pg/postgresql.conf")
    found = replace(found, files={**found.files, CONF: replace(found.files[CONF], real_path=real)})
    made = plan(found)
    assert real in {change.path for change in made.changes}
    assert CONF not in {change.path for change in made.changes}


def test_nothing_of_a_private_key_beside_a_certificate_gets_into_a_plan() -> None:
    """PostgreSQL takes both from one file; a plan is no place for it."""
    both = DATA / "server.crt"
    made = plan(cluster(), {both: fact(both, "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n")})
    assert next(change.before for change in made.changes if change.role == "server-certificate") is None


def test_building_is_not_itself_at_fault() -> None:
    """The hand-made cluster has the rules of its file."""
    assert len(building.cluster().rules) == 6
