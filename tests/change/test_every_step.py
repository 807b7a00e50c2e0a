"""Killed for real before every single step of a change and of its undoing: a real server starts, and rollback puts things right.

A step is a call that changes something on disk, a signal to the server, or a statement of SQL. A sample of them is tried, another one
for each scenario and each server; with `--every-step` every one.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import itertools
import json
import os
import shutil
import signal
import ssl
import stat
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from pgssl_wizard.change.apply import apply
from pgssl_wizard.change.confirm import confirm
from pgssl_wizard.change.journal import Journal, read_all
from pgssl_wizard.change.paths import changes_directory, is_temporary, state_directory
from pgssl_wizard.change.pending import remarks
from pgssl_wizard.change.rollback import rollback
from pgssl_wizard.cli.main import run
from pgssl_wizard.cluster.facts import Cluster
from pgssl_wizard.cluster.reading import names_in, read_bytes
from pgssl_wizard.files.settings import resolve
from pgssl_wizard.plan.model import Plan
from pgssl_wizard.server import handshake, postmaster
from pgssl_wizard.server.admin import AdminSession
from tests.change.test_whole_way import facts_of, plan_for
from tests.servers import RealCluster, available, certificates, found

#: Calls of `os` that change the disk, or what is on it after a power cut; `kill` for the signal that makes a server reload.
CALLS = (
    *("open", "write", "pwrite", "ftruncate", "fsync", "fchmod", "fchown", "chmod", "chown", "setxattr", "utime"),
    *("rename", "link", "unlink", "mkdir", "rmdir", "kill"),
)
#: A sample is every so many steps; no divisor of anything that repeats within a change.
SAMPLE = 37


class Step(NamedTuple):
    """One call that is about to be made; `number` counts from 1."""

    number: int
    name: str
    arguments: tuple[Any, ...]


Act = Callable[[Step], None]


def _ours() -> bool:
    """Whether the call comes from the room that changes things, and not from a proof or a look at the cluster."""
    frame = sys._getframe(2)
    while frame.f_back is not None:
        name = str(frame.f_globals.get("__name__", ""))
        if name.startswith("pgssl_wizard."):
            return name.startswith(("pgssl_wizard.change", "pgssl_wizard.server.lifecycle"))
        frame = frame.f_back
    return False


def _changes(name: str, arguments: tuple[Any, ...]) -> bool:
    """Whether a call with these arguments changes anything."""
    if name == "open":
        return bool(arguments[1] & (os.O_CREAT | os.O_TRUNC))
    return name != "kill" or arguments[1] == signal.SIGHUP


@contextlib.contextmanager
def before_each_step(act: Act) -> Iterator[None]:
    """Call `act` before every step inside the block."""
    real = {name: getattr(os, name) for name in CALLS if hasattr(os, name)}
    real_query = AdminSession.query
    count = 0

    def step(name: str, arguments: tuple[Any, ...]) -> None:
        nonlocal count
        count += 1
        act(Step(count, name, arguments))

    def wrap(name: str) -> Callable[..., Any]:
        def called(*args: Any, **kwargs: Any) -> Any:
            if _changes(name, args) and _ours():
                step(name, args)
            return real[name](*args, **kwargs)

        return called

    def query(self: AdminSession, sql: str, parameters: Any = ()) -> list[dict[str, Any]]:
        if sql.startswith("ALTER SYSTEM"):
            step("sql", (sql,))
        return real_query(self, sql, parameters)

    for name in real:
        setattr(os, name, wrap(name))
    AdminSession.query = query  # type: ignore[method-assign]
    try:
        yield
    finally:
        AdminSession.query = real_query  # type: ignore[method-assign]
        for name, function in real.items():
            setattr(os, name, function)


def killed_before(number: int, body: Callable[[], object]) -> bool:
    """Run `body` in a process of its own that is killed before its step of this number; return False when it ended before that."""
    kill = os.kill
    child = os.fork()
    if child == 0:

        def act(step: Step) -> None:
            if step.number == number:
                kill(os.getpid(), signal.SIGKILL)

        code = 1
        try:
            with before_each_step(act):
                body()
            code = 0
        except BaseException:  # noqa: BLE001 - nothing of the tests may run in this copy of them
            traceback.print_exc(file=sys.__stderr__)
        finally:
            os._exit(code)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in {0, -signal.SIGKILL}, f"it ended by itself before step {number}, and not well: {status}"
    return status != 0


def command(*arguments: object) -> tuple[int, dict[str, Any]]:
    """Run a headless command with `--json`; return its exit code and its document."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run([*map(str, arguments), "--json"])
    assert "Traceback" not in err.getvalue(), err.getvalue()
    return code, json.loads(out.getvalue())


