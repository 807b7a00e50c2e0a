"""Which map of pg_ident.conf translates the names of a rule's certificates."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from pgssl_wizard.screens.text import line


class MapSheet(ModalScreen[tuple[str, str] | None]):
    """Ask for the name of a map and its entries; an empty name takes it away."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "close", show=False)]

    def __init__(self, name: str, entries: str) -> None:
        """Begin with the map that the rule has, and its entries as they are typed."""
        super().__init__()
        self._name = name
        self._entries = entries

    def compose(self) -> ComposeResult:
        with Vertical(id="sheet"):
            yield Static(line(("Which map translates the names?", "bold $pg-bright")), markup=False)
            yield Static(
                "By a map of pg_ident.conf a certificate may be another role than its name says. Nobody is let in by a map without an entry "
                "that fits, not even under the same name. Empty: no map.",
                markup=False,
            )
            yield Input(self._name, id="map", placeholder="its name")
            yield Input(self._entries, id="entries", placeholder="entries: name in the certificate = role; …")
            yield Static(line(("Enter", "bold $pg-key"), " take   ", ("Esc", "bold $pg-key"), " back"), classes="keys", markup=False)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Take it."""
        event.stop()
        name, entries = (self.query_one(f"#{field}", Input) for field in ("map", "entries"))
        if event.input is name and name.value.strip():
            entries.focus()
            return
        self.dismiss((name.value.strip(), entries.value.strip()))

    def action_close(self) -> None:
        """Leave the rule as it is."""
        self.dismiss(None)
