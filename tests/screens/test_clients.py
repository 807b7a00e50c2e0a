"""Step 7: roles that get a certificate, typed or ticked off the server's list, and what follows from it."""

from __future__ import annotations

from typing import Any

from textual.pilot import Pilot
from textual.widgets import Static

from pgssl_wizard.cluster.facts import ServerSays
from pgssl_wizard.screens.roles import ChooseRoles, RoleList
from pgssl_wizard.screens.widgets.fields import TextField
from pgssl_wizard.screens.widgets.options import Options
from tests.screens.sample import SampleApp
from tests.screens.walking import app, current, go_to, settle, shown, top

ROLES = ("app", "metrics", "postgres", "reports, old", "standby")


async def at_the_step(pilot: Pilot[Any], demand: int = 3, *, down: bool = False) -> None:
    """Go to the step with a server of known roles, and choose what clients must show."""
    await go_to(pilot, "clients")
    cluster = app(pilot).journey.cluster
    assert cluster is not None
    server = None if down else ServerSays("postgres", superuser=True, in_recovery=False, roles=ROLES, privileged=("postgres", "standby"))
    object.__setattr__(cluster, "server", server)
    await pilot.press(*["down"] * demand)
    await settle(pilot)


async def test_roles_are_ticked_off_the_servers_list_and_the_privileged_are_not_ticked_beforehand() -> None:
    async with SampleApp().run_test() as pilot:
        await at_the_step(pilot)
        assert "does not issue" not in shown(pilot)
        await pilot.press("f3")
        await settle(pilot)
        sheet = top(pilot)
        assert isinstance(sheet, ChooseRoles)
        assert sheet.query_one(RoleList).value == ["app", "metrics", "reports, old"]
        assert "superuser or replication" in shown(pilot)
        await pilot.press("down", "space", "enter")
        await settle(pilot)
        assert current(pilot).query_one("#roles", TextField).value == 'app, "reports, old"'
        assert "Refused over TCP, because no certificate is made for them: metrics, postgres, standby." in " ".join(
            shown(pilot).replace("│", " ").split()
        )
        await pilot.press("enter")
        await settle(pilot)
        answers = app(pilot).journey.complete().clients
        assert (answers.roles, str(answers.directory)) == (("app", "reports, old"), "/home/dba/clients")
        assert app(pilot).answered["clients"] == "own name · 2 kits"
        await go_to(pilot, "preview")
        assert "clients' kits" in shown(pilot)
        await pilot.press("A")
        await settle(pilot)
        assert "make 2 kit(s) with client certificates" in shown(pilot)
        await pilot.press("A")
        await settle(pilot)
        assert "/home/dba/clients" in str(current(pilot).query_one("#evidence", Static).content)


async def test_roles_are_typed_with_their_directory_and_taken_back_with_the_demand() -> None:
    async with SampleApp().run_test() as pilot:
        await at_the_step(pilot)
        step = current(pilot)
        step.query_one("#roles", TextField).input.value = "app, metrics"
        await settle(pilot)
        step.query_one("#kits", TextField).input.value = "/srv/kits"
        await pilot.press("enter")
        await settle(pilot)
        clients = app(pilot).journey.complete().clients
        assert (clients.roles, str(clients.directory)) == (("app", "metrics"), "/srv/kits")
        await pilot.press("escape")
        await settle(pilot)
        assert current(pilot).query_one("#roles", TextField).value == "app, metrics"
        current(pilot).query_one(Options).focus()
        await pilot.press("up", "up", "up", "enter")
        await settle(pilot)
        clients = app(pilot).journey.complete().clients
        assert (clients.certificates, clients.roles, str(clients.directory)) == ("none", (), "/home/dba/clients")


async def test_what_can_be_no_kit_is_said_on_the_step_and_without_a_server_roles_are_typed() -> None:
    async with SampleApp().run_test() as pilot:
        await at_the_step(pilot, down=True)
        step = current(pilot)
        await pilot.press("f3")
        await settle(pilot)
        assert "type them" in step.problem
        for roles, kits, words in (
            ("x" * 64, "", "64 bytes"),
            ("app", "/var/lib/postgresql/17/main/kits", "base backup"),
            ("app", "/home/dba/ca/kits", "CA's directory"),
        ):
            step.query_one("#roles", TextField).input.value = roles
            step.query_one("#kits", TextField).input.value = kits
            await settle(pilot)
            await pilot.press("enter")
            await settle(pilot)
            assert current(pilot) is step
            assert words in step.problem
            assert app(pilot).journey.complete().clients.roles == ()


async def test_a_list_longer_than_the_screen_scrolls() -> None:
    async with SampleApp().run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await app(pilot).push_screen(ChooseRoles([f"role{number:03}" for number in range(60)], (), ()))
        await settle(pilot)
        await pilot.press(*["down"] * 40)
        await settle(pilot)
        assert "role040" in shown(pilot)
