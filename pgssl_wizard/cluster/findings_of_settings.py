"""What is worth saying of the settings: which line wins over which, and what this version does not know."""

from __future__ import annotations

from collections.abc import Iterator

from pgssl_wizard.cluster.facts import Cluster, Setting
from pgssl_wizard.cluster.settings import place
from pgssl_wizard.files.settings import Resolution
from pgssl_wizard.files.versions import RENAMED, tls_settings
from pgssl_wizard.findings import Finding

#: Names beginning with ssl that the server takes, though no setting of ours: a relic that accepts only 0.
_RELICS = frozenset({"ssl_renegotiation_limit"})


def of_settings(cluster: Cluster, resolution: Resolution) -> Iterator[Finding]:
    """Yield them."""
    yield from _unknown(cluster, resolution)
    for name, setting in cluster.settings.items():
        if name.startswith("ssl"):
            yield from _origin(setting, resolution)
    ssl = cluster.settings.get("ssl")
    if ssl is not None and cluster.running and ssl.in_force is not None and ssl.in_force != ssl.value:
        yield Finding(
            "warning",
            "ssl-not-in-force",
            f"ssl is {ssl.value} in the files and {ssl.in_force} in the running server.",
            "A reload has not happened, or failed.",
            f"{ssl.file}:{ssl.line}" if ssl.file else None,
        )
    hashing = cluster.settings.get("password_encryption")
    if hashing is not None and hashing.value.lower() not in {"scram-sha-256", "scram"} and cluster.major > 13:
        yield Finding(
            "info",
            "md5-passwords",
            f"password_encryption is {hashing.value}: new passwords are stored as md5 hashes, which whoever reads them can use to log in.",
            "Set password_encryption = scram-sha-256, and set the passwords anew.",
            f"{hashing.file}:{hashing.line}" if hashing.file else None,
            "rules",
        )
    if cluster.data_mode & 0o040:
        yield Finding(
            "info",
            "data-directory-group-access",
            f"The data directory ({cluster.data_mode:04o}) is open to its group, for backups. A key must be 0600, so such a backup fails on one in it.",
            "Keep certificate and key outside the data directory.",
            str(cluster.data_directory),
            "files",
        )


def _unknown(cluster: Cluster, resolution: Resolution) -> Iterator[Finding]:
    known = {setting.name for setting in tls_settings(cluster.major)}
    for line in resolution.lines:
        name = line.name.lower()
        if not name.startswith("ssl") or "." in name or name in known or name in RENAMED or name in _RELICS:
            continue
        yield Finding(
            "error",
            "setting-unknown",
            f"PostgreSQL {cluster.major} does not take {line.name}, and refuses the whole file for it.",
            "Take the line out.",
            place(line),
        )


def _origin(setting: Setting, resolution: Resolution) -> Iterator[Finding]:
    if setting.source == "command-line":
        yield Finding(
            "warning",
            "command-line-override",
            f"{setting.name} is given on the server's command line (as {setting.value}), which no file overrides.",
            "Change the start command, and restart.",
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
