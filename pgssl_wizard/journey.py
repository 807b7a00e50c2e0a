"""One walk from what is there to the proof: what the screens and the headless commands both call, and neither repeats.

Holds no logic of its own; each method is one arrow of the way: cluster, answers, plan, change, proof.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pgssl_wizard.answers import Answers, Given, complete
from pgssl_wizard.errors import Refused

if TYPE_CHECKING:
    from pgssl_wizard.change.model import Change, Event
    from pgssl_wizard.cluster.discover import FoundCluster
    from pgssl_wizard.cluster.facts import Cluster, Surroundings
    from pgssl_wizard.plan.model import Plan


@dataclass(slots=True)
class Journey:
    """Where a person stands on the way.

    Attributes:
        pg_bin, user, database: as given on the command line.
        read_only: nothing is ever written.
        given: what the person answered so far.
        label: what to call the cluster instead of the end of its path.
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
    change: Change | None = None

    def find(self, named: Sequence[Path] = ()) -> list[FoundCluster]:
        """Return the data directories of this machine, those named first."""
        from pgssl_wizard.cluster.discover import find  # noqa: PLC0415 - each arrow is loaded when it is walked

        return find(tuple(named))

    def inspect(self, data_directory: Path) -> Cluster:
        """Look at one data directory, and recommend answers for it."""
        from pgssl_wizard.cluster.inspect import inspect  # noqa: PLC0415
        from pgssl_wizard.plan.recommend import recommend  # noqa: PLC0415

        cluster = inspect(data_directory, pg_bin=self.pg_bin, user=self.user, database=self.database)
        self.recommended = recommend(cluster, self.given.base)
        self.answers = self.surroundings = self.plan = self.change = None
        self.cluster = replace(cluster, label=self.label) if self.label else cluster
        return self.cluster

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

    def make_plan(self) -> Plan:
        """Return what would change; raises Refused when it would not be safe."""
        from pgssl_wizard.cluster.surroundings import look  # noqa: PLC0415
        from pgssl_wizard.plan.make import make_plan  # noqa: PLC0415

        answers = self.complete()
        assert self.cluster is not None
        self.surroundings = look(self.cluster, answers)
        self.plan = make_plan(self.cluster, self.surroundings, answers)
        return self.plan

    def apply(
        self, report: Callable[[Event], None], *, rehearse: bool = True, reload: bool = True, accept_lock_out: bool = False
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
            user=self.user,
            database=self.database,
        )
        return self.change

    def undo(self, report: Callable[[Event], None], change: str | None = None) -> Change:
        """Put back what stood before the change."""
        from pgssl_wizard.change.rollback import rollback  # noqa: PLC0415

        assert self.cluster is not None
        self.refuse_when_read_only("rollback")
        self.change = rollback(self.cluster.data_directory, change, report)
        return self.change

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
