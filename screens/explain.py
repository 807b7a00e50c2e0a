"""The lesson of a step: what the choice does, what happens if it is wrong, what to read next."""

from __future__ import annotations

from importlib import resources
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Markdown, Static

from pgssl_wizard.screens.text import line


def lesson(key: str) -> str:
    """Return the Markdown of a step's lesson."""
    return resources.files("pgssl_wizard.assets").joinpath("lessons", f"{key}.md").read_text(encoding="utf-8")


class Explain(ModalScreen[None]):
    """One lesson; any of the leaving keys closes it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,f1,question_mark,q,enter", "close", show=False, priority=True),
        Binding("down,j", "scroll(1)", show=False),
        Binding("up,k", "scroll(-1)", show=False),
        Binding("pagedown,space", "scroll(12)", show=False),
        Binding("pageup", "scroll(-12)", show=False),
    ]

    def __init__(self, key: str) -> None:
        """Explain the step `key`."""
        super().__init__()
        self._key = key

    def compose(self) -> ComposeResult:
        with Vertical(id="sheet"):
            yield VerticalScroll(Markdown(lesson(self._key)), id="lesson", can_focus=False)
            yield Static(line(("↑↓", "bold $pg-key"), " scroll   ", ("Esc", "bold $pg-key"), " close"), classes="keys", markup=False)

    def action_close(self) -> None:
        """Back to the step."""
        self.dismiss()

    def action_scroll(self, by: int) -> None:
        """Scroll the text."""
        self.query_one("#lesson").scroll_relative(y=by, animate=False)
