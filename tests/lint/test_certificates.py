from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given as hypothesis_given
from hypothesis import settings
from hypothesis import strategies as st

from pgssl_wizard.certificates.key_file import KeyFile
from pgssl_wizard.lint.certificates import Circumstances, Examined, examine, kind_by_content
from pgssl_wizard.lint.kinds import Kind, kind_of
from pgssl_wizard.lint.remarks import separately, together
from pgssl_wizard.lint.whole import lint
from tests.certificates.making import CLIENT, HERE, NOW, SERVER, between, list_pem, make, request, revocations, root

ROOT = root()
MIDDLE = between(ROOT)
LEAF = make(issuer=MIDDLE, extended=SERVER)
CLIENTS = make("alice", (), issuer=ROOT, extended=CLIENT)
AS_IN_THE_MANUAL = make("db", (), ca=True)


def examined(**files: bytes) -> dict[str, Examined]:
    """What came of files; `server_crt` is server.crt."""
    named = [(HERE / name.replace("__", "-").replace("_", "."), data) for name, data in files.items()]
    found = examine([(path, kind_of(path) or "certificate", data) for path, data in named], Circumstances(NOW))
    return {path.name: one for path, one in found.items()}


@pytest.mark.parametrize(
    ("name", "data", "role"),
    [
        ("server.crt", LEAF.pem, "server-certificate"),
        ("server.crt", AS_IN_THE_MANUAL.pem, "server-certificate"),
        ("fullchain.pem", LEAF.pem + MIDDLE.pem, "server-certificate"),
        ("db.example.com.crt", LEAF.pem, "server-certificate"),
        ("ssl-cert-snakeoil.pem", make("host").pem, "server-certificate"),
        ("empty.crt", b"", "server-certificate"),
        ("postgresql.crt", CLIENTS.pem, "client-certificate"),
        ("postgresql.crt", LEAF.pem, "server-certificate"),
        ("alice.crt", CLIENTS.pem, "client-certificate"),
        ("client-alice.pem", make("alice").pem, "client-certificate"),
        ("root.crt", ROOT.pem, "ca"),
        ("root.crt", LEAF.pem, "ca"),
        ("my-ca.pem", MIDDLE.pem, "ca"),
        ("company.crt", ROOT.pem, "ca"),
        ("ca-bundle.crt", ROOT.pem + MIDDLE.pem, "ca"),
        ("intermediate.crt", MIDDLE.pem, "intermediate"),
        ("chain.pem", MIDDLE.pem, "intermediate"),
        ("issuer.crt", MIDDLE.pem, "intermediate"),
        ("server.key", LEAF.key_as(), "server-key"),
        ("postgresql.key", LEAF.key_as(), "client-key"),
        ("postgresql.pk8", LEAF.key_as(), "client-key"),
        ("root.key", ROOT.key_as(), "ca-key"),
        ("key.pem", LEAF.key_as(), "server-key"),
        ("list.pem", list_pem(revocations(ROOT)), "crl"),
        ("asked.pem", request(), "request"),
    ],
    ids=lambda value: "" if isinstance(value, bytes) else value,
)
def test_what_a_file_is_for_is_told_by_its_name_and_content(name: str, data: bytes, role: str) -> None:
    path = HERE / name
    assert examine([(path, kind_of(path) or "certificate", data)], Circumstances(NOW))[path].role == role


def test_a_person_may_say_what_certificates_are_for() -> None:
    path = HERE / "root.crt"
    for role in ("server-certificate", "client-certificate", "ca"):
        assert examine([(path, "certificate", ROOT.pem)], Circumstances(NOW, role=role))[path].role == role


