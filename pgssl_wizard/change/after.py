"""The cluster as it is once the plan's files stand, without inspecting it all over again."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from pgssl_wizard.answers import Answers, ClientAnswers
from pgssl_wizard.change.recorded import last_answers
from pgssl_wizard.cluster.facts import Cluster, Known, Postmaster, Setting
from pgssl_wizard.cluster.reading import names_in, read_bytes
from pgssl_wizard.errors import WizardError
from pgssl_wizard.files.hba import Rule, parse_rules
from pgssl_wizard.known_clients import parse
from pgssl_wizard.plan.known import everybody, machine_of
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


def cluster_restored(cluster: Cluster, server: Postmaster) -> Cluster:
    """Return `cluster` as it is once the files of before stand again: as inspected, with the rules that they hold now."""
    return dataclasses.replace(cluster, rules=read_rules(cluster.hba_file, cluster.major), postmaster=server)


def who_is_known(cluster: Cluster, answers: Answers) -> tuple[Known, ...]:
    """Return who is known to come in, machines first and then whoever comes most often: a proof does not try everybody."""
    return tuple(sorted(everybody(cluster, answers), key=lambda known: (machine_of(known) is None, -known.count)))


def known_here(cluster: Cluster) -> tuple[Known, ...]:
    """Return who is known to come in, those too who were named in the answers of the last change, where these can be read."""
    try:
        given = last_answers(cluster.data_directory)
        named = given.values.get("clients.known") if given is not None else None
        answers = Answers(clients=ClientAnswers(known=tuple(parse(each) for each in named) if isinstance(named, list) else ()))
    except (WizardError, ValueError, TypeError):
        answers = Answers()
    return who_is_known(cluster, answers)


def read_rules(hba_file: Path, major: int) -> tuple[Rule, ...]:
    """Return the rules that the files on disk hold."""
    return parse_rules(hba_file, major, read_bytes, names_in)
