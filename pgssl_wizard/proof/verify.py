"""Proof by real connections: the certificate served against the one on disk, and every sslmode with every root."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from pgssl_wizard.cluster.facts import Cluster, Known, Postmaster
from pgssl_wizard.proof import anchor as anchors
from pgssl_wizard.proof import strangers
from pgssl_wizard.proof.clients import (
    Client,
    asks_for_password,
    choose,
    choose_database,
    name_counts_after_password,
    promise_to,
    rests_on_unseen_method,
)
from pgssl_wizard.proof.configured import configured_of
from pgssl_wizard.proof.entering import Entered, enter
from pgssl_wizard.proof.matrix import Row, expect, rows
from pgssl_wizard.proof.model import Attempt, Proof, RootGiven, Verdict
from pgssl_wizard.proof.names import reachable_address, source_address, to_try
from pgssl_wizard.proof.revoked import revoked_by
from pgssl_wizard.proof.shown import Shown, of_kits
from pgssl_wizard.proof.ways import KNOWN_TRIED, objection
from pgssl_wizard.server import attempt, handshake

#: Attempts at the same time: they wait more than they work, and a server has few connections to spare.
_AT_ONCE = 4
#: Kits that are tried: one shows that the CA and the rules go together, a few that the directory holds what it should.
_KITS_TRIED = 5
#: Seconds until an attempt counts as refused.
_PATIENCE = 10.0


@dataclass(frozen=True, slots=True)
class _Target:
    """Where attempts go and what they carry.

    Attributes:
        unseen: the rule's method may fail without being asked for a password.
        password: what is said when a password is asked for; None: being asked is enough.
    """

    hostaddr: str | None
    port: int
    client: Client
    roots: dict[RootGiven, Path | None]
    certificate: Path
    key: Path
    unseen: bool = False
    password: str | None = None


def verify(
    cluster: Cluster,
    *,
    names: Sequence[str] | None = None,
    root: Path | None = None,
    user: str | None = None,
    database: str | None = None,
    whole: bool = True,
    kits: Mapping[str, Path] | None = None,
    shown: Sequence[Shown] = (),
    rootless: bool = False,
    uncovered: Sequence[str] = (),
    ways: bool = False,
    known: Sequence[Known] = (),
    before: Cluster | None = None,
) -> Proof:
    """Prove what a cluster on this machine does, by connecting as clients would.

    Args:
        cluster: as inspected; its settings and rules say what ought to happen.
        names: what clients call the server; by default the names in its certificate.
        root: the trust anchor; by default the one recorded at the last change, or one found beside the certificate.
        user: role to connect as; by default one that a rule lets in.
        database: its database; likewise.
        whole: the whole table; else only verify-full by each name.
        kits: directories of clients' kits that stand, by role: with the certificate in it a role is let in as the rules say, and
            without it likewise.
        shown: further client certificates to try.
        rootless: it is known that nobody has the root here: what needs it is not tried, and that is no fault.
        uncovered: those of `names` that the certificate is known not to cover: a client that verifies is to be refused by them.
        ways: every way in is opened anew as well: the administrator's, those of roles and standbys that are known, and whoever meets a rule.
        known: who is known to come in, the most important first.
        before: the cluster before the change that is proved; then the rules that it changed are met.

    Returns:
        The proof; what could not be tried is `not-tried`, and why stands in `problems`.

    Raises:
        UnusableInput: the given root cannot be used.
    """
    asked = tuple(name for name in names or () if name not in uncovered) or _certificate_names(cluster)
    trusted = anchors.find(cluster, root)
    server = cluster.postmaster
    address = reachable_address(server) if server else None
    if server is None or address is None:
        problem = _out_of_reach(server)
        entered = enter(cluster) if ways else Entered()
        return Proof(None, None, trust_anchor=trusted.path if trusted else None, problems=(problem,), ways=entered.ways)
    problems: list[str] = []
    served = handshake.fetch(address, server.port)
    on_disk = _leaf_on_disk(cluster, problems)
    if not asked:
        problems.append("the certificate names nobody, and no name was given")
    if trusted is None and not rootless:
        problems.append("no root certificate is known for this server; name the file with --root")
    client_ca = bool(cluster.value("ssl_ca_file"))
    client = choose(cluster, source_address(address, server.port), user, database)
    promise = promise_to(client, cluster, tls13=served is None or served.protocol == "TLSv1.3")
    unseen = rests_on_unseen_method(client, cluster)
    table = rows(to_try(asked), client_ca=client_ca, uncovered=to_try(uncovered))
    wanted = [row for row in table if whole or (row.sslmode == "verify-full" and row.root == "right")]
    with tempfile.TemporaryDirectory(prefix="pgssl-proof-") as folder:
        target = dataclasses.replace(_target(Path(folder), address, server.port, client, trusted), unseen=unseen)
        attempts = _try_all(target, [(row, expect(promise, row)) for row in wanted if whole or row.certificate == "none"])
        if whole and asked:
            certificates = [*_of_kits(cluster, kits or {}), *shown]
            attempts += _with_certificates(target, cluster, to_try(asked)[0], certificates, tls13=promise.tls13)
    users = {each.user for each in known}
    held = dict(sorted((kits or {}).items(), key=lambda each: each[0] not in users))
    own = [*_of_kits(cluster, held, KNOWN_TRIED), *shown] if ways else []
    entered = enter(cluster, known=known, shown=own, before=before) if ways else Entered()
    if promise.tls and served is not None:
        problems += _not_verified(attempts, to_try(uncovered))
    return Proof(
        served=served,
        matches_disk=served is not None and served.sha256 == on_disk,
        attempts=attempts,
        trust_anchor=trusted.path if trusted else None,
        client_library=attempt.client_library(),
        problems=tuple(problems),
        ways=entered.ways,
        ways_left_out=entered.left_out,
        configured=configured_of(cluster, entered.certificate),
    )


def _with_certificates(
    target: _Target, cluster: Cluster, host: str, shown: Sequence[Shown], *, tls13: bool, passwords: Mapping[str, str] | None = None
) -> tuple[Attempt, ...]:
    """Try roles with their certificates, and each role without one."""
    attempts: tuple[Attempt, ...] = ()
    clients: dict[str, Client] = {}
    for each in shown:
        bare = each.role not in clients
        if bare:
            # Each role goes where the first of its certificates, the right one, lets it in.
            clients[each.role] = choose_database(cluster, target.client.address or "", each.role, each.identity)
        client = clients[each.role]
        root = each.root or target.roots["right"]
        own = dataclasses.replace(
            target,
            client=client,
            roots={**target.roots, "right": root},
            certificate=each.certificate,
            key=each.key,
            unseen=rests_on_unseen_method(client, cluster, shown=each.identity),
            password=(passwords or {}).get(each.role) if asks_for_password(client, cluster, each.identity) else None,
        )
        # Without TLS a certificate is never asked for.
        promise = promise_to(client, cluster, tls13=tls13, shown=each.identity)
        wanted = [(row, expect(promise, row)) for row in (Row(host, sslmode, given, each.state) for sslmode, given in each.ways)]
        if bare:
            row = Row(host, "verify-full", "right")
            wanted.append((row, expect(promise_to(client, cluster, tls13=tls13), row)))
        if own.password is None and name_counts_after_password(client, cluster, each.identity):
            attempts += tuple(dataclasses.replace(_planned(own, row, expected), message=_AFTER_PASSWORD) for row, expected in wanted)
        else:
            attempts += _try_all(own, wanted)
    return attempts


def try_certificates(
    cluster: Cluster, shown: Sequence[Shown], *, names: Sequence[str], root: Path, passwords: Mapping[str, str] | None = None
) -> tuple[Attempt, ...]:
    """Try client certificates alone, by the first of `names`; nothing where the server cannot be reached or no name is known.

    Args:
        cluster: whose settings and rules say what ought to happen.
        shown: the certificates.
        names: what clients call the server; by default the names in its certificate.
        root: the trust anchor.
        passwords: of roles, where they are known; without one, being asked for it is to be let in.

    Raises:
        UnusableInput: the root cannot be used.
    """
    server = cluster.postmaster
    address = reachable_address(server) if server else None
    asked = to_try(names or _certificate_names(cluster))
    if server is None or address is None or not asked:
        return ()
    served = handshake.fetch(address, server.port)
    client = choose(cluster, source_address(address, server.port), None, None)
    with tempfile.TemporaryDirectory(prefix="pgssl-proof-") as folder:
        target = _target(Path(folder), address, server.port, client, anchors.read_given(root))
        tls13 = served is None or served.protocol == "TLSv1.3"
        return _with_certificates(target, cluster, asked[0], shown, tls13=tls13, passwords=passwords)


def verify_remote(
    host: str, port: int, root: Path | None, *, user: str | None = None, database: str | None = None, shown: Shown | None = None
) -> Proof:
    """Prove what a server elsewhere shows; its files and rules are not known here.

    Only what certificates decide is promised: whoever checks with the right root gets through, whoever has a wrong one does not.

    Args:
        host: the name that clients use; it is looked up.
        port: of the server.
        root: the trust anchor; without it nothing can be verified.
        user: role to connect as.
        database: its database.
        shown: a client certificate that every attempt shows; which rule asks for one is not known here.

    Raises:
        UnusableInput: the given root cannot be used.
    """
    trusted = anchors.read_given(root) if root else None
    served = handshake.fetch(host, port, None if _is_address(host) else host)
    problems = []
    if trusted is None:
        problems.append("without a root certificate nothing is verified; name the file with --root")
    if served is None:
        problems.append(handshake.probe(host, port).problem or "the server does not answer with TLS")
    client = Client(user or "postgres", database or user or "postgres")
    with tempfile.TemporaryDirectory(prefix="pgssl-proof-") as folder:
        target = _target(Path(folder), None, port, client, trusted)
        wanted = list(_remote_rows(host))
        if shown is not None:
            target = dataclasses.replace(
                target, client=Client(shown.role, database or shown.role), certificate=shown.certificate, key=shown.key
            )
            late = shown.state == "expired"
            wanted = [(dataclasses.replace(row, certificate=shown.state), "reject" if late else end) for row, end in wanted]
        attempts = _try_all(target, wanted) if served is not None else ()
    return Proof(
        served=served,
        matches_disk=None,
        attempts=attempts,
        trust_anchor=trusted.path if trusted else None,
        client_library=attempt.client_library(),
        problems=tuple(problems),
    )


def _remote_rows(host: str) -> Iterable[tuple[Row, Verdict]]:
    """Return the attempts whose end is known without knowing the rules."""
    yield Row(host, "require", "none"), "accept"
    for sslmode in ("require", "verify-ca", "verify-full"):
        yield Row(host, sslmode, "right"), "accept"
        yield Row(host, sslmode, "wrong"), "reject"


def objections(proof: Proof) -> str | None:
    """Return what does not hold, in a sentence without its full stop; None when all is well."""
    if proof.holds:
        return None
    if proof.problems:
        return proof.problems[0]
    if proof.served is None:
        return "the server answers without TLS"
    if proof.matches_disk is False:
        return "the certificate that the server shows is not the one on disk"
    if proof.matches_settings is False and proof.configured is not None:
        return f"the certificate that the server shows is not the one that its settings name, {proof.configured.certificate}"
    wrong = [each for each in proof.attempts if not each.as_expected]
    if not wrong:
        return objection(proof.ways)
    first = wrong[0]
    said = f": {first.message.splitlines()[0]}" if first.message else ""
    more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
    return f"{first.host} with sslmode={first.sslmode} and {_ROOTS[first.root]} was to {first.expected} and did {first.outcome}{said}{more}"


_AFTER_PASSWORD = "the server compares the name in the certificate only after the password, which nobody knows here"
_ROOTS = {"none": "no root", "right": "the right root", "wrong": "a wrong root"}


def _of_kits(cluster: Cluster, kits: Mapping[str, Path], most: int = _KITS_TRIED) -> list[Shown]:
    """Return the certificates of a few kits, of roles that are there where that is known."""
    known = cluster.server.roles if cluster.server else None
    return list(of_kits([each for each in kits.items() if known is None or each[0] in known][:most], revoked_by(cluster)))


def _target(folder: Path, hostaddr: str | None, port: int, client: Client, trusted: anchors.Anchor | None) -> _Target:
    """Write the files that the attempts need into a private directory."""
    others = strangers.make(folder, client.user)
    right: Path | None = None
    if trusted is not None:
        right = folder / "root.crt"
        right.write_bytes(trusted.pem)
    return _Target(hostaddr, port, client, {"none": None, "right": right, "wrong": others.root}, others.certificate, others.key)


def _try_all(target: _Target, wanted: Sequence[tuple[Row, Verdict]]) -> tuple[Attempt, ...]:
    """Make the attempts, a few at a time, and return them in order."""
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="attempt") as pool:
        return tuple(pool.map(lambda each: _try_one(target, *each), wanted))


def _planned(target: _Target, row: Row, expected: Verdict) -> Attempt:
    """Return an attempt that is not made yet."""
    return Attempt(
        host=row.host,
        user=target.client.user,
        sslmode=row.sslmode,
        root=row.root,
        certificate=row.certificate,
        expected=expected,
        outcome="not-tried",
        hostaddr=target.hostaddr,
    )


def _try_one(target: _Target, row: Row, expected: Verdict) -> Attempt:
    """Make one attempt."""
    offered = row.certificate != "none"
    root = target.roots[row.root]
    planned = _planned(target, row, expected)
    if row.root == "right" and root is None:
        return dataclasses.replace(planned, message="no root is known")
    tried = attempt.try_connection(
        row.host,
        target.port,
        target.client.user,
        target.client.database,
        sslmode=row.sslmode,
        hostaddr=target.hostaddr,
        root=root,
        certificate=target.certificate if offered else None,
        key=target.key if offered else None,
        password=target.password,
        timeout=_PATIENCE,
    )
    message = tried.message or ""
    let_in = tried.stopped_by == "inside" or (target.unseen and expected == "accept" and tried.stopped_by != "rules")
    # What fails after the rules have let the client through is not theirs; without TLS where it was asked for, it did not get so far.
    accepted = tried.outcome == "accept" or (let_in and (tried.tls is not None or row.sslmode in {"disable", "allow", "prefer"}))
    return dataclasses.replace(planned, outcome="accept" if accepted else "reject", tls=tried.tls, message=None if accepted else message)


def _not_verified(attempts: Sequence[Attempt], uncovered: Sequence[str]) -> list[str]:
    """Return which names a verifying client was to find in the certificate and did not, also where the rules would refuse it afterwards."""
    return [
        f"{each.host}: a client that verifies does not accept the certificate: {each.message}"
        for each in attempts
        if (each.sslmode, each.root, each.certificate, each.outcome) == ("verify-full", "right", "none", "reject")
        and each.as_expected
        and each.tls is None
        and each.host not in uncovered
    ]


def _out_of_reach(server: Postmaster | None) -> str:
    """Return why no connection can be made."""
    if server is None:
        return "the server is down"
    if server.apart:
        return "the server runs in a container: from outside nothing can be proved, run this inside"
    return "the server listens on Unix sockets only: over TCP nobody reaches it"


def _leaf_on_disk(cluster: Cluster, problems: list[str]) -> str | None:
    """Return the fingerprint of the certificate that the settings name; what is wrong with it is added to `problems`."""
    path = cluster.path_of("ssl_cert_file")
    if cluster.value("ssl") != "on" or path is None:
        problems.append("TLS is off in the settings")
        return None
    try:
        sha256 = anchors.leaf_sha256(path.read_bytes())
    except OSError as error:
        problems.append(f"{path} cannot be read: {error.strerror}")
        return None
    if sha256 is None:
        problems.append(f"{path} holds no certificate")
    return sha256


def _certificate_names(cluster: Cluster) -> tuple[str, ...]:
    """Return the names in the server's certificate as the inspection saw it; the CN where there are none."""
    for fact in cluster.certificates:
        if fact.role == "server":
            return fact.names or ((fact.common_name,) if fact.common_name else ())
    return ()


def _is_address(host: str) -> bool:
    """Whether this is an address and not a name."""
    return ":" in host or host.replace(".", "").isdigit()
