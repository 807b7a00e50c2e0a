"""The settings for Python's drivers, run as they stand."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Mapping
from pathlib import Path

import psycopg
import pytest

from tests.drivers.snippets import DATABASE, ROLES, Guarded, code, run


def needs(package: str) -> pytest.MarkDecorator:
    """Skip where a package is not installed."""
    return pytest.mark.skipif(importlib.util.find_spec(package) is None, reason=f"{package} is not installed; `make drivers` does it")


#: Around each snippet; says who is logged in, and to what.
PROGRAMS: Mapping[str, str] = {
    "psycopg": """
import psycopg
with {code} as connection:
    print(*connection.execute("select current_user, current_database()").fetchone(), sep="|")
""",
    "asyncpg": """
import asyncio, asyncpg
async def main():
    connection = {code}
    print(*await connection.fetchrow("select current_user, current_database()"), sep="|")
    await connection.close()
asyncio.run(main())
""",
    "SQLAlchemy": """
from sqlalchemy import create_engine, text
with {code}.connect() as connection:
    print(*connection.execute(text("select current_user, current_database()")).one(), sep="|")
""",
    "Django": """
{code}
from django.conf import settings
settings.configure(DATABASES=DATABASES)
import django
django.setup()
from django.db import connection
with connection.cursor() as cursor:
    cursor.execute("select current_user, current_database()")
    print(*cursor.fetchone(), sep="|")
""",
}
DRIVERS = [
    pytest.param("psycopg"),
    pytest.param("asyncpg", marks=needs("asyncpg")),
    pytest.param("SQLAlchemy", marks=needs("sqlalchemy")),
    pytest.param("Django", marks=needs("django")),
]


@pytest.mark.parametrize("driver", DRIVERS)
def test_each_role_gets_in_by_the_lines_of_its_kit(driver: str, guarded: Guarded) -> None:
    for role, kit in guarded.kits.items():
        done = run([sys.executable, "-c", PROGRAMS[driver].replace("{code}", code(kit, driver))], kit)
        assert done.stdout == f"{role}|{DATABASE}\n", done.stderr


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_server_of_another_ca_is_refused(driver: str, guarded: Guarded, tmp_path: Path) -> None:
    kit = guarded.misled(tmp_path)
    done = run([sys.executable, "-c", PROGRAMS[driver].replace("{code}", code(kit, driver))], kit)
    assert done.returncode != 0
    assert "certificate verify failed" in done.stderr.lower(), done.stderr


def test_without_a_certificate_nobody_gets_in_so_the_others_show_something(guarded: Guarded) -> None:
    assert set(guarded.kits) == set(ROLES)
    with pytest.raises(psycopg.OperationalError, match="certificate"):
        psycopg.connect(host="localhost", port=guarded.cluster.port, user="app", dbname="postgres", sslmode="require", sslcert="none")
