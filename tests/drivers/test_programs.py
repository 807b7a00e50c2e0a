"""The settings for drivers and programs outside Python, run as they stand."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from tests.drivers.snippets import DATABASE, NODE_MODULES, Guarded, code, paragraphs, run
from tests.servers.cluster import free_port, let_through

QUERY = "select current_user || '|' || current_database()"
JDBC = Path("/usr/share/java")
_HINT = "is not installed; .ci/run does it on Debian"


def installed(program: str) -> pytest.MarkDecorator:
    """Skip where a program is not installed."""
    return pytest.mark.skipif(shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin") is None, reason=f"{program} {_HINT}")


def _has_pdo() -> bool:
    php = shutil.which("php")
    return php is not None and "pdo_pgsql" in subprocess.run([php, "-m"], check=False, capture_output=True, text=True).stdout


def _has_odbc_driver() -> bool:
    drivers = Path("/etc/odbcinst.ini")
    return shutil.which("isql") is not None and drivers.exists() and "[PostgreSQL Unicode]" in drivers.read_text(errors="replace")


needs_php = pytest.mark.skipif(not _has_pdo(), reason=f"PHP with pdo_pgsql {_HINT}")
needs_odbc = pytest.mark.skipif(not _has_odbc_driver(), reason=f"unixODBC with psqlODBC {_HINT}")
needs_node = pytest.mark.skipif(not (shutil.which("node") and (NODE_MODULES / "pg").exists()), reason="no node-postgres; `make drivers`")
needs_jdbc = pytest.mark.skipif(
    not (shutil.which("javac") and (JDBC / "postgresql.jar").exists()), reason=f"a JDK with Debian's libpostgresql-jdbc-java {_HINT}"
)


def who(role: str) -> str:
    """Return what the query answers."""
    return f"{role}|{DATABASE}"


def php(kit: Path) -> subprocess.CompletedProcess[str]:
    """Run the line for PHP."""
    program = f'<?php $pdo = {code(kit, "PHP")};\necho $pdo->query("{QUERY}")->fetchColumn();'
    return run(["php"], kit, text=program)


@needs_php
def test_php(guarded: Guarded, tmp_path: Path) -> None:
    for role, kit in guarded.kits.items():
        done = php(kit)
        assert done.stdout == who(role), done.stdout + done.stderr
    done = php(guarded.misled(tmp_path))
    assert "certificate verify failed" in done.stdout + done.stderr


def odbc(kit: Path) -> subprocess.CompletedProcess[str]:
    """Run the line for ODBC."""
    return run(["isql", "-v", "-b", "-k", code(kit, "ODBC")], kit, text=f"{QUERY}\n")


@needs_odbc
def test_odbc(guarded: Guarded, tmp_path: Path) -> None:
    for role, kit in guarded.kits.items():
        if ";" in role or role.startswith("{"):
            continue  # The driver has no way to write these, and the README says so.
        done = odbc(kit)
        assert who(role) in done.stdout, done.stdout + done.stderr
    done = odbc(guarded.misled(tmp_path))
    assert done.returncode != 0
    assert "certificate verify failed" in done.stdout + done.stderr


def node(kit: Path) -> subprocess.CompletedProcess[str]:
    """Run the line for node-postgres."""
    program = f"""
const {{ Client }} = require("pg");
const client = {code(kit, "node-postgres")};
client.connect()
  .then(() => client.query("{QUERY} as who"))
  .then((found) => {{ console.log(found.rows[0].who); return client.end(); }})
  .catch((problem) => {{ console.error(problem.code, problem.message); process.exit(1); }});
