"""The administrator's own way in: the login that worked before a change has to work after it."""

from __future__ import annotations

from collections.abc import Sequence

from pgssl_wizard.change.after import cluster_restored, known_here
from pgssl_wizard.change.serving import NotProved
from pgssl_wizard.cluster.facts import Cluster, Postmaster
from pgssl_wizard.proof.entering import enter
from pgssl_wizard.proof.ways import objection
from pgssl_wizard.server import admin


class WayIn:
    """How the administrator logs in."""

    def __init__(self, cluster: Cluster, user: str | None, database: str | None) -> None:
        """Remember whom to log in as; nobody connects yet."""
        self.cluster = cluster
        self._user = user or (cluster.server.user if cluster.server else None)
        self._database = database
        self.open_before = cluster.server is not None
        self.problem = cluster.server_problem or "the server is down"

    def check(self, postmaster: Postmaster | None) -> None:
        """See that a login that worked when the cluster was inspected still works.

        Raises:
            NotProved: it does not.
        """
        if not self.open_before or postmaster is None:
            return
        try:
            self.run(postmaster, ["SELECT 1"])
        except admin.AdminUnavailable as refusal:
            raise NotProved(f"the administrator's own way in is shut: {refusal.reason}") from None

    def run(self, postmaster: Postmaster, statements: Sequence[str]) -> None:
        """Run statements one after the other.

        Raises:
            AdminUnavailable: nobody can log in.
            QueryFailed: the server refused a statement.
        """
        with admin.connect(postmaster, self._user, self._database, self.cluster.uid) as session:
            for statement in statements:
                session.query(statement)


def not_as_before(cluster: Cluster, postmaster: Postmaster) -> str | None:
    """Return which way in is not what the restored rules make of it, in words; None when all are.

    Args:
        cluster: as inspected, before the change or after it was undone.
        postmaster: the running server, with the restored files in force.
    """
    restored = cluster_restored(cluster, postmaster)
    return objection(enter(restored, known=known_here(restored)).ways)
