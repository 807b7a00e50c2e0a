"""Telling whoever watches which station a change has reached."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator

from pgssl_wizard.change.model import Event, Station

Report = Callable[[Event], None]


def silent(_event: Event) -> None:
    """Tell nobody."""


@contextlib.contextmanager
def station(report: Report, name: Station, text: str) -> Iterator[None]:
    """Report the beginning, the end and the length of one station; a failure is reported and goes on its way."""
    began = time.monotonic()
    report(Event(name, "running", text))
    try:
        yield
    except BaseException as problem:
        report(Event(name, "failed", str(problem) or type(problem).__name__, time.monotonic() - began))
        raise
    report(Event(name, "done", text, time.monotonic() - began))


def skipped(report: Report, name: Station, why: str) -> None:
    """Report that a station is not needed, and why."""
    report(Event(name, "skipped", why))
