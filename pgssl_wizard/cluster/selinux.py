"""Whether SELinux decides on this machine which files the server may read."""

from __future__ import annotations

from pathlib import Path

_ENFORCE = Path("/sys/fs/selinux/enforce")


def enforcing(switch: Path = _ENFORCE) -> bool:
    """Return whether it is in force; where it is absent or only logs, it is not. `switch` is the kernel's file that says so."""
    try:
        return switch.read_text(encoding="ascii").strip() == "1"
    except (OSError, UnicodeDecodeError):
        return False
