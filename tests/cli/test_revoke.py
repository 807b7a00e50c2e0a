"""The command `revoke` as a shell sees it: lists on disk, what goes on from them, and what is refused."""

from __future__ import annotations

import fcntl
import os
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from pgssl_wizard.certificates import issue, keys, revocation
from pgssl_wizard.certificates.issue import Issued
from pgssl_wizard.certificates.profiles import Profile
from pgssl_wizard.certificates.read import read_certificates
from pgssl_wizard.change.revoke import Wanted, revoke
from tests.certificates.making import list_pem
from tests.cli.test_commands import Shell, shell
from tests.cli.test_issue import make_ca

__all__ = ["shell"]

NOW = datetime.now(UTC)


@pytest.fixture
def ca(shell: Shell) -> list[Issued]:
    """A CA in the shell's directory `ca`, and kits of app and bob in `kits`."""
    made = make_ca(shell.directory / "ca")
    shell.json("issue", "app", "bob", "--ca", "ca", "-o", "kits")
    return made


def revoked_in(path: Path) -> list[int]:
    """The serial numbers in a list."""
    return [each.serial_number for each in x509.load_pem_x509_crl(path.read_bytes())]


def leaf_of(kit: Path) -> x509.Certificate:
    """The certificate of a kit."""
    return read_certificates((kit / "postgresql.crt").read_bytes())[0]


def test_the_document_tells_every_certificate_and_list(shell: Shell, ca: list[Issued]) -> None:
    kits, place = shell.directory / "kits", shell.directory / "ca" / "root.crl"
    (shell.directory / "bob.der").write_bytes(leaf_of(kits / "bob").public_bytes(Encoding.DER))
    document = shell.json("revoke", "kits/app", "bob.der", "--ca", "ca", "--reason", "KeyCompromise", "--days", 7)
    assert set(document) == {"command", "ok", "revoked", "crl", "findings"}
    assert document["findings"] == []
    app = leaf_of(kits / "app")
    assert document["revoked"][0] == {
        "certificate": str(kits / "app" / "postgresql.crt"),
        "subject": "CN=app",
        "serial": f"{app.serial_number:x}",
        "sha256": Issued(app, ca[0].key).sha256,
        "reason": "keyCompromise",
        "already": False,
    }
    crl = x509.load_pem_x509_crl(place.read_bytes())
    assert document["crl"] == [
        {
            "path": str(place),
            "issuer": "CN=Test CA",
            "number": 1,
            "this_update": f"{crl.last_update_utc:%Y-%m-%dT%H:%M:%SZ}",
            "next_update": f"{crl.last_update_utc + timedelta(days=7):%Y-%m-%dT%H:%M:%SZ}",
            "revoked": 2,
            "written": True,
        }
    ]
    assert stat.S_IMODE(place.stat().st_mode) == 0o644
    assert crl.is_signature_valid(ca[0].certificate.public_key())  # type: ignore[arg-type]
    assert revoked_in(place) == [app.serial_number, leaf_of(kits / "bob").serial_number]


def test_what_was_revoked_stays_revoked_and_twice_is_no_error(shell: Shell, ca: list[Issued]) -> None:
    place = shell.directory / "ca" / "root.crl"
    shell.json("revoke", "kits/app", "--ca", "ca", "--reason", "superseded")
    first = place.read_bytes()
    again = shell.json("revoke", "kits/app", "--ca", "ca")
    assert [(each["already"], each["reason"]) for each in again["revoked"]] == [(True, "superseded")]
    assert [each["code"] for each in again["findings"]] == ["revoked-already"]
    assert [(each["number"], each["written"]) for each in again["crl"]] == [(1, False)]
    assert place.read_bytes() == first
    both = shell.json("revoke", "kits/app", "kits/bob", "kits/bob/postgresql.crt", "--ca", "ca")
    assert [each["already"] for each in both["revoked"]] == [True, False]
    assert [(each["number"], each["revoked"]) for each in both["crl"]] == [(2, 2)]
    renewed = shell.json("revoke", "--renew", "--ca", "ca")
    assert [(each["number"], each["revoked"]) for each in renewed["crl"]] == [(3, 2)]
    assert shell.json("revoke", "--ca", "ca")["crl"][0]["number"] == 4


