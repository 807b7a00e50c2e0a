"""What is said of chains beside what OpenSSL says of them: it refuses where we warn, and nowhere else."""

from __future__ import annotations

import shutil
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509

from tests.certificates.making import CLIENT, NOW, SERVER, Made, between, elliptic, given, make, root, usage, warned

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="there is no openssl")

DAY = timedelta(days=1)
ROOT = root()
MIDDLE = between(ROOT)
TIGHT = root("Tight", path_length=0)
BELOW_TIGHT = between(TIGHT)
MUTE = between(ROOT, "Mute", key_usage=usage(crl_sign=True))
BARE = between(ROOT, "Bare", no_usage=True)
NAMELESS = between(ROOT, "Nameless", identifiers=False)
LIMITED = between(ROOT, "Limited", constraints=x509.NameConstraints([x509.DNSName("example.org")], None))
BARRED = between(ROOT, "Barred", constraints=x509.NameConstraints(None, [x509.DNSName("example.com")]))
NO_CA = make("No CA", (), issuer=ROOT)
GONE = between(ROOT, "Gone", ends=-DAY)
OTHER = root()

#: Leaf, what stands below it in its file, the root file; whether only a strict client minds.
CHAINS: dict[str, tuple[Made, list[Made], list[Made], bool]] = {
    "in order": (make(issuer=MIDDLE, extended=SERVER), [MIDDLE], [ROOT], False),
    "self-signed": (make(), [], [], False),
    "with the root in it": (make(issuer=MIDDLE), [MIDDLE, ROOT], [ROOT], False),
    "right below the root": (make(issuer=ROOT), [], [ROOT], False),
    "without its intermediate": (make(issuer=MIDDLE), [], [ROOT], False),
    "below another root of the same name": (make(issuer=MIDDLE), [MIDDLE], [OTHER], False),
    "with an intermediate for a root": (make(issuer=MIDDLE), [], [MIDDLE], False),
    "expired": (make(issuer=MIDDLE, ends=-DAY), [MIDDLE], [ROOT], False),
    "of tomorrow": (make(issuer=MIDDLE, begins=DAY), [MIDDLE], [ROOT], False),
    "below an expired intermediate": (make(issuer=GONE), [GONE], [ROOT], False),
    "for clients": (make(issuer=MIDDLE, extended=CLIENT), [MIDDLE], [ROOT], False),
    "too long": (make(issuer=BELOW_TIGHT), [BELOW_TIGHT], [TIGHT], False),
    "below a CA that may not sign": (make(issuer=MUTE), [MUTE], [ROOT], False),
    "below no CA": (make(issuer=NO_CA), [NO_CA], [ROOT], False),
    "with a name not permitted": (make(issuer=LIMITED), [LIMITED], [ROOT], False),
    "with a name excluded": (make(issuer=BARRED), [BARRED], [ROOT], False),
    "with a name permitted": (make("db.example.org", issuer=LIMITED), [LIMITED], [ROOT], False),
    "of a CA that has a new key": (make(issuer=Made(MIDDLE.value, elliptic())), [MIDDLE], [ROOT], False),
    "without identifiers": (make(issuer=ROOT, identifiers=False), [], [ROOT], True),
    "below a CA without identifiers": (make(issuer=NAMELESS), [NAMELESS], [ROOT], True),
    "below a CA without key usage": (make(issuer=BARE), [BARE], [ROOT], True),
}


def openssl(directory: Path, leaf: Made, chain: list[Made], roots: list[Made], *, strict: bool) -> bool:
    """Whether OpenSSL verifies the chain for a server, at the time of the tests."""
    for name, made in (("leaf", [leaf]), ("chain", chain), ("root", roots or [leaf])):
        (directory / name).write_bytes(b"".join(each.pem for each in made))
    options = ["-x509_strict"] if strict else []
    options += ["-untrusted", str(directory / "chain")] if chain else []
    done = subprocess.run(
        [
            *("openssl", "verify", "-attime", str(int(NOW.timestamp())), "-purpose", "sslserver", *options),
            *("-no-CApath", "-no-CAstore", "-CAfile", str(directory / "root"), str(directory / "leaf")),
        ],
        check=False,
        capture_output=True,
    )
    return done.returncode == 0


@pytest.mark.parametrize("what", CHAINS)
def test_openssl_refuses_a_chain_that_is(tmp_path: Path, what: str) -> None:
    """And verifies those of which nothing is said."""
    leaf, chain, roots, strict = CHAINS[what]
    file = given("server-certificate", b"".join(each.pem for each in [leaf, *chain]), "server.crt")
    said = warned(file, given("ca", b"".join(each.pem for each in roots or [leaf]), "root.crt"))
    assert openssl(tmp_path, leaf, chain, roots, strict=True) is not bool(said), said
    assert openssl(tmp_path, leaf, chain, roots, strict=False) is (strict or not said), said
