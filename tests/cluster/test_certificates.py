"""What is said of the certificate, the key and the CA file, compared with what the server itself says of them."""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from pgssl_wizard.cluster import inspect as inspecting
from pgssl_wizard.cluster.certificates import chain_facts, tls_files
from pgssl_wizard.cluster.facts import Cluster
from tests.servers import RealCluster, certificates

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


def inspect(cluster: RealCluster) -> Cluster:
    """What is there, as the programs of this version see it too, though it never ran."""
    return inspecting.inspect(cluster.data_directory, pg_bin=cluster.programs.bin_directory)


def said(cluster: RealCluster) -> dict[str, str]:
    """The sentences by code."""
    return {finding.code: finding.message for finding in inspect(cluster).findings}


def starts(cluster: RealCluster) -> str | None:
    """None when the server starts with its files, else what it says."""
    try:
        cluster.start()
    except AssertionError as error:
        return str(error)
    cluster.stop()
    return None


def own(cluster: RealCluster, name: str, uid: int, gid: int, mode: int) -> None:
    """Give a file away."""
    os.chown(cluster.data_directory / name, uid, gid)
    (cluster.data_directory / name).chmod(mode)


def encrypted(made: certificates.Made) -> bytes:
    """The key, with a passphrase."""
    return made.key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"secret")
    )


def spoil(cluster: RealCluster, made: certificates.Made, what: str) -> None:
    """Break one of the files."""
    certificate, key = cluster.data_directory / "server.crt", cluster.data_directory / "server.key"
    content: dict[str, tuple[str, str | bytes]] = {
        "empty certificate": ("server.crt", ""),
        "DER certificate": ("server.crt", made.certificate.public_bytes(serialization.Encoding.DER)),
        "byte order mark": ("server.crt", b"\xef\xbb\xbf" + made.pem),
        "garbage key": ("server.key", "garbage"),
        "key of another": ("server.key", certificates.make("x").key_pem),
        "issuer first": ("server.crt", certificates.make("CA", ca=True).pem + made.pem),
        "CA file without a certificate": ("ca.crt", "# none\n"),
    }
    if what in content:
        cluster.write(*content[what])
    if what in {"no certificate", "directory for a certificate"}:
        certificate.unlink()
    if what in {"no key", "directory for a key"}:
        key.unlink()
    if what == "directory for a certificate":
        certificate.mkdir()
    if what == "directory for a key":
        key.mkdir()
    if what.startswith("key open"):
        key.chmod(0o640 if "group" in what else 0o604)
    if "CA file" in what:
        cluster.set(ssl_ca_file="ca.crt")


BROKEN = {
    "no certificate": "no-certificate",
    "empty certificate": "no-certificate",
    "DER certificate": "no-certificate",
    "byte order mark": "no-certificate",
    "directory for a certificate": "no-certificate",
    "no key": "key-unusable",
    "directory for a key": "key-unusable",
    "garbage key": "no-key",
    "key of another": "key-mismatch",
    "issuer first": "key-mismatch",
    "key open to the group": "key-permissions",
    "key open to all": "key-permissions",
    "no CA file": "no-client-ca",
    "CA file without a certificate": "no-client-ca",
}


@pytest.mark.parametrize("what", BROKEN)
def test_what_keeps_the_server_from_starting_is_told(stopped_cluster: RealCluster, what: str) -> None:
    """And the server agrees: with such a file it does not start."""
    if what == "byte order mark" and not str(stopped_cluster.programs.openssl).startswith("1.1"):
        pytest.skip("OpenSSL 3 passes over the mark; what is told holds for servers with 1.1.1")
    made = stopped_cluster.serve_tls()
    spoil(stopped_cluster, made, what)
    assert BROKEN[what] in said(stopped_cluster)
    assert starts(stopped_cluster) is not None


@as_root
@pytest.mark.parametrize("mode", [0o600, 0o400, 0o640, 0o644, 0o440, 0o740, 0o660])
@pytest.mark.parametrize("owner", ["server", "root with its group", "root alone", "somebody else"])
def test_the_keys_owner_and_mode_are_judged_as_the_server_judges_them(newest_major: int, tmp_path: Path, owner: str, mode: int) -> None:
    """Every combination against a real start."""
    with RealCluster.make(tmp_path, newest_major) as real:
        real.serve_tls()
        uid, gid = real.identity.uid, real.identity.gid
        own(
            real,
            "server.key",
            *{"server": (uid, gid), "root with its group": (0, gid), "root alone": (0, 0), "somebody else": (65533, gid)}[owner],
            mode,
        )
        complaint = starts(real)
        assert ("key-permissions" in said(real)) == (complaint is not None), complaint


