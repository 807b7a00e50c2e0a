"""The commands: `pgssl-wizard COMMAND --help` explains each."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence
from typing import Any

import click

from pgssl_wizard import __version__
from pgssl_wizard.cli import commands, later
from pgssl_wizard.cli.access import access
from pgssl_wizard.cli.calling import EMPTY, JSON_OPTION, ReaderGoneError, add_options, as_text
from pgssl_wizard.cli.check import check
from pgssl_wizard.cli.completion import completion
from pgssl_wizard.cli.confirm import confirm
from pgssl_wizard.cli.forget import forget
from pgssl_wizard.cli.issue import issue
from pgssl_wizard.cli.lint import lint
from pgssl_wizard.cli.renew import renew
from pgssl_wizard.cli.revoke import revoke
from pgssl_wizard.errors import ExitCode

EPILOG = """\b
Exit codes: 0 done or nothing to do; 1 what was checked falls short; 2 wrong usage or unusable input; 3 refused,
nothing was changed; 4 applied, found not to work, rolled back; 5 an interrupted or
unconfirmed change was found.
"""


class _Group(click.Group):
    """Lists the commands in the order of use, and opens the wizard when none is named."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


@click.group(
    cls=_Group,
    invoke_without_command=True,
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="pgssl-wizard")
@add_options
@JSON_OPTION
@click.pass_context
def main(ctx: click.Context, /, **options: Any) -> int | None:
    """TLS for PostgreSQL, step by step: inspect, choose, preview, apply, prove, undo.

    Without a command, the wizard opens.
    """
    ctx.obj = options
    if ctx.invoked_subcommand is not None:
        return None
    code: int = ctx.invoke(commands.setup)
    return code


for command in (
    commands.setup,
    commands.practice,
    commands.inspect,
    commands.plan,
    commands.apply,
    confirm,
    commands.rollback,
    commands.history,
    forget,
    commands.verify,
    check,
    renew,
    access,
    lint,
    issue,
    revoke,
    *later.COMMANDS,
    completion,
):
    main.add_command(command)


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return the exit code; never a traceback for what a person can cause."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal or pipe of another encoding gets escapes, never a traceback.
            stream.reconfigure(errors="backslashreplace")
    try:
        result = main.main(list(arguments), prog_name="pgssl-wizard", standalone_mode=False)
    except click.ClickException as error:
        if "--json" in arguments:
            name = _command_in(arguments)
            print(as_text({"command": name, "ok": False, **EMPTY.get(name or "", {}), "findings": [_usage_finding(error)]}))
        error.show()
        return ExitCode.UNUSABLE
    except (click.Abort, KeyboardInterrupt):
        print("interrupted", file=sys.stderr)
        return 130
    except (ReaderGoneError, BrokenPipeError):
        # Whoever read our output has gone; the interpreter must not complain about it on the way out.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    return int(result) if isinstance(result, int) else 0


def _usage_finding(error: click.ClickException) -> dict[str, str | None]:
    return {"severity": "error", "code": "usage", "message": error.format_message(), "hint": None, "where": None}


def _command_in(arguments: Sequence[str]) -> str | None:
    return next((argument for argument in arguments if argument in main.commands), None)
