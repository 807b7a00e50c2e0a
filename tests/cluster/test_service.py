"""How a cluster is started, and that the commands which are named do what they say."""

from __future__ import annotations

import os
import shlex
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from pgssl_wizard.cluster import service
from pgssl_wizard.cluster.facts import Service
from pgssl_wizard.cluster.inspect import inspect
from pgssl_wizard.server import handshake, unit
from tests.plan.building import cluster as by_hand
from tests.server.container import impossible, in_container
from tests.servers import RealCluster
from tests.servers.cluster import _until
from tests.servers.found import usable

DEBIANS = Path("/usr/bin/pg_ctlcluster")


def said(real: RealCluster) -> Service:
    """How this cluster is started."""
    found = inspect(real.data_directory, pg_bin=real.programs.bin_directory).service
    assert found is not None
    return found


def run(real: RealCluster, command: str | None) -> None:
    """Run a command as the server's user, in a shell as people do."""
    assert command is not None
    log = real.log_file.open("ab")
    with log:
        done = subprocess.run(
            ["sh", "-c", command],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            env=real.identity.environment(),
            check=False,
            **real.identity.spawn_options(),
        )
    assert done.returncode == 0, real.log()


def test_a_server_started_by_hand_is_started_reloaded_and_restarted_by_pg_ctl(stopped_cluster: RealCluster) -> None:
    """With the arguments of its last start, which a start does not take over by itself."""
    stopped_cluster.command_line = ["-c", "authentication_timeout=44s"]
    stopped_cluster.start()
    first = said(stopped_cluster)
    assert first.kind == "pg_ctl"
    run(stopped_cluster, first.reload)
    for _ in _until("the server was not reloaded"):
        if "received SIGHUP" in stopped_cluster.log():
            break
    before = stopped_cluster.pid
    run(stopped_cluster, first.restart)
    assert stopped_cluster.pid not in {None, before}
    stopped_cluster.stop()
    run(stopped_cluster, said(stopped_cluster).start)
    assert stopped_cluster.sql("show authentication_timeout") == [("44s",)]
    stopped_cluster.stop()


@pytest.mark.skipif(not DEBIANS.exists(), reason="Debian's tools are not installed")
def test_debians_clusters_are_reloaded_by_its_own_command(open_tmp_path: Path) -> None:
    """Named as that command wants it, below another root too; its unit is not there, so nothing says systemctl."""
    major = next((int(path.parent.name) for path in sorted(Path("/usr/lib/postgresql").glob("*/bin"))), None)
    if major is None:
        pytest.skip("no server of Debian's packages is installed")
    with RealCluster.make(open_tmp_path, major, "debian", programs=usable(major)) as debian:
        debian.start()
        found = said(debian)
        assert found.kind == "debian"
        assert found.restart == f"PG_CLUSTER_CONF_ROOT={debian.config_directory.parent.parent} pg_ctlcluster {major} main restart"
        run(debian, found.reload)
        for _ in _until("the server was not reloaded"):
            if "received SIGHUP" in debian.log():
                break


def test_debians_own_place_needs_no_root() -> None:
    """And its arguments stand in a file of their own."""
    etc = Path("/etc/postgresql/17/main")
    found = by_hand(config_file=etc / "postgresql.conf", hba_file=etc / "pg_hba.conf", layout="debian", running=False)
    told = service.service_of(found)
    assert (told.start, told.arguments) == ("pg_ctlcluster 17 main start", f"{etc}/pg_ctl.conf (pg_ctl_options)")


def test_the_unit_of_a_running_server_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Debian's too: systemd knows when it is restarted behind its back."""
    etc = Path("/etc/postgresql/15/main")
    found = by_hand(config_file=etc / "postgresql.conf", hba_file=etc / "pg_hba.conf", layout="debian", major=15)
    monkeypatch.setattr(unit, "unit_of", lambda _: unit.Unit("postgresql@15-main.service"))
    assert service.service_of(found).restart == "systemctl restart postgresql@15-main"
    monkeypatch.setattr(unit, "unit_of", lambda _: unit.Unit("pg.service", of_user=True))
    assert service.service_of(found).reload == "systemctl --user reload pg"


@pytest.mark.parametrize(
    ("directory", "expected"),
    [("/var/lib/pgsql/data", "systemctl start postgresql"), ("/var/lib/pgsql/16/data", "systemctl start postgresql-16")],
)
def test_red_hats_places_tell_the_unit_of_a_server_that_is_down(directory: str, expected: str) -> None:
    """By the names that the packages give them."""
    found = replace(by_hand(running=False, layout="rhel"), data_directory=Path(directory))
    assert service.service_of(found).start == expected


