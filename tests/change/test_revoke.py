"""Revocation lists in place: who is revoked is refused by real servers, everybody else gets in, and no list runs out unnoticed."""

from __future__ import annotations

import os
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pgssl_wizard.certificates import issue, keys, revocation
from pgssl_wizard.certificates.issue import Issued
from pgssl_wizard.certificates.issuer_hash import hash_of
from pgssl_wizard.certificates.keys import load
from pgssl_wizard.certificates.kit_text import Connection
from pgssl_wizard.certificates.profiles import Profile
from pgssl_wizard.certificates.read import read_certificates
from pgssl_wizard.certificates.revocation import Entry
from pgssl_wizard.change.apply import apply
from pgssl_wizard.change.issue import Wanted as Kits
from pgssl_wizard.change.issue import carry_out, prepare
from pgssl_wizard.change.revoke import Wanted, revoke
from pgssl_wizard.change.rollback import rollback
from pgssl_wizard.change.signals import watched
from pgssl_wizard.errors import Refused, UnusableInput
from pgssl_wizard.plan.model import Plan
from pgssl_wizard.server.attempt import Tried, try_connection
from tests.certificates import making
from tests.certificates.making import list_pem
from tests.change import planning
from tests.change.test_whole_way import facts_of, plan_for, set_up
from tests.servers import RealCluster

NOW = datetime.now(UTC)
ASKED: dict[str, object] = {"clients.certificates": "cert", "clients.encryption": "required"}


def spelled(answers: dict[str, object]) -> dict[str, object]:
    """Return answers as `set_up` takes them."""
    return {key.replace(".", "__"): value for key, value in answers.items()}


def kits(ca: Path, *roles: str) -> Path:
    """Issue kits beside the CA."""
    place = ca.parent / "kits"
    prepared = prepare(Kits(roles, place, ca, connection=Connection()), now=datetime.now(UTC), ca_passphrase=lambda _: None)
    with watched() as watch:
        carry_out(prepared, place, watch, lambda _: None)
    return place


def take_back(ca: Path, *certificates: Path, days: int = revocation.DAYS, now: datetime | None = None) -> None:
    """Revoke."""
    revoke(Wanted(certificates, ca=ca, days=days), now=now or datetime.now(UTC), ca_passphrase=lambda _: None)


def connect(cluster: RealCluster, ca: Path, role: str) -> Tried:
    """Connect with a role's kit."""
    kit = ca.parent / "kits" / role
    certificate, key = kit / "postgresql.crt", kit / "postgresql.key"
    return try_connection(
        "localhost", cluster.port, role, "postgres", sslmode="verify-full", hostaddr="127.0.0.1",
        root=ca / "root.crt", certificate=certificate, key=key,
    )  # fmt: skip


def stand_in(ca: Path, name: str = "root") -> Issued:
    """Return the CA in a directory."""
    key = load((ca / f"{name}.key").read_bytes())
    assert key is not None
    return Issued(read_certificates((ca / f"{name}.crt").read_bytes())[0], key)


def put_list(ca: Path, *, begun: int, days: int, name: str = "root", number: int = 4) -> None:
    """Put a list into the CA's directory that began so many days ago."""
    issuer = stand_in(ca, name)
    # Signed with the CA's key under its name, from before the CA itself: only the list's dates matter here.
    made = revocation.make(issuer, [Entry(77)], None, NOW)
    begins = NOW - timedelta(days=begun)
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes

    builder = (
        x509.CertificateRevocationListBuilder().issuer_name(made.issuer).last_update(begins).next_update(begins + timedelta(days=days))
    )
    builder = builder.add_revoked_certificate(next(iter(made))).add_extension(x509.CRLNumber(number), critical=False)
    (ca / f"{name}.crl").write_bytes(list_pem(builder.sign(issuer.key, hashes.SHA256())))


def said(plan: Plan) -> dict[str, str]:
    """Severities by code."""
    return {finding.code: finding.severity for finding in plan.findings}


