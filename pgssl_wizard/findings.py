"""What a careful colleague would say about a cluster or a plan: one sentence, a reason, a cure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "info"]

#: The step of the wizard on which a finding matters; `cluster` is the first.
Topic = Literal["cluster", "names", "certificate", "key", "files", "protocol", "clients", "rules", "apply"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing worth saying.

    Attributes:
        severity: `error` stops a plan; `warning` needs a decision; `info` is good to know.
        code: kebab-case, stable, for scripts.
        message: what is the case and what follows from it.
        hint: what to do about it, or None.
        where: `pg_hba.conf:12`, a path, or None.
        topic: the step that should show it; not part of the JSON.
    """

    severity: Severity
    code: str
    message: str
    hint: str | None = None
    where: str | None = None
    topic: Topic = "cluster"

    def to_json(self) -> dict[str, str | None]:
        """Return the finding in the shape that every document's `findings` list has."""
        return {
            "severity": self.severity,
            "code": self.code,
            "message": self.message,
            "hint": self.hint,
            "where": self.where,
        }
