"""The name of a certificate as the server compares it."""

from __future__ import annotations

import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pgssl_wizard.certificates import issue, keys
from pgssl_wizard.certificates.distinguished_name import of_role
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
