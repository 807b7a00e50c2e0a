"""Signals in the middle of a change."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from pgssl_wizard.change.signals import Stopped, watched

SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_ends_the_block_and_the_old_handler_returns(number: signal.Signals) -> None:
    """It arrives as an exception that no `except Exception` swallows."""
    before = signal.signal(number, signal.SIG_DFL)
    try:
        with pytest.raises(Stopped, match=number.name), watched():
            os.kill(os.getpid(), number)
        assert signal.getsignal(number) is signal.SIG_DFL
    finally:
        signal.signal(number, before)


def test_a_held_signal_waits_until_released() -> None:
    """What must not be torn apart is not."""
    steps = []

    def run() -> None:
        with watched() as watch:
            with watch.held():
                os.kill(os.getpid(), signal.SIGTERM)
                steps.append("whole")
            steps.append("never")

    with pytest.raises(Stopped):
        run()
    assert steps == ["whole"]


def test_a_second_signal_does_not_break_the_putting_back() -> None:
    """Impatience is no reason to leave things half done."""
    undone = []
    with watched():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        except Stopped:
            os.kill(os.getpid(), signal.SIGTERM)
            undone.append("all")
    assert undone == ["all"]


def test_what_nohup_ignores_stays_ignored() -> None:
    """A closed terminal does not end a run that was started not to mind."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with watched():
            os.kill(os.getpid(), signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_outside_the_main_thread_signals_stay_what_they_are() -> None:
    """The wizard applies in a thread of its own."""
    before = signal.getsignal(signal.SIGTERM)
    seen = []

    def run() -> None:
        with watched() as watch, watch.held():
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert seen == [before]
