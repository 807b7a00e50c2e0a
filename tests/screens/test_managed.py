"""A cluster that somebody else manages: the wizard leads to what is to be handed over, and applies nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pgssl_wizard.cluster.facts import Cluster
from pgssl_wizard.findings import Finding
from tests.screens.sample import SampleApp, SampleJourney
from tests.screens.walking import app, current, go_to, settle, shown


class ManagedJourney(SampleJourney):
    """The sample cluster in Patroni's hands."""

    def inspect(self, data_directory: Path) -> Cluster:
        """Return it, with what the inspection says of it."""
        found = super().inspect(data_directory)
        said = Finding("error", "managed", "Patroni manages this cluster and would overwrite or fight a change.", "Change it in Patroni.")
        self.cluster = replace(found, managed_by="Patroni", findings=(said, *found.findings))
        return self.cluster


@pytest.mark.parametrize("size", [(80, 24), (120, 40)], ids=["80x24", "120x40"])
async def test_the_walk_ends_with_what_the_manager_takes_and_a_applies_nothing(size: tuple[int, int]) -> None:
    """The first step says who takes the change, and that nothing is written from here."""
    wizard = SampleApp()
    wizard.journey = ManagedJourney(given=wizard.journey.given)
    async with wizard.run_test(size=size) as pilot:
        await go_to(pilot, "cluster")
        assert "Patroni takes the change" in str(current(pilot).meaning())
        await go_to(pilot, "preview")
        text = shown(pilot)
        assert "Hand over" in text
        assert "For Patroni, which manages this cluster" in text
        await pilot.press("A")
        await settle(pilot)
        assert current(pilot).KEY == "preview"
        assert "Patroni" in current(pilot).problem
        assert app(pilot).journey.change is None
