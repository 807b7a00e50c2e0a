"""Every TLS setting of a cluster and its neighbours: value, and which line it comes from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pgssl_wizard.cluster.facts import Setting, SettingSource
from pgssl_wizard.files.settings import Resolution, SettingLine
from pgssl_wizard.files.values import boolean
from pgssl_wizard.files.versions import KnownSetting, neighbour_settings, tls_settings


def settings_of(
    resolution: Resolution, major: int, auto_conf: Path, defaults: Mapping[str, str], in_force: Mapping[str, str]
) -> dict[str, Setting]:
    """Return each known setting of this major.

    Args:
        resolution: the files, followed.
        major: decides which settings there are.
        auto_conf: postgresql.auto.conf, a source of its own.
        defaults: values of settings that no line sets and whose default depends on the place (`hba_file`).
        in_force: what the running server says, by name.
    """
    found: dict[str, Setting] = {}
    for known in (*tls_settings(major), *neighbour_settings(major)):
        winner = resolution.winner(known.name)
        value = _value(known, winner, defaults)
        found[known.name] = Setting(
            name=known.name,
            value=value,
            source=_source(winner, auto_conf),
            file=winner.file if winner else None,
            line=winner.line if winner and winner.file else None,
            in_force=in_force.get(known.name),
            overridden=tuple(place(line) for line in resolution.overridden(known.name)),
        )
    return found


def path_in(data_directory: Path, resolution: Resolution, name: str, default: str) -> Path | None:
    """Return the file that a setting points to; relative values mean the data directory."""
    winner = resolution.winner(name)
    value = winner.value if winner else default
    return data_directory / value if value else None


def place(line: SettingLine) -> str:
    """Return `file:line`."""
    return f"{line.file}:{line.line}" if line.file else "command line"


def _value(known: KnownSetting, winner: SettingLine | None, defaults: Mapping[str, str]) -> str:
    if winner is None:
        return defaults.get(known.name, known.default)
    if known.kind == "bool":
        meant = boolean(winner.value)
        return winner.value if meant is None else "on" if meant else "off"
    return winner.value


def _source(winner: SettingLine | None, auto_conf: Path) -> SettingSource:
    if winner is None:
        return "default"
    if winner.file is None:
        return "command-line"
    return "auto.conf" if winner.file == auto_conf else "file"
