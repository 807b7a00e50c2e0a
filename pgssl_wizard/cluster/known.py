"""Who is known out of the server's log: where that is by the settings, and what it told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pgssl_wizard.cluster.facts import Known, Layout, LogSilence
from pgssl_wizard.files.values import boolean
from pgssl_wizard.server import connection_log
from pgssl_wizard.server.connection_log import SeenConnection
from pgssl_wizard.server.log_files import Where

#: Where Debian's pg_ctlcluster sends the standard error of each cluster.
DEBIAN_LOGS = Path("/var/log/postgresql")


@dataclass(frozen=True, slots=True)
class Logged:
    """Who came in by the log, and why it tells no more than that."""

    known: tuple[Known, ...] = ()
    silence: LogSilence | None = None
    unplaced: int = 0


def logged(where: Where) -> Logged:
    """Return who came in, as far back as the log is read; this program's own connections are left out."""
    told = connection_log.read(where, datetime.now(UTC))
    return Logged(tuple(_known(told.seen)), told.silence, told.unplaced)


def where(data_directory: Path, value: Callable[[str], str | None], standard_error: Path | None) -> Where:
    """Return where the log is.

    Args:
        data_directory: of the cluster.
        value: the value of a setting in force, or in the files; None for its default.
        standard_error: the file that the server's standard error is.
    """
    usual = Where(data_directory)
    said = {name: value(name) for name in ("log_destination", "log_directory", "log_filename", "log_line_prefix", "log_connections")}
    destinations = said["log_destination"]
    return Where(
        data_directory,
        frozenset(word.strip().lower() for word in destinations.split(",")) if destinations else usual.destinations,
        bool(boolean(value("logging_collector") or "off")),
        said["log_directory"] or usual.directory,
        said["log_filename"] or usual.filename,
        usual.prefix if said["log_line_prefix"] is None else said["log_line_prefix"],
        said["log_connections"] or usual.connections,
        value("log_timezone") or usual.zone,
        standard_error,
    )


def standard_error(layout: Layout, major: int, config_directory: Path, current: Path | None) -> Path | None:
    """Return the file that gets the plain log of a server without a collector: where it goes now, else where Debian lets it go."""
    if current is not None or layout != "debian":
        return current
    usual = DEBIAN_LOGS / f"postgresql-{major}-{config_directory.name}.log"
    return usual if usual.is_file() else None


def _known(seen: tuple[SeenConnection, ...]) -> Iterator[Known]:
    for each in seen:
        if each.application.startswith("pgssl-wizard"):
            continue
        yield Known(
            "log",
            each.user,
            each.database,
            each.address,
            each.host_name,
            each.tls,
            each.gss,
            each.replication,
            walsender=each.replication or each.walsender,
            application=each.application,
            certificate=each.certificate,
            count=each.count,
            last=each.last,
        )
