"""Everybody who is known to come in, under today's rules and under the planned ones: who meets another rule, and who is refused. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from pgssl_wizard.access.attempt import Attempt, ClientCertificate
from pgssl_wizard.access.decider import Decider
from pgssl_wizard.access.outcome import Decision
from pgssl_wizard.answers import Answers
from pgssl_wizard.certificates.distinguished_name import common_name_in
from pgssl_wizard.cluster.facts import Cluster, Known, KnownFrom, Session
from pgssl_wizard.files.hba import Rule
from pgssl_wizard.files.ident import MapLine
from pgssl_wizard.files.values import boolean
from pgssl_wizard.known_clients import NamedClient
from pgssl_wizard.plan.model import CertificateNeed, KnownChange, LockedOut, Machine

#: By what its application or its role is called, what a machine does.
_NAMES: Mapping[Machine, str] = {
    "replication": "walreceiver replication replicator repl standby streaming.replica pglogical debezium",
    "monitoring": """postgres.exporter postgresql.exporter pgexporter zabbix datadog check.postgres telegraf pgwatch2? pgwatch3? nagios
        icinga2? munin collectd pganalyze new.?relic prometheus pmm netdata pgmetrics temboard pg.?monitor monitor monitoring metrics""",
    "backup": "pg.?dump pg.?dumpall pg.?basebackup pg.?receivewal pg.?backrest barman wal.?g wal.?e pg.?probackup pg.?rman backup",
    "failover": r"patroni repmgrd? pg.?auto.?failover pgautofailover\w* stolon cnpg\w*",
    "pooler": "pgbouncer pgpool(?:-ii)? odyssey pgcat supavisor",
}
#: Looked for as whole words of a name.
_MACHINES: tuple[tuple[Machine, re.Pattern[str]], ...] = tuple(
    (machine, re.compile(rf"(?:^|[^a-z0-9])(?:{'|'.join(words.split()).replace('.', '[-_ ]')})(?:$|[^a-z0-9])"))
    for machine, words in _NAMES.items()
)
_ORDER: tuple[Machine | None, ...] = ("replication", "monitoring", "backup", "administrator", "failover", "pooler", None)
#: Which source counts where the same is known from several.
_SOURCES: tuple[KnownFrom, ...] = ("replication", "session", "named", "log")


@dataclass(frozen=True, slots=True)
class Judged:
    """One way in that is known, with how it ends now and then."""

    known: Known
    now: Decision
    then: Decision


class Judge:
    """Rules of one time, and how those who are known fare under them.

    Args:
        rules: of that time.
        major: of the server.
        ssl_ca: whether `ssl_ca_file` is set then.
        offers_tls: whether the server answers requests for TLS then.
        memberships: as the server told them; None where nobody could ask: then everybody is taken to be a member of whatever a rule names.
            Who is known got in somehow; taken the other way, nobody behind `+group` would ever be counted as locked out.
        own_ranges: this machine's addresses.
        revoked: common names whose certificates the server's lists name then: the handshake fails, whatever the rules say.
    """

    def __init__(
        self,
        rules: Sequence[Rule],
        cluster: Cluster,
        known: Iterable[Known],
        *,
        ssl_ca: bool,
        offers_tls: bool,
        maps: Sequence[MapLine] | None = None,
        revoked: Collection[str] = (),
    ) -> None:
        self._revoked = frozenset(revoked)
        own = cluster.own_ranges
        if not own:
            # Nobody looked: taken as kindly as memberships are.
            own = tuple({f"{each.address}/{128 if ':' in each.address else 32}" for each in known if each.address is not None})
        self._decider = Decider(rules, cluster.major, ssl_ca=ssl_ca, own_ranges=own, maps=maps)
        self._offers_tls = offers_tls
        self._memberships = cluster.server.memberships if cluster.server else None
        self._groups = tuple({token.text[1:] for rule in rules for token in rule.users if token.text.startswith("+") and not token.quoted})

    def meet(self, known: Known) -> Decision:
        """Return which rule a known client meets, and how it ends; one that takes TLS or not is let in if either way leads in."""
        ways = (known.tls,) if known.tls is not None else (True, False) if self._offers_tls and not known.over_socket else (False,)
        found = [self._decider.decide(self.attempt(known, tls=bool(way))) for way in ways]
        return next((decision for decision in found if decision.decision == "accept"), found[0])

    def attempt(self, known: Known, *, tls: bool) -> Attempt:
        """Return the attempt that a known client makes."""
        name = common_name_in(known.certificate) if known.certificate and tls else None
        certificate = ClientCertificate(name, trusted=name not in self._revoked) if name is not None else None
        roles = self._groups if self._memberships is None else self._memberships.get(known.user, ())
        # A name for which no address was logged fits `all`, and rules for names.
        address = known.address if known.address is not None else known.host_name or None
        return Attempt(
            known.database, known.user, address, tls, known.gss, certificate, known.replication, roles, known.host_name or None
        )  # fmt: skip


def everybody(cluster: Cluster, answers: Answers) -> tuple[Known, ...]:
    """Return every way in that is known, each once: connected now, streaming, named by the person, in the log."""
    server = cluster.server
    sources: tuple[Iterable[Known], ...] = (
        (_of_session(session) for session in server.sessions) if server else (),
        server.local if server else (),
        (_of_answer(client) for client in answers.clients.known),
        _still_there(cluster),
    )
    found: dict[tuple[object, ...], Known] = {}
    for each in (one for source in sources for one in source):
        key = (
            *(each.user, each.database, each.address, each.host_name, each.tls, each.gss, each.replication),
            *(each.application, each.certificate or ""),
        )
        before = found.get(key)
        if before is None:
            found[key] = each
        else:
            first = min(before, each, key=lambda one: _SOURCES.index(one.source))
            count = before.count + each.count if before.source == each.source else first.count
            found[key] = replace(first, count=count, administrator=before.administrator or each.administrator)
    return tuple(found.values())


def _still_there(cluster: Cluster) -> Iterable[Known]:
    """Return those in the log whose role can still log in, where the server told which do."""
    roles = frozenset(cluster.server.roles) if cluster.server else frozenset()
    return (each for each in cluster.logged if not roles or each.user in roles)


def compare(judged: Iterable[Judged], answers: Answers, *, unloaded: bool = False) -> tuple[KnownChange, ...]:
    """Return what the change means to each, machines first, and those who are refused before the others.

    Args:
        judged: everybody who is known, under the rules of the files now and then.
        answers: whose kits are made.
        unloaded: the files were edited since the server loaded them. Whoever was seen coming in gets in today, whatever they say now.
    """
    changes = [_change(each, frozenset(answers.clients.roles), unloaded=unloaded) for each in judged]
    return tuple(sorted(changes, key=_urgency))


def locked_out(changes: Iterable[KnownChange]) -> tuple[LockedOut, ...]:
    """Return those who are let in today and refused afterwards."""
    found = (LockedOut(each.who, each.rule_now, each.rule_then, each.refused) for each in changes if each.refused is not None)
    return tuple(dict.fromkeys(found))


def offers_tls(cluster: Cluster) -> bool:
    """Whether the server answers requests for TLS today."""
    return bool(boolean(cluster.value("ssl"))) and cluster.tls_answers is not False


def _of_session(session: Session) -> Known:
    return Known(
        "replication" if session.walsender or session.replication else "session",
        session.user,
        session.database,
        session.address,
        tls=session.tls,
        gss=session.gss,
        replication=session.replication,
        walsender=session.walsender or session.replication,
        application=session.application,
        certificate=session.certificate,
    )


def _of_answer(client: NamedClient) -> Known:
    return Known(
        "named",
        client.user,
        client.database,
        client.address,
        tls=client.tls if client.address is not None else False,
        replication=client.replication,
        walsender=client.replication,
        certificate=f"CN={client.certificate}" if client.certificate else None,
    )


def _change(judged: Judged, kits: frozenset[str], *, unloaded: bool) -> KnownChange:
    known, now, then = judged.known, judged.now, judged.then
    by_loaded = unloaded and known.source != "named" and now.decision != "accept"
    let_in = now.decision == "accept" or by_loaded
    return KnownChange(
        who=_who(known),
        machine=machine_of(known),
        source=known.source,
        rule_now=None if by_loaded else _place(now),
        rule_then=_place(then),
        changes=by_loaded or _differ(now, then),
        certificate=_certificate(known, then, kits),
        refused=(then.message or then.reason) if let_in and then.decision != "accept" else None,
        let_in_now=let_in,
        let_in_then=then.decision == "accept",
        user=_printable(known.user),
        database="replication" if known.replication else _printable(known.database),
        origin="socket" if known.over_socket else known.address or _printable(known.host_name),
        manner=_manner(known),
        application=_printable(known.application),
        then=_rule_in_words(then),
        now="as loaded" if by_loaded else _rule_in_words(now),
    )


def machine_of(known: Known) -> Machine | None:
    """Return what kind of machine this is, by what it does and what it is called; None for anybody else."""
    if known.administrator:
        return "administrator"
    if known.replication or known.walsender:
        # A backup streams too, and tells its name.
        return "backup" if _called(known.application) == "backup" else "replication"
    return _called(known.application) or _called(known.user)


def _called(name: str) -> Machine | None:
    return next((machine for machine, words in _MACHINES if words.search(name.lower())), None) if name else None


def _urgency(change: KnownChange) -> tuple[object, ...]:
    left_out = not change.let_in_now and not change.let_in_then
    return (_ORDER.index(change.machine), change.refused is None, left_out, change.certificate != "missing", not change.changes, change.who)


def _differ(now: Decision, then: Decision) -> bool:
    if now.decision != then.decision or (now.rule is None) is not (then.rule is None):
        return True
    # Lines move, and that changes nothing for anybody.
    return now.rule is not None and then.rule is not None and now.rule[3:] != then.rule[3:]


def _certificate(known: Known, then: Decision, kits: frozenset[str]) -> CertificateNeed | None:
    rule = then.rule
    if rule is None or then.clientcert is None:
        return None
    if known.certificate:
        return "shown"
    return "kit" if known.user in kits else "missing"


def _place(decision: Decision) -> str | None:
    return f"{decision.rule.file}:{decision.rule.line}" if decision.rule else None


def _rule_in_words(decision: Decision) -> str:
    """Return how somebody fares, for a table: the type of the rule and its method, or that there is no way in."""
    rule = decision.rule
    if decision.decision == "accept" and rule is not None:
        return f"{rule.type} {rule.method}"
    if rule is None:
        return "no rule"
    return f"{rule.type} reject" if rule.method == "reject" else "refused"


def _who(known: Known) -> str:
    application = f" ({_printable(known.application)})" if known.application and not known.administrator else ""
    database = "" if known.replication else f" at database {_printable(known.database) or _printable(known.user)}"
    kind = "the administrator" if known.administrator else "replication by" if known.replication else "role"
    origin = "over the socket" if known.over_socket else f"from {known.address or known.host_name}"
    return f"{kind} {_printable(known.user)}{application} {origin}{database}, {''.join(_how(known))}"


def _how(known: Known) -> Iterator[str]:
    manner = "" if known.over_socket else f" {_manner(known)}"
    if known.source == "log":
        yield f"seen in the log{manner}"
        if known.last is not None:
            yield f", last {known.last:%Y-%m-%d}"
    elif known.source == "named":
        yield f"named in the answers,{manner or ' over the socket'}"
    elif known.source == "replication":
        yield f"connected{manner}, streaming"
    else:
        yield f"connected{manner}"


def _manner(known: Known) -> str:
    if known.over_socket:
        return ""
    if known.tls is None:
        return "over TLS where it is offered"
    return "over TLS" if known.tls else "under GSS encryption" if known.gss else "in plaintext"


def _printable(text: str) -> str:
    """Return a name as it can be shown anywhere: bytes that are no UTF-8, and signs that steer a terminal, are replaced."""
    if text.isprintable():
        return text
    clean = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in clean)
