"""What a kit holds, and that it is what verifiers, Java's key store and libpq want."""

from __future__ import annotations

import multiprocessing
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote_to_bytes

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given
from hypothesis import strategies as st
from psycopg.conninfo import conninfo_to_dict

from pgssl_wizard.certificates import issue, keys, kits, workers
from pgssl_wizard.certificates.authority import open_authority
from pgssl_wizard.certificates.issue import Issued
from pgssl_wizard.certificates.kit_text import Connection, check, readme
from pgssl_wizard.certificates.kits import CERTIFICATE, KEY, KEY_DER, MODES, PKCS12, README, ROOT, Kit, Maker, Order
from pgssl_wizard.certificates.profiles import KeyType, Profile
from pgssl_wizard.certificates.read import read_certificates
from pgssl_wizard.certificates.roles import LONGEST, NamedRole, directory_name, parse_list
from pgssl_wizard.certificates.roles import check as check_roles
from pgssl_wizard.certificates.verify import client_objections
from pgssl_wizard.errors import Refused, UnusableInput
from tests.certificates.pkilint_environment import lint

NOW = datetime.now(UTC).replace(microsecond=0)
ODD = ("app", "1st", "my role", 'quo"te', "it's", "back\\slash", "größe", "a/b", "..", "-x", "%41", "{{host}}", "x" * LONGEST)

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")

role_names = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1, max_size=LONGEST).filter(
    lambda name: len(name.encode()) <= LONGEST
)


def authorities(key: KeyType = "ecdsa-p256", days: int = 3650, *, middle: bool = False) -> list[Issued]:
    """Return a root, and with `middle` an intermediate below it."""
    made = [issue.make(Profile("root", "Test CA", key, days, "Test CA", path_length=1), keys.generate(key), None, NOW)]
    if middle:
        profile = Profile("intermediate", "Test CA Intermediate", key, days, "Test CA", path_length=0)
        made.append(issue.make(profile, keys.generate(key), made[0], NOW))
    return made


def order(made: Sequence[Issued], key: KeyType = "ecdsa-p256", days: int = 365, passphrase: bytes = b"", **where: str) -> Order:
    """Return an order to the lowest of these."""
    found = open_authority(
        ("ca.crt", made[-1].certificate_pem), ("ca.key", made[-1].key_pem), [each.certificate for each in made], NOW, lambda _: None
    )
    assert found.root is not None
    root = found.root.public_bytes(serialization.Encoding.PEM)
    return kits.order(found, root, key=key, days=days, passphrase=passphrase, connection=Connection(**where), made=NOW)  # type: ignore[arg-type]


def leaf_of(kit: Kit) -> x509.Certificate:
    """Return the certificate of a kit."""
    return read_certificates(kit.files[CERTIFICATE])[0]


@needs_openssl
@pytest.mark.parametrize("key", ["ecdsa-p256", "ecdsa-p384", "rsa-2048"])
@pytest.mark.parametrize("middle", [False, True], ids=["root", "intermediate"])
def test_openssl_strict_pyca_and_pkilint_accept_the_certificate_of_a_client(key: KeyType, middle: bool, tmp_path: Path) -> None:
    made = authorities(middle=middle)
    kit = Maker(order(made, key)).kit("app")
    for name, data in kit.files.items():
        (tmp_path / name).write_bytes(data)
    command = ["openssl", "verify", "-x509_strict", "-purpose", "sslclient", "-CAfile", ROOT, "-untrusted", CERTIFICATE, CERTIFICATE]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    chain = read_certificates(kit.files[CERTIFICATE])
    assert len(chain) == 1 + middle
    assert client_objections(chain, made[0].certificate, NOW) == ()
    (tmp_path / "leaf.crt").write_bytes(chain[0].public_bytes(serialization.Encoding.PEM))
    assert lint(tmp_path / "leaf.crt") == []


