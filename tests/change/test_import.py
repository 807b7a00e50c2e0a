"""A certificate that a person brings: any format and order, its key wherever it is, judged, served, undone."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat, pkcs12

from pgssl_wizard.change.apply import apply
from pgssl_wizard.change.rollback import rollback
from pgssl_wizard.cli import report
from pgssl_wizard.errors import Refused, UnusableInput
from pgssl_wizard.journey import Journey
from pgssl_wizard.plan.serialise import dump, load, plan_to_json
from pgssl_wizard.proof.verify import objections, verify
from pgssl_wizard.server import passphrase
from tests.change import planning
from tests.change.test_whole_way import facts_of, plan_for, set_up
from tests.servers import RealCluster, certificates

SECRET = b"xyzzy 42"
NAMES = ["db.example.com", "localhost"]

ROOT = certificates.make("Company Root", ca=True, days=900)
ISSUING = certificates.make("Company Issuing", issuer=ROOT, ca=True, days=300)
LEAF = certificates.make("db.example.com", *NAMES, issuer=ISSUING, days=200)
ABOVE = [ISSUING.certificate, ROOT.certificate]


def der(made: certificates.Made) -> bytes:
    """A certificate, binary."""
    return made.certificate.public_bytes(Encoding.DER)


def key_of(made: certificates.Made, passphrase: bytes | None = None, encoding: Encoding = Encoding.PEM) -> bytes:
    """A key, encrypted or not."""
    return made.key.private_bytes(encoding, PrivateFormat.PKCS8, BestAvailableEncryption(passphrase) if passphrase else NoEncryption())


def as_pem(place: Path) -> dict[str, object]:
    """One file, upside down, and its key apart."""
    (place / "all.pem").write_bytes(ROOT.pem + ISSUING.pem + LEAF.pem)
    (place / "db.key").write_bytes(LEAF.key_pem)
    return {"certificate__import_certificate": [str(place / "all.pem")], "certificate__import_key": str(place / "db.key")}


def as_der(place: Path) -> dict[str, object]:
    """Everything apart and binary, the key encrypted."""
    for name, data in (("leaf.cer", der(LEAF)), ("issuing.cer", der(ISSUING)), ("root.cer", der(ROOT))):
        (place / name).write_bytes(data)
    (place / "db.key").write_bytes(key_of(LEAF, SECRET, Encoding.DER))
    (place / "secret").write_bytes(SECRET + b"\n")
    return {
        "certificate__import_certificate": [str(place / name) for name in ("root.cer", "leaf.cer", "issuing.cer")],
        "certificate__import_key": str(place / "db.key"),
        "certificate__import_passphrase_command": f"cat '{place / 'secret'}'",
    }


def as_pkcs12(place: Path) -> dict[str, object]:
    """One file with everything."""
    data = pkcs12.serialize_key_and_certificates(b"db", LEAF.key, LEAF.certificate, ABOVE, BestAvailableEncryption(SECRET))
    (place / "db.p12").write_bytes(data)
    (place / "secret").write_bytes(SECRET + b"\n")
    return {
        "certificate__import_certificate": [str(place / "db.p12")],
        "certificate__import_passphrase_command": f"cat '{place / 'secret'}'",
    }


@pytest.mark.parametrize("bring", [as_pem, as_der, as_pkcs12])
def test_whatever_form_it_comes_in_it_is_served_proved_and_undone(
    bring: Callable[[Path], dict[str, object]], cluster: RealCluster, tmp_path: Path
) -> None:
    before = planning.snapshot(cluster.base)
    wanted = {"certificate__source": "import", "server__names": NAMES, "clients__encryption": "required", **bring(tmp_path)}
    brought = {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    made = set_up(cluster, tmp_path / "ca", **wanted)
    assert made.proved, made.findings
    served = x509.load_pem_x509_certificates((cluster.data_directory / "server.crt").read_bytes())
    assert served == [LEAF.certificate, ISSUING.certificate], "leaf, intermediate, and no root"
    assert (cluster.data_directory / "server.key").read_bytes() == LEAF.key_pem
    proof = verify(facts_of(cluster))
    assert proof.holds, objections(proof)
    anchor = tmp_path / "ca" / "root.crt"
    assert anchor.read_bytes() == ROOT.pem, "nothing but the root, whatever it was brought with"
    assert (made.trust_anchor, made.trust_anchor_sha256) == (anchor, ROOT.sha256)
    again = set_up(cluster, tmp_path / "ca", **wanted)
    assert (again.id, again.proved) == (None, True)
    assert {path: path.read_bytes() for path in brought} == brought, "what was brought is the person's"
    assert rollback(cluster.data_directory).proved
    assert planning.snapshot(cluster.base) == before


def test_a_pair_in_use_is_exchanged_for_the_next_one_whose_key_stands_or_is_new(newest_cluster: RealCluster, tmp_path: Path) -> None:
    first = set_up(newest_cluster, tmp_path / "ca", certificate__source="import", server__names=NAMES, **as_pem(tmp_path))
    assert first.proved
    renewed = certificates.make("db.example.com", *NAMES, issuer=ISSUING, days=250)
    (tmp_path / "next.pem").write_bytes(renewed.pem + renewed.key_pem + ISSUING.pem)
    (tmp_path / "root.pem").write_bytes(ROOT.pem)
    files = [str(tmp_path / "next.pem"), str(tmp_path / "root.pem")]
    second = set_up(
        newest_cluster, tmp_path / "ca", certificate__source="import", server__names=NAMES, certificate__import_certificate=files
    )
    assert second.proved, second.findings
    assert second.trust_anchor == tmp_path / "root.pem"
    assert second.proof is not None
    assert second.proof.served is not None
    assert second.proof.served.sha256 == renewed.sha256
    plan = plan_for(
        facts_of(newest_cluster),
        tmp_path / "ca",
        {"certificate.source": "import", "server.names": NAMES, "certificate.import_certificate": files},
    )
    assert plan.empty
    rollback(newest_cluster.data_directory)
    assert (newest_cluster.data_directory / "server.key").read_bytes() == LEAF.key_pem


def test_without_a_root_what_can_be_proved_is_proved_and_the_rest_is_said(cluster: RealCluster, tmp_path: Path) -> None:
    (tmp_path / "chain.pem").write_bytes(LEAF.pem + ISSUING.pem + LEAF.key_pem)
    wanted: dict[str, object] = {
        "certificate.source": "import",
        "server.names": NAMES,
        "certificate.import_certificate": [str(tmp_path / "chain.pem")],
    }
    plan = plan_for(facts_of(cluster), tmp_path / "ca", wanted)
    assert plan.trust_anchor is None
    assert "root-not-given" in {finding.code for finding in plan.findings}
    made = apply(plan, facts_of(cluster))
    assert made.proved, made.findings
    assert made.proof is not None
    tried = {(each.sslmode, each.outcome) for each in made.proof.attempts if each.root == "none"}
    assert ("require", "accept") in tried
    assert {each.outcome for each in made.proof.attempts if each.root == "right"} == {"not-tried"}
    assert plan_for(facts_of(cluster), tmp_path / "ca", wanted).empty


def test_names_that_are_missing_are_told_and_the_others_are_proved(newest_cluster: RealCluster, tmp_path: Path) -> None:
    wanted: dict[str, object] = {"certificate.source": "import", "server.names": ["db.example.com", "gone.example.com"]}
    wanted |= {key.replace("__", "."): value for key, value in as_pem(tmp_path).items()}
    none = plan_for(facts_of(newest_cluster), tmp_path / "ca", wanted | {"server.names": ["gone.example.com"]})
    with pytest.raises(Refused) as refused:
        apply(none, facts_of(newest_cluster))
    assert refused.value.code == "names-missing"
    plan = plan_for(facts_of(newest_cluster), tmp_path / "ca", wanted)
    told = {finding.code: finding for finding in plan.findings}
    assert told["names-missing"].severity == "warning"
    assert "gone.example.com" in told["names-missing"].message
    assert "localhost" in told["names-additional"].message


@pytest.mark.parametrize("alternative", [True, False])
def test_names_that_a_certificate_does_not_carry_are_proved_to_be_refused(
    alternative: bool, newest_cluster: RealCluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also by a certificate with a common name and nothing else; the report says it beside the proof, and a second time."""
    made_for = certificates.make("db.example.com", *(["db.example.com"] if alternative else []), issuer=ROOT)
    (tmp_path / "one.pem").write_bytes(made_for.pem + made_for.key_pem + ROOT.pem)
    wanted: dict[str, object] = {
        "certificate.source": "import",
        "certificate.import_certificate": [str(tmp_path / "one.pem")],
        "server.names": ["localhost", "127.0.0.1", "db.example.com"],
    }
    missing = {"localhost", "127.0.0.1"}
    for attempt in ("first", "again"):
        plan = plan_for(facts_of(newest_cluster), tmp_path / "ca", wanted)
        stations: list[str] = []
        made = apply(plan, facts_of(newest_cluster), report=lambda event: stations.append(event.text))  # noqa: B023
        assert made.proved, made.findings
        assert made.proof is not None
        refused = {each.host: each for each in made.proof.attempts if each.host in missing}
        assert set(refused) == missing
        assert {(each.sslmode, each.expected, each.outcome) for each in refused.values()} == {("verify-full", "reject", "reject")}
        assert "does not match host name" in (refused["localhost"].message or "")
        assert ("verify-full", "accept") in {(each.sslmode, each.outcome) for each in made.proof.attempts if each.host == "db.example.com"}
        if attempt == "first":
            assert any("every name that it carries" in text and "localhost, 127.0.0.1" in text for text in stations)
        report.change(made, plan)
        assert "does not cover localhost, 127.0.0.1" in capsys.readouterr().out
    assert made.id is None


