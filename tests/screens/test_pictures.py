"""Every screen looks as it did: compared with pictures that somebody looked at."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from tests.screens.sample import SampleApp
from tests.screens.walking import ORDER, go_on_to, settle

Compare = Callable[..., bool]
SCREENS = [*ORDER, "confirm", "proof"]
KEY_SCREENS = ["certificate", "rules", "preview", "proof"]


def still(key: str) -> Callable[[Pilot[Any]], Any]:
    """Return what walks to the screen `key` and stops the cursor's blinking."""

    async def walk(pilot: Pilot[Any]) -> None:
        await go_on_to(pilot, key)
        for field in pilot.app.screen.query(Input):
            field.cursor_blink = False
        await settle(pilot)

    return walk


@pytest.mark.parametrize("size", [(80, 24), (120, 40)], ids=["80x24", "120x40"])
@pytest.mark.parametrize("key", SCREENS)
def test_every_screen_in_the_dark(key: str, size: tuple[int, int], snap_compare: Compare) -> None:
    assert snap_compare(SampleApp(plaintext=2 if key == "rules" else 0), run_before=still(key), terminal_size=size)


@pytest.mark.parametrize("key", KEY_SCREENS)
def test_the_main_screens_in_the_light(key: str, snap_compare: Compare) -> None:
    assert snap_compare(SampleApp(theme_name="wizard-light"), run_before=still(key), terminal_size=(120, 40))


@pytest.mark.parametrize("key", KEY_SCREENS)
def test_the_main_screens_in_ascii(key: str, snap_compare: Compare) -> None:
    assert snap_compare(SampleApp(ascii_only=True), run_before=still(key), terminal_size=(80, 24))


@pytest.mark.parametrize("key", KEY_SCREENS)
def test_the_main_screens_without_colour(key: str, snap_compare: Compare, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert snap_compare(SampleApp(), run_before=still(key), terminal_size=(80, 24))


@pytest.mark.parametrize("view", range(1, 6), ids=["certificates", "rules", "who", "commands", "findings"])
def test_every_view_of_the_preview(view: int, snap_compare: Compare) -> None:
    async def walk(pilot: Pilot[Any]) -> None:
        await go_on_to(pilot, "preview")
        await pilot.press(*["tab"] * view)
        await settle(pilot)

    assert snap_compare(SampleApp(), run_before=walk, terminal_size=(80, 24))


@pytest.mark.parametrize("moves", [1, 2], ids=["intermediate", "self-signed"])
def test_the_chain_for_every_source(moves: int, snap_compare: Compare) -> None:
    async def walk(pilot: Pilot[Any]) -> None:
        await go_on_to(pilot, "certificate")
        await pilot.press(*["down"] * moves)
        await settle(pilot)

    assert snap_compare(SampleApp(), run_before=walk, terminal_size=(80, 24))
