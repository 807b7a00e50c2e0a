"""The commands as a shell sees them: exit codes, one JSON document, standard output for data and standard error for talk."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any
from unittest import mock

import psycopg
import pytest

from pgssl_wizard.cli import main
from tests.servers import RealCluster

CHECKOUT = Path(__file__).resolve().parents[2]


class Shell:
    """Runs commands in one working directory: here in this process, which spares the start of an interpreter, or in one of their own."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    @property
    def environment(self) -> dict[str, str]:
        """All that a command finds in its environment."""
        return {"PATH": os.environ["PATH"], "PYTHONPATH": str(CHECKOUT), "HOME": str(self.directory)}

    def run(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        """Run `pgssl-wizard` with these arguments, no terminal."""
        words = [str(each) for each in arguments]
        environment, before = self.environment, (dict(os.environ), Path.cwd())
        out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
        try:
            os.environ.clear()
            os.environ.update(environment)
            os.chdir(self.directory)
            with Path(os.devnull).open() as nothing, mock.patch("sys.stdin", nothing), redirect_stdout(out), redirect_stderr(err):
                code = main.run(words)
        finally:
            os.environ.clear()
            os.environ.update(before[0])
            os.chdir(before[1])
        out.flush()
        err.flush()
        said = [each.buffer.getvalue().decode() for each in (out, err)]
        assert "Traceback" not in "".join(said), said
        return subprocess.CompletedProcess(words, code, *said)

    def process(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        """Run the same in a process of its own."""
        done = subprocess.run(
            [sys.executable, "-m", "pgssl_wizard", *map(str, arguments)],
            check=False,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            cwd=self.directory,
            env=self.environment,
        )
        assert "Traceback" not in done.stdout + done.stderr, done.stderr
        return done

    def json(self, *arguments: object, code: int = 0) -> dict[str, Any]:
        """Run with --json, expect the exit code, and return the one document."""
        done = self.run(*arguments, "--json")
        assert done.returncode == code, done.stdout + done.stderr
        document: dict[str, Any] = json.loads(done.stdout)
        assert document["ok"] is (code == 0)
        for finding in document["findings"]:
            assert set(finding) == {"severity", "code", "message", "hint", "where"}
        return document


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """A shell in an empty directory."""
    directory = tmp_path / "work"
    directory.mkdir()
    return Shell(directory)


def tree(directory: Path) -> dict[str, tuple[int, int, bytes]]:
    """Return every configuration file with mode, owner and content."""
    return {
        str(path): (path.stat().st_mode, path.stat().st_uid, path.read_bytes())
        for path in sorted(directory.rglob("*"))
        if path.is_file() and path.suffix in {".conf", ".crt", ".key"}
    }


def test_a_process_of_its_own_says_and_does_the_same(newest_cluster: RealCluster, shell: Shell) -> None:
    """Exit code, data and talk; so the other tests may run commands in this process."""
    data = newest_cluster.data_directory
    for arguments in (
        ["inspect", data, "--json"],
        ["plan", data, "--set", "server.names=localhost"],
        ["plan", data, "--set", "certificate.days=none", "--json"],
        ["inspect", shell.directory],
        ["lint", newest_cluster.hba_file],
        ["verify"],
        ["setup"],
        ["history", data, "-q"],
        ["--version"],
        ["apply", "--help"],
        ["no-such-command", "--json"],
    ):
        here, there = shell.run(*arguments), shell.process(*arguments)
        assert (here.returncode, here.stdout, here.stderr) == (there.returncode, there.stdout, there.stderr), arguments
    applied = shell.process("apply", data, "--set", "server.names=localhost", "--json")
    assert (applied.returncode, json.loads(applied.stdout)["change"]["proved"]) == (0, True)
    assert shell.process("rollback", data).returncode == 0


def test_inspect_prints_the_contracts_keys(newest_cluster: RealCluster, shell: Shell) -> None:
    document = shell.json("inspect", newest_cluster.data_directory)
    assert document["command"] == "inspect"
    cluster = document["cluster"]
    keys = "data_directory server_version running owner layout managed_by service tls_built_in files settings certificates rules"
    assert set(cluster) == set(keys.split())
    assert cluster["running"] is True
    assert cluster["layout"] == "initdb"
    assert cluster["settings"]["ssl"] == {"value": "off", "source": "default", "file": None, "line": None, "in_force": "off"}
    assert cluster["settings"]["port"]["file"] == str(newest_cluster.config_file)
    assert cluster["rules"] == {"total": 6, "accept_plaintext": 4, "require_tls": 0, "require_certificate": 0}


def test_plan_writes_nothing_and_gives_the_same_hash_twice(newest_cluster: RealCluster, shell: Shell) -> None:
    before = tree(newest_cluster.base)
    first = shell.json("plan", newest_cluster.data_directory)
    second = shell.json("plan", newest_cluster.data_directory)
    assert first["hash"] == second["hash"] != ""
    assert tree(newest_cluster.base) == before
    assert list(shell.directory.iterdir()) == []
    for change in first["changes"]:
        assert set(change) == {"path", "action", "mode", "owner", "secret", "diff", "profile"}
    assert first["trust_anchor"] == {"path": str(shell.directory / "ca" / "root.crt")}
    assert first["settings"]["ssl"] == "on"


def test_apply_says_what_to_beware_of_before_it_writes(newest_cluster: RealCluster, shell: Shell) -> None:
    """In words for a person only; a program reads the findings."""
    told = shell.run("apply", newest_cluster.data_directory).stderr
    assert told.index("Clients that cannot do TLS are refused") < told.index("throwaway")
    assert shell.run("apply", newest_cluster.data_directory, "--quiet").stderr == ""


def test_apply_proves_is_idempotent_and_is_undone_byte_for_byte(cluster: RealCluster, shell: Shell) -> None:
    before = tree(cluster.base)
    applied = shell.json("apply", cluster.data_directory)
    assert applied["change"]["state"] == "applied"
    assert applied["change"]["proved"] is True
    assert applied["change"]["effective"] == "now"
    assert applied["matches_disk"] is True
    assert applied["served"]["protocol"] == "TLSv1.3"
    assert {"host", "user", "sslmode", "root", "certificate", "expected", "outcome", "tls", "message"} <= set(applied["attempts"][0])
    assert all(each["outcome"] in {each["expected"], "not-tried"} for each in applied["attempts"])
    again = shell.json("apply", cluster.data_directory)
    assert again["change"]["id"] is None
    assert again["change"]["state"] == "none"
    verified = shell.json("verify", cluster.data_directory)
    assert verified["matches_disk"] is True
    remote = shell.json("verify", "--host", "localhost", "--port", cluster.port, "--root", shell.directory / "ca" / "root.crt")
    assert remote["matches_disk"] is None
    listed = shell.json("history", cluster.data_directory)
    assert [change["state"] for change in listed["changes"]] == ["applied"]
    undone = shell.json("rollback", cluster.data_directory)
    assert undone["change"]["state"] == "rolled-back"
    assert tree(cluster.base) == before
    assert (shell.directory / "ca" / "root.key").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "answers",
    [
        ["certificate.source=self-signed"],
        ["certificate.intermediate=true", "certificate.key=rsa-2048"],
        ["protocol.profile=modern"],
        ["protocol.profile=custom", "protocol.minimum=TLSv1.2", "protocol.ciphers=HIGH:!aNULL"],
        ["clients.certificates=optional", "clients.encryption=optional"],
        ["clients.certificates=verify-full"],
        ["clients.certificates=cert"],
        ["server.names=db.example.com,*.db.example.com,10.1.2.3,localhost"],
    ],
    ids=lambda answers: answers[0].replace("=", "-"),
)
def test_every_choice_is_applied_and_proved(answers: list[str], newest_cluster: RealCluster, shell: Shell) -> None:
    options = [word for answer in answers for word in ("--set", answer)]
    applied = shell.json("apply", newest_cluster.data_directory, *options)
    assert applied["change"]["proved"] is True, applied
    assert shell.json("apply", newest_cluster.data_directory, *options)["change"]["id"] is None
    shell.json("rollback", newest_cluster.data_directory)


def test_debians_layout_is_edited_where_its_server_reads(debian_cluster: RealCluster, shell: Shell) -> None:
    overriding = debian_cluster.config_directory / "conf.d" / "50-tls.conf"
    overriding.write_text("ssl = off  # somebody's\n")
    planned = shell.json("plan", debian_cluster.data_directory)
    assert str(overriding) in [change["path"] for change in planned["changes"]]
    applied = shell.json("apply", debian_cluster.data_directory)
    assert applied["change"]["proved"] is True
    assert overriding.read_text() == "ssl = on  # somebody's\n"
    shell.json("rollback", debian_cluster.data_directory)
    assert overriding.read_text() == "ssl = off  # somebody's\n"


def test_a_server_that_is_down_gets_the_change_for_its_next_start(stopped_cluster: RealCluster, shell: Shell) -> None:
    applied = shell.json("apply", stopped_cluster.data_directory)
    assert applied["change"]["effective"] == "next-start"
    assert applied["change"]["proved"] is False
    assert any(finding["severity"] == "warning" for finding in applied["findings"])
    stopped_cluster.start()
    assert shell.json("verify", stopped_cluster.data_directory)["matches_disk"] is True


def test_what_alter_system_set_is_reset_by_sql(newest_cluster: RealCluster, shell: Shell) -> None:
    newest_cluster.sql("alter system set ssl = off")
    planned = shell.json("plan", newest_cluster.data_directory)
    assert planned["sql"] == ["ALTER SYSTEM RESET ssl"]
    assert shell.json("apply", newest_cluster.data_directory)["change"]["proved"] is True
    shell.json("rollback", newest_cluster.data_directory)
    assert b"ssl = 'off'" in newest_cluster.auto_conf.read_bytes()


def test_a_setting_on_the_command_line_is_refused(stopped_cluster: RealCluster, shell: Shell) -> None:
    stopped_cluster.command_line = ["-c", "ssl=off"]
    stopped_cluster.start()
    refused = shell.json("apply", stopped_cluster.data_directory, code=3)
    assert refused["findings"][0]["code"] == "command-line-override"


def test_a_known_plaintext_client_makes_plan_fall_short_and_apply_refuse(newest_cluster: RealCluster, shell: Shell) -> None:
    conninfo = f"host=127.0.0.1 port={newest_cluster.port} user=app dbname=app password={newest_cluster.app_password} sslmode=disable"
    with psycopg.connect(conninfo, application_name="metrics"):
        required = ("--set", "clients.encryption=required")
        planned = shell.json("plan", newest_cluster.data_directory, *required, code=1)
        assert "metrics" in planned["locked_out"][0]["who"]
        assert set(planned["locked_out"][0]) == {"who", "rule_now", "rule_then", "message"}
        assert shell.json("apply", newest_cluster.data_directory, *required, code=3)["findings"][0]["code"] == "would-lock-out"
        recommended = shell.json("plan", newest_cluster.data_directory)
        assert recommended["locked_out"] == []
        assert shell.json("apply", newest_cluster.data_directory, *required, "--accept-lock-out")["change"]["proved"] is True
    shell.json("rollback", newest_cluster.data_directory)


def test_a_saved_plan_is_applied_and_refused_once_a_file_has_changed(newest_cluster: RealCluster, shell: Shell) -> None:
    saved = shell.directory / "plan.json"
    shell.json("plan", newest_cluster.data_directory, "-o", saved)
    assert b"PRIVATE" not in saved.read_bytes()
    with newest_cluster.hba_file.open("a") as file:
        file.write("# somebody was here\n")
    assert shell.json("apply", newest_cluster.data_directory, saved, code=3)["findings"][0]["code"] == "changed-since-plan"
    shell.json("plan", newest_cluster.data_directory, "-o", saved)
    assert shell.json("apply", newest_cluster.data_directory, saved)["change"]["proved"] is True
    shell.json("rollback", newest_cluster.data_directory)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--set", "certificate.dayz=3"], "Did you mean certificate.days"),
        (["--set", "certificate.days=often"], "whole number"),
        (["--set", "clients.maps=[{ map = 1 }]"], "must be a text in quotes"),
        (["--set", "certificate.passphrase=command"], "needs that command"),
        (["--set", "certificate.passphrase_command=cat x"], "counts only with"),
        (["--set", "protocol.minimum=TLSv1.3"], "custom"),
        (["--set", "protocol.profile=custom", "--set", "protocol.minimum=TLSv1.4"], "no TLS version"),
        (["--set", "server.names=10.0.0.0/8"], "network"),
        (["--nonsense"], "nonsense"),
        (["-a", "missing.toml"], "cannot be read"),
    ],
)
def test_unusable_input_ends_with_2_one_sentence_and_one_document(
    arguments: list[str], words: str, stopped_cluster: RealCluster, shell: Shell
) -> None:
    document = shell.json("plan", stopped_cluster.data_directory, *arguments, code=2)
    assert words in document["findings"][0]["message"]
    said = shell.run("plan", stopped_cluster.data_directory, *arguments)
    assert (said.returncode, said.stdout) == (2, "")
    assert words in said.stderr


