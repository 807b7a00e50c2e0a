"""Which roles and databases there are, and who is a member of what: what rules with `+group` and `samerole` rest on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pgssl_wizard.cluster.facts import Cluster
from pgssl_wizard.errors import WizardError


@dataclass(frozen=True, slots=True)
class Membership:
    """What the server says.

    Attributes:
        roles: every role with those that it is a member of, directly or indirectly; None when nobody could be asked.
        databases: the names of the databases, likewise.
        problem: why nobody could be asked.
    """

    roles: Mapping[str, tuple[str, ...]] | None = None
    databases: frozenset[str] | None = None
    problem: str | None = None


def ask(cluster: Cluster, user: str | None = None, database: str | None = None) -> Membership:
    """Return which roles and databases there are.

    Args:
        cluster: whose server; it told memberships when it was inspected.
        user: the administrator's role.
        database: for the administrator's connection.
    """
    if cluster.postmaster is None or cluster.server is None:
        return Membership(problem=cluster.server_problem or "the server is down")
    from pgssl_wizard.server import admin  # noqa: PLC0415 - psycopg only where a server runs

    try:
        with admin.connect(cluster.postmaster, user, database, cluster.uid) as session:
            names, databases = admin.role_names(session), admin.database_names(session)
    except WizardError as error:
        return Membership(problem=str(getattr(error, "reason", error.message)))
    members = cluster.server.memberships or {}
    return Membership({name: members.get(name, ()) for name in names}, databases)