def test_who_names_no_names_gets_those_of_the_certificate(newest_cluster: RealCluster, tmp_path: Path) -> None:
    journey = Journey(newest_cluster.programs.bin_directory)
    journey.inspect(newest_cluster.data_directory)
    for key, value in as_pem(tmp_path).items():
        journey.answer(key.replace("__", "."), value, "--set")
    journey.answer("certificate.source", "import", "--set")
    journey.answer("certificate.ca_directory", str(tmp_path / "ca"), "--set")
    assert journey.make_plan().answers.server.names == tuple(NAMES)
    journey.save_answers(tmp_path / "answers.toml")
    assert tomllib.loads((tmp_path / "answers.toml").read_text())["server"]["names"] == NAMES
    assert journey.apply(lambda _: None).proved


def test_what_no_client_would_take_stops_before_anything_is_written(stopped_cluster: RealCluster, tmp_path: Path) -> None:
    other = certificates.make("db.example.com", *NAMES, issuer=ISSUING)
    (tmp_path / "leaf.pem").write_bytes(LEAF.pem + ISSUING.pem)
    (tmp_path / "other.key").write_bytes(other.key_pem)
    (tmp_path / "shut.key").write_bytes(key_of(LEAF, SECRET))
    before = planning.snapshot(stopped_cluster.base)
    wanted = {"certificate__source": "import", "certificate__import_certificate": [str(tmp_path / "leaf.pem")]}
    for more, error, code in (
        ({}, Refused, "no-key"),
        ({"certificate__import_key": str(tmp_path / "other.key")}, Refused, "key-mismatch"),
        ({"certificate__import_key": str(tmp_path / "shut.key")}, Refused, "key-encrypted"),
        ({"certificate__import_key": str(tmp_path / "nothing.key")}, Refused, "import-unreadable"),
        (
            {"certificate__import_key": str(tmp_path / "shut.key"), "certificate__import_passphrase_command": "exit 3"},
            UnusableInput,
            "passphrase-command",
        ),
        (
            {"certificate__import_key": str(tmp_path / "shut.key"), "certificate__import_passphrase_command": "echo wrong"},
            Refused,
            "key-encrypted",
        ),
        ({"certificate__import_certificate": [str(tmp_path / "nothing.pem")]}, Refused, "import-unreadable"),
    ):
        with pytest.raises(error) as refused:
            set_up(stopped_cluster, tmp_path / "ca", **{**wanted, **more})
        assert refused.value.code == code
        assert planning.snapshot(stopped_cluster.base) == before


