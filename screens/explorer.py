"""The rule explorer: one attempt, every rule that it was compared with, and why it did or did not match."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Input, Static
from textual.worker import Worker, WorkerState

from pgssl_wizard.errors import WizardError
from pgssl_wizard.plan.explore import Explored
from pgssl_wizard.screens.step import Meaning, Step
from pgssl_wizard.screens.text import as_ascii, fit, line, lines, wrap
from pgssl_wizard.screens.widgets.fields import Choice, TextField

_SESSIONS = (("tls", "over TLS"), ("plain", "in plaintext"))
_RULES = (("after", "as planned"), ("now", "as they are today"))


class ExplorerScreen(Step):
    """Who gets in, and why?"""

    KEY = "rules"
    TITLE = "Who gets in, and why?"
    SENTENCE = "The first rule that fits decides; there is no second try."
    KEYS: ClassVar[tuple[tuple[str, str], ...]] = (("↑↓", "field"), ("←→", "change"), ("PgDn", "the rules"))

    def __init__(self) -> None:
        super().__init__()
        self._explored: Explored | None = None

    def fields(self) -> ComposeResult:
        yield TextField("Who", self.app.journey.usual_client(), id="who", placeholder="ROLE@DATABASE/ADDRESS", classes="first")
        yield Choice("Comes", _SESSIONS, "tls", id="session")
        yield TextField("With a certificate of", "", id="certificate", placeholder="nobody: it shows none")
        yield Choice("Rules", _RULES, "after", id="rules")
        yield Static(id="list", markup=False)

    def on_mount(self) -> None:
        self._look()

    def on_choice_changed(self) -> None:
        self._look()

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self._look()

    def _look(self) -> None:
        who, certificate = self.query_one("#who", TextField).value, self.query_one("#certificate", TextField).value
        tls, after = self.query_one("#session", Choice).value == "tls", self.query_one("#rules", Choice).value == "after"
        journey = self.app.journey
        self.run_worker(
            lambda: journey.explore(who, tls=tls, certificate=certificate, after=after),
            thread=True,
            exclusive=True,
            exit_on_error=False,
            name="explore",
            description="hold an attempt against the rules",
        )

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        if event.worker.name != "explore" or event.state not in {WorkerState.SUCCESS, WorkerState.ERROR}:
            return
        if event.state == WorkerState.ERROR:
            error = event.worker.error
            self._explored = None
            self.complain(error.with_hint if isinstance(error, WizardError) else str(error))
        else:
            self._explored = event.worker.result
            self.complain("")
        self.redraw_body()
        self.redraw_meaning()

    def redraw_body(self) -> None:
        rows = [Content("")]
        width = self.body_width()
        for each in self._explored.comparisons if self._explored else ():
            sign, style = ("✓", "$pg-ok") if each.matched else ("·", "$pg-muted")
            place = f"{each.rule.file.name}:{each.rule.line}"
            head = f"{each.rule.type} {','.join(token.text for token in each.rule.databases)} {','.join(token.text for token in each.rule.users)}"
            address = f" {each.rule.address}" if each.rule.address else ""
            text = f"{head}{address} {each.rule.method}"
            rows.append(
                line(
                    (f"{sign} ", style), (fit(place, 18), "$pg-muted"), (fit(text, width - 21), "$pg-bright" if each.matched else "$pg-fg")
                )
            )
            rows += [line(("    " + row, "$pg-ok" if each.matched else "$pg-muted")) for row in wrap(each.reason, width - 4)]
        content = lines(rows)
        self.query_one("#list", Static).update(as_ascii(content) if self.app.ascii else content)

    def meaning(self) -> Meaning:
        if self._explored is None:
            return Meaning("It ends", "nothing to say yet", "", "", ("Decision", "Client", ""))
        decision = self._explored.decision
        if decision.decision == "accept":
            method = (
                "the method cert: no password is asked for" if decision.method == "cert" else f"the method {decision.method} takes over"
            )
            return Meaning("It ends", f"let in: {method}", decision.reason, "", ("Decision", "Because", ""))
        return Meaning("It ends", f"! refused: {decision.reason}", decision.message or "", "", ("Decision", "Client sees", ""))

    def accept(self) -> None:
        """Nothing to accept here: it only shows."""
        self.app.enters_waiting = 0
        self.action_back()
