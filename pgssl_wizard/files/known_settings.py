"""Every setting of every major: type, unit, limits, values, context, default. The one place where a name is looked up.

The facts are in assets/settings.tsv, which `python -m tests.servers.settings_table` writes from the real servers; a test compares
it with them. It is read when the first setting is looked up, and a record is made when it is asked for.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import cache
from typing import Literal, cast

from pgssl_wizard.files.versions import NEWEST, OLDEST

Kind = Literal["bool", "string", "enum", "integer", "real"]
Context = Literal["internal", "postmaster", "sighup", "superuser-backend", "backend", "superuser", "user"]

#: Old names that the server still takes, what it calls the setting now, and since when (map_old_guc_names in guc.c).
OLD_NAMES = {"sort_mem": ("work_mem", OLDEST), "vacuum_mem": ("maintenance_work_mem", OLDEST), "ssl_ecdh_curve": ("ssl_groups", 18)}

#: The `ssl…` settings in the order in which people are told; any that is not here comes after them.
_TLS = (
    *("ssl", "ssl_cert_file", "ssl_key_file", "ssl_ca_file", "ssl_crl_file", "ssl_crl_dir", "ssl_ciphers", "ssl_tls13_ciphers"),
    *("ssl_prefer_server_ciphers", "ssl_ecdh_curve", "ssl_groups", "ssl_min_protocol_version", "ssl_max_protocol_version"),
    *("ssl_dh_params_file", "ssl_passphrase_command", "ssl_passphrase_command_supports_reload", "ssl_sni"),
)
#: Those that nobody can set to some effect: a fact of the build, and a relic that takes 0 alone.
_NOT_SET = frozenset({"ssl_library", "ssl_renegotiation_limit"})
#: The settings besides `ssl…` that decide how TLS is reached, in the order in which people are told.
_NEIGHBOURS = (
    "listen_addresses",
    "port",
    "unix_socket_directories",
    "hba_file",
    "ident_file",
    "password_encryption",
    "log_connections",
    "logging_collector",
    "log_directory",
    "log_filename",
    "oauth_validator_libraries",
    "db_user_namespace",
)

# Only ASCII letters fold in a setting's name.
_FOLD = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")


@dataclass(frozen=True, slots=True)
class EnumValue:
    """One spelling of a value.

    Attributes:
        name: as it may be written, in any case.
        meaning: how the server shows it.
        listed: False for a spelling that the server takes and its views and hints leave out.
    """

    name: str
    meaning: str
    listed: bool


@dataclass(frozen=True, slots=True)
class KnownSetting:
    """One setting as majors `since` to `until` know it.

    Attributes:
        name: as the server spells it.
        kind: its type.
        default: the value when nothing sets it, as the server writes it; empty where the build or the place decides.
        since, until: the majors for which all of this holds.
        context: when it may change; `internal` can never be set, `postmaster` at a start only.
        unit: of a bare number, as in pg_settings (`kB`, `8kB`, `ms`); empty: none.
        low, high: the limits of a number, inclusive; integers for kind `integer`.
        values: of an enum, in the server's order.
    """

    name: str
    kind: Kind
    default: str
    since: int
    until: int
    context: Context
    unit: str = ""
    low: float = 0
    high: float = 0
    values: tuple[EnumValue, ...] = ()

    @property
    def restart(self) -> bool:
        """Whether a change takes a restart."""
        return self.context == "postmaster"


#: Settings that a packager's patch adds, of all majors: whether a server knows them depends on where it came from.
_PACKAGED = {"extension_destdir": KnownSetting("extension_destdir", "string", "", OLDEST, NEWEST, "superuser")}


def known(name: str, major: int) -> KnownSetting | None:
    """Return the setting that this major means by a name, in any case, old names included; None when it knows none."""
    return _record(current_name(name, major), major)


def known_names(major: int) -> tuple[str, ...]:
    """Return the name of every setting that this major knows, in alphabetical order."""
    return tuple(rows[0][0] for rows in _table().values() if any(_covers(row, major) for row in rows))


def majors_of(name: str) -> tuple[int, ...]:
    """Return the majors that take a name, oldest first: what to say of a setting that is gone or not there yet."""
    return tuple(major for major in range(OLDEST, NEWEST + 1) if known(name, major) is not None)


def current_name(name: str, major: int) -> str:
    """Return the name under which this major knows a setting, lower case; an unknown name is only folded."""
    folded = fold(name)
    renamed = OLD_NAMES.get(folded)
    return renamed[0] if renamed and major >= renamed[1] else folded


def fold(name: str) -> str:
    """Return a setting's name as the server compares it: ASCII letters in lower case, all else as it is."""
    return name.lower() if name.isascii() else name.translate(_FOLD)


def tls_settings(major: int) -> tuple[KnownSetting, ...]:
    """Return every `ssl…` setting of this major that somebody can set to some effect."""
    there = {name for name in known_names(major) if name.startswith("ssl")} - _NOT_SET
    names = [*(name for name in _TLS if name in there), *sorted(there.difference(_TLS))]
    return tuple(found for name in names if (found := known(name, major)) is not None)


def neighbour_settings(major: int) -> tuple[KnownSetting, ...]:
    """Return the other settings that decide how TLS is reached."""
    return tuple(found for name in _NEIGHBOURS if (found := known(name, major)) is not None)


@cache
def _table() -> dict[str, list[list[str]]]:
    """Return the rows of the asset by folded name."""
    from importlib import resources  # noqa: PLC0415 - takes longer to import than the table to read

    text = resources.files("pgssl_wizard.assets").joinpath("settings.tsv").read_text(encoding="utf-8")
    found: dict[str, list[list[str]]] = {}
    for line in text.splitlines():
        row = line.split("\t")
        found.setdefault(fold(row[0]), []).append(row)
    return found


@cache
def _record(name: str, major: int) -> KnownSetting | None:
    for row in _table().get(name, ()):
        if _covers(row, major):
            return _from_row(row)
    return _PACKAGED.get(name)


def _covers(row: list[str], major: int) -> bool:
    return int(row[1]) <= major <= int(row[2])


def _from_row(row: list[str]) -> KnownSetting:
    name, since, until, kind, context, unit, low, high, values, default = row
    number = int if kind == "integer" else _real
    return KnownSetting(
        name=name,
        kind=cast("Kind", kind),
        default=default,
        since=int(since),
        until=int(until),
        context=cast("Context", context),
        unit=unit,
        low=number(low) if low else 0,
        high=number(high) if high else 0,
        values=tuple(_value(value) for value in values.split(",")) if kind == "enum" else (),
    )


def _value(text: str) -> EnumValue:
    for mark in "=~":
        if mark in text:
            name, meaning = text.split(mark)
            return EnumValue(name, meaning, listed=mark == "~")
    return EnumValue(text, text, listed=True)


def _real(text: str) -> float:
    # The views print six digits, which is a little less than the largest number there is.
    return sys.float_info.max if text == "1.79769e+308" else float(text)
