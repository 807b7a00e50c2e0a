"""What every step shares: the frame around its body, the receipt, the keys, and how Enter and Escape move."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from textual import getters
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.events import Resize
from textual.geometry import Size
from textual.screen import Screen
from textual.widgets import Static

from pgssl_wizard.app import WizardApp
from pgssl_wizard.errors import WizardError
from pgssl_wizard.findings import Finding
from pgssl_wizard.screens.steps import STEPS, position, sign_of
from pgssl_wizard.screens.text import Piece, as_ascii, fit, line, lines, wrap

#: Below this nothing useful can be shown; 80x24 is what the screens are made for.
SMALLEST = (60, 18)

#: From these sizes on the receipt, the pane and two-line answers show; the style sheet's classes are set at the same.
RAIL_FROM, PANE_FROM, TALL_FROM = 106, 118, 38
RAIL_WIDTH, PANE_WIDTH = 26, 32


@dataclass(frozen=True, slots=True)
class Meaning:
    """What the highlighted answer brings: a heading, three sentences, and lines of configuration for the wide pane."""

    head: str = "What this means"
    get: str = ""
    cost: str = ""
    clients: str = ""
    labels: tuple[str, str, str] = ("You get", "It costs", "Clients need")
    configuration: tuple[str, ...] = ()
    place: str = "In postgresql.conf"


class _Body(VerticalScroll, can_focus=False, inherit_bindings=False):
    """Holds what does not fit; the arrow keys are the step's, which moves the focus and scrolls to it."""


