"""Odd files before a real server: it loads exactly those of which we say so."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from pgssl_wizard.certificates.given import Given, Role
from pgssl_wizard.certificates.load import load
from pgssl_wizard.certificates.refusals import OpenSSL, refusals
from tests.certificates.making import OLD_KEY, SHA_1, TRADITIONAL, VERSION_1, between, list_pem, make, revocations, root
from tests.servers import RealCluster

NOW = datetime.now(UTC)
ROOT = root(now=NOW)
MIDDLE = between(ROOT, now=NOW)
LEAF = make(issuer=MIDDLE, now=NOW)
SHORT = make(key=rsa.generate_private_key(65537, 1024), now=NOW)  # noqa: S505
EDWARDS = make(key=ed25519.Ed25519PrivateKey.generate(), now=NOW)
OLD = make(ends=timedelta(days=-1), now=NOW)
CHAIN = LEAF.pem + MIDDLE.pem
LIST = list_pem(revocations(ROOT, now=NOW))
MARK = b"\xef\xbb\xbf"


def pairs() -> Iterator[tuple[str, bytes, bytes]]:
    """Certificates with keys, and what they are."""
    key = LEAF.key_as()
    yield "a chain", CHAIN, key
    yield "with the root", CHAIN + ROOT.pem, key
    yield "out of order", LEAF.pem + ROOT.pem + MIDDLE.pem, key
    yield "the issuer first", MIDDLE.pem + LEAF.pem, key
    yield "twice", LEAF.pem + CHAIN, key
    yield "with text and CR LF", (b"Bag Attributes\n  x: y\n" + CHAIN).replace(b"\n", b"\r\n"), key.replace(b"\n", b"\r\n")
    yield "behind a mark", MARK + CHAIN, key
    yield "behind a mark and a line", MARK + b"\n" + CHAIN, key
    yield "a marked key", CHAIN, MARK + key
    yield "DER", LEAF.der, key
    yield "nothing", b"", key
    yield "cut short", CHAIN[:-30], key
    yield "indented", b"  " + CHAIN, key
    yield "not base64", LEAF.pem + MIDDLE.pem.replace(b"M", b"!", 1), key
    yield (
        "a lost line in the second",
        LEAF.pem + b"".join(MIDDLE.pem.splitlines(keepends=True)[:3] + MIDDLE.pem.splitlines(keepends=True)[4:]),
        key,
    )
    yield "a blank line inside", LEAF.pem.replace(b"\n", b"\n\n", 2), key
    yield "a blank line before the end", LEAF.pem.replace(b"-----END", b"\n-----END"), key
    yield "in one line", LEAF.pem.replace(b"\n", b"").replace(b"-----M", b"-----\nM").replace(b"-----END", b"\n-----END") + b"\n", key
    yield "a key of another", CHAIN, OLD.key_as()
    yield "the traditional form", CHAIN, LEAF.key_as(TRADITIONAL)
    yield "a DER key", CHAIN, LEAF.key_as(encoding=Encoding.DER)
    yield "a damaged key", CHAIN, key[:-30]
    yield "key and chain in one", key + CHAIN, CHAIN + key
    yield "expired", OLD.pem, OLD.key_as()
    yield "a short key", SHORT.pem, SHORT.key_as()
    yield "Ed25519", EDWARDS.pem, EDWARDS.key_as()
    yield "SHA-1", SHA_1, OLD_KEY
    yield "version 1", VERSION_1, OLD_KEY
    yield "a CA", ROOT.pem, ROOT.key_as()


def judged(cluster: RealCluster, **files: bytes) -> bool:
    """Whether we say that this server loads the files."""
    roles: dict[str, Role] = {"certificate": "server-certificate", "key": "server-key", "ca": "ca", "crl": "crl"}
    openssl: OpenSSL = "1.1.1" if str(cluster.programs.openssl).startswith("1.1") else "3"
    given = [Given(cluster.data_directory / what, roles[what], load(data)) for what, data in files.items()]
    return not any(fault.refused for fault in refusals(given, openssl))


def loads(cluster: RealCluster) -> bool:
    """Whether the running server does."""
    before = len(cluster.log())
    cluster.reload()
    return "SSL configuration was not reloaded" not in cluster.log()[before:]


def test_a_server_loads_the_pairs_that_we_say_it_loads(cluster: RealCluster) -> None:
    cluster.set(ssl="on")
    found = {}
    for what, certificate, key in pairs():
        cluster.write("server.crt", certificate)
        cluster.write("server.key", key)
        found[what] = (loads(cluster), judged(cluster, certificate=certificate, key=key))
    assert {what: answers for what, answers in found.items() if answers[0] != answers[1]} == {}
    assert {answer for answer, _ in found.values()} == {True, False}


AUTHORITIES = {
    "a root": ROOT.pem,
    "two, any order": MIDDLE.pem + ROOT.pem,
    "the same twice": ROOT.pem + ROOT.pem,
    "a leaf": LEAF.pem,
    "an intermediate alone": MIDDLE.pem,
    "text": b"# none\n",
    "nothing": b"",
    "DER": ROOT.der,
    "a key beside": ROOT.key_as() + ROOT.pem,
    "a list beside": LIST + ROOT.pem,
    "a list alone": LIST,
    "behind a mark": MARK + ROOT.pem,
    "one of two behind a mark": MARK + ROOT.pem + MIDDLE.pem,
    "cut short": ROOT.pem[:-30],
    "a damaged one behind": ROOT.pem + MIDDLE.pem.replace(b"M", b"!", 1),
    "a request": b"-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n",
}
LISTS = {
    "a list": LIST,
    "two": LIST + list_pem(revocations(MIDDLE, now=NOW)),
    "an old one": list_pem(revocations(ROOT, ends=timedelta(hours=-1), now=NOW)),
    "of another CA": list_pem(revocations(root("Another", now=NOW), now=NOW)),
    "a certificate": ROOT.pem,
    "nothing": b"",
    "DER": revocations(ROOT, now=NOW).public_bytes(Encoding.DER),
    "cut short": LIST[:-20],
    "a key": ROOT.key_as(),
    "behind a mark": MARK + LIST,
}


@pytest.mark.parametrize(
    ("setting", "role", "files"), [("ssl_ca_file", "ca", AUTHORITIES), ("ssl_crl_file", "crl", LISTS)], ids=["ca", "crl"]
)
def test_a_server_loads_the_authorities_and_lists_that_we_say_it_loads(
    cluster: RealCluster, setting: str, role: str, files: dict[str, bytes]
) -> None:
    cluster.serve_tls()
    cluster.set(**{"ssl_ca_file": "root.crt", setting: f"{role}.pem"})
    cluster.write("root.crt", ROOT.pem)
    found = {}
    for what, data in files.items():
        cluster.write(f"{role}.pem", data)
        found[what] = (loads(cluster), judged(cluster, **{role: data}))
    assert {what: answers for what, answers in found.items() if answers[0] != answers[1]} == {}
    assert {answer for answer, _ in found.values()} == {True, False}
