"""One attempt held against the rules of today or of the plan: which takes it, why the others do not, and how it ends. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pgssl_wizard.access.attempt import Attempt, ClientCertificate
from pgssl_wizard.access.decide import decide
from pgssl_wizard.access.explain import Comparison, compare
from pgssl_wizard.access.outcome import Decision
from pgssl_wizard.cluster.facts import Cluster
from pgssl_wizard.files.hba import Rule, parse_rules
from pgssl_wizard.files.ident import MapLine, parse_maps
from pgssl_wizard.known_clients import NamedClient
from pgssl_wizard.plan.model import Plan
from pgssl_wizard.plan.planned_files import PlannedFiles


@dataclass(frozen=True, slots=True)
class Explored:
    """How an attempt fares: every rule down to the one that decides, and its end."""

    attempt: Attempt
    comparisons: tuple[Comparison, ...]
    decision: Decision


def explore(cluster: Cluster, plan: Plan | None, client: NamedClient) -> Explored:
    """Return how a client fares.

    Args:
        cluster: its rules, maps and memberships.
        plan: whose rules count; None for those of today.
        client: who comes; TLS counts as asked for where that is left open.
    """
    rules, maps, ssl_ca = _of_today(cluster) if plan is None else _of_plan(cluster, plan)
    memberships = (cluster.server.memberships if cluster.server else None) or {}
    tls = client.address is not None and client.tls is not False
    attempt = Attempt(
        client.database or client.user,
        client.user,
        client.address,
        tls=tls,
        certificate=ClientCertificate(client.certificate) if client.certificate and tls else None,
        replication=client.replication,
        roles=tuple(memberships.get(client.user, ())),
    )
    own = cluster.own_ranges
    decision = decide(rules, attempt, cluster.major, ssl_ca=ssl_ca, own_ranges=own, maps=maps)
    return Explored(attempt, compare(rules, attempt, cluster.major, own_ranges=own), decision)


def _of_today(cluster: Cluster) -> tuple[Sequence[Rule], Sequence[MapLine], bool]:
    return cluster.rules, _maps(cluster, {}), bool(cluster.value("ssl_ca_file"))


def _of_plan(cluster: Cluster, plan: Plan) -> tuple[Sequence[Rule], Sequence[MapLine], bool]:
    planned = {change.path: change.after for change in plan.changes if change.role in {"rules", "maps"} and change.after is not None}
    ssl_ca = bool(plan.settings.get("ssl_ca_file", cluster.value("ssl_ca_file")))
    real = {path: fact.real_path for path, fact in cluster.files.items()}
    edits = {path: planned[there] for path, there in real.items() if there in planned} | planned
    files = PlannedFiles(cluster, edits)
    rules = parse_rules(cluster.hba_file, cluster.major, files.read, files.names)
    return rules, _maps(cluster, edits), ssl_ca


def _maps(cluster: Cluster, edits: dict[Path, bytes]) -> tuple[MapLine, ...]:
    files = PlannedFiles(cluster, edits)
    return parse_maps(cluster.ident_file, cluster.major, files.read, files.names)


def usual(cluster: Cluster) -> NamedClient:
    """Return a client to begin with: one who is connected now, else the administrator from this machine."""
    if cluster.server is not None and cluster.server.sessions:
        first = cluster.server.sessions[0]
        return NamedClient(first.user, first.database, first.address, tls=first.tls)
    user = cluster.server.user if cluster.server else "postgres"
    return replace(NamedClient(user, "postgres", "127.0.0.1"), tls=True)
