"""Whoever opens the wizard on a cluster with an unfinished change is told at the first step."""

from __future__ import annotations

from pgssl_wizard.findings import Finding
from tests.screens.sample import SampleApp
from tests.screens.walking import app, current, settle, shown

CUT_SHORT = Finding(
    "error",
    "interrupted-change",
    "the change 20261126T070000000Z was interrupted before it was finished",
    "pgssl-wizard rollback /var/lib/postgresql/17/main finishes putting things back",
    "/var/lib/postgresql/17/main",
    topic="apply",
)
RUNNING = Finding(
    "info", "change-running", "another run is changing this cluster: process 4711 of root, since 2026-11-26T07:00:00Z", topic="apply"
)


async def test_a_change_that_was_cut_short_stops_the_first_step_and_says_the_way_back() -> None:
    """Nothing can be planned before it is ended."""
    async with SampleApp().run_test(size=(80, 24)) as pilot:
        app(pilot).journey.unfinished = (CUT_SHORT,)
        await settle(pilot)
        await pilot.press("enter")
        await settle(pilot)
        assert "was interrupted" in shown(pilot)
        await pilot.press("enter")
        await settle(pilot)
        step = current(pilot)
        assert step.KEY == "cluster"
        assert "pgssl-wizard rollback /var/lib/postgresql/17/main" in step.problem


async def test_who_is_changing_the_cluster_is_named_and_looking_goes_on() -> None:
    """By the time of the preview they may be done."""
    async with SampleApp().run_test(size=(80, 24)) as pilot:
        app(pilot).journey.unfinished = (RUNNING,)
        await settle(pilot)
        await pilot.press("enter")
        await settle(pilot)
        assert "process 4711 of root" in shown(pilot)
        await pilot.press("enter")
        await settle(pilot)
        assert current(pilot).KEY == "names"