@pytest.mark.parametrize("role", ODD)
def test_the_common_name_is_the_role_exactly_and_the_rest_is_for_a_client_alone(role: str) -> None:
    leaf = leaf_of(Maker(order(authorities())).kit(role))
    assert [str(each.value) for each in leaf.subject] == [role]
    of = leaf.extensions.get_extension_for_class
    assert list(of(x509.ExtendedKeyUsage).value) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    assert (of(x509.BasicConstraints).value.ca, of(x509.BasicConstraints).critical) == (False, True)
    usage = of(x509.KeyUsage).value
    assert (usage.digital_signature, usage.key_encipherment, usage.key_cert_sign) == (True, False, False)
    assert of(x509.SubjectAlternativeName).value.get_values_for_type(x509.DirectoryName) == [leaf.subject]
    assert NOW - leaf.not_valid_before_utc == timedelta(hours=1)
    assert leaf.not_valid_after_utc - leaf.not_valid_before_utc == timedelta(days=365)
    assert leaf.serial_number >> 157


@pytest.mark.parametrize("passphrase", [b"", b"open sesame", "größe".encode()])
def test_every_file_holds_the_same_pair(passphrase: bytes) -> None:
    made = authorities(middle=True)
    kit = Maker(order(made, passphrase=passphrase)).kit("app")
    assert list(kit.files) == list(MODES)
    leaf = leaf_of(kit)
    assert keys.matches(kit.files[KEY], leaf)
    private = serialization.load_der_private_key(kit.files[KEY_DER], None)
    assert private.public_key() == leaf.public_key()
    packed = pkcs12.load_pkcs12(kit.files[PKCS12], passphrase)
    assert packed.cert is not None
    # The only name that the JDBC driver looks for.
    assert (packed.cert.certificate, packed.cert.friendly_name) == (leaf, b"user")
    assert [each.certificate for each in packed.additional_certs] == [made[1].certificate]
    assert kit.files[ROOT] == made[0].certificate_pem
    assert "PRIVATE" not in repr(kit)


@needs_openssl
@pytest.mark.parametrize("passphrase", ["", "open sesame"])
def test_openssl_opens_the_pkcs12_file(passphrase: str, tmp_path: Path) -> None:
    kit = Maker(order(authorities(), passphrase=passphrase.encode())).kit("app")
    (tmp_path / "kit.p12").write_bytes(kit.files[PKCS12])
    done = subprocess.run(
        ["openssl", "pkcs12", "-in", "kit.p12", "-nodes", "-passin", f"pass:{passphrase}"], check=True, capture_output=True, cwd=tmp_path
    )
    assert keys.matches(done.stdout[done.stdout.index(b"-----BEGIN PRIVATE") :], leaf_of(kit))


