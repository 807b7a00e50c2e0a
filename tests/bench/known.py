"""How long it takes to say of very many known clients what a change means to them, and to read them out of a log."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from pgssl_wizard.cluster.facts import Known
from pgssl_wizard.plan import rules
from pgssl_wizard.server.connection_log import AT_MOST, read
from pgssl_wizard.server.log_files import Where
from tests.plan.building import HBA, answers, cluster

CLIENTS, RULES = 10_000, 200
LOG_LINES = 150_000


def a_crowd() -> Callable[[], int]:
    """Return what judges so many clients under so many rules, today's and planned, and counts those who are locked out."""
    kinds = ("host all", "hostssl shop", "hostnossl stock", "host shop,stock")
    lines = [f"{kinds[number % 4]} user{number},+group{number % 7} 10.{number}.0.0/16 scram-sha-256" for number in range(RULES)]
    logged = tuple(
        Known("log", f"user{number % RULES}", "shop", f"10.{number % RULES}.{number // 250}.{number % 250}", tls=number % 3 == 0)
        for number in range(CLIENTS)
    )
    found = cluster({HBA: "local all all peer\n" + "\n".join(lines) + "\n"}, logged=logged)
    wanted = answers(found, clients__encryption="required")

    def judge() -> int:
        edit = rules.edit(found, wanted)
        assert len(edit.known) == CLIENTS
        return len(edit.locked_out)

    return judge


def seconds_of_a_log() -> float:
    """Return how long a log full of connections takes, as much as is read of one."""
    with tempfile.TemporaryDirectory() as directory:
        log = Path(directory) / "server.log"
        with log.open("w") as file:
            for number in range(LOG_LINES // 2):
                start = f"2026-11-26 02:59:14.968 UTC [{number}]"
                file.write(f"{start} LOG:  connection received: host=10.{number % 200}.0.{number % 250} port=37222\n")
                file.write(f"{start} LOG:  connection authorized: user=app database=app application_name=job{number % 50}\n")
        assert log.stat().st_size < AT_MOST
        begun = time.perf_counter()
        told = read(Where(Path(directory), connections="on", standard_error=log), datetime(2026, 11, 26, 4, tzinfo=UTC))
        assert told.seen
        return time.perf_counter() - begun
