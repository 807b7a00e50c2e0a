"""Where `issue` takes roles from besides its arguments, and where it puts no kits."""

from __future__ import annotations

import pytest

from pgssl_wizard.certificates.issue import Issued
from tests.cli.test_commands import Shell, shell
from tests.cli.test_issue import ca, settings_in
from tests.servers import RealCluster

__all__ = ["ca", "shell"]


def test_the_roles_of_a_running_server_that_can_log_in_get_kits(cluster: RealCluster, shell: Shell, ca: list[Issued]) -> None:
    cluster.sql("create role nobody nologin")
    cluster.sql('create role "Ann B" login')
    (shell.directory / "roles.txt").write_text("app\nfrom list\n")
    document = shell.json(
        "issue", "eve", "--roles-from", "roles.txt", "--roles-of", cluster.data_directory, "--ca", "ca", "-o", "kits", "--pg-bin",
        cluster.programs.bin_directory, "--host", "db.example.com",
    )  # fmt: skip
    found = [each["role"] for each in document["issued"]]
    assert found[:3] == ["eve", "app", "from list"]
    assert set(found[3:]) == {"Ann B", cluster.superuser}
    assert document["findings"] == [], "a role that is named as well is not told twice"
    assert f"port={cluster.port}" in settings_in(shell.directory / "kits" / "app")
    cluster.stop()
    document = shell.json("issue", "--roles-of", cluster.data_directory, "--ca", "ca", "-o", "more", code=2)
    assert document["findings"][0]["code"] == "no-administrator"


@pytest.mark.parametrize(("output", "words"), [("ca/kits", "CA's directory"), ("ca", "CA's directory"), ("data/kits", "data directory")])
def test_kits_go_neither_into_a_data_directory_nor_to_the_ca(output: str, words: str, shell: Shell, ca: list[Issued]) -> None:
    (shell.directory / "data").mkdir()
    (shell.directory / "data" / "PG_VERSION").write_text("17\n")
    finding = shell.json("issue", "app", "--ca", "ca", "-o", output, code=2)["findings"][0]
    assert finding["code"] == "does-not-fit"
    assert words in finding["message"]
    assert not (shell.directory / output / "app").exists()
