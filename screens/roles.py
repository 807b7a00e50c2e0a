"""The server's roles with a tick each, over the body: who gets a client certificate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import getters
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from pgssl_wizard.app import WizardApp
from pgssl_wizard.screens.names import NameList
from pgssl_wizard.screens.text import line


class RoleList(NameList):
    """A list that may be longer than the screen."""

    def action_move(self, by: int) -> None:
        """Move the highlight and keep it in sight."""
        self.index = max(0, min(len(self.names) - 1, self.index + by))
        self.draw()
        side = self.screen.query_one("#roles-side", VerticalScroll)
        side.scroll_to(y=max(0, self.index - side.size.height // 2), animate=False)


class ChooseRoles(ModalScreen[list[str] | None]):
    """Ends with the ticked roles, or with None."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "take", show=False, priority=True),
        Binding("escape", "close", show=False, priority=True),
    ]
    AUTO_FOCUS = "#roles"
    app = getters.app(WizardApp)

    def __init__(self, roles: Sequence[str], privileged: Sequence[str], chosen: Sequence[str]) -> None:
        """Offer roles.

        Args:
            roles: that can log in.
            privileged: superusers and those that replicate; never ticked beforehand.
            chosen: ticked already; without any, everybody ordinary is.
        """
        super().__init__()
        self._roles = [(role, "superuser or replication" if role in privileged else "") for role in roles]
        self._chosen = list(chosen) or [role for role in roles if role not in privileged]

    def compose(self) -> ComposeResult:
        with Vertical(id="sheet"):
            yield Static(line(("Who gets a client certificate?", "bold $pg-bright")), markup=False)
            yield Static(line(("Roles of this server that can log in.", "$pg-muted")), markup=False)
            yield VerticalScroll(RoleList(self._roles, self._chosen, id="roles", classes=""), id="roles-side", can_focus=False)
            yield Static(
                line(("Space", "bold $pg-key"), " tick   ", ("Enter", "bold $pg-key"), " take   ", ("Esc", "bold $pg-key"), " back"),
                classes="keys",
                markup=False,
            )

    def action_take(self) -> None:
        """Take what is ticked."""
        self.dismiss(self.query_one(RoleList).value)

    def action_close(self) -> None:
        """Change nothing."""
        self.dismiss(None)
