"""A real terminal of exact size: a tmux server of its own, keys in, screen text out, never a sleep."""

from __future__ import annotations

import contextlib
import os
import secrets
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

#: How long any text may take to appear before a test gives up; a failure's limit, not an expectation of speed.
PATIENCE = 60.0


def missing() -> str | None:
    """Return why terminal tests cannot run here, or None."""
    return None if shutil.which("tmux") else "tmux is not installed"


class Terminal:
    """One program in one tmux window.

    Args:
        command: program and arguments.
        size: columns and rows.
        environment: added to the program's environment.
    """

    def __init__(self, command: Sequence[str], *, size: tuple[int, int] = (80, 24), environment: Mapping[str, str] | None = None) -> None:
        self._socket = f"pgsslwizard-{secrets.token_hex(4)}"
        self._command = command
        self._size = size
        self._environment = dict(environment or {})

    def __enter__(self) -> Self:
        width, height = self._size
        settings = {"TERM": "tmux-256color", "COLORTERM": "truecolor", "TEXTUAL_ANIMATIONS": "none", **self._environment}
        exports = " ".join(f"{key}={shlex.quote(value)}" for key, value in settings.items())
        # A size in the environment would win over the window's.
        line = f"env -u COLUMNS -u LINES {exports} {shlex.join(self._command)}; echo EXIT:$?; cat"
        self._tmux("new-session", "-d", "-s", "t", "-x", str(width), "-y", str(height), line)
        self._tmux("set", "-g", "status", "off")
        self._tmux("set", "-s", "escape-time", "0")
        self._tmux("resize-window", "-t", "t", "-x", str(width), "-y", str(height))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._tmux("kill-server", check=False)

    def _tmux(self, *arguments: str, check: bool = True) -> str:
        environment = {key: value for key, value in os.environ.items() if not key.startswith("TMUX")}
        command = ["tmux", "-L", self._socket, "-f", "/dev/null", *arguments]
        return subprocess.run(command, check=check, capture_output=True, text=True, env=environment).stdout

    def text(self) -> str:
        """Return what the screen shows, one line a row."""
        return self._tmux("capture-pane", "-p", "-t", "t")

    def keys(self, *keys: str) -> None:
        """Press keys by their tmux names (`Enter`, `Escape`, `F1`, `A`)."""
        self._tmux("send-keys", "-t", "t", *keys)

    def type(self, text: str) -> None:
        """Type text letter by letter."""
        self._tmux("send-keys", "-t", "t", "-l", text)

    def signal_program(self, words: str, number: signal.Signals = signal.SIGTERM) -> None:
        """Send a signal to the process in this window whose command line holds `words`."""
        shell = int(self._tmux("display", "-p", "-t", "t", "#{pane_pid}"))
        waiting = [shell]
        while waiting:
            pid = waiting.pop()
            with contextlib.suppress(OSError):
                waiting += [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]
                arguments = Path(f"/proc/{pid}/cmdline").read_bytes()
                if words.encode() in arguments and b"python" in arguments.split(b"\0")[0]:
                    os.kill(pid, number)
                    return
        raise AssertionError(f"no process with {words!r} runs in the terminal")

    def wait_for(self, *texts: str) -> str:
        """Wait until one of the texts is on the screen; return the screen. Fails with the screen's content."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            screen = self.text()
            if any(text in screen for text in texts):
                return screen
            # Polling a foreign program: there is nothing to be notified by.
            time.sleep(0.02)
        msg = f"none of {texts} appeared; the screen shows:\n{self.text()}"
        raise AssertionError(msg)


def until(complaint: str) -> Iterator[None]:
    """Poll until the caller stops; fail with `complaint` when patience ends."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        yield
        time.sleep(0.02)
    raise AssertionError(complaint)
