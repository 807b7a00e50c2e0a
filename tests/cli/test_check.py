"""`check`, as cron and monitoring run it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.cli.test_commands import Shell, shell
from tests.servers import RealCluster, certificates

__all__ = ["shell"]


def codes(document: dict[str, list[dict[str, str]]]) -> set[str]:
    """Return the codes of what counts."""
    return {finding["code"] for finding in document["findings"] if finding["severity"] != "info"}


def test_a_cluster_set_up_by_us_is_well_and_says_when_it_must_be_renewed(cluster: RealCluster, shell: Shell) -> None:
    assert codes(shell.json("check", cluster.data_directory, code=1)) >= {"tls-is-off"}
    shell.json("apply", cluster.data_directory, "--set", "certificate.intermediate=true", "--set", "clients.encryption=required")
    document = shell.json("check", cluster.data_directory)
    rows = {row["role"]: row for row in document["expiring"]}
    assert set(rows) == {"server", "intermediate", "root"}
    assert not any(row["due"] for row in rows.values())
    days = (datetime.fromisoformat(rows["server"]["renewal_due"]) - datetime.now(UTC)).days
    assert 240 < days < 245, "two thirds of a year"
    assert "All is well." in shell.run("check", cluster.data_directory).stdout
    cluster.stop()
    assert codes(shell.json("check", cluster.data_directory, code=1)) == {"server-down"}


@pytest.mark.parametrize(("days", "code"), [(0.2, "server-renewal-due"), (-0.5, "certificate-expired")])
def test_what_ends_soon_or_has_ended_falls_short(newest_cluster: RealCluster, shell: Shell, days: float, code: str) -> None:
    newest_cluster.serve_tls()
    made = certificates.make("test server", "localhost", days=days)
    newest_cluster.write("server.key", made.key_pem)
    newest_cluster.write("server.crt", made.pem, 0o644)
    newest_cluster.reload()
    document = shell.json("check", newest_cluster.data_directory, code=1)
    assert code in codes(document)
    assert document["expiring"][0]["due"] is True


def test_plaintext_rules_and_another_certificate_than_the_one_on_disk_fall_short(newest_cluster: RealCluster, shell: Shell) -> None:
    newest_cluster.serve_tls()
    made = certificates.make("test server", "localhost")
    newest_cluster.write("server.key", made.key_pem)
    newest_cluster.write("server.crt", made.pem, 0o644)
    rules = newest_cluster.hba_file.read_text(encoding="utf-8")
    newest_cluster.write(newest_cluster.hba_file, rules + "host all all 10.0.0.0/8 scram-sha-256\n")
    assert codes(shell.json("check", newest_cluster.data_directory, code=1)) >= {"served-differs", "plaintext-rules"}
