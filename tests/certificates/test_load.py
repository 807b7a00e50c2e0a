from __future__ import annotations

import base64
import ssl
import tempfile

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat, pkcs12
from hypothesis import given as hypothesis_given
from hypothesis import settings
from hypothesis import strategies as st

from pgssl_wizard.certificates.given import Role
from pgssl_wizard.certificates.load import Objects, load
from pgssl_wizard.certificates.read import common_name_of
from pgssl_wizard.certificates.refusals import refusals
from tests.certificates.making import (
    PKCS8,
    SHA_1_ROOT,
    TRADITIONAL,
    VERSION_1,
    Key,
    elliptic,
    given,
    list_pem,
    make,
    request,
    revocations,
    root,
)

LEAF, ROOT = make(), root()
BAG = b"Bag Attributes\n    friendlyName: db\nsubject=CN = db.example.com\n"
SECRET = b"correct horse"


def held(objects: Objects) -> tuple[int, int, int, int]:
    """How many certificates, keys, lists and requests there are."""
    return len(objects.certificates), len(objects.keys), len(objects.crls), len(objects.requests)


def told(value: object) -> str:
    """Name a case by what is expected: the bytes are others in each process."""
    return "" if isinstance(value, bytes) else str(value)


@pytest.mark.parametrize(
    ("change", "seen"),
    [
        (lambda pem: pem, True),
        (lambda pem: pem.replace(b"\n", b"\r\n"), True),
        (lambda pem: BAG + pem, True),
        (lambda pem: b"# my certificate\n\n" + pem + b"\nthe end", True),
        (lambda pem: pem.rstrip(b"\n"), True),
        (lambda pem: pem.replace(b"\n", b" \t\n"), True),
        (lambda pem: b"\xef\xbb\xbf" + pem, False),
        (lambda pem: b"\xef\xbb\xbf\n" + pem, True),
        (lambda pem: b"".join(b"  " + line + b"\n" for line in pem.splitlines()), False),
        (lambda pem: pem.replace(b"\n", b"\r"), False),
        (lambda pem: pem.replace(b"\n", b"\\n"), False),
        (base64.b64encode, False),
        (lambda pem: pem.decode().encode("utf-16"), False),
        (lambda pem: pem.decode().encode("utf-16-le"), False),
        (lambda pem: pem.decode().encode("utf-16-be"), False),
        (lambda pem: pem.replace(b"-----", b"----"), False),
        (lambda pem: pem.replace(b"-----", b"\xe2\x80\x93" * 5), False),
        (lambda pem: pem.replace(b"-----B", b"----- B"), False),
    ],
)
def test_a_certificate_is_found_in_whatever_surrounds_it_and_whether_openssl_sees_it_is_told(change: object, seen: bool) -> None:
    assert callable(change)
    objects = load(change(LEAF.pem))
    assert [each.value for each in objects.certificates] == [LEAF.value]
    assert objects.certificates[0].seen is seen
    assert bool(objects.problems) is not seen or b"\xef" in change(b"")


def test_objects_of_all_kinds_keep_their_order_and_their_lines() -> None:
    parts = [ROOT.pem, LEAF.key_as(), request(), list_pem(revocations(ROOT)), LEAF.pem]
    objects = load(BAG + b"".join(parts))
    assert held(objects) == (2, 1, 1, 1)
    lines = [4]
    for part in parts[:-1]:
        lines.append(lines[-1] + part.count(b"\n"))
    assert [part.line for part in objects.parts] == lines
    assert [part.offset for part in objects.parts][:2] == [len(BAG), len(BAG) + len(ROOT.pem)]
    assert (objects.certificates[0].line, objects.keys[0].line, objects.certificates[1].line) == (lines[0], lines[1], lines[4])
    assert (objects.format, objects.problems) == ("PEM", ())


KEYS: dict[str, Key] = {"ec": LEAF.key, "rsa": rsa.generate_private_key(65537, 2048), "ed25519": ed25519.Ed25519PrivateKey.generate()}


