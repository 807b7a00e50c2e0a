"""What is worth saying of the running server: who is connected, whose edits wait, how it can be reached."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pgssl_wizard.cluster.facts import Cluster, Postmaster, ServerSays
from pgssl_wizard.cluster.names import listen_entries
from pgssl_wizard.files.values import boolean
from pgssl_wizard.findings import Finding

_LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})

#: What to do about a server that lives in a container.
HINT_OUTSIDE = "Run this program inside: docker exec -u postgres CONTAINER pgssl-wizard …; or stop the container and run it here."

#: How many of several things are told in one sentence; the rest is counted.
_TOLD = 3


def of_server(cluster: Cluster, left_pid: int | None) -> Iterator[Finding]:
    """Yield them."""
    if not cluster.running:
        if left_pid is None:
            yield Finding(
                "info", "server-down", "The server is down: a change counts from its next start, and is tried out only in a rehearsal."
            )
        else:
            yield Finding(
                "warning",
                "pid-file-left",
                f"postmaster.pid names the process {left_pid}, which is no server of this directory here: "
                "the server crashed, or runs in a container or on another machine.",
                f"If it runs elsewhere, run this program there: here it counts as down. Else {cluster.to('start')}.",
                str(cluster.data_directory / "postmaster.pid"),
            )
    elif cluster.postmaster is not None and cluster.postmaster.apart:
        yield in_container(cluster.data_directory, cluster.postmaster)
    else:
        if cluster.value("ssl") == "on" and cluster.tls_answers is False and _waits_for_restart(cluster):
            yield Finding(
                "warning",
                "tls-waits-for-restart",
                "ssl is on, but the server has no TLS yet: its key asks for a passphrase that no reload can give.",
                f"With the passphrase at hand, {cluster.to('restart')}; a reload before puts rules in force that ask for TLS.",
            )
        elif cluster.value("ssl") == "on" and cluster.tls_answers is False:
            yield Finding(
                "warning",
                "tls-not-loaded",
                "ssl is on, but the server answers that it has no TLS: it could not load its certificate or key.",
                "The server's log says why; the next restart would fail.",
            )
        if cluster.server is None:
            yield Finding(
                "warning",
                "no-administrator",
                f"Nobody could log in to ask the server: {(cluster.server_problem or 'no reason given').rstrip('.')}.",
                "Give the superuser's login with --user, and a password by PGPASSFILE; sessions and pending edits stay unknown without.",
            )
        else:
            yield from _said(cluster, cluster.server)
    yield from _reach(cluster)


def in_container(data_directory: Path, server: Postmaster) -> Finding:
    """Return that a server lives in a container, where nothing can be shown from outside, and where to go."""
    net = "a network of its own" if "net" in server.apart else "process numbers of its own"
    return Finding(
        "error",
        "in-a-container",
        f"The server of this directory runs in a container (process {server.pid} here), with {net}: from here nobody can ask it, and a "
        "connection might meet another server.",
        HINT_OUTSIDE,
        str(data_directory / "postmaster.pid"),
    )


def _waits_for_restart(cluster: Cluster) -> bool:
    by_reload = cluster.value("ssl_passphrase_command") and boolean(cluster.value("ssl_passphrase_command_supports_reload"))
    return cluster.key_encrypted and not by_reload


def _said(cluster: Cluster, said: ServerSays) -> Iterator[Finding]:
    if said.in_recovery:
        yield Finding(
            "warning",
            "standby",
            "This is a standby. Each node has files of its own and needs its own run, with all names in every certificate.",
        )
    elif said.standbys:
        some = "1 standby streams" if said.standbys == 1 else f"{said.standbys} standbys stream"
        yield Finding("info", "has-standbys", f"{some} from here. Each node needs its own run, with all names in every certificate.")
    if not said.superuser:
        yield Finding(
            "warning",
            "not-superuser",
            f"{said.user} is no superuser: pending edits and other people's sessions cannot be seen.",
            "Log in as a superuser with --user.",
        )
    yield from _edits(cluster, said)
    plain = [session for session in said.sessions if not session.tls and not session.gss]
    if plain:
        roles = sorted({session.user for session in plain})
        some = "1 session is" if len(plain) == 1 else f"{len(plain)} sessions are"
        yield Finding(
            "warning",
            "plaintext-sessions",
            f"{some} connected in plaintext now: {_some(roles, ', ')}.",
            "See to it that they can do TLS before plaintext is refused.",
            topic="rules",
        )
    if not said.allow_alter_system:
        yield Finding("info", "alter-system-off", "allow_alter_system is off: somebody manages these settings from outside.")


def _edits(cluster: Cluster, said: ServerSays) -> Iterator[Finding]:
    if said.pending:
        some = "1 edit waits" if len(said.pending) == 1 else f"{len(said.pending)} edits wait"
        yield Finding(
            "warning",
            "pending-edits",
            f"{some} for a reload, and ours would activate what somebody else changed: {_some(said.pending, '; ')}.",
            "Make sure they are meant, or take them back first.",
            topic="apply",
        )
    if said.rules_edited_since_load:
        files = said.edited or (cluster.hba_file,)
        yield Finding(
            "warning",
            "pending-rules",
            f"{_some([path.name for path in files], ', ')} changed after the server last read it; our reload activates that too.",
            "Read what changed before you go on.",
            str(files[0]),
            "rules",
        )
    if said.restart_pending:
        yield Finding(
            "info",
            "restart-pending",
            f"Only a restart puts this in force: {_some(said.restart_pending, '; ')}.",
            f"Nothing here needs that restart; for it, {cluster.to('restart')}.",
            topic="apply",
        )


def _reach(cluster: Cluster) -> Iterator[Finding]:
    setting = cluster.settings.get("listen_addresses")
    if setting is None:
        return
    now = setting.value if setting.in_force is None else setting.in_force
    entries = set(listen_entries(now))
    where = f"{setting.file}:{setting.line}" if setting.file else None
    if not entries:
        yield Finding(
            "warning",
            "no-tcp",
            "listen_addresses is empty: the server has no TCP port, and TLS exists only over TCP.",
            f"Set listen_addresses, then {cluster.to('restart')}.",
            where,
            "names",
        )
    elif entries <= _LOCAL:
        waits = setting.value != now and not set(listen_entries(setting.value)) <= _LOCAL
        yield Finding(
            "info",
            "local-only",
            f"listen_addresses is {now}: nobody on another machine can reach this server, with or without TLS.",
            f"It is {setting.value} in the files already: {cluster.to('restart')}."
            if waits
            else f"To serve others, set listen_addresses = '*', then {cluster.to('restart')}.",
            where,
            "names",
        )


def _some(things: list[str] | tuple[str, ...], separator: str) -> str:
    """Return the first few, and how many more there are."""
    more = len(things) - _TOLD
    if more <= 1:
        # Its name takes no more room than the words that would stand for it.
        return separator.join(things)
    return f"{separator.join(things[:_TOLD])}, and {more} more"
