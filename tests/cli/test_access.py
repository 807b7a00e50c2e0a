"""The command `access` as a shell sees it: one JSON line for each attempt, from files alone or from a cluster."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_commands import CHECKOUT, Shell, shell
from tests.servers import RealCluster

__all__ = ["shell"]

KEYS = ["id", "decision", "rule", "method", "clientcert", "name_compared", "reason", "message"]
RULES = "local all all peer\nhostssl all all all cert map=m clientname=DN\nhost all +staff samenet reject\n"


def attempts(shell: Shell, *lines: Mapping[str, Any] | str) -> Path:
    """Write attempts into a file."""
    path = shell.directory / "attempts.jsonl"
    path.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines))
    return path


def answers(output: str) -> list[dict[str, Any]]:
    """Return the lines, each of which has exactly the contract's keys in their order."""
    found = [json.loads(line) for line in output.splitlines()]
    for each in found:
        assert list(each) == KEYS
    return found


@pytest.mark.parametrize("as_json", [True, False], ids=["json", "plain"])
def test_files_alone_are_enough(shell: Shell, as_json: bool) -> None:
    """Rules with an include, maps, the server's own addresses; --json changes nothing."""
    (shell.directory / "pg_hba.conf").write_text("# first\ninclude more.conf\nhost all all all md5\n")
    (shell.directory / "more.conf").write_text(RULES)
    (shell.directory / "pg_ident.conf").write_text('m "CN=app,O=Example" app\n')
    certificate = {"cn": "x", "dn": "CN=app,O=Example", "trusted": True}
    path = attempts(
        shell,
        {"id": 1, "database": "db", "user": "app", "address": "10.0.0.7", "tls": True, "certificate": certificate},
        {"id": "two", "database": "db", "user": "app", "address": "10.0.0.7", "roles": ["staff"]},
        "",
        {"id": [3], "database": "db", "user": "app", "address": "10.1.0.7", "roles": ["staff"]},
        {"database": "db", "user": "app"},
        {"id": 5, "database": "db", "user": "app", "address": "10.0.0.7", "tls": True, "certificate": {**certificate, "trusted": False}},
    )
    more = ["--json"] if as_json else []
    done = shell.run(
        *("access", "--hba", "pg_hba.conf", "--ident", "pg_ident.conf", "--server-version", "17", "--interfaces", "10.0.0.1/24, ::1/128"),
        *("--attempts", path, *more),
    )
    assert (done.returncode, done.stderr) == (0, "")
    first, second, third, fourth, fifth = answers(done.stdout)
    more_conf = str(shell.directory / "more.conf")
    assert (first["decision"], first["rule"], first["clientcert"]) == ("accept", {"file": more_conf, "line": 2}, "verify-full")
    assert (first["name_compared"], first["message"]) == ("CN=app,O=Example", None)
    assert (second["id"], second["decision"], second["method"], second["rule"]["line"]) == ("two", "reject", "reject", 3)
    assert second["message"] == 'pg_hba.conf rejects connection for host "10.0.0.7", user "app", database "db", no encryption'
    assert (third["id"], third["rule"]) == ([3], {"file": str(shell.directory / "pg_hba.conf"), "line": 3})
    assert (fourth["id"], fourth["method"]) == (None, "peer")
    assert (fifth["decision"], fifth["rule"], fifth["method"]) == ("reject", None, None)


def test_answers_come_while_attempts_are_still_coming(shell: Shell) -> None:
    """A program may ask one after the other through a pipe."""
    (shell.directory / "pg_hba.conf").write_text("local all all trust\n")
    command = [sys.executable, "-m", "pgssl_wizard", "access", "--hba", "pg_hba.conf", "--server-version", "16", "--attempts", "-"]
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(CHECKOUT), "HOME": str(shell.directory)}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=shell.directory, env=environment
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for number in range(3):
            process.stdin.write(json.dumps({"id": number, "database": "d", "user": "u"}) + "\n")
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["id"] == number
        # The last line needs no newline.
        process.stdin.write('{"id": "last", "database": "d", "user": "u"}')
        process.stdin.close()
        assert json.loads(process.stdout.readline())["id"] == "last"
        assert process.wait() == 0


