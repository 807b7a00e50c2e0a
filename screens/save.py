"""Where the answers file goes."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from textual import getters
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from pgssl_wizard.app import WizardApp
from pgssl_wizard.errors import WizardError
from pgssl_wizard.screens.text import line


class SaveSheet(ModalScreen[None]):
    """A sheet that asks where a file goes."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "close", show=False)]
    app = getters.app(WizardApp)

    def __init__(self, path: Path) -> None:
        """Offer `path`."""
        super().__init__()
        self._path = path

    TITLE: ClassVar[str] = ""
    SENTENCE: ClassVar[str] = ""

    def above(self) -> ComposeResult:
        """Yield what stands above the path."""
        yield from ()

    def save(self, path: Path) -> None:
        """Save; raises WizardError or OSError."""
        raise NotImplementedError

    def compose(self) -> ComposeResult:
        with Vertical(id="sheet"):
            yield Static(line((self.TITLE, "bold $pg-bright")), markup=False)
            yield Static(self.SENTENCE, markup=False)
            yield from self.above()
            yield Input(str(self._path), id="path")
            yield Static("", id="said", markup=False)
            yield Static(line(("Enter", "bold $pg-key"), " save   ", ("Esc", "bold $pg-key"), " back"), classes="keys", markup=False)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Save."""
        event.stop()
        path = Path(event.value.strip()).expanduser().absolute()
        try:
            self.save(path)
        except (WizardError, OSError) as error:
            words = str(error) if isinstance(error, WizardError) else f"{path}: {error.strerror or error}"
            self.query_one("#said", Static).update(line(("! ", "bold $pg-warn"), (words, "$pg-warn")))
            return
        self.dismiss()
        self.app.notify(f"Saved: {path}", markup=False)

    def action_close(self) -> None:
        """Save nothing."""
        self.dismiss()


class SaveAnswers(SaveSheet):
    """Save these answers."""

    TITLE = "Save these answers"
    SENTENCE = "A TOML file for pgssl-wizard apply DATADIR -a FILE. There are no secrets in it."

    def save(self, path: Path) -> None:
        """Write the answers."""
        self.app.journey.save_answers(path)


class SaveCard(SaveSheet):
    """Save the custody card of a new CA."""

    TITLE = "Print this, and keep it with the CA's keys"
    SENTENCE = "It says what lies where, and what to take offline. There are no secrets in it."
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down", "scroll(1)", show=False),
        Binding("up", "scroll(-1)", show=False),
        Binding("pagedown", "scroll(8)", show=False),
        Binding("pageup", "scroll(-8)", show=False),
    ]

    def above(self) -> ComposeResult:
        """Yield the card."""
        change = self.app.journey.change
        yield VerticalScroll(Static(change.card if change else "", markup=False), id="card", can_focus=False)

    def save(self, path: Path) -> None:
        """Write the card."""
        self.app.journey.save_card(path)

    def action_scroll(self, by: int) -> None:
        """Scroll the card."""
        self.query_one("#card").scroll_relative(y=by, animate=False)