def test_no_private_key_is_in_a_plan_and_a_saved_one_is_refused_once_a_file_changed(newest_cluster: RealCluster, tmp_path: Path) -> None:
    wanted: dict[str, object] = {"certificate.source": "import", "server.names": NAMES}
    wanted |= {key.replace("__", "."): value for key, value in as_pem(tmp_path).items()}
    plan = plan_for(facts_of(newest_cluster), tmp_path / "ca", wanted)
    saved = dump(plan)
    secret = b"".join(LEAF.key_pem.splitlines()[1:-1])[:60].decode()
    assert secret not in repr(plan)
    assert secret.encode() not in saved
    document = plan_to_json(plan)
    told = {Path(change["path"]).name: change for change in document["changes"]}
    assert (told["server.crt"]["diff"], told["server.key"]["diff"]) == (None, None)
    assert told["server.crt"]["profile"].startswith("server certificate: db.example.com")
    assert "followed by intermediate CA: Company Issuing" in told["server.crt"]["profile"]
    (tmp_path / "db.key").write_bytes(key_of(LEAF, SECRET))
    with pytest.raises(Refused, match="changed since"):
        apply(load(saved, "saved.plan"), facts_of(newest_cluster))


def test_a_root_of_another_is_never_overwritten(stopped_cluster: RealCluster, tmp_path: Path) -> None:
    (tmp_path / "ca").mkdir()
    (tmp_path / "ca" / "root.crt").write_bytes(certificates.make("Another", ca=True).pem)
    with pytest.raises(Refused) as refused:
        set_up(stopped_cluster, tmp_path / "ca", certificate__source="import", server__names=NAMES, **as_pkcs12(tmp_path))
    assert refused.value.code == "ca-file-in-the-way"


