"""What commands ask people for at a terminal, unseen."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pgssl_wizard.errors import UnusableInput

if TYPE_CHECKING:
    from pgssl_wizard.plan.model import Asks


def terminal() -> bool:
    """Whether there is somebody to ask."""
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stderr))


def prompt(text: str) -> bytes:
    """Return what is typed.

    Raises:
        UnusableInput: the input ended.
    """
    import getpass  # noqa: PLC0415 - only where somebody is asked

    try:
        return getpass.getpass(text).encode("utf-8", "surrogateescape")
    except EOFError:
        raise UnusableInput("No passphrase was given.", code="bad-passphrase") from None


def prompt_twice(text: str, where: str) -> bytes:
    """Return what is typed twice alike.

    Args:
        text: the first prompt.
        where: what wants it, for the message.

    Raises:
        UnusableInput: the two differ, or the input ended.
    """
    first = prompt(text)
    if first != prompt("The same again: "):
        raise UnusableInput("The two passphrases differ.", where=where, code="bad-passphrase")
    return first


def ask(what: Asks, path: Path) -> bytes | None:
    """Return the passphrase that a key's file has, or is to get; None where there is nobody to ask.

    Raises:
        UnusableInput: the input ended, or what is typed twice differs.
    """
    if not terminal():
        return None
    match what:
        case "ca-key":
            return prompt(f"Passphrase of the CA's key {path}: ")
        case "new-ca-key":
            return prompt_twice(f"New passphrase for the CA's key {path}: ", str(path))
        case "server-key":
            return prompt_twice(f"New passphrase for the server's key {path}: ", str(path))