@pytest.mark.skipif(shutil.which("keytool") is None, reason="no Java here")
@pytest.mark.parametrize("passphrase", ["", "open sesame"])
def test_java_finds_the_key_in_the_pkcs12_file(passphrase: str, tmp_path: Path) -> None:
    kit = Maker(order(authorities(), passphrase=passphrase.encode())).kit("app")
    (tmp_path / "kit.p12").write_bytes(kit.files[PKCS12])
    done = subprocess.run(
        ["keytool", "-list", "-storetype", "pkcs12", "-keystore", "kit.p12", "-storepass", passphrase],
        check=False,
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert "user" in done.stdout, done.stdout
    assert "PrivateKeyEntry" in done.stdout


def test_no_certificate_outlives_whoever_stands_above_it() -> None:
    root, middle = authorities(days=30, middle=True)
    assert leaf_of(Maker(order([root, middle])).kit("app")).not_valid_after_utc == middle.certificate.not_valid_after_utc
    # An intermediate that outlives its root is good only as long as the root is.
    profile = Profile("intermediate", "Long", "ecdsa-p256", 900, "Test CA", path_length=0)
    long_key = keys.generate("ecdsa-p256")
    long_root = issue.make(Profile("root", "Test CA", "ecdsa-p256", 900, "Test CA", path_length=1), root.key, None, NOW)
    long = issue.make(profile, long_key, long_root, NOW)
    assert leaf_of(Maker(order([root, long])).kit("app")).not_valid_after_utc == root.certificate.not_valid_after_utc


@given(role_names, role_names)
def test_a_directory_name_is_safe_and_says_which_role_it_is_for(first: str, second: str) -> None:
    name = directory_name(first)
    assert unquote_to_bytes(name) == first.encode()
    assert (name == directory_name(second)) is (first == second)
    assert name.isascii()
    assert not set(name) - set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-%")
    assert len(name) <= 3 * LONGEST < 255


@given(role_names, st.sampled_from(["db.example.com", "10.0.0.5", "::1"]), role_names)
def test_libpq_reads_the_settings_of_any_role_as_they_were_meant(role: str, host: str, database: str) -> None:
    text = readme(role, Connection(host, 6432, database), NOW, with_passphrase=False)
    lines = text.split("\n")
    line = lines[lines.index("psql and everything on libpq") + 2]
    wanted = {"host": host, "port": "6432", "dbname": database, "user": role, "sslmode": "verify-full", "sslrootcert": ROOT}
    assert conninfo_to_dict(line) == {**wanted, "sslcert": CERTIFICATE, "sslkey": KEY}
    url = next(line for line in lines if "asyncpg.connect(" in line).split('"')[1]
    assert conninfo_to_dict(url) == conninfo_to_dict(line)
    assert "{{" not in text.replace(role, "").replace(database, "")


def test_the_readme_names_what_is_to_be_replaced_and_nothing_else() -> None:
    text = Maker(order(authorities())).kit("app").files[README].decode()
    assert "Replace HOST by a name that the server's certificate carries, and DATABASE by the database's name.\n" in text
    filled = readme("app", Connection("db", 5433, "shop"), NOW, with_passphrase=True)
    assert "Replace" not in filled
    assert "=HOST" not in filled
    assert "DATABASE" not in filled.replace("DATABASES", "")
    assert "with the passphrase you were told" in filled
    lines = filled.split("\n")
    headings = [line for line, rule in pairwise(lines) if rule and not set(rule) - {"-"}]
    drivers = ["psql", "psycopg", "SQLAlchemy", "Django", "asyncpg", "JDBC", "Npgsql", "node-postgres"]
    drivers += ["pgx", "lib/pq", "tokio-postgres", "sqlx", "PHP", "ODBC", "PgBouncer"]
    assert [line.replace(",", " ").split()[0] for line in headings] == drivers


@pytest.mark.parametrize("host", ["", "/tmp", "a b", "x;y", "a'b", "a\nb"])
def test_a_host_that_no_certificate_can_name_is_unusable(host: str) -> None:
    with pytest.raises(UnusableInput):
        check(Connection(host))


def test_a_list_of_roles_has_blank_lines_comments_and_names_as_they_stand() -> None:
    data = '\ufeff# the shop\r\napp\r\n\n  1st  # a digit\nmy role\nx#y\n"quoted"\napp\n'.encode()
    named = parse_list(data, "roles.txt")
    assert [(role.name, role.where) for role in named] == [
        ("app", "roles.txt:2"),
        ("1st", "roles.txt:4"),
        ("my role", "roles.txt:5"),
        ("x#y", "roles.txt:6"),
        ('"quoted"', "roles.txt:7"),
        ("app", "roles.txt:8"),
    ]
    names, findings = check_roles(named)
    assert names == ("app", "1st", "my role", "x#y", '"quoted"')
    assert [(finding.code, finding.where) for finding in findings] == [
        ("role-in-quotes", "roles.txt:7"),
        ("role-named-twice", "roles.txt:8"),
    ]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"app\nbad\xff\n", "UTF-8"),
        (b"app\na\rb\n", "line break"),
        (b"app\na\0b\n", "control character"),
        (b"app\n" + "\u2028x".encode(), "line break"),
        (b"app\n" + b"x" * 64, "64 bytes"),
        (b"app\n" + "ü".encode() * 32, "64 bytes"),
    ],
)
def test_a_role_that_cannot_be_one_is_refused_with_its_line(data: bytes, why: str) -> None:
    with pytest.raises(UnusableInput, match=why) as caught:
        check_roles(parse_list(data, "roles.txt"))
    assert caught.value.where == "roles.txt:2"


@pytest.mark.parametrize("name", ["", "a\nb", "a\x7fb", "\udcff"])
def test_a_named_role_that_cannot_be_one_is_refused(name: str) -> None:
    with pytest.raises(UnusableInput):
        check_roles([NamedRole(name)])