def codes(document: Mapping[str, Any]) -> set[str]:
    """Return the names of what a document says."""
    return {each["code"] for each in document["findings"]}


SERVERS_OWN = ("base", "global", "pg_", "pgsql_tmp")
SERVERS_FILES = {"postmaster.pid", "postmaster.opts", "server.log", "current_logfiles", "PG_VERSION", "pg_internal.init"}

Snapshot = dict[str, tuple[object, ...]]


def snapshot(base: Path) -> Snapshot:
    """Return content, mode, owner and time of change of everything below `base` that is not the server's own business."""
    found: Snapshot = {}
    for folder, directories, names in os.walk(base):
        directories[:] = [name for name in directories if not name.startswith(SERVERS_OWN)]
        status = Path(folder).stat()
        found[os.path.relpath(folder, base)] = (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid)
        for name in set(names) - SERVERS_FILES:
            path = Path(folder) / name
            status = path.lstat()
            content: object = path.readlink() if path.is_symlink() else path.read_bytes()
            found[os.path.relpath(path, base)] = (
                content,
                stat.S_IMODE(status.st_mode),
                status.st_uid,
                status.st_gid,
                status.st_mtime_ns,
                status.st_nlink,
            )
    return found


@dataclass(frozen=True, slots=True)
class Scenario:
    """One kind of change.

    Attributes:
        prepare: makes the cluster, which is down, what it is before; returns further answers.
        answers: what is wanted.
        down: the cluster stays down during the change.
        running: something that only a running server can be told beforehand.
    """

    answers: Mapping[str, object] = field(default_factory=dict)
    prepare: Callable[[RealCluster, Path], Mapping[str, object] | None] = lambda _cluster, _place: None
    running: Callable[[RealCluster, Path], None] = lambda _cluster, _place: None
    down: bool = False


def _tls_on(cluster: RealCluster, _place: Path) -> None:
    cluster.serve_tls()


def _tls_on_without_auto_conf(cluster: RealCluster, _place: Path) -> None:
    cluster.serve_tls()
    cluster.auto_conf.unlink()


def _tls_in_one_file(cluster: RealCluster, _place: Path) -> None:
    made = certificates.make("test server", "localhost")
    cluster.write("server.pem", made.pem + made.key_pem)
    cluster.set(ssl="on", ssl_cert_file="server.pem", ssl_key_file="server.pem")


def _tls_by_alter_system(cluster: RealCluster, _place: Path) -> None:
    made = certificates.make("test server", "localhost")
    cluster.write("old.key", made.key_pem)
    cluster.write("old.crt", made.pem)
    for name, value in (("ssl_cert_file", "old.crt"), ("ssl_key_file", "old.key"), ("ssl", "on"), ("work_mem", "5MB")):
        cluster.sql(f"alter system set {name} = '{value}'")
    cluster.reload()


def _off_by_alter_system(cluster: RealCluster, _place: Path) -> None:
    cluster.sql("alter system set ssl = off")
    cluster.sql("alter system set ssl_min_protocol_version = 'TLSv1.3'")
    cluster.reload()


def _off_in_auto_conf(cluster: RealCluster, _place: Path) -> None:
    cluster.write("postgresql.auto.conf", "# by hand\nssl = 'off'\nwork_mem = '5MB'")


def _linked(cluster: RealCluster, _place: Path) -> None:
    """Settings, rules, certificate and key are links to files elsewhere."""
    cluster.serve_tls()
    elsewhere = cluster.base / "elsewhere"
    elsewhere.mkdir()
    os.chown(elsewhere, cluster.identity.uid, cluster.identity.gid)
    for name in ("postgresql.conf", "pg_hba.conf", "server.crt", "server.key"):
        real = cluster.data_directory / name
        shutil.move(real, elsewhere / name)
        os.chown(elsewhere / name, cluster.identity.uid, cluster.identity.gid)
        real.symlink_to(elsewhere / name)


