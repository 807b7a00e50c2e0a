"""What a careful colleague would say about a cluster as it stands. Pure but for the clock."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pgssl_wizard.cluster import requested
from pgssl_wizard.cluster.certificates import TlsFiles
from pgssl_wizard.cluster.facts import Cluster, FileFact
from pgssl_wizard.cluster.findings_of_certificates import of_certificates
from pgssl_wizard.cluster.findings_of_rules import of_rules
from pgssl_wizard.cluster.findings_of_server import of_server
from pgssl_wizard.cluster.findings_of_settings import of_settings
from pgssl_wizard.cluster.managed import refusal, told_by_headers, written_by_patroni
from pgssl_wizard.cluster.reading import foreign_link, may_read, who_can_read
from pgssl_wizard.files.settings import Resolution, SettingsVerdict, judge
from pgssl_wizard.files.versions import NEWEST
from pgssl_wizard.findings import Finding
from pgssl_wizard.lint.remarks import together
from pgssl_wizard.lint.settings import refused

_ORDER = {"error": 0, "warning": 1, "info": 2}


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the findings rest on besides the cluster's facts.

    Attributes:
        resolution: the settings files, followed.
        tls: what the certificate settings lead to.
        refusal: what the server's own parser says against the settings files, complaints joined by `; `; None: nothing, or not asked.
        groups: of the server's OS user.
        left_pid: the process that a postmaster.pid names although it is not there; None: no such file.
    """

    resolution: Resolution
    tls: TlsFiles
    refusal: str | None = None
    groups: frozenset[int] = frozenset()
    left_pid: int | None = None


def of_cluster(cluster: Cluster, evidence: Evidence, now: datetime | None = None) -> tuple[Finding, ...]:
    """Return the findings, errors first."""
    verdict = _judged(cluster)
    found = [
        *_whole(cluster),
        *_syntax(cluster, evidence, verdict),
        *_files(cluster, evidence),
        *of_server(cluster, evidence.left_pid),
        *of_settings(cluster, evidence.resolution, verdict),
        *of_certificates(cluster, evidence.tls, now or datetime.now(UTC)),
        *of_rules(cluster),
        *requested.findings(cluster.requested, now or datetime.now(UTC)),
    ]
    return tuple(sorted(found, key=lambda finding: _ORDER[finding.severity]))


def _whole(cluster: Cluster) -> Iterator[Finding]:
    if cluster.major >= NEWEST:
        yield Finding(
            "error",
            "version-too-new",
            f"PostgreSQL {cluster.major} can be inspected, but this program was not tried on it and changes nothing there.",
            "A newer version of this program may know it.",
            str(cluster.data_directory / "PG_VERSION"),
        )
    if cluster.managed_by:
        yield refusal(cluster.managed_by, cluster.config_file)
    if cluster.bin_directory is None:
        yield Finding(
            "warning",
            "no-server-programs",
            f"The programs of PostgreSQL {cluster.major} were not found, so nothing can be rehearsed.",
            "Name their directory with --pg-bin.",
        )
    if cluster.tls_built_in is False:
        yield Finding(
            "error",
            "no-tls-built-in",
            "This server was built without TLS.",
            "Install a PostgreSQL built with OpenSSL.",
            str(cluster.bin_directory),
        )


def _syntax(cluster: Cluster, evidence: Evidence, verdict: SettingsVerdict) -> Iterator[Finding]:
    """Yield what is wrong with the settings files, each line once: our reading first, then what only the server knows."""
    told: set[str | None] = set()
    for finding in together(refused(verdict, cluster.major, cluster.line_of)):
        told.add(finding.where)
        yield finding
    for complaint in (evidence.refusal or "").split("; "):
        if not complaint or complaint.endswith("contains errors"):
            continue
        place, words = _located(complaint, evidence.resolution)
        # A complaint without a place goes with one that was told: a missing include, an explanation.
        if place in told or (place is None and told):
            continue
        told.add(place)
        yield Finding(
            "error",
            "settings-syntax-error",
            f"The server refuses its settings: {words}.",
            "Correct the line; until then a reload takes nothing from it, and the server would not start.",
            place or str(cluster.config_file),
        )


def _judged(cluster: Cluster) -> SettingsVerdict:
    """Return what the server would say of its settings files, as far as they tell."""

    def read(path: Path) -> bytes | None:
        fact = cluster.files.get(path)
        return fact.data if fact else None

    def names(path: Path) -> list[str] | None:
        found = cluster.directories.get(path)
        return None if found is None else list(found)

    return judge(cluster.config_file, cluster.major, read, names, cluster.auto_conf, cluster.command_line, all_errors=True)


def _located(complaint: str, resolution: Resolution) -> tuple[str | None, str]:
    """Return where a complaint of the server belongs, and its words without the place."""
    named = re.search(r' in file "(.+)" line (\d+)(.*)$', complaint)
    if named:
        return f"{named[1]}:{named[2]}", complaint[: named.start()] + named[3].rstrip(".")
    setting = re.search(r'parameter "([^"]+)"', complaint)
    winner = resolution.winner(setting[1]) if setting else None
    where = f"{winner.file}:{winner.line}" if winner and winner.file else None
    return where, complaint.rstrip(".")


def _files(cluster: Cluster, evidence: Evidence) -> Iterator[Finding]:
    for path, fact in cluster.files.items():
        # Patroni's own header says what `managed` says already.
        said = None if written_by_patroni(fact.data) else told_by_headers(path, fact.data or b"")
        if said:
            yield said
        link = foreign_link(path)
        if link is not None:
            yield Finding(
                "error",
                "foreign-link",
                f"{link} is a symbolic link, and whoever made it does not own what it leads to: nothing is written through it.",
                "Have the owner of the file, or root, make the link anew; or put the file itself there.",
                str(path),
            )
        if _not_for_server(fact, cluster, evidence):
            yield Finding(
                "warning",
                "server-cannot-read",
                f"The server's user ({cluster.owner.partition(':')[0]}) cannot read {path.name}; {who_can_read(fact)} can.",
                "A reload or restart fails on it: give it back to the server's user.",
                str(path),
            )


def _not_for_server(fact: FileFact, cluster: Cluster, evidence: Evidence) -> bool:
    return fact.exists and not may_read(fact, cluster.uid, evidence.groups)
