"""The command `forget`: changes that cannot be undone any more, and keys that lie about no longer."""

from __future__ import annotations

from pathlib import Path

import click

from pgssl_wizard.cli import report_changes
from pgssl_wizard.cli.calling import Call, PathArgument, command
from pgssl_wizard.errors import ExitCode


@command("forget")
@click.argument("data_directory", metavar="DATADIR", type=PathArgument())
@click.option("--keep", type=click.IntRange(0, 100_000), metavar="N", help="Keep the newest N changes undoable, whatever their age.")
@click.option("--older-than", type=click.IntRange(0, 36_500), metavar="DAYS", help="Forget what is older than so many days.")
def forget(call: Call, data_directory: Path, keep: int | None, older_than: int | None) -> int:
    """Shred the copies kept for undoing old changes, old keys among them.

    Every change keeps copies of what it replaced, so that `rollback` can put it back. This overwrites and deletes those of old
    changes: they stay in `history` and cannot be undone. Without options: all but the newest 20 and what is older than 400 days,
    except the newest 3; `apply` does the same by itself. With both options a change goes when either says so.

    Copy-on-write and journaling file systems, snapshots, backups and flash storage may keep older blocks of a file that was
    overwritten.
    """
    from pgssl_wizard.change.retention import Limits  # noqa: PLC0415
    from pgssl_wizard.change.retention import forget as shred_old  # noqa: PLC0415
    from pgssl_wizard.cluster.layout import data_directory_of  # noqa: PLC0415

    call.journey.refuse_when_read_only("forget")
    done = shred_old(data_directory_of(data_directory), Limits.asked(keep, older_than))
    if call.as_json:
        from pgssl_wizard.change.serialise import summary_to_json  # noqa: PLC0415

        content = {
            "forgotten": [summary_to_json(change) for change in done.forgotten],
            "undoable": [summary_to_json(change) for change in done.undoable],
        }
        return call.document(ExitCode.DONE, (), content)
    report_changes.forgotten(done)
    return ExitCode.DONE
