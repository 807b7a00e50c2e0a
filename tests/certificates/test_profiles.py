"""Every certificate that we make satisfies the strictest verifiers there are."""

from __future__ import annotations

import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs12

from pgssl_wizard.certificates import issue, keys, openssl, openssl_kits
from pgssl_wizard.certificates.issue import Issued
from pgssl_wizard.certificates.kits import MODES
from pgssl_wizard.certificates.names import parse_names
from pgssl_wizard.certificates.profiles import KeyType, Profile, made_for
from pgssl_wizard.certificates.roles import directory_name
from pgssl_wizard.certificates.verify import objections
from pgssl_wizard.errors import Refused
from tests.certificates.pkilint_environment import lint

NAMES = ("db.example.com", "db", "*.db.example.com", "10.0.0.5", "::1")
NOW = datetime.now(UTC)
KEYS: tuple[KeyType, ...] = ("ecdsa-p256", "ecdsa-p384", "rsa-2048", "rsa-3072", "rsa-4096")
SHAPES = ("self-signed", "root", "intermediate")

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")


def profiles(shape: str, key: KeyType = "ecdsa-p256", days: int = 365) -> list[Profile]:
    """Return the profiles of one shape of chain, issuers first."""
    if shape == "self-signed":
        return [Profile("self-signed", "db.example.com", key, days, "db.example.com", NAMES)]
    root = Profile("root", "Test CA", key, 3650, "Test CA", path_length=1)
    if shape == "root":
        return [root, Profile("server", "db.example.com", key, days, "Test CA", NAMES)]
    middle = Profile("intermediate", "Test CA Intermediate", key, 1825, "Test CA", path_length=0)
    return [root, middle, Profile("server", "db.example.com", key, days, "Test CA Intermediate", NAMES)]


def chain(shape: str, key: KeyType = "ecdsa-p256", now: datetime = NOW) -> list[Issued]:
    """Make a chain, issuers first."""
    made: list[Issued] = []
    for profile in profiles(shape, key):
        made.append(issue.make(profile, keys.generate(key), made[-1] if made else None, now))
    return made


