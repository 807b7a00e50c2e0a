"""What happens to the access rules, who comes in through them now, and who would not any more. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pgssl_wizard.access.convert import Conversion, Wanted, convert
from pgssl_wizard.access.single_rules import places_of
from pgssl_wizard.answers import Answers
from pgssl_wizard.cluster.facts import Cluster
from pgssl_wizard.errors import Refused, UnusableInput
from pgssl_wizard.files.hba import Rule, parse_rules
from pgssl_wizard.findings import Finding
from pgssl_wizard.plan import known, maps
from pgssl_wizard.plan.model import KnownChange, LockedOut, RuleChange
from pgssl_wizard.plan.planned_files import PlannedFiles
from pgssl_wizard.rule_answers import RuleAnswer


@dataclass(frozen=True, slots=True)
class RulesEdit:
    """The rules' part of a plan."""

    changes: tuple[RuleChange, ...]
    files: Mapping[Path, bytes]
    locked_out: tuple[LockedOut, ...]
    known: tuple[KnownChange, ...] = ()
    findings: tuple[Finding, ...] = ()
    maps: bytes | None = None


#: The first major with the option clientname.
_BY_DN_SINCE = 14
#: Where nothing is asked of the rules.
UNTOUCHED = RulesEdit((), {}, ())


def edit(cluster: Cluster, answers: Answers) -> RulesEdit:
    """Return how the rules change, with the sessions that each lets in now, what that means to whom, and who would be locked out.

    Raises:
        Refused: a rule that the server would not load.
    """
    broken = next((rule for rule in cluster.rules if rule.error), None)
    if broken:
        raise Refused(
            f"The server would refuse this rule: {broken.error}.",
            where=f"{broken.file}:{broken.line}",
            hint="Correct the line first; until then the server keeps the rules it loaded last.",
            code="rule-error",
        )
    if not cluster.rules:
        raise Refused(f'configuration file "{cluster.hba_file}" contains no entries', where=str(cluster.hba_file), code="no-rules")
    if answers.clients.name == "DN" and cluster.major < _BY_DN_SINCE:
        raise UnusableInput(
            f"PostgreSQL {cluster.major} names roles by the common name alone; by the whole name it does since {_BY_DN_SINCE}.",
            where="clients.name",
            hint="Leave it at CN.",
            code="clientname-unknown",
        )
    wanted = Wanted(answers.clients.encryption == "required", answers.clients.certificates, by_dn=answers.clients.name == "DN")
    data = {path: fact.data for path, fact in cluster.files.items() if fact.data is not None}
    single = places_of(answers.clients.rule, cluster.rules, data, cluster.major)
    differing = {place: _differing(wanted, answer) for place, answer in single.items()}
    conversion = convert(cluster.rules, data, cluster.hba_file, cluster.major, wanted, differing)
    _check_loads(cluster, conversion)
    ca_now = bool(cluster.value("ssl_ca_file"))
    ca_then = ca_now or answers.clients.checked
    then = _rules_after(cluster, conversion.files) if conversion.files else cluster.rules
    clients = known.everybody(cluster, answers)
    mapped = maps.edit(cluster, answers)
    today = known.Judge(cluster.rules, cluster, clients, ssl_ca=ca_now, offers_tls=known.offers_tls(cluster), maps=mapped.before)
    afterwards = known.Judge(then, cluster, clients, ssl_ca=ca_then, offers_tls=True, maps=mapped.lines)
    judged = [known.Judged(each, today.meet(each), afterwards.meet(each)) for each in clients]
    told = known.compare(judged, answers)
    locked_out = known.locked_out(told) if conversion.files or mapped.data is not None else ()
    findings = (*_named_by_nobody(then), *maps.findings(answers, mapped, cluster.major))
    return RulesEdit(_with_sessions(conversion.changes, judged), conversion.files, locked_out, told, findings, mapped.data)


def _named_by_nobody(then: Sequence[Rule]) -> tuple[Finding, ...]:
    """Return what is wrong with rules that compare a certificate's whole name with a role, and have no map to translate it."""
    shut = [
        rule
        for rule in then
        if rule.option("clientname") == "DN"
        and (rule.method == "cert" or rule.option("clientcert") == "verify-full")
        and not rule.option("map")
    ]
    if not shut:
        return ()
    lines = ", ".join(str(rule.line) for rule in shut[:8])
    return (
        Finding(
            "warning",
            "dn-without-map",
            f"By these rules (line {lines}) a role is let in only if its own name is the whole name of its certificate, like CN=app: nobody's is.",
            "Give such a rule certificates = “cert” and a map, with an entry for each name in clients.maps.",
            f"{shut[0].file}:{shut[0].line}",
            "rules",
        ),
    )


def _differing(usual: Wanted, answer: RuleAnswer) -> Wanted:
    """Return what is wanted of one rule."""
    required = usual.encryption_required if answer.encryption is None else answer.encryption == "required"
    return Wanted(required, answer.certificates or usual.certificates, answer.map, usual.by_dn)


def _with_sessions(changes: Sequence[RuleChange], judged: Iterable[known.Judged]) -> tuple[RuleChange, ...]:
    """Return the changes, each with the sessions over TCP that its rule lets in now."""
    counts: dict[tuple[Path, int], list[int]] = {}
    for each in judged:
        rule, client = each.now.rule, each.known
        if rule is not None and client.source in {"session", "replication"} and not client.over_socket:
            counts.setdefault((rule.file, rule.line), [0, 0])[bool(client.tls) or client.gss] += client.count
    return tuple(
        change._replace(plain_sessions=found[0], tls_sessions=found[1]) if (found := counts.get((change.file, change.line))) else change
        for change in changes
    )


def _rules_after(cluster: Cluster, edits: Mapping[Path, bytes]) -> tuple[Rule, ...]:
    files = PlannedFiles(cluster, edits)
    return parse_rules(cluster.hba_file, cluster.major, files.read, files.names)


def _check_loads(cluster: Cluster, conversion: Conversion) -> None:
    """Make sure that what comes out can be loaded; this can only fail by a defect of ours, and then nothing may be written."""
    for rule in _rules_after(cluster, conversion.files):
        if rule.error:
            raise Refused(f"The changed rule would not load: {rule.error}.", where=f"{rule.file}:{rule.line}", code="rule-error")
