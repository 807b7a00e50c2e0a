"""`verify` as a shell sees it: served = on disk = configured, the ways in, and client certificates that a person names."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from tests.cli.test_commands import Shell, shell
from tests.servers import RealCluster, certificates
from tests.servers.certificates import Made

__all__ = ["shell"]


def put(directory: Path, name: str, made: Made) -> tuple[object, ...]:
    """Write a certificate and its key; return the options that name them."""
    certificate, key = directory / f"{name}.crt", directory / f"{name}.key"
    certificate.write_bytes(made.pem)
    key.write_bytes(made.key_pem)
    key.chmod(0o600)
    return ("--certificate", certificate, "--key", key)


def revoking(ca: Made, made: Made) -> bytes:
    """Return a list of this CA that names one certificate."""
    entry = x509.RevokedCertificateBuilder().serial_number(made.certificate.serial_number).revocation_date(certificates.now()).build()
    builder = x509.CertificateRevocationListBuilder().issuer_name(ca.certificate.subject).add_revoked_certificate(entry)
    builder = builder.last_update(certificates.now() - timedelta(days=1)).next_update(certificates.now() + timedelta(days=1))
    return builder.sign(ca.key, hashes.SHA256()).public_bytes(Encoding.PEM)


def demand_certificates(real: RealCluster, ca: Made, *, method: str = "cert", map_lines: str = "") -> None:
    """Serve TLS, trust this CA, and let in over TCP only who shows a certificate of it."""
    real.write("clients.crt", ca.pem)
    real.set(ssl_ca_file="clients.crt")
    if map_lines:
        real.ident_file.write_text(map_lines)
    real.hba_file.write_text(f"local all all peer\nhostssl all all all {method}\n")
    real.serve_tls()


def by(document: dict[str, Any], certificate: str) -> dict[tuple[str, str], str]:
    """Return what came of the attempts with such a certificate, all of which went as expected, by sslmode and root."""
    found = [each for each in document["attempts"] if each["certificate"] == certificate]
    assert all(each["outcome"] == each["expected"] for each in found), found
    return {(each["sslmode"], each["root"]): each["outcome"] for each in found}


def test_served_on_disk_and_configured_can_be_read_and_so_can_the_ways_in(cluster: RealCluster, shell: Shell) -> None:
    """On every version: one document says it all, with the client library's version."""
    made = cluster.serve_tls()
    document = shell.json("verify", cluster.data_directory)
    assert document["served"]["sha256"] == made.sha256
    assert document["matches_disk"] is True
    configured = {"certificate": str(cluster.data_directory / "server.crt"), "sha256": made.sha256, "by_server": True}
    assert document["configured"] == configured
    assert document["client_library"].startswith("libpq ")
    assert document["log"] is None
    assert document["ways_left_out"] == 0
    keys = "who kind transport database replication address certificate expected outcome message rule closed asked_for_password"
    assert all(set(each) == set(keys.split()) for each in document["ways"])
    assert {each["kind"] for each in document["ways"]} == {"administrator", "replication", "rule"}
    assert all(each["outcome"] == each["expected"] for each in document["ways"])
    said = shell.run("verify", cluster.data_directory).stdout
    assert "as on disk and in the settings in force" in said
    assert "(libpq " in said
    assert "the administrator's own way in: let in" in said


def test_a_certificate_that_only_the_file_names_is_not_the_one_in_force(newest_cluster: RealCluster, shell: Shell) -> None:
    """Another file was named and nobody has reloaded: served = configured, and not what a reload would serve."""
    old = newest_cluster.serve_tls()
    newest_cluster.write("new.crt", certificates.make("new", "localhost").pem)
    newest_cluster.set(ssl_cert_file="new.crt")
    document = shell.json("verify", newest_cluster.data_directory, code=1)
    assert document["matches_disk"] is False
    assert document["configured"]["certificate"] == str(newest_cluster.data_directory / "server.crt")
    assert document["configured"]["sha256"] == old.sha256 == document["served"]["sha256"]


def test_a_setting_that_is_in_force_and_was_not_loaded_is_told(newest_cluster: RealCluster, shell: Shell) -> None:
    """The reload took the setting and could not load its file; the disk has been put right since, and nobody reloaded."""
    newest_cluster.serve_tls()
    made = certificates.make("new", "localhost")
    newest_cluster.write("new.crt", made.pem)
    newest_cluster.set(ssl_cert_file="new.crt")
    newest_cluster.reload()
    newest_cluster.set(ssl_cert_file="server.crt")
    document = shell.json("verify", newest_cluster.data_directory, code=1)
    assert document["matches_disk"] is True
    assert document["configured"]["sha256"] == made.sha256
    assert "configured-differs" in {finding["code"] for finding in document["findings"]}
    assert "NOT the one that the settings in force name" in shell.run("verify", newest_cluster.data_directory).stdout


def test_a_way_that_is_not_as_the_rules_say_falls_short(newest_cluster: RealCluster, shell: Shell) -> None:
    """The file was edited and nobody reloaded: the line that decides is named."""
    newest_cluster.serve_tls()
    lines = newest_cluster.hba_file.read_text()
    newest_cluster.hba_file.write_text(f"host app app 127.0.0.1/32 reject\n{lines}")
    document = shell.json("verify", newest_cluster.data_directory, code=1)
    finding = next(finding for finding in document["findings"] if finding["code"] == "unexpected-way-in")
    assert finding["where"] == f"{newest_cluster.hba_file}:1"
    assert "✗ role app at database app" in shell.run("verify", newest_cluster.data_directory).stdout


