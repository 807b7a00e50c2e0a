"""The wizard: holds the journey, moves between steps, and runs what takes time in workers."""

from __future__ import annotations

import asyncio
import importlib
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from rich.text import Text
from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.scrollbar import ScrollBar, ScrollBarRender

from pgssl_wizard import assets
from pgssl_wizard.cli.options import WizardOptions
from pgssl_wizard.journey import Journey
from pgssl_wizard.screens import theme
from pgssl_wizard.screens.steps import STEPS, position

if TYPE_CHECKING:
    from pgssl_wizard.cluster.discover import FoundCluster
    from pgssl_wizard.plan.model import Asks
    from pgssl_wizard.practice.cluster import PracticeCluster


class _PlainScrollBar(ScrollBarRender):
    """Whole blocks only: the eighths that Textual draws are not in every font, and never in ASCII."""

    VERTICAL_BARS = [" "] * 8
    HORIZONTAL_BARS = [" "] * 8


ScrollBar.renderer = _PlainScrollBar


class WizardApp(App[int]):
    """The application; its screens read the journey and write answers into it, nothing else.

    Attributes:
        journey: what is known and answered so far.
        answered: the answers in words for the receipt, by step.
        found: the data directories of this machine, None until they are known.
        enters_waiting: Enter keys typed while a step was still finding out; they count once it knows.
    """

    CSS_PATH = str(Path(assets.__file__).parent / "wizard.tcss")
    TITLE = "pgssl-wizard"
    ENABLE_COMMAND_PALETTE = True
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (106, "-rail"), (118, "-pane")]
    VERTICAL_BREAKPOINTS = [(0, "-low"), (38, "-tall")]
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+q", "leave", "quit", priority=True, id="quit"),
        Binding("ctrl+c", "leave_hint", show=False),
        Binding("ctrl+z", "suspend_process", show=False),
    ]

    def __init__(self, options: WizardOptions, found: list[FoundCluster] | None = None) -> None:
        """Prepare; nothing is read yet.

        Args:
            options: from the command line.
            found: data directories, for tests that bring their own.
        """
        super().__init__()
        self.options = options
        self.journey = Journey(options.pg_bin, options.user, options.database, options.read_only, options.given)
        self.answered: dict[str, str] = {}
        self.found = found
        self.enters_waiting = 0
        self.ascii = _wants_ascii()
        self.practice: PracticeCluster | None = None
        self.written = False
        #: What was typed for the change that comes; gone when it has ended.
        self.secrets: Mapping[Asks, bytes] = {}

    # How it looks -----------------------------------------------------------------------------------------------

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return theme.DEFAULTS

    def on_mount(self) -> None:
        self.register_theme(theme.DARK)
        self.register_theme(theme.LIGHT)
        if "TEXTUAL_THEME" not in os.environ:
            self.theme = "wizard-dark"
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGHUP):
            # Without a handler the terminal would be left in its alternate screen.
            loop.add_signal_handler(number, self._stop_by, number)
        from pgssl_wizard.screens.start import StartScreen  # noqa: PLC0415 - screens import the application's class

        self.push_screen(StartScreen())

    def _stop_by(self, number: int) -> None:
        self.exit(return_code=128 + number, message=f"pgssl-wizard was stopped by {signal.Signals(number).name}")

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        yield SystemCommand("theme: dark", "light text on a dark ground", lambda: self._use("wizard-dark"))
        yield SystemCommand("theme: light", "dark text on a light ground", lambda: self._use("wizard-light"))
        if "NO_COLOR" not in os.environ:
            yield SystemCommand("theme: the terminal's own colours", "16 colours, the terminal decides", lambda: self._use("ansi-dark"))
        yield SystemCommand("view: ASCII on or off", "for terminals without line-drawing characters", self.action_toggle_ascii)
        yield SystemCommand(
            "help: explain this step", "what it does, what if it is wrong, what to read next", lambda: self.run_action("screen.explain")
        )
        yield SystemCommand("quit", "leave the wizard; what was applied stays applied", self.action_leave)

    def _use(self, name: str) -> None:
        self.theme = name

    def action_toggle_ascii(self) -> None:
        """Draw with ASCII characters only, or not."""
        self.ascii = not self.ascii
        for screen in self.screen_stack:
            redraw = getattr(screen, "redraw", None)
            if redraw:
                redraw()

    # Moving ------------------------------------------------------------------------------------------------------

    def preload(self) -> None:
        """Import the modules of the steps; harmless from a thread, and from then on no step waits for it."""
        for spec in STEPS:
            importlib.import_module(f"pgssl_wizard.screens.{spec.screen.partition(':')[0]}")

    def go_to(self, key: str) -> None:
        """Show a step on top of those before it."""
        spec = STEPS[position(key)]
        module_name, _, class_name = spec.screen.partition(":")
        module = importlib.import_module(f"pgssl_wizard.screens.{module_name}")
        self.push_screen(getattr(module, class_name)())

    def go_back_to(self, key: str) -> None:
        """Return to an earlier step; the answers after it stay."""
        while len(self.screen_stack) > 2 and getattr(self.screen, "KEY", "") != key:
            self.pop_screen()

    def release_enter(self, go_on: Callable[[], None]) -> None:
        """Let one waiting Enter through, if there is one."""
        if self.enters_waiting > 0:
            self.enters_waiting -= 1
            go_on()

    def action_leave(self) -> None:
        """Leave, unless a change is being made."""
        if getattr(self.screen, "busy", False):
            self.notify("A change is being made; it takes seconds. Wait for its end.", severity="warning", markup=False)
            return
        self.exit(0, message=getattr(self.screen, "parting", None))

    def action_leave_hint(self) -> None:
        """Say which key leaves."""
        self.notify("Press Ctrl+Q to leave.", markup=False)

    # When something breaks ---------------------------------------------------------------------------------------

    def _fatal_error(self) -> None:
        """End with a plain traceback: Textual's own prints local variables, which may hold secrets."""
        self.bell()
        self._exit_renderables.append(Text("This is a defect of pgssl-wizard:\n" + traceback.format_exc()))
        self._close_messages_no_wait()


def _wants_ascii() -> bool:
    """Whether the terminal cannot be trusted with anything but ASCII."""
    if os.environ.get("PGSSL_WIZARD_ASCII", "") not in {"", "0"}:
        return True
    encoding = getattr(sys.__stdout__, "encoding", None) or "utf-8"
    return "utf" not in encoding.lower()


def run(options: WizardOptions) -> int:
    """Open the wizard; return the exit code of the process."""
    app = WizardApp(options)
    try:
        result = app.run()
    finally:
        if app.practice is not None:
            app.practice.close()
    return app.return_code or result or 0
