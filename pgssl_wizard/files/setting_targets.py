"""Checks of the recovery targets: log positions, transactions, times, time lines.

A recovery_target_time is read by the server's parser of dates, which knows many spellings and the machine's time zones. The
spellings that begin as in ISO 8601 are judged here; of the others those are taken that look like a date.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from pgssl_wizard.files.setting_checks import Case, Check, Wrong

_LSN = re.compile(r"[0-9a-fA-F]{1,8}/[0-9a-fA-F]{1,8}")
_BLANK = " \t\n\v\f\r"
_UNSIGNED = re.compile(r"[ \t\n\v\f\r]*([-+]?)(?:0[xX]([0-9a-fA-F]+)|0([0-7]*)|([1-9][0-9]*))")
_ISO_DATE = re.compile(r"[ \t\n\v\f\r]*\d{4,6}-\d{1,2}-\d{1,2}(?!\d)")
_ISO = re.compile(
    r"""\s*(?P<year>\d{4,6})-(?P<month>\d{1,2})-(?P<day>\d{1,2})
    (?:\s*[T ,]\s*(?P<hour>\d{1,2}):(?P<minute>\d{1,2})(?::(?P<second>\d{1,2})(?P<fraction>\.\d*)?)?\s*(?P<half>[AP]M)?)?
    \s*(?:(?P<offset>[-+](?P<hours>\d{1,2})(?::?(?P<minutes>\d{2}))?(?::?(?P<seconds>\d{2}))?)|(?P<zone>(?!BC\b|AD\b|T\d)[A-Z][\w/+-]*))?
    \s*(?P<era>BC|AD)?\s*""",
    re.IGNORECASE | re.VERBOSE,
)
# Names of zones that are one word, of the time zone database. Abbreviations are none of them: the server reads its list of those
# after its settings, so that even Z is unknown here.
_ZONES = frozenset(
    {
        *("cet", "cst6cdt", "cuba", "eet", "egypt", "eire", "est", "est5edt", "factory", "gb", "gb-eire", "gmt", "gmt+0", "gmt-0", "gmt0"),
        *("greenwich", "hongkong", "hst", "iceland", "iran", "israel", "jamaica", "japan", "kwajalein", "libya", "met", "mst", "mst7mdt"),
        *("navajo", "nz", "nz-chat", "poland", "portugal", "prc", "pst8pdt", "roc", "rok", "singapore", "turkey", "uct", "universal"),
        *("utc", "w-su", "wet", "zulu"),
    }
)
# What else may be a date: three parts, digits in one piece, a month's name, a Julian day, a day by its word.
_DATE = re.compile(
    r"\d+[-/.]\w+[-/.]\d+|(?<!\d)\d{6}(?:\d\d)?(?!\d)|\bj\s*\d+|\d+[-.]\d{3}\b|\b(?:now|today|tomorrow|yesterday)\b"
    r"|(?:\b|\d)(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\b.*\d",
    re.IGNORECASE,
)
_DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_RELATIVE = frozenset({"now", "today", "tomorrow", "yesterday"})


def _target(value: str, _case: Case) -> str:
    if value not in {"", "immediate"}:
        raise Wrong('The only allowed value is "immediate".')
    return value


def _lsn(value: str, _case: Case) -> str:
    if value and not _LSN.fullmatch(value):
        raise Wrong
    return value


def _name(value: str, case: Case) -> str:
    if len(value.encode("utf-8", "surrogateescape")) > 63:
        name = f'"{case.name}"' if case.major >= 17 else case.name
        raise Wrong(f"{name} is too long (maximum 63 characters).")
    return value


def _xid(value: str, case: Case) -> str:
    if not value:
        return value
    number, rest = _unsigned(value)
    if case.major < 19:
        if number is None:
            raise Wrong
        return value
    if number is None or rest or value.lstrip(_BLANK).startswith("-"):
        raise Wrong('"recovery_target_xid" is not a valid number.')
    if number & 0xFFFFFFFF < 3:
        raise Wrong('"recovery_target_xid" without epoch must be greater than or equal to 3.')
    return value


def _timeline(value: str, case: Case) -> str:
    if value in {"current", "latest"}:
        return value
    number, rest = _unsigned(value)
    name = '"recovery_target_timeline"' if case.major >= 17 else "recovery_target_timeline"
    if number is None or (case.major >= 19 and rest):
        raise Wrong(f"{name} is not a valid number.")
    if case.major >= 19 and not 1 <= number <= 0xFFFFFFFF:
        raise Wrong(f"{name} must be between 1 and {0xFFFFFFFF}.")
    return value


def _unsigned(text: str) -> tuple[int | None, str]:
    """Return what C's strtoull reads (0 where there is no number, None when it is too large), and what it leaves."""
    found = _UNSIGNED.match(text)
    if not found:
        return 0, text
    sign, hexadecimal, octal, decimal = found.groups()
    value = int(hexadecimal, 16) if hexadecimal is not None else int(octal or "0", 8) if octal is not None else int(decimal)
    rest = text[found.end() :]
    if value >= 2**64:
        return None, rest
    return (-value) % 2**64 if sign == "-" else value, rest


def _time(value: str, _case: Case) -> str:
    if not value:
        return value
    if _ISO_DATE.match(value):
        found = _ISO.fullmatch(value)
        good = found is not None and _possible(found)
    else:
        good = value not in _RELATIVE and _DATE.search(value) is not None
    if not good:
        raise Wrong
    return value


def _possible(found: re.Match[str]) -> bool:
    """Whether there is such a day and time, and the server would know the zone while it reads its settings."""
    year, month, day, hour, minute, second = (int(found[part] or 0) for part in ("year", "month", "day", "hour", "minute", "second"))
    era = (found["era"] or "").lower()
    if not (1 <= year <= 4713 if era == "bc" else 1 <= year <= 294276) or not 1 <= month <= 12:
        return False
    leap = year - 1 if era == "bc" else year
    days = 29 if month == 2 and (leap % 4 == 0 and (leap % 100 != 0 or leap % 400 == 0)) else _DAYS[month - 1]
    if not 1 <= day <= days or hour > (12 if found["half"] else 24):
        return False
    if minute > 59 or second > 60 or (second == 60 and (found["fraction"] or "").strip(".0")) or (hour == 24 and (minute or second)):
        return False
    if found["zone"]:
        zone = found["zone"].lower()
        return zone in _ZONES or "/" in zone or any(char.isdigit() for char in zone)
    return int(found["hours"] or 0) <= 15 and int(found["minutes"] or 0) < 60 and int(found["seconds"] or 0) < 60


CHECKS: Mapping[str, Check] = {
    "recovery_target": _target,
    "recovery_target_lsn": _lsn,
    "recovery_target_name": _name,
    "recovery_target_time": _time,
    "recovery_target_timeline": _timeline,
    "recovery_target_xid": _xid,
}
