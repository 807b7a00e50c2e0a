from __future__ import annotations

import ipaddress
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, pkcs12
from cryptography.x509.oid import AuthorityInformationAccessOID

from pgssl_wizard.certificates.given import Given
from pgssl_wizard.certificates.key_file import KeyFile
from pgssl_wizard.certificates.load import load
from tests.certificates.making import (
    CLIENT,
    HERE,
    NOW,
    OLD_KEY,
    SERVER,
    SHA_1,
    SHA_1_ROOT,
    TRADITIONAL,
    VERSION_1,
    Made,
    between,
    codes,
    elliptic,
    faults,
    given,
    list_pem,
    make,
    request,
    revocations,
    root,
    usage,
    warned,
)
from tests.certificates.test_profiles import NOW as OWN_NOW
from tests.certificates.test_profiles import SHAPES
from tests.certificates.test_profiles import chain as own_chain

ROOT = root()
MIDDLE = between(ROOT)
LEAF = make(issuer=MIDDLE, extended=SERVER)
DAY = timedelta(days=1)
LATER = datetime(2030, 1, 1, tzinfo=UTC)


def server(*parts: Made | bytes) -> Given:
    """The server's certificate file."""
    return given("server-certificate", b"".join(part.pem if isinstance(part, Made) else part for part in parts), "server.crt")


def anchor(*parts: Made) -> Given:
    """A root file."""
    return given("ca", b"".join(part.pem for part in parts), "root.crt")


def key(made: Made, name: str = "server.key") -> Given:
    """The server's key."""
    return given("server-key", made.key_as(), name)


def test_what_is_in_order_is_not_talked_about() -> None:
    crl = given("crl", list_pem(revocations(ROOT), revocations(MIDDLE)), "root.crl")
    assert codes(server(LEAF, MIDDLE), key(LEAF), anchor(ROOT), crl, given("intermediate", MIDDLE.pem)) == set()
    client = make("alice", (), issuer=MIDDLE, extended=CLIENT)
    assert codes(given("client-certificate", client.pem + MIDDLE.pem), given("client-key", client.key_as()), anchor(ROOT)) == set()
    assert codes(server(make()), key(make("x"), "other.key")) == {("info", "self-signed"), ("error", "key-mismatch")}


@pytest.mark.parametrize("shape", SHAPES)
def test_what_the_wizard_makes_is_not_talked_about(shape: str) -> None:
    chain = own_chain(shape)[::-1]
    inside = b"".join(each.certificate_pem for each in (chain if len(chain) == 1 else chain[:-1]))
    file = given("server-certificate", inside, "server.crt")
    secret = given("server-key", chain[0].key_pem, "server.key")
    assert warned(file, secret, given("ca", chain[-1].certificate_pem, "root.crt"), now=OWN_NOW) == set()


ODD = {
    "expired": (make(ends=-DAY), "certificate-expired"),
    "expires within 30 days": (make(ends=29 * DAY), "certificate-expiring"),
    "of tomorrow": (make(begins=DAY), "certificate-not-yet-valid"),
    "with a common name alone": (make(names=()), "no-san"),
    "with an address in the common name alone": (make("10.0.0.5", ("db",)), "address-in-common-name"),
    "with an address as a DNS name": (make(names=("DNS:10.0.0.5", "db.example.com")), "address-as-name"),
    "that is a CA": (make(ca=True, names=("db.example.com",), key_usage=usage(digital_signature=True, key_cert_sign=True)), "ca-as-leaf"),
    "for clients": (make(extended=CLIENT), "no-server-auth"),
    "that may not sign a handshake": (make(key_usage=usage(key_encipherment=True)), "key-usage"),
    "with an Ed25519 key": (make(key=ed25519.Ed25519PrivateKey.generate()), "eddsa-key"),
    "with a short key": (make(key=rsa.generate_private_key(65537, 1024)), "weak-key"),  # noqa: S505
    "with a star for all": (make(names=("*",)), "wildcard"),
    "with a star inside": (make(names=("db*.example.com",)), "wildcard"),
    "with a star at the second place": (make(names=("a.*.example.com",)), "wildcard"),
    "with a star for a whole domain": (make(names=("*.com",)), "wildcard"),
    "with a dot at the end": (make(names=("db.example.com.",)), "bad-name"),
    "with a port in its name": (make(names=("db.example.com:5432",)), "bad-name"),
}