@pytest.mark.parametrize(("how", "middle"), [("file", True), ("directory", False), ("directory", True)])
def test_a_revoked_kit_is_refused_and_another_gets_in(cluster: RealCluster, tmp_path: Path, how: str, middle: bool) -> None:
    if how == "directory" and cluster.major < 14:
        pytest.skip("ssl_crl_dir came with 14")
    ca = tmp_path / "ca"
    place: dict[str, object] = {"files.crl": "lists.pem"} if how == "file" else {"files.crl_dir": "lists"}
    wanted = spelled(ASKED | {"certificate.intermediate": middle} | place)
    before = planning.snapshot(cluster.base)
    made = set_up(cluster, ca, **wanted)
    assert made.proved, made.findings
    assert set_up(cluster, ca, **wanted).id is None
    kits(ca, "app", cluster.superuser)
    assert [connect(cluster, ca, role).outcome for role in ("app", cluster.superuser)] == ["accept", "accept"]
    take_back(ca, ca.parent / "kits" / "app")
    assert connect(cluster, ca, "app").outcome == "accept", "a list counts only once the server has it"
    placed = set_up(cluster, ca, **wanted)
    assert placed.proved
    names = {"lists.pem"} if how == "file" else {f"{hash_of(stand_in(ca, 'intermediate' if middle else 'root').certificate.subject)}.r0"}
    assert {path.name for path in placed.files} == names
    refused = connect(cluster, ca, "app")
    assert (refused.outcome, "revoked" in (refused.message or "")) == ("reject", True)
    assert connect(cluster, ca, cluster.superuser).outcome == "accept"
    assert {finding.code for finding in facts_of(cluster).findings} == {"local-only", "key-in-data-directory"}
    cluster.restart()
    assert [connect(cluster, ca, role).outcome for role in ("app", cluster.superuser)] == ["reject", "accept"]
    rollback(cluster.data_directory)
    rollback(cluster.data_directory)
    assert planning.snapshot(cluster.base) == before


def test_a_list_past_half_of_its_life_is_made_anew_at_apply_and_keeps_what_is_in_it(newest_cluster: RealCluster, tmp_path: Path) -> None:
    ca = tmp_path / "ca"
    wanted = ASKED | {"files.crl": "root.crl"}
    set_up(newest_cluster, ca, **spelled(wanted))
    put_list(ca, begun=20, days=30)
    made = set_up(newest_cluster, ca, **spelled(wanted))
    assert made.proved, made.findings
    for path in (ca / "root.crl", newest_cluster.data_directory / "root.crl"):
        (now,) = revocation.lists_in(path.read_bytes())
        assert ([each.serial_number for each in now], revocation.number_of(now), revocation.age_of(now, NOW)) == ([77], 5, "current")
    assert set_up(newest_cluster, ca, **spelled(wanted)).id is None


def test_a_ca_without_a_current_list_and_without_its_key_stops_apply(stopped_cluster: RealCluster, tmp_path: Path) -> None:
    ca = tmp_path / "ca"
    wanted = ASKED | {"files.crl": "root.crl"}
    set_up(stopped_cluster, ca, **spelled(ASKED | {"certificate.intermediate": True}))
    cluster = facts_of(stopped_cluster)
    assert [change.path.name for change in plan_for(cluster, ca, wanted).changes if change.role == "ca-crl"] == [
        "intermediate.crl",
        "root.crl",
    ], "`issue` signs with an intermediate that stands, whatever the answers say of it"
    away = (ca / "root.key").rename(tmp_path / "root.key")
    plan = plan_for(cluster, ca, wanted)
    assert said(plan)["ca-without-crl"] == "error"
    with pytest.raises(Refused, match="has no revocation list") as refused:
        apply(plan, cluster)
    assert refused.value.code == "ca-without-crl"
    assert not (ca / "intermediate.crl").exists()
    away.rename(ca / "root.key")
    for begun, severity in ((20, "warning"), (40, "error")):
        put_list(ca, begun=begun, days=30)
        (ca / "root.key").rename(away)
        found = said(plan_for(cluster, ca, wanted))
        assert found.get("crl-expiring" if begun < 30 else "ca-without-crl") == severity
        away.rename(ca / "root.key")
    put_list(ca, begun=1, days=30)
    (ca / "root.key").rename(away)
    assert not {"crl-expiring", "ca-without-crl"} & said(plan_for(cluster, ca, wanted)).keys()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can keep a file from the server's user")
