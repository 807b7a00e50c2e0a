"""Client certificates made by the same change that demands them: kits stand before the rules ask, and the proof uses them."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

import psycopg
import pytest
from cryptography.hazmat.primitives import serialization

from pgssl_wizard.answers_together import why_no_kits_there
from pgssl_wizard.certificates.kits import MODES
from pgssl_wizard.certificates.read import read_certificates
from pgssl_wizard.change import issue, planned_kits
from pgssl_wizard.change.apply import apply
from pgssl_wizard.change.history import history
from pgssl_wizard.change.model import Change, Event
from pgssl_wizard.change.rollback import rollback
from pgssl_wizard.errors import Refused, RolledBack, UnusableInput
from pgssl_wizard.plan.serialise import plan_to_json
from pgssl_wizard.proof.model import Attempt
from tests.change import planning
from tests.change.test_whole_way import facts_of, plan_for, set_up
from tests.servers import RealCluster, certificates


def by_kit(change: Change, role: str) -> dict[str, tuple[str, str]]:
    """Return what was expected and what was met when a role was tried, by the certificate it showed."""
    assert change.proof is not None
    tried: list[Attempt] = [each for each in change.proof.attempts if each.user == role]
    return {each.certificate: (each.expected, each.outcome) for each in tried}


def settings_in(kit: Path) -> str:
    """Return libpq's line of a kit's README.txt, with the database put in."""
    text = (kit / "README.txt").read_text(encoding="utf-8")
    line = next(line for line in text.split("\n") if line.startswith("  host=")).strip()
    return line.replace("DATABASE", "app").replace("db.example.com", "localhost hostaddr=127.0.0.1")


def connect(kit: Path, monkeypatch: pytest.MonkeyPatch, **more: str) -> str:
    """Connect with the settings of a kit as they stand; return the role."""
    monkeypatch.chdir(kit)
    with psycopg.connect(settings_in(kit), **more) as connection:  # type: ignore[arg-type]
        return str(connection.info.user)


def test_a_kit_is_made_with_the_ca_before_the_rules_demand_it_and_lets_its_role_in(
    cluster: RealCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On every version, with an intermediate of the same change: proved by the fresh kits, kept by undo, and done once."""
    events: list[Event] = []
    facts = facts_of(cluster)
    answers = {"clients.certificates": "cert", "clients.roles": ["app", "a/b"], "certificate.intermediate": True}
    before = planning.snapshot(cluster.base)
    plan = plan_for(facts, tmp_path / "ca", answers)
    planned = [each for each in plan_to_json(plan)["changes"] if "/clients/" in each["path"]]
    assert [(each["path"], each["action"], each["mode"], each["secret"], each["diff"]) for each in planned] == [
        (str(tmp_path / "clients" / name), "create", "0700", True, None) for name in ("app", "a%2Fb")
    ]
    assert "app" in planned[0]["profile"]
    made = apply(plan, facts, report=events.append)
    assert made.proved, made.findings
    assert by_kit(made, "app") == {"right": ("accept", "accept"), "none": ("reject", "reject")}
    assert by_kit(made, "a/b") == {}, "a role that the server does not have is not tried"
    done = [event.station for event in events if event.state == "done"]
    assert done.index("prove-tls") < done.index("kits") < done.index("rules")
    kit = tmp_path / "clients" / "app"
    assert stat.S_IMODE(kit.stat().st_mode) == 0o700
    assert {path.name: stat.S_IMODE(path.stat().st_mode) for path in kit.iterdir()} == dict(MODES)
    chain = read_certificates((kit / "postgresql.crt").read_bytes())
    chain[0].verify_directly_issued_by(read_certificates((tmp_path / "ca" / "intermediate.crt").read_bytes())[0])
    assert (kit / "root.crt").read_bytes() == (tmp_path / "ca" / "root.crt").read_bytes()
    assert connect(kit, monkeypatch) == "app"
    with pytest.raises(psycopg.OperationalError, match="certificate"):
        connect(kit, monkeypatch, sslcert="none", sslkey="none")
    content = {path: path.read_bytes() for path in kit.iterdir()}
    again = set_up(cluster, tmp_path / "ca", **{key.replace(".", "__"): value for key, value in answers.items()})
    assert (again.id, again.proved) == (None, True)
    assert by_kit(again, "app")["right"] == ("accept", "accept")
    undone = rollback(cluster.data_directory)
    assert undone.proved
    assert kit in undone.kept
    assert planning.snapshot(cluster.base) == before
    assert {path: path.read_bytes() for path in kit.iterdir()} == content