def _apart(cluster: RealCluster, _place: Path) -> None:
    """Certificate and key are named in two different files."""
    made = certificates.make("test server", "localhost")
    cluster.write("old.key", made.key_pem)
    cluster.write("old.crt", made.pem)
    cluster.write("key.conf", "ssl_key_file = 'old.key'\n")
    with cluster.config_file.open("a", encoding="utf-8") as file:
        file.write("ssl = on\nssl_cert_file = 'old.crt'\ninclude 'key.conf'\n")


def _brought(_cluster: RealCluster, place: Path) -> Mapping[str, object]:
    root = certificates.make("Company Root", ca=True, days=900)
    leaf = certificates.make("db.example.com", "db.example.com", "localhost", "127.0.0.1", issuer=root, days=200)
    (place / "brought.pem").write_bytes(leaf.pem + root.pem)
    (place / "brought.key").write_bytes(leaf.key_pem)
    return {"certificate.import_certificate": [str(place / "brought.pem")], "certificate.import_key": str(place / "brought.key")}


_REQUIRED = {"clients.encryption": "required"}
_NEW_FILES = {"files.certificate": "new.crt", "files.key": "new.key"}

SCENARIOS: dict[str, Scenario] = {
    "first TLS": Scenario(_REQUIRED),
    "first TLS, down": Scenario(_REQUIRED, down=True),
    "pair in use": Scenario(_REQUIRED, _tls_on),
    "pair in use, down": Scenario({}, _tls_on, down=True),
    "pair in use, no postgresql.auto.conf": Scenario({}, _tls_on_without_auto_conf),
    "one file for both": Scenario({"files.certificate": "server.pem", "files.key": "server.pem"}, _tls_in_one_file),
    "ALTER SYSTEM": Scenario(_REQUIRED, running=_off_by_alter_system),
    "ALTER SYSTEM names the pair": Scenario(_NEW_FILES, running=_tls_by_alter_system),
    "postgresql.auto.conf, down": Scenario({}, _off_in_auto_conf, down=True),
    "links": Scenario(_REQUIRED, _linked),
    "key of root": Scenario({"files.key_owner": "root", "files.key_group": found.user().name}),
    "settings in two files": Scenario(_NEW_FILES, _apart),
    "import": Scenario({"certificate.source": "import"}, _brought),
    "kits, client CA and CRL": Scenario({"clients.certificates": "cert", "clients.roles": ["app"], "files.crl": "root.crl"}),
}


