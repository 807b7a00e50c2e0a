"""What the server makes of a value: what it stores and shows, or the words in which it refuses it.

Source: parse_and_validate_value and set_config_option in guc.c. This is the reading at a start, by a Linux server built with every
option; what depends on the machine is taken, with a note.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache

from pgssl_wizard.files.known_settings import KnownSetting, fold, known
from pgssl_wizard.files.setting_checks import Case, Check, Wrong, checks, note_of
from pgssl_wizard.files.setting_lists import cut_name
from pgssl_wizard.files.setting_numbers import NotANumber, parse_integer, parse_real, plain, with_unit
from pgssl_wizard.files.values import boolean

#: File modes, which pg_settings shows in octal.
_MODES = frozenset({"log_file_mode", "unix_socket_permissions", "data_directory_mode"})

#: Settings that hold a name (GUC_IS_NAME), which is cut to the bytes of one.
_NAMES = frozenset(
    {
        *("application_name", "client_encoding", "cluster_name", "default_table_access_method", "default_tablespace"),
        *("role", "server_encoding", "session_authorization"),
    }
)


@dataclass(frozen=True, slots=True)
class Checked:
    """The verdict on one value.

    Attributes:
        value: as pg_settings shows it (numbers in the setting's own unit, modes in octal); None when it is refused.
        shown: as SHOW prints it, which gives a number the largest unit that it fills.
        error: the server's message; None when it takes the value.
        detail, hint: what the server adds to its message.
        note: what else must be so on the server's machine, a sentence without its full stop.
    """

    value: str | None
    error: str | None = None
    detail: str | None = None
    hint: str | None = None
    note: str | None = None
    shown: str | None = None


def check(setting: KnownSetting, value: str, major: int, spelled: str | None = None, before: Mapping[str, str] | None = None) -> Checked:
    """Return the server's verdict on a value in a file.

    Args:
        setting: as `known` returned it for this major.
        value: without quotes and escapes.
        major: the server's.
        spelled: the name as the file spells it, which messages repeat up to 17; None: as the server spells it.
        before: values that other settings have at this point, by folded name; the defaults otherwise.
    """
    # Up to 17 the messages repeat the name as it was written.
    name = setting.name if major >= 18 or spelled is None else spelled
    if setting.context == "internal":
        return Checked(None, f'parameter "{name}" cannot be changed')
    invalid = f'invalid value for parameter "{name}": "{value}"'
    stored: str
    if setting.kind == "bool":
        meant = boolean(value)
        if meant is None:
            return Checked(None, f'parameter "{name}" requires a Boolean value')
        stored = "on" if meant else "off"
    elif setting.kind == "enum":
        spelling = next((choice for choice in setting.values if fold(choice.name) == fold(value)), None)
        if spelling is None:
            listed = ", ".join(choice.name for choice in setting.values if choice.listed)
            return Checked(None, invalid, hint=f"Available values: {listed}.")
        stored = spelling.meaning
    elif setting.kind == "string":
        stored = cut_name(value) if fold(setting.name) in _NAMES else value
    else:
        try:
            number = parse_integer(value, setting.unit) if setting.kind == "integer" else parse_real(value, setting.unit)
        except NotANumber as refused:
            return Checked(None, invalid, hint=refused.hint)
        if not setting.low <= number <= setting.high:
            return Checked(None, _out_of_range(setting, name, number, major))
        checked = _hooked(setting, plain(number), major, before)
        if checked.value is None or fold(setting.name) in _MODES:
            return checked
        # A check may have put another number in its place.
        number = number if checked.value == plain(number) else int(checked.value)
        return replace(checked, shown=with_unit(number, setting.unit))
    return _hooked(setting, stored, major, before)


def _hooked(setting: KnownSetting, stored: str, major: int, before: Mapping[str, str] | None) -> Checked:
    name = fold(setting.name)
    hook = _checks().get(name)
    if hook is not None:
        try:
            stored = hook(stored, Case(name, major, _looking_up(before or {}, major)))
        except Wrong as wrong:
            asked = {"integer": stored, "real": stored, "bool": "1" if stored == "on" else "0"}.get(setting.kind, f'"{stored}"')
            message = wrong.message or f'invalid value for parameter "{setting.name}": {asked}'
            return Checked(None, message, wrong.detail or None, wrong.hint or None)
    if name in _MODES:
        stored = f"{int(stored):04o}"
    return Checked(stored, note=note_of(name, stored, major), shown=stored)


def _looking_up(before: Mapping[str, str], major: int) -> Callable[[str], str]:
    def value(name: str) -> str:
        if name in before:
            return before[name]
        setting = known(name, major)
        return setting.default if setting else ""

    return value


@cache
def _checks() -> Mapping[str, Check]:
    return checks()


def _out_of_range(setting: KnownSetting, name: str, number: float, major: int) -> str:
    unit = f" {setting.unit}" if setting.unit else ""
    # 17 began to give the limits their unit.
    beside = unit if major >= 17 else ""
    low, high = f"{plain(setting.low)}{beside}", f"{plain(setting.high)}{beside}"
    return f'{plain(number)}{unit} is outside the valid range for parameter "{name}" ({low} .. {high})'
