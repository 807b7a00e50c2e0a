"""The rules of one time, as somebody meets them who comes from one of this machine's addresses."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field

from pgssl_wizard.access.attempt import Attempt, ClientCertificate
from pgssl_wizard.access.decide import Decision
from pgssl_wizard.access.decider import Decider
from pgssl_wizard.access.match import address_fits
from pgssl_wizard.cluster.facts import Cluster
from pgssl_wizard.cluster.reading import names_in, read_bytes
from pgssl_wizard.files.hba import Rule
from pgssl_wizard.files.ident import parse_maps
from pgssl_wizard.files.values import boolean
from pgssl_wizard.proof.clients import PASSWORD_METHODS, host_name_for
from pgssl_wizard.proof.model import Transport, Way
from pgssl_wizard.proof.shown import Shown


@dataclass(frozen=True, slots=True)
class Planned:
    """One way in that is to be tried.

    Attributes:
        way: with its promise; `message` says why where it cannot be tried.
        possible: it can be tried from here.
        unseen: its rule's method ends by itself (gss, ident, oauth): what the method says is nothing that the rules have promised.
        shown: the certificate that it shows.
    """

    way: Way
    possible: bool = True
    unseen: bool = False
    shown: Shown | None = None


@dataclass(slots=True)
class Rulebook:
    """The rules and settings of one time.

    Attributes:
        cluster: whose.
        own: this machine's addresses as `address/prefix`.
        offers_tls: the settings have TLS on.
        spoiled: a line that the server does not take, so that older rules are in force than those of the files.
        groups: the roles whose members the rules name.
    """

    cluster: Cluster
    own: tuple[str, ...]
    offers_tls: bool = field(init=False)
    spoiled: Rule | None = field(init=False)
    groups: tuple[str, ...] = field(init=False)
    _decider: Decider = field(init=False)
    _with_maps: Decider | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        rules = self.cluster.rules
        self.offers_tls = bool(boolean(self.cluster.value("ssl")))
        self.spoiled = next((rule for rule in rules if rule.error), None)
        groups = {token.text[1:]: None for rule in rules for token in rule.users if token.text[:1] == "+" and not token.quoted}
        self.groups = tuple(groups)
        self._decider = Decider(rules, self.cluster.major, ssl_ca=bool(self.cluster.value("ssl_ca_file")), own_ranges=self.own)

    def decide(self, attempt: Attempt) -> Decision:
        """Return which rule an attempt meets; names in certificates are looked up in the maps on disk."""
        if attempt.certificate is None:
            return self._decider.decide(attempt)
        if self._with_maps is None:
            cluster = self.cluster
            maps = parse_maps(cluster.ident_file, cluster.major, read_bytes, names_in)
            ssl_ca = bool(cluster.value("ssl_ca_file"))
            self._with_maps = Decider(cluster.rules, cluster.major, ssl_ca=ssl_ca, own_ranges=self.own, maps=maps)
        return self._with_maps.decide(attempt)


@dataclass(frozen=True, slots=True)
class View:
    """The rules of one time, as seen from one address.

    Attributes:
        book: the rules.
        address: from which this machine comes.
        host_name: what the server finds when it looks that up.
    """

    book: Rulebook
    address: str
    host_name: str | None

    @property
    def cluster(self) -> Cluster:
        """Whose rules these are."""
        return self.book.cluster

    def attempt(
        self, user: str, database: str, transport: Transport, *, replication: bool = False, shown: ClientCertificate | None = None
    ) -> Attempt:
        """Return what the server sees when this machine comes as `user`."""
        server = self.cluster.server
        memberships = server.memberships if server else None
        roles = memberships.get(user, ()) if memberships is not None else ()
        tls = transport == "tls"
        return Attempt(
            database, user, self.address, tls, certificate=shown if tls else None, replication=replication, roles=roles, host_name=self.host_name
        )  # fmt: skip

    def decide(self, attempt: Attempt) -> Decision:
        """Return which rule an attempt meets."""
        return self.book.decide(attempt)

    def reaches(self, rule: Rule) -> bool:
        """Whether a rule's address is one from which this machine comes."""
        return address_fits(rule, self.attempt("", "", "tcp"), self.book.own)

    def why_not(self, attempt: Attempt, decision: Decision) -> str | None:
        """Return why what the rules promise cannot be told or seen; None when it can."""
        if self.book.spoiled is not None:
            return f"the server does not take {place_of(self.book.spoiled)} ({self.book.spoiled.error}), so that older rules are in force"
        server = self.cluster.server
        if self.book.groups and (server is None or server.memberships is None):
            as_member = self.decide(dataclasses.replace(attempt, roles=self.book.groups))
            if as_member.rule is not decision.rule:
                return f"whether {attempt.user} is a member of what the rules name is not known"
        if decision.decision == "reject" and decision.name_compared is not None and decision.method in PASSWORD_METHODS:
            return "the name in its certificate is compared only once the password is given"
        return None

    def plan(self, way: Way, shown: Shown | None = None) -> Planned:
        """Return a way with its promise."""
        attempt = self.attempt(way.who, way.database, way.transport, replication=way.replication, shown=seen_of(shown))
        decision = self.decide(attempt)
        let_in = decision.decision == "accept" and (way.transport != "tls" or self.book.offers_tls)
        why_not = self.why_not(attempt, decision)
        way = dataclasses.replace(
            way,
            certificate=shown.state if shown else "none",
            expected="accept" if let_in else "reject",
            rule=place_of(decision.rule) if decision.rule else None,
            message=why_not,
            address=self.address,
        )
        if why_not is not None:
            way = dataclasses.replace(way, address=None)
        return Planned(way, why_not is None, decision.method not in {*PASSWORD_METHODS, "trust", "cert", None}, shown)


def views_of(cluster: Cluster, addresses: Sequence[str]) -> list[View]:
    """Return how the rules look from each of this machine's addresses."""
    # This machine is its own host and in its own network, whatever other addresses it has.
    own = (*cluster.own_ranges, *(f"{each}/{128 if ':' in each else 32}" for each in addresses))
    book = Rulebook(cluster, own)
    return [View(book, each, host_name_for(each, cluster.rules)) for each in addresses]


def place_of(rule: Rule) -> str:
    """Return a rule's line as `file:line`."""
    return f"{rule.file}:{rule.line}"


def seen_of(shown: Shown | None) -> ClientCertificate | None:
    """Return what the server sees of a certificate."""
    if shown is None or shown.identity is None:
        return None
    return dataclasses.replace(shown.identity, trusted=shown.state not in {"expired", "revoked", "wrong-ca"})
