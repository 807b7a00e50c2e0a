"""Step 2: every name and address that clients connect to."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.widgets import Input, Static

from pgssl_wizard.errors import UnusableInput
from pgssl_wizard.screens.step import Meaning, Step
from pgssl_wizard.screens.text import as_ascii, fit, line, lines, some
from pgssl_wizard.screens.widgets.fields import TextField

#: So many columns the receipt has for an answer.
_IN_RECEIPT = 20


class NameList(Static, can_focus=True):
    """Names with a tick each; Space ticks."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down", "move(1)", show=False),
        Binding("up", "move(-1)", show=False),
        Binding("space", "tick", show=False),
        Binding("delete", "tick", show=False),
    ]

    class Changed(Message):
        """A tick was set or taken away."""

    def __init__(self, names: list[tuple[str, str]], chosen: list[str], *, id: str, classes: str) -> None:  # noqa: A002 - Textual's own name
        super().__init__(id=id, classes=classes, markup=False)
        self.names = names
        self.chosen = set(chosen)
        self.index = 0

    @property
    def value(self) -> list[str]:
        """The ticked names in the order of the list."""
        return [name for name, _ in self.names if name in self.chosen]

    def add(self, name: str) -> None:
        """Put a name on top, ticked."""
        self.names = [(name, "typed"), *[each for each in self.names if each[0] != name]]
        self.chosen.add(name)
        self.index = 0
        self.draw()
        self.post_message(self.Changed())

    def action_move(self, by: int) -> None:
        """Move the highlight; below the last name comes the field to type in."""
        if self.index + by >= len(self.names):
            self.screen.focus_next("#body *")
            return
        self.index = max(0, self.index + by)
        self.draw()

    def action_tick(self) -> None:
        """Tick the highlighted name, or not."""
        if not self.names:
            return
        self.chosen ^= {self.names[self.index][0]}
        self.draw()
        self.post_message(self.Changed())

    def on_mount(self) -> None:
        self.draw()

    def on_resize(self) -> None:
        self.draw()

    def on_focus(self) -> None:
        self.draw()

    def on_blur(self) -> None:
        self.draw()

    def draw(self) -> None:
        """Draw the list."""
        width = max(20, self.size.width or 78)
        rows: list[Content] = []
        for number, (name, why) in enumerate(self.names):
            on = number == self.index and self.has_focus
            tick = "[x]" if name in self.chosen else "[ ]"
            left = fit(f" {'>' if on else ' '} {tick} {name}", 46 if width > 70 else width - 26)
            rest = fit(why, width - len(left))
            ticked = name in self.chosen
            label = "bold $pg-mark-fg on $pg-mark" if on else "$pg-fg" if ticked else "$pg-muted"
            rows.append(line((left, label), (rest, "$pg-mark-dim on $pg-mark" if on else "$pg-muted")))
        content = lines(rows)
        self.update(as_ascii(content) if getattr(self.app, "ascii", False) else content)


class NamesStep(Step):
    """By which names do clients know this server?"""

    KEY = "names"
    TITLE = "By which names do clients connect?"
    SENTENCE = "verify-full compares these with what the client typed."
    KEYS: ClassVar[tuple[tuple[str, str], ...]] = (("Space", "tick"), ("Tab", "add a name"))

    def fields(self) -> ComposeResult:
        journey = self.app.journey
        answers = journey.answers or journey.complete()
        cluster = journey.cluster
        found = [(each.name, each.why) for each in cluster.found_names] if cluster else []
        known = {name for name, _ in found}
        extra = [(name, "typed") for name in answers.server.names if name not in known]
        yield NameList(extra + found, list(answers.server.names), id="names", classes="first")
        yield TextField("Add a name or address", "", id="add", placeholder="also failover names, balancers, aliases")
        yield Static(id="said", markup=False)

    def redraw_body(self) -> None:
        rows = [Content(""), *self.finding_lines(self.body_width())]
        content = lines(rows)
        self.query_one("#said", Static).update(as_ascii(content) if self.app.ascii else content)

    def on_name_list_changed(self) -> None:
        self.redraw_meaning()

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        if self.problem:
            self.complain("")

    def accept(self) -> None:
        field = self.query_one("#add", TextField)
        if field.value:
            self._add(field)
            return
        super().accept()

    def _add(self, field: TextField) -> None:
        from pgssl_wizard.certificates.names import parse_name  # noqa: PLC0415

        for text in field.value.replace(",", " ").split():
            try:
                name = parse_name(text)
            except UnusableInput as error:
                self.complain(error.with_hint)
                return
            self.query_one(NameList).add(name.text)
        field.input.value = ""
        self.complain("")

    def commit(self) -> str | None:
        chosen = self.query_one(NameList).value
        if not chosen:
            return "Tick at least one name: clients compare it with the certificate."
        if tuple(chosen) != (self.app.journey.answers or self.app.journey.complete()).server.names:
            self.app.journey.answer("server.names", chosen, "the step Names")
        return None

    def meaning(self) -> Meaning:
        named, left_out = some(self.query_one(NameList).value, 10)
        return Meaning(
            "What the names are for",
            "verify-full works by each ticked name, and by no other",
            "a name added later means a new certificate",
            "to connect by one of these: name failover names now",
            configuration=(*(f"DNS or IP: {name}" for name in named), *([f"and {left_out} more"] if left_out else [])),
            place="In the certificate",
        )

    def in_words(self) -> str:
        chosen = self.query_one(NameList).value
        if not chosen:
            return ""
        every = ", ".join(chosen)
        return every if len(every) <= _IN_RECEIPT else f"{chosen[0]} +{len(chosen) - 1}"
