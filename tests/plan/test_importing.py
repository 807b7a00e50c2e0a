"""A certificate that is brought: which of the clients' names it covers, what becomes of it, and what clients need then."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pgssl_wizard.certificates.names import parse_name
from pgssl_wizard.cluster.facts import CertificateFact, PendingRequest
from pgssl_wizard.cluster.standing import Imported, KitSigner
from pgssl_wizard.errors import Refused, UnusableInput
from pgssl_wizard.findings import Finding
from pgssl_wizard.plan.importing import covers
from pgssl_wizard.plan.model import Plan
from tests.plan import building
from tests.plan.building import DATA, HOME, MADE, cluster, fact, leaf

LEAF = leaf(path=HOME / "answer.pem", issuer="CN=Company Issuing")
ROOT = building.root(path=HOME / "root.pem", common_name="Company Root", subject="CN=Company Root", issuer="CN=Company Root")
MIDDLE = replace(ROOT, role="intermediate", common_name="Company Issuing", subject="CN=Company Issuing", self_signed=False)
BROUGHT = Imported(
    leaf=LEAF,
    between=(MIDDLE,),
    root=ROOT,
    pem=b"leaf and issuing",
    root_pem=b"root",
    root_file=HOME / "root.pem",
    key_file=HOME / "db.key",
    public_sha256="ab" * 32,
)
WAITS = PendingRequest(
    record=DATA / "pgsql_tmp.pgssl-wizard" / "request.json",
    request=HOME / "server.csr",
    key=DATA / "server.key.requested",
    place=DATA / "server.key",
    names=("db.example.com",),
    key_type="ecdsa-p256",
    public_sha256="ab" * 32,
    made=MADE,
)


def plan(
    brought: Imported = BROUGHT, *, waits: PendingRequest | None = None, standing: dict[Path, Any] | None = None, **given: object
) -> Plan:
    """Plan the import of what was brought, for db.example.com."""
    wanted: dict[str, object] = {
        "certificate__source": "import",
        "certificate__import_certificate": [str(HOME / "answer.pem")],
        "server__names": ["db.example.com"],
    }
    return building.plan(cluster(requested=waits), standing, {"imported": brought}, **(wanted | given))


def told(made: Plan) -> dict[str, str]:
    """Return severities by code."""
    return {finding.code: finding.severity for finding in made.findings}


@pytest.mark.parametrize(
    ("names", "common", "name", "found"),
    [
        (("db.example.com",), "", "DB.example.com", True),
        (("*.example.com",), "", "db.example.com", True),
        (("*.example.com",), "", "a.db.example.com", False),
        (("*.example.com",), "", "*.example.com", True),
        (("*.example.com",), "", "example.com", False),
        (("10.0.0.5",), "", "10.0.0.5", True),
        (("2001:DB8:0::1",), "", "2001:db8::1", True),
        (("*.0.0.5",), "", "10.0.0.5", False),
        (("other.example.com",), "db.example.com", "db.example.com", False),
        ((), "db.example.com", "db.example.com", True),
        ((), "*.example.com", "db.example.com", True),
        ((), "db.example.com", "127.0.0.1", False),
        (("10.0.0.5",), "db.example.com", "db.example.com", True),
        (("10.0.0.5",), "10.0.0.6", "10.0.0.6", False),
        (("db.example.com",), "10.0.0.6", "10.0.0.6", True),
    ],
)
def test_a_name_is_found_as_libpq_finds_it(names: tuple[str, ...], common: str, name: str, found: bool) -> None:
    """The star is one label, the common name counts only where there is no other of its kind."""
    assert covers(replace(LEAF, names=names, common_name=common), parse_name(name)) is found


def test_leaf_and_intermediates_are_written_and_the_key_only_named() -> None:
    """The key's bytes are in no plan; what waited is taken away with it."""
    made = plan(
        waits=WAITS,
        standing={
            WAITS.key: fact(WAITS.key, "", data=None),
            WAITS.record: fact(WAITS.record, "{}"),
            HOME / "db.key": fact(HOME / "db.key", ""),
        },
    )
    files = {change.path.name: change for change in made.changes}
    assert files["server.crt"].after == b"leaf and issuing"
    assert [words[0] for words in files["server.crt"].holds] == ["server certificate: db.example.com", "intermediate CA: Company Issuing"]
    assert (files["server.key"].after, files["server.key"].key_file, files["server.key"].secret) == (None, HOME / "db.key", True)
    assert {name for name, change in files.items() if change.action == "delete"} == {"server.key.requested", "request.json"}
    assert {files[name].phase for name in ("server.key.requested", "request.json")} == {"tls"}, "so that an undo brings them back"
    assert made.trust_anchor == HOME / "root.pem"
    assert made.issue == ()
    assert made.openssl == ()


