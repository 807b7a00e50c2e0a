"""The administrator's SQL: the superuser over the Unix socket, as people do it by hand with `sudo -u postgres psql`."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from pgssl_wizard.errors import WizardError
from pgssl_wizard.server import as_user
from pgssl_wizard.server.identity import Identity
from pgssl_wizard.server.postmaster import Postmaster

#: Seconds to get in, and for one statement.
_CONNECT_SECONDS = 5
_STATEMENT_SECONDS = 30

_ROLES = "select rolname::text as name from pg_catalog.pg_roles"
_DATABASES = "select datname::text as name from pg_catalog.pg_database"

#: Variables of libpq that would lead the connection elsewhere than to the server in question, with what is given instead.
_HERE = {"hostaddr": "", "target_session_attrs": "any", "load_balance_hosts": "disable", "gssencmode": "disable"}


class AdminUnavailable(WizardError):
    """Nobody could log in, or the connection was lost; `reason` says why, in the server's words where there are any."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"the server could not be asked: {reason}",
            hint="name a role that may log in with --user, its database with --database, and its password in PGPASSFILE",
            code="admin-unavailable",
        )
        self.reason = reason


class QueryFailed(WizardError):
    """The server refused one statement; `sqlstate` is its code."""

    def __init__(self, words: str, sqlstate: str | None) -> None:
        super().__init__(words, code="query-failed")
        self.sqlstate = sqlstate


class _Channel(Protocol):
    def run(self, sql: str, parameters: Sequence[object]) -> dict[str, Any]: ...

    def close(self) -> None: ...


class AdminSession:
    """An open connection; statements run outside transactions.

    Attributes:
        user: the role that it is.
    """

    def __init__(self, user: str, channel: _Channel) -> None:
        self.user = user
        self._channel = channel

    def query(self, sql: str, parameters: Sequence[object] = ()) -> list[dict[str, Any]]:
        """Run one statement; return its rows. Values other than numbers, booleans, lists and objects come as text.

        Raises:
            QueryFailed: the server refused it.
            AdminUnavailable: the connection was lost.
        """
        answer = self._channel.run(sql, parameters)
        if "error" in answer:
            if answer.get("lost"):
                raise AdminUnavailable(answer["error"])
            raise QueryFailed(answer["error"], answer.get("sqlstate"))
        rows: list[dict[str, Any]] = answer["rows"]
        return rows

    def close(self) -> None:
        """End the connection."""
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def role_names(session: AdminSession) -> frozenset[str]:
    """Return the names of all roles, of those too that cannot log in."""
    return frozenset(str(row["name"]) for row in session.query(_ROLES))


def database_names(session: AdminSession) -> frozenset[str]:
    """Return the names of the databases."""
    return frozenset(str(row["name"]) for row in session.query(_DATABASES))


def connect(postmaster: Postmaster, user: str | None = None, database: str | None = None, uid: int | None = None) -> AdminSession:
    """Log in as the administrator.

    Over the socket, or over loopback where the server has no socket. As root, first as the server's own OS user (whom `peer` lets
    in), then as ourselves, which serves where a password is asked for. PGPASSFILE, PGPASSWORD, PGUSER and PGDATABASE are honoured.

    Args:
        postmaster: the running server.
        user: the role; by default the one named like the server's OS user, then `postgres`.
        database: by default `postgres`, then `template1`.
        uid: of the server's OS user; by default that of the process.

    Raises:
        AdminUnavailable: nobody was let in.
    """
    owner = Identity.of(uid if uid is not None else _uid_of(postmaster.pid))
    ways = list(_ways(postmaster, user, database, owner))
    if not ways:
        raise AdminUnavailable("it has neither a Unix socket nor a TCP address here")
    reason = ""
    if os.geteuid() == 0 and owner.uid != 0 and postmaster.socket_directory is not None:
        try:
            return _as_owner(ways, owner)
        except AdminUnavailable as error:
            reason = error.reason
            if not _may_have_password():
                raise
    try:
        return _directly(ways)
    except AdminUnavailable as error:
        raise AdminUnavailable(error.reason if "password" in error.reason else reason or error.reason) from error


