"""The field for the server's revocation list, on the step about client certificates."""

from __future__ import annotations

from typing import Any

from textual.pilot import Pilot

from pgssl_wizard.screens.widgets.fields import TextField
from pgssl_wizard.screens.widgets.options import Options
from tests.screens.sample import SampleApp
from tests.screens.walking import app, current, go_to, settle


def seen(pilot: Pilot[Any]) -> bool:
    """Whether the field is on the screen now."""
    return bool(current(pilot).query_one("#crl", TextField).display)


async def test_the_revocation_list_is_asked_for_only_with_client_certificates_and_goes_with_them() -> None:
    async with SampleApp().run_test() as pilot:
        step = await go_to(pilot, "clients")
        field = step.query_one("#crl", TextField)
        assert seen(pilot) is False
        step.query_one(Options).focus()
        await pilot.press("down")
        await settle(pilot)
        assert seen(pilot) is True
        field.input.value = "root.crl"
        await pilot.press("enter")
        await settle(pilot)
        journey = app(pilot).journey
        assert current(pilot) is not step, step.problem
        assert journey.cluster is not None
        assert journey.complete().files.crl == journey.cluster.data_directory / "root.crl"
        await pilot.press("escape")
        await settle(pilot)
        assert field.value == "root.crl"
        step.query_one(Options).focus()
        await pilot.press("up", "enter")
        await settle(pilot)
        assert journey.complete().files.crl is None
