"""Changes on servers whose log goes elsewhere, or speaks another language: connections prove them, and prove what did not work."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pgssl_wizard.change import serving
from pgssl_wizard.change.apply import apply
from pgssl_wizard.change.model import Change, Event
from pgssl_wizard.errors import RolledBack
from pgssl_wizard.server import log, postmaster
from tests.change import planning
from tests.change.test_failures import at, everything_stays
from tests.proof import german
from tests.servers import RealCluster
from tests.servers.cluster import _until

#: Settings by destination; `pipe` is what a server under systemd or in a container has.
DESTINATIONS = {
    "csv": {"logging_collector": "on", "log_destination": "csvlog"},
    "json": {"logging_collector": "on", "log_destination": "jsonlog"},
    "collector": {"logging_collector": "on"},
    "syslog": {"log_destination": "syslog"},
    "silent": {"log_min_messages": "panic"},
    "pipe": {},
}
#: Those whose log nobody reads here.
ELSEWHERE = ("syslog", "silent", "pipe")


@contextmanager
def started(real: RealCluster, destination: str) -> Iterator[None]:
    """Start a server with its log at this destination."""
    if destination == "json" and real.major < 15:
        pytest.skip("jsonlog came with PostgreSQL 15")
    real.set(**DESTINATIONS[destination])
    reader: int | None = None
    if destination == "pipe":
        real.log_file.unlink()
        os.mkfifo(real.log_file)
        os.chown(real.log_file, real.identity.uid, real.identity.gid)
        # Open for both, so that nobody waits for the other end.
        reader = os.open(real.log_file, os.O_RDWR | os.O_NONBLOCK)
    real.start()
    if "logging_collector" in DESTINATIONS[destination]:
        for _ in _until("the collector does not say where it writes"):
            if log.find(real.data_directory, postmaster.read(real.data_directory)) is not None:
                break
    yield
    real.stop(how="immediate")
    if reader is not None:
        os.close(reader)
        real.log_file.unlink()
        real.log_file.touch()


def change(real: RealCluster, ca: Path, report: Callable[[Event], None] = lambda _: None) -> Change:
    """Set TLS up and demand it."""
    facts = planning.look(real)
    return apply(planning.plan(real, facts, ca), facts, rehearse=False, report=report)


def spoil(real: RealCluster) -> Callable[[], None]:
    """Return what makes the new key unusable for the server."""
    return lambda: (real.data_directory / "server.key").chmod(0o644)


@pytest.mark.parametrize("destination", ["csv", "json", "collector"])
def test_a_change_is_proved_and_its_log_lines_are_told(newest_cluster: RealCluster, tmp_path: Path, destination: str) -> None:
    """By connections; the collector's file in its format says what the server did, and nobody else's business."""
    newest_cluster.stop()
    with started(newest_cluster, destination):
        made = change(newest_cluster, tmp_path / "ca")
        assert made.proved
        assert made.proof is not None
        told = made.proof.log
        assert told is not None
        assert told.file is not None
        assert told.file.suffix == {"csv": ".csv", "json": ".json", "collector": ".log"}[destination]
        assert any("SIGHUP" in text for text in told.lines)
        assert any('"ssl" changed' in text for text in told.lines)
        # Whom the rules refused, that is said by the ways in.
        assert not any("pg_hba.conf rejects" in text for text in told.lines)
        assert told.complaints == ()
        assert not [finding for finding in made.findings if finding.code == "log-elsewhere"]


@pytest.mark.parametrize("destination", ELSEWHERE)
def test_a_change_is_proved_by_connections_where_the_log_is_elsewhere(
    stopped_cluster: RealCluster, tmp_path: Path, destination: str
) -> None:
    """On every version; that the log tells nothing is said, and is no fault."""
    with started(stopped_cluster, destination):
        made = change(stopped_cluster, tmp_path / "ca")
        assert made.proved
        assert made.proof is not None
        assert made.proof.log is not None
        assert (made.proof.log.file, made.proof.log.lines) == (None, ())
        finding = next(finding for finding in made.findings if finding.code == "log-elsewhere")
        assert finding.severity == "info"
        assert "connections alone" in finding.message


@pytest.mark.parametrize("destination", ["csv", "json"])
def test_a_key_that_the_server_cannot_use_is_told_in_its_words_from_any_file(
    newest_cluster: RealCluster, tmp_path: Path, destination: str
) -> None:
    """And rolled back at once."""
    newest_cluster.stop()
    with (
        started(newest_cluster, destination),
        everything_stays(newest_cluster),
        pytest.raises(RolledBack, match="group or world access") as caught,
    ):
        change(newest_cluster, tmp_path / "ca", at("reload", spoil(newest_cluster)))
    assert "Everything is as before" in str(caught.value)


@pytest.mark.parametrize("destination", ELSEWHERE)
def test_a_key_that_the_server_cannot_use_is_seen_from_outside(
    newest_cluster: RealCluster, tmp_path: Path, destination: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody says why, so the message says what was seen, and why the log does not explain it."""
    monkeypatch.setattr(serving, "PATIENCE", 3.0)
    newest_cluster.stop()
    with (
        started(newest_cluster, destination),
        everything_stays(newest_cluster),
        pytest.raises(RolledBack, match=r"still answers without TLS\. Its log does not explain it") as caught,
    ):
        change(newest_cluster, tmp_path / "ca", at("reload", spoil(newest_cluster)))
    assert "Everything is as before" in str(caught.value)


