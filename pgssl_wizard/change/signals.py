"""Ctrl-C, `kill` and a closed terminal in the middle of a change: they end it by putting everything back, not by dying."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(BaseException):
    """A signal asked this process to end; not an `Exception`, so that nothing swallows it by accident."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number

    def __str__(self) -> str:
        return f"stopped by {signal.Signals(self.number).name}"


class Watch:
    """Whether signals raise `Stopped` now, or wait."""

    def __init__(self) -> None:
        self._holding = False
        self._waiting: int | None = None

    def arrived(self, number: int, _frame: FrameType | None) -> None:
        """Handle one signal."""
        if self._holding:
            self._waiting = number
        else:
            # One is enough: a second Ctrl-C must not break the putting back.
            self._holding = True
            raise Stopped(number)

    def hold(self) -> None:
        """From now on let signals wait: things are being put back, or are done."""
        self._holding = True

    def release(self) -> None:
        """Raise what has waited, and every later signal at once.

        Raises:
            Stopped: a signal came while signals waited.
        """
        self._holding = False
        if self._waiting is not None:
            number, self._waiting = self._waiting, None
            self._holding = True
            raise Stopped(number)

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Let signals wait for the length of a block that must not be torn apart."""
        self.hold()
        yield
        self.release()


@contextlib.contextmanager
def watched() -> Iterator[Watch]:
    """Turn signals into `Stopped` inside the block; outside the main thread they stay what they are."""
    watch = Watch()
    if threading.current_thread() is not threading.main_thread():
        yield watch
        return
    before = {}
    for number in _SIGNALS:
        handler = signal.getsignal(number)
        # `nohup` ignores SIGHUP on purpose; a handler from C code (None) cannot be put back.
        if handler in {signal.SIG_IGN, None}:
            continue
        before[number] = signal.signal(number, watch.arrived)
    try:
        yield watch
    finally:
        watch.hold()
        for number, handler in before.items():
            signal.signal(number, handler)
