"""The administrator's connection, by every way in that servers leave open."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pgssl_wizard.server import admin, as_user, postmaster
from pgssl_wizard.server.admin import AdminUnavailable, QueryFailed
from pgssl_wizard.server.postmaster import Postmaster
from tests.servers import RealCluster

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


def running(cluster: RealCluster) -> Postmaster:
    """The cluster's postmaster."""
    found = postmaster.read(cluster.data_directory)
    assert found is not None
    return found


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("PG") and not name.startswith("PGSSL_TEST"):
            monkeypatch.delenv(name)


def test_the_superuser_gets_in_over_the_socket(cluster: RealCluster) -> None:
    """Root, too, where `peer` lets in only the server's own user, and without a refusal in the server's log."""
    with admin.connect(running(cluster)) as session:
        assert session.user == cluster.superuser
        assert session.query("select current_user as who, 1 + 1 as two") == [{"who": cluster.superuser, "two": 2}]
    assert "FATAL" not in cluster.log()


@as_root
def test_the_server_sees_a_child_process_where_threads_cannot_change_user(
    newest_cluster: RealCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On macOS, for example: the child becomes the server's user and answers over pipes."""
    monkeypatch.setattr(as_user, "_SETRESUID", {})
    with admin.connect(running(newest_cluster)) as session:
        assert session.query("select current_user as who") == [{"who": newest_cluster.superuser}]
        assert session.query("select %s::int + 1 as n", [41]) == [{"n": 42}]
        with pytest.raises(QueryFailed, match="division by zero") as caught:
            session.query("select 1/0")
        assert caught.value.sqlstate == "22012"
    assert "FATAL" not in newest_cluster.log()


@as_root
def test_becoming_another_user_leaves_the_other_threads_alone(newest_cluster: RealCluster) -> None:
    """And the thread itself is that user."""
    seen = as_user.call(newest_cluster.identity.uid, lambda: Path("/proc/thread-self/status").read_bytes().decode())
    uids = next(line for line in seen.splitlines() if line.startswith("Uid:")).split()[1:]
    assert uids == ["0", str(newest_cluster.identity.uid), "0", str(newest_cluster.identity.uid)]
    assert os.geteuid() == 0
    with pytest.raises(ZeroDivisionError):
        as_user.call(newest_cluster.identity.uid, lambda: 1 // 0)


@as_root
def test_nothing_is_imported_while_being_another_user(newest_cluster: RealCluster) -> None:
    """The libraries may lie where that user cannot read, and a failed look-up would be remembered."""
    program = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from pathlib import Path\n"
        "from pgssl_wizard.server import admin, as_user, connecting, postmaster\n"
        "real = as_user.call\n"
        "def call(uid, function):\n"
        "    before = set(sys.modules)\n"
        "    result = real(uid, function)\n"
        "    print(sorted(set(sys.modules) - before))\n"
        "    return result\n"
        "as_user.call = call\n"
        "admin.connect(postmaster.read(Path(sys.argv[2]))).close()\n"
    )
    arguments = [str(Path(admin.__file__).parents[2]), str(newest_cluster.data_directory)]
    done = subprocess.run([sys.executable, "-c", program, *arguments], check=False, capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr


@as_root
def test_the_servers_own_user_gets_in(newest_cluster: RealCluster) -> None:
    """The wizard may run as that user instead of root."""
    program = (
        "import json, os, sys; sys.path[:] = json.loads(sys.argv[1])\n"
        "from pathlib import Path\n"
        "from pgssl_wizard.server import admin, connecting, postmaster\n"
        "os.setgroups([]); os.setgid(int(sys.argv[4])); os.setuid(int(sys.argv[3]))\n"
        "with admin.connect(postmaster.read(Path(sys.argv[2]))) as session: print(session.query('select current_user as who'))\n"
    )
    identity = newest_cluster.identity
    arguments = [json.dumps(sys.path), str(newest_cluster.data_directory), str(identity.uid), str(identity.gid)]
    done = subprocess.run([sys.executable, "-c", program, *arguments], check=False, capture_output=True, text=True, cwd="/")
    assert done.stdout.strip() == f"[{{'who': '{newest_cluster.superuser}'}}]", done.stderr


def test_a_password_file_serves_where_the_socket_asks_for_a_password(
    newest_cluster: RealCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PGPASSFILE is ours, not the server user's."""
    newest_cluster.hba_file.write_text("local all all scram-sha-256\nhost all all 127.0.0.1/32 scram-sha-256\n", encoding="utf-8")
    newest_cluster.reload()
    with pytest.raises(AdminUnavailable, match="no password supplied"):
        admin.connect(running(newest_cluster))
    passfile = tmp_path / "passfile"
    passfile.write_text(f"*:*:*:{newest_cluster.superuser}:{newest_cluster.password}\n", encoding="utf-8")
    passfile.chmod(0o600)
    monkeypatch.setenv("PGPASSFILE", str(passfile))
    with admin.connect(running(newest_cluster)) as session:
        assert session.query("select 1 as one") == [{"one": 1}]


def test_a_server_without_sockets_is_reached_over_loopback(stopped_cluster: RealCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """By password, as there is no peer over TCP."""
    stopped_cluster.set(listen_addresses="*", unix_socket_directories="")
    stopped_cluster.start()
    monkeypatch.setenv("PGPASSWORD", stopped_cluster.password)
    with admin.connect(running(stopped_cluster)) as session:
        assert session.query("select host(inet_client_addr()) as address") == [{"address": "127.0.0.1"}]


def test_the_role_and_the_database_can_be_named(newest_cluster: RealCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the caller, and by libpq's variables."""
    newest_cluster.hba_file.write_text("local all all trust\n", encoding="utf-8")
    newest_cluster.reload()
    who = "select current_user as who, current_database() as here"
    with admin.connect(running(newest_cluster), user="app", database="app") as session:
        assert session.query(who) == [{"who": "app", "here": "app"}]
    monkeypatch.setenv("PGUSER", "app")
    monkeypatch.setenv("PGDATABASE", "template1")
    with admin.connect(running(newest_cluster)) as session:
        assert session.query(who) == [{"who": "app", "here": "template1"}]


def test_variables_that_lead_elsewhere_are_not_followed(newest_cluster: RealCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server asked is the one whose data directory it is."""
    for name, value in {"PGHOST": "nowhere.invalid", "PGHOSTADDR": "192.0.2.1", "PGPORT": "1", "PGTARGETSESSIONATTRS": "standby"}.items():
        monkeypatch.setenv(name, value)
    with admin.connect(running(newest_cluster)) as session:
        assert session.query("select setting from pg_settings where name = 'port'") == [{"setting": str(newest_cluster.port)}]


def test_a_cluster_without_a_database_postgres_is_reached_through_template1(newest_cluster: RealCluster) -> None:
    """Some administrators drop it."""
    newest_cluster.sql("drop database postgres", database="template1")
    with admin.connect(running(newest_cluster)) as session:
        assert session.query("select current_database() as here") == [{"here": "template1"}]


def test_nobody_let_in_is_said_in_the_servers_words(newest_cluster: RealCluster) -> None:
    """With what can be done about it."""
    newest_cluster.hba_file.write_text("local all all reject\n", encoding="utf-8")
    newest_cluster.reload()
    with pytest.raises(AdminUnavailable, match=r"pg_hba\.conf rejects connection") as caught:
        admin.connect(running(newest_cluster))
    assert caught.value.hint is not None


def test_a_connection_that_is_lost_is_told_from_a_statement_that_is_refused(newest_cluster: RealCluster) -> None:
    """The first ends the session, the second does not."""
    with admin.connect(running(newest_cluster)) as session:
        with pytest.raises(QueryFailed, match="syntax error"):
            session.query("selec")
        assert session.query("select true as well") == [{"well": True}]
        newest_cluster.stop(how="immediate")
        with pytest.raises(AdminUnavailable):
            session.query("select 1")


def test_values_come_as_plain_data(newest_cluster: RealCluster) -> None:
    """The same over a pipe as in this process."""
    sql = "select inet '10.0.0.1/8' as i, array['a', null] as l, 1.5::numeric as d, json '{\"k\": [1]}' as j, null as n, '\\x00ff'::bytea as b"
    with admin.connect(running(newest_cluster)) as session:
        assert session.query(sql) == [{"i": "10.0.0.1/8", "l": ["a", None], "d": "1.5", "j": {"k": [1]}, "n": None, "b": "00ff"}]


@pytest.mark.parametrize(
    ("listens", "reached"),
    [
        (None, None),
        ("", None),
        ("*", "127.0.0.1"),
        ("0.0.0.0", "127.0.0.1"),  # noqa: S104
        ("::", "::1"),
        ("localhost", "localhost"),
        ("10.0.0.5", "10.0.0.5"),
    ],
)
def test_an_address_to_listen_on_is_turned_into_one_to_connect_to(listens: str | None, reached: str | None) -> None:
    """All of them means loopback."""
    assert admin.loopback(listens) == reached
