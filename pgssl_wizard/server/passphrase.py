"""Asking for the passphrase of the server's key as the server will: the same line for the shell, the same user, the same directory."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

from pgssl_wizard.errors import UnusableInput
from pgssl_wizard.files import passphrase_commands
from pgssl_wizard.server.identity import Identity

#: Seconds. The server itself waits for ever, and answers nobody meanwhile.
PATIENCE = 20.0


def ask(command: str, identity: Identity, directory: Path, environment: Mapping[str, str] | None = None, *, where: str) -> bytes:
    """Return the first line that the command prints; its standard error goes where ours goes.

    Args:
        command: as the setting ssl_passphrase_command has it.
        identity: the server's user.
        directory: the data directory, in which the server runs it.
        environment: what the running server has besides.
        where: the key of the answers, for messages.

    Raises:
        UnusableInput: it cannot be run, fails, does not end, or prints nothing.
    """

    def unusable(why: str) -> UnusableInput:
        return UnusableInput(
            f"The command for the passphrase {why}.",
            where=where,
            hint=f"Try it by hand as {identity.name}, in {directory}: the server runs it so at every start.",
            code="passphrase-command",
        )

    try:
        done = subprocess.run(
            ["/bin/sh", "-c", passphrase_commands.expanded(command)],
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            cwd=directory,
            env=identity.environment(environment),
            timeout=PATIENCE,
            **identity.spawn_options(),
        )
    except subprocess.TimeoutExpired:
        raise unusable(f"did not end within {PATIENCE:.0f} seconds") from None
    except (OSError, ValueError) as error:
        raise unusable(f"cannot be run: {error}") from error
    if done.returncode != 0:
        how = f"exit code {done.returncode}" if done.returncode > 0 else f"signal {-done.returncode}"
        raise unusable(f"ended with {how}, run as {identity.name}")
    line = done.stdout.split(b"\n", 1)[0].rstrip(b"\r")
    if not line:
        raise unusable(f"printed no passphrase, run as {identity.name}")
    return line
