"""A CA that stands signs the server's certificate: from files that a company has, its key encrypted or not."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from pgssl_wizard.errors import Refused, UnusableInput
from pgssl_wizard.proof.verify import objections, verify
from tests.change.test_whole_way import facts_of, plan_for, set_up
from tests.servers import RealCluster, certificates

SECRET = "xyzzy 42"


@pytest.fixture
def company(tmp_path: Path) -> Path:
    """A directory with a company's CA: a root without its key, an issuing CA with a key that is encrypted."""
    place = tmp_path / "company"
    place.mkdir()
    root = certificates.make("Company Root", ca=True, days=900)
    issuing = certificates.make("Company Issuing", issuer=root, ca=True, days=300)
    (place / "root.crt").write_bytes(root.pem)
    (place / "issuing.crt").write_bytes(issuing.pem)
    (place / "bundle.pem").write_bytes(issuing.pem + root.pem)
    (place / "plain.key").write_bytes(issuing.key_pem)
    (place / "root.key").write_bytes(root.key_pem)
    encrypted = serialization.BestAvailableEncryption(SECRET.encode())
    (place / "issuing.key").write_bytes(issuing.key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encrypted))
    return place


def answers(company: Path, certificate: str, key: str, command: str = "") -> dict[str, object]:
    """Return the answers that name a CA."""
    found: dict[str, object] = {
        "certificate.source": "existing-ca",
        "certificate.ca_certificate": str(company / certificate),
        "certificate.ca_key": str(company / key),
    }
    return {**found, "certificate.ca_passphrase_command": command} if command else found


def spelled(values: dict[str, object]) -> dict[str, object]:
    """Return answers as `set_up` takes them."""
    return {key.replace(".", "__"): value for key, value in values.items()}


def test_an_issuing_ca_with_an_encrypted_key_signs_and_clients_verify_by_its_root(cluster: RealCluster, company: Path) -> None:
    wanted = answers(company, "bundle.pem", "issuing.key", f"echo '{SECRET}'")
    before = {path: path.read_bytes() for path in company.iterdir()}
    made = set_up(cluster, company.parent / "ca", **spelled(wanted))
    assert made.proved, made.findings
    served = x509.load_pem_x509_certificates((cluster.data_directory / "server.crt").read_bytes())
    assert [each.subject.rfc4514_string() for each in served][1:] == ["CN=Company Issuing"], "the root is not sent"
    proof = verify(facts_of(cluster))
    assert proof.holds, objections(proof)
    assert proof.trust_anchor == company / "bundle.pem"
    root = x509.load_pem_x509_certificate((company / "root.crt").read_bytes())
    assert made.trust_anchor_sha256 == root.fingerprint(hashes.SHA256()).hex()
    assert {path: path.read_bytes() for path in company.iterdir()} == before, "nobody's CA is written to"
    assert set_up(cluster, company.parent / "ca", **spelled(wanted)).id is None


def test_a_root_of_its_own_signs_and_is_what_clients_get(newest_cluster: RealCluster, company: Path) -> None:
    wanted = answers(company, "root.crt", "root.key") | {"clients.certificates": "optional"}
    made = set_up(newest_cluster, company.parent / "ca", **spelled(wanted))
    assert made.proved, made.findings
    assert verify(facts_of(newest_cluster)).trust_anchor == company / "root.crt"
    assert (newest_cluster.data_directory / "root.crt").read_bytes() == (company / "root.crt").read_bytes()


def test_a_ca_in_the_ca_directory_signs_once_however_young_it_is(newest_cluster: RealCluster, tmp_path: Path) -> None:
    made = "openssl req -x509 -newkey rsa:2048 -nodes -keyout root.key -out root.crt -days 900 -subj '/CN=Young' -addext keyUsage=critical,keyCertSign"
    place = tmp_path / "young"
    place.mkdir()
    run([made], place)
    first = set_up(newest_cluster, place, certificate__source="existing-ca")
    assert first.proved, first.findings
    assert set_up(newest_cluster, place, certificate__source="existing-ca").id is None


