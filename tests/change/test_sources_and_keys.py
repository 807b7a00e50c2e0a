"""Every source of a certificate with every type of key, on every server, met by the client libraries of every major."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12

from pgssl_wizard.certificates import issue, keys
from pgssl_wizard.certificates.issue import Issued
from pgssl_wizard.certificates.profiles import KeyType, Profile
from pgssl_wizard.change.apply import apply
from pgssl_wizard.change.model import Change
from tests.change.test_request import signed
from tests.change.test_whole_way import facts_of, plan_for
from tests.servers import RealCluster, certificates, libpq

NAMES = ["localhost", "127.0.0.1"]
#: RSA with 4096 bits says nothing that 3072 does not, and takes seconds to make.
KEYS: tuple[KeyType, ...] = ("ecdsa-p256", "ecdsa-p384", "rsa-2048", "rsa-3072")

Answers = dict[str, object]


def self_signed(place: Path, key: KeyType, cluster: RealCluster) -> Answers:
    """Nobody above it; the clients' CA is another."""
    return {"certificate.source": "self-signed", "clients.ca": clients_ca(place)}


def new_ca(place: Path, key: KeyType, cluster: RealCluster) -> Answers:
    """A root of our own."""
    return {"certificate.source": "new-ca"}


def with_intermediate(place: Path, key: KeyType, cluster: RealCluster) -> Answers:
    """A root and an intermediate of our own."""
    return {"certificate.source": "new-ca", "certificate.intermediate": True}


def existing_ca(place: Path, key: KeyType, cluster: RealCluster) -> Answers:
    """A company's issuing CA with a key of the same type."""
    root, issuing = company(key)
    (place / "issuing.pem").write_bytes(issuing.certificate_pem + root.certificate_pem)
    (place / "issuing.key").write_bytes(issuing.key_pem)
    return {
        "certificate.source": "existing-ca",
        "certificate.ca_certificate": str(place / "issuing.pem"),
        "certificate.ca_key": str(place / "issuing.key"),
    }


def request(place: Path, key: KeyType, cluster: RealCluster) -> Answers:
    """A company's answer to our request."""
    wanted: Answers = {"certificate.source": "request", "certificate.key": key, "server.names": NAMES}
    facts = facts_of(cluster)
    apply(plan_for(facts, place / "ca", wanted), facts)
    root, issuing = company(key)
    asked = signed(place / "server.csr", certificates.Made(issuing.certificate, issuing.key))  # type: ignore[arg-type]
    (place / "answer.pem").write_bytes(asked + issuing.certificate_pem + root.certificate_pem)
    return {**wanted, "certificate.import_certificate": [str(place / "answer.pem")], "clients.ca": clients_ca(place)}


def imported(place: Path, key: KeyType, cluster: RealCluster) -> Answers:
    """PKCS#12 with everything in it."""
    root, issuing = company(key)
    leaf = issue.make(Profile("server", "localhost", key, 90, "", tuple(NAMES)), keys.generate(key), issuing, certificates.now())
    chain = [issuing.certificate, root.certificate]
    data = pkcs12.serialize_key_and_certificates(b"db", leaf.key, leaf.certificate, chain, BestAvailableEncryption(b"xyzzy"))
    (place / "db.p12").write_bytes(data)
    return {
        "certificate.source": "import",
        "certificate.import_certificate": [str(place / "db.p12")],
        "certificate.import_passphrase_command": "echo xyzzy",
        "clients.ca": clients_ca(place),
    }


SOURCES: tuple[Callable[[Path, KeyType, RealCluster], Answers], ...] = (
    self_signed,
    new_ca,
    with_intermediate,
    existing_ca,
    request,
    imported,
)


def company(key: KeyType) -> tuple[Issued, Issued]:
    """Return a company's root and its issuing CA."""
    now = certificates.now()
    root = issue.make(Profile("root", "Company Root", key, 900, "Company Root", path_length=1), keys.generate(key), None, now)
    middle = Profile("intermediate", "Company Issuing", key, 300, "Company Root", path_length=0)
    return root, issue.make(middle, keys.generate(key), root, now)


def clients_ca(place: Path) -> str:
    """Write a CA for clients alone, with its key; return its certificate's file."""
    made = certificates.make("Clients' CA", ca=True, days=400)
    (place / "clients.crt").write_bytes(made.pem)
    (place / "clients.key").write_bytes(made.key_pem)
    return str(place / "clients.crt")


def attempts(cluster: RealCluster, made: Change, kit: Path, wrong: Path) -> Iterator[tuple[dict[str, str], str | None]]:
    """Yield what clients try, and what they are told; None: they get in."""
    usual = {
        "hostaddr": "127.0.0.1",
        "port": str(cluster.port),
        "user": "app",
        "dbname": "app",
        "password": cluster.app_password,
        "sslmode": "verify-full",
        "sslrootcert": str(made.trust_anchor),
        "sslcert": str(kit / "postgresql.crt"),
        "sslkey": str(kit / "postgresql.key"),
        "gssencmode": "disable",
    }
    for name in NAMES:
        yield {**usual, "host": name}, None
    yield {**usual, "host": "elsewhere.example.com"}, "does not match host name"
    yield {**usual, "host": "localhost", "sslrootcert": str(wrong)}, "certificate verify failed"
    without = {**usual, "host": "localhost", "sslcert": "/nonexistent/postgresql.crt"}
    yield without, "connection requires a valid client certificate"
    yield {**usual, "host": "localhost", "sslmode": "disable"}, "no encryption|SSL off|rejects connection"


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.__name__)
def test_clients_of_every_major_verify_the_server_and_are_verified(
    source: Callable[[Path, KeyType, RealCluster], Answers], cluster: RealCluster, tmp_path: Path
) -> None:
    wrong = tmp_path / "wrong.crt"
    wrong.write_bytes(certificates.make("Nobody's CA", ca=True).pem)
    clients = libpq.libraries()
    if not clients:
        pytest.skip("no client libraries lie beside the servers found")
    for key in KEYS:
        place = tmp_path / key
        place.mkdir()
        wanted = {
            "server.names": NAMES,
            "certificate.key": key,
            "clients.certificates": "verify-full",
            "clients.roles": ["app"],
            "clients.encryption": "required",
            **source(place, key, cluster),
        }
        facts = facts_of(cluster)
        made = apply(plan_for(facts, place / "ca", wanted), facts, rehearse=False)
        assert made.proved, made.findings
        tried = list(attempts(cluster, made, place / "clients" / "app", wrong))
        for major, library in clients.items():
            outcomes = libpq.connect(library, [settings for settings, _ in tried])
            for (settings, told), outcome in zip(tried, outcomes, strict=True):
                if source is request and major < 15 and settings["host"] == "127.0.0.1":
                    # A company's CA writes an address as an address alone, which these do not look at.
                    assert "does not match host name" in outcome.message
                    continue
                case = (key, major, settings["host"], settings["sslmode"], outcome.message)
                assert outcome.got_in == (told is None), case
                assert told is None or any(words in outcome.message for words in told.split("|")), case
                assert not outcome.got_in or (outcome.tls or "").startswith("TLSv1."), case