def test_a_wrong_key_in_the_answers_file_is_named_with_its_line(stopped_cluster: RealCluster, shell: Shell) -> None:
    answers = shell.directory / "answers.toml"
    answers.write_text('version = 1\n\n[certificate]\ndays = 90\nkind = "x"\n')
    document = shell.json("plan", stopped_cluster.data_directory, "-a", answers, code=2)
    assert document["findings"][0]["where"] == f"{answers}:5"


def test_what_is_no_data_directory_ends_with_2(shell: Shell) -> None:
    for path, words in (("missing", "no such directory"), (".", "not a data directory")):
        document = shell.json("inspect", path, code=2)
        assert words in document["findings"][0]["message"]
        assert document["cluster"] is None


@pytest.fixture
def damaged(stopped_cluster: RealCluster) -> RealCluster:
    """A stopped cluster to damage."""
    return stopped_cluster


def test_an_unknown_version_is_refused(damaged: RealCluster, shell: Shell) -> None:
    (damaged.data_directory / "PG_VERSION").write_text("12\n")
    assert shell.json("inspect", damaged.data_directory, code=3)["findings"][0]["code"] == "unknown-version"


def test_a_syntax_error_is_refused_with_its_line(damaged: RealCluster, shell: Shell) -> None:
    lines = damaged.config_file.read_text().count("\n")
    damaged.set(broken="x")
    damaged.config_file.write_text(damaged.config_file.read_text().replace("broken = 'x'", "ssl = = on"))
    before = tree(damaged.base)
    document = shell.json("apply", damaged.data_directory, code=3)
    assert document["findings"][0]["where"] == f"{damaged.config_file}:{lines + 1}"
    assert tree(damaged.base) == before


