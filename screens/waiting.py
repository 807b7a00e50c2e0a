"""What the proof has to do with a change that may still go: the countdown of one that waits to be confirmed, keeping it, undoing it."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.worker import Worker, WorkerState

from pgssl_wizard.change.model import Change
from pgssl_wizard.errors import WizardError
from pgssl_wizard.screens.step import Step
from pgssl_wizard.screens.steps import PUT_BACK, UNDONE
from pgssl_wizard.screens.text import line, wrap


def made_in_words(change: Change) -> str:
    """Return a change that was made in words for the receipt."""
    if change.confirm_until is not None:
        return "until confirmed"
    return "applied" + (", proved" if change.proved else "")


class WaitingStep(Step):
    """A step on a change that was made. While it waits to be confirmed, the journal is looked at every second.

    Attributes:
        undone: everything is as before.
        late: it is, because nobody confirmed in time.
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("u", "undo", "undo"), Binding("k", "keep", "keep", show=False)]

    def __init__(self) -> None:
        super().__init__()
        self.undone = False
        self.late = False

    def on_mount(self) -> None:
        if self.waiting:
            self.set_interval(1, self._tick)

    @property
    def change(self) -> Change | None:
        """The change that was applied."""
        return self.app.journey.change

    @property
    def gone_in_words(self) -> str:
        """What the receipt says of a change that no longer stands."""
        return PUT_BACK if self.late else UNDONE

    @property
    def waiting(self) -> bool:
        """Whether the change waits to be confirmed."""
        return not self.undone and self.change is not None and self.change.confirm_until is not None

    @property
    def parting(self) -> str | None:
        """What is said when the wizard is left now."""
        cluster = self.app.journey.cluster
        if not self.waiting or cluster is None:
            return None
        return f"The change is put back by itself at {self._until()}. This keeps it: pgssl-wizard confirm {cluster.data_directory}"

    def countdown(self) -> str:
        """Return the time that is left as minutes and seconds."""
        left = self.app.journey.seconds_left() or 0
        return f"{left // 60}:{left % 60:02}"

    def waiting_rows(self, width: int) -> list[Content]:
        """Return the lines that say how long the change waits, and what then."""
        if not self.waiting:
            return []
        if self.app.journey.seconds_left() == 0:
            text = "The time is over: everything is being put back."
        else:
            text = f"Confirm within {self.countdown()}: k keeps it, u undoes it; otherwise it is undone by itself at {self._until()}."
        return [*(line((row, "bold $pg-warn")) for row in wrap(text, width)), Content("")]

    def _until(self) -> str:
        until = self.change.confirm_until if self.change else None
        return f"{until:%H:%M:%S}Z" if until else ""

    def _tick(self) -> None:
        if not self.waiting:
            return
        if not self.busy and all(worker.name != "look" or worker.is_finished for worker in self.workers):
            self._in_background(self.app.journey.look_at_change, "look")
        self.redraw()

    def _in_background(self, work: object, name: str) -> None:
        assert callable(work)
        self.run_worker(work, thread=True, exit_on_error=False, name=name, description=name)

    def action_keep(self) -> None:
        """Keep the change that waits; otherwise the key scrolls, as everywhere."""
        if not self.waiting:
            self.action_scroll_body(-1)
        elif not self.busy:
            self.busy = True
            self.complain("")
            self._in_background(self.app.journey.keep, "keep")

    def action_undo(self) -> None:
        """Ask, then undo."""
        if self.undone or self.busy or self.change is None or self.change.id is None:
            return
        from pgssl_wizard.screens.question import Question  # noqa: PLC0415

        self.app.push_screen(
            Question(
                "Undo this change?",
                "Files, modes and owners go back to what they were, and the server reloads. Your CA's directory stays.",
                "y",
                "undo",
            ),
            self._undo_if,
        )

    def _undo_if(self, answer: bool | None) -> None:
        if answer and not self.undone and self.change is not None:
            self.busy = True
            self.complain("")
            # By its name: what may have gone by itself meanwhile must not take the change before it along.
            change_id = self.change.id
            self._in_background(lambda: self.app.journey.undo(lambda _: None, change_id), "undo")

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        if event.worker.name not in {"undo", "keep", "look"} or event.state not in {WorkerState.SUCCESS, WorkerState.ERROR}:
            return
        if event.worker.name != "look":
            self.busy = False
        if event.state == WorkerState.ERROR:
            error = event.worker.error
            if isinstance(error, WizardError) and error.code == "already-rolled-back":
                self._is_gone()
                self.redraw()
            elif event.worker.name != "look":
                self.complain_of(error)
            return
        self._take(event.worker.result, by_itself=event.worker.name == "look")

    def _take(self, now: Change | None, *, by_itself: bool) -> None:
        """Take in how the change stands now."""
        journey = self.app.journey
        if now is None or self.undone or journey.change is None:
            return
        if now.state == "rolled-back":
            journey.change = now
            self._is_gone(late=by_itself and any(each.code == "rolled-back-because" for each in now.findings))
        elif now.state == "applied":
            journey.change = replace(journey.change, state="applied", confirm_until=None)
            self.app.answered["apply"] = made_in_words(journey.change)
        else:
            # The watchdog is gone, or could not do it.
            stuck = next((each for each in now.findings if each.severity == "error"), None)
            if stuck is None:
                return
            self.complain(f"{stuck.message}. {stuck.hint or ''}".strip())
        self.redraw()

    def _is_gone(self, *, late: bool = False) -> None:
        """From now on everything is as before, and nothing may say otherwise."""
        self.undone = True
        self.late = late
        self.app.written = False
        self.app.answered["apply"] = self.gone_in_words
