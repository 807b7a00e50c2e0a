"""The name of a certificate as the server compares it."""

from __future__ import annotations

import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from pgssl_wizard.certificates import issue, keys
from pgssl_wizard.certificates.distinguished_name import common_name_in, of_name, of_role
from pgssl_wizard.certificates.profiles import Profile


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
@pytest.mark.parametrize("role", ["app", " a b ", "Straße", 'a,b+c"d\\e<f>g;h=i', "#x#", "x/y", "日本", "~", "a "])
def test_it_is_what_openssl_prints(role: str, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    root = issue.make(Profile("root", "CA", "ecdsa-p256", 10, "CA", path_length=0), keys.generate("ecdsa-p256"), None, now)
    made = issue.make(Profile("client", role, "ecdsa-p256", 1, "CA"), keys.generate("ecdsa-p256"), root, now)
    path = tmp_path / "role.crt"
    path.write_bytes(made.certificate_pem)
    command = ["openssl", "x509", "-in", str(path), "-noout", "-subject", "-nameopt", "RFC2253"]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert printed.removeprefix("subject=").rstrip("\n") == of_role(role)


@given(role=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20).filter(lambda text: not text.isspace()))
def test_the_role_is_found_again_in_its_name(role: str) -> None:
    assert common_name_in(of_role(role)) == role
    assert common_name_in(f"O=Example\\, Inc,{of_role(role)},DC=x") == role


def test_the_name_is_found_in_the_words_of_pg_stat_ssl_and_of_the_log() -> None:
    assert common_name_in("/O=Example/CN=Straße") == "Straße"
    assert common_name_in("/CN=a\\/b") == "a/b"
    assert common_name_in("CN=a\\\\,O=Example") == "a\\"
    assert common_name_in("CN=\\C3\\9Cn\\C3\\AF x,O=Example") == "Ünï x"
    assert common_name_in("CN=app+UID=7,O=Example") == "app"
    assert common_name_in("O=Example") == ""


def certificate_of(subject: x509.Name, path: Path) -> None:
    """Write a certificate with this subject."""
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key()).serial_number(1)
    made = builder.not_valid_before(now).not_valid_after(now + timedelta(days=1)).sign(key, SHA256())
    path.write_bytes(made.public_bytes(Encoding.PEM))


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
@pytest.mark.parametrize("multiple", [False, True])
def test_a_whole_name_is_what_openssl_prints(multiple: bool, tmp_path: Path) -> None:
    """Every part that OpenSSL has a short name for, parts of several values too."""
    oids = [getattr(NameOID, each) for each in dir(NameOID) if each.isupper() and each not in {"COUNTRY_NAME", "X500_UNIQUE_IDENTIFIER"}]
    country = x509.NameAttribute(NameOID.COUNTRY_NAME, "DE")
    attributes = [country, *(x509.NameAttribute(oid, f" a,{number}", _validate=False) for number, oid in enumerate(oids))]
    attributes = [each for each in attributes if of_name(x509.Name([each])) is not None]
    assert len(attributes) > 15
    values = [x509.RelativeDistinguishedName(attributes[:3]), *(x509.RelativeDistinguishedName([each]) for each in attributes[3:])]
    subject = x509.Name(values if multiple else attributes)
    certificate_of(subject, tmp_path / "whole.crt")
    command = ["openssl", "x509", "-in", str(tmp_path / "whole.crt"), "-noout", "-subject", "-nameopt", "RFC2253"]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout.removeprefix("subject=").rstrip("\n")
    read = x509.load_pem_x509_certificate((tmp_path / "whole.crt").read_bytes()).subject
    assert of_name(read) == printed


def test_a_part_without_a_short_name_is_not_guessed() -> None:
    """OpenSSL prints it as hexadecimal."""
    odd = x509.Name([x509.NameAttribute(x509.ObjectIdentifier("1.2.3.4.5"), "x")])
    assert of_name(odd) is None
