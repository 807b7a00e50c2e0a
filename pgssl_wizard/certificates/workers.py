"""Many kits at once, on every core: the library holds Python's lock while it derives keys, so threads would wait for each other.

A worker is told what to make through a pipe that nobody else has; it ends when the pipe does, however its parent ended.
"""

from __future__ import annotations

import contextlib
import math
import multiprocessing
import os
import queue
import signal
import threading
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING

from pgssl_wizard.certificates.kits import Kit, Maker, Order

if TYPE_CHECKING:
    from multiprocessing.context import SpawnProcess

#: Seconds that a kit takes on one core, about; only to see whether workers are worth their start.
_SECONDS = {"ecdsa-p256": 0.002, "ecdsa-p384": 0.004, "rsa-2048": 0.08, "rsa-3072": 0.3, "rsa-4096": 0.8}
_SECONDS_FOR_PASSPHRASE = 0.006
_START = 0.5
#: Work handed over at once, in seconds: little enough for progress, enough to hide the handing over.
_PORTION = 0.05
#: Portions that may wait to be written; what is made faster than the disk takes it must not fill the memory.
_WAITING = 64


def make(order: Order, roles: Sequence[str], workers: int | None = None) -> Iterator[Kit]:
    """Yield the kit of every role, in the order in which they get ready.

    Args:
        order: what to make.
        roles: for whom.
        workers: how many processes; 0 makes them here. By default, as many as there are cores, if it takes long enough.
    """
    each = _SECONDS[order.key] + (_SECONDS_FOR_PASSPHRASE if order.passphrase else 0)
    if workers is None:
        seconds = each * len(roles)
        workers = min(cores(), len(roles), math.ceil(seconds / _START)) if seconds > _START else 0
    if workers < (1 if len(roles) else 2):
        maker = Maker(order)
        yield from map(maker.kit, roles)
        return
    size = max(1, round(_PORTION / each))
    portions = [roles[start : start + size] for start in range(0, len(roles), size)]
    yield from _in_processes(order, portions, workers)


def cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _in_processes(order: Order, portions: Sequence[Sequence[str]], workers: int) -> Iterator[Kit]:
    # Not forked: whoever calls may have threads.
    context = multiprocessing.get_context("spawn")
    desk = _Desk(portions)
    running: list[tuple[Connection, SpawnProcess, threading.Thread]] = []
    try:
        for _ in range(min(workers, len(portions))):
            ours, theirs = context.Pipe()
            process = context.Process(target=_work, args=(theirs,), daemon=True)
            thread = threading.Thread(target=desk.attend, args=(ours, order), daemon=True)
            process.start()
            theirs.close()
            thread.start()
            running.append((ours, process, thread))
        for _ in portions:
            made = desk.results.get()
            if isinstance(made, Exception):
                raise RuntimeError("a process that makes kits has ended") from made  # noqa: TRY004 - it is the other end that failed  # noqa: TRY004 - no wrong type, a lost worker
            yield from made
    finally:
        desk.closed.set()
        for _, process, thread in running:
            process.terminate()
            process.join()
            thread.join()
        for pipe, _, _ in running:
            pipe.close()


class _Desk:
    """Where portions are handed out and kits come in, by one thread for each worker: nobody waits while kits are written."""

    def __init__(self, portions: Sequence[Sequence[str]]) -> None:
        self.results: queue.Queue[list[Kit] | Exception] = queue.Queue(_WAITING)
        self.closed = threading.Event()
        self._rest = iter(portions)
        self._lock = threading.Lock()

    def attend(self, pipe: Connection, order: Order) -> None:
        """Keep one worker busy until nothing is left."""
        try:
            pipe.send(order)
            owed = 0
            while (portion := self._next()) is not None or owed:
                if portion is not None:
                    pipe.send(portion)
                    owed += 1
                # One ahead, so that the worker never waits for us.
                if owed > 1 or portion is None:
                    self._bring(pipe.recv())
                    owed -= 1
        except (EOFError, OSError) as error:
            self._bring(error)

    def _next(self) -> Sequence[str] | None:
        with self._lock:
            return None if self.closed.is_set() else next(self._rest, None)

    def _bring(self, made: list[Kit] | Exception) -> None:
        while not self.closed.is_set():
            with contextlib.suppress(queue.Full):
                self.results.put(made, timeout=0.1)
                return


def _work(pipe: Connection) -> None:
    """Make kits until nobody asks any more."""
    # Ctrl-C reaches the whole group; the parent decides what becomes of it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(EOFError, OSError):
        maker = Maker(pipe.recv())
        while True:
            pipe.send([maker.kit(role) for role in pipe.recv()])
