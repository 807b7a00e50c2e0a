"""Which complaints of the server at a reload are not about what a plan writes."""

from __future__ import annotations

from pgssl_wizard.cluster.facts import Cluster
from pgssl_wizard.plan.model import Plan
from pgssl_wizard.plan.passphrase import reload_can_open


def not_ours(plan: Plan, cluster: Cluster) -> tuple[str, ...]:
    """Return the names of files that the server may complain about without the plan being the reason."""
    ours = {change.path for change in plan.changes}
    maps = () if cluster.ident_file in ours else (str(cluster.ident_file), cluster.ident_file.name)
    # A key that no reload can open: the server says so at every reload and keeps what it has.
    return maps if reload_can_open(plan.answers) else (*maps, "SSL configuration")
