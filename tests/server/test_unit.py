"""Telling by its control group what started a process."""

from __future__ import annotations

import os

import pytest

from pgssl_wizard.server.unit import Unit, in_container, parse, unit_of


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0::/system.slice/postgresql@15-main.service\n", Unit("postgresql@15-main.service")),
        ("0::/system.slice/system-postgresql.slice/postgresql@17-main.service\n", Unit("postgresql@17-main.service")),
        ("12:pids:/x\n1:name=systemd:/system.slice/postgresql-16.service\n0::/\n", Unit("postgresql-16.service")),
        ("0::/system.slice/patroni.service/workers\n", Unit("patroni.service")),
        ("0::/user.slice/user-1000.slice/user@1000.service/app.slice/pg-dev.service\n", Unit("pg-dev.service", of_user=True)),
        ("0::/user.slice/user-1000.slice/session-3.scope\n", None),
        ("0::/user.slice/user-1000.slice/user@1000.service/app.slice/vte-spawn-1.scope\n", None),
        ("0::/system.slice/cron.service\n", None),
        ("0::/system.slice/my-agent.service\n", None),
        ("4:memory:/system.slice/postgresql.service\n", None),
        ("0::/\n", None),
        ("", None),
        ("nonsense", None),
    ],
)
def test_the_unit_of_a_server_is_read_from_its_control_group(text: str, expected: Unit | None) -> None:
    """Of both versions; a unit that runs anything (a login, cron) is not the server's."""
    assert parse(text) == expected


def test_a_process_that_is_gone_has_no_unit_and_no_container() -> None:
    """And ours is no container's business: it has a parent of its own."""
    assert unit_of(2**22 + 1) is None
    assert in_container(1)
    assert not in_container(2**22 + 1)
    assert unit_of(os.getpid()) is None or isinstance(unit_of(os.getpid()), Unit)
