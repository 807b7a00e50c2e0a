"""Fields of a form, one row each: a choice that Left and Right change, and a text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.message import Message
from textual.reactive import reactive
from textual.widgets import Input, Static

from pgssl_wizard.screens.text import as_ascii, fit, line


class Choice(Static, can_focus=True):
    """One row: a label, and a value that Left, Right and Space change."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("right,space,l", "turn(1)", show=False),
        Binding("left,h", "turn(-1)", show=False),
    ]
    index = reactive(0, init=False)

    class Changed(Message):
        """Another value was chosen."""

        def __init__(self, choice: Choice) -> None:
            super().__init__()
            self.choice = choice

        @property
        def control(self) -> Choice:
            """The field it came from."""
            return self.choice

    def __init__(self, label: str, values: Sequence[tuple[str, str]], chosen: str, *, id: str, classes: str = "") -> None:  # noqa: A002 - Textual's own name
        """Make a choice.

        Args:
            label: at the left.
            values: value and words for each.
            chosen: the value at first.
            id: as for every widget.
            classes: as for every widget.
        """
        super().__init__(id=id, classes=f"field {classes}", markup=False)
        self.label = label
        self.values = list(values)
        self.set_reactive(Choice.index, next((n for n, (value, _) in enumerate(self.values) if value == chosen), 0))

    @property
    def value(self) -> str:
        """The chosen value."""
        return self.values[self.index][0]

    def action_turn(self, by: int) -> None:
        """Choose the next value; the list is a ring."""
        self.index = (self.index + by) % len(self.values)

    def watch_index(self) -> None:
        self.draw()
        self.post_message(self.Changed(self))

    def on_mount(self) -> None:
        self.draw()

    def on_focus(self) -> None:
        self.draw(on=True)

    def on_blur(self) -> None:
        # The widget itself learns of it only after this.
        self.draw(on=False)

    def draw(self, *, on: bool | None = None) -> None:
        """Draw the row; `on`: whether it has the focus, where that is about to change."""
        on = self.has_focus if on is None else on
        words = self.values[self.index][1]
        label = (fit(f"{'>' if on else ' '} {self.label}", 26), "bold $pg-bright" if on else "$pg-muted")
        value = (f"◀ {words} ▶" if on else f"  {words}", "bold $pg-mark-fg on $pg-mark" if on else "$pg-fg")
        content = line(label, value)
        self.update(as_ascii(content) if getattr(self.app, "ascii", False) else content)


class TextField(Horizontal):
    """One row: a label and a text to type."""

    def __init__(self, label: str, value: str, *, id: str, placeholder: str = "", kind: str = "text", classes: str = "") -> None:  # noqa: A002 - Textual's own name
        """Make a field; the input's id is `id` with `-input` behind it."""
        super().__init__(id=id, classes=f"field {classes}")
        self._label = label
        self._value = value
        self._placeholder = placeholder
        self._kind = kind
        self._first = "first" if "first" in classes.split() else ""

    def compose(self) -> ComposeResult:
        yield Static(f"  {self._label}", classes="label", markup=False)
        yield Input(
            self._value,
            placeholder=self._placeholder,
            type="integer" if self._kind == "integer" else "text",
            password=self._kind == "password",
            id=f"{self.id}-input",
            compact=True,
            select_on_focus=False,
            classes=self._first,
        )

    @property
    def input(self) -> Input:
        """The input itself."""
        return self.query_one(Input)

    @property
    def value(self) -> str:
        """What is typed, without blanks around it; not for passphrases, in which they count."""
        return self.input.value.strip()

    def on_descendant_focus(self) -> None:
        self.query_one(".label", Static).update(f"> {self._label}")

    def on_descendant_blur(self) -> None:
        self.query_one(".label", Static).update(f"  {self._label}")
