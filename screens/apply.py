"""Step 10: the change, station by station; it runs on the application, so that leaving a screen cannot cut it short."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from pgssl_wizard.change.model import Change, Event
from pgssl_wizard.errors import RolledBack, WizardError
from pgssl_wizard.screens.step import Meaning, Step
from pgssl_wizard.screens.text import as_ascii, fit, line, lines, wrap
from pgssl_wizard.screens.waiting import made_in_words

_NAMES = {
    "rehearse": "Rehearse",
    "back-up": "Back up",
    "write": "Write",
    "reload": "Reload",
    "prove-tls": "Prove TLS",
    "kits": "Kits",
    "rules": "Rules",
    "reload-rules": "Reload",
    "prove-all": "Prove",
    "undo": "Undo",
}
_TLS_ON = {"rehearse", "back-up", "write", "reload", "prove-tls", "kits"}


class ApplyStep(Step):
    """Applying."""

    KEY = "apply"
    AUTO_FOCUS = ""
    KEYS: ClassVar[tuple[tuple[str, str], ...]] = ()

    class Progress(Message):
        """The change reached a station."""

        def __init__(self, event: Event) -> None:
            super().__init__()
            self.event = event

    class Ended(Message):
        """The change is over: made, or not; an error may leave one that stands."""

        def __init__(self, change: Change | None, error: Exception | None) -> None:
            super().__init__()
            self.change = change
            self.error = error

    def __init__(self) -> None:
        super().__init__()
        self.add_class("-alert")
        self.busy = True
        self.ready = False
        self.events: list[Event] = []
        self.error: Exception | None = None
        self.stands: Change | None = None

    def fields(self) -> ComposeResult:
        yield Static(id="stations", markup=False)
        yield Static(id="outcome", markup=False)

    def on_mount(self) -> None:
        self.app.run_worker(self._apply, thread=True, exit_on_error=False, name="apply", description="apply the plan")

    def _apply(self) -> None:
        before = self.app.journey.newest_change()
        try:
            plan = self.app.journey.plan
            change = self.app.journey.apply(
                lambda event: self._tell(self.Progress(event)),
                ask=lambda what, _: self.app.secrets.get(what),
                accept_lock_out=bool(plan is not None and plan.locked_out),
                accept_weak=bool(plan is not None and plan.weaknesses),
            )
        except Exception as error:  # noqa: BLE001 - whatever ended the change is shown on this screen, never lost
            newest = self.app.journey.newest_change()
            stands = newest if newest is not None and newest.state != "rolled-back" and newest != before else None
            self._tell(self.Ended(stands, error))
            return
        self._tell(self.Ended(change, None))

    def _tell(self, message: Message) -> None:
        self.post_message(message)

    def on_apply_step_progress(self, message: Progress) -> None:
        event = message.event
        if self.events and self.events[-1].station == event.station:
            self.events[-1] = event
        else:
            self.events.append(event)
        self.redraw()

    def on_apply_step_ended(self, message: Ended) -> None:
        self.busy = False
        self.app.secrets = {}
        self.error = message.error
        if message.error is None and message.change is not None:
            self.app.written = message.change.id is not None
            self.app.answered[self.KEY] = made_in_words(message.change)
            self.remove_class("-alert")
            self.app.pop_screen()
            self.app.go_to("proof")
            return
        # Another run's change is not this one's, and who has to wait for it is not to undo it.
        self.stands = None if self._another_run else message.change
        self.app.written = self.app.written or self.stands is not None
        self.remove_class("-alert")
        self.redraw()

    @property
    def _another_run(self) -> bool:
        """Whether somebody else is at the cluster."""
        return isinstance(self.error, WizardError) and self.error.code == "locked"

    def title_line(self) -> Content:
        if self.busy:
            return line(("Applying", "bold $pg-bright"))
        if isinstance(self.error, RolledBack):
            return line(("It did not work, and everything is as before", "bold $pg-err"))
        if self.stands is not None:
            return line(("It stopped, and what was written stands", "bold $pg-err"))
        return line(("Nothing was changed", "bold $pg-warn"))

    def sentence(self) -> str:
        return "TLS first and proved; only then the rules." if self.busy else "Escape goes back to the preview."

    def state_in_words(self) -> Content:
        if self.busy:
            return line(("applying", "bold"), (" · wait for the end", "$pg-alert-dim"))
        return super().state_in_words()

    def redraw_body(self) -> None:
        signs = {"running": ("◉", "$pg-primary"), "done": ("✓", "$pg-ok"), "failed": ("✗", "$pg-err"), "skipped": ("-", "$pg-muted")}
        width = self.body_width()
        rows: list[Content] = []
        phase = ""
        plan = self.app.journey.plan
        head = "The request" if plan is not None and plan.effective == "not-reloaded" else "1  TLS on"
        for event in self.events:
            now = head if event.station in _TLS_ON else "2  Plaintext off" if event.station != "undo" else "Undo"
            if now != phase:
                if phase and now.startswith("2"):
                    rows += [line(("  " + "─" * 8 + " safe to stop here " + "─" * 8, "$pg-art"))]
                rows.append(line((now, "bold $pg-bright")))
                phase = now
            sign, style = signs[event.state]
            took = f"{event.seconds:.1f} s" if event.seconds is not None else ""
            room = max(10, width - 27)
            for number, text in enumerate(wrap(event.text, room)):
                first = number == 0
                rows.append(
                    line(
                        (f"  {sign if first else ' '} ", style),
                        (fit(_NAMES[event.station] if first else "", 14), "$pg-fg"),
                        (fit(text, room), "$pg-muted"),
                        (took.rjust(7) if first else "", "$pg-muted"),
                    )
                )
        self._put("#stations", lines(rows))
        said: list[Content] = []
        if self.error is not None:
            error = self.error
            where = f"{error.where}: " if isinstance(error, WizardError) and error.where else ""
            text = error.message if isinstance(error, WizardError) else f"This is a defect of pgssl-wizard: {type(error).__name__}: {error}"
            said = [Content("")] + [
                line(("✗ " if number == 0 else "  ", "$pg-err"), row) for number, row in enumerate(wrap(where + text, width - 2))
            ]
            hint = error.hint if isinstance(error, WizardError) else None
            if self.stands is not None:
                undo = f"To undo it: {self._rollback()} {self.stands.id}"
                hint = f"{hint} {undo}" if hint else undo
            said += [line(("  " + row, "$pg-muted")) for row in wrap(hint or "", width - 2)]
        self._put("#outcome", lines(said))

    def _put(self, selector: str, content: Content) -> None:
        self.query_one(selector, Static).update(as_ascii(content) if self.app.ascii else content)

    def meaning(self) -> Meaning:
        if not self.busy:
            return self._how_it_ended()
        plan = self.app.journey.plan
        stations = {event.station for event in self.events}
        labels = ("Holds", "Then", "Put back by")
        if stations <= {"rehearse"}:
            return Meaning("If it stopped now", "everything as before: nothing is written yet", "apply it again", "", labels)
        if plan is not None and plan.effective != "now":
            held = "the server is as it was, and can be started"
        elif "rules" in stations:
            held = "TLS is on and proved; the rules are being changed"
        else:
            held = "plaintext still works; TLS comes on beside it"
        return Meaning("If it stopped now", held, "nothing by itself; the next command says so", self._rollback(), labels)

    def _how_it_ended(self) -> Meaning:
        """Return what there is after an apply that did not succeed."""
        labels = ("You have", "Then", "Undo")
        if self.stands is not None:
            return Meaning("Afterwards", "what was written so far", "see what is wrong; undo it", self._rollback(), labels)
        then = "apply again when the other run is done" if self._another_run else "see what is wrong, and apply again"
        return Meaning("Afterwards", "everything as it was before", then, "", labels)

    def _rollback(self) -> str:
        """Return the command that puts things back."""
        cluster = self.app.journey.cluster
        return f"pgssl-wizard rollback {cluster.data_directory}" if cluster is not None else "pgssl-wizard rollback"

    def footer_keys(self) -> list[tuple[str, str]]:
        """There is nothing to press while it runs."""
        return [("", "working; this takes seconds")] if self.busy else [("Esc", "back to the preview"), ("F1", "explain")]

    def accept(self) -> None:
        """Nothing to accept here."""

    def action_back(self) -> None:
        """Go back once it is over."""
        if not self.busy:
            super().action_back()
