"""A change that has to be confirmed, in the wizard: asked for at the last look, counted down on the proof."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, cast

import pytest
from textual.pilot import Pilot

from pgssl_wizard.change.model import Change
from pgssl_wizard.errors import Refused, RolledBack
from pgssl_wizard.findings import Finding
from pgssl_wizard.screens.confirm import ConfirmScreen
from pgssl_wizard.screens.proof import ProofStep
from pgssl_wizard.screens.waiting import WaitingStep
from pgssl_wizard.screens.widgets.fields import Choice
from tests.screens.sample import SampleApp, SampleJourney
from tests.screens.walking import current, go_on_to, settle, shown

_UNTIL = datetime(2026, 11, 24, 12, 6, 4, tzinfo=UTC)


class _Journey(SampleJourney):
    """The change waits when that was asked for; what its journal says and how long it waits is the test's."""

    left = 117
    journal: Change | None = None
    kept = 0
    undone: tuple[str | None, ...] = ()
    late = False
    gone = False

    def apply(self, report: object, **options: object) -> Change:
        """Return the sample's change, waiting when it is to wait."""
        made = super().apply(report, **options)
        if self.confirm_within is not None:
            made = self.change = replace(made, state="pending", confirm_until=_UNTIL)
        self.journal = made
        return made

    def seconds_left(self) -> int | None:
        """Return what the test says."""
        return None if self.change is None or self.change.confirm_until is None else self.left

    def look_at_change(self) -> Change:
        """Return what the test says."""
        assert self.journal is not None
        return self.journal

    def keep(self) -> Change:
        """Keep the change, or be too late."""
        self.kept += 1
        assert self.journal is not None
        if self.late:
            raise RolledBack("too late, the change is rolled back", hint="apply it again")
        return replace(self.journal, state="applied", confirm_until=None)

    def undo(self, report: object, change: str | None = None) -> Change:
        """Undo the change."""
        self.undone = (*self.undone, change)
        if self.gone:
            raise Refused("the change is rolled back already", code="already-rolled-back")
        assert self.journal is not None
        return replace(self.journal, state="rolled-back", confirm_until=None)


class _App(SampleApp):
    """The wizard on that journey."""

    def __init__(self) -> None:
        super().__init__()
        journey = _Journey(given=self.journey.given)
        self.journey = journey
        self.told = journey

    def window(self) -> int | None:
        """Return how long a change is to wait now."""
        return self.told.confirm_within


async def waiting(pilot: Pilot[Any], turns: int = 1) -> ProofStep:
    """Walk to the proof of a change that waits; return the step."""
    await go_on_to(pilot, "confirm")
    await pilot.press(*["w"] * turns)
    await settle(pilot)
    await pilot.press("A")
    await settle(pilot)
    step = current(pilot)
    assert isinstance(step, ProofStep)
    return step


async def a_second_later(pilot: Pilot[Any], step: WaitingStep) -> None:
    """Do what the step does every second."""
    step._tick()
    await settle(pilot)


async def test_the_change_stands_for_good_unless_the_person_wants_to_confirm_it() -> None:
    """The choice says what happens; the field turns by its key and by the arrows."""
    application = _App()
    async with application.run_test(size=(80, 30)) as pilot:
        await go_on_to(pilot, "confirm")
        assert isinstance(pilot.app.screen, ConfirmScreen)
        choice = pilot.app.screen.query_one("#window", Choice)
        assert choice.value == ""
        await pilot.press("w")
        await settle(pilot)
        assert application.window() == 120
        assert "wait 2 minutes for your k" in shown(pilot)
        choice.focus()
        await pilot.press("right")
        await settle(pilot)
        assert application.window() == 600
        assert "by itself 10 minutes later" in shown(pilot)
        await pilot.press("right")
        await settle(pilot)
        assert application.window() is None
        await pilot.press("A")
        await settle(pilot)
        assert isinstance(pilot.app.screen, ProofStep)
        assert "Confirm within" not in shown(pilot)


@pytest.mark.parametrize("size", [(80, 24), (60, 18), (120, 40)])
async def test_the_proof_counts_down_and_k_keeps_the_change(size: tuple[int, int]) -> None:
    """Enter does not leave while it waits: that would look like a yes."""
    application = _App()
    async with application.run_test(size=size) as pilot:
        step = await waiting(pilot)
        text = " ".join(shown(pilot).split())
        assert "Confirm within 1:57" in text
        assert "! 1:57" in text
        application.told.left = 59
        await a_second_later(pilot, step)
        assert "Confirm within 0:59" in shown(pilot)
        await pilot.press("enter")
        await settle(pilot)
        assert pilot.app.is_running
        assert "k keeps the change" in step.problem
        await pilot.press("k")
        await settle(pilot)
        assert application.told.kept == 1
        assert "Confirm within" not in shown(pilot)
        assert step.parting is None
        await pilot.press("enter")
    assert application.return_value == 0


async def test_u_undoes_the_change_that_waits_by_its_name() -> None:
    """What has gone by itself meanwhile does not take an earlier change along."""
    application = _App()
    async with application.run_test() as pilot:
        step = await waiting(pilot)
        await pilot.press("u", "y")
        await settle(pilot)
        assert application.told.undone == ("20261124T120400000Z",)
        assert step.undone
        assert "Undone: everything is as it was before" in shown(pilot)


async def test_when_the_time_is_over_the_screen_says_that_everything_was_put_back() -> None:
    """As soon as the journal says so, and not before."""
    application = _App()
    async with application.run_test() as pilot:
        step = await waiting(pilot, turns=2)
        application.told.left = 0
        await a_second_later(pilot, step)
        assert "The time is over: everything is being put back." in shown(pilot)
        assert application.told.journal is not None
        why = Finding("info", "rolled-back-because", "nobody confirmed it")
        application.told.journal = replace(application.told.journal, state="rolled-back", confirm_until=None, findings=(why,))
        await a_second_later(pilot, step)
        text = shown(pilot)
        assert "Not confirmed in time: everything is as it was before" in text
        assert not application.written
        await pilot.press("enter")
    assert application.return_value == 0


