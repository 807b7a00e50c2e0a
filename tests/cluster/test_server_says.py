"""What the running server answers about sessions, and about what other people have changed and not loaded."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from pgssl_wizard.cluster.facts import Cluster, ServerSays
from pgssl_wizard.cluster.inspect import inspect
from pgssl_wizard.cluster.server_says import waiting
from tests.servers import RealCluster


def said(cluster: RealCluster, user: str | None = None) -> ServerSays:
    """What the server says now."""
    answer = inspect(cluster.data_directory, user=user).server
    assert answer is not None
    return answer


def messages(seen: Cluster) -> dict[str, str]:
    """The sentences of the findings, by code."""
    return {finding.code: finding.message for finding in seen.findings}


@contextmanager
def connected(cluster: RealCluster, **options: object) -> Iterator[None]:
    """The app role, connected over TCP."""
    where = {"host": "127.0.0.1", "port": cluster.port, "user": "app", "dbname": "app", "password": cluster.app_password}
    with psycopg.connect(**{**where, **options}):  # type: ignore[arg-type]
        yield


def test_sessions_in_plaintext_are_told_from_encrypted_ones(cluster: RealCluster) -> None:
    """Over TCP only, and never our own."""
    cluster.serve_tls()
    with connected(cluster, sslmode="disable", application_name="old"), connected(cluster, sslmode="require", application_name="new"):
        seen = inspect(cluster.data_directory)
        assert seen.server is not None
        found = {session.application: session for session in seen.server.sessions}
        assert set(found) == {"old", "new"}
        assert (found["old"].tls, found["old"].tls_version) == (False, None)
        assert found["new"].tls
        assert str(found["new"].tls_version).startswith("TLSv1.")
        assert (found["old"].user, found["old"].database, found["old"].address) == ("app", "app", "127.0.0.1")
        assert "1 session is connected in plaintext now: app." in messages(seen)["plaintext-sessions"]
    assert "plaintext-sessions" not in messages(inspect(cluster.data_directory))


def test_a_role_without_privileges_takes_nobodys_session_for_plaintext(cluster: RealCluster) -> None:
    """What it may not see it does not guess."""
    cluster.serve_tls()
    cluster.sql("create role bystander login")
    cluster.hba_file.write_text("local all bystander trust\n" + cluster.hba_file.read_text())
    cluster.reload()
    with connected(cluster, sslmode="require"):
        answer = said(cluster, user="bystander")
    assert not answer.superuser
    assert [session for session in answer.sessions if not session.tls] == []
    assert answer.pending == ()


def test_an_edit_that_waits_for_a_reload_is_told_with_its_line(cluster: RealCluster) -> None:
    """In postgresql.conf, in postgresql.auto.conf; after the reload nothing waits any more."""
    cluster.set(authentication_timeout="2min", log_line_prefix="%m ")
    cluster.sql("alter system set work_mem = '5MB'")
    pending = said(cluster).pending
    assert len(pending) == 3
    line = cluster.config_file.read_text().count("\n") - 1
    assert f"authentication_timeout = 2min in {cluster.config_file}:{line} waits for a reload (in force: 60)" in pending
    assert any(text.startswith(f"work_mem = 5MB in {cluster.auto_conf}:") for text in pending)
    seen = inspect(cluster.data_directory)
    assert messages(seen)["pending-edits"].startswith("3 edits wait for a reload, and ours would activate")
    cluster.reload()
    assert said(cluster).pending == ()


def test_spelling_a_value_differently_is_no_edit(cluster: RealCluster) -> None:
    """Units, booleans, upper case, blanks, numbers, old names."""
    cluster.set(
        authentication_timeout="90s",
        work_mem="4MB",
        ssl="off",
        datestyle="iso, mdy",
        log_connections="on",
        search_path='"$user", public',
        random_page_cost="4.0",
        log_min_messages="warning",
        autovacuum_naptime="1min",
        ssl_ecdh_curve="prime256v1",
        synchronous_commit="on",
        ssl_min_protocol_version="TLSv1.2",
    )
    cluster.reload()
    assert said(cluster).pending == ()
    cluster.set(authentication_timeout="1.5min", work_mem="4096kB", ssl="FALSE", datestyle="ISO,MDY", log_connections="yes")
    cluster.set(
        search_path='"$user",public', random_page_cost="4", log_min_messages="WARNING", autovacuum_naptime="60", synchronous_commit="true"
    )
    cluster.set(ssl_min_protocol_version="tlsv1.2")
    assert said(cluster).pending == ()


def test_a_line_taken_out_is_an_edit_too(cluster: RealCluster) -> None:
    """A reload would put the default back."""
    before = cluster.config_file.read_text()
    cluster.set(authentication_timeout="2min")
    cluster.reload()
    cluster.config_file.write_text(before)
    (only,) = said(cluster).pending
    assert only == f"authentication_timeout, taken out of {cluster.config_file}, goes back to its default at a reload (in force: 120)"


def test_what_needs_a_restart_is_told_apart_from_what_our_reload_activates(cluster: RealCluster) -> None:
    """Before and after somebody's reload."""
    cluster.set(max_connections="21", listen_addresses="*")
    for _ in range(2):
        answer = said(cluster)
        assert answer.pending == ()
        assert sorted(text.partition(" ")[0] for text in answer.restart_pending) == ["listen_addresses", "max_connections"]
        seen = inspect(cluster.data_directory)
        local = next(finding for finding in seen.findings if finding.code == "local-only")
        assert seen.service is not None
        assert local.hint == f"It is * in the files already: run “{seen.service.restart}” as {cluster.identity.name}."
        cluster.reload()


