"""Values of settings as the server understands them: booleans by any unambiguous beginning, numbers with units."""

from __future__ import annotations

import re

_TIME = {"us": 0.001, "ms": 1.0, "s": 1000.0, "min": 60_000.0, "h": 3_600_000.0, "d": 86_400_000.0}
_MEMORY = {"B": 1.0, "kB": 1024.0, "MB": 1024.0**2, "GB": 1024.0**3, "TB": 1024.0**4}
_NUMBER = re.compile(r"\s*([-+]?(?:0x[0-9a-fA-F]+|[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?))\s*([a-zA-Z]*)\s*")


def boolean(value: str) -> bool | None:
    """Return what the server makes of a boolean: on/off, true/false, yes/no, 1/0 and their unambiguous beginnings."""
    text = value.lower()
    if text in {"1", "on"} or (text and ("true".startswith(text) or "yes".startswith(text))):
        return True
    if text in {"0", "of", "off"} or (text and ("false".startswith(text) or "no".startswith(text))):
        return False
    return None


def same_number(written: str, current: str, unit: str | None) -> bool:
    """Return whether a number as written in a file (`2min`) is the one in force (`120`, in `unit`)."""
    left, right = _NUMBER.fullmatch(written), _NUMBER.fullmatch(current)
    if not left or not right:
        return False
    value = _float(left.group(1))
    if left.group(2):
        scale, base = _scale(left.group(2)), _unit_scale(unit)
        if scale is None or base is None:
            return False
        value = value * scale / base
    target = _float(right.group(1))
    return abs(value - target) <= max(0.5 if unit else 0.0, abs(target) * 1e-6)


def _float(text: str) -> float:
    return float(int(text, 16)) if "0x" in text.lower() else float(text)


def _scale(unit: str) -> float | None:
    return _TIME.get(unit, _MEMORY.get(unit))


def _unit_scale(unit: str | None) -> float | None:
    """Return the size of a setting's own unit, which may be a multiple such as `8kB`."""
    found = re.fullmatch(r"(\d*)([a-zA-Z]+)", unit or "")
    if not found:
        return None
    scale = _scale(found.group(2))
    return None if scale is None else scale * int(found.group(1) or 1)