class Step(Screen[None]):
    """One step of the wizard.

    Subclasses give `KEY`, `TITLE`, `SENTENCE`, `fields()` for the body, `meaning()` and `in_words()`, and `commit()`, which writes the
    answers into the journey and returns what is wrong, or None.
    """

    KEY: ClassVar[str] = ""
    TITLE: ClassVar[str] = ""
    SENTENCE: ClassVar[str] = ""
    TABLE: ClassVar[bool] = False
    KEYS: ClassVar[tuple[tuple[str, str], ...]] = ()
    AUTO_FOCUS = "#body .first"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "next", "next", priority=True),
        Binding("escape", "back", "back"),
        Binding("f1", "explain", "explain", priority=True),
        Binding("question_mark", "explain", show=False),
        Binding("f2", "receipt", show=False, priority=True),
        Binding("down", "focus_next_field", show=False),
        Binding("up", "focus_previous_field", show=False),
        Binding("pagedown", "scroll_body(12)", show=False),
        Binding("pageup", "scroll_body(-12)", show=False),
    ]
    app = getters.app(WizardApp)

    def __init__(self) -> None:
        super().__init__()
        self.ready = True
        self.busy = False
        self.open = False
        self.problem = ""
        self._drawn_for = Size(0, 0)
        if self.TABLE:
            self.add_class("-table")

    # The frame ------------------------------------------------------------------------------------------------------

    def compose(self) -> ComposeResult:
        yield Static(
            "This terminal is too small.\nThe wizard needs 80x24.\nMake it larger, or press\nCtrl+Q and use the commands:\npgssl-wizard --help",
            id="toosmall",
            markup=False,
        )
        yield Static(id="header", markup=False)
        yield Static(id="dots", markup=False)
        with Horizontal(id="frame"):
            yield Static(id="rail", markup=False)
            with Vertical(id="main"):
                yield Static(id="title", markup=False)
                yield Static(id="sentence", markup=False)
                with _Body(id="body"):
                    yield from self.fields()
                yield Static(id="problem", markup=False)
                yield Static(id="strip", markup=False)
            yield Static(id="pane", markup=False)
        yield Static(id="footer", markup=False)

    def fields(self) -> ComposeResult:
        """Yield the widgets of the body."""
        yield from ()

    def on_mount(self) -> None:
        self.redraw()
        self.call_after_refresh(self._open)

    def _open(self) -> None:
        """The step is drawn: from now on Enter counts at once, and one that waited is let through."""
        self.open = True
        if self.ready:
            self.app.release_enter(self.accept)

    @property
    def window(self) -> Size:
        """The terminal's size: the screen's own once it is laid out, before that the application's."""
        return self.size if self.size.width else self.app.size

    def on_resize(self, event: Resize) -> None:
        self.set_class(event.size.width < SMALLEST[0] or event.size.height < SMALLEST[1], "-toosmall")
        if self._drawn_for != event.size:
            self.call_after_refresh(self.redraw)

    def on_screen_resume(self) -> None:
        if self.open:
            self.redraw()

    def redraw(self) -> None:
        """Draw everything around the body anew from the journey."""
        self._drawn_for = self.window
        self.show("header", self._header())
        self.show("dots", self._dots())
        self.show("rail", self._rail())
        self.show("title", self.title_line())
        self.show("sentence", line((self.sentence(), "$pg-muted")))
        self.show("footer", self._footer())
        self.redraw_meaning()
        self.redraw_body()

    def redraw_body(self) -> None:
        """Draw what in the body depends on answers or size; for subclasses."""

    def redraw_meaning(self) -> None:
        """Draw the consequences of the highlighted answer, and the receipt's line of this step."""
        meaning = self.meaning()
        self.show("strip", self._strip(meaning))
        self.show("pane", self._pane(meaning))
        self.show("rail", self._rail())

    def show(self, place: str, content: Content) -> None:
        """Put content into one of the frame's places, in ASCII when that is asked for."""
        self.query_one(f"#{place}", Static).update(as_ascii(content) if self.app.ascii else content)

    def title_line(self) -> Content:
        """Return the title; table steps put numbers at its right."""
        return line((self.TITLE, "bold $pg-bright"))

    def sentence(self) -> str:
        """Return the sentence below the title."""
        return self.SENTENCE

    def meaning(self) -> Meaning:
        """Return what the highlighted answer brings."""
        return Meaning()

    def in_words(self) -> str:
        """Return the highlighted answer for the receipt, 22 characters at most."""
        return ""

    def findings(self) -> list[Finding]:
        """Return what is worth saying on this step."""
        cluster = self.app.journey.cluster
        return [finding for finding in cluster.findings if finding.topic == self.KEY] if cluster else []

    def finding_lines(self, width: int) -> list[Content]:
        """Return the step's findings as wrapped lines with their signs."""
        marks = {"error": ("✗", "$pg-err"), "warning": ("!", "$pg-warn"), "info": ("·", "$pg-muted")}
        rows: list[Content] = []
        for finding in self.findings():
            mark, style = marks[finding.severity]
            text = finding.message + (f" {finding.hint}" if finding.hint else "")
            for number, row in enumerate(wrap(text, width - 2)):
                rows.append(
                    line((f"{mark if number == 0 else ' '} ", style), (row, "$pg-fg" if finding.severity != "info" else "$pg-muted"))
                )
        return rows

    @property
    def roomy(self) -> bool:
        """Whether the pane stands at the right; known before anything is laid out, so that the first drawing is right."""
        return self.window.width >= PANE_FROM

    @property
    def tall(self) -> bool:
        """Whether there is height for two-line answers and rules between."""
        return self.window.height >= TALL_FROM

    def main_width(self) -> int:
        """Return how many columns the text beside rail and pane has."""
        width = self.window.width - 4
        if width + 4 >= RAIL_FROM:
            width -= RAIL_WIDTH
        if self.roomy and not self.TABLE:
            width -= PANE_WIDTH
        return max(20, width)

    def body_width(self) -> int:
        """Return how many columns the body's text has; one is kept for a scroll bar."""
        return max(20, self.main_width() - 1)

    def _header(self) -> Content:
        journey = self.app.journey
        cluster = journey.cluster
        wide = self.window.width >= 100
        left: list[Piece] = [("pgssl-wizard", "bold")]
        if cluster:
            state = "running" if cluster.running else "down"
            version = f"PostgreSQL {cluster.server_version}" if wide else cluster.server_version
            room = self.window.width - 4 - len(f"pgssl-wizard   · {version} · {state}") - 3 - self.state_in_words().cell_length
            left.append((f"   {fit(cluster.label, max(6, min(room, len(cluster.label))))} · {version} · {state}", self._dim()))
        right = self.state_in_words()
        text = line(*left)
        space = max(2, self.window.width - 4 - text.cell_length - right.cell_length)
        return line(text, " " * space, right)

    def state_in_words(self) -> Content:
        """Return the right end of the header: the state of TLS, and that nothing is written yet."""
        cluster = self.app.journey.cluster
        said: list[Piece] = []
        if cluster:
            on = cluster.value("ssl") == "on"
            said += [(f"TLS {'on' if on else 'off'}", "bold"), (" · ", self._dim())]
        said.append(("applied" if self.app.written else "nothing written yet", self._dim()))
        return line(*said)

    def _dim(self) -> str:
        return "$pg-alert-dim" if self.has_class("-alert") else "$pg-bar-dim"

    def _dots(self) -> Content:
        place = position(self.KEY)
        if place < 0:
            return line((self.SENTENCE_ABOVE, "$pg-muted"))
        pieces: list[Piece] = []
        for number, spec in enumerate(STEPS):
            sign = "◉" if number == place else "●" if spec.key in self.app.answered else "○"
            style = "$pg-primary" if number <= place or spec.key in self.app.answered else "$pg-art"
            pieces.append((sign, style))
            if number < len(STEPS) - 1:
                pieces.append(("──", "$pg-primary" if number < place else "$pg-line"))
        pieces += [(f"   {place + 1} of {len(STEPS)}  ", "$pg-muted"), (STEPS[place].name, "bold $pg-bright")]
        return line(*pieces)

    SENTENCE_ABOVE: ClassVar[str] = "TLS for PostgreSQL, from no certificate to verify-full"

    def _rail(self) -> Content:
        place = position(self.KEY)
        counter = f"{place + 1} of {len(STEPS)}" if place >= 0 else ""
        rows = [line(("Your answers", "bold $pg-bright"), (counter.rjust(10), "$pg-muted")), Content("")]
        for number, spec in enumerate(STEPS):
            current = number == place
            answer = self.app.answered.get(spec.key, "")
            rows.append(line(sign_of(answer, current=current), (f" {spec.name}", "bold $pg-primary" if current else "$pg-muted")))
            words = (self.in_words() if current else "") or answer
            if words:
                rows.append(line(("│ ", "$pg-line"), (fit(words, 20).rstrip(), "$pg-muted" if current else "$pg-fg")))
        return lines(rows)

    def _strip(self, meaning: Meaning) -> Content:
        width = self.main_width()
        rule = "─" * max(0, width - len(meaning.head) - 1)
        rows = [line((meaning.head, "bold $pg-bright"), (f" {rule}", "$pg-line"))]
        parts = list(zip(meaning.labels, (meaning.get, meaning.cost, meaning.clients), strict=True))
        if self.window.width < RAIL_FROM:
            rows += [line((fit(label, 14), "$pg-muted"), (text, _loud(text))) for label, text in parts if text]
            return lines(rows)
        column = (width - 4) // 3
        rows.append(line(*[(fit(label if text else "", column) + "  ", "bold $pg-primary") for label, text in parts]))
        wrapped = [(wrap(text, column - 1), _loud(text)) for _, text in parts]
        for number in range(3):
            rows.append(line(*[(fit(texts[number] if number < len(texts) else "", column) + "  ", style) for texts, style in wrapped]))
        return lines(rows)

    def _pane(self, meaning: Meaning) -> Content:
        rows: list[Content | str] = [line((meaning.head, "bold $pg-bright")), ""]
        for label, text in zip(meaning.labels, (meaning.get, meaning.cost, meaning.clients), strict=True):
            if text:
                rows.append(line((label, "bold $pg-primary")))
                rows += [line((row, _loud(text))) for row in wrap(text, 28)]
                rows.append("")
        if meaning.configuration:
            rows += [line(("─" * 28, "$pg-line")), line((meaning.place, "$pg-muted")), ""]
            rows += [line((fit(row, 28).rstrip(), "$pg-fg")) for row in meaning.configuration]
        return lines(rows)

    def footer_keys(self) -> Iterable[tuple[str, str]]:
        """Return keys and words for the footer, most important first."""
        yield "Enter", "next"
        yield "Esc", "back"
        yield from self.KEYS
        yield "F1", "explain"

    def _footer(self) -> Content:
        right = [("^P", "palette"), ("^Q", "quit")]
        width = self.window.width - 4
        left = list(self.footer_keys())

        def draw(keys: list[tuple[str, str]], gap: str) -> Content:
            return Content(gap).join([line((key, "bold $pg-key"), (f" {word}", "$pg-bar-dim")) for key, word in keys])

        for gap in ("   ", "  "):
            for tail in (right, right[:1], []):
                first, second = draw(left, gap), draw(tail, gap)
                space = width - first.cell_length - second.cell_length
                if space >= (len(gap) if tail else 0):
                    return line(first, " " * space, second)
        return draw(left, "  ")

    # Moving ---------------------------------------------------------------------------------------------------------

    def commit(self) -> str | None:
        """Write the answers into the journey; return what is wrong, or None."""
        return None

    def action_next(self) -> None:
        """Enter: accept the step that is on top, which may be newer than the one that got the key."""
        top = self.app.screen
        if not isinstance(top, Step):
            return
        if not (top.open and top.ready):
            # Typed ahead: it counts as soon as the step knows what it asks.
            self.app.enters_waiting += 1
            return
        top.accept()

    def accept(self) -> None:
        """Accept this step and go on."""
        problem = self.commit()
        self.complain(problem or "")
        if problem:
            self.app.enters_waiting = 0
            return
        self.app.answered[self.KEY] = self.in_words() or "✓"
        self.go_on()

    def go_on(self) -> None:
        """Show the next step."""
        self.app.go_to(STEPS[position(self.KEY) + 1].key)

    def action_back(self) -> None:
        """Return to the step before; nothing is lost."""
        self.app.enters_waiting = 0
        if len(self.app.screen_stack) > 2:
            self.app.pop_screen()

    def complain(self, problem: str) -> None:
        """Show what is wrong, or take it away."""
        self.problem = problem
        place = self.query_one("#problem", Static)
        place.set_class(bool(problem), "-shown")
        self.show("problem", line(("! ", "bold $pg-warn"), (problem, "$pg-warn")))

    def complain_of(self, error: BaseException | None) -> None:
        """Show how a worker ended: where, what is wrong and the next step."""
        hint = f" {error.hint}" if isinstance(error, WizardError) and error.hint else ""
        self.complain(f"{error}{hint}")

    def action_explain(self) -> None:
        """Explain this step."""
        from pgssl_wizard.screens.explain import Explain  # noqa: PLC0415 - Markdown is slow to import

        self.app.push_screen(Explain(self.KEY))

    def action_receipt(self) -> None:
        """Show the answers so far."""
        from pgssl_wizard.screens.receipt import Receipt  # noqa: PLC0415

        self.app.push_screen(Receipt(self.KEY))

    def action_focus_next_field(self) -> None:
        """Move to the next field."""
        self.focus_next("#body *")

    def action_scroll_body(self, by: int) -> None:
        """Scroll what does not fit."""
        self.query_one("#body").scroll_relative(y=by, animate=False)

    def action_focus_previous_field(self) -> None:
        """Move to the field before."""
        self.focus_previous("#body *")


def _loud(text: str) -> str:
    return "$pg-warn" if text.startswith("!") else "$pg-fg"