def test_a_serial_number_does_for_a_certificate_that_is_lost(shell: Shell, ca: list[Issued]) -> None:
    document = shell.json("revoke", "--serial", "0A:ff", "--ca", "ca")
    assert document["revoked"] == [
        {"certificate": None, "subject": None, "serial": "0aff", "sha256": None, "reason": "unspecified", "already": False}
    ]
    assert [each["code"] for each in document["findings"]] == ["serial-not-checked"]
    assert revoked_in(shell.directory / "ca" / "root.crl") == [0xAFF]
    assert shell.json("revoke", "--serial", "AFF", "--ca", "ca")["revoked"][0]["already"] is True


def test_with_an_intermediate_both_cas_get_lists_and_each_revokes_what_it_signed(shell: Shell) -> None:
    root, middle = make_ca(shell.directory / "ca", middle=True)
    shell.json("issue", "app", "--ca", "ca", "-o", "kits")
    document = shell.json("revoke", "kits/app", "--ca", "ca")
    assert [(Path(each["path"]).name, each["revoked"]) for each in document["crl"]] == [("intermediate.crl", 1), ("root.crl", 0)]
    direct = issue.make(Profile("client", "old", "ecdsa-p256", 30, "Test CA"), keys.generate("ecdsa-p256"), root, NOW)
    (shell.directory / "old.crt").write_bytes(direct.certificate_pem)
    document = shell.json("revoke", "old.crt", "--ca", "ca")
    assert [(Path(each["path"]).name, each["revoked"], each["written"]) for each in document["crl"]] == [
        ("intermediate.crl", 1, False),
        ("root.crl", 1, True),
    ]
    document = shell.json("revoke", "ca/intermediate.crt", "--ca", "ca")
    assert [each["code"] for each in document["findings"]] == ["ca-revoked"]
    assert revoked_in(shell.directory / "ca" / "root.crl") == [direct.certificate.serial_number, middle.certificate.serial_number]


def test_an_offline_root_without_a_list_is_told_with_the_outage_and_one_with_a_list_is_left_alone(shell: Shell) -> None:
    make_ca(shell.directory / "ca", middle=True)
    shell.json("issue", "app", "--ca", "ca", "-o", "kits")
    key = shell.directory / "ca" / "root.key"
    away = key.rename(shell.directory / "away.key")
    document = shell.json("revoke", "kits/app", "--ca", "ca")
    (finding,) = document["findings"]
    assert (finding["severity"], finding["code"]) == ("warning", "ca-without-crl")
    assert "refuses every client certificate" in finding["message"]
    assert [Path(each["path"]).name for each in document["crl"]] == ["intermediate.crl"]
    away.rename(key)
    shell.json("revoke", "--renew", "--ca", "ca")
    key.rename(away)
    document = shell.json("revoke", "--renew", "--ca", "ca")
    assert document["findings"] == []
    assert [(each["number"], each["written"]) for each in document["crl"]] == [(3, True), (1, False)]


@pytest.mark.parametrize("what", ["damaged", "foreign", "a certificate"])
def test_what_stands_in_the_place_of_the_list_and_is_none_of_this_ca_is_never_overwritten(
    what: str, shell: Shell, ca: list[Issued]
) -> None:
    other = make_ca(shell.directory / "other")
    stranger = list_pem(revocation.make(other[0], [], None, NOW))
    data = {"damaged": stranger[:-60], "foreign": stranger, "a certificate": ca[0].certificate_pem}[what]
    place = shell.directory / "ca" / "root.crl"
    place.write_bytes(data)
    document = shell.json("revoke", "kits/app", "--ca", "ca", code=3)
    assert [(each["code"], each["where"]) for each in document["findings"]] == [("crl-in-the-way", "ca/root.crl")]
    assert (document["revoked"], document["crl"]) == ([], [])
    assert place.read_bytes() == data


def test_one_certificate_of_another_ca_stops_all_of_them(shell: Shell, ca: list[Issued]) -> None:
    make_ca(shell.directory / "other")
    shell.json("issue", "eve", "--ca", "other", "-o", "kits")
    document = shell.json("revoke", "kits/app", "kits/eve", "--ca", "ca", code=3)
    assert [(each["code"], each["where"]) for each in document["findings"]] == [("not-of-this-ca", "kits/eve/postgresql.crt")]
    assert not (shell.directory / "ca" / "root.crl").exists()
    document = shell.json("revoke", "ca/root.crt", "--ca", "ca", code=3)
    assert document["findings"][0]["code"] == "root-revokes-itself"


