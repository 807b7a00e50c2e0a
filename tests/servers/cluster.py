"""A real cluster in a directory of the test: made from a template, started, asked, stopped, gone."""

from __future__ import annotations

import atexit
import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Literal, Self
from weakref import WeakSet

from pgssl_wizard.server import postmaster
from pgssl_wizard.server.identity import Identity
from pgssl_wizard.server.programs import Programs
from tests.servers import certificates, found
from tests.servers.asking import Asker

#: How long a server may take to start or stop before a test fails, in seconds; nothing waits this long on purpose.
PATIENCE = 90.0

#: Cheaper than the defaults and without effect on TLS, rules or settings files.
_THRIFT = {
    "fsync": "off",
    "dynamic_shared_memory_type": "mmap",
    "shared_buffers": "16MB",
    "max_connections": "20",
    "max_wal_size": "8MB",
    "min_wal_size": "4MB",
}

Layout = Literal["initdb", "debian"]

_alive: WeakSet[RealCluster] = WeakSet()


class RealCluster:
    """One cluster. Use `make`, or the fixtures `cluster`, `stopped_cluster` and `debian_cluster`.

    Attributes:
        superuser: the role made by initdb, named like the server's OS user; peer over the socket, `password` over TCP.
        app_password: of the role `app`, who owns the database `app`.
        command_line: further arguments for `postgres`, effective at the next start.
        log_file: what the server writes to standard error.
    """

    password = "superuser-password"
    app_password = "app-password"

    def __init__(self, base: Path, programs: Programs, layout: Layout) -> None:
        self.base = base
        self.programs = programs
        self.layout = layout
        self.identity: Identity = found.user()
        self.superuser = self.identity.name
        self.port = free_port()
        self.socket_directory = Path(tempfile.mkdtemp(prefix="pgs-", dir="/tmp"))
        self.log_file = base / "server.log"
        self.command_line: list[str] = []
        if layout == "debian":
            self.data_directory = base / "var" / "lib" / "postgresql" / str(programs.major) / "main"
            self.config_directory = base / "etc" / "postgresql" / str(programs.major) / "main"
        else:
            self.data_directory = self.config_directory = base / "data"
        self._process: subprocess.Popen[bytes] | None = None
        self._asker = Asker(self.identity)
        _alive.add(self)

    @classmethod
    def make(
        cls,
        directory: Path,
        major: int,
        layout: Layout = "initdb",
        *,
        auth: str = "scram-sha-256",
        hba: str | None = None,
        conf: Mapping[str, str] | None = None,
        programs: Programs | None = None,
    ) -> Self:
        """Make a cluster that is not running below `directory`, which is opened so far that the server's user gets through.

        Args:
            directory: of the test.
            major: one of `available()`.
            layout: `debian` has its configuration apart, with `conf.d`.
            auth: the method of the TCP rules; the socket's is `peer`.
            hba: instead, the whole content of pg_hba.conf.
            conf: further settings, as the file spells them after quoting.
            programs: others than the first ones found of this major.
        """
        programs = programs or found.usable(major)
        base = Path(tempfile.mkdtemp(prefix=f"pg{major}-", dir=directory))
        let_through(base)
        self = cls(base, programs, layout)
        _own(self.socket_directory, self.identity, 0o755)
        self.data_directory.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(_template(programs, self.identity), self.data_directory, symlinks=True)
        if layout == "debian":
            self._move_configuration()
        if hba is not None:
            self.hba_file.write_text(hba, encoding="utf-8")
        elif auth != "scram-sha-256":
            self.hba_file.write_text(self.hba_file.read_text(encoding="utf-8").replace("scram-sha-256", auth), encoding="utf-8")
        self._append({"port": str(self.port), "unix_socket_directories": str(self.socket_directory), **_THRIFT, **(conf or {})})
        self.log_file.touch()
        for path, directories, files in os.walk(base):
            for name in (*directories, *files):
                os.lchown(Path(path) / name, self.identity.uid, self.identity.gid)
        return self

    @property
    def major(self) -> int:
        """The major version."""
        return self.programs.major

    @property
    def config_file(self) -> Path:
        """The file postgresql.conf."""
        return self.config_directory / "postgresql.conf"

    @property
    def hba_file(self) -> Path:
        """The file pg_hba.conf."""
        return self.config_directory / "pg_hba.conf"

    @property
    def ident_file(self) -> Path:
        """The file pg_ident.conf."""
        return self.config_directory / "pg_ident.conf"

    @property
    def auto_conf(self) -> Path:
        """The file postgresql.auto.conf, always in the data directory."""
        return self.data_directory / "postgresql.auto.conf"

    @property
    def pid(self) -> int | None:
        """The server's process, None when it is down."""
        try:
            pid = int((self.data_directory / "postmaster.pid").read_text(encoding="utf-8").split("\n")[0])
        except (OSError, ValueError):
            return None
        # Never a stranger: tests write such files themselves, and whatever is named here gets signals.
        return pid if postmaster.alive(pid, self.data_directory) else None

    @property
    def running(self) -> bool:
        """Whether the server has written that it is ready."""
        try:
            lines = (self.data_directory / "postmaster.pid").read_text(encoding="utf-8").split("\n")
        except OSError:
            return False
        return len(lines) > 7 and lines[7].strip() in {"ready", "standby"}

    def start(self, *, wait: bool = True) -> None:
        """Start the server; with `wait`, until it is ready.

        Raises:
            AssertionError: it ended instead; the message is its log.
        """
        assert self.pid is None, "is running already"
        command = [str(self.programs.program("postgres")), "-D", str(self.data_directory)]
        if self.layout == "debian":
            command += ["-c", f"config_file={self.config_file}"]
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                [*command, *self.command_line],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env=self.identity.environment(),
                start_new_session=True,
                **self.identity.spawn_options(),
            )
        if wait:
            for _ in _until(f"the server of {self.data_directory} did not get ready"):
                assert self._process.poll() is None, f"the server did not start:\n{self.log()}"
                if self.running:
                    return

    def stop(self, *, how: Literal["smart", "fast", "immediate"] = "fast") -> None:
        """Stop the server, whoever started it, and wait until it is gone. Nothing happens when it is down."""
        pid = self.pid
        if pid is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, {"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT}[how])
        for _ in _until(f"the server {pid} did not stop"):
            if self._process is not None:
                self._process.poll()
            if not postmaster.alive(pid, self.data_directory):
                return

    def restart(self) -> None:
        """Stop and start."""
        self.stop()
        self.start()

    def reload(self) -> None:
        """Have the files read again, and wait until the server did so: it writes a line about it to its log first."""
        pid = self.pid
        assert pid is not None, "is not running"
        before = self.log().count("received SIGHUP")
        os.kill(pid, signal.SIGHUP)
        for _ in _until("the server did not notice the reload"):
            if self.log().count("received SIGHUP") > before:
                break
        # What the reload does comes after that line; the postmaster takes new connections only when it is through with it.
        with socket.socket(socket.AF_UNIX) as probe:
            probe.connect(str(self.socket_directory / f".s.PGSQL.{self.port}"))
            probe.sendall(bytes.fromhex("0000000804d2162f"))
            assert probe.recv(1) == b"N"

    def sql(self, statement: str, parameters: Sequence[object] = (), *, database: str = "postgres") -> list[tuple[object, ...]]:
        """Run one statement as the superuser over the Unix socket, as the server's OS user; return the rows."""
        return self._asker.ask(
            {"host": str(self.socket_directory), "port": str(self.port), "user": self.superuser, "dbname": database}, statement, parameters
        )

    def log(self) -> str:
        """Return what the server has logged so far."""
        return self.log_file.read_text(encoding="utf-8", errors="replace")

    def write(self, name: str | Path, content: str | bytes, mode: int = 0o600) -> Path:
        """Write a file as the server's user would; relative names mean the data directory."""
        path = self.data_directory / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        path.chmod(mode)
        os.chown(path, self.identity.uid, self.identity.gid)
        return path

    def set(self, **settings: str) -> None:
        """Append settings to postgresql.conf."""
        self._append(settings)

    def serve_tls(self, *names: str) -> certificates.Made:
        """Put a self-signed certificate for these names (by default localhost and 127.0.0.1) in place and switch TLS on; return it.

        A running server is told to reload.
        """
        made = certificates.make("test server", *(names or ("localhost", "127.0.0.1")))
        self.write("server.key", made.key_pem)
        self.write("server.crt", made.pem, 0o644)
        self.set(ssl="on")
        if self.running:
            self.reload()
        return made

    def close(self) -> None:
        """Stop the server at once and remove everything."""
        with contextlib.suppress(OSError, AssertionError):
            self._recover()
        with contextlib.suppress(OSError, AssertionError):
            self.stop(how="immediate")
        self._asker.close()
        shutil.rmtree(self.socket_directory, ignore_errors=True)
        shutil.rmtree(self.base, ignore_errors=True)
        _alive.discard(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _recover(self) -> None:
        """Start once more after a crash: a server that was killed leaves shared memory behind, which only its successor finds."""
        if self.pid is None and (self.data_directory / "postmaster.pid").exists():
            for _ in _until("a server that was killed could not be started again"):
                # Its children take a moment to notice; a test may also have broken the files for good.
                with contextlib.suppress(AssertionError):
                    self.start()
                    return
                if "pre-existing shared memory block" not in "".join(self.log().splitlines()[-3:]):
                    return

    def _append(self, settings: Mapping[str, str]) -> None:
        lines = "".join(f"{name} = '{value}'\n".replace("\\", "\\\\") for name, value in settings.items())
        with self.config_file.open("a", encoding="utf-8") as file:
            file.write(lines)

    def _move_configuration(self) -> None:
        """Arrange the files as Debian's pg_createcluster does."""
        self.config_directory.mkdir(parents=True)
        for name in ("postgresql.conf", "pg_hba.conf", "pg_ident.conf"):
            shutil.move(self.data_directory / name, self.config_directory / name)
        (self.config_directory / "conf.d").mkdir()
        self.config_file.chmod(0o644)
        self.hba_file.chmod(0o640)
        self.ident_file.chmod(0o640)
        (self.config_directory / "start.conf").write_text("auto\n", encoding="utf-8")
        text = self.config_file.read_text(encoding="utf-8")
        for name, value in {
            "data_directory": self.data_directory,
            "hba_file": self.hba_file,
            "ident_file": self.ident_file,
            "external_pid_file": self.base / f"{self.major}-main.pid",
        }.items():
            text = re.sub(rf"(?m)^#{name} = '[^']*'", lambda _, name=name, value=value: f"{name} = '{value}'", text)  # type: ignore[misc]
        text = re.sub(r"(?m)^#include_dir = '[^']*'", "include_dir = 'conf.d'", text)
        self.config_file.write_text(text, encoding="utf-8")


def free_port() -> int:
    """Return a loopback port that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def let_through(directory: Path) -> None:
    """Let others pass this directory and those of its parents that are ours, so that the server's user reaches what lies below."""
    for path in (directory, *directory.parents):
        status = path.stat()
        if status.st_uid == os.geteuid() and path != Path(tempfile.gettempdir()) and not status.st_mode & 0o001:
            path.chmod(status.st_mode | 0o011)


def stop_all() -> None:
    """Stop and remove every cluster that a test left behind."""
    for cluster in list(_alive):
        cluster.close()


def _until(complaint: str) -> Iterator[None]:
    """Poll until the caller returns; fail after `PATIENCE` seconds."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        yield
        # A foreign process has nothing to notify us by.
        time.sleep(0.01)
    raise AssertionError(complaint)


def _template(programs: Programs, identity: Identity) -> Path:
    """Return an initialised data directory of this version with the role and database `app`; made once."""
    template = found.templates_directory() / f"{programs.version}-{os.geteuid()}-{identity.name}-2"
    if template.exists():
        return template
    template.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix="pgs-template-", dir="/tmp"))
    try:
        _own(scratch, identity, 0o700)
        password = scratch / "password"
        password.write_text(RealCluster.password, encoding="ascii")
        _own(password, identity, 0o600)
        data = scratch / "data"
        _run(
            programs,
            identity,
            [
                "initdb",
                *("-D", str(data), "-U", identity.name, "--auth-local=peer", "--auth-host=scram-sha-256"),
                *(f"--pwfile={password}", "--no-sync", "--wal-segsize=1", "--locale=C", "--encoding=UTF8"),
            ],
        )
        statements = (
            f"set password_encryption = 'scram-sha-256'; create role app login password '{RealCluster.app_password}'",
            "create database app owner app",
        )
        for statement in statements:
            _run(programs, identity, ["postgres", "--single", "-F", "-j", "-D", str(data), "postgres"], statement + "\n\n")
        finished = Path(tempfile.mkdtemp(prefix=".new-", dir=template.parent))
        shutil.copytree(data, finished / "data", symlinks=True)
        with contextlib.suppress(OSError):
            (finished / "data").rename(template)
        shutil.rmtree(finished)
    finally:
        shutil.rmtree(scratch)
    return template


def _run(programs: Programs, identity: Identity, command: list[str], text: str | None = None) -> None:
    done = subprocess.run(
        [str(programs.program(command[0])), *command[1:]],
        check=False,
        input=text,
        stdin=subprocess.DEVNULL if text is None else None,
        capture_output=True,
        text=True,
        cwd="/",
        env=identity.environment(),
        **identity.spawn_options(),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ERROR:" not in done.stderr, done.stderr


def _own(path: Path, identity: Identity, mode: int) -> None:
    os.chown(path, identity.uid, identity.gid)
    path.chmod(mode)


atexit.register(stop_all)