def test_the_rehearsal_notices_that_the_server_would_refuse_every_client_over_its_lists(
    newest_cluster: RealCluster, tmp_path: Path
) -> None:
    """The root's list stands as it should, and the server's user cannot read it: OpenSSL looks only when a client comes."""
    ca = tmp_path / "ca"
    wanted = spelled(ASKED | {"files.crl_dir": "lists", "certificate.intermediate": True})
    set_up(newest_cluster, ca, **wanted)
    put_list(ca, begun=20, days=30, name="intermediate")
    place = newest_cluster.data_directory / "lists" / f"{hash_of(stand_in(ca).certificate.subject)}.r0"
    os.chown(place, 0, 0)
    place.chmod(0o600)
    with pytest.raises(Refused, match="a client with a certificate of CN=PostgreSQL CA Intermediate is refused") as refused:
        set_up(newest_cluster, ca, **wanted)
    assert refused.value.code == "rehearsal-failed"
    place.chmod(0o644)
    assert set_up(newest_cluster, ca, **wanted).proved


def test_a_ca_that_may_sign_no_lists_stops_apply(newest_cluster: RealCluster, tmp_path: Path) -> None:
    mute = making.root("Mute", key_usage=making.usage(key_cert_sign=True), now=NOW)
    (tmp_path / "mute.crt").write_bytes(mute.pem)
    (tmp_path / "mute.key").write_bytes(mute.key_as())
    wanted = ASKED | {"clients.ca": str(tmp_path / "mute.crt"), "files.crl": "root.crl"}
    assert said(plan_for(facts_of(newest_cluster), tmp_path / "ca", wanted))["crl-key-usage"] == "error"


def test_a_directory_of_lists_is_refused_where_the_server_would_not_start_with_it(stopped_cluster: RealCluster, tmp_path: Path) -> None:
    wanted = ASKED | {"files.crl_dir": "lists"}
    if stopped_cluster.major >= 14:
        assert "ssl_crl_dir" in plan_for(facts_of(stopped_cluster), tmp_path / "ca", wanted).settings
        return
    with pytest.raises(Refused) as refused:
        plan_for(facts_of(stopped_cluster), tmp_path / "ca", wanted)
    assert (refused.value.code, refused.value.where) == ("crl-dir-unknown", "files.crl_dir")
    stopped_cluster.set(ssl_crl_dir="lists")
    with pytest.raises(AssertionError, match='unrecognized configuration parameter "ssl_crl_dir"'):
        stopped_cluster.start()


@pytest.mark.parametrize("answers", [{"files.crl": "root.crl"}, {"files.crl_dir": "lists"}])
def test_a_list_without_client_certificates_does_not_fit(answers: dict[str, object], newest_cluster: RealCluster, tmp_path: Path) -> None:
    with pytest.raises(UnusableInput) as unusable:
        plan_for(facts_of(newest_cluster), tmp_path / "ca", answers)
    assert unusable.value.code == "does-not-fit"
    with pytest.raises(UnusableInput):
        plan_for(facts_of(newest_cluster), tmp_path / "ca", ASKED | {"files.crl": "server.key"})


def test_the_clients_own_ca_elsewhere_brings_its_list_ready_and_it_is_judged(newest_cluster: RealCluster, tmp_path: Path) -> None:
    """The company's root is trusted, its issuing CA sends its certificate along, and neither key is here."""
    company = tmp_path / "company"
    company.mkdir()
    root = issue.make(Profile("root", "Company", "ecdsa-p256", 900, "Company", path_length=1), keys.generate("ecdsa-p256"), None, NOW)
    below = issue.make(
        Profile("intermediate", "Issuing", "ecdsa-p256", 800, "Company", path_length=0), keys.generate("ecdsa-p256"), root, NOW
    )
    (company / "clients.crt").write_bytes(root.certificate_pem)
    wanted = ASKED | {"clients.ca": str(company / "clients.crt"), "files.crl": "company.crl"}
    place = newest_cluster.data_directory / "company.crl"

    def plan() -> Plan:
        return plan_for(facts_of(newest_cluster), tmp_path / "ca", wanted)

    assert said(plan())["ca-without-crl"] == "error"
    newest_cluster.write("company.crl", root.certificate_pem)
    assert said(plan())["ca-without-crl"] == "error"
    newest_cluster.write("company.crl", list_pem(revocation.make(below, [], None, NOW)))
    assert said(plan())["ca-without-crl"] == "error"
    lists = [revocation.make(each, entries, None, NOW) for each, entries in ((below, [Entry(5)]), (root, []))]
    newest_cluster.write("company.crl", b"# from the company\n" + list_pem(*lists))
    ready = plan()
    assert not {"ca-without-crl", "crl-expiring"} & said(ready).keys()
    assert {change.role for change in ready.changes} & {"crl", "ca-crl"} == set()
    before = place.read_bytes()
    assert apply(ready, facts_of(newest_cluster)).proved
    assert place.read_bytes() == before
    assert newest_cluster.sql("show ssl_crl_file") == [("company.crl",)]


