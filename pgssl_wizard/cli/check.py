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

    Exit code 1 on any error or warning. With -q only those are printed, and nothing when all is well.
    """
    from datetime import UTC, datetime  # noqa: PLC0415

    from pgssl_wizard.cluster import expiry, health, revocation  # noqa: PLC0415
    from pgssl_wizard.proof.serialise import time_to_json  # noqa: PLC0415

    cluster = call.journey.inspect(data_directory)
    waiting = refuse_unfinished(cluster.data_directory, writes=False)
    now = datetime.now(UTC)
    answers = call.journey.last_answers()
    ending = expiry.of_cluster(cluster, answers)
    said: list[Finding] = [*waiting, *(finding for finding in cluster.findings if finding.code != "tls-off")]
    said += [*health.findings(cluster), *expiry.findings(ending, cluster.data_directory, now, said)]
    if answers is not None:
        said += revocation.findings(revocation.not_placed(cluster, answers), answers, cluster.data_directory)
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
    if call.quiet:
        # A cron line mails whatever is printed: nothing when all is well.
        report.findings(finding for finding in said if finding.severity != "info")
        return code
    if ending:
        print("Ends by itself")
        for each in ending:
            mark = "✗" if each.ends <= now else "!" if each.due <= now else "✓"
            print(f"  {mark} {each.ends:%Y-%m-%d}  {each.part}: {each.name}; renewal due from {each.due:%Y-%m-%d}  [{each.path}]")
    if said:
        print("\nFindings" if ending else "Findings")
        report.findings(said)
    if code == ExitCode.DONE:
        print("\nAll is well.")
    return code
