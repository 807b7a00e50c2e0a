"""A server key with a passphrase: by a command that every start and reload runs, or typed at the server's own prompt."""

from __future__ import annotations

import os
import pty
import select
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from pgssl_wizard.change.apply import apply
from pgssl_wizard.change.model import Change
from pgssl_wizard.change.rollback import rollback
from pgssl_wizard.cluster.facts import Cluster
from pgssl_wizard.errors import Refused, UnusableInput
from pgssl_wizard.plan.model import Asks
from pgssl_wizard.proof.verify import objections, verify
from tests.change import planning
from tests.change.test_whole_way import NAMES, facts_of, plan_for, set_up
from tests.servers import RealCluster

SECRET = "correct horse % 42"


@pytest.fixture
def vault(tmp_path: Path) -> Path:
    """A file of the server's user alone with the passphrase in it."""
    path = tmp_path / "vault"
    path.write_text(f"{SECRET}\n", encoding="utf-8")
    path.chmod(0o600)
    return path


def by_command(cluster: RealCluster, vault: Path, command: str = "printf '%%s\\n' \"$(cat {})\"") -> dict[str, object]:
    """Return the answers for a key that a command opens."""
    os.chown(vault, cluster.identity.uid, cluster.identity.gid)
    vault.parent.chmod(0o755)
    return {"certificate__passphrase": "command", "certificate__passphrase_command": command.format(vault)}


def holders_of(secret: str, *places: Path) -> list[Path]:
    """Return the files below these places that hold a secret."""
    files = [path for place in places for path in place.rglob("*") if path.is_file()]
    return [path for path in files if secret.encode() in path.read_bytes()]


def asking(given: Mapping[Asks, str]) -> tuple[list[Asks], object]:
    """Return a person who knows these passphrases, and what that person was asked."""
    asked: list[Asks] = []

    def ask(what: Asks, _: Path) -> bytes | None:
        asked.append(what)
        return given[what].encode() if what in given else None

    return asked, ask


def test_a_command_opens_the_key_at_start_and_reload_and_the_secret_stands_nowhere(
    cluster: RealCluster, vault: Path, tmp_path: Path
) -> None:
    before = planning.snapshot(cluster.base)
    wanted = by_command(cluster, vault)
    made = set_up(cluster, tmp_path / "ca", **wanted)
    assert made.proved, made.findings
    assert b"BEGIN ENCRYPTED PRIVATE KEY" in (cluster.data_directory / "server.key").read_bytes()
    assert holders_of(SECRET, cluster.data_directory, tmp_path / "ca") == []
    assert set_up(cluster, tmp_path / "ca", **wanted).id is None, "what stands will do"
    assert set_up(cluster, tmp_path / "ca").id is None, "and is recommended as it stands"
    renamed = set_up(cluster, tmp_path / "ca", **wanted, server__names=[*NAMES, "new.example.com"])
    assert renamed.proved, renamed.findings
    cluster.restart()
    proof = verify(facts_of(cluster))
    assert proof.holds, objections(proof)
    plain = set_up(cluster, tmp_path / "ca", certificate__passphrase="none")
    assert plain.proved, plain.findings
    assert facts_of(cluster).value("ssl_passphrase_command") == ""
    for _ in range(3):
        assert rollback(cluster.data_directory).proved
    assert planning.snapshot(cluster.base) == before


def test_without_reload_the_running_server_waits_for_its_restart_and_rules_alone_still_load(
    cluster: RealCluster, vault: Path, tmp_path: Path
) -> None:
    wanted = {**by_command(cluster, vault), "certificate__passphrase_reload": False, "clients__encryption": "optional"}
    made = set_up(cluster, tmp_path / "ca", **wanted)
    assert (made.effective, made.proved) == ("restart-needed", False)
    cluster.restart()
    assert set_up(cluster, tmp_path / "ca", **wanted).proved
    tightened = set_up(cluster, tmp_path / "ca", **{**wanted, "clients__encryption": "required"})
    assert (tightened.effective, tightened.proved) == ("now", True), tightened.findings
    assert rollback(cluster.data_directory).proved


