"""Before the last look: the passphrases that no command gives. They stay in memory until the change has ended."""

from __future__ import annotations

from collections.abc import Mapping

from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Input, Static

from pgssl_wizard.plan.model import Asks
from pgssl_wizard.screens.step import Meaning, Step
from pgssl_wizard.screens.text import as_ascii, line, lines, wrap
from pgssl_wizard.screens.widgets.fields import TextField

_LABELS: Mapping[Asks, str] = {
    "server-key": "For the server's key",
    "new-ca-key": "For the new CA's keys",
    "ca-key": "Of the CA's key",
}
_WORDS: Mapping[Asks, str] = {
    "server-key": "The server asks for it at its terminal, at every start. Without it the server does not start.",
    "new-ca-key": "It is asked for whenever the CA signs. Without it the CA signs nothing more, and every client needs a new root.",
    "ca-key": "It opens the key that signs, for this change alone.",
}


class PassphrasesScreen(Step):
    """Which passphrases?"""

    KEY = "preview"
    TITLE = "Which passphrases?"
    SENTENCE = "They are written down nowhere: keep them yourself."

    def _asks(self) -> tuple[Asks, ...]:
        plan = self.app.journey.plan
        return plan.asks if plan is not None else ()

    def fields(self) -> ComposeResult:
        for number, what in enumerate(self._asks()):
            yield TextField(_LABELS[what], "", id=f"{what}-first", kind="password", classes="" if number else "first")
            if what != "ca-key":
                yield TextField("  the same again", "", id=f"{what}-second", kind="password")
        yield Static(id="said", markup=False)

    def redraw_body(self) -> None:
        rows = [Content("")]
        for what in self._asks():
            rows += [line((row, "$pg-muted")) for row in wrap(f"{_LABELS[what]}: {_WORDS[what]}", self.body_width())]
        content = lines(rows)
        self.query_one("#said", Static).update(as_ascii(content) if self.app.ascii else content)

    def meaning(self) -> Meaning:
        return Meaning(
            "What this means", "keys that a stolen file alone does not open", "a secret more to keep, and to have at hand", "nothing"
        )

    def on_input_changed(self) -> None:
        if self.problem:
            self.complain("")

    def commit(self) -> str | None:
        typed: dict[Asks, bytes] = {}
        for what in self._asks():
            first = self.query_one(f"#{what}-first-input", Input).value
            if not first:
                return f"{_LABELS[what]}: nothing is typed yet."
            if what != "ca-key" and first != self.query_one(f"#{what}-second-input", Input).value:
                return f"{_LABELS[what]}: the two differ."
            typed[what] = first.encode()
        self.app.secrets = typed
        return None

    def go_on(self) -> None:
        """Show the last look in place of this."""
        from pgssl_wizard.screens.confirm import ConfirmScreen  # noqa: PLC0415

        self.app.switch_screen(ConfirmScreen())

    def accept(self) -> None:
        """Accept what is typed; the step itself was answered before."""
        problem = self.commit()
        self.complain(problem or "")
        self.app.enters_waiting = 0
        if not problem:
            self.go_on()
