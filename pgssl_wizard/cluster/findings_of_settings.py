"""What is worth saying of the settings: which line wins over which, and what `lint` says of their values."""

from __future__ import annotations

from collections.abc import Iterator

from pgssl_wizard.cluster.facts import Cluster, Setting
from pgssl_wizard.files.settings import Resolution, SettingsVerdict
from pgssl_wizard.findings import Finding
from pgssl_wizard.lint.remarks import together
from pgssl_wizard.lint.settings import of_values


def of_settings(cluster: Cluster, resolution: Resolution, verdict: SettingsVerdict) -> Iterator[Finding]:
    """Yield them; what the server refuses is told elsewhere."""
    for name, setting in cluster.settings.items():
        if name.startswith("ssl"):
            yield from _origin(cluster, setting, resolution)
    ssl = cluster.settings.get("ssl")
    if ssl is not None and cluster.running and ssl.in_force is not None and ssl.in_force != ssl.value:
        yield Finding(
            "warning",
            "ssl-not-in-force",
            f"ssl is {ssl.value} in the files and {ssl.in_force} in the running server.",
            f"A reload has not happened, or failed: {cluster.to('reload')}, and read the server's log.",
            f"{ssl.file}:{ssl.line}" if ssl.file else None,
        )
    yield from together(of_values(verdict.rows, cluster.major, with_data=cluster.config_file.parent == cluster.data_directory))
    if cluster.data_mode & 0o040:
        yield Finding(
            "info",
            "data-directory-group-access",
            f"The data directory ({cluster.data_mode:04o}) is open to its group, for backups. A key must be 0600, so such a backup fails on one in it.",
            "Keep certificate and key outside the data directory.",
            str(cluster.data_directory),
            "files",
        )


def _origin(cluster: Cluster, setting: Setting, resolution: Resolution) -> Iterator[Finding]:
    if setting.source == "command-line":
        yield Finding(
            "warning",
            "command-line-override",
            f"{setting.name} is given on the server's command line (as {setting.value}), which no file overrides.",
            f"Change it in {cluster.service.arguments if cluster.service else 'the start command'}, then {cluster.to('restart')}.",
            "command line",
        )
    elif setting.source == "auto.conf":
        yield Finding(
            "warning",
            "auto-conf-override",
            f"ALTER SYSTEM set {setting.name}, which overrides postgresql.conf.",
            "It is reset where it stands in the way.",
            f"{setting.file}:{setting.line}",
        )
    elif setting.overridden and len({line.file for line in resolution.setters(setting.name)}) > 1:
        through = f" (included by {setting.included_by[-1]})" if setting.included_by else ""
        yield Finding(
            "info",
            "setting-overridden",
            f"{setting.name} is set in {setting.overridden[-1]} too; this later line{through} counts.",
            None,
            f"{setting.file}:{setting.line}",
        )