def test_a_broken_rule_is_refused_with_its_line(damaged: RealCluster, shell: Shell) -> None:
    damaged.hba_file.write_text("local all all peer\nhost all all 10/33 md5\n")
    document = shell.json("plan", damaged.data_directory, code=3)
    assert document["findings"][0]["where"] == f"{damaged.hba_file}:2"


def test_a_cluster_that_patroni_manages_is_refused(damaged: RealCluster, shell: Shell) -> None:
    damaged.write("patroni.dynamic.json", "{}")
    document = shell.json("apply", damaged.data_directory, code=3)
    assert document["findings"][0]["code"] == "managed"
    assert shell.json("inspect", damaged.data_directory)["cluster"]["managed_by"] == "Patroni"


def test_read_only_writes_nothing(damaged: RealCluster, shell: Shell) -> None:
    for arguments in (("--read-only", "apply", damaged.data_directory), ("apply", damaged.data_directory, "--read-only")):
        assert shell.json(*arguments, code=3)["findings"][0]["code"] == "read-only"
    assert shell.json("plan", damaged.data_directory, "-o", "plan.json", "--read-only", code=3)
    assert list(shell.directory.iterdir()) == []


def test_verify_falls_short_where_tls_is_off(newest_cluster: RealCluster, shell: Shell) -> None:
    document = shell.json("verify", newest_cluster.data_directory, code=1)
    assert document["served"] is None