def test_a_ca_that_ends_sooner_than_the_certificate_would_is_told(stopped_cluster: RealCluster, company: Path) -> None:
    wanted = answers(company, "bundle.pem", "plain.key")
    cluster = facts_of(stopped_cluster)
    told = plan_for(cluster, company.parent / "ca", wanted | {"certificate.days": 365})
    assert "ends-with-its-ca" in {finding.code for finding in told.findings}
    short = plan_for(cluster, company.parent / "ca", wanted | {"certificate.days": 90})
    assert "ends-with-its-ca" not in {finding.code for finding in short.findings}


@pytest.mark.parametrize(
    ("certificate", "key", "command", "code"),
    [
        ("bundle.pem", "root.key", "", "ca-key-unusable"),
        ("bundle.pem", "nothing.key", "", "ca-key-missing"),
        ("nothing.pem", "issuing.key", "", "ca-missing"),
        ("plain.key", "plain.key", "", "ca-missing"),
    ],
)
def test_a_ca_that_cannot_sign_is_refused_with_the_file(
    certificate: str, key: str, command: str, code: str, stopped_cluster: RealCluster, company: Path
) -> None:
    with pytest.raises(Refused) as refused:
        plan_for(facts_of(stopped_cluster), company.parent / "ca", answers(company, certificate, key, command))
    assert refused.value.code == code
    assert str(company) in str(refused.value.where)


def test_the_root_is_needed_and_may_lie_in_the_ca_directory(stopped_cluster: RealCluster, company: Path) -> None:
    wanted = answers(company, "issuing.crt", "plain.key")
    with pytest.raises(Refused) as refused:
        plan_for(facts_of(stopped_cluster), company.parent / "ca", wanted)
    assert refused.value.code == "ca-root-missing"
    assert plan_for(facts_of(stopped_cluster), company, wanted).trust_anchor == company / "root.crt"


def test_a_wrong_passphrase_is_found_before_anything_is_written(stopped_cluster: RealCluster, company: Path) -> None:
    for command, error in (("echo wrong", Refused), ("exit 3", UnusableInput), ("true", UnusableInput)):
        with pytest.raises(error):
            set_up(stopped_cluster, company.parent / "ca", **spelled(answers(company, "bundle.pem", "issuing.key", command)))
        assert not (stopped_cluster.data_directory / "server.key").exists()


def test_the_commands_by_hand_make_the_same_files_beside_the_companys(stopped_cluster: RealCluster, company: Path, tmp_path: Path) -> None:
    plan = plan_for(facts_of(stopped_cluster), company.parent / "ca", answers(company, "bundle.pem", "plain.key"))
    place = tmp_path / "by hand"
    place.mkdir()
    for name in ("bundle.pem", "plain.key"):
        (place / name).write_bytes((company / name).read_bytes())
    run(plan.openssl, place)
    made = x509.load_pem_x509_certificates((place / "server.crt").read_bytes())
    assert [each.subject.rfc4514_string() for each in made][1:] == ["CN=Company Issuing"]
    run([f"openssl verify -x509_strict -CAfile '{company / 'root.crt'}' -untrusted server.crt server.crt"], place)


def run(commands: Sequence[str], place: Path) -> None:
    """Run commands as a person would paste them."""
    done = subprocess.run(["/bin/sh", "-ec", "\n".join(commands)], check=False, cwd=place, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_companys_key_may_not_lie_in_a_data_directory(stopped_cluster: RealCluster, company: Path) -> None:
    inside = stopped_cluster.data_directory / "ca.key"
    with pytest.raises(UnusableInput, match="base backup"):
        plan_for(facts_of(stopped_cluster), company, answers(company, "root.crt", "x") | {"certificate.ca_key": str(inside)})


def test_a_named_ca_counts_only_where_it_is_asked_for(stopped_cluster: RealCluster, company: Path) -> None:
    with pytest.raises(UnusableInput, match="existing-ca"):
        plan_for(facts_of(stopped_cluster), company, {"certificate.ca_key": str(company / "root.key")})
