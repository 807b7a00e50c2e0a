"""The rule explorer."""

from __future__ import annotations

from textual.widgets import Input, Static

from pgssl_wizard.screens.explorer import ExplorerScreen
from pgssl_wizard.screens.widgets.fields import Choice
from tests.screens.sample import SampleApp
from tests.screens.walking import current, go_to, settle, shown


async def test_an_attempt_is_held_against_the_rules_of_today_and_of_the_plan() -> None:
    async with SampleApp().run_test(size=(80, 24)) as pilot:
        await go_to(pilot, "rules")
        await pilot.press("w")
        await settle(pilot)
        assert isinstance(pilot.app.screen, ExplorerScreen)
        pilot.app.screen.query_one("#who-input", Input).value = "app@app/10.0.0.7"
        pilot.app.screen.query_one("#session", Choice).index = 1
        await settle(pilot)
        assert "refused" in shown(pilot)
        assert "this one comes in plaintext" in str(pilot.app.screen.query_one("#list", Static).content)
        pilot.app.screen.query_one("#rules", Choice).index = 1
        await settle(pilot)
        assert "let in" in shown(pilot)
        pilot.app.screen.query_one("#who-input", Input).value = "nonsense"
        await settle(pilot)
        assert "USER@DATABASE/ADDRESS" in current(pilot).problem
        await pilot.press("escape")
        await settle(pilot)
        assert current(pilot).KEY == "rules"
        assert not isinstance(pilot.app.screen, ExplorerScreen)