class _Direct:
    """The connection in this process."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def run(self, sql: str, parameters: Sequence[object]) -> dict[str, Any]:
        from pgssl_wizard.server import connecting  # noqa: PLC0415

        return connecting.run(self._connection, sql, parameters)

    def close(self) -> None:
        self._connection.close()


class _Child:
    """The connection in a child process that has become the server's user."""

    def __init__(self, owner: Identity) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-I", str(Path(__file__).with_name("admin_child.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,
        )
        self._owner = owner

    def open(self, ways: Sequence[Mapping[str, str]]) -> str:
        owner = self._owner
        package = str(Path(__file__).resolve().parents[2])
        start = {
            "path": [package, *(entry for entry in sys.path if entry and entry != package)],
            "uid": owner.uid,
            "gid": owner.gid,
            "groups": list(owner.groups),
            "home": str(owner.home),
            "ways": [dict(way) for way in ways],
        }
        answer = self._exchange(start)
        if "unavailable" in answer:
            raise AdminUnavailable(answer["unavailable"])
        user: str = answer["user"]
        return user

    def run(self, sql: str, parameters: Sequence[object]) -> dict[str, Any]:
        return self._exchange({"sql": sql, "parameters": list(parameters)})

    def close(self) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        self._process.wait()

    def _exchange(self, request: object) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except OSError:
            line = b""
        if not line:
            return {"error": "the process that talks to it ended", "lost": True, "unavailable": "the process that talks to it ended"}
        answer: dict[str, Any] = json.loads(line)
        return answer


def _as_owner(ways: Sequence[Mapping[str, str]], owner: Identity) -> AdminSession:
    # Imported as ourselves: the libraries may lie where that user cannot read.
    from pgssl_wizard.server import connecting  # noqa: F401, PLC0415

    try:
        # The server looks at the user once, when the connection is made.
        return as_user.call(owner.uid, lambda: _directly(ways))
    except as_user.NotPossible:
        return _through_child(ways, owner)


def _through_child(ways: Sequence[Mapping[str, str]], owner: Identity) -> AdminSession:
    child = _Child(owner)
    try:
        return AdminSession(child.open(ways), child)
    except BaseException:
        child.close()
        raise


def _directly(ways: Sequence[Mapping[str, str]]) -> AdminSession:
    from pgssl_wizard.server import connecting  # noqa: PLC0415  (psycopg is slow to import)

    try:
        connection, user = connecting.connect(ways)
    except connecting.Unavailable as error:
        raise AdminUnavailable(str(error)) from error
    return AdminSession(user, _Direct(connection))


def _ways(postmaster: Postmaster, user: str | None, database: str | None, owner: Identity) -> Iterator[dict[str, str]]:
    """Yield the parameters to try, most promising first."""
    host = str(postmaster.socket_directory) if postmaster.socket_directory is not None else loopback(postmaster.listen_address)
    if host is None:
        return
    users = [user] if user else [os.environ["PGUSER"]] if os.environ.get("PGUSER") else list(dict.fromkeys([owner.name, "postgres"]))
    databases = [database] if database else [os.environ["PGDATABASE"]] if os.environ.get("PGDATABASE") else ["postgres", "template1"]
    for base in databases:
        for role in users:
            yield {
                **_HERE,
                "host": host,
                "port": str(postmaster.port),
                "user": role,
                "dbname": base,
                "connect_timeout": str(_CONNECT_SECONDS),
                "application_name": "pgssl-wizard",
                "client_encoding": "UTF8",
                "options": f"-c statement_timeout={_STATEMENT_SECONDS}s",
            }


def loopback(listen_address: str | None) -> str | None:
    """Return an address at which a server that listens there can be reached from this machine; None: it has no TCP."""
    if not listen_address:
        return None
    return {"*": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(listen_address, listen_address)  # noqa: S104


def _may_have_password() -> bool:
    """Whether we ourselves bring something that the server's user does not: a password or a file of them."""
    passfile = os.environ.get("PGPASSFILE") or str(Path.home() / ".pgpass")
    return bool(os.environ.get("PGPASSWORD") or os.environ.get("PGSERVICE")) or os.access(passfile, os.R_OK)


def _uid_of(pid: int) -> int:
    try:
        return Path(f"/proc/{pid}").stat().st_uid
    except OSError:
        return os.geteuid()
