"""Numbers as the server reads and shows them: octal and hexadecimal, fractions, units, rounding, overflow.

Source: parse_int, parse_real, convert_to_base_unit and ShowGUCOption in guc.c, which did not change from 13 to 19.
"""

from __future__ import annotations

import math
import re
import sys
from fractions import Fraction

#: What the server suggests when a unit does not fit.
_MEMORY_HINT = 'Valid units for this parameter are "B", "kB", "MB", "GB", and "TB".'
_TIME_HINT = 'Valid units for this parameter are "us", "ms", "s", "min", "h", and "d".'
_TOO_LARGE = "Value exceeds integer range."

# Largest first, as the server tries them; sizes in bytes and microseconds.
_MEMORY = (("TB", 1024**4), ("GB", 1024**3), ("MB", 1024**2), ("kB", 1024), ("B", 1))
_TIME = (("d", 86_400_000_000), ("h", 3_600_000_000), ("min", 60_000_000), ("s", 1_000_000), ("ms", 1000), ("us", 1))
_BASES = {
    "B": (_MEMORY, 1),
    "kB": (_MEMORY, 1024),
    "MB": (_MEMORY, 1024**2),
    "8kB": (_MEMORY, 8192),
    "ms": (_TIME, 1000),
    "s": (_TIME, 1_000_000),
    "min": (_TIME, 60_000_000),
}
_LONGEST_UNIT = 3

# What C's isspace takes for a blank in the server's text.
_BLANK = " \t\n\v\f\r"
_STRTOL = re.compile(r"[ \t\n\v\f\r]*([-+]?)(?:0[xX]([0-9a-fA-F]+)|0([0-7]*)|([1-9][0-9]*))")
_STRTOD = re.compile(
    r"[ \t\n\v\f\r]*([-+]?(?:0[xX](?:[0-9a-fA-F]+\.?[0-9a-fA-F]*|\.[0-9a-fA-F]+)(?:[pP][-+]?[0-9]+)?"
    r"|(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|(?i:inf(?:inity)?)|(?i:nan)(?:\([0-9A-Za-z_]*\))?))"
)


class NotANumber(Exception):
    """The server would refuse this text; `hint` is what it would suggest."""

    def __init__(self, hint: str | None = None) -> None:
        super().__init__(hint)
        self.hint = hint


def parse_integer(text: str, unit: str) -> int:
    """Return an integer setting's value in its own unit.

    Raises:
        NotANumber: the server refuses the text; the limits of the setting are another matter.
    """
    whole = _STRTOL.match(text)
    value: float
    # Where there is no whole number, C points at the very beginning, blanks and sign included.
    rest = text[whole.end() :] if whole else text
    value = _whole(whole) if whole else 0
    if rest[:1] in {".", "e", "E"} or not -(2**63) <= value < 2**63:
        value, rest = _float(text)
    elif not whole:
        raise NotANumber
    value = _in_unit(float(value), rest, unit)
    if not math.isfinite(value) or not -(2**31) <= (rounded := round(value)) < 2**31:
        raise NotANumber(_TOO_LARGE)
    return rounded


def parse_real(text: str, unit: str) -> float:
    """Return a real setting's value in its own unit.

    Raises:
        NotANumber: the server refuses the text; the limits of the setting are another matter.
    """
    value, rest = _float(text)
    return _in_unit(value, rest, unit)


def plain(value: float) -> str:
    """Return a number as pg_settings and the server's messages write it, without its unit."""
    if isinstance(value, int):
        return str(value)
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return f"{value:g}"


def with_unit(value: float, unit: str) -> str:
    """Return a number as SHOW prints it: 4096 of a setting in kB as `4MB`."""
    if not unit or not value > 0:
        return plain(value)
    units, size = _BASES[unit]
    for name, factor in units:
        if isinstance(value, int):
            # A unit no larger than the setting's own always divides; the server never goes below that.
            if factor <= size or value * size % factor == 0:
                return f"{value * size // factor}{name}"
            continue
        amount = value / (factor / size)
        if abs(round(amount) / amount - 1.0) <= 1e-8 or name == units[-1][0]:
            return f"{plain(amount)}{name}"
    raise AssertionError(unit)


def _whole(found: re.Match[str]) -> int:
    sign, hexadecimal, octal, decimal = found.groups()
    value = int(hexadecimal, 16) if hexadecimal is not None else int(octal or "0", 8) if octal is not None else int(decimal)
    return -value if sign == "-" else value


def _float(text: str) -> tuple[float, str]:
    """Return what C's strtod reads, and what it leaves."""
    found = _STRTOD.match(text)
    if not found:
        raise NotANumber
    number = found[1]
    lowered = number.lower().lstrip("+-")
    if lowered.startswith("nan"):
        raise NotANumber
    try:
        value = float.fromhex(number) if lowered.startswith("0x") else float(number)
    except OverflowError:
        raise NotANumber from None
    if "inf" not in lowered:
        if math.isinf(value):
            raise NotANumber
        if abs(value) < sys.float_info.min and _inexact(number, lowered, value):
            raise NotANumber
    return value, text[found.end() :]


def _inexact(number: str, lowered: str, value: float) -> bool:
    """Whether something was lost on the way down to a number this small: C reports that as out of range."""
    if lowered.startswith("0x"):
        digits = lowered[2:].partition("p")[0].replace(".", "")
        return value == 0 and digits.strip("0") != ""
    digits, _, exponent = lowered.partition("e")
    if digits.replace(".", "").strip("0") == "":
        return False
    if exponent and abs(int(exponent)) > 2000:  # far below anything a float can hold, and slow to expand
        return True
    return Fraction(number) != Fraction(value)


def _in_unit(value: float, rest: str, unit: str) -> float:
    rest = rest.lstrip(_BLANK)
    if not rest:
        return value
    if not unit:
        raise NotANumber
    units, size = _BASES[unit]
    written = re.match(r"[^ \t\n\v\f\r]{0,3}", rest)
    name = written.group() if written else ""
    if rest[len(name) :].strip(_BLANK) == "":
        for place, (candidate, factor) in enumerate(units):
            if candidate == name:
                return _rounded(value, factor / size, units[place + 1 :], size)
    raise NotANumber(_MEMORY_HINT if units is _MEMORY else _TIME_HINT)


def _rounded(value: float, factor: float, smaller: tuple[tuple[str, int], ...], size: int) -> float:
    """Return the value in the setting's unit; a fraction is rounded to a multiple of the next smaller unit, where there is one."""
    result = value * factor
    if smaller:
        step = smaller[0][1] / size
        quotient = result / step
        if math.isfinite(quotient):
            # As C's rint: halves to even, and what is left of a negative number is a negative zero.
            quotient = math.copysign(round(quotient), quotient)
        result = quotient * step
    return result