@pytest.mark.parametrize("kind", KEYS)
@pytest.mark.parametrize("encoding", [Encoding.PEM, Encoding.DER])
@pytest.mark.parametrize("form", [PKCS8, TRADITIONAL])
@pytest.mark.parametrize("locked", [False, True])
def test_a_key_of_any_form_is_read_and_a_locked_one_is_opened_with_its_passphrase_alone(
    kind: str, encoding: Encoding, form: PrivateFormat, locked: bool
) -> None:
    if form is TRADITIONAL and (kind == "ed25519" or (locked and encoding is Encoding.DER)):
        pytest.skip("there is no such form")
    data = KEYS[kind].private_bytes(encoding, form, BestAvailableEncryption(SECRET) if locked else NoEncryption())
    (key,) = load(data, SECRET).keys
    assert key.public == KEYS[kind].public_key()
    assert key.form == ("PKCS#8" if form is PKCS8 else {"ec": "SEC1", "rsa": "PKCS#1"}[kind])
    assert (key.encrypted, key.line) == (locked, 1 if encoding is Encoding.PEM else 0)
    assert load(data).keys[0].encrypted is locked
    assert (load(data).keys[0].public is None) is locked
    assert [problem.code for problem in load(data, b"wrong").problems] == (["wrong-passphrase"] if locked else [])


@pytest.mark.parametrize("locked", [False, True])
def test_pkcs12_is_opened_with_its_passphrase_or_without_one(locked: bool) -> None:
    protection = BestAvailableEncryption(SECRET) if locked else NoEncryption()
    data = pkcs12.serialize_key_and_certificates(b"db", LEAF.key, LEAF.value, [ROOT.value], protection)
    objects = load(data, SECRET if locked else None)
    assert (objects.format, held(objects)) == ("PKCS#12", (2, 1, 0, 0))
    assert [common_name_of(each.value) for each in objects.certificates] == ["db.example.com", "Root"]
    assert objects.keys[0].encrypted is locked
    if locked:
        assert [problem.code for problem in load(data).problems] == ["passphrase-needed"]
        assert [problem.code for problem in load(data, b"wrong").problems] == ["wrong-passphrase"]


def test_binary_lists_requests_and_certificates_are_told_apart() -> None:
    from cryptography import x509

    crl = revocations(ROOT).public_bytes(Encoding.DER)
    asked = x509.load_pem_x509_csr(request()).public_bytes(Encoding.DER)
    assert [held(load(data)) for data in (LEAF.der, crl, asked)] == [(1, 0, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1)]
    assert [problem.code for problem in load(LEAF.der + ROOT.der).problems] == ["trailing-bytes"]
    assert held(load(LEAF.der[:-5])) == (0, 0, 0, 0)


@pytest.mark.parametrize(
    ("data", "code", "line"),
    [
        (LEAF.pem[:-10], "damaged", 1),
        (b"x\n" + LEAF.pem.replace(b"M", b"!", 1), "damaged", 2),
        (LEAF.pem + ROOT.pem.replace(b"END CERT", b"END CART"), "damaged", 1 + LEAF.pem.count(b"\n")),
        (LEAF.pem.replace(b"CERTIFICATE", b"PKCS7"), "foreign-block", 1),
        (LEAF.pem.replace(b"CERTIFICATE", b"OPENSSH PRIVATE KEY"), "foreign-block", 1),
        (LEAF.pem.replace(b"CERTIFICATE", b"CRL"), "foreign-block", 1),
        (LEAF.pem.replace(b"CERTIFICATE", b"PRIVATE KEY"), "damaged", 1),
        (LEAF.pem.replace(b"CERTIFICATE", b"X509 CRL"), "damaged", 1),
        (b"\x30\x82\x01\x00" + bytes(20), "damaged", 0),
    ],
    ids=told,
)
def test_what_cannot_be_read_is_a_problem_with_its_line(data: bytes, code: str, line: int) -> None:
    assert (code, line) in {(problem.code, problem.line) for problem in load(data).problems}
    for problem in load(data).problems:
        assert problem.what[0].isupper()
        assert problem.what.endswith(".")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b" \n", "empty"),
        (b"<!DOCTYPE html><html>", "web page"),
        (b"ssh-ed25519 AAAA me@here", "SSH"),
        (LEAF.der, "DER"),
        (b"\xef\xbb\xbf" + LEAF.pem, "byte order mark"),
        (b"hello", "nothing else"),
    ],
    ids=told,
)
def test_what_a_file_is_instead_is_said_in_words(data: bytes, words: str) -> None:
    assert words in load(data).form


