"""The command `confirm`: keep a change that would be put back by itself."""

from __future__ import annotations

from pathlib import Path

import click

from pgssl_wizard.cli import report
from pgssl_wizard.cli.calling import Call, PathArgument, command
from pgssl_wizard.errors import ExitCode


@command("confirm")
@click.argument("data_directory", metavar="DATADIR", type=PathArgument())
def confirm(call: Call, data_directory: Path) -> int:
    """Keep the change that `--confirm-within` would put back.

    Exit code 4 when it came too late: everything is as before then.
    """
    from pgssl_wizard.change.confirm import confirm as keep  # noqa: PLC0415
    from pgssl_wizard.cluster.layout import data_directory_of  # noqa: PLC0415

    call.journey.refuse_when_read_only("confirm")
    change = keep(data_directory_of(data_directory))
    if call.as_json:
        from pgssl_wizard.change.serialise import change_to_json  # noqa: PLC0415

        return call.document(ExitCode.DONE, change.findings, change_to_json(change))
    report.kept(change)
    return ExitCode.DONE
