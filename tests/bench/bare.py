"""The bare Textual programs that the wizard is measured against: `python -m tests.bench.bare empty|input|push`."""

from __future__ import annotations

import sys

from textual.app import App, ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical, VerticalScroll
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
    """The stock widgets that the wizard's step `Which key, and for how long?` is made of, nested as there."""

    def compose(self) -> ComposeResult:
        """Show the marker where the step has its title."""
        yield Static("too small", id="toosmall")
        yield Static("header")
        yield Static("dots")
        with Horizontal():
            yield Static("rail", id="rail")
            with Vertical():
                yield Static("second-ready")
                yield Static("sentence")
                with VerticalScroll(can_focus=False):
                    yield Static("Key   ECDSA P-256")
                    for label, value in (("Valid for days", "365"), ("Name of the CA", "PostgreSQL CA"), ("Root for days", "3650")):
                        with Horizontal(classes="field"):
                            yield Static(label, classes="label")
                            yield Input(value, compact=True)
                    yield Static("Every certificate begins an hour back, for clients whose clock is behind.\nEd25519 is not offered.")
                yield Static("problem", id="problem")
                yield Static("strip\nfirst\nsecond\nthird")
            yield Static("pane", id="pane")
        yield Static("footer")


class Push(App[None]):
    """Enter pushes a screen with plain widgets."""

    CSS = """
    Static { height: auto; } #toosmall, #rail, #problem, #pane { display: none; }
    .field { height: 1; } .label { width: 26; } .field Input { width: 1fr; border: none; }
    Horizontal { height: 1fr; } VerticalScroll { height: 1fr; }
    """
    BINDINGS = [Binding("enter", "go", priority=True), Binding("escape", "leave", priority=True)]  # noqa: RUF012 - Textual's own convention

    def compose(self) -> ComposeResult:
        """Show the marker."""
        yield Static("bare-ready")

    def action_go(self) -> None:
        """Push the second screen."""
        self.push_screen(SecondScreen())

    def action_leave(self) -> None:
        """Return to the first screen."""
        if len(self.screen_stack) > 1:
            self.pop_screen()


if __name__ == "__main__":
    {"empty": Empty, "input": OneInput, "push": Push}[sys.argv[1]]().run()
