"""Certificates, keys and lists before the command `lint`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12

from tests.certificates.making import SERVER, TRADITIONAL, between, list_pem, make, request, revocations, root
from tests.cli.test_commands import Shell, shell
from tests.servers import RealCluster

__all__ = ["shell"]

NOW = datetime.now(UTC)
ROOT = root(now=NOW)
MIDDLE = between(ROOT, now=NOW)
LEAF = make(issuer=MIDDLE, extended=SERVER, now=NOW)
KEYS = ["line", "subject", "issuer", "names", "not_before", "not_after", "sha256", "key"]


def put(shell: Shell, name: str, data: bytes, mode: int = 0o600) -> None:
    """Put a file where the command runs."""
    path = shell.directory / name
    path.write_bytes(data)
    path.chmod(mode)


def test_a_good_set_is_clean_and_its_certificates_are_listed(shell: Shell) -> None:
    put(shell, "server.crt", LEAF.pem + MIDDLE.pem)
    put(shell, "server.key", LEAF.key_as())
    put(shell, "root.crt", ROOT.pem)
    put(shell, "root.crl", list_pem(revocations(ROOT, now=NOW), revocations(MIDDLE, now=NOW)))
    document = shell.json("lint", "server.crt", "server.key", "root.crt", "root.crl")
    assert document["findings"] == []
    assert [(each["kind"], each["role"], each["accepted"]) for each in document["files"]] == [
        ("certificate", "server-certificate", True),
        ("key", "server-key", True),
        ("certificate", "ca", True),
        ("crl", "crl", True),
    ]
    for each in document["files"]:
        assert (each["rules"], each["settings"], each["maps"], each["hosts"]) == ([], [], [], [])
        assert all(list(row) == KEYS for row in each["certificates"])
    first, second = document["files"][0]["certificates"]
    assert (first["subject"], first["issuer"], first["names"]) == ("CN=db.example.com", "CN=Intermediate", ["db.example.com"])
    assert (first["line"], second["line"], first["key"]) == (1, 1 + LEAF.pem.count(b"\n"), "ecdsa-p256")
    assert datetime.fromisoformat(first["not_after"]) == LEAF.value.not_valid_after_utc
    assert len(first["sha256"]) == 64


@pytest.mark.parametrize(
    ("name", "data", "code", "accepted"),
    [
        ("server.crt", LEAF.der, "no-certificate", False),
        ("server.crt", make(names=(), now=NOW).pem, "no-san", True),
        ("server.crt", make(ends=timedelta(days=-1), now=NOW).pem, "certificate-expired", True),
        ("root.crt", MIDDLE.pem, "no-root", True),
        ("root.crl", ROOT.pem, "certificate-as-crl", True),
        ("server.key", b"", "no-key", False),
        ("db.csr", request(), "no-san", True),
        ("db.csr", b"", "no-request", False),
        ("db.p12", b"", "no-pkcs12", False),
    ],
    ids=lambda value: "" if isinstance(value, bytes) else str(value),
)
def test_what_is_wrong_ends_with_1_and_names_file_and_cause(shell: Shell, name: str, data: bytes, code: str, accepted: bool) -> None:
    put(shell, name, data)
    document = shell.json("lint", name, code=1)
    assert document["files"][0]["accepted"] is accepted
    (found,) = [finding for finding in document["findings"] if finding["code"] == code]
    assert found["where"].partition(":")[0] == str(shell.directory / name)
    assert found["severity"] == ("warning" if accepted else "error")
    said = shell.run("lint", name)
    assert (said.returncode, f"[{code}]" in said.stdout) == (1, True)
    assert said.stdout.startswith("✓" if accepted else "✗")


def test_what_is_only_good_to_know_ends_with_0(shell: Shell) -> None:
    put(shell, "server.crt", LEAF.pem + MIDDLE.pem + ROOT.pem)
    document = shell.json("lint", "server.crt")
    assert [finding["code"] for finding in document["findings"]] == ["root-in-chain"]


def test_a_file_without_a_telling_name_is_told_by_its_content_and_kind_says_the_role(shell: Shell) -> None:
    put(shell, "notes", ROOT.pem)
    assert shell.json("lint", "notes")["files"][0]["role"] == "ca"
    document = shell.json("lint", "notes", "--kind", "server-certificate", code=1)
    assert (document["files"][0]["role"], document["files"][0]["kind"]) == ("server-certificate", "certificate")
    assert shell.json("lint", "notes", "--kind", "key", code=1)["files"][0]["kind"] == "key"
    put(shell, "server.key", LEAF.key_as())
    assert [each["role"] for each in shell.json("lint", "notes", "server.key", "--kind", "client-certificate", code=1)["files"]] == [
        "client-certificate",
        "client-key",
    ]


def test_a_key_that_others_can_read_would_be_refused(shell: Shell) -> None:
    put(shell, "server.key", LEAF.key_as(), 0o644)
    (finding,) = shell.json("lint", "server.key", code=1)["findings"]
    assert (finding["code"], finding["severity"]) == ("key-permissions", "error")
    assert "private key file has group or world access" in finding["message"]


def test_passphrases_come_from_a_file_and_no_secret_is_printed(shell: Shell) -> None:
    other = make(now=NOW)
    put(shell, "server.crt", other.pem)
    put(shell, "server.key", LEAF.key_as(TRADITIONAL, passphrase=b"correct horse"))
    data = pkcs12.serialize_key_and_certificates(b"x", LEAF.key, LEAF.value, [MIDDLE.value], BestAvailableEncryption(b"correct horse"))
    put(shell, "db.p12", data)
    put(shell, "pass", b"correct horse\nbattery\n")
    closed = shell.json("lint", "server.crt", "server.key", "db.p12")
    assert {finding["code"] for finding in closed["findings"]} == {"self-signed", "key-encrypted", "pkcs12", "passphrase-needed"}
    opened = shell.json("lint", "server.crt", "server.key", "db.p12", "--passphrase-file", "pass", code=1)
    assert "key-mismatch" in {finding["code"] for finding in opened["findings"]}
    assert len(opened["files"][2]["certificates"]) == 2
    for arguments in (["--passphrase-file", "pass"], ["--passphrase-file", "pass", "--json"], ["--passphrase-file", "server.crt"]):
        done = shell.run("lint", "server.crt", "server.key", "db.p12", *arguments)
        assert "correct horse" not in done.stdout + done.stderr
        assert "PRIVATE KEY-----" not in done.stdout + done.stderr


def test_a_person_is_told_in_80_columns(shell: Shell) -> None:
    put(shell, "server.crt", MIDDLE.pem + LEAF.pem)
    put(shell, "server.key", LEAF.key_as())
    put(shell, "client.key", LEAF.key_as()[:-30])
    done = shell.run("lint", "server.crt", "server.key", "client.key")
    assert "✗ server.crt: PostgreSQL 19 would refuse it (server certificate)" in done.stdout
    assert "✓ server.key: PostgreSQL 19 would load it (server key, 1 key)" in done.stdout
    assert "✗ client.key: libpq would refuse it (client key)" in done.stdout
    assert "server.crt:1  [key-mismatch]" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_inspect_says_the_same_of_a_servers_files(stopped_cluster: RealCluster, shell: Shell) -> None:
    stopped_cluster.set(ssl="on", ssl_ca_file="root.crt", ssl_crl_file="root.crl")
    leaf = make("db", (), issuer=MIDDLE, ca=True, now=NOW)
    stopped_cluster.write("server.crt", leaf.pem + ROOT.pem + MIDDLE.pem)
    stopped_cluster.write("server.key", leaf.key_as())
    stopped_cluster.write("root.crt", MIDDLE.pem)
    stopped_cluster.write("root.crl", list_pem(revocations(MIDDLE, ends=timedelta(hours=-1), now=NOW)))
    own, clients = ("server.crt", "server.key"), ("root.crt", "root.crl")
    expected = set()
    for names in (own, clients):
        linted = shell.json("lint", *(stopped_cluster.data_directory / name for name in names), code=1)
        expected |= {(each["code"], each["message"], each["hint"]) for each in linted["findings"] if each["severity"] == "warning"}
    seen = {(each["code"], each["message"], each["hint"]) for each in shell.json("inspect", stopped_cluster.data_directory)["findings"]}
    assert {code for code, _, _ in expected} == {"no-san", "ca-as-leaf", "key-usage", "chain-order", "no-root", "crl-expired"}
    assert expected <= seen
