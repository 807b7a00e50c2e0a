"""Every way in which a command can end that is not success, with its exit code.

One root class; the command line and the screens render it in one place. A message says what is wrong, `where` says in
which file and line, `hint` says what to do next.
"""

from __future__ import annotations

from enum import IntEnum
from typing import ClassVar


class ExitCode(IntEnum):
    """What the process returns to the shell; part of the contract, never renumbered."""

    DONE = 0
    FALLS_SHORT = 1
    UNUSABLE = 2
    REFUSED = 3
    ROLLED_BACK = 4
    INTERRUPTED = 5


class WizardError(Exception):
    """Something a person can cause and cure.

    Args:
        message: what is wrong, one or two plain sentences.
        where: `file:line`, a path or an option, when there is one.
        hint: the next step.
        code: a kebab-case name that scripts can match on.
    """

    exit_code: ClassVar[ExitCode] = ExitCode.UNUSABLE

    def __init__(self, message: str, *, where: str | None = None, hint: str | None = None, code: str = "error") -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.hint = hint
        self.code = code

    def __str__(self) -> str:
        return f"{self.where}: {self.message}" if self.where else self.message

    @property
    def with_hint(self) -> str:
        """What is wrong and the next step, for a line beside the place that it is about."""
        return f"{self.message} {self.hint}" if self.hint else self.message


class UnusableInput(WizardError):
    """Wrong usage or input that cannot be used: nothing was tried."""

    exit_code = ExitCode.UNUSABLE


class Refused(WizardError):
    """The input is understood and the change would not be safe: nothing was changed."""

    exit_code = ExitCode.REFUSED


class RolledBack(WizardError):
    """The change was made, found not to work, and undone: everything is as before."""

    exit_code = ExitCode.ROLLED_BACK


class Interrupted(WizardError):
    """An unfinished change was found; `rollback` puts things back."""

    exit_code = ExitCode.INTERRUPTED
