"""Decision, rule and message against real servers: random files, real connections, real certificates, and no disagreement."""

from __future__ import annotations

import os
import random
import re
import socket
import ssl
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from pgssl_wizard.access.decide import Attempt, ClientCertificate, Decision, decide
from pgssl_wizard.access.decider import Decider
from pgssl_wizard.access.explain import compare
from pgssl_wizard.cluster.addresses import own_ranges
from pgssl_wizard.files.hba import Rule, parse_rules
from pgssl_wizard.files.ident import parse_maps
from tests.access import generating
from tests.access.connecting import Heard, connect
from tests.access.generating import Line, Try, quoted
from tests.servers import RealCluster, certificates
from tests.servers.cluster import free_port

#: Attempts on each server, and on one pair of files.
FEW, MANY, A_FILE = 480, 1_800, 60
PASSWORD = "the-same-for-all"

_RDN = {"CN": NameOID.COMMON_NAME, "O": NameOID.ORGANIZATION_NAME, "OU": NameOID.ORGANIZATIONAL_UNIT_NAME, "E": NameOID.EMAIL_ADDRESS}
#: Subjects of the clients' certificates, in the order in which they stand there.
SUBJECTS: Mapping[str, Sequence[tuple[str, str]]] = {
    "alice": (("CN", "alice"),),
    "Alice": (("O", "Exämple, Inc."), ("CN", "Alice")),
    "carol": (("O", 'A "quoted" + <odd> #1;'), ("OU", " blanks "), ("CN", "carol"), ("E", "c@example.com")),
    "two": (("CN", "shop"), ("O", "Example"), ("CN", "alice")),
    "blank": (("CN", "a b"),),
    "comma": (("CN", "x,y"), ("OU", "#hash")),
    "umlaut": (("CN", "Ünï"),),
    "unnamed": (("O", "No Name"),),
    "nobody": (("CN", generating.NOBODY),),
}


@dataclass(frozen=True)
class Shown:
    """A client's certificate: how to come with it, and what the rules are told of it."""

    context: ssl.SSLContext
    certificate: ClientCertificate


#: How attempts end, each by some of its words.
ENDINGS = (
    "requires a valid",
    "rejects connection",
    "rejects replication",
    '"trust" auth',
    "password auth",
    "certificate auth",
    "could not accept",
)


@dataclass(frozen=True)
class Ground:
    """A running server with roles, databases and a CA, and the certificates of clients."""

    cluster: RealCluster
    shown: Mapping[str, Shown]
    bare: ssl.SSLContext
    memberships: Mapping[str, tuple[str, ...]]
    sources: tuple[str, ...]


@pytest.fixture
def ground(stopped_cluster: RealCluster, open_tmp_path: Path) -> Ground:
    """A server with everything that the files of a test may name; what it is asked is asked before they are there."""
    cluster = stopped_cluster
    company, stranger = certificates.make("Company", ca=True), certificates.make("Stranger", ca=True)
    cluster.serve_tls()
    cluster.write("root.crt", company.pem, 0o644)
    cluster.set(ssl_ca_file="root.crt", log_line_prefix="", max_connections="100", log_min_messages="log")
    # Checking a password in clear takes the server ten milliseconds with scram.
    cluster.set(password_encryption="md5")
    sources = ["127.0.0.1", "127.1.2.3", "127.200.0.9"]
    if any(own.startswith("::1/") for own in own_ranges()):
        sources.append("::1")
    cluster.set(listen_addresses="127.0.0.1,::1" if "::1" in sources else "127.0.0.1")
    cluster.start()
    for _ in range(5):
        if all(map(partial(_listens, cluster), sources)):
            break
        # Somebody's outgoing connection has that port on one of the addresses.
        cluster.port = free_port()
        cluster.set(port=str(cluster.port))
        cluster.restart()
    for name in generating.ROLES:
        cluster.sql(f"create role {quoted(name)} login noinherit password '{PASSWORD}'")
    for name, granted in generating.ROLES.items():
        for role in granted:
            cluster.sql(f"grant {quoted(role)} to {quoted(name)}")
    shown = {name: _shown(open_tmp_path / f"{name}.pem", company, subject) for name, subject in SUBJECTS.items()}
    outsider = _shown(open_tmp_path / "outsider.pem", stranger, SUBJECTS["alice"])
    shown["outsider"] = Shown(outsider.context, ClientCertificate("alice", "CN=alice", trusted=False))
    members = {name: tuple(_closure(name)) for name in generating.ROLES}
    members |= {cluster.superuser: (), "app": ()}
    return Ground(cluster, shown, _context(), members, tuple(sources))


def _listens(cluster: RealCluster, source: str) -> bool:
    try:
        socket.create_connection(("::1" if ":" in source else "127.0.0.1", cluster.port), 10).close()
    except ConnectionRefusedError:
        return False
    return True


