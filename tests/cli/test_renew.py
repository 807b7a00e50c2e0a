"""`renew`: the same certificates again, before the old ones end."""

from __future__ import annotations

import json
from pathlib import Path

import psycopg
import pytest
from cryptography import x509

from tests.cli.test_commands import Shell, shell
from tests.servers import RealCluster

__all__ = ["shell"]


def chain(path: Path) -> list[x509.Certificate]:
    """Return the certificates of a file."""
    return x509.load_pem_x509_certificates(path.read_bytes())


def settings_with(cluster: RealCluster, kit: Path) -> dict[str, str]:
    """Return how the role `app` comes with a kit, by name and with the kit's own root."""
    return {
        "host": "localhost",
        "hostaddr": "127.0.0.1",
        "port": str(cluster.port),
        "user": "app",
        "dbname": "app",
        "password": cluster.app_password,
        "sslmode": "verify-full",
        "sslrootcert": str(kit / "root.crt"),
        "sslcert": str(kit / "postgresql.crt"),
        "sslkey": str(kit / "postgresql.key"),
    }


def gets_in(cluster: RealCluster, kit: Path) -> bool:
    """Whether the role of a kit gets in with it."""
    with psycopg.connect(**settings_with(cluster, kit)) as connection:  # type: ignore[arg-type]
        return connection.execute("SELECT current_user").fetchone() == ("app",)


ANSWERS = (
    *("--set", "certificate.intermediate=true", "--set", "server.names=localhost,127.0.0.1"),
    *("--set", "clients.certificates=verify-full", "--set", "clients.roles=app", "--set", "clients.encryption=required"),
)


def test_everything_of_a_cluster_is_made_anew_and_what_somebody_did_since_stays(cluster: RealCluster, shell: Shell) -> None:
    """The intermediate keeps its key, so the clients' old certificates go on working; CA, settings and rules are as they were."""
    shell.json("apply", cluster.data_directory, *ANSWERS)
    ca, kit = shell.directory / "ca", shell.directory / "clients" / "app"
    served = cluster.data_directory / "server.crt"
    assert shell.json("renew", cluster.data_directory, "--all")["change"]["id"] is None, "nothing is due"
    edited = cluster.hba_file.read_text(encoding="utf-8") + "host all somebody 10.0.0.0/8 scram-sha-256\n"
    cluster.write(cluster.hba_file, edited)
    before = {path.name: path.read_bytes() for path in ca.iterdir()}
    leaf, middle = chain(served)
    old_kit = chain(kit / "postgresql.crt")
    document = shell.json("renew", cluster.data_directory, "--all", "--now")
    assert document["change"]["proved"] is True, json.dumps(document["findings"], indent=1)
    assert document["next_due"] is not None
    new_leaf, new_middle = chain(served)
    assert new_leaf.public_key() != leaf.public_key()
    assert new_middle != middle
    assert new_middle.public_key() == middle.public_key(), "what it signed stays good"
    assert new_middle.subject == middle.subject
    assert cluster.hba_file.read_text(encoding="utf-8") == edited
    after = {path.name: path.read_bytes() for path in ca.iterdir()}
    assert {name for name in before if before[name] != after[name]} == {"intermediate.crt"}
    (aside,) = after.keys() - before.keys()
    assert after[aside] == before["intermediate.crt"]
    assert [each["role"] for each in document["renewed"]] == ["app"]
    assert chain(kit / "postgresql.crt")[0].public_key() != old_kit[0].public_key()
    assert chain(kit / "postgresql.crt")[1] == new_middle
    (put_aside,) = document["put_aside"]
    assert chain(Path(put_aside) / "postgresql.crt") == old_kit
    assert gets_in(cluster, kit)
    assert gets_in(cluster, Path(put_aside))
    assert shell.json("rollback", cluster.data_directory)["change"]["proved"] is True
    assert chain(served) == [leaf, middle]
    assert gets_in(cluster, kit)


def test_a_server_certificate_alone_is_renewed_from_the_answers_of_the_last_change(newest_cluster: RealCluster, shell: Shell) -> None:
    shell.json("apply", newest_cluster.data_directory, "--set", "certificate.key=rsa-2048", "--set", "certificate.days=100")
    served = newest_cluster.data_directory / "server.crt"
    (before,) = chain(served)
    done = Shell(shell.directory.parent).run("renew", newest_cluster.data_directory, "--now")
    assert done.returncode == 0, done.stderr
    assert "Next: server" in done.stdout
    (after,) = chain(served)
    assert after.serial_number != before.serial_number
    assert (after.not_valid_after_utc - after.not_valid_before_utc) == (before.not_valid_after_utc - before.not_valid_before_utc)
    assert after.subject == before.subject
    assert after.issuer == before.issuer


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(("--intermediate",), "nothing-to-renew"), (("--crl",), "nothing-to-renew"), (("--set", "files.certificate=other.crt"), "not-in-use")],
)
def test_what_is_not_there_is_not_renewed(newest_cluster: RealCluster, shell: Shell, arguments: tuple[str, ...], code: str) -> None:
    shell.json("apply", newest_cluster.data_directory)
    (finding,) = shell.json("renew", newest_cluster.data_directory, "--now", *arguments, code=3)["findings"]
    assert finding["code"] == code
    assert finding["hint"]


def test_renewing_a_server_without_tls_says_so_although_nothing_is_due(newest_cluster: RealCluster, shell: Shell) -> None:
    shell.json("apply", newest_cluster.data_directory)
    newest_cluster.set(ssl="off")
    (finding,) = shell.json("renew", newest_cluster.data_directory, code=3)["findings"]
    assert finding["code"] == "not-in-use"


def test_renewing_makes_no_new_ca_and_needs_the_key_of_the_old_one(newest_cluster: RealCluster, shell: Shell) -> None:
    shell.json("apply", newest_cluster.data_directory)
    ca = shell.directory / "ca"
    (ca / "root.key").rename(shell.directory / "root.key")
    assert shell.json("renew", newest_cluster.data_directory, "--now", code=3)["findings"][0]["code"] == "ca-key-missing"
    ca.rename(shell.directory / "away")
    assert shell.json("renew", newest_cluster.data_directory, "--now", code=3)["findings"][0]["code"] == "ca-missing"
    assert not ca.exists()


def test_a_revocation_is_placed_by_renewing_the_list_and_the_proof_sees_the_kit_refused(cluster: RealCluster, shell: Shell) -> None:
    shell.json("apply", cluster.data_directory, *ANSWERS, "--set", "files.crl=root.crl")
    kit = shell.directory / "clients" / "app"
    assert gets_in(cluster, kit)
    shell.json("revoke", kit, "--ca", shell.directory / "ca")
    document = shell.json("renew", cluster.data_directory, "--crl", "--now")
    assert document["change"]["proved"] is True
    (row,) = [row for row in document["attempts"] if row["certificate"] == "revoked"]
    assert (row["user"], row["expected"], row["outcome"]) == ("app", "reject", "reject")
    with pytest.raises(psycopg.OperationalError, match="revoked"):
        gets_in(cluster, kit)
    again = shell.json("plan", cluster.data_directory, *ANSWERS, "--set", "files.crl=root.crl")
    assert "kit-revoked" in {finding["code"] for finding in again["findings"]}
