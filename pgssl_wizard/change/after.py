"""The cluster as it is once the plan's files stand, without inspecting it all over again."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from pgssl_wizard.cluster.facts import Cluster, Postmaster, Setting
from pgssl_wizard.cluster.reading import names_in, read_bytes
from pgssl_wizard.files.hba import Rule, parse_rules
from pgssl_wizard.plan.model import Plan


def cluster_after(plan: Plan, cluster: Cluster, server: Postmaster | None, *, rules: bool) -> Cluster:
    """Return `cluster` with the plan's settings, the server as it runs now, and the rules as the files say now.

    Args:
        plan: gives the settings.
        cluster: as it was inspected before.
        server: the running server.
        rules: the rules have been written too; else they are those of the inspection.
    """
    settings = dict(cluster.settings)
    for name, value in plan.settings.items():
        old = settings.get(name)
        settings[name] = dataclasses.replace(old, value=value, source="file") if old else Setting(name, value, "file")
    now = read_rules(cluster.hba_file, cluster.major) if rules else cluster.rules
    return dataclasses.replace(cluster, settings=settings, rules=now, postmaster=server)


def read_rules(hba_file: Path, major: int) -> tuple[Rule, ...]:
    """Return the rules that the files on disk hold."""
    return parse_rules(hba_file, major, read_bytes, names_in)
