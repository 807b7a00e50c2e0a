"""From the facts to the proof and back, with every room at work: inspect, recommend, plan, apply, verify, roll back."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from pgssl_wizard.answers import Answers, Given, complete
from pgssl_wizard.change.apply import apply
from pgssl_wizard.change.model import Change
from pgssl_wizard.change.rollback import rollback
from pgssl_wizard.cluster.facts import Cluster
from pgssl_wizard.cluster.inspect import inspect
from pgssl_wizard.cluster.surroundings import look
from pgssl_wizard.errors import Refused
from pgssl_wizard.plan.make import make_plan
from pgssl_wizard.plan.model import Plan
from pgssl_wizard.plan.recommend import recommend
from pgssl_wizard.plan.serialise import dump, load
from pgssl_wizard.proof.verify import objections, verify
from tests.change import planning
from tests.servers import RealCluster

NAMES = ["db.example.com", "localhost", "127.0.0.1", "*.cluster.example.com"]


def facts_of(real: RealCluster) -> Cluster:
    """Inspect."""
    return inspect(real.data_directory, pg_bin=real.programs.bin_directory)


def plan_for(cluster: Cluster, ca: Path, answers: Mapping[str, object]) -> Plan:
    """Plan what is recommended, with these answers."""
    values = {"server.names": NAMES, "certificate.ca_directory": str(ca), **answers}
    given = Given(values, dict.fromkeys(values, "--set"), ca.parent)
    whole: Answers = complete(given, recommend(cluster, ca.parent), cluster.data_directory)
    return make_plan(cluster, look(cluster, whole), whole)


def set_up(real: RealCluster, ca: Path, **answers: object) -> Change:
    """Inspect, plan and apply; keys are spelled with two underscores for the dot."""
    cluster = facts_of(real)
    plan = plan_for(cluster, ca, {name.replace("__", "."): value for name, value in answers.items()})
    return apply(plan, cluster)


def test_first_time_set_up_and_back(cluster: RealCluster, tmp_path: Path) -> None:
    """On every version: recommended answers, encryption required, proved; a second time there is nothing to do."""
    before = planning.snapshot(cluster.base)
    made = set_up(cluster, tmp_path / "ca", clients__encryption="required")
    assert made.proved, made.findings
    assert made.proof is not None
    assert made.proof.holds
    inspected = facts_of(cluster)
    proof = verify(inspected)
    assert proof.holds, objections(proof)
    assert proof.trust_anchor == tmp_path / "ca" / "root.crt"
    assert {each.host for each in proof.attempts} == {"db.example.com", "localhost", "127.0.0.1", "any.cluster.example.com"}
    again = set_up(cluster, tmp_path / "ca", clients__encryption="required")
    assert (again.id, again.state, again.proved) == (None, "none", True)
    assert rollback(cluster.data_directory).proved
    assert planning.snapshot(cluster.base) == before


def test_debians_layout_with_an_intermediate_and_client_certificates(debian_cluster: RealCluster, tmp_path: Path) -> None:
    """On every version: root, intermediate and server; a certificate of the wrong authority is refused."""
    before = planning.snapshot(debian_cluster.base)
    made = set_up(debian_cluster, tmp_path / "ca", certificate__intermediate=True, clients__certificates="verify-ca")
    assert made.proof is not None
    assert made.proof.holds, objections(made.proof)
    assert made.proof.served is not None
    assert len(made.proof.served.chain) == 2
    assert {each.outcome for each in made.proof.attempts if each.sslmode == "verify-full"} == {"reject"}
    assert rollback(debian_cluster.data_directory).proved
    assert planning.snapshot(debian_cluster.base) == before


def test_a_self_signed_certificate_is_its_own_trust_anchor(newest_cluster: RealCluster, tmp_path: Path) -> None:
    """For testing: no CA, and the clients get the certificate itself."""
    made = set_up(newest_cluster, tmp_path / "ca", certificate__source="self-signed")
    assert made.proved
    assert made.trust_anchor == newest_cluster.data_directory / "server.crt"
    assert not (tmp_path / "ca").exists()


@pytest.mark.parametrize("key", ["ecdsa-p384", "rsa-2048"])
def test_other_keys_work_as_well(newest_cluster: RealCluster, tmp_path: Path, key: str) -> None:
    """SCRAM with channel binding included: the server asks for the password."""
    assert set_up(newest_cluster, tmp_path / "ca", certificate__key=key).proved


def test_another_name_means_another_certificate_of_the_same_ca(newest_cluster: RealCluster, tmp_path: Path) -> None:
    """The pair is exchanged in place, the CA stays, and the clients' root with it."""
    first = set_up(newest_cluster, tmp_path / "ca")
    second = set_up(newest_cluster, tmp_path / "ca", server__names=[*NAMES, "new.example.com"])
    assert second.proved
    assert second.kept == ()
    assert first.trust_anchor_sha256 == second.trust_anchor_sha256
    assert first.proof
    assert first.proof.served
    rollback(newest_cluster.data_directory)
    proof = verify(facts_of(newest_cluster))
    assert proof.holds
    assert proof.served is not None
    assert proof.served.sha256 == first.proof.served.sha256


