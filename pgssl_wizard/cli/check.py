"""The command `check`: for cron and monitoring. Reads only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from pgssl_wizard.cli import report
from pgssl_wizard.cli.calling import Call, PathArgument, command, refuse_unfinished
from pgssl_wizard.errors import ExitCode
from pgssl_wizard.findings import Finding

_ORDER = {"error": 0, "warning": 1, "info": 2}


@command("check")
@click.argument("data_directory", metavar="DATADIR", type=PathArgument())
def check(call: Call, data_directory: Path) -> int:
    """Expiry, renewal due, served against disk, weak settings, plaintext rules: for cron and monitoring.

    Exit code 1 on any error or warning.
    """
    from datetime import UTC, datetime  # noqa: PLC0415

    from pgssl_wizard.cluster import expiry, health  # noqa: PLC0415
    from pgssl_wizard.proof.serialise import time_to_json  # noqa: PLC0415

    cluster = call.journey.inspect(data_directory)
    refuse_unfinished(cluster.data_directory)
    now = datetime.now(UTC)
    ending = expiry.of_cluster(cluster, call.journey.last_answers())
    said: list[Finding] = [finding for finding in cluster.findings if finding.code != "tls-off"]
    said += [*health.findings(cluster), *expiry.findings(ending, cluster.data_directory, now, said)]
    said.sort(key=lambda finding: _ORDER[finding.severity])
    code = ExitCode.FALLS_SHORT if any(finding.severity != "info" for finding in said) else ExitCode.DONE
    if call.as_json:
        rows: list[dict[str, Any]] = [
            {
                "role": each.part,
                "path": str(each.path),
                "name": each.name,
                "not_after": time_to_json(each.ends),
                "renewal_due": time_to_json(each.due),
                "due": each.due <= now,
            }
            for each in ending
        ]
        return call.document(code, said, {"expiring": rows})
    if ending:
        print("Ends by itself")
        for each in ending:
            mark = "✗" if each.ends <= now else "!" if each.due <= now else "✓"
            print(f"  {mark} {each.ends:%Y-%m-%d}  {each.part}: {each.name}; renewal due from {each.due:%Y-%m-%d}  [{each.path}]")
    worth = [finding for finding in said if finding.severity != "info" or not call.quiet]
    if worth:
        print("\nFindings" if ending else "Findings")
        report.findings(worth)
    if code == ExitCode.DONE:
        print("\nAll is well.")
    return code
