"""Revocation lists that we make, and the names under which OpenSSL looks for lists."""

from __future__ import annotations

import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.name import _ASN1Type as Kind
from cryptography.x509.oid import NameOID

from pgssl_wizard.certificates import issue, keys, revocation
from pgssl_wizard.certificates.issue import Issued
from pgssl_wizard.certificates.issuer_hash import hash_of
from pgssl_wizard.certificates.profiles import KeyType, Profile
from pgssl_wizard.certificates.revocation import Entry
from pgssl_wizard.certificates.revocation_directory import found_in
from pgssl_wizard.cli.revoke import REASONS
from pgssl_wizard.errors import Refused
from pgssl_wizard.plan.revocation import DAYS
from tests.certificates.making import Made, elliptic, given, list_pem, revocations, root, usage
from tests.certificates.pkilint_environment import lint_list

NOW = datetime.now(UTC)
#: A day ago, so that no list begins before its CA.
CA = issue.make(
    Profile("root", "List CA", "ecdsa-p256", 3650, "List CA", path_length=1), keys.generate("ecdsa-p256"), None, NOW - timedelta(days=1)
)

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")


def attribute(oid: x509.ObjectIdentifier, text: str, kind: Kind = Kind.UTF8String) -> x509.NameAttribute[str]:
    """One part of a name, as text of some kind."""
    return x509.NameAttribute(oid, text, kind, _validate=False)


NAMES = [
    x509.Name([]),
    x509.Name([attribute(NameOID.COMMON_NAME, "PostgreSQL CA")]),
    x509.Name([attribute(NameOID.COUNTRY_NAME, "DE", Kind.PrintableString), attribute(NameOID.COMMON_NAME, "  Größe  A\t B  ")]),
    x509.Name([attribute(NameOID.COMMON_NAME, "GROSS Ä Z"), attribute(NameOID.ORGANIZATION_NAME, "漢字　テスト")]),
    x509.Name([attribute(NameOID.COMMON_NAME, "Wide  Ä x", Kind.BMPString), attribute(NameOID.TITLE, "Wider  Ä", Kind.UniversalString)]),
    x509.Name(
        [attribute(NameOID.EMAIL_ADDRESS, "Me@X.De", Kind.IA5String), attribute(NameOID.DOMAIN_COMPONENT, "EXAMPLE", Kind.IA5String)]
    ),
    x509.Name([attribute(NameOID.SERIAL_NUMBER, "12 34  ", Kind.NumericString), attribute(NameOID.TITLE, "t61 É", Kind.T61String)]),
    x509.Name([x509.RelativeDistinguishedName([attribute(NameOID.COMMON_NAME, "b"), attribute(NameOID.ORGANIZATION_NAME, "ZZ Top")])]),
    x509.Name([attribute(NameOID.ORGANIZATION_NAME, "long " * 40), attribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "y  " * 20 + "Q")]),
    x509.Name([attribute(NameOID.COMMON_NAME, "   ")]),
]


@needs_openssl
@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_the_hash_of_a_name_is_what_openssl_prints(name: x509.Name) -> None:
    made = x509.CertificateRevocationListBuilder().issuer_name(name).last_update(NOW).next_update(NOW + timedelta(days=1))
    crl = made.sign(CA.key, hashes.SHA256())
    done = subprocess.run(["openssl", "crl", "-hash", "-noout"], input=list_pem(crl), check=True, capture_output=True)
    printed = done.stdout.decode().strip()
    assert hash_of(name) == printed
    assert hash_of(x509.load_der_x509_crl(crl.public_bytes(Encoding.DER)).issuer) == printed


@needs_openssl
@pytest.mark.parametrize("key", ["ecdsa-p256", "ecdsa-p384", "rsa-2048"])
def test_openssl_and_pkilint_find_nothing_to_object_to(key: KeyType, tmp_path: Path) -> None:
    ca = issue.make(Profile("root", "Größe CA", key, 3650, "Größe CA", path_length=0), keys.generate(key), None, NOW)
    entries = [Entry(number, reason) for number, reason in enumerate(revocation.REASONS, start=1)]
    crl = revocation.make(ca, entries, None, NOW)
    (tmp_path / "root.crt").write_bytes(ca.certificate_pem)
    (tmp_path / "root.crl").write_bytes(revocation.to_pem(crl))
    command = ["openssl", "crl", "-in", "root.crl", "-CAfile", "root.crt", "-noout"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=tmp_path)
    assert "verify OK" in done.stderr
    assert lint_list(tmp_path / "root.crl") == []
    leaf = issue.make(Profile("client", "app", "ecdsa-p256", 30, "Größe CA"), keys.generate("ecdsa-p256"), ca, NOW)
    (tmp_path / "leaf.crt").write_bytes(leaf.certificate_pem)
    verify = ["openssl", "verify", "-x509_strict", "-crl_check_all", "-CAfile", "root.crt", "-CRLfile", "root.crl", "leaf.crt"]
    assert subprocess.run(verify, check=False, capture_output=True, cwd=tmp_path).returncode == 0
    (tmp_path / "root.crl").write_bytes(revocation.to_pem(revocation.make(ca, [Entry(leaf.certificate.serial_number)], crl, NOW)))
    refused = subprocess.run(verify, check=False, capture_output=True, text=True, cwd=tmp_path)
    assert "certificate revoked" in refused.stderr


