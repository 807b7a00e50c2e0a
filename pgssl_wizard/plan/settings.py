"""Where settings go so that they take effect: the line that wins is edited, and what would override it is dealt with. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pgssl_wizard.cluster.facts import Cluster
from pgssl_wizard.errors import Refused
from pgssl_wizard.files import conf
from pgssl_wizard.files.settings import Resolution, resolve
from pgssl_wizard.files.values import boolean
from pgssl_wizard.files.versions import RENAMED, tls_settings


@dataclass(slots=True)
class SettingsEdit:
    """The new bytes of every settings file that changes, and what SQL has to do.

    Attributes:
        changed: settings that really change, with their new values.
        reset: settings that postgresql.auto.conf overrides, for ALTER SYSTEM RESET.
    """

    files: dict[Path, bytes] = field(default_factory=dict)
    changed: dict[str, str] = field(default_factory=dict)
    reset: list[str] = field(default_factory=list)


def edit(cluster: Cluster, wanted: Mapping[str, str], place: Path | None) -> SettingsEdit:
    """Return the edits that make every wanted setting win.

    Args:
        cluster: its files as they stand.
        wanted: names to values, all known to this major.
        place: the file that the person wants them in; None where they take effect.

    Raises:
        Refused: something that cannot be edited would override a setting.
    """
    result = SettingsEdit()
    now = resolution(cluster, {})
    defaults = {setting.name: setting.default for setting in tls_settings(cluster.major)}
    for name, value in wanted.items():
        winner = now.winner(name)
        current = winner.value if winner else defaults.get(name, "")
        if _same(cluster, name, current, value) and (winner is None or winner.file is not None):
            continue
        if winner is not None and winner.file is None:
            raise Refused(
                f"{name} is given on the server's command line (as {winner.value}), which no file overrides.",
                where="command line",
                hint=f"Take {name} out of the start command, restart, and run this again.",
                code="command-line-override",
            )
        result.changed[name] = value
        if winner is not None and winner.file == cluster.auto_conf:
            result.reset.append(name)
    if result.reset:
        result.files[cluster.auto_conf] = _without(cluster, result.reset)
        now = resolution(cluster, result.files)
    for name, value in result.changed.items():
        winner = now.winner(name)
        target = place or (winner.file if winner and winner.file else cluster.config_file)
        data = _bytes(cluster, target, result.files)
        result.files[target] = conf.set_value(data, _spelling(data, name), value)
    _check(cluster, result, place)
    return result


def resolution(cluster: Cluster, edits: Mapping[Path, bytes]) -> Resolution:
    """Return what the server would read with these files in place of those on disk."""

    def read(path: Path) -> bytes | None:
        if path in edits:
            return edits[path]
        fact = cluster.files.get(path)
        return fact.data if fact else None

    def names(path: Path) -> list[str] | None:
        found = cluster.directories.get(path)
        return None if found is None else list(found)

    return resolve(cluster.config_file, cluster.auto_conf, read, names, cluster.command_line, cluster.major)


def _check(cluster: Cluster, result: SettingsEdit, place: Path | None) -> None:
    """Read everything again as the server will: each planned setting must win."""
    then = resolution(cluster, result.files)
    for name, value in result.changed.items():
        winner = then.winner(name)
        if winner is None or winner.value != value:
            where = f"{winner.file}:{winner.line}" if winner and winner.file else str(cluster.config_file)
            hint = "Leave files.settings empty, so that the setting goes where it takes effect." if place else None
            raise Refused(f"{name} would not take effect: this line overrides it.", where=where, hint=hint, code="setting-overridden")


def _bytes(cluster: Cluster, path: Path, edits: Mapping[Path, bytes]) -> bytes:
    if path in edits:
        return edits[path]
    fact = cluster.files.get(path)
    if fact is None or fact.data is None:
        raise Refused(
            "This file is not among those that the server reads, so settings in it would have no effect.",
            where=str(path),
            hint="Name postgresql.conf or a file that it includes, or leave files.settings empty.",
            code="settings-file-unused",
        )
    return fact.data


def _without(cluster: Cluster, names: list[str]) -> bytes:
    """Return postgresql.auto.conf as ALTER SYSTEM RESET leaves it, as far as the lines go."""
    data = cluster.files[cluster.auto_conf].data or b""
    doomed = {name.lower() for name in names} | {old for old, (new, _) in RENAMED.items() if new in names}
    for entry in reversed(conf.ConfFile.parse(data).entries):
        if entry.name.lower() in doomed:
            data = conf.remove_line(data, entry.line)
    return data


def _spelling(data: bytes, name: str) -> str:
    """Return the name as this file spells it, when it uses an old one."""
    file = conf.ConfFile.parse(data)
    if file.last(name):
        return name
    for old, (new, _) in RENAMED.items():
        if new == name and file.last(old):
            return old
    return name


def _same(cluster: Cluster, name: str, current: str, wanted: str) -> bool:
    """Whether two values mean the same: paths by where they lead, booleans and versions by any spelling."""
    if name in {"ssl_cert_file", "ssl_key_file", "ssl_ca_file"}:
        return bool(current) and cluster.data_directory / current == cluster.data_directory / wanted
    if wanted in {"on", "off"}:
        return boolean(current) == (wanted == "on")
    if name.endswith("protocol_version"):
        return current.lower() == wanted.lower()
    return current == wanted
