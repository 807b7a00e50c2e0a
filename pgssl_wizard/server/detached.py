"""Starting a process of ours that outlives us: the session's end, a closed terminal and the death of whoever started it do not reach it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

#: How long an interpreter may take until the module says that it is ready, seconds; it takes a fraction of one.
PATIENCE = 60.0


class NotStarted(Exception):
    """The process did not get ready; the message says how it ended."""


def start(module: str, arguments: Sequence[str | Path], *, output: int) -> None:
    """Run a module of ours in a session of its own; return when it is ready.

    The module does what it can fail at, forks, and lets its first process end with 0: that is the word that it is ready, and what goes on
    is nobody's child and leads no session, so no terminal can ever become its own.

    Args:
        module: name of the module that is run.
        arguments: no secrets: whoever may list processes sees them.
        output: descriptor that takes what it prints. What is locked through this descriptor stays locked as long as the process lives.

    Raises:
        NotStarted: it ended otherwise, or never said anything.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-m", module, *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd="/",
            env=_environment(),
            start_new_session=True,
            timeout=PATIENCE,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotStarted(str(error)) from error
    if done.returncode != 0:
        raise NotStarted(f"it ended with {done.returncode}")


def _environment() -> dict[str, str]:
    """Return our environment without what libpq reads, passwords among it, and with the way to this package from any directory."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    places = [str(Path(each).absolute()) for each in kept.get("PYTHONPATH", "").split(os.pathsep) if each]
    package = Path(__file__).resolve().parents[2]
    if package.name not in {"site-packages", "dist-packages"}:
        # An installed package is found anyhow, and its neighbours must not hide modules of Python's own.
        places.append(str(package))
    return {**kept, "PYTHONPATH": os.pathsep.join(places)} if places else kept
