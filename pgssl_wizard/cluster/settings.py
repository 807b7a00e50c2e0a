"""Every TLS setting of a cluster and its neighbours: value, and which line it comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pgssl_wizard.cluster.facts import Setting, SettingSource
from pgssl_wizard.files.known_settings import KnownSetting, neighbour_settings, tls_settings
from pgssl_wizard.files.settings import Resolution, SettingLine
from pgssl_wizard.files.values import boolean


@dataclass(frozen=True, slots=True)
class Live:
    """What the running server says of its settings, by name; empty when nobody could ask it.

    Attributes:
        in_force: the values now.
        built_in: the defaults of this very build; distributions change some.
        environment: names that a variable of the server's environment decides (`port` by PGPORT).
    """

    in_force: Mapping[str, str] = field(default_factory=dict)
    built_in: Mapping[str, str] = field(default_factory=dict)
    environment: frozenset[str] = frozenset()


def settings_of(resolution: Resolution, major: int, auto_conf: Path, defaults: Mapping[str, str], live: Live) -> dict[str, Setting]:
    """Return each known setting of this major.

    Args:
        resolution: the files, followed.
        major: decides which settings there are.
        auto_conf: postgresql.auto.conf, a source of its own.
        defaults: values of settings that no line sets and whose default depends on the place (`hba_file`).
        live: what the running server says.
    """
    found: dict[str, Setting] = {}
    for known in (*tls_settings(major), *neighbour_settings(major)):
        winner = resolution.winner(known.name)
        source = _source(winner, auto_conf)
        if winner is None and known.name in live.environment:
            source = "environment"
        found[known.name] = Setting(
            name=known.name,
            value=_value(known, winner, source, defaults, live),
            source=source,
            file=winner.file if winner else None,
            line=winner.line if winner and winner.file else None,
            in_force=live.in_force.get(known.name),
            overridden=tuple(place(line) for line in resolution.overridden(known.name)),
            included_by=include_chain(resolution, winner.file) if winner and winner.file else (),
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


def include_chain(resolution: Resolution, file: Path) -> tuple[str, ...]:
    """Return the include lines that lead to a file, outermost first, as `file:line`; empty for postgresql.conf itself."""
    by_target = {target: (source, line) for source, line, target in reversed(resolution.includes)}
    found: list[str] = []
    seen: set[Path] = set()
    while file in by_target and file not in seen:
        seen.add(file)
        source, line = by_target[file]
        found.insert(0, f"{source}:{line}")
        file = source
    return tuple(found)


def _value(known: KnownSetting, winner: SettingLine | None, source: SettingSource, defaults: Mapping[str, str], live: Live) -> str:
    if source == "environment":
        return live.in_force.get(known.name, known.default)
    if winner is None:
        return defaults.get(known.name, live.built_in.get(known.name, known.default))
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
