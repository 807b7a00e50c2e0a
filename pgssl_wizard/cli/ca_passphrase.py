"""Where the passphrase of a CA's key comes from."""

from __future__ import annotations

from collections.abc import Callable

from pgssl_wizard.cli import asking

_TRIES = 3


def ca_passphrase(command: str | None) -> Callable[[int], bytes | None]:
    """Return the source: a command that is asked once, a terminal that is asked three times, or nobody."""

    def ask(tried: int) -> bytes | None:
        from pgssl_wizard.change import passphrases  # noqa: PLC0415 - few keys are encrypted

        if command is not None:
            return passphrases.from_command(command, "--ca-passphrase-command") if tried == 0 else None
        if not asking.terminal() or tried >= _TRIES:
            return None
        return asking.prompt("Passphrase of the CA's key: ")

    return ask