@pytest.mark.parametrize("as_json", [True, False], ids=["json", "plain"])
def test_the_first_line_that_is_no_attempt_ends_with_2_and_its_number(shell: Shell, as_json: bool) -> None:
    """What stands before it is answered; under --json the end is a line as well."""
    (shell.directory / "pg_hba.conf").write_text("local all all trust\n")
    path = attempts(shell, {"id": 1, "database": "d", "user": "u"}, "", '{"id": 2, "user": "u", "tls": "yes"}', {"id": 3, "user": "u"})
    done = shell.run("access", "--hba", "pg_hba.conf", "--server-version", "16", "--attempts", path, *(["--json"] if as_json else []))
    assert done.returncode == 2
    assert f"{path}:3: This is no attempt: tls is neither true nor false." in done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines[0]["id"] == 1
    assert [line["findings"][0]["where"] for line in lines[1:]] == ([f"{path}:3"] if as_json else [])


@pytest.mark.parametrize(
    ("hba", "ident", "where", "words"),
    [
        ("local all all peer\nhost all all md5\n", "", "pg_hba.conf:2", "end-of-line before authentication method"),
        ("local all all peer\n", "m a\n", "pg_ident.conf:1", "missing entry at end of line"),
        ("# nothing\n", "", "pg_hba.conf", "contains no entries"),
        ("local all all peer\ninclude gone.conf\n", "", "pg_hba.conf:2", "No such file or directory"),
    ],
)
def test_files_that_a_server_would_refuse_are_refused_with_3(shell: Shell, hba: str, ident: str, where: str, words: str) -> None:
    """It keeps what it loaded last, which nobody can know."""
    (shell.directory / "pg_hba.conf").write_text(hba)
    (shell.directory / "pg_ident.conf").write_text(ident)
    path = attempts(shell, {"user": "u"})
    arguments = ("access", "--hba", "pg_hba.conf", "--ident", "pg_ident.conf", "--server-version", "16", "--attempts", path)
    done = shell.run(*arguments)
    assert (done.returncode, done.stdout) == (3, "")
    assert f"{shell.directory}/{where}: " in done.stderr
    assert words in done.stderr
    assert shell.json(*arguments, code=3)["findings"][0]["where"] == f"{shell.directory}/{where}"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--hba", "pg_hba.conf", "--server-version", "16"), "--attempts: No attempts are given."),
        (("--hba", "pg_hba.conf", "--attempts", "a"), "--server-version: Rules alone do not tell which PostgreSQL reads them"),
        (("--hba", "pg_hba.conf", "--server-version", "12", "--attempts", "a"), "PostgreSQL 12 is not known here."),
        (("--hba", "gone", "--server-version", "16", "--attempts", "a"), "There is no such file."),
        (("--hba", "pg_hba.conf", "--server-version", "16", "--attempts", "gone"), "gone: The file cannot be read"),
        (
            ("--hba", "pg_hba.conf", "--server-version", "16", "--attempts", "a", "--interfaces", "eth0"),
            "--interfaces: This is no address: eth0.",
        ),
        (("--attempts", "a"), "Give either a data directory or --hba FILE."),
        ((".", "--hba", "pg_hba.conf", "--server-version", "16", "--attempts", "a"), "Give either a data directory or --hba FILE."),
        ((".", "--server-version", "16", "--attempts", "a"), "--server-version goes with --hba only."),
    ],
)
def test_wrong_usage_is_told_with_2(shell: Shell, arguments: tuple[str, ...], words: str) -> None:
    """And what to do instead."""
    (shell.directory / "pg_hba.conf").write_text("local all all trust\n")
    (shell.directory / "a").write_text("")
    done = shell.run("access", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr


def test_explain_tells_people_each_rule_and_hides_passwords(shell: Shell) -> None:
    """Up to the one that decides; --json has the same as a key of its own."""
    (shell.directory / "pg_hba.conf").write_text(
        "local all all peer\nhost all bob all ldap ldapserver=l ldapbasedn=d ldapbindpasswd=geheim\nhost all all all reject\n"
    )
    path = attempts(shell, {"id": 7, "database": "d", "user": "u", "address": "10.0.0.1"}, {"id": 8, "user": ""})
    arguments = ("access", "--hba", "pg_hba.conf", "--server-version", "16", "--attempts", path, "--explain")
    done = shell.run(*arguments)
    assert done.returncode == 0
    first, second, _ = done.stdout.split("\n\n")
    assert first.splitlines() == [
        "7: u at the database d from 10.0.0.1 in plaintext",
        "  · pg_hba.conf:1  local all all peer",
        "                   local takes the Unix socket; this one comes in plaintext",
        "  · pg_hba.conf:2  host all bob all ldap ldapserver=l ldapbasedn=d ldapbindpasswd=********",
        "                   u is not in bob",
        "  ✓ pg_hba.conf:3  host all all all reject",
        "                   type, address, database and user fit",
        "  reject: the rule rejects",
        '    FATAL: pg_hba.conf rejects connection for host "10.0.0.1", user "u", database "d", no encryption',
    ]
    assert "no role is named" in second
    line = json.loads(shell.run(*arguments, "--json").stdout.splitlines()[0])
    assert [(each["matched"], each["field"]) for each in line["compared"]] == [(False, "type"), (False, "user"), (True, None)]


def test_a_slip_in_a_key_is_told(shell: Shell) -> None:
    """On standard error, behind the answers."""
    (shell.directory / "pg_hba.conf").write_text("local all all trust\nhostssl all all all cert map=m\n")
    path = attempts(shell, {"user": "u", "adress": "10.0.0.1"})
    done = shell.run("access", "--hba", "pg_hba.conf", "--server-version", "16", "--attempts", path)
    assert "without --ident there are no maps" in done.stderr
    assert "keys that are not known were passed over: adress." in done.stderr


def test_a_running_cluster_tells_memberships_and_what_is_not_there(cluster: RealCluster, shell: Shell) -> None:
    """Direct and indirect ones, asked once; those that an attempt lists win. Down, only these are known."""
    cluster.sql("create role staff")
    cluster.sql("create role admins")
    cluster.sql("grant staff to admins")
    cluster.sql("grant admins to app")
    rules = (
        "local all all peer\nhost all +staff all reject\nhostssl all all all cert\nhost samerole all samehost md5\nhost all all all md5\n"
    )
    cluster.write("pg_hba.conf", rules)
    cluster.reload()
    attempt = {"database": "app", "user": "app", "address": "127.0.0.1"}
    path = attempts(
        shell,
        attempt,
        {**attempt, "roles": []},
        {**attempt, "user": cluster.superuser},
        {**attempt, "user": "ghost", "database": "ghost"},
        {**attempt, "user": "ghost", "database": "app", "roles": ["staff"]},
        {**attempt, "roles": [], "tls": True},
    )
    done = shell.run("access", cluster.data_directory, "--attempts", path)
    assert done.returncode == 0, done.stderr
    found = answers(done.stdout)
    assert [each["rule"]["line"] for each in found] == [2, 4, 5, 5, 2, 3]
    assert found[3]["reason"].endswith("but there is no role ghost and there is no database ghost")
    assert found[5]["message"] == "client certificates can only be checked if a root certificate store is available"
    assert "ssl is off" in done.stderr
    cluster.stop()
    done = shell.run("access", cluster.data_directory, "--attempts", path)
    assert [each["rule"]["line"] for each in answers(done.stdout)] == [4, 4, 5, 4, 2, 3]
    assert "only the memberships that attempts list are known: the server is down." in done.stderr