"""
    return run(["node", "-"], kit, text=program, NODE_PATH=str(NODE_MODULES))


@needs_node
def test_node_postgres(guarded: Guarded, tmp_path: Path) -> None:
    for role, kit in guarded.kits.items():
        done = node(kit)
        assert done.stdout == who(role) + "\n", done.stderr
    done = node(guarded.misled(tmp_path))
    assert done.returncode != 0
    assert "certificate" in done.stderr


#: Reads the URL from standard input, so that its quotes need no escaping.
JAVA = f"""
import java.sql.*;
public class Who {{
    public static void main(String[] arguments) throws Exception {{
        String url = new String(System.in.readAllBytes(), "UTF-8").strip();
        try (Connection connection = DriverManager.getConnection(url)) {{
            ResultSet found = connection.createStatement().executeQuery("{QUERY}");
            found.next();
            System.out.write((found.getString(1) + "\\n").getBytes("UTF-8"));
            System.out.flush();
        }}
    }}
}}
"""


@needs_jdbc
def test_jdbc(guarded: Guarded, tmp_path: Path) -> None:
    (tmp_path / "Who.java").write_text(JAVA, encoding="utf-8")
    assert run(["javac", "-encoding", "UTF-8", "Who.java"], tmp_path).returncode == 0
    jars = ":".join(
        str(jar)
        for jar in JDBC.glob("*.jar")
        if jar.name.split("-")[0].split(".")[0] in {"postgresql", "scram", "stringprep", "saslprep", "ongres"}
    )

    def java(kit: Path, url: str) -> subprocess.CompletedProcess[str]:
        return run(["java", "-cp", f"{tmp_path}:{jars}", "Who"], kit, text=url)

    for role, kit in guarded.kits.items():
        done = java(kit, code(kit, "JDBC"))
        assert done.stdout == who(role) + "\n", done.stderr
    kit = guarded.kits["app"]
    packed = code(kit, "JDBC").replace("sslkey=postgresql.pk8", "sslkey=postgresql.p12") + "&sslpassword="
    assert java(kit, packed).stdout == who("app") + "\n"
    done = java(guarded.misled(tmp_path), code(kit, "JDBC"))
    assert done.returncode != 0
    assert "certif" in done.stderr.lower(), done.stderr


@contextmanager
def bouncing(kit: Path, place: Path, guarded: Guarded, *more: str) -> Iterator[int]:
    """Run PgBouncer with a kit's settings as the server's user, who may read the copied files; yield its port."""
    own = place / "pool"
    shutil.copytree(kit, own)
    let_through(own)
    port = free_port()
    settings = "\n\n".join(paragraphs(kit, "PgBouncer")[:2])
    own_settings = [
        f"listen_addr = 127.0.0.1\nlisten_port = {port}",
        "auth_type = trust",
        "auth_file = users.txt",
        "unix_socket_dir =",
        "logfile =",
    ]
    (own / "pool.ini").write_text("\n".join([settings, *own_settings, *more, ""]), encoding="utf-8")
    (own / "users.txt").write_text('"app" ""\n"my role" ""\n', encoding="utf-8")
    identity = guarded.cluster.identity
    for path in (own, *own.iterdir()):
        os.chown(path, identity.uid, identity.gid)
    with (place / "pool.log").open("wb") as log:
        process = subprocess.Popen(
            ["/usr/sbin/pgbouncer" if Path("/usr/sbin/pgbouncer").exists() else "pgbouncer", "pool.ini"],
            cwd=own,
            stdout=log,
            stderr=log,
            env=identity.environment(),
            **identity.spawn_options(),
        )
    try:
        while True:
            assert process.poll() is None, (place / "pool.log").read_text(errors="replace")
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except ConnectionRefusedError:
                os.sched_yield()
        yield port
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()


@installed("pgbouncer")
def test_pgbouncer_shows_one_certificate_for_everybody(guarded: Guarded, tmp_path: Path) -> None:
    let_through(tmp_path)
    with bouncing(guarded.kits["app"], tmp_path, guarded) as port:
        with psycopg.connect(host="127.0.0.1", port=port, user="app", dbname=DATABASE) as connection:
            row = connection.execute("select current_user, ssl from pg_stat_ssl where pid = pg_backend_pid()").fetchone()
        assert row == ("app", True)
        with pytest.raises(psycopg.OperationalError, match="certificate authentication failed"):
            psycopg.connect(host="127.0.0.1", port=port, user="my role", dbname=DATABASE)


@installed("pgbouncer")
def test_pgbouncer_refuses_a_server_of_another_ca(guarded: Guarded, tmp_path: Path) -> None:
    let_through(tmp_path)
    with (
        bouncing(guarded.misled(tmp_path), tmp_path, guarded, "query_wait_timeout = 2") as port,
        pytest.raises(psycopg.OperationalError, match="query_wait_timeout"),
    ):
        psycopg.connect(host="127.0.0.1", port=port, user="app", dbname=DATABASE)
    assert "certificate verify failed" in (tmp_path / "pool.log").read_text(errors="replace")
