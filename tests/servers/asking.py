"""SQL by the superuser over the Unix socket, where only the server's own OS user is let in."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence

from pgssl_wizard.server.identity import Identity

_CHILD = """
import json, os, sys
import psycopg
uid, gid, groups = json.loads(sys.stdin.readline())
if os.geteuid() != uid:
    os.setgroups(groups); os.setgid(gid); os.setuid(uid)
os.environ.update(PGSSLMODE="disable", PGPASSFILE="/nonexistent", HOME="/nonexistent")
for line in sys.stdin:
    where, statement, parameters = json.loads(line)
    try:
        with psycopg.connect(**where, autocommit=True) as connection:
            cursor = connection.execute(statement, parameters or None)
            rows = cursor.fetchall() if cursor.description else []
        answer = {"rows": rows}
    except psycopg.Error as error:
        answer = {"error": str(error)}
    print(json.dumps(answer, default=str), flush=True)
"""


class Asker:
    """One child process that has become the server's user and connects anew for every statement."""

    def __init__(self, identity: Identity) -> None:
        self._identity = identity
        self._process: subprocess.Popen[str] | None = None

    def ask(self, where: dict[str, str], statement: str, parameters: Sequence[object]) -> list[tuple[object, ...]]:
        """Run one statement; return the rows. Values that JSON lacks come as text.

        Raises:
            RuntimeError: the server's or the client library's words.
        """
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd="/"
            )
            self._send([self._identity.uid, self._identity.gid, list(self._identity.groups)])
        self._send([where, statement, list(parameters)])
        assert self._process.stdout is not None
        answer = json.loads(self._process.stdout.readline())
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return [tuple(row) for row in answer["rows"]]

    def close(self) -> None:
        """End the child process."""
        if self._process is not None:
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            self._process.stdin.close()
            self._process.stdout.close()
            self._process.wait()
            self._process = None

    def _send(self, message: object) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(message) + "\n")
        self._process.stdin.flush()