def _closure(name: str) -> set[str]:
    granted = generating.ROLES[name]
    return set(granted).union(*map(_closure, granted))


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _shown(path: Path, issuer: certificates.Made, subject: Sequence[tuple[str, str]]) -> Shown:
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(_RDN[kind], value) for kind, value in subject]))
        .issuer_name(issuer.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .sign(issuer.key, hashes.SHA256())
    )
    made = certificates.Made(certificate, key)
    path.write_bytes(made.key_pem + made.pem)
    context = _context()
    context.load_cert_chain(path)
    command = ["openssl", "x509", "-in", str(path), "-noout", "-subject", "-nameopt", "RFC2253"]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    first = next((value for kind, value in subject if kind == "CN"), "")
    return Shown(context, ClientCertificate(first, printed.removeprefix("subject=").removesuffix("\n")))


def test_real_servers_decide_the_same_by_the_same_rule_with_the_same_words(ground: Ground, request: pytest.FixtureRequest) -> None:
    """No disagreement on decision, rule and message, on every major."""
    count = int(os.environ.get("PGSSL_ATTEMPTS") or (MANY if request.config.getoption("--all-majors") else FEW))
    rng = random.Random(int(os.environ.get("PGSSL_SEED") or ground.cluster.major))  # noqa: S311 - nothing secret
    planned = -(-count // A_FILE)
    wanted = ENDINGS if count >= MANY else ()
    met: set[str] = set()
    # The rarest endings may need a few files more; what is met at all does not hang on luck.
    for number in range(2 * planned):
        if number >= planned and not _missing(wanted, met):
            break
        met |= compared(ground, rng, with_hosts=number % 4 == 3)
    assert {"accept", "reject", "no rule"} <= met
    assert _missing(wanted, met) == []


def _missing(wanted: Sequence[str], met: set[str]) -> list[str]:
    return [each for each in wanted if not any(each in words for words in met)]


@pytest.mark.parametrize("name", ["Alice", "carol"])
def test_maps_let_in_the_same_names_as_on_real_servers(ground: Ground, name: str) -> None:
    """Every way to write the name and the role of a line, and whether a line behind it still counts."""
    cluster, major = ground.cluster, ground.cluster.major
    certificate = ground.shown[name].certificate
    maps = generating.maps_in_pairs(major, certificate.cn)
    cluster.write("pg_ident.conf", "".join(maps))
    # A database for each map, so that one file has all of them.
    cluster.write("pg_hba.conf", "".join(f"hostssl {number} all all cert map={number}\n" for number in range(len(maps))))
    before = len(cluster.log())
    cluster.reload()
    assert "not reloaded" not in cluster.log()[before:], cluster.log()[before:]
    lines = parse_maps(cluster.ident_file, major, lambda _: "".join(maps).encode(), lambda _: None)
    rules = _rules(cluster)
    ends: set[str] = set()
    for number in range(len(maps)):
        for user in ("alice", certificate.cn, certificate.cn * 2, "bob", generating.NOBODY):
            each = Try(str(number), user, "127.0.0.1", tls=True, certificate=name, replication=False)
            decision = decide(rules, _attempt(ground, each), major, ssl_ca=True, maps=lines)
            heard = _connect(ground, each, password=None)
            said = ("reject", heard.message) if heard.kind == "refused" else ("accept", None)
            assert said == (decision.decision, decision.message), (maps[number], each, decision, heard)
            ends.add(decision.decision)
    assert ends == {"accept", "reject"}


def compared(ground: Ground, rng: random.Random, *, with_hosts: bool) -> set[str]:
    """Compare all attempts on one random pair of files, and return what was met."""
    cluster = ground.cluster
    major = cluster.major
    # Words that look like keywords are host names too. Only this source has a name without asking anybody far away.
    hosts = ("localhost", ".localhost", "LOCALHOST", "db.example.com", ".host", "ALL", '"all"', "*.localhost") if with_hosts else ()
    sources = ("127.0.0.1",) if with_hosts else ground.sources
    lines = [generating.a_line(rng, major, hosts) for _ in range(rng.randint(6, 50))]
    names = rng.sample(generating.USERS, 3)
    split = rng.randrange(len(lines)) if major >= 16 else len(lines)
    known = [each.certificate for each in ground.shown.values()]
    maps = generating.a_map(rng, major, [each.cn for each in known if each.cn], [each.dn or "" for each in known])
    cluster.write("names", "\n".join(quoted(name) for name in names) + "\n")
    cluster.write("pg_ident.conf", maps)
    common_names = {name: each.certificate.cn for name, each in ground.shown.items()}
    tries = [generating.a_try(rng, sources, common_names) for _ in range(A_FILE)]

    _load(cluster, lines, split, twin=True)
    before = len(cluster.log())
    for each in tries:
        _connect(ground, each, password="wrong")
    places = _places(cluster, cluster.log()[before:])
    assert len(places) == len(tries)

    _load(cluster, lines, split, twin=False)
    rules = _rules(cluster)
    assert [rule.error for rule in rules if rule.error] == []
    read = {cluster.ident_file: maps.encode()}
    map_lines = parse_maps(cluster.ident_file, major, read.get, lambda _: None)
    assert [line.error for line in map_lines if line.error] == []
    decider = Decider(rules, major, ssl_ca=True, own_ranges=own_ranges(), maps=map_lines)
    met: set[str] = set()
    for each, place in zip(tries, places, strict=True):
        attempt = _attempt(ground, each)
        decision = decide(rules, attempt, major, ssl_ca=True, own_ranges=own_ranges(), maps=map_lines)
        assert decider.decide(attempt) == decision
        assert (str(decision.rule.file), decision.rule.line) == place if decision.rule else place is None, (each, decision, place)
        told = compare(rules, attempt, major, own_ranges=own_ranges())
        assert decision.rule is None or (told[-1].matched and told[-1].rule == decision.rule)
        heard = _connect(ground, each, password=_password(decision, each))
        words = _said(heard, decision, each, cluster)
        assert words == (decision.decision, decision.message), (each, decision, heard)
        met |= {decision.decision, decision.message or "", "a rule" if decision.rule else "no rule"}
    return met


def _load(cluster: RealCluster, lines: Sequence[Line], split: int, *, twin: bool) -> None:
    """Write the rules, those behind `split` into a file that is included, and have the server take them."""
    texts = [line.twin() if twin else line.real() for line in lines]
    included = texts[split : split + 5]
    text = [*texts[:split], "include more.conf", *texts[split + 5 :]] if included else texts
    cluster.write("more.conf", "".join(f"{line}\n" for line in included))
    cluster.write("pg_hba.conf", "".join(f"{line}\n" for line in text))
    before = len(cluster.log())
    cluster.reload()
    assert "not reloaded" not in cluster.log()[before:], cluster.log()[before:]


def _rules(cluster: RealCluster) -> tuple[Rule, ...]:
    def read(path: Path) -> bytes | None:
        return path.read_bytes() if path.exists() else None

    return parse_rules(cluster.hba_file, cluster.major, read, lambda _: None)


def _connect(ground: Ground, each: Try, *, password: str | None) -> Heard:
    tls = (ground.shown[each.certificate].context if each.certificate else ground.bare) if each.tls else None
    return connect(
        ground.cluster, database=each.database, user=each.user, source=each.source, tls=tls, replication=each.replication, password=password
    )


def _attempt(ground: Ground, each: Try) -> Attempt:
    user = each.user[:63]
    certificate = ground.shown[each.certificate].certificate if each.certificate else None
    return Attempt(
        each.database,
        each.user,
        each.source,
        each.tls,
        certificate=certificate,
        replication=each.replication,
        roles=ground.memberships.get(user, ()),
        host_name=_host_name(each.source) if each.source == "127.0.0.1" else None,
        exists=user in ground.memberships,
    )


@cache
def _host_name(address: str) -> str | None:
    """Return what the server finds, when the name leads back."""
    try:
        name = socket.getnameinfo((address, 0), socket.NI_NAMEREQD)[0]
        back = {found[4][0] for found in socket.getaddrinfo(name, None)}
    except OSError:
        return None
    return name if address in back else None


_MATCHED = re.compile(r"Connection matched (?:file \"(?P<new>[^\"]*)\"|(?P<old>\S+)) line (?P<line>\d+)")


def _places(cluster: RealCluster, log: str) -> list[tuple[str, int] | None]:
    """Return for each attempt, in turn, the line that the server names; None where no rule was reached."""
    found: list[tuple[str, int] | None] = []
    for line in log.splitlines():
        if line.startswith("FATAL:") or "could not accept SSL connection" in line:
            found.append(None)
        elif matched := _MATCHED.search(line):
            file = matched["new"] or matched["old"]
            found[-1] = (str(cluster.hba_file) if file == "pg_hba.conf" else file, int(matched["line"]))
    return found


def _password(decision: Decision, each: Try) -> str | None:
    """Return the password where the end beyond it is known too: the certificate's name is compared after it."""
    return PASSWORD if decision.clientcert == "verify-full" and decision.method == "password" and each.user in generating.ROLES else None


def _said(heard: Heard, decision: Decision, each: Try, cluster: RealCluster) -> tuple[str, str | None]:
    """Return the server's end of an attempt in the words of a decision."""
    if heard.kind == "handshake":
        line = next(line for line in reversed(cluster.log().splitlines()) if "SSL connection" in line)
        return "reject", line.removeprefix("LOG:").strip()
    if heard.kind == "refused" and decision.decision == "accept" and decision.method == "peer":
        # It took over, and found that we are somebody else.
        assert heard.message == f'Peer authentication failed for user "{each.user[:63]}"'
        return "accept", None
    if heard.kind == "refused":
        return "reject", heard.message
    if heard.kind == "asked" and decision.message and "password authentication failed" in decision.message:
        # Who does not exist cannot give the right password; the end is the same.
        assert each.user not in generating.ROLES
        return "reject", decision.message
    return "accept", None