def test_certificate_and_key_may_go_into_one_file(newest_cluster: RealCluster, tmp_path: Path) -> None:
    place = str(newest_cluster.data_directory / "server.pem")
    wanted = {"certificate__source": "import", "server__names": NAMES, "files__certificate": place, "files__key": place}
    made = set_up(newest_cluster, tmp_path / "ca", **wanted, **as_pem(tmp_path))
    assert made.proved, made.findings
    assert Path(place).read_bytes() == LEAF.pem + ISSUING.pem + LEAF.key_pem
    assert set_up(newest_cluster, tmp_path / "ca", **wanted, **as_pem(tmp_path)).id is None


def test_a_root_that_comes_alone_is_handed_out_as_it_is(stopped_cluster: RealCluster, tmp_path: Path) -> None:
    """Roots beside it, as while two of them take turns, do no harm."""
    (tmp_path / "roots.pem").write_bytes(ROOT.pem + certificates.make("Next Root", ca=True).pem)
    wanted = as_pem(tmp_path)
    wanted["certificate__import_certificate"] = [str(tmp_path / "all.pem"), str(tmp_path / "roots.pem")]
    (tmp_path / "all.pem").write_bytes(LEAF.pem + ISSUING.pem)
    made = set_up(stopped_cluster, tmp_path / "ca", certificate__source="import", server__names=NAMES, **wanted)
    assert made.trust_anchor == tmp_path / "roots.pem"
    assert not (tmp_path / "ca" / "root.crt").exists()


@pytest.mark.parametrize("with_key", [True, False])
def test_certificates_of_cas_alone_are_told_to_be_just_that(with_key: bool, stopped_cluster: RealCluster, tmp_path: Path) -> None:
    """Nobody is asked for a CA's key."""
    (tmp_path / "chain.pem").write_bytes(ISSUING.pem + ROOT.pem)
    (tmp_path / "db.key").write_bytes(LEAF.key_pem)
    named = {"certificate__import_key": str(tmp_path / "db.key")} if with_key else {}
    files = [str(tmp_path / "chain.pem")]
    with pytest.raises(Refused, match="no server certificate here, only certificates of CAs: “Company Issuing”, “Company Root”") as refused:
        set_up(stopped_cluster, tmp_path / "ca", certificate__source="import", certificate__import_certificate=files, **named)
    assert refused.value.code == "no-server-certificate"
    assert "import_certificate" in (refused.value.hint or "")