class Stage:
    """A cluster before a change, the change, and the way back to before."""

    def __init__(self, cluster: RealCluster, place: Path, scenario: Scenario) -> None:
        self.cluster, self.place, self.scenario = cluster, place, scenario
        more = scenario.prepare(cluster, place) or {}
        cluster.start()
        scenario.running(cluster, place)
        if scenario.down:
            cluster.stop()
        self.ca = place / "ca"
        self.facts: Cluster = facts_of(cluster)
        kits = {"clients.directory": str(place / "clients")}
        self.plan: Plan = plan_for(self.facts, self.ca, {**kits, **scenario.answers, **more})
        self.before = snapshot(cluster.base)
        self.tls_before = self.facts.value("ssl") == "on"
        self._started_on: set[int] = set()
        self._said: set[str] = set()

    @property
    def data(self) -> Path:
        """The data directory."""
        return self.cluster.data_directory

    def facts_now(self) -> Cluster:
        """Return the facts of before, with the server as it runs now."""
        return dataclasses.replace(self.facts, postmaster=postmaster.read(self.data))

    def apply(self) -> object:
        """Make the change."""
        return apply(self.plan, self.facts_now(), rehearse=False)

    def again(self) -> None:
        """Forget the change and what it leaves to its owner, and have the server as before."""
        for path in (state_directory(self.data), self.ca, self.place / "clients"):
            shutil.rmtree(path, ignore_errors=True)
        if self.scenario.down:
            self.cluster.stop()
        elif not self.cluster.running:
            self.cluster.start()
        else:
            self.cluster.reload()

    def journal(self) -> Journal | None:
        """Return the change's journal, None when it has none yet."""
        found = read_all(self.data)
        return found[0] if found else None

    def assert_pair_matches(self) -> None:
        """Whoever reads the configuration now and TLS is on finds a key that belongs to its certificate."""
        now = resolve(self.cluster.config_file, self.cluster.auto_conf, read_bytes, names_in, major=self.cluster.major)
        values = {line.name: line.value for line in now.lines}
        if values.get("ssl") == "on":
            certificate, key = values.get("ssl_cert_file", "server.crt"), values.get("ssl_key_file", "server.key")
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(self.data / certificate, self.data / key)

    def assert_starts(self) -> None:
        """A server that starts now starts, with TLS when it was on before."""
        ours = state_directory(self.data)
        inside = [(each.name, each.stat().st_uid) for each in sorted(ours.glob("**/*")) if each.name == "pair.pem" or each.is_dir()]
        state = hash((repr(inside), repr(sorted(snapshot(self.cluster.base).items()))))
        if state in self._started_on:
            # Many steps change nothing that a server sees.
            return
        self._started_on.add(state)
        self.cluster.restart()
        if self.tls_before:
            assert handshake.fetch("127.0.0.1", self.cluster.port) is not None
        if self.scenario.down:
            self.cluster.stop()

    def assert_said(self) -> str:
        """Whoever looks, plans or applies is told of what is unfinished; return the change's state."""
        journal = self.journal()
        state = journal.state if journal is not None else "none"
        expected = {"interrupted-change"} if state in {"working", "undoing"} else set()
        assert {each.code for each in remarks(self.data)} == expected
        if state in self._said:
            return state
        self._said.add(state)
        code, document = command("inspect", self.data)
        assert (code, codes(document) & {"interrupted-change"}) == (0, expected)
        for name in ("plan", "apply") if expected else ():
            code, document = command(name, self.data)
            assert (code, codes(document)) == (5, expected)
            assert f"rollback {self.data}" in document["findings"][0]["hint"]
        return state

    def assert_rolls_back(self) -> None:
        """The command puts everything back, byte for byte, and leaves nothing half done."""
        code, document = command("rollback", self.data)
        assert code == 0, document
        self.assert_as_before()

    def assert_as_before(self) -> None:
        """Everything is as before; of the change nothing is left but its journal, and a CA is whole or not there at all."""
        assert snapshot(self.cluster.base) == self.before
        changes = changes_directory(self.data)
        left = {path.name for path in changes.glob("*/*")}
        assert left <= {"journal.json", "answers.toml"}, left
        assert all((each / "journal.json").exists() for each in changes.glob("*"))
        assert {path.name for path in state_directory(self.data).glob("*")} <= {"changes"}
        whole = {change.path for change in self.plan.changes if change.phase == "ca"}
        assert set(self.ca.glob("*")) in (whole, set())
        assert not [path for path in self.place.rglob("*") if is_temporary(path.name)]
        if not self.scenario.down:
            served = handshake.fetch("127.0.0.1", self.cluster.port)
            assert (served and served.sha256) == self.facts.served_sha256


def numbers(config: pytest.Config, stage: Stage, sample: int = SAMPLE) -> Iterator[int]:
    """Yield the numbers of the steps that are tried: all, or a sample that is another one for each scenario and server."""
    if config.getoption("every_step"):
        return itertools.count(1)
    return itertools.count(1 + (5 + 7 * list(SCENARIOS.values()).index(stage.scenario) + 11 * stage.cluster.major) % sample, sample)


