"""A request asks for what the server needs, and the commands by hand make the same."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from pgssl_wizard.certificates import keys, openssl, request
from pgssl_wizard.certificates.profiles import KeyType, Profile

NAMES = ("db.example.com", "*.cluster.example.com", "10.0.0.5", "2001:db8::1")


def profile(kind: KeyType) -> Profile:
    """A request for all kinds of names."""
    return Profile("request", "db.example.com", kind, 0, "", NAMES)


def told(data: bytes) -> tuple[object, ...]:
    """What a request says, field by field; its key's kind instead of the key."""
    read = x509.load_pem_x509_csr(data)
    assert read.is_signature_valid
    extensions = sorted((each.oid.dotted_string, each.critical, each.value.public_bytes()) for each in read.extensions)
    digest = read.signature_hash_algorithm
    return read.subject.public_bytes(), keys.type_of(read.public_key()), digest.name if digest else None, extensions


@pytest.mark.parametrize(("kind", "digest"), [("ecdsa-p256", "sha256"), ("ecdsa-p384", "sha384"), ("rsa-2048", "sha256")])
def test_a_request_names_everything_once_and_asks_to_prove_a_server(kind: KeyType, digest: str) -> None:
    key = keys.generate(kind)
    read = x509.load_pem_x509_csr(request.make(profile(kind), key))
    assert read.is_signature_valid
    assert read.public_key() == key.public_key()
    assert read.subject == x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "db.example.com")])
    names = read.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["db.example.com", "*.cluster.example.com"]
    assert [str(each) for each in names.get_values_for_type(x509.IPAddress)] == ["10.0.0.5", "2001:db8::1"]
    assert list(read.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [ExtendedKeyUsageOID.SERVER_AUTH]
    usage = read.extensions.get_extension_for_class(x509.KeyUsage).value
    assert usage.digital_signature
    assert usage.key_encipherment is isinstance(key, rsa.RSAPrivateKey)
    assert read.signature_hash_algorithm is not None
    assert read.signature_hash_algorithm.name == digest


@pytest.mark.parametrize("kind", ["ecdsa-p256", "ecdsa-p384", "rsa-2048"])
def test_openssl_verifies_a_request_and_makes_the_same_by_the_commands(kind: KeyType, tmp_path: Path) -> None:
    key = keys.generate(kind)
    ours = request.make(profile(kind), key)
    (tmp_path / "ours.csr").write_bytes(ours)
    verified = subprocess.run(
        ["openssl", "req", "-in", "ours.csr", "-noout", "-verify"], check=False, cwd=tmp_path, capture_output=True, text=True
    )
    assert verified.returncode == 0, verified.stderr
    commands = openssl.request_commands(profile(kind), "server.csr", "server.key.requested")
    made = subprocess.run(["/bin/sh", "-ec", "\n".join(commands)], check=False, cwd=tmp_path, capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    assert told((tmp_path / "server.csr").read_bytes()) == told(ours)
    by_hand = keys.load((tmp_path / "server.key.requested").read_bytes())
    assert by_hand is not None
    assert x509.load_pem_x509_csr((tmp_path / "server.csr").read_bytes()).public_key() == by_hand.public_key()
    assert (tmp_path / "server.key.requested").stat().st_mode & 0o077 == 0
