"""Checks of settings whose values are words with rules of their own: date style, encoding, log levels."""

from __future__ import annotations

from collections.abc import Mapping

from pgssl_wizard.files.setting_checks import Case, Check, Wrong
from pgssl_wizard.files.setting_lists import BadList, split_identifiers, split_words

_STYLES = {"iso": "ISO", "sql": "SQL", "german": "German"}

#: Encodings by the letters and digits of their names, and other names for them (encnames.c; the same in 13 to 18).
_ENCODINGS = {
    name.replace("_", "").lower(): name
    for name in (
        *("SQL_ASCII", "EUC_JP", "EUC_CN", "EUC_KR", "EUC_TW", "EUC_JIS_2004", "UTF8", "MULE_INTERNAL", "LATIN1", "LATIN2"),
        *("LATIN3", "LATIN4", "LATIN5", "LATIN6", "LATIN7", "LATIN8", "LATIN9", "LATIN10", "WIN1256", "WIN1258", "WIN866"),
        *("WIN874", "KOI8R", "WIN1251", "WIN1252", "ISO_8859_5", "ISO_8859_6", "ISO_8859_7", "ISO_8859_8", "WIN1250"),
        *("WIN1253", "WIN1254", "WIN1255", "WIN1257", "KOI8U", "SJIS", "BIG5", "GBK", "UHC", "GB18030", "JOHAB", "SHIFT_JIS_2004"),
    )
}
_OTHER_NAMES = {
    "abc": "WIN1258",
    "tcvn": "WIN1258",
    "tcvn5712": "WIN1258",
    "vscii": "WIN1258",
    "alt": "WIN866",
    "win": "WIN1251",
    "win950": "BIG5",
    "windows950": "BIG5",
    "win936": "GBK",
    "windows936": "GBK",
    "win949": "UHC",
    "windows949": "UHC",
    "iso88591": "LATIN1",
    "iso88592": "LATIN2",
    "iso88593": "LATIN3",
    "iso88594": "LATIN4",
    "iso88599": "LATIN5",
    "iso885910": "LATIN6",
    "iso885913": "LATIN7",
    "iso885914": "LATIN8",
    "iso885915": "LATIN9",
    "iso885916": "LATIN10",
    "koi8": "KOI8R",
    "mskanji": "SJIS",
    "shiftjis": "SJIS",
    "win932": "SJIS",
    "windows932": "SJIS",
    "unicode": "UTF8",
    **{f"windows{page}": f"WIN{page}" for page in (866, 874, *range(1250, 1259))},
}

_LEVELS = ("debug5", "debug4", "debug3", "debug2", "debug1", "debug", "info", "notice", "warning", "error", "log", "fatal", "panic")
_PROCESSES = (
    *("archiver", "autovacuum", "backend", "bgworker", "bgwriter", "checkpointer", "postmaster", "ioworker", "syslogger"),
    *("slotsyncworker", "startup", "walreceiver", "walsender", "walsummarizer", "walwriter"),
)


def _datestyle(value: str, case: Case) -> str:
    try:
        words = split_identifiers(value, case.major)
    except BadList:
        raise Wrong("List syntax is invalid.") from None
    style, order = case.before("datestyle").split(", ")
    has_style = has_order = False
    conflict = False
    for word in words:
        lowered = word.lower()
        new_style = _STYLES.get(lowered) or ("Postgres" if lowered.startswith("postgres") else None)
        new_order = _order(lowered)
        if new_style:
            conflict |= has_style and style != new_style
            style, has_style = new_style, True
            if new_style == "German" and not has_order:
                order = "DMY"
        elif new_order:
            conflict |= has_order and order != new_order
            order, has_order = new_order, True
        elif lowered == "default":
            # What it goes back to is the value before this one, too: nothing else was in force while files are read.
            default_style, default_order = case.before("datestyle").split(", ")
            style = style if has_style else default_style
            order = order if has_order else default_order
        else:
            raise Wrong(f'Unrecognized key word: "{word}".')
    if conflict:
        name = '"DateStyle"' if case.major >= 18 else '"datestyle"'
        raise Wrong(f"Conflicting {name} specifications.")
    return f"{style}, {order}"


def _order(word: str) -> str | None:
    if word == "ymd":
        return "YMD"
    if word == "dmy" or word.startswith("euro"):
        return "DMY"
    return "MDY" if word in {"mdy", "us"} or word.startswith("noneuro") else None


def _client_encoding(value: str, case: Case) -> str:
    key = "".join(char for char in value.lower() if char.isascii() and char.isalnum())
    found = _ENCODINGS.get(key) or _OTHER_NAMES.get(key)
    if found is None or (found == "MULE_INTERNAL" and case.major >= 19):
        raise Wrong
    return value if value == "UNICODE" else found


def _log_min_messages(value: str, case: Case) -> str:
    """From 19 on: a level, and levels for kinds of processes, as `warning, backend:debug1`."""
    if case.major < 19:
        return value
    try:
        words = split_words(value, case.major)
    except BadList:
        raise Wrong("List syntax is invalid.") from None
    default = ""
    seen: set[str] = set()
    for word in words:
        process, colon, level = word.partition(":")
        if not colon:
            if default:
                raise Wrong("Redundant specification of default log level.")
            if word.lower() not in _LEVELS:
                raise Wrong(f'Unrecognized log level: "{word}".')
            default = word
            continue
        if level.lower() not in _LEVELS:
            raise Wrong(f'Unrecognized log level for process type "{process}": "{level}".')
        if process.lower() not in _PROCESSES:
            raise Wrong(f'Unrecognized process type "{process}".')
        if process.lower() in seen:
            raise Wrong(f'Redundant log level specification for process type "{process}".')
        seen.add(process.lower())
    if not default:
        raise Wrong("Default log level was not defined.")
    return ", ".join([default, *sorted(word for word in words if ":" in word)])


CHECKS: Mapping[str, Check] = {
    "datestyle": _datestyle,
    "client_encoding": _client_encoding,
    "log_min_messages": _log_min_messages,
}
