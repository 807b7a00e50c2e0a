"""The administrator's connection itself, in our process or in the child that became the server's user. Imports only psycopg."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
from psycopg.rows import dict_row

Connection = psycopg.Connection[dict[str, Any]]


class Unavailable(Exception):
    """Nobody was let in; the text is what the server or the client library said."""


def connect(ways: Sequence[Mapping[str, str]]) -> tuple[Connection, str]:
    """Connect by the first way that works; return the connection and the role that it is.

    Args:
        ways: connection parameters of libpq, in the order to try.

    Raises:
        Unavailable: none worked; the first refusal in words.
    """
    first: str | None = None
    for way in ways:
        try:
            connection = psycopg.connect(autocommit=True, row_factory=dict_row, **dict(way))  # type: ignore[arg-type]
        except psycopg.Error as error:
            first = first or str(error).strip()
            continue
        # Only a superuser may choose the language of messages; without it they come as the server speaks.
        run(connection, "set lc_messages = 'C'", ())
        return connection, connection.info.user
    raise Unavailable(first or "there is no way to connect")


def run(connection: Connection, sql: str, parameters: Sequence[object]) -> dict[str, Any]:
    """Run one statement; return `{"rows": […]}`, or `{"error": words, "sqlstate": code, "lost": bool}`."""
    try:
        cursor = connection.execute(sql.encode(), list(parameters) or None)
        rows = cursor.fetchall() if cursor.description else []
    except psycopg.Error as error:
        words = error.diag.message_primary or str(error).strip()
        return {"error": words, "sqlstate": error.sqlstate, "lost": connection.closed or connection.broken}
    return {"rows": [{name: plain(value) for name, value in row.items()} for row in rows]}


def plain(value: object) -> object:
    """Return a value as JSON can carry it: text for everything but numbers, booleans, lists and objects."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value).hex()
    return str(value)