@pytest.mark.parametrize("what", ODD)
def test_a_server_certificate_is_told_that_is(what: str) -> None:
    made, code = ODD[what]
    assert code in warned(server(made), key(made))
    assert {"certificate-expiring", code} >= warned(server(made), key(made)) - {"no-san"}


def test_a_name_that_a_client_can_match_is_no_oddity() -> None:
    for names in (("*.example.com",), ("db",), ("_x.example.com",), ("10.0.0.5", "DNS:10.0.0.5"), ("db", "::1")):
        assert warned(server(make("db", names))) == set()
    assert codes(server(make("db", ("db", "10.0.0.5")))) == {("info", "self-signed"), ("info", "address-not-as-name")}
    assert ("info", "name-only-in-common-name") in codes(server(make("db.example.com", ("other.example.com",))))


def test_version_1_is_told_and_not_what_follows_from_it() -> None:
    now = datetime(2027, 1, 1, tzinfo=UTC)
    assert warned(server(VERSION_1), given("server-key", OLD_KEY, "server.key"), now=now) == {"x509-v1", "no-san"}


def test_a_leaf_below_an_ed25519_ca_breaks_channel_binding() -> None:
    ca = root(key=ed25519.Ed25519PrivateKey.generate())
    leaf = make(issuer=ca)
    assert warned(server(leaf), anchor(ca)) == {"eddsa-signature"}
    below = between(ca)
    assert warned(server(make(issuer=below), below), anchor(ca)) == set()


def test_a_weak_signature_and_a_short_key_are_refused_by_openssl_3_and_loaded_by_1_1_1() -> None:
    now = datetime(2027, 1, 1, tzinfo=UTC)
    old = server(SHA_1)
    assert ("error", "weak-signature") in codes(old, now=now)
    assert ("error", "weak-signature") not in codes(old, now=now, openssl="1.1.1")
    assert "weak-signature" not in warned(given("ca", SHA_1_ROOT), now=now), "nobody looks at the signature of a root"
    short = server(make(key=rsa.generate_private_key(65537, 1024)))  # noqa: S505
    assert ("error", "weak-key") in codes(short)
    assert ("warning", "weak-key") in codes(short, openssl="1.1.1")
    assert "ee key too small" in next(fault.what for fault in faults(short) if fault.code == "weak-key")


def test_the_chain_is_told_where_it_ends_too_early() -> None:
    alone = server(LEAF)
    assert codes(alone) == {("info", "issuer-not-at-hand")}
    assert warned(alone, anchor(ROOT)) == {"not-under-root"}
    assert warned(alone, anchor(ROOT), given("intermediate", MIDDLE.pem, "intermediate.crt")) == {"chain-incomplete"}
    (fault,) = [
        each for each in faults(alone, anchor(ROOT), given("intermediate", MIDDLE.pem, "intermediate.crt")) if each.severity == "warning"
    ]
    assert fault.hint == "Append intermediate.crt to it."


def test_a_leaf_of_a_public_ca_comes_with_an_intermediate() -> None:
    place = x509.UniformResourceIdentifier("http://ca.example/intermediate.crt")
    access = x509.AuthorityInformationAccess([x509.AccessDescription(AuthorityInformationAccessOID.CA_ISSUERS, place)])
    assert warned(server(make(issuer=MIDDLE, also=(access,)))) == {"chain-incomplete"}


def test_the_chain_is_held_against_the_root_given() -> None:
    assert codes(server(LEAF, MIDDLE), anchor(ROOT)) == set()
    assert warned(server(LEAF, MIDDLE), anchor(root("Another"))) == {"not-under-root"}
    renewed = root()
    (fault,) = [each for each in faults(server(LEAF, MIDDLE), anchor(renewed)) if each.code == "not-under-root"]
    assert "new key" in fault.what
    assert codes(server(make()), anchor(ROOT)) >= {("warning", "not-under-root")}