def test_lists_of_others_keep_their_places_and_numbers(newest_cluster: RealCluster, tmp_path: Path) -> None:
    """A CA of the same name has the same hash: ours takes the next number, and is replaced in place later."""
    ca, lists = tmp_path / "ca", newest_cluster.data_directory / "lists"
    lists.mkdir()
    profile = Profile("root", "PostgreSQL CA", "ecdsa-p256", 900, "PostgreSQL CA", path_length=1)
    namesake = issue.make(profile, keys.generate("ecdsa-p256"), None, NOW)
    mark = hash_of(namesake.certificate.subject)
    foreign = newest_cluster.write(f"lists/{mark}.r0", list_pem(revocation.make(namesake, [], None, NOW)))
    newest_cluster.write("root.crl", list_pem(revocation.make(namesake, [], None, NOW)))
    before = foreign.read_bytes()
    wanted = ASKED | {"files.crl_dir": "lists", "files.crl": "root.crl"}
    assert set_up(newest_cluster, ca, **spelled(wanted)).proved
    kits(ca, "app", newest_cluster.superuser)
    assert connect(newest_cluster, ca, "app").outcome == "accept"
    take_back(ca, ca.parent / "kits" / "app")
    changed = set_up(newest_cluster, ca, **spelled(wanted))
    assert {path.name for path in changed.files} == {"root.crl", f"{mark}.r1"}
    assert foreign.read_bytes() == before
    assert len(revocation.lists_in((newest_cluster.data_directory / "root.crl").read_bytes())) == 2
    assert [connect(newest_cluster, ca, role).outcome for role in ("app", newest_cluster.superuser)] == ["reject", "accept"]


def test_what_is_no_list_is_never_overwritten(newest_cluster: RealCluster, tmp_path: Path) -> None:
    newest_cluster.write("notes.txt", "not a list\n")
    with pytest.raises(Refused) as refused:
        plan_for(facts_of(newest_cluster), tmp_path / "ca", ASKED | {"files.crl": "notes.txt"})
    assert refused.value.code == "in-the-way"
    (tmp_path / "ca").mkdir()
    (tmp_path / "ca" / "root.crl").write_text("an older CA's list\n")
    with pytest.raises(Refused) as refused:
        plan_for(facts_of(newest_cluster), tmp_path / "ca", ASKED | {"files.crl": "root.crl"})
    assert refused.value.code == "crl-in-the-way"


def test_a_new_ca_gets_lists_where_the_server_has_a_place_for_them_today(newest_cluster: RealCluster, tmp_path: Path) -> None:
    """Otherwise the lists of the old CA would refuse every client of the new one."""
    set_up(newest_cluster, tmp_path / "ca", **spelled(ASKED | {"files.crl": "root.crl"}))
    assert set_up(newest_cluster, tmp_path / "new", **spelled(ASKED | {"certificate.ca_name": "New CA"})).proved
    kits(tmp_path / "new", "app")
    assert connect(newest_cluster, tmp_path / "new", "app").outcome == "accept"


def test_the_commands_by_hand_make_lists_that_openssl_takes(newest_cluster: RealCluster, tmp_path: Path) -> None:
    wanted = ASKED | {"files.crl": "lists.pem", "certificate.intermediate": True, "certificate.key": "ecdsa-p384"}
    plan = plan_for(facts_of(newest_cluster), tmp_path / "ca", wanted)
    place = tmp_path / "by hand"
    place.mkdir()
    done = subprocess.run(["/bin/sh"], input="set -e\n" + "\n".join(plan.openssl), check=False, capture_output=True, text=True, cwd=place)
    assert done.returncode == 0, done.stderr
    lists = revocation.lists_in((place / "lists.pem").read_bytes())
    for name in ("root", "intermediate"):
        ca = read_certificates((place / f"{name}.crt").read_bytes())[0]
        (own,) = [each for each in lists if revocation.signed_by(each, ca)]
        assert {each.oid for each in own.extensions} == {
            each.oid for each in revocation.make(stand_in(place, name), [], None, NOW).extensions
        }
        assert own.next_update_utc is not None
        assert own.next_update_utc - own.last_update_utc == timedelta(days=revocation.DAYS)
        assert own.signature_hash_algorithm is not None
        assert own.signature_hash_algorithm.name == "sha384"