@needs_openssl
@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("shape", SHAPES)
def test_openssl_strict_pyca_and_pkilint_find_nothing_to_object_to(shape: str, key: KeyType, tmp_path: Path) -> None:
    made = chain(shape, key)
    leaf, root = made[-1], made[0]
    for number, each in enumerate(made):
        (tmp_path / f"{number}.crt").write_bytes(each.certificate_pem)
    command = [
        "openssl",
        "verify",
        "-x509_strict",
        "-purpose",
        "sslserver",
        "-verify_hostname",
        "db.example.com",
        "-CAfile",
        str(tmp_path / "0.crt"),
    ]
    if len(made) == 3:
        command += ["-untrusted", str(tmp_path / "1.crt")]
    done = subprocess.run([*command, str(tmp_path / f"{len(made) - 1}.crt")], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    following = [each.certificate for each in made[1:-1]][::-1]
    assert objections([leaf.certificate, *following], root.certificate, parse_names(NAMES), NOW) == ()
    for number in range(len(made)):
        assert lint(tmp_path / f"{number}.crt") == []


@pytest.mark.parametrize("shape", SHAPES)
def test_a_leaf_is_no_ca_carries_every_name_and_begins_an_hour_back(shape: str) -> None:
    leaf = chain(shape)[-1].certificate
    basic = leaf.extensions.get_extension_for_class(x509.BasicConstraints)
    assert (basic.value.ca, basic.critical) == (False, True)
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == list(NAMES)
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["10.0.0.5", "::1"]
    assert NOW - leaf.not_valid_before_utc - timedelta(hours=1) < timedelta(seconds=2)
    assert {x509.AuthorityKeyIdentifier.oid, x509.SubjectKeyIdentifier.oid} <= {extension.oid for extension in leaf.extensions}


def test_no_certificate_outlives_the_one_that_signed_it() -> None:
    root = issue.make(profiles("root")[0], keys.generate("ecdsa-p256"), None, NOW - timedelta(days=3600))
    leaf = issue.make(profiles("root", days=365)[1], keys.generate("ecdsa-p256"), root, NOW)
    assert leaf.certificate.not_valid_after_utc == root.certificate.not_valid_after_utc


def test_an_expired_ca_signs_nothing() -> None:
    root = issue.make(profiles("root")[0], keys.generate("ecdsa-p256"), None, NOW - timedelta(days=4000))
    with pytest.raises(Refused, match="expired"):
        issue.make(profiles("root")[1], keys.generate("ecdsa-p256"), root, NOW)


def test_serial_numbers_are_random_and_positive() -> None:
    serials = {chain("self-signed")[0].certificate.serial_number for _ in range(5)}
    assert len(serials) == 5
    assert all(1 << 157 < serial < 1 << 159 for serial in serials)


def test_a_key_shows_in_no_representation() -> None:
    made = chain("self-signed")[0]
    assert "PRIVATE" not in repr(made)
    assert "key" not in repr(made)


@needs_openssl
@pytest.mark.parametrize("key", ["ecdsa-p256", "ecdsa-p384", "rsa-2048"])
@pytest.mark.parametrize("shape", SHAPES)
def test_the_openssl_commands_make_the_same_certificates(shape: str, key: KeyType, tmp_path: Path) -> None:
    wanted = profiles(shape, key)
    stems = {"root": "root", "intermediate": "intermediate", "server": "server", "self-signed": "server"}
    files = {profile: (f"{stems[profile.kind]}.crt", f"{stems[profile.kind]}.key") for profile in wanted}
    chains = {"server.crt": ["server.crt", "intermediate.crt"]} if shape == "intermediate" else {}
    script = "set -e\n" + "\n".join(openssl.commands(wanted, files, chains))
    done = subprocess.run(["/bin/sh"], input=script, check=False, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    ours = chain(shape, key)
    for profile, mine in zip(wanted, ours, strict=True):
        theirs = x509.load_pem_x509_certificates((tmp_path / files[profile][0]).read_bytes())[0]
        assert fields(theirs) == fields(mine.certificate)
        life = theirs.not_valid_after_utc - theirs.not_valid_before_utc
        assert abs(life - timedelta(days=profile.days)) < timedelta(seconds=2)
        assert keys.matches((tmp_path / files[profile][1]).read_bytes(), theirs)
        assert (tmp_path / files[profile][1]).stat().st_mode & 0o777 == 0o600
    if shape == "intermediate":
        assert len(x509.load_pem_x509_certificates((tmp_path / "server.crt").read_bytes())) == 2


@needs_openssl
@pytest.mark.parametrize("role", ["app", "a b", "Straße", "we\"i'rd\\,#+=;", "$HOME/x"])
@pytest.mark.parametrize("shape", ["root", "intermediate"])
def test_the_openssl_commands_make_the_same_kit(shape: str, role: str, tmp_path: Path) -> None:
    wanted = [profile for profile in profiles(shape, "ecdsa-p256") if profile.kind in {"root", "intermediate"}]
    files = {profile: (f"{profile.kind}.crt", f"{profile.kind}.key") for profile in wanted}
    signer = wanted[-1]
    client = Profile("client", role, "ecdsa-p256", 365, signer.common_name)
    above = [files[signer][0]] if signer.kind == "intermediate" else []
    lines = [*openssl.commands(wanted, files, {}), *openssl_kits.commands(client, files[signer], above, "root.crt", digest="-sha256")]
    done = subprocess.run(["/bin/sh"], input="set -e\n" + "\n".join(lines), check=False, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    place = tmp_path / directory_name(role)
    theirs = x509.load_pem_x509_certificates((place / "postgresql.crt").read_bytes())
    authority = chain(shape, "ecdsa-p256")[len(wanted) - 1]
    ours = issue.make(client, keys.generate("ecdsa-p256"), authority, datetime.now(UTC))
    assert fields(theirs[0]) == fields(ours.certificate)
    assert len(theirs) == 1 + len(above)
    assert keys.matches((place / "postgresql.key").read_bytes(), theirs[0])
    packed = pkcs12.load_pkcs12((place / "postgresql.p12").read_bytes(), b"")
    assert packed.cert is not None
    assert packed.cert.certificate == theirs[0]
    assert [each.certificate for each in packed.additional_certs] == theirs[1:]
    key = serialization.load_der_private_key((place / "postgresql.pk8").read_bytes(), None)
    assert key.public_key() == theirs[0].public_key()
    assert {path.name for path in place.iterdir()} == set(MODES) - {"README.txt"}
    assert place.stat().st_mode & 0o777 == 0o700


def fields(certificate: x509.Certificate) -> dict[str, object]:
    """Return what two certificates for different keys must have in common."""
    found: dict[str, object] = {
        "subject": certificate.subject.rfc4514_string(),
        "issuer": certificate.issuer.rfc4514_string(),
        "version": certificate.version,
        "key": keys.key_type(certificate),
        "signature": certificate.signature_algorithm_oid.dotted_string,
    }
    for extension in certificate.extensions:
        value: object = extension.value
        if isinstance(extension.value, x509.SubjectKeyIdentifier):
            value = len(extension.value.digest)
        elif isinstance(extension.value, x509.AuthorityKeyIdentifier):
            value = extension.value.authority_cert_issuer
        elif isinstance(extension.value, x509.SubjectAlternativeName):
            value = sorted(str(name) for name in extension.value)
        found[extension.oid.dotted_string] = (extension.critical, value)
    return found


@pytest.mark.parametrize(
    ("life", "fits"),
    [
        (timedelta(days=365), True),
        (timedelta(days=365) - timedelta(minutes=43), True),
        (timedelta(days=365) - timedelta(hours=1), True),
        (timedelta(days=365) - timedelta(hours=1, seconds=1), True),
        (timedelta(days=365) - timedelta(hours=2), False),
        (timedelta(days=366), False),
    ],
)
def test_a_certificate_of_a_ca_that_is_minutes_old_counts_as_made_for_its_days(life: timedelta, fits: bool) -> None:
    assert made_for(365, life) is fits
