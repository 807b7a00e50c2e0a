"""Booleans as the server understands them."""

from __future__ import annotations


def boolean(value: str) -> bool | None:
    """Return what the server makes of a boolean: on/off, true/false, yes/no, 1/0 and their unambiguous beginnings."""
    text = value.lower()
    if text in {"1", "on"} or (text and ("true".startswith(text) or "yes".startswith(text))):
        return True
    if text in {"0", "of", "off"} or (text and ("false".startswith(text) or "no".startswith(text))):
        return False
    return None