def test_order_and_ballast_of_a_chain_are_told_with_their_lines() -> None:
    count = LEAF.pem.count(b"\n")
    assert codes(server(LEAF, MIDDLE, ROOT)) == {("info", "root-in-chain")}
    assert warned(server(LEAF, ROOT, MIDDLE)) == {"chain-order"}
    assert codes(server(LEAF, MIDDLE, MIDDLE), anchor(ROOT)) == {("info", "duplicate-certificate")}
    stranger = root("Stranger")
    (fault,) = faults(server(LEAF, stranger, MIDDLE), anchor(ROOT))
    assert (fault.code, fault.line) == ("unrelated-certificate", count + 1)


def test_an_issuer_before_its_leaf_is_refused_with_or_without_the_key() -> None:
    wrong = server(MIDDLE, LEAF)
    assert ("error", "key-mismatch") in codes(wrong, anchor(ROOT))
    (fault,) = [each for each in faults(wrong, key(LEAF), anchor(ROOT)) if each.severity == "error"]
    assert fault.path.name == "server.crt"
    assert "key values mismatch" in fault.what
    assert fault.refused
    assert warned(wrong, key(LEAF), anchor(ROOT)) == {"key-mismatch"}, "and the leaf is judged all the same"


def test_a_key_is_held_against_the_certificate_of_its_name() -> None:
    other = make("other")
    one = given("server-certificate", LEAF.pem + MIDDLE.pem, "a.crt")
    two = given("server-certificate", other.pem, "b.crt")
    assert not warned(one, two, key(LEAF, "a.key"), key(other, "b.key"))
    assert warned(one, two, key(other, "a.key"), key(LEAF, "b.key")) == set(), "each belongs to one of them"
    assert [fault.path.name for fault in faults(one, two, key(make("x"), "a.key")) if fault.code == "key-mismatch"] == ["a.key"]
    assert "key-without-certificate" in warned(one, two, key(make("x"), "c.key"))
    assert warned(given("request", request(names=("db",), key=LEAF.key)), key(LEAF)) == set()
    both = given("server-certificate", make("x").key_as() + LEAF.pem + MIDDLE.pem, "both.pem")
    assert "key-mismatch" in warned(both)


