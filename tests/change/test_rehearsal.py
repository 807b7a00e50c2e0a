"""The rehearsal: the planned files meet real clients on a throwaway cluster before a real file is touched."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from pgssl_wizard.change.apply import apply
from pgssl_wizard.change.model import Change
from pgssl_wizard.change.serialise import change_to_json
from pgssl_wizard.errors import Refused
from pgssl_wizard.proof.matrix import ROOTS, SSLMODES
from tests.change import planning
from tests.change.test_failures import everything_stays, nothing_of_ours
from tests.change.test_whole_way import facts_of, plan_for, set_up
from tests.servers import RealCluster


def outcomes(change: Change, role: str) -> dict[str, str]:
    """Return how a role's logins with verify-full and the right root ended in the rehearsal, by the certificate it showed."""
    assert change.rehearsed is not None
    tried = [each for each in change.rehearsed if (each.sslmode, each.root, each.user) == ("verify-full", "right", role)]
    assert all(each.as_expected for each in tried)
    return {each.certificate: each.outcome for each in tried}


def test_every_sslmode_with_every_root_is_tried_before_a_file_is_touched(cluster: RealCluster, tmp_path: Path) -> None:
    """On every version; the logins are in the report."""
    made = set_up(cluster, tmp_path / "ca", clients__encryption="required")
    assert made.rehearsed is not None
    tried = {(each.sslmode, each.root): each.outcome for each in made.rehearsed if each.host == "db.example.com"}
    assert set(tried) == {(sslmode, root) for sslmode in SSLMODES for root in ROOTS}
    assert {tried["disable", root] for root in ROOTS} == {"reject"}
    assert tried["verify-full", "right"] == "accept"
    assert tried["verify-full", "wrong"] == "reject"
    document = change_to_json(made)["rehearsal"]
    assert isinstance(document, dict)
    assert len(document["attempts"]) == len(made.rehearsed)


def test_client_certificates_in_every_state_are_tried_with_a_throwaway_ca(cluster: RealCluster, tmp_path: Path) -> None:
    """On every version, with a revocation list: who is revoked, late, somebody else's or in another name stays outside."""
    answers = {"clients__certificates": "cert", "clients__encryption": "required", "files__crl": "root.crl"}
    made = set_up(cluster, tmp_path / "ca", **answers)
    assert made.proved, made.findings
    ends = outcomes(made, cluster.superuser)
    assert ends == {
        "none": "reject", "wrong-ca": "reject", "right": "accept", "wrong-name": "reject", "expired": "reject", "revoked": "reject",
    }  # fmt: skip
    assert b"rehearsal" not in (cluster.data_directory / "root.crt").read_bytes(), "nobody trusts that CA afterwards"


def test_lists_in_a_directory_are_tried_too(newest_cluster: RealCluster, tmp_path: Path) -> None:
    """By the names that OpenSSL looks for."""
    answers = {"clients__certificates": "verify-full", "clients__encryption": "required", "files__crl_dir": "crls"}
    made = set_up(newest_cluster, tmp_path / "ca", **answers)
    assert outcomes(made, newest_cluster.superuser)["revoked"] == "reject"
    assert outcomes(made, newest_cluster.superuser)["right"] == "accept"


@pytest.mark.parametrize(
    ("name", "system_user"), [("CN", "deploy"), ("DN", "CN=deploy,OU=Apps,O=Example"), ("DN", "CN=deploy\\,x,O=Example")]
)
def test_a_certificate_in_a_name_that_only_a_map_lets_in_is_tried(
    cluster: RealCluster, tmp_path: Path, name: str, system_user: str
) -> None:
    """On every version; the role's own name is then the wrong one."""
    if name == "DN" and cluster.major < 14:
        pytest.skip("clientname came with 14")
    rule = {"match": "host app app 127.0.0.1/32 scram-sha-256", "encryption": "required", "certificates": "cert", "map": "deployers"}
    before = cluster.hba_file.read_text()
    cluster.hba_file.write_text("host app app 127.0.0.1/32 scram-sha-256\n" + before)
    cluster.reload()
    answers: Mapping[str, object] = {
        "clients.certificates": "optional",
        "clients.name": name,
        "clients.roles": ["app"],
        "clients.maps": [{"map": "deployers", "system_user": system_user, "role": "app"}],
        "clients.rule": [rule],
    }
    facts = facts_of(cluster)
    made = apply(plan_for(facts, tmp_path / "ca", answers), facts)
    assert outcomes(made, "app")["right"] == "accept"
    assert outcomes(made, "app")["wrong-name"] == "reject"


def test_a_command_that_opens_the_key_only_once_is_refused(newest_cluster: RealCluster, tmp_path: Path) -> None:
    """The start would work; the first reload would leave the server with what it has."""
    facts = facts_of(newest_cluster)
    place = newest_cluster.base / "vault"
    place.mkdir()
    secret, used = place / "secret", place / "used"
    secret.write_text("open sesame\n")
    for each in (place, secret):
        each.chmod(0o700 if each == place else 0o600)
    for each in (place, secret):
        os.chown(each, newest_cluster.identity.uid, newest_cluster.identity.gid)
    command = f"test -e {used} && exit 3; touch {used}; cat {secret}"
    wanted = plan_for(facts, tmp_path / "ca", {"certificate.passphrase": "command", "certificate.passphrase_command": command})
    with everything_stays(newest_cluster), pytest.raises(Refused) as refused:
        apply(wanted, facts)
    assert nothing_of_ours(newest_cluster)
    assert refused.value.code


def test_rules_for_oauth_load_where_their_validator_is_set(newest_cluster: RealCluster, tmp_path: Path) -> None:
    """What the rules rest on stands beside them."""
    if newest_cluster.major < 18:
        pytest.skip("oauth came with 18")
    newest_cluster.set(oauth_validator_libraries="some_validator")
    newest_cluster.reload()
    rules = newest_cluster.hba_file.read_text()
    newest_cluster.hba_file.write_text(f'host web web all oauth issuer="https://id.example.com" scope="openid"\n{rules}')
    newest_cluster.reload()
    made = set_up(newest_cluster, tmp_path / "ca", clients__encryption="required")
    assert made.proved, made.findings
    assert made.rehearsed


def test_what_was_not_rehearsed_says_so(newest_cluster: RealCluster, tmp_path: Path) -> None:
    """Null, and no list that looks like a success."""
    facts = facts_of(newest_cluster)
    made = apply(plan_for(facts, tmp_path / "ca", {}), facts, rehearse=False)
    assert made.rehearsed is None
    assert change_to_json(made)["rehearsal"] is None
    assert planning.snapshot(newest_cluster.base)
