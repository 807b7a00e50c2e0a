"""Whom a proof connects as, and what the rules promise to that client."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass

from pgssl_wizard.access.decide import Attempt, ClientCertificate, Decision, decide
from pgssl_wizard.certificates.distinguished_name import of_role
from pgssl_wizard.cluster.facts import Cluster
from pgssl_wizard.cluster.reading import names_in, read_bytes
from pgssl_wizard.files.hba import Rule, Token
from pgssl_wizard.files.ident import parse_maps
from pgssl_wizard.proof.matrix import Promise
from pgssl_wizard.proof.model import Verdict

#: With these a server that let the client through asks for a password.
PASSWORD_METHODS = frozenset({"scram-sha-256", "md5", "password", "ldap", "pam", "radius", "bsd"})
#: With these it asks for that, or for nothing: the end is known beforehand.
_PLAIN_METHODS = {**dict.fromkeys(PASSWORD_METHODS, 0), "trust": 1}
_KEYWORDS = {"all", "sameuser", "samerole", "samegroup", "replication"}


@dataclass(frozen=True, slots=True)
class Client:
    """A role at a database, from one address; the address is None where only the server knows it."""

    user: str
    database: str
    address: str | None = None
    host_name: str | None = None


def choose(cluster: Cluster, address: str, user: str | None, database: str | None) -> Client:
    """Return a client that the rules let in over TLS, best one that is asked for a password; else the most ordinary one.

    Args:
        cluster: whose rules count.
        address: from which this machine connects.
        user: the person's own choice.
        database: likewise.
    """
    host_name = host_name_for(address, cluster.rules)
    best: tuple[int, Client] | None = None
    first: Client | None = None
    for role in [user] if user else users(cluster):
        for base in [database] if database else _databases(cluster, role):
            client = Client(role, base, address, host_name)
            first = first or client
            decision = decision_on(client, cluster, tls=True)
            if decision.decision != "accept":
                continue
            rank = _PLAIN_METHODS.get(decision.method or "", 2)
            if best is None or rank < best[0]:
                best = (rank, client)
            if rank == 0:
                return client
    assert first is not None
    return best[1] if best else first


def choose_database(cluster: Cluster, address: str, role: str, shown: ClientCertificate | None = None) -> Client:
    """Return a role at a database that the rules let it into with a certificate, best one that it needs the certificate for.

    Args:
        cluster: whose rules count.
        address: from which this machine connects.
        role: who connects.
        shown: what the certificate says; by default the role's name and nothing else.
    """
    host_name = host_name_for(address, cluster.rules)
    clients = [Client(role, base, address, host_name) for base in _databases(cluster, role)]
    certificate = shown or own_certificate(role)
    accepted = [each for each in clients if decision_on(each, cluster, tls=True, shown=certificate).decision == "accept"]
    needed = [each for each in accepted if decision_on(each, cluster, tls=True).decision == "reject"]
    return (needed or accepted or clients)[0]


def own_certificate(role: str) -> ClientCertificate:
    """Return what a certificate says that bears a role's name and nothing else."""
    return ClientCertificate(role, of_role(role))


def promise_to(client: Client, cluster: Cluster, *, tls13: bool, shown: ClientCertificate | None = None) -> Promise:
    """Return what the settings and rules of `cluster` promise to a client, with this certificate or without one."""
    return Promise(
        tls=cluster.value("ssl") == "on",
        plaintext=_verdict(decision_on(client, cluster, tls=False)),
        encrypted=_verdict(decision_on(client, cluster, tls=True, shown=shown)),
        client_ca=bool(cluster.value("ssl_ca_file")),
        tls13=tls13,
    )


def rests_on_unseen_method(client: Client, cluster: Cluster, *, shown: ClientCertificate | None = None) -> bool:
    """Whether a rule hands the client to a method that ends by itself (gss, ident, oauth): then its refusal says nothing about rules."""
    decisions = [decision_on(client, cluster, tls=tls, shown=shown) for tls in (False, True)]
    # How `cert` ends is known as well: by the certificate.
    return any(decision.decision == "accept" and decision.method not in {*_PLAIN_METHODS, "cert"} for decision in decisions)


def asks_for_password(client: Client, cluster: Cluster, shown: ClientCertificate | None) -> bool:
    """Whether the server asks this client over TLS for a password that it keeps itself."""
    return decision_on(client, cluster, tls=True, shown=shown).method in {"scram-sha-256", "md5", "password"}


def name_counts_after_password(client: Client, cluster: Cluster, shown: ClientCertificate | None) -> bool:
    """Whether a certificate is refused for the name in it, and only once the client has proved who it is by a password.

    Source: ClientAuthentication of 13 to 18, where the certificate's name is compared (`clientcert=verify-full`) after the method.
    """
    decision = decision_on(client, cluster, tls=True, shown=shown)
    by_name = decision.decision == "reject" and decision.name_compared is not None
    return by_name and decision.method in PASSWORD_METHODS


def decision_on(client: Client, cluster: Cluster, *, tls: bool, shown: ClientCertificate | None = None) -> Decision:
    """Return which rule a client meets, with this certificate or without one."""
    # From the disk: a change may have written it since the cluster was looked at.
    maps = parse_maps(cluster.ident_file, cluster.major, read_bytes, names_in) if shown is not None else None
    attempt = Attempt(client.database, client.user, client.address, tls=tls, certificate=shown if tls else None, host_name=client.host_name)
    # This machine is its own host and in its own network, whatever other addresses it has.
    own = (f"{client.address}/{128 if ':' in client.address else 32}",) if client.address else ()
    return decide(cluster.rules, attempt, cluster.major, ssl_ca=bool(cluster.value("ssl_ca_file")), own_ranges=own, maps=maps)


def _verdict(decision: Decision) -> Verdict:
    return "accept" if decision.decision == "accept" else "reject"


def users(cluster: Cluster) -> Iterator[str]:
    """Return roles to try: the administrator, who surely exists, then those whom the rules name."""
    names = [cluster.server.user] if cluster.server else []
    names += ["postgres", *(token.text for rule in cluster.rules for token in rule.users if is_literal(token))]
    yield from dict.fromkeys(names)


def _databases(cluster: Cluster, user: str) -> Iterator[str]:
    """Return databases to try: the one that every cluster has, then those that the rules name."""
    names = ["postgres", *(token.text for rule in cluster.rules for token in rule.databases if is_literal(token)), user]
    yield from dict.fromkeys(names)


def is_literal(token: Token) -> bool:
    """Whether a token is a plain name."""
    return bool(token.text) and (token.quoted or (token.text not in _KEYWORDS and token.text[0] not in "+@/"))


def host_name_for(address: str, rules: tuple[Rule, ...]) -> str | None:
    """Return what the server finds when it looks up a client's address; None where no rule makes it look, or where it finds nothing."""
    return _host_name(address) if _by_host_name(rules) else None


def _by_host_name(rules: tuple[Rule, ...]) -> bool:
    """Whether any rule asks for the client's host name, which the server looks up."""
    keywords = {"all", "samehost", "samenet"}
    return any(
        rule.address and rule.address not in keywords and rule.address[0] not in "0123456789:" and ":" not in rule.address for rule in rules
    )


def _host_name(address: str) -> str | None:
    """Return what the server finds when it looks up a client's address."""
    try:
        return socket.getnameinfo((address, 0), socket.NI_NAMEREQD)[0]
    except OSError:
        return None