async def _by_hand(pilot: Pilot[Any], _: _Journey) -> None:
    await pilot.press("u", "y")
    await settle(pilot)


async def _late(pilot: Pilot[Any], told: _Journey) -> None:
    await _elsewhere(pilot, told, (Finding("info", "rolled-back-because", "nobody confirmed it until 12:06:04Z"),))


async def _elsewhere(pilot: Pilot[Any], told: _Journey, why: tuple[Finding, ...] = ()) -> None:
    assert told.journal is not None
    told.journal = replace(told.journal, state="rolled-back", confirm_until=None, findings=why)
    await a_second_later(pilot, cast("WaitingStep", pilot.app.screen))


@pytest.mark.parametrize("size", [(80, 24), (120, 40)], ids=["80x24", "120x40"])
@pytest.mark.parametrize(
    ("gone", "word"), [(_by_hand, "undone"), (_late, "put back"), (_elsewhere, "undone")], ids=["by hand", "late", "elsewhere"]
)
async def test_of_a_change_that_no_longer_stands_nothing_is_handed_out(
    gone: Callable[[Pilot[Any], _Journey], Awaitable[None]], word: str, size: tuple[int, int]
) -> None:
    """Only what stays is named, and the receipt takes back what it said."""
    application = _App()
    async with application.run_test(size=size) as pilot:
        await waiting(pilot)
        await gone(pilot, application.told)
        text = shown(pilot)
        for words in ("psql", "sslmode", "Renew", "Watched", "SHA-256", "until confirmed", "proven", "applied", "c copy", "Hand over"):
            assert words not in text
        assert "Stays, it is yours" in text
        assert "/home/dba/ca" in text
        assert application.answered["apply"] == word
        assert ("│ " + word in text) is (size[0] == 120)
        await pilot.press("c")
        await settle(pilot)
        assert "nothing to copy" in current(pilot).problem
        assert application.clipboard == ""
        await pilot.press("f2")
        await settle(pilot)
        assert "- Apply" in shown(pilot)
        assert "✓ Apply" not in shown(pilot)


async def test_who_undoes_what_was_rolled_back_elsewhere_is_shown_that_it_is_gone() -> None:
    """A change that stands for good is not looked at every second."""
    application = _App()
    application.told.gone = True
    async with application.run_test(size=(120, 40)) as pilot:
        await go_on_to(pilot, "proof")
        assert "sslmode=verify-full" in shown(pilot)
        await pilot.press("u", "y")
        await settle(pilot)
        assert "Undone: everything is as it was before" in shown(pilot)
        assert "sslmode" not in shown(pilot)
        assert application.answered["apply"] == "undone"


async def test_an_undo_that_leaves_nothing_does_not_speak_of_a_ca_directory() -> None:
    """And what it could not do is said."""
    application = _App()
    async with application.run_test(size=(120, 40)) as pilot:
        await waiting(pilot)
        assert application.told.journal is not None
        why = (Finding("warning", "not-proved", "the files are as before, but the server does not answer"),)
        application.told.journal = replace(application.told.journal, kept=(), findings=why, proved=False)
        await pilot.press("u", "y")
        await settle(pilot)
        text = shown(pilot)
        assert "! the files are as before, but the server does not answer" in text
        assert "CA's directory" not in text
        assert "proved again" not in text


async def test_once_the_change_is_kept_the_receipt_says_that_it_is_applied() -> None:
    """It waits no longer."""
    application = _App()
    async with application.run_test(size=(120, 40)) as pilot:
        await waiting(pilot)
        assert "until confirmed" in shown(pilot)
        await pilot.press("k")
        await settle(pilot)
        assert application.answered["apply"] == "applied, proved"
        assert "until confirmed" not in shown(pilot)


def _kept_elsewhere(change: Change) -> Change:
    return replace(change, state="applied", confirm_until=None)


def _without_a_watchdog(change: Change) -> Change:
    gone = Finding("error", "unconfirmed-change", "the change was never confirmed", hint="rollback finishes putting things back")
    return replace(change, findings=(gone,))


@pytest.mark.parametrize(
    ("meanwhile", "says"), [(_kept_elsewhere, ""), (_without_a_watchdog, "the change was never confirmed. rollback finishes")]
)
async def test_what_happens_to_the_change_elsewhere_is_seen(meanwhile: Callable[[Change], Change], says: str) -> None:
    """Kept in another terminal, or its watchdog gone."""
    application = _App()
    async with application.run_test() as pilot:
        step = await waiting(pilot)
        assert application.told.journal is not None
        application.told.journal = meanwhile(application.told.journal)
        await a_second_later(pilot, step)
        assert step.waiting is bool(says)
        assert step.problem.startswith(says)


async def test_who_keeps_it_too_late_is_told() -> None:
    """The wizard does not pretend."""
    application = _App()
    application.told.late = True
    async with application.run_test() as pilot:
        step = await waiting(pilot)
        await pilot.press("k")
        await settle(pilot)
        assert "too late" in step.problem


async def test_leaving_while_it_waits_says_how_to_keep_it() -> None:
    """The watchdog goes on without the wizard."""
    application = _App()
    async with application.run_test() as pilot:
        step = await waiting(pilot)
        assert step.parting == (
            "The change is put back by itself at 12:06:04Z. This keeps it: pgssl-wizard confirm /var/lib/postgresql/17/main"
        )
        await pilot.press("ctrl+q")
    assert application.return_value == 0
