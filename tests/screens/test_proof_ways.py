"""The proof's ways in, client library and log lines on the last screen."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pgssl_wizard.change.model import Change
from pgssl_wizard.proof.model import SinceReload, Way
from pgssl_wizard.screens.proof import ProofStep
from tests.screens.sample import SampleApp
from tests.screens.walking import app, go_on_to, settle, shown

OPEN = Way("postgres", "administrator", "socket", outcome="accept")
SHUT = Way("app", "known", "tcp", "app", expected="reject", outcome="reject", message="FATAL:  no", closed=True, address="10.0.0.5")
WRONG = Way("metrics", "known", "tls", "metrics", outcome="reject", message="FATAL:  no entry", rule="pg_hba.conf:9", address="10.0.0.5")
FAR = Way("repl", "replication", "tls", replication=True, message="its rule is for 10.0.0.9/32")


async def seen(size: tuple[int, int], *ways: Way, log: SinceReload | None = None, left_out: int = 0) -> str:
    """Return what the whole of the screen's body says with these ways in the proof."""
    async with SampleApp().run_test(size=size) as pilot:
        await go_on_to(pilot, "proof")
        step = pilot.app.screen
        assert isinstance(step, ProofStep)
        made = app(pilot).journey.change
        assert isinstance(made, Change)
        assert made.proof is not None
        app(pilot).journey.change = replace(made, proof=replace(made.proof, ways=ways, log=log, ways_left_out=left_out))
        step.redraw()
        await settle(pilot)
        assert "libpq 18.0.6" in shown(pilot)
        return "\n".join(row.plain for row in step._rows())


@pytest.mark.parametrize("size", [(80, 24), (120, 40)], ids=["80x24", "120x40"])
async def test_ways_as_they_should_be_take_one_line_and_what_was_shut_is_counted(size: tuple[int, int]) -> None:
    """And what could not be tried is counted, never shown as a success."""
    text = await seen(size, OPEN, SHUT, FAR, left_out=3)
    assert "✓ 2 ways in as they should be, 1 of them shut now and open before" in text.replace("\n  ", " ")
    assert "- 4 not tried" in text
    assert "✗" not in text


async def test_a_way_that_is_not_as_it_should_be_is_shown_with_its_rule_and_the_servers_words() -> None:
    """However narrow the screen."""
    text = " ".join((await seen((80, 24), OPEN, WRONG)).split())
    assert "✗ role metrics at database metrics over TLS was to be let in, by pg_hba.conf:9, and was refused: FATAL: no entry" in text


async def test_what_the_server_complained_about_is_shown_and_other_lines_are_not() -> None:
    """A person looks for trouble here, and finds the rest in the log."""
    log = SinceReload(
        Path("/var/log/pg.log"), ("LOG:  received SIGHUP",), ('parameter "port" cannot be changed without restarting the server',)
    )
    text = " ".join((await seen((80, 24), OPEN, log=log)).split())
    assert '! the server\'s log: parameter "port" cannot be changed' in text
    assert "SIGHUP" not in text
