"""Out of whatever is brought: the leaf whose key is there, its chain in order, the root apart, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, NoEncryption, pkcs12
from cryptography.x509.oid import ExtendedKeyUsageOID

from pgssl_wizard.certificates.assemble import Assembled, KeyAtHand, assemble
from pgssl_wizard.certificates.load import load
from pgssl_wizard.certificates.request import public_sha256
from tests.certificates.making import CLIENT, HERE, NOW, SERVER, SHA_1, SHA_1_ROOT, Made, between, given, make, root

ROOT = root()
MIDDLE = between(ROOT)
LOWER = between(MIDDLE, "Lower")
LEAF = make(issuer=LOWER, extended=SERVER)


def put_together(*files: tuple[str, bytes], keys: Sequence[Made | None] = (LEAF,), passphrase: bytes | None = None) -> Assembled:
    """Assemble files by name; `keys` are those at hand, None for one that does not open."""
    brought = [given("server-certificate", data, name, passphrase) for name, data in files]
    at_hand = [KeyAtHand(HERE / "a.key", public_sha256(key.key.public_key()) if key else None) for key in keys]
    return assemble(brought, at_hand, NOW)


def codes(found: Assembled) -> set[tuple[str, str]]:
    """Severities and codes."""
    return {(fault.severity, fault.code) for fault in found.faults}


def names(found: Assembled) -> list[str]:
    """Who is in the server's file, leaf first."""
    assert found.leaf is not None
    return [each.subject.rfc4514_string() for each in (found.leaf, *found.between)]


CHAIN = ["CN=db.example.com", "CN=Lower", "CN=Intermediate"]


@pytest.mark.parametrize(
    "files",
    [
        [("all.pem", LEAF.pem + LOWER.pem + MIDDLE.pem + ROOT.pem)],
        [("all.pem", ROOT.pem + MIDDLE.pem + LOWER.pem + LEAF.pem)],
        [("a.cer", MIDDLE.der), ("b.cer", ROOT.der), ("c.cer", LEAF.der), ("d.cer", LOWER.der)],
        [("chain.pem", MIDDLE.pem + LOWER.pem), ("leaf.der", LEAF.der), ("root.pem", ROOT.pem)],
    ],
    ids=["in order", "upside down", "DER apart", "mixed"],
)
def test_the_chain_comes_out_in_order_whatever_order_it_is_brought_in(files: list[tuple[str, bytes]]) -> None:
    found = put_together(*files)
    assert names(found) == CHAIN
    assert found.root == ROOT.value
    assert not [fault for fault in found.faults if fault.severity != "info"], found.faults


def test_a_pkcs12_gives_all_of_it_and_no_file_that_clients_could_have() -> None:
    inside = [LOWER.value, ROOT.value, MIDDLE.value]
    data = pkcs12.serialize_key_and_certificates(b"x", LEAF.key, LEAF.value, inside, BestAvailableEncryption(b"xyzzy"))
    found = put_together(("all.p12", data), passphrase=b"xyzzy")
    assert names(found) == CHAIN
    assert (found.root, found.root_file) == (ROOT.value, None)
    open_to_all = pkcs12.serialize_key_and_certificates(b"x", LEAF.key, LEAF.value, inside, NoEncryption())
    assert names(put_together(("all.p12", open_to_all))) == CHAIN
    shut = put_together(("all.p12", data))
    assert ("error", "passphrase-needed") in codes(shut)
    assert shut.leaf is None


def test_the_root_alone_is_what_clients_get_before_a_bundle_and_never_a_file_with_a_key() -> None:
    bundle, alone = ("bundle.pem", LEAF.pem + LOWER.pem + MIDDLE.pem + ROOT.pem), ("root.pem", ROOT.pem)
    assert put_together(bundle, alone).root_file == HERE / "root.pem"
    assert put_together(bundle).root_file == HERE / "bundle.pem"
    assert put_together(("bundle.pem", bundle[1] + LEAF.key_as())).root_file is None


def test_of_several_leaves_the_one_whose_key_is_there_and_of_two_the_newer() -> None:
    other = make("other.example.com", issuer=LOWER)
    older = make(issuer=LOWER, key=LEAF.key, ends=timedelta(days=20))
    above = LOWER.pem + MIDDLE.pem + ROOT.pem
    found = put_together(("all.pem", other.pem + older.pem + LEAF.pem + above))
    assert found.leaf == LEAF.value
    assert ("info", "unrelated-certificate") in codes(found)


