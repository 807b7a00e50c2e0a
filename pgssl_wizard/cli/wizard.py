"""Starting the wizard: only in a terminal, and with one clear line when it cannot."""

from __future__ import annotations

import sys

from pgssl_wizard.cli.options import WizardOptions
from pgssl_wizard.errors import ExitCode, WizardError


def start(options: WizardOptions) -> int:
    """Open the wizard and return the exit code of the process."""
    if not all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout)):  # None: closed by the caller
        command = "practice" if options.practice else "setup"
        print(f"error: {command} needs a terminal.", file=sys.stderr)
        print("hint: without one, use: pgssl-wizard plan DATADIR, then: pgssl-wizard apply DATADIR", file=sys.stderr)
        return ExitCode.UNUSABLE
    try:
        if options.data_directory is not None and not (options.data_directory / "PG_VERSION").is_file():
            # Only where something looks wrong: what can tell why takes longer to import than the first frame should.
            from pgssl_wizard.cluster.layout import data_directory_of, major_of  # noqa: PLC0415 - a wrong path is said before any screen

            major_of(data_directory_of(options.data_directory))
        from pgssl_wizard.app import run  # noqa: PLC0415 - Textual only where there is a terminal

        return run(options)
    except WizardError as error:
        say(error)
        return error.exit_code


def say(error: WizardError) -> None:
    """Print an error and the next step on standard error."""
    print(f"error: {error}", file=sys.stderr)
    if error.hint:
        print(f"hint: {error.hint}", file=sys.stderr)
