"""A command of the person's that prints a passphrase, run as the person: for files that are theirs and not the server's."""

from __future__ import annotations

import subprocess

from pgssl_wizard.errors import UnusableInput


def passphrase(command: str, where: str) -> bytes:
    """Return the first line that a shell command prints; its standard error goes where ours goes.

    Args:
        command: for /bin/sh.
        where: the key of the answers, for messages.

    Raises:
        UnusableInput: it fails, or prints nothing.
    """
    try:
        done = subprocess.run(["/bin/sh", "-c", command], check=False, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    except (OSError, ValueError) as error:
        raise UnusableInput(f"The command for the passphrase cannot be run: {error}.", where=where, code="passphrase-command") from error
    if done.returncode != 0:
        how = f"exit code {done.returncode}" if done.returncode > 0 else f"signal {-done.returncode}"
        raise UnusableInput(f"The command for the passphrase ended with {how}.", where=where, code="passphrase-command")
    return first_line(done.stdout, where)


def first_line(data: bytes, where: str) -> bytes:
    """Return the first line of what a command printed or a file holds.

    Raises:
        UnusableInput: it is empty.
    """
    line = data.split(b"\n", 1)[0].removesuffix(b"\r")
    if not line:
        raise UnusableInput("The passphrase is empty.", where=where, hint="It is the first line.", code="bad-passphrase")
    return line