def test_another_user_is_refused_clearly(stopped_cluster: RealCluster, shell: Shell) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody else")
    code = (
        "import os, sys; from pgssl_wizard.cli.main import run; import pgssl_wizard.journey, pgssl_wizard.cluster.inspect, pgssl_wizard.change.pending; "
        f"os.setgid(65534); os.setuid(65534); sys.exit(run(['inspect', {str(stopped_cluster.data_directory)!r}]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, text=True, cwd="/", env={"PYTHONPATH": str(CHECKOUT)}
    )
    assert done.returncode == 3, done.stderr
    assert "Traceback" not in done.stderr
    assert "root" in done.stderr


@pytest.mark.parametrize("name", ["migrate", "audit", "explain", "learn", "serve"])
def test_a_command_that_is_not_built_yet_says_so_with_2(name: str, shell: Shell) -> None:
    done = shell.run(name, "whatever", "--option", "x")
    assert done.returncode == 2
    assert f"The command {name} is not built yet" in done.stderr
    assert shell.json(name, code=2)["findings"][0]["code"] == "not-built-yet"


@pytest.mark.parametrize("arguments", [["setup"], ["practice"], [], ["--read-only"]])
def test_the_wizard_without_a_terminal_names_the_headless_commands(arguments: list[str], shell: Shell) -> None:
    done = shell.run(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert "needs a terminal" in done.stderr
    assert "pgssl-wizard plan" in done.stderr


@pytest.mark.parametrize("name", ["setup", "practice", "inspect", "plan", "apply", "rollback", "history", "verify", "completion", "lint"])
def test_every_command_explains_itself(name: str, shell: Shell) -> None:
    done = shell.run(name, "--help")
    assert done.returncode == 0
    assert "Usage: pgssl-wizard" in done.stdout


def test_the_help_lists_keys_and_exit_codes_and_the_version_is_printed(shell: Shell) -> None:
    assert "certificate.intermediate" in shell.run("plan", "--help").stdout
    assert "4 applied, found not to work, rolled back" in " ".join(shell.run("--help").stdout.split())
    assert shell.run("--version").stdout.strip().endswith("0.1.0")


@pytest.mark.parametrize("name", ["bash", "zsh", "fish"])
def test_completion_scripts_are_printed(name: str, shell: Shell) -> None:
    assert "_PGSSL_WIZARD_COMPLETE" in shell.run("completion", name).stdout
