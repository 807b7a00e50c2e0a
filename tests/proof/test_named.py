"""Certificates that a person names for a proof: what is read in them, and what cannot be used."""

from __future__ import annotations

from pathlib import Path

import pytest

from pgssl_wizard.errors import UnusableInput
from pgssl_wizard.proof.named import named_elsewhere, named_here
from tests.certificates import making
from tests.plan import building
from tests.servers import certificates


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A directory with a few certificates and keys."""
    for name in ("app", "other"):
        made = certificates.make(name)
        (tmp_path / f"{name}.crt").write_bytes(made.pem)
        (tmp_path / f"{name}.key").write_bytes(made.key_pem)
    nobody = making.make("")
    (tmp_path / "nobody.crt").write_bytes(nobody.pem)
    (tmp_path / "nobody.key").write_bytes(nobody.key_as())
    (tmp_path / "locked.key").write_bytes(making.make("x").key_as(passphrase=b"secret"))
    return tmp_path


@pytest.mark.parametrize(
    ("certificate", "key", "words"),
    [
        ("app.crt", "other.key", "is not the key of"),
        ("app.key", "app.key", "holds no certificate"),
        ("app.crt", "app.crt", "holds no private key"),
        ("app.crt", "locked.key", "asks for a passphrase"),
        ("app.crt", "missing", "cannot be read"),
        ("missing", "app.key", "cannot be read"),
        ("nobody.crt", "nobody.key", "names nobody"),
    ],
)
def test_files_that_cannot_be_used_are_named_with_the_reason(files: Path, certificate: str, key: str, words: str) -> None:
    """For a server here and for one elsewhere."""
    for usable in (
        lambda: named_elsewhere(files / certificate, files / key, user=None),
        lambda: named_here(building.cluster(), files / certificate, files / key, user=None, address="127.0.0.1"),
    ):
        with pytest.raises(UnusableInput, match=words):
            usable()


def test_whoever_is_named_by_the_person_comes_with_a_nameless_certificate(files: Path) -> None:
    """It is theirs to say."""
    assert named_elsewhere(files / "nobody.crt", files / "nobody.key", user="app").role == "app"


def test_a_certificate_comes_as_the_role_that_it_names(files: Path) -> None:
    """In the state that its date and the server's own authorities give it."""
    found = named_here(building.cluster(), files / "app.crt", files / "app.key", user=None, address="127.0.0.1")
    assert (found.shown.role, found.shown.state, len(found.shown.ways)) == ("app", "right", 18)
    assert found.findings == ()
    late = certificates.make("app", days=-0.5)
    (files / "late.crt").write_bytes(late.pem)
    (files / "late.key").write_bytes(late.key_pem)
    assert named_elsewhere(files / "late.crt", files / "late.key", user=None).state == "expired"