def test_a_self_made_certificate_that_calls_itself_a_ca_is_still_asked_its_key(stopped_cluster: RealCluster, tmp_path: Path) -> None:
    """As `openssl req -x509` makes them."""
    (tmp_path / "own.pem").write_bytes(certificates.make("db.example.com", ca=True).pem)
    files = [str(tmp_path / "own.pem")]
    with pytest.raises(Refused) as refused:
        set_up(stopped_cluster, tmp_path / "ca", certificate__source="import", certificate__import_certificate=files)
    assert refused.value.code == "no-key"


@pytest.mark.parametrize("bring", [as_pem, as_der, as_pkcs12])
def test_that_a_key_loses_its_passphrase_is_told_once(
    bring: Callable[[Path], dict[str, object]], stopped_cluster: RealCluster, tmp_path: Path
) -> None:
    """Not of a key that had none, nor where it stands already, nor where the server's key gets one."""
    wanted: dict[str, object] = {"certificate.source": "import", "server.names": NAMES}
    wanted |= {key.replace("__", "."): value for key, value in bring(tmp_path).items()}

    def told(**more: str) -> set[str]:
        plan = plan_for(facts_of(stopped_cluster), tmp_path / "ca", wanted | {key.replace("__", "."): value for key, value in more.items()})
        return {finding.severity for finding in plan.findings if finding.code == "key-passphrase-left-out"}

    assert told() == (set() if bring is as_pem else {"info"})
    assert told(certificate__passphrase="command", certificate__passphrase_command="echo secret") == set()
    apply(plan_for(facts_of(stopped_cluster), tmp_path / "ca", wanted), facts_of(stopped_cluster))
    assert told() == set()


@pytest.mark.parametrize(("command", "words"), [("exec cat '{pipe}'", "did not end within"), ("true", "printed no passphrase")])
def test_a_passphrase_that_does_not_come_is_told_as_just_that(
    command: str, words: str, stopped_cluster: RealCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command waits for a pipe that nobody writes into."""
    monkeypatch.setattr(passphrase, "PATIENCE", 0.2)
    os.mkfifo(tmp_path / "pipe")
    wanted = as_pkcs12(tmp_path) | {"certificate__import_passphrase_command": command.format(pipe=tmp_path / "pipe")}
    with pytest.raises(UnusableInput, match=words) as refused:
        set_up(stopped_cluster, tmp_path / "ca", certificate__source="import", **wanted)
    assert refused.value.where == "certificate.import_passphrase_command"
    assert "by hand" in (refused.value.hint or "")


def test_a_command_for_the_passphrase_keeps_its_percent_signs(stopped_cluster: RealCluster, tmp_path: Path) -> None:
    """Only the server replaces them, in its own."""
    wanted = as_pkcs12(tmp_path) | {"certificate__import_passphrase_command": "printf '%s %d' xyzzy 42"}
    set_up(stopped_cluster, tmp_path / "ca", certificate__source="import", server__names=NAMES, **wanted)
    assert (stopped_cluster.data_directory / "server.key").read_bytes() == LEAF.key_pem


def test_a_key_that_was_shut_since_the_plan_names_what_opens_it(stopped_cluster: RealCluster, tmp_path: Path) -> None:
    wanted: dict[str, object] = {"certificate.source": "import", "server.names": NAMES}
    wanted |= {key.replace("__", "."): value for key, value in as_pem(tmp_path).items()}
    plan = plan_for(facts_of(stopped_cluster), tmp_path / "ca", wanted)
    (tmp_path / "db.key").write_bytes(key_of(LEAF, SECRET))
    inputs = {path: digest for path, digest in plan.inputs.items() if path != tmp_path / "db.key"}
    with pytest.raises(Refused) as refused:
        apply(replace(plan, inputs=inputs), facts_of(stopped_cluster))
    assert refused.value.code == "key-encrypted"
    assert "certificate.import_passphrase_command" in (refused.value.hint or "")
