"""The bare Textual programs that the wizard is measured against: `python -m tests.bench.bare empty|input|push`."""

from __future__ import annotations

import sys

from textual.app import App, ComposeResult
from textual.screen import Screen
from textual.widgets import Input, Static


class Empty(App[None]):
    """Nothing but one line."""

    def compose(self) -> ComposeResult:
        """Show the marker."""
        yield Static("bare-ready")


class OneInput(App[None]):
    """Nothing but one input."""

    def compose(self) -> ComposeResult:
        """Show the marker and the input."""
        yield Static("bare-ready")
        yield Input()


class SecondScreen(Screen[None]):
    """As many plain widgets as a step of the wizard has."""

    def __init__(self, statics: int) -> None:
        super().__init__()
        self._statics = statics

    def compose(self) -> ComposeResult:
        """Show the marker among plain lines."""
        yield Static("second-ready")
        for number in range(self._statics):
            yield Static(f"line {number}")


class Push(App[None]):
    """Enter pushes a screen with plain widgets."""

    BINDINGS = [("enter", "go", "go")]  # noqa: RUF012 - Textual's own convention

    def compose(self) -> ComposeResult:
        """Show the marker."""
        yield Static("bare-ready")

    def action_go(self) -> None:
        """Push the second screen."""
        self.push_screen(SecondScreen(int(sys.argv[2])))


if __name__ == "__main__":
    {"empty": Empty, "input": OneInput, "push": Push}[sys.argv[1]]().run()
