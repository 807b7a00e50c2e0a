"""A list of answers, one of which is chosen by being highlighted; what is not there yet is shown and says why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.widgets import Static

from pgssl_wizard.screens.text import as_ascii, fit, line, lines


@dataclass(frozen=True, slots=True)
class Option:
    """One answer: its value, a label of 22 characters, a description of 44, and why it cannot be chosen, if so."""

    value: str
    label: str
    description: str
    unavailable: str = ""


class Options(Static, can_focus=True):
    """The list. Up and Down move; the step's Enter accepts."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "move(1)", show=False),
        Binding("up,k", "move(-1)", show=False),
        Binding("home", "move(-99)", show=False),
        Binding("end", "move(99)", show=False),
    ]
    index = reactive(0, init=False)

    class Highlighted(Message):
        """Another answer is highlighted."""

        def __init__(self, options: Options, option: Option) -> None:
            super().__init__()
            self.options = options
            self.option = option

        @property
        def control(self) -> Options:
            """The list it came from."""
            return self.options

    def __init__(
        self,
        options: Sequence[Option],
        chosen: str = "",
        *,
        id: str | None = None,  # noqa: A002 - Textual's own name
        classes: str | None = None,
        one_line: bool = False,
    ) -> None:
        """Make a list.

        Args:
            options: the answers.
            chosen: the value highlighted at first; the first one when there is no such value.
            id: as for every widget.
            classes: as for every widget.
            one_line: one line an answer, however much room there is.
        """
        super().__init__(id=id, classes=classes, markup=False)
        self._one_line = one_line
        self.options = list(options)
        self.set_reactive(Options.index, next((n for n, option in enumerate(self.options) if option.value == chosen), 0))

    @property
    def current(self) -> Option:
        """The highlighted answer."""
        return self.options[min(self.index, len(self.options) - 1)]

    def action_move(self, by: int) -> None:
        """Move the highlight."""
        self.index = max(0, min(len(self.options) - 1, self.index + by))

    def watch_index(self) -> None:
        self.draw()
        self.post_message(self.Highlighted(self, self.current))

    def on_focus(self) -> None:
        self.draw()

    def on_blur(self) -> None:
        self.draw()

    def on_mount(self) -> None:
        self.draw()

    def on_resize(self) -> None:
        self.draw()

    def draw(self) -> None:
        """Draw the list: two lines an answer where there is room, else one."""
        width = max(20, self.size.width or 78)
        roomy = not self._one_line and self.screen.has_class("-tall") and self.screen.has_class("-pane")
        rows: list[Content] = []
        for number, option in enumerate(self.options):
            on = number == self.index
            sign = ">" if on else " "
            label_style, text_style = ("bold $pg-mark-fg on $pg-mark", "$pg-mark-dim on $pg-mark") if on else ("$pg-fg", "$pg-muted")
            if option.unavailable and not on:
                label_style = "$pg-muted"
            description = option.unavailable or option.description
            if roomy:
                rows.append(line((fit(f" {sign} {option.label}", width), label_style)))
                rows.append(line((fit(f"   {description}", width), text_style)))
                rows.append(Content(""))
            else:
                label = fit(f" {sign} {option.label}", 27)
                rows.append(line((label, label_style), (fit(description, width - 27), text_style)))
        content = lines(rows[:-1] if roomy else rows)
        self.update(as_ascii(content) if getattr(self.app, "ascii", False) else content)
