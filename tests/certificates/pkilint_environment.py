"""pkilint, in an environment of its own because its pins differ from ours; made once, with pip."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
import venv
from functools import cache
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
#: PostgreSQL's own clients take these names; the web's rules do not.
ALLOWED = {"pkix.invalid_domain_name_syntax"}


@cache
def program() -> Path:
    """Return the linter; skips the test where it cannot be installed."""
    named = os.environ.get("PGSSL_PKILINT")
    if named:
        return Path(named)
    home = CHECKOUT / ".cache" / "pkilint"
    found = home / "bin" / "lint_pkix_cert"
    home.parent.mkdir(parents=True, exist_ok=True)
    with (home.parent / "pkilint.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not found.exists():
            shutil.rmtree(home, ignore_errors=True)
            venv.create(home, with_pip=True)
            done = subprocess.run(
                [home / "bin" / "python", "-m", "pip", "install", "--quiet", "pkilint>=0.12"], check=False, capture_output=True, text=True
            )
            if done.returncode != 0:
                shutil.rmtree(home, ignore_errors=True)
                pytest.skip(f"pkilint cannot be installed for {sys.version.split()[0]}: {done.stderr.strip()[-200:]}")
    return found


def lint(certificate: Path) -> list[str]:
    """Return everything of WARNING or above that pkilint says of a certificate, what is allowed left out."""
    return _said(program(), certificate)


def lint_list(crl: Path) -> list[str]:
    """Return everything of WARNING or above that pkilint says of a revocation list."""
    return _said(program().with_name("lint_crl"), crl, "-t", "CRL", "-p", "PKIX")


def _said(linter: Path, file: Path, *options: str) -> list[str]:
    done = subprocess.run([linter, "lint", *options, "-s", "WARNING", "-f", "JSON", str(file)], check=False, capture_output=True, text=True)
    assert done.stdout, done.stderr
    results = json.loads(done.stdout)["results"]
    return [
        f"{finding['severity']} {finding['code']}"
        for result in results
        for finding in result["finding_descriptions"]
        if finding["code"] not in ALLOWED
    ]