def test_a_key_beside_a_ca_certificate_makes_it_the_servers() -> None:
    both = examined(db_crt=AS_IN_THE_MANUAL.pem, db_key=AS_IN_THE_MANUAL.key_as())
    assert both["db.crt"].role == "server-certificate"
    assert both["db.key"].accepted


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (LEAF.pem, "certificate"),
        (LEAF.der, "certificate"),
        (LEAF.key_as(), "key"),
        (list_pem(revocations(ROOT)), "crl"),
        (request(), "request"),
        (b"local all all peer\n", None),
        (b"-----BEGIN NOTHING-----\n", None),
        (b"0", None),
        (b"", None),
    ],
    ids=lambda value: "" if isinstance(value, bytes) else str(value),
)
def test_content_tells_the_kind_where_the_name_does_not(data: bytes, kind: Kind | None) -> None:
    assert kind_by_content(data) == kind


def test_remarks_stand_with_the_file_and_the_line_they_concern() -> None:
    found = examined(server_crt=LEAF.pem + ROOT.pem + MIDDLE.pem, root_crt=ROOT.pem, root_crl=list_pem(revocations(MIDDLE)))
    lines = (1, 1 + LEAF.pem.count(b"\n"))
    assert {(remark.code, remark.line) for remark in found["server.crt"].remarks} == {
        ("chain-order", lines[1]),
        ("root-in-chain", lines[1]),
    }
    assert [remark.code for remark in found["root.crl"].remarks] == ["ca-without-crl"]
    assert not found["root.crt"].remarks
    for one in found.values():
        assert {finding.topic for finding in separately(one.remarks)} <= {"certificate"}
        assert len(together(one.remarks)) == len(one.remarks)


def test_certificates_and_rules_go_together_in_one_call() -> None:
    files = {HERE / "pg_hba.conf": b"local all all peer\n", HERE / "server.crt": LEAF.pem, HERE / "root.crl": b""}
    kinds: list[tuple[Path, Kind]] = [(path, kind_of(path) or "certificate") for path in files]
    reports = lint(kinds, 18, files.get, lambda _: None, circumstances=Circumstances(NOW))
    assert [(report.kind, report.accepted, report.count) for report in reports] == [
        ("pg_hba.conf", True, 1),
        ("certificate", True, 1),
        ("crl", False, 0),
    ]
    assert reports[1].certificates[0].names == ("db.example.com",)
    assert (reports[1].role, reports[1].certificates[0].key) == ("server-certificate", "ecdsa-p256")


def test_the_mode_of_a_key_counts_where_it_is_known() -> None:
    path = HERE / "server.key"

    def open_to_all(_: Path) -> KeyFile:
        return KeyFile(0o644, 5, "somebody:somebody")

    one = examine([(path, "key", LEAF.key_as())], Circumstances(NOW, open_to_all))[path]
    assert not one.accepted
    assert examine([(path, "key", LEAF.key_as())], Circumstances(NOW))[path].accepted
    assert examine([(HERE / "server.crt", "certificate", LEAF.pem)], Circumstances(NOW, open_to_all))[HERE / "server.crt"].accepted


@settings(max_examples=100, deadline=None)
@hypothesis_given(
    st.lists(st.sampled_from([LEAF, MIDDLE, ROOT, CLIENTS, AS_IN_THE_MANUAL]).map(lambda made: made.pem), max_size=4).map(b"".join),
    st.lists(st.sampled_from([LEAF, ROOT, CLIENTS]).map(lambda made: made.key_as()), max_size=2).map(b"".join),
    st.permutations(["server.crt", "root.crt", "chain.pem", "alice.crt", "server.key"]),
)
def test_any_certificates_in_any_place_are_examined_and_the_verdict_goes_with_the_errors(
    certificates: bytes, key: bytes, names: list[str]
) -> None:
    files = [(HERE / names[0], certificates), (HERE / names[1], ROOT.pem), (HERE / names[2], key)]
    found = examine([(path, kind_of(path) or "certificate", data) for path, data in files], Circumstances(NOW))
    for one in found.values():
        assert one.accepted is not any(remark.severity == "error" for remark in one.remarks)
