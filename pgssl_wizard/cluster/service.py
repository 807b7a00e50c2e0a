"""How a cluster is started, and the commands for it: its systemd unit, Debian's pg_ctlcluster, its container, its manager, or pg_ctl."""

from __future__ import annotations

import re
import shlex

from pgssl_wizard.cluster.facts import Cluster, Service
from pgssl_wizard.cluster.layout import DEBIAN_CONFIGURATION
from pgssl_wizard.server import command_line, unit

#: Where PGDG's and Red Hat's packages have the data directories of their units (`postgresql-16`, `postgresql`).
_OF_RED_HAT = re.compile(r"/var/lib/pgsql/(?:(\d+)/)?data")


def service_of(cluster: Cluster) -> Service:
    """Return how this cluster is started; a running server tells it by its process, one that is down by where its files lie."""
    if cluster.managed_by:
        return _managed(cluster)
    server = cluster.postmaster
    if server is not None and server.apart:
        return _container()
    found = unit.unit_of(server.pid) if server is not None else None
    if found is not None:
        return _systemd(found.name.removesuffix(".service"), of_user=found.of_user)
    if cluster.layout == "debian":
        return _debian(cluster)
    if cluster.layout == "docker" or (server is not None and unit.in_container(server.pid)):
        return _container()
    packaged = _OF_RED_HAT.fullmatch(str(cluster.data_directory))
    if server is None and packaged:
        return _systemd("-".join(part for part in ("postgresql", packaged[1]) if part), of_user=False)
    return _by_hand(cluster)


def _systemd(name: str, *, of_user: bool) -> Service:
    control = f"systemctl{' --user' if of_user else ''}"
    quoted = shlex.quote(name)
    start, restart, reload = (f"{control} {what} {quoted}" for what in ("start", "restart", "reload"))
    return Service("systemd", start, restart, reload, f"the unit (“{control} edit {quoted}”)")


def _debian(cluster: Cluster) -> Service:
    directory = cluster.config_file.parent
    root = directory.parent.parent
    # Where it looks for clusters, and how one of another root is named to it: pg_ctlcluster(1).
    elsewhere = "" if root == DEBIAN_CONFIGURATION else f"PG_CLUSTER_CONF_ROOT={shlex.quote(str(root))} "
    name = f"{cluster.major} {shlex.quote(directory.name)}"
    start, restart, reload = (f"{elsewhere}pg_ctlcluster {name} {what}" for what in ("start", "restart", "reload"))
    return Service("debian", start, restart, reload, f"{directory / 'pg_ctl.conf'} (pg_ctl_options)")


def _container() -> Service:
    return Service(
        "container",
        "docker start CONTAINER",
        "docker restart CONTAINER",
        "docker kill -s HUP CONTAINER",
        "the compose file (command:) or the arguments of docker run",
    )


def _managed(cluster: Cluster) -> Service:
    name = shlex.quote(cluster.command_line.get("cluster_name", "")) if cluster.command_line.get("cluster_name") else "CLUSTER"
    where = f"{cluster.managed_by}'s own configuration"
    if cluster.managed_by == "Patroni":
        return Service("manager", None, f"patronictl restart {name}", f"patronictl reload {name}", where)
    if cluster.managed_by == "CloudNativePG":
        return Service("manager", None, f"kubectl cnpg restart {name}", f"kubectl cnpg reload {name}", where)
    return Service("manager", None, None, None, where)


def _by_hand(cluster: Cluster) -> Service:
    program = str(cluster.bin_directory / "pg_ctl") if cluster.bin_directory else "pg_ctl"
    # A restart takes over the arguments of the last start, a start does not.
    directory = command_line.directory_argument(cluster.data_directory, cluster.postmaster)
    named = directory if directory is not None and directory.is_absolute() and (directory / "postgresql.conf").exists() else None
    where = shlex.quote(str(named or cluster.data_directory))
    begun = [f"-c {name}={shlex.quote(value)}" for name, value in cluster.command_line.items()]
    options = f" -o {shlex.quote(' '.join(begun))}" if begun else ""
    base = shlex.quote(program)
    return Service("pg_ctl", f"{base} start -D {where}{options}", f"{base} restart -D {where}", f"{base} reload -D {where}")
