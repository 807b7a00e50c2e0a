"""Somebody else edits a file that a change touches: before it, in the middle of it, after it. Nothing of theirs is lost in silence."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pgssl_wizard.change.apply import apply
from pgssl_wizard.change.journal import read_all
from pgssl_wizard.change.model import Change, Event
from pgssl_wizard.change.progress import Report, silent
from pgssl_wizard.change.rollback import put_back_unconfirmed, rollback
from pgssl_wizard.errors import Interrupted, Refused, RolledBack, WizardError
from tests.change.test_every_step import Snapshot, snapshot
from tests.change.test_whole_way import facts_of, plan_for
from tests.servers import RealCluster, certificates

#: Files that the change modifies, by what they are. `postgresql.auto.conf` is edited by SQL, as people do.
MODIFIED = ("settings", "included settings", "rules", "maps", "certificate", "key")
#: Files that it makes.
MADE = ("client CA", "revocation list")
MINE = b"\n# mine\n"


class Touched:
    """A cluster in which a change touches a file of every kind; `files` by kind."""

    def __init__(self, cluster: RealCluster, place: Path) -> None:
        self.cluster, self.place = cluster, place
        made = certificates.make("test server", "localhost")
        cluster.write("server.crt", made.pem)
        cluster.write("server.key", made.key_pem)
        cluster.write("tls.conf", "ssl = on\nssl_min_protocol_version = 'TLSv1.3'\n")
        with cluster.config_file.open("a", encoding="utf-8") as file:
            file.write("include 'tls.conf'\n")
        rules = "pg_hba.conf"
        if cluster.major >= 16:
            rules = cluster.write("rules.conf", "host all all all scram-sha-256\n").name
            cluster.write("pg_hba.conf", "local all all peer\ninclude rules.conf\n")
        cluster.start()
        cluster.sql("alter system set ssl_prefer_server_ciphers = on")
        cluster.reload()
        names = {
            "settings": "postgresql.conf",
            "included settings": "tls.conf",
            "rules": rules,
            "maps": "pg_ident.conf",
            "certificate": "server.crt",
            "key": "server.key",
            "client CA": "root.crt",
            "revocation list": "root.crl",
        }
        self.files = {kind: cluster.data_directory / name for kind, name in names.items()}
        answers: dict[str, object] = {
            "clients.certificates": "cert",
            "clients.roles": ["app"],
            "clients.directory": str(place / "clients"),
            "clients.maps": [{"map": "tls", "system_user": "app", "role": "app"}],
            "files.crl": "root.crl",
            "protocol.profile": "intermediate",
        }
        self.facts = facts_of(cluster)
        self.plan = plan_for(self.facts, place / "ca", answers)
        self.before = snapshot(cluster.base)

    def apply(self, report: Report = silent, *, within: float | None = None) -> Change:
        """Make the change."""
        return apply(self.plan, self.facts, report=report, rehearse=False, confirm_within=within)

    def now(self) -> Snapshot:
        """Return what stands now."""
        return snapshot(self.cluster.base)

    def again(self) -> None:
        """Forget a change that is undone, and what it leaves to its owner."""
        assert self.now() == self.before
        for path in (self.place / "ca", self.place / "clients", self.cluster.data_directory / "pgsql_tmp.pgssl-wizard"):
            shutil.rmtree(path, ignore_errors=True)

    @contextlib.contextmanager
    def edited(self, kind: str, how: str) -> Iterator[Path]:
        """Edit a file for the length of the block, as somebody else would; then it is as before the edit, times included."""
        path = self.files[kind]
        status, content = (path.stat(), path.read_bytes()) if path.exists() else (None, b"")
        EDITS[how](path)
        yield path
        if status is None:
            path.unlink()
            return
        if path.is_symlink() or not path.exists():
            path.unlink(missing_ok=True)
        path.write_bytes(content)
        os.chown(path, status.st_uid, status.st_gid)
        path.chmod(status.st_mode & 0o7777)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
        path.with_name(f"{path.name}.elsewhere").unlink(missing_ok=True)


def append(path: Path) -> None:
    """Write something of one's own at the end of a file."""
    with path.open("ab") as file:
        file.write(MINE)


def link(path: Path) -> None:
    """Put the file elsewhere, and a link in its place."""
    elsewhere = path.with_name(f"{path.name}.elsewhere")
    shutil.copy2(path, elsewhere)
    path.unlink()
    path.symlink_to(elsewhere)


EDITS: dict[str, Callable[[Path], object]] = {
    "content": append,
    "mode": lambda path: path.chmod(0o400),
    "owner": lambda path: os.chown(path, 0, 0),
    "deleted": Path.unlink,
    "link": link,
}


@pytest.fixture
def touched(stopped_cluster: RealCluster, open_tmp_path: Path) -> Touched:
    """A cluster and a change that touches a file of every kind."""
    place = open_tmp_path / "place"
    place.mkdir()
    return Touched(stopped_cluster, place)


def test_the_change_touches_a_file_of_every_kind(touched: Touched) -> None:
    """Or the tests here would show nothing."""
    paths = {change.path: change.action for change in touched.plan.changes}
    assert {kind: paths.get(path) for kind, path in touched.files.items()} == {
        **dict.fromkeys(MODIFIED, "modify"),
        **dict.fromkeys(MADE, "create"),
    }
    assert touched.plan.sql


