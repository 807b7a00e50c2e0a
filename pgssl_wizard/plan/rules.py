"""What happens to the access rules, who comes in through them now, and who would not any more. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pgssl_wizard.access.attempt import Attempt
from pgssl_wizard.access.convert import Conversion, Wanted, convert
from pgssl_wizard.access.decide import decide
from pgssl_wizard.access.single_rules import places_of, sample
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


def edit(cluster: Cluster, answers: Answers, revoked: Collection[str] = ()) -> RulesEdit:
    """Return how the rules change, with the sessions that each lets in now, what that means to whom, and who would be locked out.

    Args:
        cluster: with today's rules.
        answers: complete.
        revoked: roles whose certificates the server's lists name afterwards.

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
    wanted = _usual(answers)
    data = {path: fact.data for path, fact in cluster.files.items() if fact.data is not None}
    single = single_rules(cluster, answers)
    differing = {place: _differing(wanted, answer) for place, answer in single.items()}
    conversion = convert(cluster.rules, data, cluster.hba_file, cluster.major, wanted, differing)
    _check_loads(cluster, conversion)
    ca_now = bool(cluster.value("ssl_ca_file"))
    ca_then = ca_now or answers.clients.checked
    then = _rules_after(cluster, conversion.files) if conversion.files else cluster.rules
    clients = known.everybody(cluster, answers)
    mapped = maps.edit(cluster, answers)
    # Where the server has lists today, who is revoked is refused today as well: nothing new.
    refused_now = revoked if cluster.value("ssl_crl_file") or cluster.value("ssl_crl_dir") else ()
    today = known.Judge(
        cluster.rules, cluster, clients, ssl_ca=ca_now, offers_tls=known.offers_tls(cluster), maps=mapped.before, revoked=refused_now
    )
    afterwards = known.Judge(then, cluster, clients, ssl_ca=ca_then, offers_tls=True, maps=mapped.lines, revoked=revoked)
    judged = [known.Judged(each, today.meet(each), afterwards.meet(each)) for each in clients]
    # Our reload puts in force what somebody has edited and not loaded, whoever is shut out by it.
    unloaded = cluster.server is not None and cluster.server.rules_edited_since_load
    told = known.compare(judged, answers, unloaded=unloaded)
    locked_out = known.locked_out(told) if conversion.files or mapped.data is not None or unloaded else ()
    findings = (
        *_named_by_nobody(then),
        *_falls_through(conversion.changes, then, single, cluster.major),
        *maps.findings(answers, mapped, cluster.major),
    )
    return RulesEdit(_with_sessions(conversion.changes, judged), conversion.files, locked_out, told, findings, mapped.data)


def single_rules(cluster: Cluster, answers: Answers) -> dict[tuple[Path, int], RuleAnswer]:
    """Return what the answers say of single rules, by file and line.

    Raises:
        UnusableInput: an answer is about no rule, or about several.
    """
    data = {path: fact.data for path, fact in cluster.files.items() if fact.data is not None}
    usual = _usual(answers)

    def becomes(answer: RuleAnswer) -> tuple[str, ...] | None:
        alone = Path("/one")
        text = {alone: answer.match.encode("utf-8", "surrogateescape") + b"\n"}
        rules = parse_rules(alone, cluster.major, text.get, lambda _: None)
        if len(rules) != 1 or rules[0].error:
            return None
        wanted = _differing(usual, answer)
        made = convert(rules, text, alone, cluster.major, replace(wanted, encryption_required=False), {(alone, 1): wanted})
        return made.changes[0].after

    return places_of(answers.clients.rule, cluster.rules, data, cluster.major, becomes)


def _usual(answers: Answers) -> Wanted:
    return Wanted(answers.clients.encryption == "required", answers.clients.certificates, by_dn=answers.clients.name == "DN")


def _falls_through(
    changes: Sequence[RuleChange], then: Sequence[Rule], single: Collection[tuple[Path, int]], major: int
) -> tuple[Finding, ...]:
    """Return the single rules that ask for TLS now, whose clients come in without it by a later rule."""
    found = []
    for change in changes:
        if (change.file, change.line) not in single or change.action != "change" or len(change.after) != 1:
            continue
        alone = Path("/one")
        rule = parse_rules(alone, major, {alone: change.after[0].encode("utf-8", "surrogateescape") + b"\n"}.get, lambda _: None)[0]
        if rule.error or rule.type != "hostssl":
            continue
        user, database, address = sample(rule)
        decision = decide(then, Attempt(database, user, address, replication=database == "replication"), major)
        if decision.decision == "accept" and decision.rule is not None:
            place = f"{decision.rule.file}:{decision.rule.line}"
            found.append(
                Finding(
                    "warning",
                    "plaintext-falls-through",
                    f"Line {change.line} asks for TLS now, and without TLS the same client ({user} from {address}) comes in by line {decision.rule.line}.",
                    "Give that rule an answer of its own too, or set clients.encryption = required for all.",
                    place,
                    "rules",
                )
            )
    return tuple(found)


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
