"""Versions and ciphers from the answers to real handshakes: what costs a word is refused without it, and proved with it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from pgssl_wizard.change.apply import apply
from pgssl_wizard.change.rollback import rollback
from pgssl_wizard.errors import Refused
from tests.change import planning
from tests.change.test_whole_way import facts_of, plan_for
from tests.cli.test_commands import Shell
from tests.protocol.handshaking import handshake
from tests.protocol.libraries import servers
from tests.servers import RealCluster

NULL = "eNULL:!aNULL:!MD5:@SECLEVEL=0"


@pytest.fixture
def strict_cluster(tmp_path: Path) -> Iterator[RealCluster]:
    """A running server with OpenSSL 3, whose level of security forbids NULL ciphers and old versions unless a list says otherwise."""
    found = [each for each in servers().values() if str(each.openssl).startswith("3.")]
    if not found:
        pytest.skip("no server with OpenSSL 3 found")
    with RealCluster.make(tmp_path, found[0].major, programs=found[0]) as cluster:
        cluster.start()
        yield cluster


def test_null_ciphers_come_into_force_once_they_are_accepted(strict_cluster: RealCluster, tmp_path: Path) -> None:
    """The proof still holds, since clients that speak TLS 1.3 encrypt; a client that asks for no encryption gets none."""
    before = planning.snapshot(strict_cluster.base)
    facts = facts_of(strict_cluster)
    plan = plan_for(facts, tmp_path / "ca", {"protocol.profile": "custom", "protocol.ciphers": NULL})
    with pytest.raises(Refused) as caught:
        apply(plan, facts)
    assert caught.value.code == "null-ciphers"
    assert planning.snapshot(strict_cluster.base) == before
    made = apply(plan, facts, accept_weak=True)
    assert made.proved, made.findings
    assert handshake(strict_cluster.port, "TLSv1.2", NULL) == "ECDHE-ECDSA-NULL-SHA"
    facts = facts_of(strict_cluster)
    again = plan_for(facts, tmp_path / "ca", {"protocol.profile": "custom", "protocol.ciphers": NULL})
    assert again.empty
    assert apply(again, facts).id is None
    rollback(strict_cluster.data_directory)
    assert {name: each[0] for name, each in planning.snapshot(strict_cluster.base).items()} == {
        name: each[0] for name, each in before.items()
    }


def test_tls_10_is_let_in_where_the_library_can_and_told_where_it_cannot(cluster: RealCluster, tmp_path: Path) -> None:
    facts = facts_of(cluster)
    answers = {"protocol.profile": "custom", "protocol.minimum": "TLSv1", "protocol.ciphers": "DEFAULT:@SECLEVEL=0"}
    plan = plan_for(facts, tmp_path / "ca", answers)
    assert plan.ciphers is not None
    assert plan.ciphers.versions == ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")
    with pytest.raises(Refused) as caught:
        apply(plan, facts)
    assert caught.value.code == "weak-protocol"
    made = apply(plan, facts, accept_weak=True)
    assert made.proved, made.findings
    assert handshake(cluster.port, "TLSv1") in {suite.name for suite in plan.ciphers.usable if "TLSv1" in suite.tls}


def test_tls_10_that_the_level_of_security_forbids_is_told(strict_cluster: RealCluster, tmp_path: Path) -> None:
    plan = plan_for(facts_of(strict_cluster), tmp_path / "ca", {"protocol.profile": "custom", "protocol.minimum": "TLSv1"})
    assert plan.ciphers is not None
    assert plan.ciphers.versions == ("TLSv1.2", "TLSv1.3")
    assert "version-not-offered" in {finding.code for finding in plan.findings}


def test_parameters_for_diffie_hellman_are_used(newest_cluster: RealCluster, tmp_path: Path) -> None:
    """An RSA key, and a list of DHE suites alone; the file is named as it stands."""
    pem = newest_cluster.write("dh.pem", "")
    subprocess.run(
        ["openssl", "genpkey", "-genparam", "-algorithm", "DH", "-pkeyopt", "group:ffdhe3072", "-out", pem], check=True, capture_output=True
    )
    facts = facts_of(newest_cluster)
    answers = {
        "protocol.profile": "custom",
        "protocol.ciphers": "DHE+AESGCM",
        "protocol.dh_params": str(pem),
        "certificate.key": "rsa-2048",
    }
    plan = plan_for(facts, tmp_path / "ca", answers)
    assert plan.settings["ssl_dh_params_file"] == "dh.pem"
    assert apply(plan, facts).proved
    assert handshake(newest_cluster.port, "TLSv1.2", "DHE:@SECLEVEL=2") == "DHE-RSA-AES256-GCM-SHA384"
    command = ["openssl", "s_client", "-starttls", "postgres", "-connect", f"127.0.0.1:{newest_cluster.port}", "-tls1_2"]
    said = subprocess.run(command, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL).stdout
    assert "Server Temp Key: DH, 3072 bits" in said


def test_a_session_that_would_lose_its_version_is_named(newest_cluster: RealCluster, tmp_path: Path) -> None:
    newest_cluster.serve_tls()
    where = f"host=127.0.0.1 port={newest_cluster.port} user={newest_cluster.superuser} password={newest_cluster.password} dbname=postgres"
    with psycopg.connect(f"{where} sslmode=require ssl_max_protocol_version=TLSv1.2 application_name=billing"):
        facts = facts_of(newest_cluster)
        modern = plan_for(facts, tmp_path / "ca", {"protocol.profile": "modern"})
        said = [finding.message for finding in modern.findings if finding.code == "may-not-connect"]
        assert len(said) == 1
        assert f"{newest_cluster.superuser} from 127.0.0.1 (billing; TLS 1.2, " in said[0]
        assert modern.locked_out == ()
        usual = plan_for(facts, tmp_path / "ca", {})
        assert "may-not-connect" not in {finding.code for finding in usual.findings}


def test_the_commands_refuse_and_take_weak_settings(strict_cluster: RealCluster, tmp_path: Path) -> None:
    """Exit 3 without the flag, for saved plans too; exit 2 for what no server should offer, with the line of the answer."""
    (tmp_path / "work").mkdir()
    shell = Shell(tmp_path / "work")
    data, programs = strict_cluster.data_directory, ("--pg-bin", strict_cluster.programs.bin_directory)
    answers = shell.directory / "answers.toml"

    def ask(ciphers: str) -> None:
        answers.write_text(f'[protocol]\nprofile = "custom"\nciphers = "{ciphers}"\n', encoding="utf-8")

    ask("COMPLEMENTOFALL:@SECLEVEL=0")
    refused = shell.json("plan", data, "-a", answers, *programs, code=2)["findings"][0]
    assert (refused["code"], refused["where"]) == ("weak-cipher", f"{answers}:3")
    ask("NO-SUCH-CIPHER")
    refused = shell.json("plan", data, "-a", answers, *programs, code=3)["findings"][0]
    assert refused["code"] == "openssl-refuses"
    assert "no valid ciphers available" in refused["message"]
    ask(NULL)
    planned = shell.json("plan", data, "-a", answers, "-o", shell.directory / "plan", *programs)
    assert [each["name"] for each in planned["ciphers"]["suites"] if each["strength"] == "none" and each["fits_key"]] == [
        "ECDHE-ECDSA-NULL-SHA"
    ]
    for how in (("-a", answers), (shell.directory / "plan",)):
        assert shell.json("apply", data, *how, *programs, code=3)["findings"][0]["code"] == "null-ciphers"
    done = shell.json("apply", data, shell.directory / "plan", "--accept-weak", *programs)
    assert done["change"]["proved"] is True
    assert shell.json("apply", data, "-a", answers, *programs)["change"]["id"] is None
