"""What the command line hands to the wizard; free of click, so that the first frame does not wait for it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from pgssl_wizard.answers import Given
from pgssl_wizard.errors import UnusableInput


def working_directory() -> Path:
    """Return where the person stands.

    Raises:
        UnusableInput: somebody has removed it.
    """
    try:
        return Path.cwd()
    except OSError as error:
        raise UnusableInput(
            f"The working directory cannot be used: {error.strerror}.", hint="Go to another one with cd.", code="no-working-directory"
        ) from error


@dataclass(frozen=True, slots=True)
class WizardOptions:
    """How the wizard was called. With `practice`, it makes its own cluster and `data_directory` is None."""

    data_directory: Path | None = None
    pg_bin: Path | None = None
    user: str | None = None
    database: str | None = None
    read_only: bool = False
    given: Given = field(default_factory=lambda: Given(base=working_directory()))
    practice: bool = False