def test_an_expired_certificate_and_a_servers_are_revoked_and_told(shell: Shell, ca: list[Issued]) -> None:
    old = root = ca[0]
    for name, kind, days in (("old", "client", 1), ("db.example.com", "server", 30)):
        profile = Profile(kind, name, "ecdsa-p256", days, "Test CA", ("db.example.com",) if kind == "server" else ())  # type: ignore[arg-type]
        made = issue.make(profile, keys.generate("ecdsa-p256"), root, NOW)
        old = made if kind == "client" else old
        (shell.directory / f"{name}.crt").write_bytes(made.certificate_pem)
    done = revoke(
        Wanted((shell.directory / "old.crt", shell.directory / "db.example.com.crt"), ca=shell.directory / "ca"),
        now=old.certificate.not_valid_after_utc + timedelta(hours=1),
        ca_passphrase=lambda _: None,
    )
    assert [finding.code for finding in done.findings] == ["certificate-expired", "server-certificate-revoked"]
    assert len(revoked_in(shell.directory / "ca" / "root.crl")) == 2


@pytest.mark.parametrize(
    ("arguments", "code", "where"),
    [
        (["kits/app"], "usage", None),
        (["kits/app", "--ca", "nowhere"], "no-ca", "nowhere"),
        (["missing.crt", "--ca", "ca"], "no-certificate", "missing.crt"),
        (["ca", "--ca", "ca"], "no-certificate", "ca/postgresql.crt"),
        (["notes.txt", "--ca", "ca"], "no-certificate", "notes.txt"),
        (["--serial", "xyz", "--ca", "ca"], "bad-serial", "--serial"),
        (["--serial", "0", "--ca", "ca"], "bad-serial", "--serial"),
        (["--serial", "f" * 41, "--ca", "ca"], "bad-serial", "--serial"),
        (["kits/app", "--reason", "removeFromCRL", "--ca", "ca"], "usage", None),
        (["kits/app", "--days", "0", "--ca", "ca"], "usage", None),
    ],
)
def test_unusable_input_ends_with_2_and_writes_nothing(
    arguments: list[str], code: str, where: str | None, shell: Shell, ca: list[Issued]
) -> None:
    (shell.directory / "notes.txt").write_text("not a certificate\n")
    document = shell.json("revoke", *arguments, code=2)
    (finding,) = document["findings"]
    assert (finding["code"], finding["where"]) == (code, where)
    assert (document["revoked"], document["crl"]) == ([], [])
    assert not (shell.directory / "ca" / "root.crl").exists()


def test_read_only_and_another_run_at_work_refuse(shell: Shell, ca: list[Issued]) -> None:
    assert shell.json("revoke", "kits/app", "--ca", "ca", "--read-only", code=3)["findings"][0]["code"] == "read-only"
    directory = os.open(shell.directory / "ca", os.O_RDONLY)
    fcntl.flock(directory, fcntl.LOCK_EX)
    try:
        assert shell.json("revoke", "kits/app", "--ca", "ca", code=3)["findings"][0]["code"] == "busy"
    finally:
        os.close(directory)
    assert not (shell.directory / "ca" / "root.crl").exists()


def test_an_encrypted_key_opens_by_command_and_a_ca_may_have_names_of_its_own(shell: Shell) -> None:
    made = make_ca(shell.directory / "ca", passphrase=b"open sesame")
    (shell.directory / "phrase").write_text("open sesame\n")
    opening = ("--ca-passphrase-command", "cat phrase")
    shell.json("issue", "app", "--ca", "ca", "-o", "kits", *opening)
    assert shell.json("revoke", "kits/app", "--ca", "ca", code=2)["findings"][0]["code"] == "ca-encrypted"
    (shell.directory / "company.pem").write_bytes(made[0].certificate_pem)
    (shell.directory / "ca" / "root.key").rename(shell.directory / "company.key")
    named = ("--ca-certificate", "company.pem", "--ca-key", "company.key")
    done = shell.run("revoke", "kits/app", *named, *opening)
    assert done.returncode == 0, done.stderr
    assert "sesame" not in done.stdout + done.stderr
    assert "It counts once servers have it" in done.stdout
    assert revoked_in(shell.directory / "company.crl") == [leaf_of(shell.directory / "kits" / "app").serial_number]
