"""Walking through the sample wizard in tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from textual.pilot import Pilot
from textual.screen import Screen

from pgssl_wizard.screens.step import Step
from pgssl_wizard.screens.steps import STEPS
from tests.screens.sample import SampleApp

#: The screens that Enter leads through, the start screen first.
ORDER = ("start", *(spec.key for spec in STEPS[:9]))


async def settle(pilot: Pilot[Any]) -> None:
    """Wait until workers have ended and everything is drawn."""
    await pilot.app.workers.wait_for_complete()
    await pilot.pause()
    await pilot.pause()


async def go_to(pilot: Pilot[Any], key: str) -> Step:
    """Press Enter until the step `key` is on top; return it."""
    await settle(pilot)
    for _ in ORDER:
        if key == current(pilot).KEY:
            break
        await pilot.press("enter")
        await settle(pilot)
    step = current(pilot)
    assert key == step.KEY
    return step


async def go_on_to(pilot: Pilot[Any], key: str) -> None:
    """Walk to the last look, the proof, or any step before them."""
    if key in ORDER:
        await go_to(pilot, key)
        return
    await go_to(pilot, "preview")
    await pilot.press("A")
    await settle(pilot)
    if key == "confirm":
        return
    await pilot.press("A")
    await settle(pilot)


async def every_screen(pilot: Pilot[Any]) -> AsyncIterator[str]:
    """Walk from the start to the proof and stop at each screen: one walk is cheaper than one for each."""
    for key in (*ORDER, "confirm", "proof"):
        if key == "confirm" or key in ORDER:
            await go_on_to(pilot, key)
        else:
            await pilot.press("A")
            await settle(pilot)
        yield key


def current(pilot: Pilot[Any]) -> Step:
    """Return the step on top."""
    screen = pilot.app.screen
    assert isinstance(screen, Step)
    return screen


def top(pilot: Pilot[Any]) -> Screen[Any]:
    """Return whatever is on top."""
    return pilot.app.screen


def shown(pilot: Pilot[Any]) -> str:
    """Return the text that the screen shows, row by row."""
    strips = pilot.app.screen._compositor.render_strips()
    return "\n".join(strip.text for strip in strips)


def app(pilot: Pilot[Any]) -> SampleApp:
    """Return the application as what it is."""
    found = pilot.app
    assert isinstance(found, SampleApp)
    return found