@pytest.mark.parametrize("demand", ["optional", "verify-ca", "verify-full"])
def test_the_proof_shows_what_a_kit_is_worth_beside_a_password(demand: str, newest_cluster: RealCluster, tmp_path: Path) -> None:
    made = set_up(newest_cluster, tmp_path / "ca", clients__certificates=demand, clients__roles=["app"])
    assert made.proved, made.findings
    without = "accept" if demand == "optional" else "reject"
    assert by_kit(made, "app") == {"right": ("accept", "accept"), "none": (without, without)}


def test_another_role_later_is_a_change_of_its_own_and_standing_kits_stay(newest_cluster: RealCluster, tmp_path: Path) -> None:
    first = set_up(newest_cluster, tmp_path / "ca", clients__certificates="verify-full", clients__roles=["app"])
    content = (tmp_path / "clients" / "app" / "postgresql.key").read_bytes()
    plan = plan_for(facts_of(newest_cluster), tmp_path / "ca", {"clients.certificates": "verify-full", "clients.roles": ["app", "bob"]})
    assert [change.path.name for change in plan.changes] == ["bob"]
    assert {"kit-kept", "kits-are-yours", "role-not-in-server"} <= {finding.code for finding in plan.findings}
    second = apply(plan, facts_of(newest_cluster))
    assert second.proved
    assert (second.files, second.kept) == ((), (tmp_path / "clients" / "bob",))
    assert second.trust_anchor_sha256 == first.trust_anchor_sha256
    assert (tmp_path / "clients" / "app" / "postgresql.key").read_bytes() == content
    with pytest.raises(Refused, match="changed since"):
        apply(plan, facts_of(newest_cluster))


@pytest.mark.parametrize("what", ["file", "empty", "other-ca"])
def test_what_stands_at_a_kits_place_and_will_not_do_is_refused_by_name(what: str, stopped_cluster: RealCluster, tmp_path: Path) -> None:
    place = tmp_path / "clients" / "app"
    place.parent.mkdir()
    if what == "file":
        place.write_text("somebody's")
    else:
        place.mkdir()
    if what == "other-ca":
        other = certificates.make("app", issuer=certificates.make("Other CA", ca=True))
        for name in MODES:
            (place / name).write_bytes(other.pem)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and path.parent == place}
    with pytest.raises(Refused) as refused:
        set_up(stopped_cluster, tmp_path / "ca", clients__roles=["bob", "app"], clients__certificates="cert")
    assert (refused.value.code, refused.value.where) == ("kit-in-the-way", str(place))
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and path.parent == place} == before
    assert not (tmp_path / "ca").exists()
    assert not (tmp_path / "clients" / "bob").exists()