def test_a_stray_percent_sign_is_refused_where_the_server_would_end_itself(
    stopped_cluster: RealCluster, vault: Path, tmp_path: Path
) -> None:
    wanted = by_command(stopped_cluster, vault, "printf '%s\\n' \"$(cat {})\"")
    if stopped_cluster.major >= 16:
        with pytest.raises(UnusableInput) as refused:
            set_up(stopped_cluster, tmp_path / "ca", **wanted)
        assert refused.value.code == "passphrase-command-percent"
        return
    stopped_cluster.start()
    made = set_up(stopped_cluster, tmp_path / "ca", **wanted)
    assert made.proved, "up to 15 it stays as it is"
    plan = plan_for(facts_of(stopped_cluster), tmp_path / "ca", {key.replace("__", "."): value for key, value in wanted.items()})
    assert "passphrase-command-percent" in {finding.code for finding in plan.findings}


@pytest.mark.parametrize("command", ["false", "true", "cat /nowhere/at/all", "exec sleep 1000"])
def test_a_command_that_does_not_work_changes_nothing(
    newest_cluster: RealCluster, tmp_path: Path, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pgssl_wizard.server.passphrase.PATIENCE", 0.5)
    before = planning.snapshot(newest_cluster.base)
    with pytest.raises(UnusableInput) as refused:
        set_up(newest_cluster, tmp_path / "ca", certificate__passphrase="command", certificate__passphrase_command=command)
    assert refused.value.code == "passphrase-command"
    assert planning.snapshot(newest_cluster.base) == before
    assert not (tmp_path / "ca").exists()


def test_a_command_that_spells_the_secret_out_is_told(newest_cluster: RealCluster, tmp_path: Path) -> None:
    for command, early in (("echo xyzzy", True), ("p=xyzzy; echo $p", False)):
        wanted = {"certificate.passphrase": "command", "certificate.passphrase_command": command}
        cluster = facts_of(newest_cluster)
        plan = plan_for(cluster, tmp_path / "ca", wanted)
        assert ("passphrase-in-command" in {finding.code for finding in plan.findings}) is early
        made = apply(plan, cluster)
        assert ("passphrase-in-command" in {finding.code for finding in made.findings}) is not early
        rollback(newest_cluster.data_directory)


def at_the_prompt(cluster: RealCluster, typed: str) -> int:
    """Start the server at a terminal of its own and type a line at its prompt; return its process."""
    process, terminal = pty.fork()
    if process == 0:  # pragma: no cover - the child becomes the server
        options = cluster.identity.spawn_options()
        if options:
            os.setgroups(options["extra_groups"])
            os.setgid(options["group"])
            os.setuid(options["user"])
        program = str(cluster.programs.program("postgres"))
        os.execve(program, [program, "-D", str(cluster.data_directory)], cluster.identity.environment())  # noqa: S606 - no shell wanted
    seen = b""
    while b"pass phrase" not in seen:
        try:
            seen += os.read(terminal, 1024)
        except OSError:
            raise AssertionError(seen.decode(errors="replace") + cluster.log()) from None
    os.write(terminal, typed.encode() + b"\n")
    while not cluster.running:
        # It may get ready without another word.
        if select.select([terminal], [], [], 0.05)[0]:
            os.read(terminal, 1024)
    return process


def test_a_key_for_the_prompt_is_rehearsed_and_opens_when_somebody_types(cluster: RealCluster, tmp_path: Path) -> None:
    facts = facts_of(cluster)
    plan = plan_for(facts, tmp_path / "ca", {"certificate.passphrase": "prompt"})
    assert plan.asks == ("server-key",)
    with pytest.raises(Refused) as refused:
        apply(plan, facts)
    assert refused.value.code == "passphrase-missing"
    asked, ask = asking({"server-key": SECRET})
    made = applied(plan_for(facts, tmp_path / "ca", {"certificate.passphrase": "prompt"}), facts, ask)
    assert (made.effective, asked) == ("restart-needed", ["server-key"])
    assert holders_of(SECRET, cluster.data_directory, tmp_path / "ca") == []
    cluster.stop()
    process = at_the_prompt(cluster, SECRET)
    try:
        proof = verify(facts_of(cluster))
        assert proof.holds, objections(proof)
        assert set_up(cluster, tmp_path / "ca", certificate__passphrase="prompt").proved, "nothing to do, and nobody is asked"
    finally:
        cluster.stop()
        os.waitpid(process, 0)


def applied(plan: object, facts: Cluster, ask: object) -> Change:
    """Apply with somebody there who knows passphrases."""
    return apply(plan, facts, ask=ask)  # type: ignore[arg-type]


def test_a_new_cas_keys_are_encrypted_on_request_and_sign_again_when_somebody_knows(cluster: RealCluster, tmp_path: Path) -> None:
    ca = tmp_path / "ca"
    wanted = {"certificate.encrypt_ca_key": True, "certificate.intermediate": True}
    facts = facts_of(cluster)
    plan = plan_for(facts, ca, wanted)
    assert plan.asks == ("new-ca-key",)
    _, ask = asking({"new-ca-key": SECRET, "ca-key": SECRET})
    made = applied(plan, facts, ask)
    assert made.proved, made.findings
    for name in ("root.key", "intermediate.key"):
        assert b"BEGIN ENCRYPTED PRIVATE KEY" in (ca / name).read_bytes()
        opened = subprocess.run(["openssl", "pkey", "-in", ca / name, "-passin", "stdin", "-noout"], input=SECRET.encode(), check=False)
        assert opened.returncode == 0
    assert holders_of(SECRET, cluster.data_directory, ca) == []
    facts = facts_of(cluster)
    again = plan_for(facts, ca, {**wanted, "server.names": ["other.example.com"]})
    assert again.asks == ("ca-key",)
    for person in (None, asking({"ca-key": "wrong"})[1]):
        with pytest.raises(Refused) as refused:
            applied(again, facts, person)
        assert refused.value.code == "ca-encrypted"
    assert applied(again, facts, ask).proved


def test_the_card_of_a_new_ca_says_what_lies_where(newest_cluster: RealCluster, tmp_path: Path) -> None:
    made = set_up(newest_cluster, tmp_path / "ca", certificate__intermediate=True)
    assert made.trust_anchor_sha256 is not None
    assert made.trust_anchor_sha256 in made.card.replace(":", "").replace(" ", "").replace("\n", "").lower()
    assert str(tmp_path / "ca" / "root.key") in made.card
    assert str(tmp_path / "ca" / "intermediate.key") in made.card
    assert max(len(line) for line in made.card.splitlines() if str(tmp_path) not in line) <= 80
    assert "not encrypted" in made.card
    again = set_up(newest_cluster, tmp_path / "ca", certificate__intermediate=True, server__names=["other.example.com"])
    assert again.proved
    assert again.card == "", "nothing of the CA is new"


def test_one_file_holds_certificate_and_key(cluster: RealCluster, tmp_path: Path) -> None:
    before = planning.snapshot(cluster.base)
    both = {"files__certificate": "both.pem", "files__key": "both.pem", "certificate__intermediate": True}
    made = set_up(cluster, tmp_path / "ca", **both)
    assert made.proved, made.findings
    pem = cluster.data_directory / "both.pem"
    assert (pem.read_bytes().count(b"BEGIN CERTIFICATE"), pem.read_bytes().count(b"BEGIN PRIVATE KEY")) == (2, 1)
    assert pem.stat().st_mode & 0o777 == 0o600
    assert set_up(cluster, tmp_path / "ca", **both).id is None
    assert set_up(cluster, tmp_path / "ca", **both, server__names=[*NAMES, "new.example.com"]).proved
    assert rollback(cluster.data_directory).proved
    assert rollback(cluster.data_directory).proved
    assert planning.snapshot(cluster.base) == before


def test_the_commands_by_hand_for_one_file_make_one_file(newest_cluster: RealCluster, tmp_path: Path) -> None:
    plan = plan_for(facts_of(newest_cluster), tmp_path / "ca", {"files.certificate": "both.pem", "files.key": "both.pem"})
    place = tmp_path / "by-hand"
    place.mkdir()
    subprocess.run(["/bin/sh", "-ec", "\n".join(plan.openssl)], cwd=place, check=True, capture_output=True)
    pem = place / "both.pem"
    assert (pem.read_bytes().count(b"BEGIN CERTIFICATE"), pem.read_bytes().count(b"BEGIN PRIVATE KEY")) == (1, 1)
    assert pem.stat().st_mode & 0o777 == 0o600