def test_a_named_certificate_is_tried_with_every_sslmode_and_root(cluster: RealCluster, shell: Shell) -> None:
    """On every version: it comes as the role that it names, and is let in exactly where the rules say."""
    ca = certificates.make("clients' CA", ca=True)
    demand_certificates(cluster, ca)
    document = shell.json("verify", cluster.data_directory, *put(shell.directory, "app", certificates.make("app", issuer=ca)))
    found = by(document, "right")
    assert len(found) == 18
    assert {mode for (mode, root), outcome in found.items() if outcome == "accept" and root == "right"} == {
        "allow",
        "prefer",
        "require",
        "verify-ca",
        "verify-full",
    }
    assert {each["user"] for each in document["attempts"] if each["certificate"] == "right"} == {"app"}
    with_it = [each for each in document["ways"] if each["certificate"] == "right"]
    assert [(each["who"], each["transport"], each["outcome"]) for each in with_it] == [("app", "tls", "accept")]


@pytest.mark.parametrize("state", ["expired", "revoked", "wrong-ca", "wrong-name"])
def test_what_is_wrong_with_a_named_certificate_is_told_from_the_file_and_seen_refused(
    newest_cluster: RealCluster, shell: Shell, state: str
) -> None:
    """Its end, the server's lists, its authority, and the name in it."""
    ca = certificates.make("clients' CA", ca=True)
    signer = certificates.make("somebody else", ca=True) if state == "wrong-ca" else ca
    made = certificates.make("app", issuer=signer, days=-0.5 if state == "expired" else 30)
    if state == "revoked":
        newest_cluster.write("clients.crl", revoking(ca, made))
        newest_cluster.set(ssl_crl_file="clients.crl")
    demand_certificates(newest_cluster, ca)
    more = ("--user", newest_cluster.superuser) if state == "wrong-name" else ()
    document = shell.json("verify", newest_cluster.data_directory, *put(shell.directory, "app", made), *more)
    found = by(document, state)
    assert len(found) == 18
    assert set(found.values()) == {"reject"}


def test_a_map_leads_a_named_certificate_to_its_role(newest_cluster: RealCluster, shell: Shell) -> None:
    """Nobody has to say which role that is."""
    ca = certificates.make("clients' CA", ca=True)
    demand_certificates(newest_cluster, ca, method="cert map=people", map_lines="people jane.doe app\n")
    document = shell.json("verify", newest_cluster.data_directory, *put(shell.directory, "jane", certificates.make("jane.doe", issuer=ca)))
    assert by(document, "right")["verify-full", "right"] == "accept"
    assert {each["user"] for each in document["attempts"] if each["certificate"] == "right"} == {"app"}


def test_a_name_that_is_compared_after_the_password_is_not_tried_and_that_is_said(newest_cluster: RealCluster, shell: Shell) -> None:
    """Without the password nobody sees how it ends."""
    ca = certificates.make("clients' CA", ca=True)
    demand_certificates(newest_cluster, ca, method="scram-sha-256 clientcert=verify-full")
    other = put(shell.directory, "other", certificates.make("other", issuer=ca))
    document = shell.json("verify", newest_cluster.data_directory, *other, "--user", newest_cluster.superuser)
    assert not [each for each in document["attempts"] if each["certificate"] in {"right", "wrong-name"}]
    finding = next(finding for finding in document["findings"] if finding["code"] == "name-after-password")
    assert finding["where"] == f"{newest_cluster.hba_file}:2"


def test_a_server_elsewhere_that_asks_for_certificates_is_tried_with_the_named_one(newest_cluster: RealCluster, shell: Shell) -> None:
    """Every attempt shows it; without it the same server refuses whoever verifies it rightly."""
    ca = certificates.make("clients' CA", ca=True)
    demand_certificates(newest_cluster, ca)
    root = shell.directory / "root.crt"
    root.write_bytes((newest_cluster.data_directory / "server.crt").read_bytes())
    there = ("--host", "localhost", "--port", newest_cluster.port, "--root", root)
    assert shell.run("verify", *there, "--user", "app").returncode == 1
    own = put(shell.directory, "app", certificates.make("app", issuer=ca))
    document = shell.json("verify", *there, "--database", "app", *own)
    assert {each["certificate"] for each in document["attempts"]} == {"right"}
    assert by(document, "right")["verify-full", "right"] == "accept"
    assert document["ways"] == []
    assert document["configured"] is None


def test_files_that_cannot_be_used_end_with_2(newest_cluster: RealCluster, shell: Shell) -> None:
    """With the file and the reason, before anything is tried."""
    newest_cluster.serve_tls()
    app = put(shell.directory, "app", certificates.make("app"))
    for arguments, words in ((app[:2], "go together"), ((*app[:2], "--key", app[1]), "holds no private key")):
        done = shell.run("verify", newest_cluster.data_directory, *arguments)
        assert done.returncode == 2, done.stdout + done.stderr
        assert words in done.stderr
        assert done.stdout == ""