def test_a_kit_that_stands_is_kept_only_while_it_is_what_would_be_made() -> None:
    made = authorities(middle=True)
    wanted = order(made)
    kit = Maker(wanted).kit("app")

    def verdict(*, role: str = "app", change: Order = wanted, **files: bytes | None) -> Kit | str:
        names = {name.replace(".", "_"): name for name in kit.files}
        return Maker(change).standing(role, {**kit.files, **{names[name]: data for name, data in files.items()}})

    same = verdict()
    assert isinstance(same, Kit)
    assert (same.sha256, same.not_after) == (kit.sha256, kit.not_after)
    assert isinstance(verdict(change=replace(wanted, made=NOW + timedelta(days=200))), Kit)
    other = Maker(order(authorities())).kit("app")
    for expected, found in {
        "a third": verdict(change=replace(wanted, made=NOW + timedelta(days=250))),
        "names app": verdict(role="bob"),
        "key is ecdsa-p256": verdict(change=replace(wanted, key="rsa-2048")),
        "for 365 days": verdict(change=replace(wanted, days=90)),
        "another passphrase": verdict(change=replace(wanted, passphrase=b"x")),
        "root.crt is another": verdict(change=replace(wanted, root=other.files[ROOT])),
        "another CA": verdict(postgresql_crt=other.files[CERTIFICATE]),
        "other intermediates": verdict(postgresql_crt=leaf_of(kit).public_bytes(serialization.Encoding.PEM)),
        "does not belong": verdict(postgresql_key=other.files[KEY]),
        "holds another certificate": verdict(postgresql_p12=other.files[PKCS12]),
        "no postgresql.pk8": verdict(postgresql_pk8=None),
        "no certificate": verdict(postgresql_crt=b""),
    }.items():
        assert isinstance(found, str)
        assert expected in found


def test_a_kit_shortened_by_its_ca_is_kept_too() -> None:
    wanted = order(authorities(days=100))
    kit = Maker(wanted).kit("app")
    assert isinstance(Maker(wanted).standing("app", kit.files), Kit)


def test_workers_make_the_same_kits_and_are_gone_when_nobody_wants_more() -> None:
    made = authorities()
    wanted = order(made, passphrase=b"x")
    roles = [f"role{number}" for number in range(40)]
    found = {kit.role: kit for kit in workers.make(wanted, roles, 2)}
    assert sorted(found) == sorted(roles)
    for kit in found.values():
        assert client_objections([leaf_of(kit)], made[0].certificate, NOW) == ()
    stream = workers.make(wanted, roles, 2)
    next(stream)
    assert len(multiprocessing.active_children()) == 2
    stream.close()  # type: ignore[attr-defined]
    assert multiprocessing.active_children() == []


def test_a_worker_that_is_killed_is_noticed() -> None:
    stream = workers.make(order(authorities(), passphrase=b"x"), [f"role{number}" for number in range(400)], 2)
    next(stream)
    multiprocessing.active_children()[0].kill()
    with pytest.raises(RuntimeError, match="has ended"):
        list(stream)
    assert multiprocessing.active_children() == []


def test_who_is_no_ca_for_clients_is_told_apart() -> None:
    root = authorities()[0]
    server = issue.make(Profile("server", "db", "ecdsa-p256", 30, "Test CA", ("db",)), keys.generate("ecdsa-p256"), root, NOW)

    def opened(certificate: bytes, key: bytes, now: datetime = NOW) -> object:
        return open_authority(("c", certificate), ("k", key), [], now, lambda _: None)

    with pytest.raises(UnusableInput, match="is no CA"):
        opened(server.certificate_pem, server.key_pem)
    with pytest.raises(UnusableInput, match="does not belong"):
        opened(root.certificate_pem, server.key_pem)
    with pytest.raises(UnusableInput, match="no certificate"):
        opened(b"", root.key_pem)
    with pytest.raises(UnusableInput, match="no private key"):
        opened(root.certificate_pem, b"")
    with pytest.raises(Refused, match="expired"):
        opened(root.certificate_pem, root.key_pem, NOW + timedelta(days=4000))
    with pytest.raises(Refused, match="not valid before"):
        opened(root.certificate_pem, root.key_pem, NOW - timedelta(days=1))
