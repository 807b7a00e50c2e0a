"""Where the answers file goes."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from textual import getters
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from pgssl_wizard.app import WizardApp
from pgssl_wizard.errors import WizardError
from pgssl_wizard.screens.text import line


class SaveAnswers(ModalScreen[None]):
    """Save these answers."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "close", show=False)]
    app = getters.app(WizardApp)

    def __init__(self, path: Path) -> None:
        """Offer `path`."""
        super().__init__()
        self._path = path

    def compose(self) -> ComposeResult:
        with Vertical(id="sheet"):
            yield Static(line(("Save these answers", "bold $pg-bright")), markup=False)
            yield Static("A TOML file for pgssl-wizard apply DATADIR -a FILE. There are no secrets in it.", markup=False)
            yield Input(str(self._path), id="path")
            yield Static("", id="said", markup=False)
            yield Static(line(("Enter", "bold $pg-key"), " save   ", ("Esc", "bold $pg-key"), " back"), classes="keys", markup=False)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Save."""
        event.stop()
        path = Path(event.value.strip()).expanduser().absolute()
        try:
            self.app.journey.save_answers(path)
        except (WizardError, OSError) as error:
            words = str(error) if isinstance(error, WizardError) else f"{path}: {error.strerror or error}"
            self.query_one("#said", Static).update(line(("! ", "bold $pg-warn"), (words, "$pg-warn")))
            return
        self.dismiss()
        self.app.notify(f"Saved: {path}", markup=False)

    def action_close(self) -> None:
        """Save nothing."""
        self.dismiss()