def test_rules_that_the_server_cannot_read_are_seen_from_outside(
    newest_cluster: RealCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Plaintext still gets in: that is enough to put everything back, although the log is elsewhere."""
    monkeypatch.setattr(serving, "PATIENCE", 3.0)
    newest_cluster.stop()

    def take_away() -> None:
        os.chown(newest_cluster.hba_file, 0, 0)

    if os.geteuid() != 0:
        pytest.skip("only root can take a file away from the server")
    with (
        started(newest_cluster, "syslog"),
        everything_stays(newest_cluster),
        pytest.raises(RolledBack, match=r"sslmode=disable .* was to reject and did accept"),
    ):
        change(newest_cluster, tmp_path / "ca", at("reload-rules", take_away))


def test_a_log_that_is_rotated_during_the_reload_is_read_on_in_its_next_file(newest_cluster: RealCluster, tmp_path: Path) -> None:
    """Both by the collector, which begins another file, and with the server's words in it."""
    newest_cluster.stop()
    newest_cluster.set(log_filename="one.log")
    with started(newest_cluster, "collector"):
        first = log.find(newest_cluster.data_directory, postmaster.read(newest_cluster.data_directory))
        assert first is not None
        # Read in the very reload: the collector goes on in another file.
        newest_cluster.set(log_filename="two.log")
        with everything_stays(newest_cluster), pytest.raises(RolledBack, match="group or world access"):
            change(newest_cluster, tmp_path / "ca", at("reload", spoil(newest_cluster)))
        made = change(newest_cluster, tmp_path / "ca2")
        assert made.proved
        assert made.proof is not None
        assert made.proof.log is not None
        assert made.proof.log.file == first.with_name("two.log")


def test_a_log_that_is_moved_away_is_followed(newest_cluster: RealCluster, tmp_path: Path) -> None:
    """The server goes on writing into the file that it has open, whatever that is called now."""
    moved = newest_cluster.log_file.with_name("server.log.1")

    def rotate() -> None:
        newest_cluster.log_file.rename(moved)
        newest_cluster.log_file.touch()
        spoil(newest_cluster)()

    with pytest.raises(RolledBack, match="group or world access"):
        change(newest_cluster, tmp_path / "ca", at("reload", rotate))


def test_a_log_in_another_language_explains_nothing_and_connections_do(
    open_tmp_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The change is proved, its lines are shown as they are; and one that does not work is rolled back by what was seen."""
    with german.cluster(open_tmp_path) as real:
        real.start()
        with monkeypatch.context() as hurried:
            hurried.setattr(serving, "PATIENCE", 3.0)
            with everything_stays(real), pytest.raises(RolledBack, match="still answers without TLS"):
                change(real, tmp_path / "ca", at("reload", spoil(real)))
        made = change(real, tmp_path / "ca2")
        assert made.proved
        assert made.proof is not None
        assert made.proof.log is not None
        assert made.proof.log.file == real.log_file
        assert any("SIGHUP empfangen" in text for text in made.proof.log.lines)