def test_an_override_by_alter_system_is_reset_and_comes_back(cluster: RealCluster, tmp_path: Path) -> None:
    """On every version: as SQL, by the server itself."""
    cluster.sql("alter system set ssl = off")
    cluster.sql("alter system set ssl_min_protocol_version = 'TLSv1.3'")
    cluster.reload()
    before = planning.snapshot(cluster.base)
    made = set_up(cluster, tmp_path / "ca")
    assert made.proved
    assert cluster.sql("show ssl") == [("on",)]
    assert b"ssl = " not in cluster.auto_conf.read_bytes()
    rollback(cluster.data_directory)
    assert planning.snapshot(cluster.base) == before


def test_a_stopped_cluster_with_an_override_gets_it_taken_out_of_the_file(stopped_cluster: RealCluster, tmp_path: Path) -> None:
    """There is nobody to run SQL; the file is edited, and comes back."""
    stopped_cluster.auto_conf.write_text("# by hand\nssl = 'off'\nwork_mem = '5MB'\n")
    before = planning.snapshot(stopped_cluster.base)
    made = set_up(stopped_cluster, tmp_path / "ca")
    assert made.effective == "next-start"
    stopped_cluster.start()
    proof = verify(facts_of(stopped_cluster))
    assert proof.holds, objections(proof)
    rollback(stopped_cluster.data_directory)
    assert planning.snapshot(stopped_cluster.base) == before


def test_a_saved_plan_can_be_applied_later(newest_cluster: RealCluster, tmp_path: Path) -> None:
    """From its file, unless something has changed since."""
    saved = dump(plan_for(facts_of(newest_cluster), tmp_path / "ca", {}))
    newest_cluster.set(work_mem="5MB")
    with pytest.raises(Refused, match="changed since"):
        apply(load(saved, "saved.plan"), facts_of(newest_cluster))
    saved = dump(plan_for(facts_of(newest_cluster), tmp_path / "ca", {}))
    assert apply(load(saved, "saved.plan"), facts_of(newest_cluster)).proved


@pytest.mark.parametrize("how", ["relative", "absolute", "directory"])
def test_rules_and_settings_in_included_files_are_rehearsed_changed_and_put_back(
    newest_cluster: RealCluster, tmp_path: Path, how: str
) -> None:
    """Each file where it stands; the rehearsal reads the planned ones and not the old."""
    if newest_cluster.major < 16:
        pytest.skip("rules include other files from 16 on")
    folder = newest_cluster.data_directory / "more.d"
    folder.mkdir()
    rules = newest_cluster.write("more.d/rules.conf", "host all all all scram-sha-256 # ours\n")
    settings = newest_cluster.data_directory / "settings.d"
    settings.mkdir()
    newest_cluster.write("settings.d/10-tls.conf", "ssl = off\n")
    include = {"relative": "include more.d/rules.conf", "absolute": f"include {rules}", "directory": "include_dir more.d"}[how]
    newest_cluster.write("pg_hba.conf", f"local all all peer\n{include}\n")
    with newest_cluster.config_file.open("a") as file:
        file.write(f"include_dir = '{settings}'\n" if how == "absolute" else "include_dir = 'settings.d'\n")
    newest_cluster.reload()
    before = planning.snapshot(newest_cluster.base)
    made = set_up(newest_cluster, tmp_path / "ca", clients__encryption="required")
    assert made.proved
    assert made.proof is not None
    assert {each.outcome for each in made.proof.attempts if each.sslmode == "disable"} == {"reject"}
    assert rules in made.files
    assert rules.read_bytes().startswith(b"hostssl")
    rollback(newest_cluster.data_directory)
    assert planning.snapshot(newest_cluster.base) == before


def test_somebodys_edit_that_needs_a_restart_does_not_stop_the_change(newest_cluster: RealCluster, tmp_path: Path) -> None:
    """The server complains about it at our reload, and takes the rest."""
    newest_cluster.set(max_connections="21")
    assert set_up(newest_cluster, tmp_path / "ca").proved


def test_maps_that_were_broken_before_do_not_stop_the_change(cluster: RealCluster, tmp_path: Path) -> None:
    """The server says at every reload that it keeps the old ones."""
    cluster.write("pg_ident.conf", "half-a-map\n")
    assert set_up(cluster, tmp_path / "ca").proved


def test_with_encryption_optional_plaintext_still_gets_in(newest_cluster: RealCluster, tmp_path: Path) -> None:
    """And the table says so."""
    made = set_up(newest_cluster, tmp_path / "ca", clients__encryption="optional")
    assert made.proof is not None
    assert {each.outcome for each in made.proof.attempts if each.sslmode == "disable"} == {"accept"}
    assert made.proof.holds
