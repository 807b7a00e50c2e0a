"""What is said of a directory of revocation lists, compared with whom a real server lets in."""

from __future__ import annotations

import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pgssl_wizard.certificates import issue, keys, revocation
from pgssl_wizard.certificates.issuer_hash import hash_of
from pgssl_wizard.certificates.profiles import Profile
from pgssl_wizard.cluster.inspect import inspect
from pgssl_wizard.server.attempt import try_connection
from tests.certificates.making import list_pem
from tests.cli.test_commands import Shell, shell
from tests.servers import RealCluster

__all__ = ["shell"]

NOW = datetime.now(UTC)
CA = issue.make(
    Profile("root", "Größe  CA", "ecdsa-p256", 900, "Größe  CA", path_length=0), keys.generate("ecdsa-p256"), None, NOW - timedelta(days=90)
)
GOOD = list_pem(revocation.make(CA, [], None, NOW))
ENDED = list_pem(revocation.make(CA, [], None, NOW - timedelta(days=60)))
NAME = hash_of(CA.certificate.subject)


@pytest.mark.parametrize(
    ("files", "code"),
    [
        ({f"{NAME}.r0": GOOD}, None),
        ({f"{NAME}.r0": GOOD, "root.crl": GOOD, "README": b"notes"}, None),
        ({f"{NAME}.r0": ENDED, f"{NAME}.r1": GOOD}, "crl-expired"),
        ({f"{NAME}.r0": ENDED}, "crl-expired"),
        ({f"{NAME}.r1": GOOD}, "crl-wrong-name"),
        ({"root.crl": GOOD}, "crl-wrong-name"),
        ({"00000000.r0": GOOD}, "crl-wrong-name"),
        ({f"{NAME}.r0": CA.certificate_pem}, "no-crl"),
        ({}, "ca-without-crl"),
        (None, "no-crl-dir"),
    ],
)
def test_a_directory_is_objected_to_when_the_server_refuses_clients_over_it(
    files: dict[str, bytes] | None, code: str | None, newest_cluster: RealCluster, tmp_path: Path
) -> None:
    server = issue.make(Profile("server", "localhost", "ecdsa-p256", 30, "", ("localhost",)), keys.generate("ecdsa-p256"), CA, NOW)
    client = issue.make(Profile("client", "app", "ecdsa-p256", 30, ""), keys.generate("ecdsa-p256"), CA, NOW)
    newest_cluster.write("server.crt", server.certificate_pem, 0o644)
    newest_cluster.write("server.key", server.key_pem)
    newest_cluster.write("ca.crt", CA.certificate_pem)
    if files is not None:
        (newest_cluster.data_directory / "lists").mkdir()
        for name, data in files.items():
            newest_cluster.write(f"lists/{name}", data)
    newest_cluster.set(ssl="on", ssl_ca_file="ca.crt", ssl_crl_dir="lists")
    newest_cluster.reload()
    found = {finding.code for finding in inspect(newest_cluster.data_directory, pg_bin=newest_cluster.programs.bin_directory).findings}
    of_lists = {each for each in found if "crl" in each}
    assert of_lists == ({code} if code is None or "without" in code or code == "crl-expired" else {code, "ca-without-crl"}) - {None}
    (tmp_path / "app.crt").write_bytes(client.certificate_pem)
    (tmp_path / "app.key").write_bytes(client.key_pem)
    (tmp_path / "app.key").chmod(0o600)
    tried = try_connection(
        "localhost", newest_cluster.port, "app", "app", sslmode="require", hostaddr="127.0.0.1",
        certificate=tmp_path / "app.crt", key=tmp_path / "app.key", root=tmp_path / "nothing",
    )  # fmt: skip
    lets_in = code is None or files == {f"{NAME}.r0": ENDED, f"{NAME}.r1": GOOD}
    assert tried.outcome == ("accept" if lets_in else "reject"), tried.message


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_lint_takes_a_directory_of_lists_as_openssl_rehash_leaves_it(shell: Shell) -> None:
    place = shell.directory / "lists"
    place.mkdir()
    (place / "root.crl").write_bytes(GOOD)
    (shell.directory / "root.crt").write_bytes(CA.certificate_pem)
    assert shell.json("lint", "lists", "root.crt", code=2)["findings"][0]["code"] == "unreadable-file"
    subprocess.run(["openssl", "rehash", str(place)], check=True, capture_output=True)
    document = shell.json("lint", "lists", "root.crt")
    assert [(Path(each["path"]).name, each["kind"], each["accepted"]) for each in document["files"]] == [
        (f"{NAME}.r0", "crl", True),
        ("root.crt", "certificate", True),
    ]
    (place / f"{NAME}.r0").rename(place / "0123abcd.r0")
    assert "crl-wrong-name" in {finding["code"] for finding in shell.json("lint", "lists", "root.crt", code=1)["findings"]}
