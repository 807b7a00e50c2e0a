"""What is known of the settings of the server that a rules file belongs to, and where each value comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pgssl_wizard.files.known_settings import known
from pgssl_wizard.files.values import boolean


@dataclass(frozen=True, slots=True)
class Known:
    """Settings around a file; those that nobody knows are None.

    Attributes:
        major: the server's.
        values: what is set, and the place (`postgresql.conf:12`).
        main: the settings file that a server starts from, when it was read: what it leaves out has its default.
    """

    major: int
    values: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    main: str | None = None

    def value(self, name: str) -> str | None:
        """Return the value of a setting, None when it is not known."""
        if name in self.values:
            return self.values[name][0]
        if self.main is None:
            return None
        setting = known(name, self.major)
        return setting.default if setting else None

    def switched(self, name: str) -> bool | None:
        """Return whether a switch is on, None when that is not known."""
        value = self.value(name)
        return None if value is None else boolean(value)

    def told(self, name: str) -> str:
        """Return where the value comes from, for people."""
        if name in self.values:
            return self.values[name][1]
        return f"{self.main} does not set {name}"
