"""What is worth saying of the access rules: what `lint` says of the file, lines of one kind told together."""

from __future__ import annotations

from collections.abc import Iterator

from pgssl_wizard.cluster.facts import Cluster
from pgssl_wizard.findings import Finding
from pgssl_wizard.lint.known import Known
from pgssl_wizard.lint.remarks import together
from pgssl_wizard.lint.rules import of_rules as remarks_of_rules


def of_rules(cluster: Cluster) -> Iterator[Finding]:
    """Yield them."""
    yield from together(remarks_of_rules(cluster.hba_file, cluster.rules, _known(cluster), cluster.line_of))


def _known(cluster: Cluster) -> Known:
    """Return the settings around the rules; those that no line sets have their defaults."""
    values = {
        name: (setting.value, f"{setting.file.name}:{setting.line}" if setting.file else f"{name} is not set")
        for name, setting in cluster.settings.items()
    }
    return Known(cluster.major, values)
