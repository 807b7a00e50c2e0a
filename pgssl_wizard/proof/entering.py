"""Opening every way in anew: the administrator's login, and each attempt over TCP that `ways` has planned."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pgssl_wizard.cluster.facts import Cluster, Known
from pgssl_wizard.proof.model import Outcome, Transport, Way
from pgssl_wizard.proof.names import reachable_address, source_address
from pgssl_wizard.proof.shown import Shown
from pgssl_wizard.proof.view import Planned
from pgssl_wizard.proof.ways import plan_ways
from pgssl_wizard.server import admin, attempt
from pgssl_wizard.server.listening import listening_at

#: As in `verify`: attempts wait more than they work, and a server has few connections to spare.
_AT_ONCE = 4
#: Seconds until an attempt counts as refused.
_PATIENCE = 10.0
#: Of this machine's own addresses, how many more than the usual one are come from.
_OWN_ADDRESSES = 6


#: What the running server itself says; also for roles that may not see everything.
_IN_FORCE = "SELECT current_setting('ssl') AS ssl, current_setting('ssl_cert_file') AS certificate"


@dataclasses.dataclass(frozen=True, slots=True)
class Entered:
    """What came of it.

    Attributes:
        ways: those that were opened, or could not be tried.
        left_out: how many more are known and were not tried.
        certificate: the file that the running server's own settings name; None while it is without TLS, or could not be asked.
    """

    ways: tuple[Way, ...] = ()
    left_out: int = 0
    certificate: Path | None = None


def enter(
    cluster: Cluster, *, known: Sequence[Known] = (), shown: Sequence[Shown] = (), before: Cluster | None = None, administrator: bool = True
) -> Entered:
    """Open every way in anew and say what happened; no password is given, and being asked for one counts as let in.

    Args:
        cluster: as it runs now; its settings and rules say what ought to happen.
        known: who is known to come in, the most important first.
        shown: client certificates at hand, of which each role shows its own.
        before: the cluster before the change, so that what changed is tried above all; None: there was none.
        administrator: the administrator's own way in is tried too.
    """
    server = cluster.postmaster
    if server is None:
        return Entered()
    way, certificate = _as_administrator(cluster) if administrator else (None, None)
    first = (way,) if way else ()
    address = reachable_address(server)
    if address is None:
        return Entered(first, certificate=certificate)
    # Where the server listens at more than one of this machine's addresses, each of them is a place to come from.
    usual = source_address(address, server.port)
    own = (*(each.partition("/")[0] for each in cluster.own_ranges), "127.0.0.1", "::1")
    more = [each for each in listening_at(server.pid, server.port, tuple(dict.fromkeys(own))) if each not in {usual, address}]
    reached = {usual: address, **{each: each for each in more[:_OWN_ADDRESSES] if source_address(each, server.port) == each}}
    planning = plan_ways(cluster, tuple(reached), known=known, shown=shown, before=before)
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="way-in") as pool:
        tried = tuple(pool.map(lambda each: _try(each, reached.get(each.way.address or "", address), server.port), planning.ways))
    return Entered((*first, *tried), planning.left_out, certificate)


def _as_administrator(cluster: Cluster) -> tuple[Way, Path | None]:
    """Log in as the inspection did, and ask which certificate is in force; where nobody could log in then, nothing is promised."""
    server, postmaster = cluster.server, cluster.postmaster
    assert postmaster is not None
    mine = next((each for each in server.local if each.administrator), None) if server else None
    transport: Transport = "socket" if postmaster.socket_directory is not None else "tls" if mine is not None and mine.tls else "tcp"
    way = Way(server.user if server else "", "administrator", transport, mine.database if mine is not None else "")
    if server is None:
        return dataclasses.replace(way, message=f"nobody could log in: {cluster.server_problem or 'nobody tried'}"), None
    try:
        with admin.connect(postmaster, server.user, way.database or None, cluster.uid) as session:
            said = session.query(_IN_FORCE)[0]
    except admin.AdminUnavailable as refusal:
        return dataclasses.replace(way, outcome="reject", message=refusal.reason), None
    except admin.QueryFailed as refusal:
        return dataclasses.replace(way, outcome="accept", message=refusal.message), None
    in_force = cluster.data_directory / said["certificate"] if said["ssl"] == "on" else None
    return dataclasses.replace(way, outcome="accept"), in_force


def _try(planned: Planned, address: str, port: int) -> Way:
    """Try one way in over TCP."""
    way, shown = planned.way, planned.shown
    if not planned.possible:
        return way
    tried = attempt.try_connection(
        address,
        port,
        way.who,
        "" if way.replication else way.database,
        sslmode="require" if way.transport == "tls" else "disable",
        hostaddr=address,
        certificate=shown.certificate if shown else None,
        key=shown.key if shown else None,
        timeout=_PATIENCE,
        options={"replication": "true"} if way.replication else None,
    )
    outcome: Outcome
    if tried.outcome == "accept":
        return dataclasses.replace(way, outcome="accept", asked=tried.asked_for_password)
    if tried.stopped_by == "before":
        # It starts, it stops, or it is full: that says nothing of the rules.
        outcome = "not-tried"
    elif tried.stopped_by == "inside" or (tried.stopped_by == "method" and planned.unseen and way.expected == "accept"):
        outcome = "accept"
    elif tried.stopped_by is None and planned.unseen and way.expected == "accept":
        # A method like oauth, at which the client library itself gives up: nobody knows how it would have gone on.
        outcome = "not-tried"
    else:
        outcome = "reject"
    return dataclasses.replace(way, outcome=outcome, message=tried.message)
