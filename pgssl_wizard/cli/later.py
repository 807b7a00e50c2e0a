"""Commands whose names are settled and which are not built yet: each says so and ends with exit code 2."""

from __future__ import annotations

import click

from pgssl_wizard.cli.calling import Call, command
from pgssl_wizard.errors import UnusableInput

_PROMISES = {
    "migrate": "the ladder to verify-full",
    "audit": "connection strings that do not verify",
    "explain": "what an error message means",
    "learn": "the lessons",
    "serve": "lessons and practice in a browser",
}


def _make(name: str, promise: str) -> click.Command:
    @command(name)
    @click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
    def refuse(call: Call, arguments: tuple[str, ...]) -> int:  # noqa: ARG001 - taken so that any call of it gets the same answer
        raise UnusableInput(
            f"The command {call.command} is not built yet.", hint="pgssl-wizard --help lists what there is.", code="not-built-yet"
        )

    refuse.help = f"Not built yet: {promise}."
    refuse.short_help = refuse.help
    refuse.context_settings = {"ignore_unknown_options": True}
    return refuse


COMMANDS = tuple(_make(name, promise) for name, promise in _PROMISES.items())
