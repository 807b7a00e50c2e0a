"""What becomes of a revoked kit and of a list that is not placed yet, by `renew`, `issue`, `check` and in plans."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from pgssl_wizard.cluster.facts import Known
from pgssl_wizard.plan.known import Judge
from tests.cli.test_commands import Shell, shell
from tests.cli.test_issue import make_ca
from tests.plan.building import HBA, cluster
from tests.servers import RealCluster

__all__ = ["shell"]

ANSWERS = (
    *("--set", "server.names=localhost,127.0.0.1", "--set", "clients.encryption=required"),
    *("--set", "clients.certificates=verify-full", "--set", "clients.roles=app,app-2,bob"),
)


def content(directory: Path) -> dict[str, bytes]:
    """Return the files of a kit."""
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def told(document: dict[str, Any]) -> set[str]:
    """Return the codes of all findings."""
    return {finding["code"] for finding in document["findings"]}


def said(document: dict[str, Any], code: str) -> dict[str, Any]:
    """Return the one finding of this code."""
    (found,) = (finding for finding in document["findings"] if finding["code"] == code)
    return dict(found)


@pytest.mark.parametrize("place", ["files.crl=root.crl", "files.crl_dir=lists"])
def test_a_revocation_that_waits_is_told_and_placed_as_it_is_without_the_cas_key(
    newest_cluster: RealCluster, shell: Shell, place: str
) -> None:
    data, ca = newest_cluster.data_directory, shell.directory / "ca"
    shell.json("apply", data, *ANSWERS, "--set", place)
    assert "crl-not-placed" not in told(shell.json("check", data))
    shell.json("revoke", shell.directory / "clients" / "app", "--ca", ca)
    waiting = said(shell.json("check", data, code=1), "crl-not-placed")
    assert waiting["severity"] == "warning"
    assert "1 revoked certificate still gets in" in waiting["message"]
    assert waiting["hint"] == f"pgssl-wizard renew {data} --crl"
    (ca / "root.key").rename(shell.directory / "away.key")
    shell.json("renew", data, "--crl")
    named, value = place.split("=")
    (placed,) = [data / value] if named == "files.crl" else list((data / value).iterdir())
    assert x509.load_pem_x509_crl(placed.read_bytes()) == x509.load_pem_x509_crl((ca / "root.crl").read_bytes())
    assert "crl-not-placed" not in told(shell.json("check", data))
    assert shell.json("renew", data, "--crl")["change"]["id"] is None, "nothing waits any more"


def test_a_revoked_kit_is_never_made_anew_and_those_put_aside_are_not_watched(newest_cluster: RealCluster, shell: Shell) -> None:
    data, kits = newest_cluster.data_directory, shell.directory / "clients"
    shell.json("apply", data, *ANSWERS, "--set", "files.crl=root.crl")
    shell.json("revoke", kits / "bob", "--ca", shell.directory / "ca")
    shell.json("renew", data, "--crl")
    before = content(kits / "bob")
    document = shell.json("renew", data, "--clients", "--now")
    assert [each["role"] for each in document["renewed"]] == ["app", "app-2"]
    revoked = said(document, "kit-revoked")
    assert (revoked["severity"], revoked["where"]) == ("warning", str(kits / "bob"))
    assert "move this kit away and issue a new one" in revoked["hint"]
    assert content(kits / "bob") == before
    assert sorted(path.name.partition(".")[0] for path in kits.iterdir()) == ["app", "app", "app-2", "app-2", "bob"]
    watched = [row["path"] for row in shell.json("check", data)["expiring"] if row["role"] == "client"]
    assert sorted(watched) == [str(kits / name / "postgresql.crt") for name in ("app-2", "app")]


def test_each_new_kit_is_told_with_its_own_old_one(newest_cluster: RealCluster, shell: Shell) -> None:
    """Sorted as directories, app-2.until-… comes before app.until-…; as roles it is the other way round."""
    data = newest_cluster.data_directory
    shell.json("apply", data, *ANSWERS)
    printed = shell.run("renew", data, "--clients", "--now").stdout
    for role in ("app", "app-2", "bob"):
        (line,) = (line for line in printed.splitlines() if line.startswith(f"Made anew: {shell.directory / 'clients' / role},"))
        assert f"the old one is {role}.until-" in line


def test_a_list_that_names_somebody_and_is_on_no_server_is_told_with_what_places_it(newest_cluster: RealCluster, shell: Shell) -> None:
    data = newest_cluster.data_directory
    shell.json("apply", data, *ANSWERS)
    shell.json("revoke", "--renew", "--ca", shell.directory / "ca")
    assert "crl-not-placed" not in told(shell.json("check", data)), "it names nobody"
    shell.json("revoke", shell.directory / "clients" / "app", "--ca", shell.directory / "ca")
    waiting = said(shell.json("check", data, code=1), "crl-not-placed")
    assert (waiting["severity"], waiting["where"]) == ("warning", str(shell.directory / "ca" / "root.crl"))
    assert "--set files.crl=root.crl" in waiting["hint"]
    assert "files.crl" in said(shell.json("renew", data, "--crl", code=3), "nothing-to-renew")["hint"]
    shell.json("apply", data, *ANSWERS, "--set", "files.crl=root.crl")
    assert "crl-not-placed" not in told(shell.json("check", data))


def test_a_quiet_check_prints_nothing_when_all_is_well_and_else_only_what_falls_short(newest_cluster: RealCluster, shell: Shell) -> None:
    data = newest_cluster.data_directory
    done = shell.run("apply", data, "--set", "clients.encryption=required")
    assert f"Renewing by timer needs this key here: {shell.directory / 'ca' / 'root.key'}." in done.stdout
    quiet = shell.run("check", "-q", data)
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, "", "")
    newest_cluster.stop()
    quiet = shell.run("check", "-q", data)
    assert (quiet.returncode, quiet.stderr) == (1, "")
    assert quiet.stdout == "  ! The server is down, so nobody can see what it serves.\n"


def test_issue_refuses_a_revoked_kit_as_one_that_is_not_good_any_more(shell: Shell) -> None:
    make_ca(shell.directory / "ca")
    issue = ("issue", "app", "bob", "--ca", "ca", "-o", "kits")
    shell.json("issue", "app", "--ca", "ca", "-o", "kits")
    shell.json("revoke", "kits/app", "--ca", "ca")
    refused = said(shell.json(*issue, code=3), "kit-in-the-way")
    assert "its certificate is revoked" in refused["message"]
    assert not (shell.directory / "kits" / "bob").exists()
    (shell.directory / "kits" / "app").rename(shell.directory / "kits" / "app.revoked")
    assert [each["role"] for each in shell.json(*issue)["issued"]] == ["app", "bob"]


def test_who_is_revoked_fails_at_the_handshake_whatever_the_rules_say() -> None:
    rules = "host all all 10.0.0.0/8 scram-sha-256\n"
    found = cluster({HBA: rules})
    holder = Known("log", "app", "app", "10.0.0.5", tls=True, certificate="CN=app")
    other = Known("log", "app", "app", "10.0.0.5", tls=True, certificate="CN=bob")
    judge = Judge(found.rules, found, (holder, other), ssl_ca=True, offers_tls=True, revoked={"app"})
    assert [judge.meet(each).decision for each in (holder, other)] == ["reject", "accept"]