@pytest.mark.parametrize(
    ("files", "keys", "code"),
    [
        ([("leaf.pem", LEAF.pem)], [make()], "key-mismatch"),
        ([("leaf.pem", LEAF.pem)], [], "no-key"),
        ([("leaf.pem", LEAF.pem)], [None], "key-encrypted"),
        ([("key.pem", LEAF.key_as())], [LEAF], "no-certificate"),
        ([("page.html", b"<html>")], [LEAF], "no-certificate"),
        ([("bad.pem", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")], [LEAF], "damaged"),
    ],
)
def test_where_no_leaf_can_be_told_one_error_says_why(files: list[tuple[str, bytes]], keys: list[Made | None], code: str) -> None:
    found = put_together(*files, keys=keys)
    assert found.leaf is None
    assert codes(found) == {("error", code)}
    assert all(str(HERE) in str(fault.path) for fault in found.faults)


@pytest.mark.parametrize(
    ("leaf", "code"),
    [
        (make(issuer=ROOT, ends=timedelta(days=-1)), "certificate-expired"),
        (make(issuer=ROOT, begins=timedelta(days=1)), "certificate-not-yet-valid"),
        (make(issuer=ROOT, extended=CLIENT), "no-server-auth"),
        (make(issuer=ROOT, extended=(ExtendedKeyUsageOID.CODE_SIGNING,)), "no-server-auth"),
        (make(issuer=ROOT, key=ed25519.Ed25519PrivateKey.generate()), "eddsa-key"),
        (make(issuer=root("Ed", key=ed25519.Ed25519PrivateKey.generate())), "eddsa-signature"),
        (make(issuer=ROOT, key=rsa.generate_private_key(65537, 1024)), "weak-key"),  # noqa: S505
    ],
)
def test_what_every_client_refuses_is_an_error_said_once(leaf: Made, code: str) -> None:
    found = put_together(("leaf.pem", leaf.pem), ("root.pem", ROOT.pem), keys=[leaf])
    assert [fault.code for fault in found.faults if fault.severity == "error" and fault.code != "chain-incomplete"] == [code]


def test_a_signature_by_sha_1_is_an_error() -> None:
    certificate = load(SHA_1).certificates[0].value
    key = KeyAtHand(HERE / "a.key", public_sha256(certificate.public_key()))
    found = assemble([given("server-certificate", SHA_1), given("ca", SHA_1_ROOT, "root.pem")], [key], NOW)
    assert ("error", "weak-signature") in codes(found)


def test_a_missing_intermediate_is_named_and_stops_only_beside_a_root_that_does_not_follow() -> None:
    alone = put_together(("leaf.pem", LEAF.pem))
    assert {fault.code: fault.what for fault in alone.faults if fault.severity == "warning"}["chain-incomplete"].count("“Lower”") == 1
    with_root = put_together(("leaf.pem", LEAF.pem + ROOT.pem))
    assert ("error", "chain-incomplete") in codes(with_root)
    assert with_root.root is None
    assert not [fault for fault in put_together(("chain.pem", LEAF.pem + LOWER.pem + MIDDLE.pem)).faults if fault.severity != "info"]


def test_what_is_odd_but_works_is_told_and_does_not_stop() -> None:
    authority = make(issuer=ROOT, ca=True, names=("db.example.com",))
    found = put_together(("leaf.pem", authority.pem), ("root.pem", ROOT.pem), keys=[authority])
    assert ("warning", "ca-as-leaf") in codes(found)
    assert not [fault for fault in found.faults if fault.severity == "error"]
    late = make(issuer=ROOT, begins=timedelta(days=-300), ends=timedelta(days=40))
    assert ("warning", "renewal-due") in codes(put_together(("leaf.pem", late.pem), ("root.pem", ROOT.pem), keys=[late]))
    lone = make()
    alone = put_together(("leaf.pem", lone.pem), keys=[lone])
    assert (alone.root, alone.root_file) == (None, HERE / "leaf.pem")
    assert Path(alone.leaf_file or "") == HERE / "leaf.pem"