def test_a_certificate_is_not_read_where_only_the_key_before_it_is_broken() -> None:
    objects = load(LEAF.key_as().replace(b"-----END", b"-----ENDE") + LEAF.pem)
    assert held(objects) == (1, 0, 0, 0)
    assert objects.parts[0].trouble is not None


def test_no_secret_is_in_any_representation_or_message() -> None:
    for data in (
        LEAF.key_as(),
        LEAF.key_as(TRADITIONAL),
        LEAF.key_as(passphrase=SECRET),
        LEAF.key_as()[:-30],
        LEAF.key_as(encoding=Encoding.DER),
    ):
        for passphrase in (SECRET, None):
            text = repr(load(data, passphrase))
            assert SECRET.decode() not in text
            assert "PRIVATE KEY-----" not in text
            for line in data.split(b"\n")[1:-2]:
                assert line.decode("latin-1") not in text or not line


ALL = [
    LEAF.pem,
    ROOT.pem,
    LEAF.key_as(),
    LEAF.key_as(TRADITIONAL, passphrase=SECRET),
    request(),
    list_pem(revocations(ROOT)),
    VERSION_1,
    LEAF.der,
]
PIECES = [
    *b"\n -:=\r\t#",
    *(b"-----", b"BEGIN ", b"END ", b"\r\n", b"\n\n", b"Proc-Type: 4,ENCRYPTED\n", b"\xef\xbb\xbf", b"\\n", b"CERTIFICATE"),
]
BYTES = [piece if isinstance(piece, bytes) else bytes([piece]) for piece in PIECES]


@settings(max_examples=300, deadline=None)
@hypothesis_given(st.one_of(st.binary(max_size=300), st.binary(max_size=60).map(lambda tail: b"\x30\x82" + tail)))
def test_any_bytes_are_loaded_without_an_exception(data: bytes) -> None:
    load(data)
    load(data, SECRET)


def mutated(whole: bytes, edits: list[tuple[int, int, bytes]]) -> bytes:
    """Replace some bytes here and there."""
    for place, length, piece in edits:
        at = place % (len(whole) + 1)
        whole = whole[:at] + piece + whole[at + length :]
    return whole


EDITS = st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 3), st.sampled_from([*BYTES, b""]) | st.binary(max_size=4)), max_size=5)


@settings(max_examples=300, deadline=None)
@hypothesis_given(st.lists(st.sampled_from(ALL), min_size=1, max_size=3).map(b"".join), EDITS)
def test_broken_files_are_loaded_and_judged_without_an_exception(whole: bytes, edits: list[tuple[int, int, bytes]]) -> None:
    from tests.certificates.making import faults

    data = mutated(whole, edits)
    roles: list[Role] = ["server-certificate", "ca", "crl", "server-key", "client-key", "request", "pkcs12", "intermediate"]
    faults(*(given(role, data) for role in roles))


@settings(max_examples=400, deadline=None)
@hypothesis_given(
    st.lists(st.sampled_from([LEAF.pem, ROOT.pem, VERSION_1, SHA_1_ROOT, LEAF.key_as()]), min_size=1, max_size=3).map(b"".join),
    st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 1), st.sampled_from(BYTES)), max_size=3),
)
def test_openssl_3_loads_a_file_exactly_where_we_say_so(whole: bytes, edits: list[tuple[int, int, bytes]]) -> None:
    """The library that Python carries reads the same way as the server's."""
    if not ssl.OPENSSL_VERSION.startswith("OpenSSL 3"):
        pytest.skip("this Python carries another library")
    data = mutated(whole, edits)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        try:
            context.load_verify_locations(cafile=file.name)
        except ssl.SSLError:
            loads = False
        else:
            loads = True
    assert (not any(fault.refused for fault in refusals([given("ca", data)], "3"))) is loads


def test_the_parts_of_an_elliptic_key_with_its_parameters_are_one_key() -> None:
    key = elliptic().private_bytes(Encoding.PEM, TRADITIONAL, NoEncryption())
    objects = load(b"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n" + key)
    assert (held(objects), objects.problems) == ((0, 1, 0, 0), ())
