"""The name of a certificate as the server compares it."""

from __future__ import annotations

import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgssl_wizard.certificates import issue, keys
from pgssl_wizard.certificates.distinguished_name import common_name_in, of_role
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
    assert common_name_in("CN=\\C3\\9Cn\\C3\\AF x,O=Example") == "Ünï x"
    assert common_name_in("O=Example") == ""
