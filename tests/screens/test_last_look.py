"""The last look where words have to be typed: the choice to wait is reached, seen and named."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widget import Widget
from textual.widgets import Input

from pgssl_wizard.findings import Finding
from pgssl_wizard.screens.confirm import ConfirmScreen
from pgssl_wizard.screens.proof import ProofStep
from pgssl_wizard.screens.widgets.fields import Choice
from tests.screens.sample import SampleApp
from tests.screens.walking import app, go_on_to, go_to, settle, shown

SIZES = [(80, 24), (60, 18), (120, 40)]


async def last_look(pilot: Pilot[Any], warnings: int = 0, refused: int = 1) -> ConfirmScreen:
    """Walk to the last look at a change that locks somebody known out."""
    await go_to(pilot, "rules")
    await pilot.press("up")
    await settle(pilot)
    await go_on_to(pilot, "preview")
    plan = app(pilot).journey.plan
    assert plan is not None
    (first,) = plan.locked_out
    known = tuple(replace(first, who=f"role number{number}") for number in range(refused))
    more = tuple(Finding("warning", "sample", f"warning number{number}") for number in range(warnings))
    app(pilot).journey.plan = replace(plan, locked_out=known, findings=more)
    await pilot.press("A")
    await settle(pilot)
    step = pilot.app.screen
    assert isinstance(step, ConfirmScreen)
    return step


def has_focus(step: ConfirmScreen, kind: type[Widget]) -> bool:
    """Whether a widget of this kind has the focus."""
    return isinstance(step.focused, kind)


def footer(pilot: Pilot[Any]) -> str:
    """Return the screen's last line."""
    return shown(pilot).splitlines()[-1]


@pytest.mark.parametrize("size", SIZES, ids=["80x24", "60x18", "120x40"])
@pytest.mark.parametrize("key", ["tab", "up"])
async def test_the_choice_to_wait_is_reached_from_the_words_and_stays_in_sight(key: str, size: tuple[int, int]) -> None:
    """With a marker, and a footer that says which key does what where the focus is."""
    async with SampleApp(plaintext=1).run_test(size=size) as pilot:
        step = await last_look(pilot, warnings=5, refused=5)
        assert "> Type “refuse them”" in shown(pilot)
        assert "Tab wait for me" in footer(pilot)
        assert "press A" not in shown(pilot)
        await pilot.press(key)
        await settle(pilot)
        assert has_focus(step, Choice)
        assert "> Keep it" in shown(pilot)
        assert "w wait for me" in footer(pilot)
        for turn, words in (("w", "if I confirm in 2 min"), ("right", "if I confirm in 10 min"), ("space", "for good"), ("w", "2 min")):
            await pilot.press(turn)
            await settle(pilot)
            row = next(row for row in shown(pilot).splitlines() if "> Keep it" in row)
            assert words in row
        await pilot.press("down")
        await settle(pilot)
        assert has_focus(step, Input)
        assert "> Type “refuse them”" in shown(pilot)
        assert app(pilot).journey.confirm_within == 120


async def test_up_from_the_first_field_reads_the_list_and_down_comes_back_to_it() -> None:
    """Whoever reads has the focus where it was."""
    async with SampleApp(plaintext=1).run_test(size=(80, 24)) as pilot:
        step = await last_look(pilot, warnings=5, refused=9)
        await pilot.press(*["up"] * 30)
        await settle(pilot)
        assert "try the new files" in shown(pilot)
        assert "Keep it" not in shown(pilot)
        await pilot.press("down")
        await settle(pilot)
        assert has_focus(step, Choice)
        await pilot.press(*["down"] * 30)
        await settle(pilot)
        assert has_focus(step, Input)
        assert "> Type “refuse them”" in shown(pilot)


@pytest.mark.parametrize("keys", [(), ("tab",), ("up", "w"), ("w", "w")], ids=["words", "choice", "turned", "letters"])
async def test_enter_alone_never_applies_wherever_the_focus_is(keys: tuple[str, ...]) -> None:
    """And leads back to the words that are missing."""
    async with SampleApp(plaintext=1).run_test(size=(80, 24)) as pilot:
        step = await last_look(pilot)
        await pilot.press(*keys, "enter", "enter", "enter")
        await settle(pilot)
        assert pilot.app.screen is step
        assert app(pilot).journey.change is None
        assert has_focus(step, Input)
        assert "> Type “refuse them”" in shown(pilot)
        step.query_one("#word-input", Input).value = "refuse them"
        await pilot.press("enter")
        await settle(pilot)
        assert isinstance(pilot.app.screen, ProofStep)


@pytest.mark.parametrize(("refused", "left_out"), [(6, 0), (7, 0), (8, 2)])
async def test_a_list_of_the_refused_is_never_cut_for_a_single_one(refused: int, left_out: int) -> None:
    """The line that says so would have held it."""
    async with SampleApp(plaintext=1).run_test(size=(80, 24)) as pilot:
        step = await last_look(pilot, refused=refused)
        text = str(step.query_one("#list").render())
        assert text.count("role number") == refused - left_out
        assert (f"and {left_out} more" in text) is bool(left_out)


async def test_where_there_is_room_more_of_the_refused_are_listed() -> None:
    """Nothing is cut that fits."""
    async with SampleApp(plaintext=1).run_test(size=(120, 40)) as pilot:
        step = await last_look(pilot, refused=10)
        assert "role number9" in shown(pilot)
        assert "more in the preview" not in str(step.query_one("#list").render())
