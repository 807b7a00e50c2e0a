"""Sets of bytes: the character classes and the named characters of PostgreSQL's bracket expressions.

Sources: regc_locale.c (names, wired-in classes), regc_pg_locale.c (the C collation, which knows no letters beyond ASCII). A set is a
number of 256 bits, one a byte.
"""

from __future__ import annotations

from typing import Final

ALL_BYTES: Final = (1 << 256) - 1
NEWLINE: Final = 1 << 10


def between(first: int, last: int) -> int:
    """Return the bytes from one character to another; characters above 255 are none."""
    return (1 << (min(last, 255) + 1)) - (1 << first) if first <= 255 else 0


def both_cases(bits: int) -> int:
    """Return the set with the other case of every letter in it."""
    return bits | (bits & _UPPER) << 32 | (bits & _LOWER) >> 32


def _bits(characters: str) -> int:
    return sum(1 << ord(character) for character in characters)


_UPPER, _LOWER, _DIGIT = between(65, 90), between(97, 122), between(48, 57)
_GRAPH = between(33, 126)

CLASSES: Final = {
    "alnum": _UPPER | _LOWER | _DIGIT,
    "alpha": _UPPER | _LOWER,
    "ascii": between(0, 127),
    "blank": _bits("\t "),
    # Also those that other encodings have beyond ASCII.
    "cntrl": between(0, 31) | between(127, 159),
    "digit": _DIGIT,
    "graph": _GRAPH,
    "lower": _LOWER,
    "print": _GRAPH | _bits(" "),
    "punct": _GRAPH & ~(_UPPER | _LOWER | _DIGIT),
    "space": _bits(" \t\n\v\f\r"),
    "upper": _UPPER,
    "xdigit": _DIGIT | _bits("abcdefABCDEF"),
    "word": _UPPER | _LOWER | _DIGIT | _bits("_"),
}
WORD: Final = CLASSES["word"]

#: What `[.name.]` and `[=name=]` mean, besides characters that stand for themselves.
# fmt: off
ELEMENTS: Final = {
    "NUL": 0, "SOH": 1, "STX": 2, "ETX": 3, "EOT": 4, "ENQ": 5, "ACK": 6, "BEL": 7, "alert": 7, "BS": 8, "backspace": 8, "HT": 9,
    "tab": 9, "LF": 10, "newline": 10, "VT": 11, "vertical-tab": 11, "FF": 12, "form-feed": 12, "CR": 13, "carriage-return": 13, "SO": 14,
    "SI": 15, "DLE": 16, "DC1": 17, "DC2": 18, "DC3": 19, "DC4": 20, "NAK": 21, "SYN": 22, "ETB": 23, "CAN": 24, "EM": 25, "SUB": 26,
    "ESC": 27, "IS4": 28, "FS": 28, "IS3": 29, "GS": 29, "IS2": 30, "RS": 30, "IS1": 31, "US": 31, "space": 32, "exclamation-mark": 33,
    "quotation-mark": 34, "number-sign": 35, "dollar-sign": 36, "percent-sign": 37, "ampersand": 38, "apostrophe": 39,
    "left-parenthesis": 40, "right-parenthesis": 41, "asterisk": 42, "plus-sign": 43, "comma": 44, "hyphen": 45, "hyphen-minus": 45,
    "period": 46, "full-stop": 46, "slash": 47, "solidus": 47, "zero": 48, "one": 49, "two": 50, "three": 51, "four": 52, "five": 53,
    "six": 54, "seven": 55, "eight": 56, "nine": 57, "colon": 58, "semicolon": 59, "less-than-sign": 60, "equals-sign": 61,
    "greater-than-sign": 62, "question-mark": 63, "commercial-at": 64, "left-square-bracket": 91, "backslash": 92, "reverse-solidus": 92,
    "right-square-bracket": 93, "circumflex": 94, "circumflex-accent": 94, "underscore": 95, "low-line": 95, "grave-accent": 96,
    "left-brace": 123, "left-curly-bracket": 123, "vertical-line": 124, "right-brace": 125, "right-curly-bracket": 125, "tilde": 126,
    "DEL": 127,
}
# fmt: on