def test_a_value_that_may_hold_a_password_is_not_told(cluster: RealCluster) -> None:
    """That it changed is enough."""
    secret = "s3cr3t-of-the-standby"
    cluster.set(
        primary_conninfo=f"host=other user=r password={secret}",
        ssl_passphrase_command=f"echo {secret}",
        archive_cleanup_command=f"x {secret}",
        **{"my.password": secret},
    )
    answer = said(cluster)
    assert secret not in repr(answer)
    names = {text.partition(" ")[0] for text in (*answer.pending, *answer.restart_pending)}
    assert {"primary_conninfo", "ssl_passphrase_command", "my.password"} <= names


def test_with_a_syntax_error_nothing_is_said_to_wait(cluster: RealCluster) -> None:
    """The server would apply nothing at all; the error itself is told."""
    cluster.set(authentication_timeout="2min")
    with cluster.config_file.open("a") as file:
        file.write("ssl on off\n")
    seen = inspect(cluster.data_directory)
    assert seen.server is not None
    assert seen.server.pending == ()
    assert "settings-syntax-error" in messages(seen)


def test_rules_and_maps_that_nobody_loaded_yet_are_noticed(cluster: RealCluster) -> None:
    """Edited in place, replaced by an older file, in the map; not after a reload."""
    assert not said(cluster).rules_edited_since_load
    with cluster.hba_file.open("a") as file:
        file.write("# a word\n")
    assert said(cluster).edited == (cluster.hba_file,)
    cluster.reload()
    assert said(cluster).edited == ()
    older = cluster.base / "older"
    shutil.copy(cluster.hba_file, older)
    os.chown(older, cluster.identity.uid, cluster.identity.gid)
    os.utime(older, (1_000_000_000, 1_000_000_000))
    older.replace(cluster.hba_file)
    assert said(cluster).edited == (cluster.hba_file,)
    cluster.reload()
    cluster.ident_file.write_text("m a b\n")
    seen = inspect(cluster.data_directory)
    assert seen.server is not None
    assert (seen.server.rules_edited_since_load, seen.server.edited) == (True, (cluster.ident_file,))
    assert messages(seen)["pending-rules"].startswith("pg_ident.conf changed after")


def test_lists_that_the_rules_refer_to_count_with_them(cluster: RealCluster) -> None:
    """`@file`."""
    cluster.write("people", "app\n")
    cluster.hba_file.write_text(cluster.hba_file.read_text() + "host app @people 10.0.0.0/8 scram-sha-256\n")
    cluster.reload()
    assert said(cluster).edited == ()
    cluster.write("people", "app other\n")
    assert said(cluster).edited == (cluster.data_directory / "people",)


def test_a_standby_says_that_it_is_one(cluster: RealCluster) -> None:
    """Each node needs its own run."""
    cluster.stop()
    cluster.write("standby.signal", "")
    cluster.set(hot_standby="on")
    cluster.start()
    seen = inspect(cluster.data_directory)
    assert seen.server is not None
    assert seen.server.in_recovery
    assert "own run" in messages(seen)["standby"]


def test_a_server_that_refuses_alter_system_says_so(newest_cluster: RealCluster) -> None:
    """17 and later."""
    if newest_cluster.major < 17:
        pytest.skip("needs 17")
    newest_cluster.set(allow_alter_system="off")
    newest_cluster.reload()
    seen = inspect(newest_cluster.data_directory)
    assert seen.server is not None
    assert not seen.server.allow_alter_system
    assert "alter-system-off" in messages(seen)


def test_the_environment_of_the_server_is_a_source_of_its_own(newest_cluster: RealCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """PGPORT decides where no file does."""
    text = newest_cluster.config_file.read_text().replace(f"port = '{newest_cluster.port}'\n", "")
    newest_cluster.stop()
    newest_cluster.config_file.write_text(text)
    real = type(newest_cluster.identity).environment
    monkeypatch.setattr(
        type(newest_cluster.identity), "environment", lambda self, extra=None: {**real(self, extra), "PGPORT": str(newest_cluster.port)}
    )
    newest_cluster.start()
    setting = inspect(newest_cluster.data_directory).settings["port"]
    assert (setting.source, setting.value, setting.in_force) == ("environment", str(newest_cluster.port), str(newest_cluster.port))


def test_settings_of_extensions_that_are_new_wait_as_well() -> None:
    """The server lists a name with a dot only once it has met it."""
    row = {"sourcefile": "/c", "sourceline": 7, "name": "audit.level", "setting": "all", "applied": True, "error": None}
    assert waiting([row], {}) == (("audit.level = all in /c:7 waits for a reload (not known to the server yet)",), ())
