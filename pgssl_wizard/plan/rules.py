"""What happens to the access rules, who comes in through them now, and who would not any more. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pgssl_wizard.access.convert import Conversion, Wanted, convert
from pgssl_wizard.access.decide import Attempt, ClientCertificate, Decision, decide
from pgssl_wizard.answers import Answers
from pgssl_wizard.cluster.facts import Cluster, Session
from pgssl_wizard.errors import Refused
from pgssl_wizard.files.hba import Rule, parse_rules
from pgssl_wizard.plan.model import LockedOut, RuleChange


@dataclass(frozen=True, slots=True)
class RulesEdit:
    """The rules' part of a plan."""

    changes: tuple[RuleChange, ...]
    files: Mapping[Path, bytes]
    locked_out: tuple[LockedOut, ...]


def edit(cluster: Cluster, answers: Answers) -> RulesEdit:
    """Return how the rules change, with the sessions that each lets in now, and who would be locked out.

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
    wanted = Wanted(answers.clients.encryption == "required", answers.clients.certificates)
    data = {path: fact.data for path, fact in cluster.files.items() if fact.data is not None}
    conversion = convert(cluster.rules, data, cluster.hba_file, cluster.major, wanted)
    _check_loads(cluster, conversion, data)
    sessions = cluster.server.sessions if cluster.server else ()
    ca_now = bool(cluster.value("ssl_ca_file"))
    met = [(session, _meet(cluster.rules, session, cluster.major, ca_now)) for session in sessions]
    changes = tuple(_with_sessions(change, met) for change in conversion.changes)
    if not conversion.files:
        return RulesEdit(changes, {}, ())
    then = _rules_after(cluster, {**data, **conversion.files})
    ca_then = ca_now or answers.clients.certificates != "none"
    return RulesEdit(changes, conversion.files, _locked_out(met, then, cluster.major, ca_then))


def _meet(rules: Sequence[Rule], session: Session, major: int, ssl_ca: bool) -> Decision:
    """Return which rule a session would meet. What nobody asked the server is taken kindly: that it is a member, and one of ours.

    A session that is connected got in somehow, so where a rule hangs on a group or on the machine's own networks, it
    probably matched; taken the other way, nobody behind `+group` would ever be counted as locked out.
    """
    certificate = ClientCertificate(_cn(session.certificate), session.certificate) if session.certificate else None
    groups = tuple({token.text[1:] for rule in rules for token in rule.users if token.text.startswith("+") and not token.quoted})
    attempt = Attempt(
        session.database, session.user, session.address, session.tls, session.gss, certificate, session.replication, groups
    )  # fmt: skip
    own = (f"{session.address}/{128 if ':' in session.address else 32}",)
    return decide(rules, attempt, major, ssl_ca=ssl_ca, own_ranges=own)


def _cn(dn: str) -> str:
    """Return the CN out of pg_stat_ssl's old slash form (`/CN=app`) or a comma form."""
    for part in dn.replace("/", ",").split(","):
        if part.strip().upper().startswith("CN="):
            return part.strip()[3:]
    return ""


def _with_sessions(change: RuleChange, met: Sequence[tuple[Session, Decision]]) -> RuleChange:
    here = [
        session for session, decision in met if decision.rule and (decision.rule.file, decision.rule.line) == (change.file, change.line)
    ]
    encrypted = sum(1 for session in here if session.tls or session.gss)
    return change._replace(plain_sessions=len(here) - encrypted, tls_sessions=encrypted) if here else change


def _locked_out(met: Sequence[tuple[Session, Decision]], then: Sequence[Rule], major: int, ssl_ca: bool) -> tuple[LockedOut, ...]:
    found: dict[LockedOut, None] = {}
    for session, now in met:
        later = _meet(then, session, major, ssl_ca)
        if now.decision != "accept" or later.decision == "accept":
            continue
        kind = "replication by" if session.replication else "role"
        application = f" ({session.application})" if session.application else ""
        manner = "over TLS" if session.tls else "in plaintext"
        database = "" if session.replication else f" at database {session.database}"
        who = f"{kind} {session.user}{application} from {session.address}{database}, connected {manner}"
        found.setdefault(LockedOut(who, _place(now), _place(later), later.message or later.reason))
    return tuple(found)


def _place(decision: Decision) -> str | None:
    return f"{decision.rule.file}:{decision.rule.line}" if decision.rule else None


def _rules_after(cluster: Cluster, data: Mapping[Path, bytes]) -> tuple[Rule, ...]:
    def names(path: Path) -> list[str] | None:
        found = cluster.directories.get(path)
        return None if found is None else list(found)

    return parse_rules(cluster.hba_file, cluster.major, data.get, names)


def _check_loads(cluster: Cluster, conversion: Conversion, data: Mapping[Path, bytes]) -> None:
    """Make sure that what comes out can be loaded; this can only fail by a defect of ours, and then nothing may be written."""
    for rule in _rules_after(cluster, {**data, **conversion.files}):
        if rule.error:
            raise Refused(f"The changed rule would not load: {rule.error}.", where=f"{rule.file}:{rule.line}", code="rule-error")
