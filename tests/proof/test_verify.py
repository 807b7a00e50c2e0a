"""Proofs on real servers: what is promised is seen, and what is not so is said."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from pgssl_wizard.certificates.read import fact, read_certificates
from pgssl_wizard.cluster.facts import Cluster
from pgssl_wizard.errors import UnusableInput
from pgssl_wizard.proof.model import Proof
from pgssl_wizard.proof.serialise import proof_to_json
from pgssl_wizard.proof.verify import objections, verify, verify_remote
from tests.change import planning
from tests.servers import RealCluster, certificates
from tests.servers.cluster import free_port

NAMES = ("localhost", "127.0.0.1")


def facts(real: RealCluster, **settings: str) -> Cluster:
    """Return the facts of a cluster that serves TLS."""
    return planning.look(real, {"ssl": "on", **settings})


def table(proof: Proof, host: str = "localhost") -> dict[str, str]:
    """Return one letter for each root (none, right, wrong) by sslmode: a accepted, - rejected, ? not tried."""
    letters: dict[str, str] = {}
    for each in proof.attempts:
        if each.host == host and each.certificate == "none":
            letters[each.sslmode] = letters.get(each.sslmode, "") + {"accept": "a", "reject": "-", "not-tried": "?"}[each.outcome]
    return letters


def test_a_self_signed_certificate_is_its_own_trust_anchor(cluster: RealCluster) -> None:
    """Found beside the key, without being named; rules that take both make prefer fall back with a wrong root."""
    cluster.serve_tls(*NAMES)
    proof = verify(facts(cluster), names=NAMES)
    assert proof.holds, objections(proof)
    assert proof.trust_anchor == cluster.data_directory / "server.crt"
    assert table(proof) == {
        "disable": "aaa",
        "allow": "aaa",
        "prefer": "aaa",
        "require": "aa-",
        "verify-ca": "-a-",
        "verify-full": "-a-",
    }
    fallen_back = next(each for each in proof.attempts if (each.sslmode, each.root) == ("prefer", "wrong"))
    assert fallen_back.tls is None


@pytest.mark.parametrize(
    ("rules", "disable", "require"),
    [
        ("hostssl all all all scram-sha-256", "reject", "accept"),
        ("hostnossl all all all scram-sha-256", "accept", "reject"),
        ("hostssl all all all reject\nhost all all all scram-sha-256", "accept", "reject"),
        ("host all all 10.0.0.0/8 scram-sha-256", "reject", "reject"),
        ("hostssl sales carol samehost scram-sha-256\nhost all all all reject", "reject", "accept"),
        ("hostssl all all localhost scram-sha-256\nhostnossl all all all reject", "reject", "accept"),
        ("hostssl all all all cert", "reject", "reject"),
        ("hostssl all all all trust", "reject", "accept"),
    ],
)
def test_whatever_the_rules_promise_is_what_is_seen(newest_cluster: RealCluster, rules: str, disable: str, require: str) -> None:
    """The proof holds with any rules, because it knows what they say, and connects as somebody whom they let in."""
    newest_cluster.serve_tls(*NAMES)
    newest_cluster.hba_file.write_text(f"local all all peer\n{rules}\n")
    newest_cluster.reload()
    proof = verify(facts(newest_cluster), names=NAMES)
    assert proof.holds, objections(proof)
    outcomes = {each.sslmode: each.outcome for each in proof.attempts if each.root == "none"}
    assert (outcomes["disable"], outcomes["require"]) == (disable, require)


def test_a_certificate_that_was_exchanged_without_reload_is_noticed(cluster: RealCluster) -> None:
    """Served and on disk are two things."""
    cluster.serve_tls(*NAMES)
    served = verify(facts(cluster), names=NAMES).served
    old = (cluster.data_directory / "server.crt").read_bytes()
    running = facts(cluster)
    (cluster.data_directory / "server.crt").write_bytes(certificates.make("another", "localhost").pem)
    proof = verify(running, names=NAMES)
    assert proof.matches_disk is False
    assert proof.served is not None
    assert served is not None
    assert proof.served.sha256 == served.sha256
    assert not proof.holds
    assert "not the one on disk" in (objections(proof) or "")
    (cluster.data_directory / "server.crt").write_bytes(old)
    assert verify(running, names=NAMES).holds


def test_rules_that_were_edited_without_reload_are_noticed(newest_cluster: RealCluster) -> None:
    """The file says no plaintext, the server still takes it: the table shows where."""
    newest_cluster.serve_tls(*NAMES)
    newest_cluster.hba_file.write_text("local all all peer\nhostssl all all all scram-sha-256\n")
    proof = verify(facts(newest_cluster), names=NAMES)
    assert not proof.holds
    assert "sslmode=disable" in (objections(proof) or "")
    assert {each.sslmode for each in proof.attempts if not each.as_expected} == {"disable", "allow", "prefer"}


def test_a_name_that_the_certificate_lacks_falls_short(newest_cluster: RealCluster) -> None:
    """Names that are asked for are promised."""
    newest_cluster.serve_tls(*NAMES)
    proof = verify(facts(newest_cluster), names=("localhost", "db.example.com"))
    wrong = [each for each in proof.attempts if not each.as_expected]
    assert [(each.host, each.sslmode, each.outcome) for each in wrong] == [("db.example.com", "verify-full", "reject")]
    assert "does not match host name" in (wrong[0].message or "")


def test_a_wrong_name_is_noticed_where_the_rules_refuse_everybody_without_a_certificate(newest_cluster: RealCluster) -> None:
    """The refusal that was promised must come from the rules, not from the certificate."""
    newest_cluster.serve_tls(*NAMES)
    newest_cluster.hba_file.write_text("local all all peer\nhostssl all all all cert\n")
    newest_cluster.reload()
    assert verify(facts(newest_cluster), names=NAMES).holds
    proof = verify(facts(newest_cluster), names=("db.example.com",))
    assert not proof.holds
    assert "does not match host name" in (objections(proof) or "")


def test_a_database_that_is_not_there_does_not_look_like_a_shut_door(newest_cluster: RealCluster) -> None:
    """The rules have let the client in; what fails afterwards is not theirs."""
    newest_cluster.serve_tls(*NAMES)
    newest_cluster.hba_file.write_text("local all all peer\nhost all all all trust\n")
    newest_cluster.reload()
    proof = verify(facts(newest_cluster), names=NAMES, database="no-such-database")
    assert proof.holds, objections(proof)
    assert {each.outcome for each in proof.attempts if each.sslmode == "disable"} == {"accept"}


def test_without_tls_there_is_nothing_served(newest_cluster: RealCluster) -> None:
    """Plaintext goes on as the rules say, and everything that needs TLS fails."""
    proof = verify(planning.look(newest_cluster), names=NAMES)
    assert proof.served is None
    assert not proof.holds
    assert table(proof)["disable"] == "a?a"
    assert table(proof)["require"] == "-?-"


def test_a_server_that_is_down_proves_nothing(stopped_cluster: RealCluster) -> None:
    """And says why."""
    proof = verify(planning.look(stopped_cluster, {"ssl": "on"}), names=NAMES)
    assert (proof.served, proof.attempts, proof.problems) == (None, (), ("the server is down",))


def test_a_server_without_tcp_proves_nothing(newest_cluster: RealCluster) -> None:
    """Nobody can come from elsewhere."""
    newest_cluster.set(listen_addresses="")
    newest_cluster.restart()
    proof = verify(facts(newest_cluster), names=NAMES)
    assert "Unix sockets only" in proof.problems[0]


def test_a_root_that_is_no_certificate_is_unusable(newest_cluster: RealCluster, tmp_path: Path) -> None:
    """So is one that is not there."""
    newest_cluster.serve_tls(*NAMES)
    (tmp_path / "root.crt").write_bytes(b"rubbish")
    for name in ("root.crt", "missing.crt"):
        with pytest.raises(UnusableInput, match=name):
            verify(facts(newest_cluster), names=NAMES, root=tmp_path / name)


def test_an_unknown_root_is_said_and_not_tried(newest_cluster: RealCluster) -> None:
    """A certificate of a CA whose root is not here."""
    ca = certificates.make("somebody's CA", ca=True)
    leaf = certificates.make("server", *NAMES, issuer=ca)
    newest_cluster.serve_tls(*NAMES)
    newest_cluster.write("server.crt", leaf.pem, 0o644)
    newest_cluster.write("server.key", leaf.key_pem)
    newest_cluster.reload()
    proof = verify(facts(newest_cluster), names=NAMES)
    assert proof.matches_disk
    assert {each.outcome for each in proof.attempts if each.root == "right"} == {"not-tried"}
    assert "--root" in proof.problems[0]


def test_a_remote_proof_promises_only_what_certificates_decide(newest_cluster: RealCluster, tmp_path: Path) -> None:
    """The files of that server are not known here."""
    made = newest_cluster.serve_tls(*NAMES)
    root = tmp_path / "root.crt"
    root.write_bytes(made.pem)
    proof = verify_remote("localhost", newest_cluster.port, root)
    assert proof.holds, objections(proof)
    assert proof.matches_disk is None
    assert len(proof.attempts) == 7
    wrong = verify_remote("localhost", newest_cluster.port, None)
    assert not wrong.holds


def test_a_remote_server_that_is_not_there_is_a_problem(tmp_path: Path) -> None:
    """In words, not as a traceback."""
    proof = verify_remote("127.0.0.1", free_port(), None)
    assert proof.served is None
    assert proof.problems


def test_as_json_every_key_of_the_contract_is_there(newest_cluster: RealCluster) -> None:
    """What is absent is null, never missing."""
    newest_cluster.serve_tls(*NAMES)
    document = proof_to_json(verify(facts(newest_cluster), names=NAMES))
    assert set(document) == {"served", "matches_disk", "configured", "attempts", "client_library", "ways", "ways_left_out", "log"}
    assert set(document) == set(proof_to_json(None))
    assert isinstance(document["served"], dict)
    assert set(document["served"]) == {"sha256", "protocol", "cipher", "chain"}
    assert isinstance(document["attempts"], list)
    keys = {"host", "user", "sslmode", "root", "certificate", "expected", "outcome", "tls", "message"}
    assert all(keys <= set(each) for each in document["attempts"])


def test_the_person_may_choose_role_and_database(newest_cluster: RealCluster) -> None:
    """Whatever the rules would suggest."""
    newest_cluster.serve_tls(*NAMES)
    proof = verify(facts(newest_cluster), names=NAMES, user="app", database="app")
    assert {each.user for each in proof.attempts} == {"app"}
    assert proof.holds


def test_the_proof_stays_small_when_only_names_are_asked(newest_cluster: RealCluster) -> None:
    """As it does between the two reloads of a change."""
    newest_cluster.serve_tls(*NAMES)
    proof = verify(facts(newest_cluster), names=NAMES, whole=False)
    assert [(each.host, each.sslmode, each.root) for each in proof.attempts] == [(name, "verify-full", "right") for name in NAMES]


def test_names_come_from_the_certificate_when_none_are_given(newest_cluster: RealCluster) -> None:
    """Its alternative names as the inspection saw them."""
    newest_cluster.serve_tls(*NAMES)
    known = facts(newest_cluster)
    assert "names nobody" in verify(known).problems[0]
    path = newest_cluster.data_directory / "server.crt"
    certificate = fact(read_certificates(path.read_bytes())[0], "server", path)
    proof = verify(dataclasses.replace(known, certificates=(certificate,)))
    assert {each.host for each in proof.attempts} == set(NAMES)


def test_names_known_not_to_be_covered_have_to_be_refused(newest_cluster: RealCluster) -> None:
    """They are tried, and one that is let in all the same is objected to."""
    newest_cluster.serve_tls(*NAMES)
    known = facts(newest_cluster)
    proof = verify(known, names=(*NAMES, "db.example.com"), uncovered=("db.example.com",))
    assert proof.holds, objections(proof)
    told = [(each.sslmode, each.expected, each.outcome) for each in proof.attempts if each.host == "db.example.com"]
    assert told == [("verify-full", "reject", "reject")]
    assert "was to reject and did accept" in (objections(verify(known, names=NAMES, uncovered=NAMES[1:])) or "")