@pytest.mark.parametrize(
    ("manager", "reload"),
    [("Patroni", "patronictl reload batman"), ("CloudNativePG", "kubectl cnpg reload batman"), ("Stolon", None)],
)
def test_a_managed_cluster_is_restarted_through_its_manager(manager: str, reload: str | None) -> None:
    """Never behind it; where it has no command for that, there is none to name."""
    found = by_hand(managed_by=manager, command_line={"cluster_name": "batman"})
    told = service.service_of(found)
    assert (told.kind, told.start, told.reload) == ("manager", None, reload)
    sentence = replace(found, service=told).to("reload")
    assert sentence == (f"run “{reload}”" if reload else f"reload the server through {manager}")


def test_every_command_is_one_that_a_shell_takes_apart_as_meant(newest_cluster: RealCluster) -> None:
    """Blanks and quotes in paths are part of them."""
    found = inspect(newest_cluster.data_directory)
    odd = replace(found, data_directory=Path("/srv/it's here/data"), command_line={"a.b": "x y"}, postmaster=None)
    told = service.service_of(odd)
    assert told.start is not None
    assert shlex.split(told.start)[1:] == ["start", "-D", "/srv/it's here/data", "-o", "-c a.b='x y'"]


@pytest.mark.skipif(impossible() is not None, reason=impossible() or "")
def test_a_server_in_a_container_is_shown_and_never_asked(stopped_cluster: RealCluster, tmp_path: Path) -> None:
    """It runs, and nothing that answers here in its place is taken for it: another server has the same port of this machine."""
    with RealCluster.make(tmp_path, stopped_cluster.major) as other, in_container(stopped_cluster):
        other.port = stopped_cluster.port
        other.set(port=str(other.port))
        other.serve_tls()
        other.start()
        assert handshake.fetch("127.0.0.1", stopped_cluster.port) is not None
        seen = inspect(stopped_cluster.data_directory, pg_bin=stopped_cluster.programs.bin_directory)
    assert seen.running
    assert (seen.server, seen.tls_answers, seen.served_sha256, seen.tls_library, seen.log_file) == (None, None, None, None, None)
    assert seen.service is not None
    assert (seen.service.kind, seen.service.restart) == ("container", "docker restart CONTAINER")
    (error,) = [finding for finding in seen.findings if finding.severity == "error"]
    assert error.code == "in-a-container"
    assert "docker exec" in (error.hint or "")
    assert "no-administrator" not in {finding.code for finding in seen.findings}


@pytest.mark.skipif(impossible() is not None, reason=impossible() or "")
def test_a_file_inside_a_container_is_not_looked_for_outside(stopped_cluster: RealCluster, open_tmp_path: Path) -> None:
    """What has its name here is another one, if there is any."""
    from pgssl_wizard.errors import Refused

    rules = open_tmp_path / "pg_hba.conf"
    rules.write_bytes(stopped_cluster.hba_file.read_bytes())
    os.chown(rules, stopped_cluster.identity.uid, stopped_cluster.identity.gid)
    stopped_cluster.set(hba_file=str(rules))
    with in_container(stopped_cluster), pytest.raises(Refused) as caught:
        inspect(stopped_cluster.data_directory, pg_bin=stopped_cluster.programs.bin_directory)
    assert caught.value.code == "in-a-container"


def test_findings_name_the_command_of_this_cluster(newest_cluster: RealCluster) -> None:
    """People copy it."""
    seen = inspect(newest_cluster.data_directory, pg_bin=newest_cluster.programs.bin_directory)
    (finding,) = [each for each in seen.findings if each.code == "local-only"]
    assert seen.service is not None
    assert str(seen.service.restart) in (finding.hint or "")


def test_arguments_of_the_command_line_are_changed_where_they_are_written(stopped_cluster: RealCluster) -> None:
    """As the official image is given them: `-c ssl=on`."""
    stopped_cluster.serve_tls()
    stopped_cluster.command_line = ["-c", "ssl=on", "-c", "ssl_cert_file=server.crt"]
    stopped_cluster.start()
    seen = inspect(stopped_cluster.data_directory, pg_bin=stopped_cluster.programs.bin_directory)
    told = [each.hint or "" for each in seen.findings if each.code == "command-line-override"]
    assert len(told) == 2
    assert all("the start command" in hint for hint in told)