def stage_each(metafunc: pytest.Metafunc, names: Iterable[str]) -> None:
    """Run a test that asks for `stage` on these scenarios: each on the newest or the oldest server by turns, with `--every-step` on both.

    With `--all-majors` each has two servers, and every server several of them.
    """
    majors = list(available())
    ends = majors[::-1][:: max(1, len(majors) - 1)]
    if metafunc.config.getoption("all_majors"):
        half = max(1, len(majors) // 2)
        turns = [dict.fromkeys((majors[number % len(majors)], majors[(number + half) % len(majors)])) for number in range(len(majors))]
        pairs = [(name, major) for name, each in zip(names, itertools.cycle(turns), strict=False) for major in each]
    elif metafunc.config.getoption("every_step"):
        pairs = list(itertools.product(names, ends))
    else:
        pairs = list(zip(names, itertools.cycle(ends), strict=False))
    metafunc.parametrize("stage", pairs, indirect=True, ids=[f"{name}-pg{major}" for name, major in pairs])


def staged(request: pytest.FixtureRequest, directory: Path) -> Iterator[Stage]:
    """Yield the cluster and its change that a test was given by `stage_each`."""
    name, major = request.param
    place = directory / "place"
    place.mkdir()
    with RealCluster.make(directory, major) as cluster:
        yield Stage(cluster, place, SCENARIOS[name])


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every scenario."""
    if "stage" in metafunc.fixturenames:
        stage_each(metafunc, SCENARIOS)


@pytest.fixture
def stage(request: pytest.FixtureRequest, open_tmp_path: Path) -> Iterator[Stage]:
    """A cluster and a change of it."""
    yield from staged(request, open_tmp_path)


@pytest.mark.matrix
def test_killed_before_any_step_of_a_change_or_of_its_undoing_the_server_starts_and_rollback_puts_everything_back(
    stage: Stage, pytestconfig: pytest.Config
) -> None:
    """Whoever looks is told of it until it is ended; an undoing that is killed again and again comes to its end."""
    states = []
    for number in numbers(pytestconfig, stage):
        if not killed_before(number, stage.apply):
            break
        stage.assert_pair_matches()
        stage.assert_starts()
        states.append(stage.assert_said())
        stage.assert_rolls_back()
        stage.again()
    assert "working" in states
    stage.assert_pair_matches()
    killed = 0
    for number in numbers(pytestconfig, stage):
        # Each run gets further than the one before it.
        if not killed_before(number, lambda: rollback(stage.data)):
            break
        killed += 1
        stage.assert_pair_matches()
        stage.assert_starts()
        stage.assert_said()
    assert killed
    stage.assert_as_before()


@pytest.fixture
def newest_stage(newest_major: int, open_tmp_path: Path) -> Iterator[Stage]:
    """A pair in use that is exchanged, on the newest server."""
    place = open_tmp_path / "place"
    place.mkdir()
    with RealCluster.make(open_tmp_path, newest_major) as cluster:
        yield Stage(cluster, place, SCENARIOS["pair in use"])


def steps_of(body: Callable[[], object]) -> list[Step]:
    """Run `body` to its end; return its steps."""
    steps: list[Step] = []
    with before_each_step(steps.append):
        body()
    return steps


def test_somebodys_alter_system_in_the_middle_of_an_exchange_is_kept_and_leads_nobody_astray(newest_stage: Stage) -> None:
    """The server drops every comment when it rewrites `postgresql.auto.conf`, our mark of the detour too."""
    stage = newest_stage
    names = [str(step.arguments[1]) if step.name == "rename" else "" for step in steps_of(stage.apply)]
    stage.assert_rolls_back()
    stage.again()
    assert killed_before(names.index("server.crt") + 1, stage.apply)
    assert b"pair.pem" in stage.cluster.auto_conf.read_bytes()
    stage.cluster.sql("alter system set work_mem = '7MB'")
    rollback(stage.data)
    assert stage.cluster.auto_conf.read_bytes().splitlines()[2:] == [b"work_mem = '7MB'"]
    stage.cluster.sql("alter system reset work_mem")
    stage.cluster.restart()
    served = handshake.fetch("127.0.0.1", stage.cluster.port)
    assert served is not None
    assert served.sha256 == stage.facts.served_sha256


def test_killed_while_a_change_begins_to_wait_or_is_confirmed_it_can_still_be_ended_either_way(newest_stage: Stage) -> None:
    """Before its watchdog lives, the change is one that nobody confirmed; a confirmation that was cut short is given again."""
    stage = newest_stage

    def wait() -> object:
        return apply(stage.plan, stage.facts_now(), rehearse=False, confirm_within=600)

    def end() -> None:
        code, document = command("rollback", stage.data)
        assert code == 0, document
        assert snapshot(stage.cluster.base) == stage.before
        stage.again()

    total = len(steps_of(wait))
    end()
    said = set()
    for number in range(total - 14, total + 1, 2):
        assert killed_before(number, wait)
        stage.assert_pair_matches()
        found = {each.code for each in remarks(stage.data)}
        said |= found
        if found == {"unconfirmed-change"}:
            code, document = command("plan", stage.data)
            assert (code, codes(document)) == (5, found)
        end()
    assert said >= {"interrupted-change", "unconfirmed-change"}
    wait()
    number = 1
    while killed_before(number, lambda: confirm(stage.data)):
        journal = stage.journal()
        assert journal is not None
        assert journal.state in {"pending", "applied"}
        number += 1
    journal = stage.journal()
    assert journal is not None
    assert journal.state == "applied"
    assert not [path for path in journal.directory.iterdir() if is_temporary(path.name)]
