"""Passphrases that a file or a command of the person's gives. They stay in memory: nothing prints, stores or passes them on."""

from __future__ import annotations

import subprocess
from pathlib import Path

from pgssl_wizard.errors import UnusableInput


def from_command(command: str, where: str) -> bytes:
    """Return the first line that a shell command prints; its standard error goes where ours goes.

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
    return _first_line(done.stdout, where)


def from_file(path: Path, where: str) -> bytes:
    """Return the first line of a file.

    Raises:
        UnusableInput: it cannot be read, or its first line is empty or no UTF-8.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UnusableInput(f"The passphrase cannot be read: {error.strerror}.", where=str(path), code="unreadable-file") from error
    return check(_first_line(data, where), where)


def check(passphrase: bytes, where: str) -> bytes:
    """Return a passphrase that a PKCS#12 file can have.

    Raises:
        UnusableInput: it is no UTF-8, or holds a zero byte, which programs read differently.
    """
    try:
        passphrase.decode()
    except UnicodeDecodeError:
        raise UnusableInput("The passphrase is no UTF-8.", where=where, code="bad-passphrase") from None
    if b"\0" in passphrase:
        raise UnusableInput("The passphrase holds a zero byte.", where=where, code="bad-passphrase")
    return passphrase


def _first_line(data: bytes, where: str) -> bytes:
    line = data.split(b"\n", 1)[0].removesuffix(b"\r")
    if not line:
        raise UnusableInput("The passphrase is empty.", where=where, hint="It is the first line.", code="bad-passphrase")
    return line
