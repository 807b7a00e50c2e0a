"""One walk from what is there to the proof: what the screens and the headless commands both call, and neither repeats.

Holds no logic of its own; each method is one arrow of the way: cluster, answers, plan, change, proof.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pgssl_wizard.answers import Answers, Given, complete
from pgssl_wizard.errors import Refused, UnusableInput, WizardError
from pgssl_wizard.rule_answers import DEMANDS

if TYPE_CHECKING:
    from pgssl_wizard.change.model import Change, Event
    from pgssl_wizard.change.passphrases import Ask
    from pgssl_wizard.cluster.discover import FoundCluster
    from pgssl_wizard.cluster.facts import Cluster
    from pgssl_wizard.cluster.standing import Imported, Renewable, Surroundings
    from pgssl_wizard.findings import Finding
    from pgssl_wizard.plan.explore import Explored
    from pgssl_wizard.plan.model import Plan
    from pgssl_wizard.plan.protocol import Preview as ProtocolPreview
    from pgssl_wizard.plan.renewing import Upkeep
    from pgssl_wizard.protocol.suites import Offer
    from pgssl_wizard.rule_answers import RuleAnswer


@dataclass(slots=True)
class Journey:
    """Where a person stands on the way.

    Attributes:
        pg_bin, user, database: as given on the command line.
        read_only: nothing is ever written.
        given: what the person answered so far.
        label: what to call the cluster instead of the end of its path.
        confirm_within: seconds after which a change is put back unless it is confirmed; None: it stands for good.
        unfinished: what is to be said of a change of this cluster that waits, was cut short, or is just being made by somebody else.
        cluster, recommended, answers, surroundings, plan, change: what is known so far; each rests on those before it.
    """

    pg_bin: Path | None = None
    user: str | None = None
    database: str | None = None
    read_only: bool = False
    given: Given = field(default_factory=Given)
    label: str = ""
    cluster: Cluster | None = None
    recommended: Answers | None = None
    answers: Answers | None = None
    surroundings: Surroundings | None = None
    plan: Plan | None = None
    confirm_within: int | None = None
    change: Change | None = None
    unfinished: tuple[Finding, ...] = ()

    def find(self, named: Sequence[Path] = ()) -> list[FoundCluster]:
        """Return the data directories of this machine, those named first."""
        from pgssl_wizard.cluster.discover import find  # noqa: PLC0415 - each arrow is loaded when it is walked

        return find(tuple(named))

    def inspect(self, data_directory: Path) -> Cluster:
        """Look at one data directory, and recommend answers for it."""
        from pgssl_wizard.change.pending import remarks  # noqa: PLC0415
        from pgssl_wizard.cluster.inspect import inspect  # noqa: PLC0415
        from pgssl_wizard.plan.recommend import recommend  # noqa: PLC0415

        cluster = inspect(data_directory, pg_bin=self.pg_bin, user=self.user, database=self.database)
        self.recommended = recommend(cluster, self.given.base, lets_plaintext_in=_lets_plaintext_in(cluster))
        self.answers = self.surroundings = self.plan = self.change = None
        self.unfinished = remarks(cluster.data_directory)
        self.cluster = replace(cluster, label=self.label) if self.label else cluster
        return self.cluster

    def last_answers(self) -> Answers | None:
        """Return the answers of the newest change that stands on this cluster; None when there was none."""
        from pgssl_wizard.change.recorded import last_answers  # noqa: PLC0415

        assert self.cluster is not None
        assert self.recommended is not None
        given = last_answers(self.cluster.data_directory)
        return complete(given, self.recommended, self.cluster.data_directory) if given is not None else None

    def answer(self, key: str, value: object, where: str) -> None:
        """Take one answer; whatever rested on the old one is forgotten."""
        self.given = self.given.with_value(key, value, where)
        self.answers = self.surroundings = self.plan = None

    def take_back(self, *keys: str) -> None:
        """Leave these answers to the recommendation again."""
        self.given = self.given.without(*keys)
        self.answers = self.surroundings = self.plan = None

    def complete(self) -> Answers:
        """Return the answers without gaps; raises UnusableInput when they do not fit together."""
        assert self.cluster is not None
        assert self.recommended is not None
        self.answers = complete(self.given, self.recommended, self.cluster.data_directory)
        return self.answers

    def judge_import(self) -> Imported | None:
        """Return what the files that a person brings hold, and what is to be said of it; None when nothing is imported."""
        from pgssl_wizard.cluster.surroundings import look  # noqa: PLC0415
        from pgssl_wizard.plan.importing import by_its_own_names, judged  # noqa: PLC0415

        answers = self.complete()
        assert self.cluster is not None
        surroundings = look(self.cluster, answers)
        if "server.names" not in self.given.values:
            answers = by_its_own_names(answers, surroundings)
        return judged(self.cluster, surroundings, answers)

    def make_plan(self, renew: frozenset[Renewable] = frozenset()) -> Plan:
        """Return what would change; raises Refused when it would not be safe. `renew`: what is made anew in any case."""
        from pgssl_wizard.cluster.surroundings import look  # noqa: PLC0415
        from pgssl_wizard.plan.importing import by_its_own_names  # noqa: PLC0415
        from pgssl_wizard.plan.make import make_plan  # noqa: PLC0415

        answers = self.complete()
        assert self.cluster is not None
        self.surroundings = look(self.cluster, answers, renew=renew)
        if "server.names" not in self.given.values:
            answers = self.answers = by_its_own_names(answers, self.surroundings)
        try:
            self.plan = make_plan(self.cluster, self.surroundings, answers)
        except WizardError as error:
            # What an answer does wrong is said with the line on which it stands.
            error.where = self.given.where.get(error.where or "", error.where)
            raise
        return self.plan

    def take_plan(self, saved: Plan) -> Plan:
        """Take a plan that was saved, if all that it does would be planned alike now and would lock out nobody whom it did not name.

        Raises:
            Refused: something that it rests on has changed; names it.
        """
        from pgssl_wizard.change.checks import check_unchanged  # noqa: PLC0415
        from pgssl_wizard.cluster.surroundings import look  # noqa: PLC0415
        from pgssl_wizard.plan.anew import difference, newcomers  # noqa: PLC0415
        from pgssl_wizard.plan.make import make_plan  # noqa: PLC0415

        assert self.cluster is not None
        check_unchanged(saved)
        self.answers = saved.answers
        self.surroundings = look(self.cluster, saved.answers)
        now = make_plan(self.cluster, self.surroundings, saved.answers)
        found = difference(saved, now)
        if found is not None:
            words, where = found
            raise Refused(
                f"the cluster has changed since the plan was made: {words}",
                where=where,
                hint="make the plan again",
                code="changed-since-plan",
            )
        come = newcomers(saved, now)
        if come:
            raise Refused(
                f"since the plan was made somebody has come who would be locked out: {'; '.join(come)}",
                hint="make the plan again, and look at whom it refuses",
                code="would-lock-out",
            )
        self.plan = replace(now, hash=saved.hash)
        return self.plan

    def offer(self, answers: Answers) -> Offer | None:
        """Return what the server would offer with these answers; None when its library cannot be asked here."""
        from pgssl_wizard.cluster.protocol_facts import offer_of  # noqa: PLC0415

        assert self.cluster is not None
        return offer_of(self.cluster, answers.protocol)

    def single_rules(self) -> dict[tuple[Path, int], RuleAnswer]:
        """Return what the answers say of single rules, by the file and line of each."""
        from pgssl_wizard.plan.rules import single_rules  # noqa: PLC0415

        cluster, answers = self.cluster, self.answers or self.complete()
        assert cluster is not None
        return single_rules(cluster, answers)

    def demands_certificate(self, said: RuleAnswer | None) -> bool:
        """Return whether a rule about which this is said lets nobody in without a certificate; None where it is as all the others."""
        answers = self.answers or self.complete()
        return ((said.certificates if said else None) or answers.clients.certificates) in DEMANDS

    def usual_client(self) -> str:
        """Return a client to begin exploring with, as a person types it."""
        from pgssl_wizard.known_clients import in_words  # noqa: PLC0415
        from pgssl_wizard.plan.explore import usual  # noqa: PLC0415

        assert self.cluster is not None
        return in_words(usual(self.cluster))

    def explore(self, who: str, *, tls: bool, certificate: str, after: bool) -> Explored:
        """Return how an attempt fares under the rules of today, or those of the plan; raises UnusableInput for one that cannot be."""
        from pgssl_wizard.known_clients import parse  # noqa: PLC0415
        from pgssl_wizard.plan.explore import explore  # noqa: PLC0415

        assert self.cluster is not None
        try:
            client = parse(who)
        except ValueError as error:
            words = f"{str(error)[:1].upper()}{str(error)[1:]}."
            raise UnusableInput(words, hint="For example: app@appdb/10.0.0.5", code="bad-client") from error
        client = replace(client, tls=tls and client.address is not None, certificate=certificate)
        return explore(self.cluster, self.plan if after else None, client)

    def map_entries(self) -> dict[str, str]:
        """Return the entries of each map in the answers, as a person types them."""
        from pgssl_wizard.rule_answers import typed  # noqa: PLC0415

        return typed((self.answers or self.complete()).clients.maps)

    def answer_map(self, name: str, entries: str) -> None:
        """Take the entries of one map as a person types them: `NAME = ROLE; NAME = ROLE`; raises UnusableInput."""
        from pgssl_wizard.rule_answers import parse_entries  # noqa: PLC0415

        others = [each.to_table() for each in (self.answers or self.complete()).clients.maps if each.map != name]
        self.answer("clients.maps", [*others, *(each.to_table() for each in parse_entries(name, entries))], "the step Access rules")

    def answer_rule(self, file: Path, line: int, **said: Any) -> None:
        """Take what a person says of one rule (`encryption`, `certificates`, `map`); what is left out stays as it was said before."""
        from pgssl_wizard.access.single_rules import named  # noqa: PLC0415
        from pgssl_wizard.rule_answers import put  # noqa: PLC0415

        cluster = self.cluster
        assert cluster is not None
        rule = next(each for each in cluster.rules if (each.file, each.line) == (file, line))
        data = {path: fact.data for path, fact in cluster.files.items() if fact.data is not None}
        before = self.single_rules().get((file, line)) or named(rule, data, cluster.hba_file, cluster.major)
        tables = [each.to_table() for each in (self.answers or self.complete()).clients.rule]
        self.answer("clients.rule", put(tables, replace(before, **said)), "the step Access rules")

    def preview_protocol(self, answers: Answers) -> ProtocolPreview:
        """Return what these answers about TLS versions and ciphers come to, asked of the server's own library."""
        from pgssl_wizard.cluster import protocol_facts  # noqa: PLC0415
        from pgssl_wizard.cluster.standing import Surroundings  # noqa: PLC0415
        from pgssl_wizard.plan.protocol import Preview, preview  # noqa: PLC0415
        from pgssl_wizard.protocol.profiles import settings_for  # noqa: PLC0415

        assert self.cluster is not None
        cluster = self.cluster
        known = cluster.tls_library.groups if cluster.tls_library else ()
        try:
            wanted = settings_for(answers.protocol, cluster.major, cluster.openssl_version, known)
        except WizardError as error:
            return Preview(objection=error)
        surroundings = Surroundings(offer=self.offer(answers), dh=protocol_facts.dh_named(cluster, answers.protocol))
        changed = {name: value for name, value in wanted.items() if value != cluster.value(name)}
        return preview(cluster, surroundings, answers, changed)

    def apply(
        self,
        report: Callable[[Event], None],
        *,
        ask: Ask | None = None,
        rehearse: bool = True,
        reload: bool = True,
        accept_lock_out: bool = False,
        accept_weak: bool = False,
    ) -> Change:
        """Carry the plan out and prove it; raises Refused, RolledBack or Interrupted."""
        from pgssl_wizard.change.apply import apply  # noqa: PLC0415

        assert self.cluster is not None
        assert self.plan is not None
        self.refuse_when_read_only("apply")
        self.change = apply(
            self.plan,
            self.cluster,
            report=report,
            rehearse=rehearse,
            reload=reload,
            accept_lock_out=accept_lock_out,
            accept_weak=accept_weak,
            confirm_within=self.confirm_within,
            ask=ask,
            user=self.user,
            database=self.database,
        )
        return self.change

    def keep(self) -> Change:
        """Confirm the change that waits; raises RolledBack when it is put back already."""
        from pgssl_wizard.change.confirm import confirm  # noqa: PLC0415

        assert self.cluster is not None
        self.refuse_when_read_only("confirm")
        return confirm(self.cluster.data_directory)

    def seconds_left(self) -> int | None:
        """Return how long the change waits to be confirmed, never less than 0; None when it does not wait."""
        from datetime import UTC, datetime  # noqa: PLC0415

        until = self.change.confirm_until if self.change is not None else None
        return None if until is None else max(0, math.ceil((until - datetime.now(UTC)).total_seconds()))

    def newest_change(self) -> Change | None:
        """Return the newest change of this cluster as its journal says now; None when there is none, or it cannot be read."""
        from pgssl_wizard.change.history import history  # noqa: PLC0415

        assert self.cluster is not None
        try:
            return next(iter(history(self.cluster.data_directory)), None)
        except WizardError:
            return None

    def look_at_change(self) -> Change:
        """Return the change as its journal says now: whether somebody kept it, or it was put back."""
        from pgssl_wizard.change.history import look_up  # noqa: PLC0415

        assert self.cluster is not None
        assert self.change is not None
        assert self.change.id is not None
        return look_up(self.cluster.data_directory, self.change.id)

    def undo(self, report: Callable[[Event], None], change: str | None = None) -> Change:
        """Put back what stood before the change."""
        from pgssl_wizard.change.rollback import rollback  # noqa: PLC0415

        assert self.cluster is not None
        self.refuse_when_read_only("rollback")
        self.change = rollback(self.cluster.data_directory, change, report)
        return self.change

    def upkeep(self) -> Upkeep:
        """Return the lines that watch this cluster and renew what ends."""
        import os  # noqa: PLC0415
        import pwd  # noqa: PLC0415

        from pgssl_wizard.plan.renewing import upkeep  # noqa: PLC0415

        assert self.plan is not None
        return upkeep(self.plan, _program(), user=pwd.getpwuid(os.geteuid()).pw_name)

    def save_card(self, path: Path) -> None:
        """Write the card of the CA that was made."""
        from pgssl_wizard.change.write import save  # noqa: PLC0415

        assert self.change is not None
        self.refuse_when_read_only("saving")
        save(path, self.change.card.encode(), mode=0o644)

    def save_answers(self, path: Path) -> None:
        """Write the answers file that makes this plan again."""
        from pgssl_wizard.answers import to_toml  # noqa: PLC0415
        from pgssl_wizard.change.write import save  # noqa: PLC0415

        self.refuse_when_read_only("saving")
        save(path, to_toml(self.answers or self.complete()).encode(), mode=0o644)

    def refuse_when_read_only(self, what: str) -> None:
        """Raise Refused under --read-only."""
        if self.read_only:
            raise Refused(f"{what} is off under --read-only: nothing is written.", hint="Leave --read-only out.", code="read-only")


def _lets_plaintext_in(cluster: Cluster) -> bool:
    """Return whether the last change left plaintext allowed; what cannot be read any more says nothing."""
    from pgssl_wizard.change.recorded import last_answers  # noqa: PLC0415

    try:
        given = last_answers(cluster.data_directory)
    except WizardError:
        return False
    return given is not None and given.values.get("clients.encryption") == "optional"


def _program() -> str:
    """Return how this program is called from elsewhere, for a crontab: its own path, or the interpreter's with the module."""
    import shlex  # noqa: PLC0415
    import sys  # noqa: PLC0415

    called = Path(sys.argv[0])
    if called.name == "pgssl-wizard" and called.exists():
        return shlex.quote(str(called.absolute()))
    return f"{shlex.quote(sys.executable)} -m pgssl_wizard"
