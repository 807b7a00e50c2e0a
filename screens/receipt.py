"""All answers so far, over the body; Enter goes back to one of them, and the answers after it stay."""

from __future__ import annotations

from typing import ClassVar

from textual import getters
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Static

from pgssl_wizard.app import WizardApp
from pgssl_wizard.screens.steps import STEPS, position, sign_of
from pgssl_wizard.screens.text import as_ascii, fit, line, lines


class Receipt(ModalScreen[None]):
    """The receipt."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,f2", "close", show=False, priority=True),
        Binding("enter", "jump", show=False, priority=True),
        Binding("down,j", "move(1)", show=False),
        Binding("up,k", "move(-1)", show=False),
    ]
    app = getters.app(WizardApp)

    def __init__(self, key: str) -> None:
        """Open at the step `key`."""
        super().__init__()
        self._here = max(0, position(key))
        self._index = self._here

    def compose(self) -> ComposeResult:
        with Vertical(id="sheet"):
            yield Static(line(("Your answers", "bold $pg-bright")), markup=False)
            yield Static(id="answers", markup=False)
            yield Static(
                line(("Enter", "bold $pg-key"), " go back there   ", ("Esc", "bold $pg-key"), " close"), classes="keys", markup=False
            )

    def on_mount(self) -> None:
        self._draw()

    def _draw(self) -> None:
        rows = []
        for number, spec in enumerate(STEPS):
            answer = self.app.answered.get(spec.key, "")
            sign, _ = sign_of(answer, current=number == self._here)
            on = number == self._index
            style = "bold $pg-mark-fg on $pg-mark" if on else "$pg-fg" if answer else "$pg-muted"
            rows.append(line((fit(f"{'>' if on else ' '} {sign} {spec.name}", 28), style), (fit(answer, 40), style)))
        content = lines(rows)
        self.query_one("#answers", Static).update(as_ascii(content) if self.app.ascii else content)

    def action_move(self, by: int) -> None:
        """Move the highlight; only steps up to this one can be returned to."""
        self._index = max(0, min(self._here, self._index + by))
        self._draw()

    def action_jump(self) -> None:
        """Go back to the highlighted step."""
        key = STEPS[self._index].key
        self.dismiss()
        if self._index < self._here and self._here < position("apply"):
            self.app.call_later(self.app.go_back_to, key)

    def action_close(self) -> None:
        """Stay here."""
        self.dismiss()