@pytest.mark.parametrize(
    ("upper", "code"),
    [
        (between(ROOT, path_length=None, key_usage=usage(crl_sign=True)), "ca-key-usage"),
        (between(ROOT, no_usage=True), "ca-key-usage"),
        (between(ROOT, identifiers=False), "no-key-identifier"),
        (make("Intermediate", (), issuer=ROOT, ca=False), "issuer-not-ca"),
        (between(ROOT, ends=-DAY), "certificate-expired"),
        (between(root(path_length=0)), "path-length"),
        (between(ROOT, constraints=x509.NameConstraints([x509.DNSName("example.org")], None)), "name-constraints"),
        (between(ROOT, constraints=x509.NameConstraints(None, [x509.DNSName("example.com")])), "name-constraints"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_a_ca_above_may_not_do_is_told(upper: Made, code: str) -> None:
    above = root(path_length=0) if code == "path-length" else ROOT
    upper = between(above) if code == "path-length" else upper
    assert code in warned(server(make(issuer=upper), upper), anchor(above))


def test_names_within_the_constraints_are_not_talked_about() -> None:
    allowed = x509.NameConstraints([x509.DNSName("example.com"), x509.IPAddress(ipaddress.ip_network("10.0.0.0/8"))], None)
    upper = between(ROOT, constraints=allowed)
    assert warned(server(make(names=("db.example.com", "10.0.0.5"), issuer=upper), upper), anchor(ROOT)) == set()
    assert warned(server(make(names=("db.example.com", "11.0.0.5"), issuer=upper), upper), anchor(ROOT)) == {"name-constraints"}


def test_identifiers_that_strict_clients_ask_for_are_missed_only_where_they_do() -> None:
    assert "no-key-identifier" in warned(server(make(issuer=ROOT, identifiers=False)), anchor(ROOT))
    assert warned(server(make(identifiers=False))) == set(), "a self-signed one has no issuer to name"
    renewed = root(key=elliptic())
    assert "no-key-identifier" in warned(anchor(root(identifiers=False)))
    assert warned(anchor(renewed)) == set()


def test_a_leaf_that_outlives_its_issuer_is_good_to_know() -> None:
    short = between(ROOT, ends=100 * DAY)
    assert codes(server(make(issuer=short), short), anchor(ROOT)) == {("info", "outlives-issuer")}


def test_a_root_file_needs_a_root() -> None:
    assert warned(anchor(MIDDLE)) == {"no-root"}
    assert warned(anchor(MIDDLE, ROOT)) == set()
    assert warned(anchor(LEAF)) == {"leaf-as-ca"}
    assert warned(anchor(make())) == set(), "a self-signed leaf is its own root"
    assert warned(anchor(root(ends=-DAY))) == {"certificate-expired"}
    assert codes(anchor(root(ends=-DAY), ROOT)) == {("info", "certificate-expired")}, "the new root carries on"
    assert codes(anchor(ROOT, ROOT)) == {("info", "duplicate-certificate")}
    assert warned(given("ca", ROOT.pem + ROOT.key_as(), "root.crt")) == {"key-beside-ca"}


def test_revocation_lists_are_told_before_they_shut_everybody_out() -> None:
    ca = anchor(ROOT)

    def of(*lists: x509.CertificateRevocationList) -> Given:
        return given("crl", list_pem(*lists), "root.crl")

    assert codes(of(revocations(ROOT)), ca) == set()
    assert warned(of(revocations(ROOT, ends=-timedelta(hours=1))), ca) == {"crl-expired"}
    assert warned(of(revocations(ROOT, ends=6 * DAY)), ca) == {"crl-expiring"}
    assert warned(of(revocations(ROOT, begins=DAY)), ca) == {"crl-not-yet-valid"}
    assert warned(of(revocations(root("Another"))), ca) == {"crl-of-another-ca", "ca-without-crl"}
    assert warned(of(revocations(ROOT, key=elliptic())), ca) == {"crl-bad-signature"}
    assert warned(of(revocations(ROOT)), anchor(ROOT, MIDDLE)) == {"ca-without-crl"}
    mute = root(key_usage=usage(key_cert_sign=True))
    assert warned(of(revocations(mute)), anchor(mute)) == {"crl-key-usage"}
    assert warned(given("crl", ROOT.pem, "root.crl"), ca) == {"certificate-as-crl"}
    assert [fault.refused for fault in faults(given("crl", ROOT.pem))] == [False]


@pytest.mark.parametrize(
    ("file", "code", "words"),
    [
        (given("server-certificate", b""), "no-certificate", "no start line"),
        (given("server-certificate", LEAF.der), "no-certificate", "DER"),
        (given("server-certificate", LEAF.key_as()), "no-certificate", "a private key"),
        (given("server-certificate", LEAF.pem[:-30]), "no-certificate", "short header"),
        (given("server-certificate", LEAF.pem + MIDDLE.pem.replace(b"M", b"!", 1)), "no-certificate", "bad base64 decode"),
        (given("client-certificate", b"hello"), "no-certificate", "libpq"),
        (given("ca", b"# none\n"), "no-certificate", "no certificate or crl found"),
        (given("ca", ROOT.der), "no-certificate", "DER"),
        (given("crl", b""), "no-crl", "no certificate or crl found"),
        (given("crl", revocations(ROOT).public_bytes(Encoding.DER)), "no-crl", "DER"),
        (given("server-key", LEAF.key_as(encoding=Encoding.DER)), "no-key", "DER"),
        (given("server-key", LEAF.pem), "no-key", "a certificate"),
        (given("server-key", LEAF.key_as()[:-30]), "no-key", "short header"),
        (given("request", LEAF.pem), "no-request", "a certificate"),
        (given("pkcs12", LEAF.der), "no-pkcs12", "DER"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_the_server_would_refuse_is_one_error_with_its_words(file: Given, code: str, words: str) -> None:
    found = [fault for fault in faults(file) if fault.severity == "error"] or list(faults(file))
    assert [(fault.code, fault.refused) for fault in found] == [(code, True)]
    assert words in found[0].what


def test_forms_that_the_server_or_libpq_reads_are_not_refused() -> None:
    files = [
        given("server-key", LEAF.key_as(TRADITIONAL)),
        given("client-key", LEAF.key_as(encoding=Encoding.DER)),
        given("server-certificate", b"\r\n".join((b"Bag Attributes", *LEAF.pem.split(b"\n")))),
        given("pkcs12", pkcs12.serialize_key_and_certificates(b"x", LEAF.key, LEAF.value, [], NoEncryption())),
    ]
    for file in files:
        assert not [fault for fault in faults(file) if fault.refused]


def test_a_byte_order_mark_is_refused_unless_openssl_3_is_known_to_load_it() -> None:
    file = given("server-certificate", b"\xef\xbb\xbf" + LEAF.pem + MIDDLE.pem)
    assert ("error", "no-certificate") in codes(file)
    assert ("error", "no-certificate") in codes(file, openssl="1.1.1")
    assert codes(file, openssl="3") == {("warning", "byte-order-mark"), ("info", "issuer-not-at-hand")}


@pytest.mark.parametrize(
    ("mode", "uid", "code"),
    [
        (0o600, 100, None),
        (0o400, 100, None),
        (0o640, 100, "key-permissions"),
        (0o604, 100, "key-permissions"),
        (0o640, 0, None),
        (0o644, 0, "key-permissions"),
    ],
)
@pytest.mark.parametrize("server_uid", [None, 100])
def test_owner_and_mode_of_a_key_are_judged_from_what_is_handed_in(mode: int, uid: int, code: str | None, server_uid: int | None) -> None:
    file = Given(HERE / "server.key", "server-key", load(LEAF.key_as()), KeyFile(mode, uid, "somebody:somebody", server_uid))
    assert warned(file) == ({code} if code else set())
    inside = Given(HERE / "both.pem", "server-certificate", load(LEAF.key_as() + LEAF.pem), KeyFile(mode, uid, "x:x", server_uid))
    assert warned(inside) == ({code} if code else set())
    stranger = Given(HERE / "server.key", "server-key", load(LEAF.key_as()), KeyFile(0o600, 7, "x:x", 100))
    assert warned(stranger) == {"key-permissions"}


def test_a_key_with_a_passphrase_says_what_it_takes_and_can_be_judged_once_it_is_open() -> None:
    locked = LEAF.key_as(passphrase=b"secret")
    assert codes(given("server-key", locked), server(make())) == {("info", "key-encrypted"), ("info", "self-signed")}
    opened = given("server-key", locked, "server.key", b"secret")
    assert ("error", "key-mismatch") in codes(opened, server(make()))
    assert warned(given("server-key", locked, None, b"wrong")) == {"wrong-passphrase"}


def test_a_request_without_names_and_what_pkcs12_holds_are_judged() -> None:
    assert warned(given("request", request())) == {"no-san"}
    assert warned(given("request", request(names=("db",)))) == set()
    old = make("alice", (), issuer=ROOT, ends=-DAY)
    data = pkcs12.serialize_key_and_certificates(b"x", old.key, old.value, [ROOT.value], NoEncryption())
    assert warned(given("pkcs12", data)) == {"certificate-expired"}


def test_pkcs12_for_a_server_is_judged_as_one() -> None:
    leaf = make(names=(), issuer=ROOT, extended=SERVER)
    data = pkcs12.serialize_key_and_certificates(b"x", leaf.key, leaf.value, [ROOT.value], NoEncryption())
    assert warned(given("pkcs12", data), anchor(ROOT)) == {"no-san"}


def test_time_alone_changes_what_is_said() -> None:
    files = (server(LEAF, MIDDLE), anchor(ROOT), given("crl", list_pem(revocations(ROOT), revocations(MIDDLE))))
    assert warned(*files, now=NOW) == set()
    assert warned(*files, now=LATER) == {"certificate-expired", "crl-expired"}


def test_every_sentence_is_whole_and_every_refusal_is_an_error() -> None:
    files = [server(made) for made, _ in ODD.values()] + [
        anchor(MIDDLE),
        given("crl", ROOT.pem),
        given("server-key", b""),
        server(LEAF, ROOT, MIDDLE),
    ]
    for file in files:
        for fault in faults(file, anchor(ROOT)):
            assert fault.what[0] not in " abcdefghijkmnoprstuvwxyz" or fault.what.startswith("libpq"), fault.what
            assert fault.what.endswith(".")
            assert ".." not in fault.what
            assert fault.hint is None or fault.hint.endswith(".")
            assert not fault.refused or fault.severity == "error"
