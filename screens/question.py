"""A question before something is done: the safe answer is Escape, the other one a key of its own."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.events import Key
from textual.screen import ModalScreen
from textual.widgets import Static

from pgssl_wizard.screens.text import line


class Question(ModalScreen[bool]):
    """Yes by its key, no by anything that ends it."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,n", "no", show=False)]

    def __init__(self, title: str, text: str, key: str, word: str) -> None:
        """Ask `title`; `key` says yes, and `word` is what it does."""
        super().__init__()
        self._texts = (title, text, key, word)

    def compose(self) -> ComposeResult:
        title, text, key, word = self._texts
        with Vertical(id="sheet"):
            yield Static(line((title, "bold $pg-bright")), markup=False)
            yield Static(text, markup=False)
            yield Static(line((key, "bold $pg-key"), f" {word}   ", ("Esc", "bold $pg-key"), " back"), classes="keys", markup=False)

    def on_key(self, event: Key) -> None:
        """Only the named key says yes; Enter does nothing."""
        if event.key == self._texts[2]:
            event.stop()
            self.dismiss(True)

    def action_no(self) -> None:
        """Leave things as they are."""
        self.dismiss(False)