def test_another_request_goes_on_waiting() -> None:
    """Only the key that the certificate belongs to is taken away."""
    made = plan(waits=replace(WAITS, public_sha256="ef" * 32), standing={WAITS.key: fact(WAITS.key, "", data=None)})
    assert "requested-key" not in {change.role for change in made.changes}


@pytest.mark.parametrize(
    ("names", "severity"),
    [(["db.example.com"], None), (["db.example.com", "gone.example.com"], "warning"), (["gone.example.com"], "error")],
)
def test_missing_names_are_told_and_come_after_those_that_are_covered(names: list[str], severity: str | None) -> None:
    """A certificate that covers none of them is not put in place; whoever needs one name takes the first."""
    made = plan(server__names=list(reversed(names)))
    assert told(made).get("names-missing", "info") == (severity or "info")
    assert made.answers.server.names == tuple(names)


def test_no_kit_leads_to_a_name_by_which_its_role_is_refused() -> None:
    """Of a wildcard alone no kit can take a name."""
    star = replace(BROUGHT, leaf=replace(LEAF, names=("*.example.com",)))
    names = ["localhost", "*.example.com"]
    assert plan(star, server__names=names).answers.server.names == ("*.example.com", "localhost")
    signer = KitSigner(HOME / "clients.crt", HOME / "clients.key", "Clients' CA", key_exists=True, key_fits=True)
    with_kit = building.plan(
        cluster(),
        None,
        {"imported": star, "kit_signer": signer},
        certificate__source="import",
        certificate__import_certificate=[str(HOME / "answer.pem")],
        server__names=names,
        clients__roles=["app"],
        clients__ca=str(HOME / "clients.crt"),
    )
    assert with_kit.answers.server.names == ("*.example.com",)


def test_names_beyond_those_are_told() -> None:
    """For whoever wonders who else may be this server."""
    assert told(plan(replace(BROUGHT, leaf=replace(LEAF, names=("db.example.com", "old.example.com")))))["names-additional"] == "info"


def test_without_a_root_nobody_is_told_to_take_one() -> None:
    """And what that means for the proof is said."""
    made = plan(replace(BROUGHT, root=None, root_pem=b"", root_file=None))
    assert made.trust_anchor is None
    assert told(made)["root-not-given"] == "info"


def test_a_root_that_libpq_cannot_read_is_written_once_and_never_over_another() -> None:
    """It goes where a CA of our own would be."""
    binary = replace(BROUGHT, root_file=None)
    place = HOME / "ca" / "root.crt"
    made = plan(binary)
    assert made.trust_anchor == place
    assert [(change.phase, change.after) for change in made.changes if change.path == place] == [("ca", b"root")]
    again = plan(binary, standing={place: fact(place, b"root")})
    assert (again.trust_anchor, [change for change in again.changes if change.path == place]) == (place, [])
    with pytest.raises(Refused) as refused:
        plan(binary, standing={place: fact(place, b"another")})
    assert refused.value.code == "ca-file-in-the-way"


def test_what_stands_already_is_not_written_again_unless_its_mode_is_wrong() -> None:
    """The same answers twice change nothing; a key that others may read is written anew."""
    stands = replace(BROUGHT, certificate_stands=True, key_stands=True)
    key = DATA / "server.key"

    def roles(mode: int) -> set[str]:
        return {str(change.role) for change in plan(stands, standing={key: fact(key, "", data=None, mode=mode)}).changes} - {
            "settings",
            "rules",
        }

    assert roles(0o600) == set()
    assert roles(0o644) == {"server-key"}


def test_an_error_about_the_files_is_kept_and_one_without_a_leaf_ends_it() -> None:
    """The first stops apply; after the second there is nothing to plan."""
    expired = Finding("error", "certificate-expired", "It expired.")
    assert told(plan(replace(BROUGHT, findings=(expired,))))["certificate-expired"] == "error"
    with pytest.raises(Refused) as refused:
        plan(Imported(findings=(Finding("error", "key-mismatch", "No key belongs to it.", "Name it.", "a.pem"),)))
    assert (refused.value.code, refused.value.where) == ("key-mismatch", "a.pem")
    with pytest.raises(UnusableInput):
        plan(certificate__import_certificate=[])


def test_clients_that_verify_another_signer_today_are_thought_of() -> None:
    """They need the new root before the change."""
    now: CertificateFact = leaf(issuer="CN=Old CA")
    found = cluster({building.CONF: "ssl = on\n"}, certificates=(now,))
    wanted: dict[str, object] = {
        "certificate__source": "import",
        "certificate__import_certificate": [str(HOME / "answer.pem")],
        "server__names": ["db.example.com"],
    }
    assert told(building.plan(found, None, {"imported": BROUGHT}, **wanted))["anchor-changes"] == "warning"
    same = cluster({building.CONF: "ssl = on\n"}, certificates=(leaf(issuer="CN=Company Issuing"),))
    assert "anchor-changes" not in told(building.plan(same, None, {"imported": BROUGHT}, **wanted))
