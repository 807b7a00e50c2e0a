"""Where settings go so that they take effect: the line that wins is edited, and what would override it is dealt with. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pgssl_wizard.cluster.facts import Cluster
from pgssl_wizard.errors import Refused
from pgssl_wizard.files import conf, conf_edit
from pgssl_wizard.files.known_settings import OLD_NAMES, tls_settings
from pgssl_wizard.files.settings import Resolution, resolve
from pgssl_wizard.files.values import boolean
from pgssl_wizard.plan.planned_files import PlannedFiles


@dataclass(slots=True)
class SettingsEdit:
    """The new bytes of every settings file that changes, and what SQL has to do.

    Attributes:
        changed: settings that really change, with their new values.
        reset: settings that postgresql.auto.conf overrides, as it spells them, for ALTER SYSTEM RESET.
        new: files of `files` that do not exist yet, in a directory that an include_dir names.
    """

    files: dict[Path, bytes] = field(default_factory=dict)
    changed: dict[str, str] = field(default_factory=dict)
    reset: list[str] = field(default_factory=list)
    new: set[Path] = field(default_factory=set)


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
        if _same(cluster, name, current, value):
            continue
        if winner is not None and winner.file is None:
            raise Refused(
                f"{name} is given on the server's command line (as {winner.value}), which no file overrides.",
                where="command line",
                hint=f"Take {name} out of the start command, restart, and run this again.",
                code="command-line-override",
            )
        result.changed[name] = value
        overrides = [line.name.lower() for line in now.setters(name) if line.file == cluster.auto_conf]
        result.reset += [spelled for spelled in dict.fromkeys(overrides) if spelled not in result.reset]
    if result.reset:
        result.files[cluster.auto_conf] = _without(cluster, result.reset)
        now = resolution(cluster, result.files)
    for name, value in result.changed.items():
        winner = now.winner(name)
        if winner is not None and _same(cluster, name, winner.value, value):
            continue  # what ALTER SYSTEM had covered is already what is wanted
        target = place or (winner.file if winner and winner.file else cluster.config_file)
        data = _bytes(cluster, target, result, now)
        result.files[target] = conf_edit.set_value(data, _spelling(data, name), value)
        if place and not _wins(cluster, result.files, name, value):
            # Behind the includes that override it, if there are any.
            result.files[target] = conf_edit.append_at_end(data, name, value)
    _check(cluster, result, place)
    return result


def resolution(cluster: Cluster, edits: Mapping[Path, bytes]) -> Resolution:
    """Return what the server would read with these files in place of those on disk."""
    files = PlannedFiles(cluster, edits)
    return resolve(cluster.config_file, cluster.auto_conf, files.read, files.names, cluster.command_line, cluster.major)


def _wins(cluster: Cluster, edits: Mapping[Path, bytes], name: str, value: str) -> bool:
    winner = resolution(cluster, edits).winner(name)
    return winner is not None and _same(cluster, name, winner.value, value)


def _check(cluster: Cluster, result: SettingsEdit, place: Path | None) -> None:
    """Read everything again as the server will: each planned setting must win."""
    then = resolution(cluster, result.files)
    for name, value in result.changed.items():
        winner = then.winner(name)
        if winner is None or not _same(cluster, name, winner.value, value):
            where = f"{winner.file}:{winner.line}" if winner and winner.file else str(cluster.config_file)
            hint = "Leave files.settings empty, so that the setting goes where it takes effect." if place else None
            raise Refused(f"{name} would not take effect: this line overrides it.", where=where, hint=hint, code="setting-overridden")


def _bytes(cluster: Cluster, path: Path, result: SettingsEdit, now: Resolution) -> bytes:
    """Return a file as it stands so far; a new one in a directory that is included begins empty."""
    if path in result.files:
        return result.files[path]
    fact = cluster.files.get(path)
    if fact is not None and fact.data is not None and path in now.files_read:
        return fact.data
    included = path.parent in now.directories_read and not path.name.startswith(".") and path.name.endswith(".conf")
    if included and path.name not in cluster.directories.get(path.parent, ()):
        result.new.add(path)
        return b""
    raise Refused(
        "This file is not among those that the server reads, so settings in it would have no effect.",
        where=str(path),
        hint="Name postgresql.conf, a file that it includes, or a new .conf file of an include_dir; or leave files.settings empty.",
        code="settings-file-unused",
    )


def _without(cluster: Cluster, names: list[str]) -> bytes:
    """Return postgresql.auto.conf as ALTER SYSTEM RESET leaves it, as far as the lines go."""
    data = cluster.files[cluster.auto_conf].data or b""
    for entry in reversed(conf.ConfFile.parse(data).entries):
        if entry.name.lower() in names:
            data = conf_edit.remove_line(data, entry.line)
    return data


def _spelling(data: bytes, name: str) -> str:
    """Return the name as this file spells it, when it uses an old one."""
    file = conf.ConfFile.parse(data)
    if file.last(name):
        return name
    for old, (new, _) in OLD_NAMES.items():
        if new == name and file.last(old):
            return old
    return name


def _same(cluster: Cluster, name: str, current: str, wanted: str) -> bool:
    """Whether two values mean the same: paths by where they lead, booleans and versions by any spelling."""
    if name in {"ssl_cert_file", "ssl_key_file", "ssl_ca_file", "ssl_crl_file", "ssl_crl_dir", "ssl_dh_params_file"}:
        return bool(current) and cluster.data_directory / current == cluster.data_directory / wanted
    if wanted in {"on", "off"}:
        return boolean(current) == (wanted == "on")
    if name.endswith("protocol_version"):
        return current.lower() == wanted.lower()
    return current == wanted
