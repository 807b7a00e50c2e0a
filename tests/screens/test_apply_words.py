"""What the apply screen says beside the stations: what holds, and what puts things back."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from threading import Event as Flag

import pytest

from pgssl_wizard.answers import Given
from pgssl_wizard.change.model import Change, Event, Station
from pgssl_wizard.errors import Refused
from pgssl_wizard.screens.apply import ApplyStep
from tests.screens.sample import SampleApp, SampleJourney
from tests.screens.walking import app, current, go_on_to, go_to, settle, shown

ROLLBACK = "pgssl-wizard rollback /var/lib/postgresql/17/main"
LOCKED = "another run is changing this cluster: process 4711 of root, since 12:00:00Z"


class _Slow(SampleJourney):
    """Stops at a station until the test has looked."""

    station: Station = "write"

    def __init__(self, given: Given) -> None:
        super().__init__(given=given)
        self.reached, self.go_on = Flag(), Flag()

    def apply(self, report: object, **options: object) -> Change:
        """Report the station and wait."""
        assert callable(report)
        report(Event(self.station, "running", "sample"))
        self.reached.set()
        assert self.go_on.wait(20)
        return super().apply(report, **options)


@pytest.mark.parametrize(
    ("station", "size"),
    [("rehearse", (80, 24)), ("write", (80, 24)), ("write", (120, 40)), ("rules", (80, 24)), ("undo", (80, 24))],
    ids=lambda value: value if isinstance(value, str) else f"{value[0]}x{value[1]}",
)
async def test_beside_every_station_stands_what_puts_things_back_if_it_stopped(station: Station, size: tuple[int, int]) -> None:
    """No command does so by itself; before anything is written there is nothing to put back."""
    application = SampleApp()
    journey = application.journey = _Slow(application.journey.given)
    journey.station = station
    async with application.run_test(size=size) as pilot:
        await go_on_to(pilot, "confirm")
        await pilot.press("A")
        await asyncio.to_thread(journey.reached.wait, 20)
        await pilot.pause()
        await pilot.pause()
        step = current(pilot)
        assert isinstance(step, ApplyStep)
        text = " ".join(shown(pilot).split())
        assert "If it stopped now" in text
        assert "finds it and puts" not in text
        words = f"{step.meaning().get} {step.meaning().cost} {step.meaning().clients}"
        if station == "rehearse":
            assert "nothing is written yet" in words
            assert "rollback" not in text
        else:
            assert "nothing by itself; the next command says so" in words
            assert ROLLBACK in words
            assert "rollback" in text
            assert "/var/lib/postgresql/17/main" in text
        journey.go_on.set()
        await settle(pilot)


@pytest.mark.parametrize("size", [(80, 24), (120, 40)], ids=["80x24", "120x40"])
@pytest.mark.parametrize("theirs", [False, True], ids=["alone", "their change is seen"])
async def test_refused_because_of_another_run_nothing_is_said_of_a_change_of_our_own(theirs: bool, size: tuple[int, int]) -> None:
    """The other run's change, seen meanwhile, is not taken for ours, and nobody is told to undo it."""
    application = SampleApp(fails=Refused(LOCKED, hint="wait until it is done", code="locked"))
    async with application.run_test(size=size) as pilot:
        journey = app(pilot).journey
        assert isinstance(journey, SampleJourney)
        journey.leaves = theirs
        await go_on_to(pilot, "proof")
        text = " ".join(shown(pilot).split())
        assert "Nothing was changed" in text
        assert "process 4711 of root" in " ".join(str(pilot.app.screen.query_one("#outcome").render()).split())
        assert "If it stopped" not in text
        assert "rollback" not in text
        assert "everything as it was before" in current(pilot).meaning().get
        assert not application.written


async def test_of_a_change_that_was_left_standing_the_panel_says_how_to_undo_it() -> None:
    """And nothing of what would be if it stopped: it has."""
    application = SampleApp(fails=RuntimeError("boom"))
    async with application.run_test(size=(80, 24)) as pilot:
        journey = app(pilot).journey
        assert isinstance(journey, SampleJourney)
        journey.leaves = True
        await go_on_to(pilot, "proof")
        text = " ".join(shown(pilot).split())
        assert "what was written so far" in text
        assert f"Undo {ROLLBACK}" in text
        assert "If it stopped" not in text


async def test_where_the_server_is_not_reloaded_nothing_is_said_of_plaintext() -> None:
    """A server that is down lets nobody in."""
    application = SampleApp()
    async with application.run_test(size=(120, 40)) as pilot:
        await go_to(pilot, "preview")
        plan = app(pilot).journey.plan
        assert plan is not None
        app(pilot).journey.plan = replace(plan, effective="next-start")
        step = ApplyStep()
        step.events = [Event("write", "running", "sample")]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(ApplyStep, "_apply", lambda _: None)
            pilot.app.push_screen(step)
            await settle(pilot)
            assert "plaintext" not in step.meaning().get
            assert "can be started" in step.meaning().get


async def test_the_receipt_says_what_stands_without_a_question_mark() -> None:
    """A question mark behind an answer reads as doubt."""
    async with SampleApp().run_test(size=(120, 40)) as pilot:
        for key in ("names", "key", "rules", "preview", "proof"):
            await go_on_to(pilot, key) if key != "proof" else await pilot.press("A", "A")
            await settle(pilot)
            rail = current(pilot)._rail().plain
            assert "?" not in rail
            assert current(pilot).in_words() in rail
