"""Shell completion: prints the script that a shell's start-up file reads."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> int:
    """Print a completion script: eval "$(pgssl-wizard completion bash)"."""
    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(ctx.find_root().command, {}, "pgssl-wizard", "_PGSSL_WIZARD_COMPLETE").source())
    return 0