def test_a_list_says_what_the_standard_wants_and_begins_an_hour_back() -> None:
    crl = revocation.make(CA, [Entry(5), Entry(6, "keyCompromise")], None, NOW, days=9)
    assert {each.oid for each in crl.extensions} == {x509.AuthorityKeyIdentifier.oid, x509.CRLNumber.oid}
    own = CA.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    assert crl.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier == own
    assert timedelta() <= NOW - timedelta(hours=1) - crl.last_update_utc < timedelta(seconds=1)
    assert crl.next_update_utc is not None
    assert crl.next_update_utc - crl.last_update_utc == timedelta(days=9)
    plain, told = list(crl)
    assert list(plain.extensions) == []
    assert told.extensions.get_extension_for_class(x509.CRLReason).value.reason is x509.ReasonFlags.key_compromise
    assert plain.revocation_date_utc == crl.last_update_utc


def test_the_next_list_keeps_what_was_revoked_and_counts_up() -> None:
    first = revocation.make(CA, [Entry(5, "superseded")], None, NOW - timedelta(days=2))
    second = revocation.make(CA, [Entry(5, "keyCompromise"), Entry(7)], first, NOW)
    assert next((each.serial_number, each.revocation_date_utc) for each in second) == (5, next(iter(first)).revocation_date_utc)
    assert [each.serial_number for each in second] == [5, 7]
    assert next(iter(second)).extensions.get_extension_for_class(x509.CRLReason).value.reason is x509.ReasonFlags.superseded
    assert [revocation.number_of(each) for each in (first, second)] == [1, 2]
    assert revocation.number_after(revocations(root())) == 1, "a list without a number is followed by the first one"


def test_a_ca_whose_key_usage_does_not_say_so_signs_no_list() -> None:
    made = root(key_usage=usage(key_cert_sign=True))
    with pytest.raises(Refused) as refused:
        revocation.make(Issued(made.value, made.key), [], None, NOW)  # type: ignore[arg-type]
    assert refused.value.code == "ca-may-not-revoke"


def odd(ca: Made, extension: x509.ExtensionType) -> bytes:
    """A list that says more than a plain one."""
    builder = x509.CertificateRevocationListBuilder().issuer_name(ca.value.subject).last_update(NOW).next_update(NOW + timedelta(days=1))
    return list_pem(builder.add_extension(extension, critical=True).sign(ca.key, hashes.SHA256()))


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("empty", "none in the file"),
        ("garbage", "damaged"),
        ("DER", "DER"),
        ("two", "more than one"),
        ("certificate beside", "something else beside"),
        ("another CA", "it is of CN=Another"),
        ("another key", "signature is not good"),
        ("delta", "2.5.29.27"),
        ("part of it", "2.5.29.28"),
    ],
)
def test_what_is_not_the_whole_list_of_this_ca_is_never_continued(what: str, words: str) -> None:
    ca = root()
    own = list_pem(revocations(ca, now=NOW))
    data = {
        "empty": b"",
        "garbage": own.replace(b"\nMI", b"\nXX", 1),
        "DER": revocations(ca, now=NOW).public_bytes(Encoding.DER),
        "two": own + own,
        "certificate beside": own + ca.pem,
        "another CA": list_pem(revocations(root("Another"), now=NOW)),
        "another key": list_pem(revocations(ca, now=NOW, key=elliptic())),
        "delta": odd(ca, x509.DeltaCRLIndicator(3)),
        "part of it": odd(ca, x509.IssuingDistributionPoint(None, None, True, False, None, False, False)),
    }[what]
    with pytest.raises(Refused) as refused:
        revocation.standing_list(data, ca.value, "root.crl")
    assert words in refused.value.message
    assert refused.value.code == "crl-in-the-way"
    assert len(revocation.standing_list(own, ca.value, "root.crl")) == 0


@pytest.mark.parametrize(
    ("begins", "ends", "age"),
    [(-1, 30, "current"), (-16, 15, "due"), (-15, 15, "current"), (-30, 0, "expired"), (1, 30, "not-yet-valid")],
)
def test_a_list_is_due_past_half_of_its_life(begins: int, ends: int, age: str) -> None:
    crl = revocations(root(), timedelta(days=begins), timedelta(days=ends), NOW.replace(microsecond=0))
    assert revocation.age_of(crl, NOW.replace(microsecond=0)) == age


def test_the_command_and_the_plan_know_the_same_reasons_and_days() -> None:
    assert set(REASONS) == set(revocation.REASONS)
    assert DAYS == revocation.DAYS


def test_in_a_directory_only_lists_that_are_named_by_their_ca_from_zero_on_are_found() -> None:
    one, other = root("One"), root("Other")
    mark, pem = hash_of(one.value.subject), list_pem(revocations(one))
    strange = list_pem(revocations(other))
    files = [
        given("crl", pem, f"{mark}.r0"),
        given("crl", strange, f"{mark}.r1"),
        given("crl", pem, f"{mark}.r3"),
        given("crl", one.pem, "00000000.r0"),
        given("crl", revocations(other).public_bytes(Encoding.DER), f"{hash_of(other.value.subject)}.r0"),
        given("crl", pem, "root.crl"),
        given("crl", strange, "other.crl"),
        given("crl", b"notes", "README"),
    ]
    reached, faults = found_in(Path("/etc/pg"), files)
    assert [each.path.name for each in reached] == [f"{mark}.r0"]
    assert [(fault.path.name, fault.code) for fault in faults] == [
        (f"{mark}.r1", "crl-wrong-name"),
        (f"{mark}.r3", "crl-wrong-name"),
        ("00000000.r0", "no-crl"),
        (f"{hash_of(other.value.subject)}.r0", "no-crl"),
        ("other.crl", "crl-wrong-name"),
    ]
