"""A request for somebody else's signature: the key waits, nothing of the server changes, and the answer finds its key."""

from __future__ import annotations

import errno
import json
import stat
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from pgssl_wizard.change import write
from pgssl_wizard.change.history import history
from pgssl_wizard.change.rollback import rollback
from pgssl_wizard.cluster import requested
from pgssl_wizard.errors import Refused, RolledBack, UnusableInput
from pgssl_wizard.plan.recommend import recommend
from pgssl_wizard.proof.verify import objections, verify
from tests.change import planning
from tests.change.test_whole_way import NAMES, facts_of, plan_for, set_up
from tests.servers import RealCluster, certificates


def signed(request: Path, authority: certificates.Made, names: list[str] | None = None, days: int = 90) -> bytes:
    """Return the certificate that a company's CA makes of a request, PEM; with other names where it minds them."""
    asked = x509.load_pem_x509_csr(request.read_bytes())
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(asked.subject)
        .issuer_name(authority.certificate.subject)
        .public_key(asked.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key()), critical=False)
    )
    for each in asked.extensions:
        if isinstance(each.value, x509.SubjectAlternativeName) and names is not None:
            builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
        else:
            builder = builder.add_extension(each.value, critical=each.critical)
    return builder.sign(authority.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def test_a_request_leaves_the_server_alone_and_its_answer_is_served_and_undone(cluster: RealCluster, tmp_path: Path) -> None:
    before = planning.snapshot(cluster.base)
    request, waiting = tmp_path / "server.csr", cluster.data_directory / "server.key.requested"
    made = set_up(cluster, tmp_path / "ca", certificate__source="request")
    assert (made.state, made.effective, made.proved, made.trust_anchor) == ("applied", "not-reloaded", False, None)
    assert planning.snapshot(cluster.base) == before, "nothing of the server changes"
    status = waiting.stat()
    assert (stat.S_IMODE(status.st_mode), status.st_uid) == (0o600, cluster.identity.uid)
    assert {request, waiting} <= set(made.kept)
    pending = facts_of(cluster).requested
    assert pending is not None
    assert (pending.request, pending.key, set(pending.names)) == (request, waiting, set(NAMES))
    assert b"PRIVATE" not in pending.record.read_bytes()
    strange = json.loads(pending.record.read_bytes()) | {"key": str(cluster.config_file)}
    (tmp_path / "strange.json").write_text(json.dumps(strange))
    assert requested.read(tmp_path / "strange.json") is None, "no other file is ever taken for a key that waits"

    again = set_up(cluster, tmp_path / "ca", certificate__source="request")
    assert (again.id, again.state, again.effective) == (None, "none", "not-reloaded")
    assert rollback(cluster.data_directory).id is None, "a request is nothing that an undo touches"
    waiting_before, csr_before = waiting.read_bytes(), request.read_bytes()

    root = certificates.make("Company Root", ca=True, days=900)
    issuing = certificates.make("Company Issuing", issuer=root, ca=True, days=300)
    (tmp_path / "answer.pem").write_bytes(root.pem + issuing.pem + signed(request, issuing))
    imported = set_up(
        cluster, tmp_path / "ca", certificate__source="request", certificate__import_certificate=[str(tmp_path / "answer.pem")]
    )
    assert imported.proved, imported.findings
    assert not waiting.exists()
    assert facts_of(cluster).requested is None
    proof = verify(facts_of(cluster))
    assert proof.holds, objections(proof)
    assert {each.host for each in proof.attempts} >= {"db.example.com", "localhost"}
    assert (cluster.data_directory / "server.key").read_bytes() == waiting_before
    assert request.read_bytes() == csr_before, "the request is the person's"

    rollback(cluster.data_directory)
    assert planning.snapshot(cluster.base) == before
    assert waiting.read_bytes() == waiting_before
    assert facts_of(cluster).requested == pending


def test_a_newer_request_is_not_overwritten_by_undoing_the_import_of_an_older_one(stopped_cluster: RealCluster, tmp_path: Path) -> None:
    """It is no stranger's doing, and moving it away is all that the undo needs."""
    set_up(stopped_cluster, tmp_path / "ca", certificate__source="request")
    before = planning.snapshot(stopped_cluster.base)
    root = certificates.make("Company Root", ca=True, days=900)
    (tmp_path / "answer.pem").write_bytes(root.pem + signed(tmp_path / "server.csr", root))
    answer = {"certificate__source": "request", "certificate__import_certificate": [str(tmp_path / "answer.pem")]}
    set_up(stopped_cluster, tmp_path / "ca", **answer)
    set_up(stopped_cluster, tmp_path / "ca", certificate__source="request", certificate__request_file=str(tmp_path / "second.csr"))
    pending = facts_of(stopped_cluster).requested
    assert pending is not None
    with pytest.raises(Refused, match="newer request waits") as caught:
        rollback(stopped_cluster.data_directory)
    assert str(pending.key) in caught.value.message
    for path in (pending.key, pending.record):
        if str(path) in caught.value.message:
            path.rename(tmp_path / path.name)
    assert rollback(stopped_cluster.data_directory).state == "rolled-back"
    assert planning.snapshot(stopped_cluster.base) == before


def test_while_one_request_waits_another_is_refused_and_after_it_is_moved_away_made(stopped_cluster: RealCluster, tmp_path: Path) -> None:
    set_up(stopped_cluster, tmp_path / "ca", certificate__source="request")
    facts = facts_of(stopped_cluster)
    for other in ({"server.names": ["other.example.com"]}, {"certificate.key": "rsa-2048"}):
        with pytest.raises(Refused) as refused:
            plan_for(facts, tmp_path / "ca", {"certificate.source": "request", **other})
        assert refused.value.code == "request-pending"
    found = next(finding for finding in facts.findings if finding.code == "request-pending")
    assert str(tmp_path / "server.csr") in found.message
    assert recommend(facts, tmp_path).certificate.source == "request", "who comes back finds the request, not a new CA"
    (stopped_cluster.data_directory / "server.key.requested").rename(tmp_path / "old.key")
    elsewhere = str(tmp_path / "second.csr")
    second = {"certificate__source": "request", "server__names": ["other.example.com"], "certificate__request_file": elsewhere}
    set_up(stopped_cluster, tmp_path / "ca", **second)
    pending = facts_of(stopped_cluster).requested
    assert pending is not None
    assert (pending.names, str(pending.request)) == (("other.example.com",), elsewhere)
    assert len(history(stopped_cluster.data_directory)) == 2


@pytest.mark.parametrize("name", ["server.csr", "server.key.requested"])
def test_nothing_that_stands_is_overwritten(name: str, stopped_cluster: RealCluster, tmp_path: Path) -> None:
    place = tmp_path if name.endswith("csr") else stopped_cluster.data_directory
    (place / name).write_text("mine")
    with pytest.raises(Refused) as refused:
        plan_for(facts_of(stopped_cluster), tmp_path / "ca", {"certificate.source": "request"})
    assert refused.value.code == "in-the-way"
    assert refused.value.where == str(place / name)
    assert requested.find(stopped_cluster.data_directory) is None


def test_the_key_waits_with_the_mode_and_owner_that_it_will_have_in_a_directory_that_is_made(
    stopped_cluster: RealCluster, tmp_path: Path
) -> None:
    place = stopped_cluster.base / "tls"
    group = subprocess.run(["id", "-gn", stopped_cluster.identity.name], check=True, capture_output=True, text=True).stdout.strip()
    wanted = {
        "certificate__source": "request",
        "files__key": str(place / "k.pem"),
        "files__certificate": str(place / "c.pem"),
        "files__key_owner": "root",
        "files__key_group": group,
        "certificate__request_file": str(stopped_cluster.data_directory / "server.csr"),
    }
    if stopped_cluster.identity.uid == 0 or Path("/proc/self").stat().st_uid != 0:
        pytest.skip("only root gives a key to root")
    told = plan_for(facts_of(stopped_cluster), tmp_path / "ca", {key.replace("__", "."): value for key, value in wanted.items()})
    assert "request-in-data-directory" in {finding.code for finding in told.findings}
    set_up(stopped_cluster, tmp_path / "ca", **wanted)
    status, directory = (place / "k.pem.requested").stat(), place.stat()
    assert (stat.S_IMODE(status.st_mode), status.st_uid) == (0o640, 0)
    assert directory.st_uid == stopped_cluster.identity.uid


def test_the_plan_shows_the_commands_that_make_the_same(stopped_cluster: RealCluster, tmp_path: Path) -> None:
    plan = plan_for(facts_of(stopped_cluster), tmp_path / "ca", {"certificate.source": "request"})
    assert [change.role for change in plan.changes] == ["requested-key", "request", "record"]
    assert {change.phase for change in plan.changes} == {"ca"}
    assert "request-pending-next" in {finding.code for finding in plan.findings}
    place = tmp_path / "by hand"
    place.mkdir()
    done = subprocess.run(["/bin/sh", "-ec", "\n".join(plan.openssl)], check=False, cwd=place, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    set_up(stopped_cluster, tmp_path / "ca", certificate__source="request")
    ours, theirs = (x509.load_pem_x509_csr((path / "server.csr").read_bytes()) for path in (tmp_path, place))
    assert ours.subject == theirs.subject
    assert {each.oid: (each.critical, each.value) for each in ours.extensions} == {
        each.oid: (each.critical, each.value) for each in theirs.extensions
    }


def test_what_goes_with_a_request_only_is_said(stopped_cluster: RealCluster, tmp_path: Path) -> None:
    facts = facts_of(stopped_cluster)
    for given, words in (
        ({"certificate.source": "request", "clients.certificates": "verify-full"}, "clients.ca"),
        ({"certificate.source": "import"}, "import_certificate"),
        ({"certificate.source": "new-ca", "certificate.import_key": "x"}, "import"),
        ({"certificate.source": "request", "certificate.import_key": "x"}, "import_certificate"),
    ):
        with pytest.raises(UnusableInput) as refused:
            plan_for(facts, tmp_path / "ca", given)
        assert words in f"{refused.value.message} {refused.value.hint}"


def test_a_key_with_a_passphrase_waits_encrypted_and_is_opened_by_the_servers_command(newest_cluster: RealCluster, tmp_path: Path) -> None:
    secret = newest_cluster.base / "secret"
    secret.write_text("xyzzy 42\n")
    secret.chmod(0o644)
    wanted = {"certificate__source": "request", "certificate__passphrase": "command", "certificate__passphrase_command": f"cat '{secret}'"}
    set_up(newest_cluster, tmp_path / "ca", **wanted)
    waiting = newest_cluster.data_directory / "server.key.requested"
    assert waiting.read_bytes().startswith(b"-----BEGIN ENCRYPTED PRIVATE KEY-----")
    root = certificates.make("Company Root", ca=True, days=900)
    (tmp_path / "answer.pem").write_bytes(signed(tmp_path / "server.csr", root) + root.pem)
    imported = {**wanted, "certificate__import_certificate": [str(tmp_path / "answer.pem")]}
    made = set_up(newest_cluster, tmp_path / "ca", **imported)
    assert made.proved, made.findings
    assert (newest_cluster.data_directory / "server.key").read_bytes().startswith(b"-----BEGIN ENCRYPTED PRIVATE KEY-----")
    assert set_up(newest_cluster, tmp_path / "ca", **imported).id is None


def test_a_request_that_is_cut_short_is_taken_back_whole(
    stopped_cluster: RealCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[Path] = []
    really = write.create

    def fails_at_the_record(path: Path, data: bytes, *, mode: int, uid: int = -1, gid: int = -1) -> None:
        if path.name == "request.json":
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        written.append(path)
        really(path, data, mode=mode, uid=uid, gid=gid)

    before = planning.snapshot(stopped_cluster.base)
    monkeypatch.setattr(write, "create", fails_at_the_record)
    with pytest.raises(RolledBack):
        set_up(stopped_cluster, tmp_path / "ca", certificate__source="request")
    assert {"server.csr", "server.key.requested"} <= {path.name for path in written}
    assert not (tmp_path / "server.csr").exists()
    assert not (stopped_cluster.data_directory / "server.key.requested").exists()
    assert planning.snapshot(stopped_cluster.base) == before


def test_a_waiting_key_with_a_passphrase_asks_for_the_command_that_opens_it(stopped_cluster: RealCluster, tmp_path: Path) -> None:
    """The plan says it already, and with the command the key is opened."""
    secret = {"certificate__passphrase": "command", "certificate__passphrase_command": "echo xyzzy"}
    set_up(stopped_cluster, tmp_path / "ca", certificate__source="request", **secret)
    root = certificates.make("Company Root", ca=True, days=900)
    (tmp_path / "answer.pem").write_bytes(root.pem + signed(tmp_path / "server.csr", root))
    answer: dict[str, object] = {"certificate.source": "import", "certificate.import_certificate": [str(tmp_path / "answer.pem")]}

    def told(**more: str) -> list[tuple[str, str]]:
        wanted = answer | {key.replace("__", "."): value for key, value in more.items()}
        plan = plan_for(facts_of(stopped_cluster), tmp_path / "ca", wanted | {"certificate.passphrase": "none"})
        return [(each.severity, each.hint or "") for each in plan.findings if each.code in {"key-encrypted", "key-passphrase-left-out"}]

    (severity, hint), *_ = told()
    assert severity == "error"
    assert "certificate.import_passphrase_command" in hint
    with pytest.raises(Refused) as refused:
        set_up(
            stopped_cluster,
            tmp_path / "ca",
            certificate__passphrase="none",
            **{key.replace(".", "__"): value for key, value in answer.items()},
        )
    assert (refused.value.code, "certificate.import_passphrase_command" in (refused.value.hint or "")) == ("key-encrypted", True)
    assert [severity for severity, _ in told(certificate__import_passphrase_command="echo wrong")] == ["error"]
    assert [severity for severity, _ in told(certificate__import_passphrase_command="echo xyzzy")] == ["info"]