def test_a_kit_that_cannot_be_written_takes_the_change_back(
    newest_cluster: RealCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rules are never reached; the CA stays, because it is the person's."""
    before = planning.snapshot(newest_cluster.base)
    carry_out = issue.carry_out

    def full(*arguments: object) -> None:
        (tmp_path / "clients" / "bob").mkdir(parents=True)
        carry_out(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(issue, "carry_out", full)
    with pytest.raises(RolledBack, match="meanwhile") as caught:
        set_up(newest_cluster, tmp_path / "ca", clients__roles=["app", "bob"], clients__certificates="cert")
    assert str(tmp_path / "ca" / "root.crt") in str(caught.value.hint)
    kept = history(newest_cluster.data_directory)[0].kept
    assert [path for path in kept if path.name == "app"] == [path for path in (tmp_path / "clients" / "app",) if path.exists()]
    assert planning.snapshot(newest_cluster.base) == before
    assert (tmp_path / "ca" / "root.key").exists()
    assert os.listdir(tmp_path / "clients" / "bob") == []
    monkeypatch.setattr(issue, "carry_out", carry_out)
    (tmp_path / "clients" / "bob").rmdir()
    assert set_up(newest_cluster, tmp_path / "ca", clients__roles=["app", "bob"], clients__certificates="cert").proved


def test_a_server_that_is_down_gets_its_kits_all_the_same(
    stopped_cluster: RealCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On every version; they are right when it starts."""
    made = set_up(stopped_cluster, tmp_path / "ca", clients__roles=["app"], clients__certificates="cert")
    assert made.effective == "next-start"
    assert tmp_path / "clients" / "app" in made.kept
    stopped_cluster.start()
    assert connect(tmp_path / "clients" / "app", monkeypatch) == "app"


@pytest.fixture
def company(tmp_path: Path) -> Path:
    """Another CA for clients alone: root and issuing CA in one file, the encrypted key of the issuing one beside it."""
    place = tmp_path / "company"
    place.mkdir()
    root = certificates.make("Clients Root", ca=True, days=900)
    issuing = certificates.make("Clients Issuing", issuer=root, ca=True, days=900)
    (place / "clients.pem").write_bytes(root.pem + issuing.pem)
    how = serialization.BestAvailableEncryption(b"xyzzy 42")
    (place / "clients.key").write_bytes(issuing.key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, how))
    return place


@pytest.mark.parametrize("source", ["self-signed", "new-ca"])
def test_the_clients_own_ca_signs_when_its_key_lies_beside_it(
    source: str, newest_cluster: RealCluster, company: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers: Mapping[str, object] = {
        "certificate__source": source,
        "certificate__ca_passphrase_command": "echo 'xyzzy 42'",
        "clients__ca": str(company / "clients.pem"),
        "clients__certificates": "cert",
        "clients__roles": ["app"],
    }
    made = set_up(newest_cluster, tmp_path / "ca", **answers)
    assert made.proved, made.findings
    assert by_kit(made, "app")["right"] == ("accept", "accept")
    kit = tmp_path / "clients" / "app"
    assert len(read_certificates((kit / "postgresql.crt").read_bytes())) == 2
    assert made.trust_anchor is not None
    assert (kit / "root.crt").read_bytes() == made.trust_anchor.read_bytes(), "clients check the server, not themselves"
    assert connect(kit, monkeypatch) == "app"
    assert set_up(newest_cluster, tmp_path / "ca", **answers).id is None
    (company / "clients.key").unlink()
    assert set_up(newest_cluster, tmp_path / "ca", **answers).id is None, "what stands needs no key"
    with pytest.raises(UnusableInput, match="not beside it") as caught:
        set_up(newest_cluster, tmp_path / "ca", **{**answers, "clients__roles": ["app", "bob"]})
    assert "issue" in str(caught.value.hint)
    assert not (tmp_path / "clients" / "bob").exists()


def test_a_ca_that_stands_signs_roles_too(newest_cluster: RealCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = certificates.make("Company Root", ca=True, days=900)
    place = tmp_path / "their"
    place.mkdir()
    (place / "root.crt").write_bytes(root.pem)
    (place / "root.key").write_bytes(root.key_pem)
    answers: Mapping[str, object] = {"certificate__source": "existing-ca", "clients__certificates": "cert", "clients__roles": ["app"]}
    assert set_up(newest_cluster, place, **answers).proved
    assert connect(tmp_path / "clients" / "app", monkeypatch) == "app"
    assert set_up(newest_cluster, place, **answers).id is None


@pytest.mark.parametrize(
    ("answers", "key"),
    [
        ({"certificate.source": "self-signed", "clients.roles": ["app"]}, "clients.roles"),
        ({"clients.roles": ["a\x01b"]}, "clients.roles"),
        ({"clients.roles": ["x" * 64]}, "clients.roles"),
        ({"clients.roles": ["app"], "clients.directory": "DATA/kits"}, "clients.directory"),
        ({"clients.roles": ["app"], "clients.directory": "ca/kits"}, "clients.directory"),
        ({"clients.roles": ["app"], "clients.directory": "link"}, "clients.directory"),
    ],
)
def test_answers_that_can_give_no_kits_are_unusable(
    answers: dict[str, object], key: str, stopped_cluster: RealCluster, tmp_path: Path
) -> None:
    (tmp_path / "link").symlink_to(stopped_cluster.data_directory)
    told = {
        name: value.replace("DATA", str(stopped_cluster.data_directory)) if isinstance(value, str) else value
        for name, value in answers.items()
    }
    with pytest.raises(UnusableInput) as caught:
        plan_for(facts_of(stopped_cluster), tmp_path / "ca", told)
    assert caught.value.where in {"--set", key}


def test_a_place_that_is_nobodys_takes_kits(tmp_path: Path) -> None:
    assert why_no_kits_there(tmp_path / "clients", tmp_path / "ca", tmp_path / "data") is None


def test_many_kits_are_told_of_while_they_are_made(newest_cluster: RealCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planned_kits, "_TELL_EVERY", 0.0)
    events: list[Event] = []
    cluster = facts_of(newest_cluster)
    plan = plan_for(cluster, tmp_path / "ca", {"clients.certificates": "optional", "clients.roles": [f"role{n}" for n in range(30)]})
    made = apply(plan, cluster, report=events.append)
    assert len([path for path in made.kept if path.parent.name == "clients"]) == 30
    told = [event.text for event in events if event.station == "kits" and event.state == "running"]
    assert any(text.startswith("30 of 30") for text in told)
