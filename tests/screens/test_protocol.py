"""The step of versions and ciphers: the list that the server's library gives, what is refused, and what costs typed words."""

from __future__ import annotations

from dataclasses import replace

from textual.widgets import Input

from pgssl_wizard.cluster.facts import Session
from pgssl_wizard.screens.apply import ApplyStep
from pgssl_wizard.screens.confirm import WEAK_WORDS, WORD, ConfirmScreen
from pgssl_wizard.screens.proof import ProofStep
from pgssl_wizard.screens.widgets.fields import Choice, TextField
from pgssl_wizard.screens.widgets.options import Options
from tests.protocol.offers import offer
from tests.screens.sample import SampleApp, SampleJourney
from tests.screens.walking import app, current, go_to, settle, shown, top

NULL = "ECDHE-ECDSA-NULL-SHA"


async def test_each_suite_is_shown_with_its_strength_and_versions_and_scrolls() -> None:
    async with SampleApp().run_test(size=(80, 24)) as pilot:
        await go_to(pilot, "protocol")
        assert "OpenSSL 3.0.19 offers 6 suites to your key" in shown(pilot)
        assert "strong  TLS 1.3  TLS_AES_256_GCM_SHA384" in shown(pilot)
        assert "ECDHE-RSA" not in shown(pilot).partition("ssl_ciphers")[0]
        await pilot.press("pagedown")
        await settle(pilot)
        assert "Groups: prime256v1" in shown(pilot)
        assert "ECDHE-ECDSA-CHACHA20-POLY1305" in shown(pilot)


async def test_sessions_that_would_lose_their_version_are_shown() -> None:
    async with SampleApp().run_test(size=(80, 24)) as pilot:
        await go_to(pilot, "protocol")
        journey = app(pilot).journey
        assert isinstance(journey, SampleJourney)
        assert journey.cluster is not None
        assert journey.cluster.server is not None
        old = Session("billing", "app", "psql", "10.0.0.7", tls=True, tls_version="TLSv1.1", cipher="AES128-SHA")
        journey.cluster = replace(journey.cluster, server=replace(journey.cluster.server, sessions=(old,)))
        await pilot.press("down")
        await settle(pilot)
        assert "billing from 10.0.0.7 (psql; TLS 1.1, AES128-SHA)" in " ".join(shown(pilot).split())


async def test_a_list_that_no_server_should_offer_is_not_accepted() -> None:
    async with SampleApp().run_test(size=(100, 40)) as pilot:
        step = await go_to(pilot, "protocol")
        journey = app(pilot).journey
        assert isinstance(journey, SampleJourney)
        journey.offered = offer("ADH-AES128-GCM-SHA256", ciphers="ALL")
        await pilot.press("end")
        step.query_one("#ciphers", TextField).input.value = "ALL"
        await settle(pilot)
        assert "This list brings in ADH-AES128-GCM-SHA256" in shown(pilot)
        await pilot.press("enter")
        await settle(pilot)
        assert current(pilot) is step
        assert "ALL:!aNULL" in step.problem
        journey.offered = offer("ECDHE-ECDSA-AES128-GCM-SHA256")
        step.query_one("#ciphers", TextField).input.value = "HIGH:!aNULL"
        await pilot.press("enter")
        await settle(pilot)
        assert current(pilot).KEY == "clients"
        assert app(pilot).journey.complete().protocol.ciphers == "HIGH:!aNULL"


async def test_old_versions_can_be_chosen_and_say_what_they_cost() -> None:
    async with SampleApp().run_test(size=(100, 40)) as pilot:
        step = await go_to(pilot, "protocol")
        assert [words for value, words in step.query_one("#minimum", Choice).values if value in {"TLSv1", "TLSv1.1"}] == [
            "TLS 1.0 · costs typed words",
            "TLS 1.1 · costs typed words",
        ]
        assert step.query_one(Options).current.value == "intermediate"


async def test_null_ciphers_and_a_lock_out_cost_words_of_their_own_each() -> None:
    """Enter and A apply nothing until every field holds its words."""
    async with SampleApp(plaintext=2).run_test(size=(80, 24)) as pilot:
        await go_to(pilot, "preview")
        journey = app(pilot).journey
        journey.answer("clients.encryption", "required", "the test")
        plan = journey.make_plan()
        assert plan.locked_out
        journey.plan = replace(plan, weaknesses=("null-ciphers", "weak-protocol"))
        app(pilot).push_screen(ConfirmScreen())
        await settle(pilot)
        current(pilot).set_focus(None)
        await pilot.press("A")
        await settle(pilot)
        assert isinstance(top(pilot), ConfirmScreen)
        for words in (WORD, *(word for word, _ in WEAK_WORDS.values())):
            await pilot.press("enter")
            await settle(pilot)
            assert isinstance(top(pilot), ConfirmScreen)
            focused = top(pilot).focused
            assert isinstance(focused, Input)
            assert words in current(pilot).problem
            focused.value = words.upper()
        await pilot.press("enter")
        await settle(pilot)
        assert isinstance(top(pilot), ApplyStep | ProofStep)
