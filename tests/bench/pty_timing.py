"""Time a program in a real pseudo-terminal: from fork to a text on the screen, and from a key to the next output."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

ESCAPES = re.compile(rb"\x1b\[[0-9;?<>=]*[a-zA-Z]|\x1b[()][A-Z0-9]|\x1b[=>]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1bP[^\x1b]*\x1b\\")
LIMIT = 60.0


class Program:
    """One run of a command in its own pseudo-terminal of 80x24."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str] | None = None, size: tuple[int, int] = (80, 24)) -> None:
        self.started = time.perf_counter()
        self.seen = b""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            env = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor", "TEXTUAL_ANIMATIONS": "none", **(environment or {})}
            os.execvpe(command[0], list(command), env)  # noqa: S606 - a child of a pseudo-terminal, no shell wanted
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))

    def _read(self, until: float) -> bytes:
        ready, _, _ = select.select([self.fd], [], [], max(0.0, until - time.perf_counter()))
        if not ready:
            return b""
        try:
            return os.read(self.fd, 65536)
        except OSError:
            return b""

    def text(self) -> str:
        """Return everything printed so far, without escape sequences."""
        return ESCAPES.sub(b"", self.seen).decode("utf-8", "replace")

    def wait_for(self, text: str) -> float:
        """Return the seconds from now until `text` has been printed since the last `forget`."""
        begun = time.perf_counter()
        deadline = begun + LIMIT
        while text not in self.text():
            chunk = self._read(deadline)
            if not chunk and time.perf_counter() >= deadline:
                raise TimeoutError(f"{text!r} did not appear in {self.text()[-2000:]!r}")
            self.seen += chunk
        return time.perf_counter() - begun

    def drain(self, quiet: float = 0.15) -> None:
        """Read until nothing has come for `quiet` seconds, then forget it all."""
        while True:
            chunk = self._read(time.perf_counter() + quiet)
            if not chunk:
                break
        self.seen = b""

    def press(self, keys: bytes) -> None:
        """Send keys as a terminal would."""
        os.write(self.fd, keys)

    def press_and_time(self, keys: bytes) -> float:
        """Return the seconds from a key to the first output it causes."""
        self.drain()
        begun = time.perf_counter()
        os.write(self.fd, keys)
        if not self._read(begun + LIMIT):
            raise TimeoutError("no output after the key")
        return time.perf_counter() - begun

    def peak_memory(self) -> float:
        """Return the peak resident memory so far, in megabytes (Linux)."""
        with Path(f"/proc/{self.pid}/status").open(encoding="ascii") as status:
            for line in status:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) / 1024
        return 0.0

    def close(self) -> None:
        """Stop the program as a closed terminal would, and wait for it."""
        try:
            os.kill(self.pid, signal.SIGTERM)
            deadline = time.perf_counter() + 10
            while time.perf_counter() < deadline:
                if os.waitpid(self.pid, os.WNOHANG)[0]:
                    break
                self._read(time.perf_counter() + 0.02)
            else:
                os.kill(self.pid, signal.SIGKILL)
                os.waitpid(self.pid, 0)
        except (ProcessLookupError, ChildProcessError):
            pass
        os.close(self.fd)