def test_what_is_edited_between_plan_and_apply_is_not_overwritten(touched: Touched) -> None:
    """The refusal names the file, and nothing is changed. Modes of keys and certificates are the plan's own, and shown in it."""
    for kind in (*MODIFIED, *MADE):
        for how in EDITS:
            keeps_mode = kind not in {"certificate", "key"}
            if (kind in MADE and how != "content") or (how in {"mode", "owner"} and not keeps_mode):
                continue
            with touched.edited(kind, how) as path:
                edited = touched.now()
                with pytest.raises(Refused) as caught:
                    touched.apply()
                assert str(path) in str(caught.value), (kind, how)
                assert touched.now() == edited, (kind, how)
    assert touched.now() == touched.before


STATIONS = ("back-up", "write", "reload", "kits", "rules", "reload-rules", "prove-all")


@pytest.mark.parametrize("station", STATIONS)
def test_what_is_edited_in_the_middle_of_a_change_stays(touched: Touched, station: str, pytestconfig: pytest.Config) -> None:
    """Whatever becomes of the change: it stands around the edit, or is put back around it, and then the message names the file."""
    every = 1 if pytestconfig.getoption("every_step") else 4
    # On each server another quarter.
    for kind in (*MODIFIED, *MADE)[(STATIONS.index(station) + touched.cluster.major) % every :: every]:
        path = touched.files[kind]
        done: list[Event] = []

        def edit(event: Event, path: Path = path, done: list[Event] = done) -> None:
            if (event.station, event.state) == (station, "running") and not done:
                done.append(event)
                append(path)

        problem: WizardError | None = None
        try:
            touched.apply(edit)
        except WizardError as caught:
            problem = caught
        assert done
        assert path.read_bytes().endswith(MINE), (kind, problem)
        if problem is not None:
            assert str(path) in str(problem), kind
        # Whoever made the edit takes it out again; then there is a way back.
        content = path.read_bytes().removesuffix(MINE)
        if content:
            path.write_bytes(content)
        else:
            path.unlink()
        rollback(touched.cluster.data_directory)
        restore_time(touched, path)
        touched.again()


def restore_time(touched: Touched, path: Path) -> None:
    """Give a file that was edited and put right by hand the time that it had, when it is the same otherwise."""
    name = os.path.relpath(path, touched.cluster.base)
    before = touched.before.get(name)
    if before is not None and touched.now()[name][:4] == before[:4]:
        modified = before[4]
        assert isinstance(modified, int)
        os.utime(path, ns=(modified, modified))


def test_what_is_edited_after_a_change_is_not_overwritten_by_rolling_back(touched: Touched) -> None:
    """The refusal names the file, and nothing is changed. What the change made and somebody else has deleted needs no undoing."""
    touched.apply()
    for kind in (*MODIFIED, *MADE):
        for how in EDITS:
            if kind in MADE and how in {"mode", "owner", "deleted"}:
                continue
            with touched.edited(kind, how) as path:
                edited = touched.now()
                with pytest.raises(Refused) as caught:
                    rollback(touched.cluster.data_directory)
                assert str(path) in str(caught.value), (kind, how)
                assert touched.now() == edited, (kind, how)
    rollback(touched.cluster.data_directory)
    touched.again()


@pytest.mark.parametrize("when", ["before", "middle", "after"])
def test_what_somebody_sets_by_sql_is_not_lost(touched: Touched, when: str) -> None:
    """ALTER SYSTEM keeps what others have set by it, and so does undoing our part."""
    cluster = touched.cluster

    def set_by_sql() -> None:
        cluster.sql("alter system set work_mem = '7MB'")

    if when == "before":
        set_by_sql()
        with pytest.raises(Refused, match=r"postgresql\.auto\.conf"):
            touched.apply()
    elif when == "middle":

        def listen(event: Event) -> None:
            if (event.station, event.state) == ("prove-tls", "running"):
                set_by_sql()
                # Whatever ends the change here, everything has to be put back.
                os.kill(os.getpid(), signal.SIGTERM)

        with pytest.raises(Interrupted, match=r"stopped by SIGTERM.*postgresql\.auto\.conf"):
            touched.apply(listen)
        with pytest.raises(Refused, match=r"postgresql\.auto\.conf"):
            rollback(cluster.data_directory)
    else:
        touched.apply()
        set_by_sql()
        with pytest.raises(Refused, match=r"postgresql\.auto\.conf"):
            rollback(cluster.data_directory)
    assert b"work_mem = '7MB'" in cluster.auto_conf.read_bytes()
    if when != "before":
        cluster.sql("alter system reset work_mem")
        rollback(cluster.data_directory)
        touched.again()


def test_what_is_edited_while_a_change_waits_is_not_overwritten_by_its_watchdog(touched: Touched) -> None:
    """It says why it could not put things back; once the edit is out of the way it can."""
    made = touched.apply(within=600)
    assert made.id is not None
    data = touched.cluster.data_directory
    for kind in (*MODIFIED, *MADE):
        with touched.edited(kind, "content") as path:
            edited = touched.now()
            with pytest.raises(Refused, match="changed by somebody since"):
                put_back_unconfirmed(data, made.id)
            assert touched.now() == edited
            assert str(path) in (read_all(data)[0].words or "")
    undone = put_back_unconfirmed(data, made.id)
    assert undone is not None
    assert undone.state == "rolled-back"
    assert touched.now() == touched.before


@pytest.mark.parametrize("how", ["mode", "owner"])
def test_what_is_dressed_otherwise_in_the_middle_of_a_change_that_is_put_back_is_named(touched: Touched, how: str) -> None:
    """The content is ours, so everything becomes what it was, mode and owner too: a server that starts needs the old ones."""
    changed = [touched.files[kind] for kind in MODIFIED]

    def listen(event: Event) -> None:
        if (event.station, event.state) == ("prove-all", "running"):
            for path in changed:
                EDITS[how](path)
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(RolledBack) as caught:
        touched.apply(listen)
    assert all(str(path) in str(caught.value) for path in changed)
    touched.again()