def test_a_good_pair_gives_no_complaint(stopped_cluster: RealCluster) -> None:
    """Chain, one file for both, absolute paths, a link."""
    root = certificates.make("root", ca=True)
    leaf = certificates.make("db", "db.example.com", issuer=root)
    both = stopped_cluster.write("both.pem", leaf.key_pem + leaf.pem + root.pem)
    (stopped_cluster.data_directory / "link.pem").symlink_to(both)
    stopped_cluster.write("ca.crt", root.pem)
    stopped_cluster.set(ssl="on", ssl_cert_file=str(both), ssl_key_file="link.pem", ssl_ca_file="ca.crt")
    seen = inspect(stopped_cluster)
    assert {finding.code for finding in seen.findings} == {"server-down", "local-only", "key-in-data-directory"} | (
        {"certificate-expiring"} if leaf.certificate.not_valid_after_utc < datetime.now(UTC) + timedelta(days=30) else set()
    )
    assert [(fact.role, fact.common_name, fact.key_matches) for fact in seen.certificates] == [
        ("server", "db", True),
        ("root", "root", None),
        ("client-ca", "root", None),
    ]
    assert starts(stopped_cluster) is None


def test_an_encrypted_key_says_what_it_takes(stopped_cluster: RealCluster) -> None:
    """Whether it belongs to the certificate cannot be told."""
    made = stopped_cluster.serve_tls()
    stopped_cluster.write("server.key", encrypted(made))
    seen = inspect(stopped_cluster)
    assert seen.certificates[0].key_matches is None
    assert "key-asks-for-passphrase" in said(stopped_cluster)
    stopped_cluster.set(ssl_passphrase_command="echo secret")
    assert "key-needs-restart" in said(stopped_cluster)
    assert starts(stopped_cluster) is None
    stopped_cluster.set(ssl_passphrase_command_supports_reload="on")
    assert not {"key-needs-restart", "key-asks-for-passphrase", "key-mismatch"} & set(said(stopped_cluster))


@pytest.mark.parametrize(
    ("days", "names", "code"),
    [(0, ("db",), "certificate-expired"), (10, ("db",), "certificate-expiring"), (90, (), "no-san"), (90, ("db",), "self-signed")],
)
def test_the_state_of_the_certificate_is_told(stopped_cluster: RealCluster, days: int, names: tuple[str, ...], code: str) -> None:
    """The server loads all of these without a word."""
    made = certificates.make("db", *names, days=days)
    stopped_cluster.write("server.key", made.key_pem)
    stopped_cluster.write("server.crt", made.pem)
    stopped_cluster.set(ssl="on")
    assert code in said(stopped_cluster)
    assert starts(stopped_cluster) is None


@pytest.mark.parametrize(("key", "code"), [("ed25519", "eddsa-key"), ("rsa-1024", "weak-key")])
def test_keys_that_clients_cannot_work_with_are_told(stopped_cluster: RealCluster, key: str, code: str) -> None:
    """Ed25519 breaks scram with channel binding; short RSA is refused."""
    private = ed25519.Ed25519PrivateKey.generate() if key == "ed25519" else rsa.generate_private_key(65537, 1024)  # noqa: S505
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "db")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(1)
        .not_valid_before(datetime.now(UTC) - timedelta(days=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=90))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("db")]), critical=False)
        .sign(private, None if key == "ed25519" else hashes.SHA256())
    )
    stopped_cluster.write("server.crt", made.public_bytes(serialization.Encoding.PEM))
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    stopped_cluster.write("server.key", private.private_bytes(*form))
    stopped_cluster.set(ssl="on")
    assert code in said(stopped_cluster)
    assert inspect(stopped_cluster).certificates[0].key_matches is True


def test_with_tls_off_files_at_the_default_places_are_listed_and_not_judged(stopped_cluster: RealCluster) -> None:
    """They are not in use."""
    made = stopped_cluster.serve_tls()
    stopped_cluster.set(ssl="off")
    (stopped_cluster.data_directory / "server.key").chmod(0o644)
    seen = inspect(stopped_cluster)
    assert [fact.sha256 for fact in seen.certificates] == [made.sha256]
    assert {finding.code for finding in seen.findings} == {"server-down", "local-only", "tls-off"}


def test_a_broken_block_between_good_ones_is_passed_over(tmp_path: Path) -> None:
    """And a certificate whose fields nobody can tell does not stop the rest."""
    made = certificates.make("db", "db")
    data = made.pem + b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n" + certificates.make("other", ca=True).pem
    assert [fact.common_name for fact in chain_facts(tmp_path / "x", data)] == ["db", "other"]
    assert chain_facts(tmp_path / "x", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n") == []


def test_problems_name_the_file_and_never_its_content(tmp_path: Path) -> None:
    """A key in the place of a certificate is not quoted."""
    made = certificates.make("db", "db")
    for name in ("a.crt", "a.key"):
        (tmp_path / name).write_bytes(made.key_pem)
        (tmp_path / name).chmod(0o600)
    result = tls_files(tmp_path / "a.crt", tmp_path / "a.key", tmp_path / "ca\n.crt", os.geteuid(), frozenset())
    assert {problem.code for problem in result.problems} == {"no-certificate", "no-client-ca"}
    assert made.key_pem.split(b"\n")[1].decode() not in repr(result)
    assert not re.search(r"Traceback|Error", repr(result))
