"""The list of data directories: complete, quick to make, and never in the way."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pgssl_wizard.cluster import discover, layout
from pgssl_wizard.cluster.discover import FoundCluster, describe, find
from tests.cluster.somebody import STRANGER, as_somebody
from tests.cluster.test_layout import a_data_directory
from tests.server.container import impossible, in_container
from tests.servers import RealCluster

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


def found(path: Path) -> FoundCluster:
    """The entry for this data directory."""
    (entry,) = [each for each in find() if each.data_directory == path]
    return entry


def test_a_running_server_is_found_wherever_it_is(cluster: RealCluster, major: int) -> None:
    """By its process; its children are not taken for servers."""
    entry = found(cluster.data_directory)
    assert (entry.version, entry.running, entry.tls, entry.worrying, entry.problem) == (str(major), True, "TLS off", False, None)


@pytest.mark.skipif(impossible() is not None, reason=impossible() or "")
def test_a_server_in_a_container_is_found_where_its_directory_has_the_same_name_here(stopped_cluster: RealCluster) -> None:
    """Though it calls itself process 1."""
    with in_container(stopped_cluster):
        assert found(stopped_cluster.data_directory).running


def test_the_state_of_tls_is_told_in_words(newest_cluster: RealCluster) -> None:
    """Off; on, with what the certificate is good for."""
    data = newest_cluster.data_directory
    assert describe(data).tls == "TLS off"
    newest_cluster.serve_tls()
    assert (describe(data).tls, describe(data).worrying) == ("TLS on, self-signed", True)
    from tests.servers import certificates

    newest_cluster.write("server.crt", certificates.make("old", "old", days=-1).pem)
    assert describe(data).tls.startswith("TLS on, expired 20")
    newest_cluster.write("server.crt", certificates.make("no names").pem)
    assert describe(data).tls == "TLS on, certificate without names"
    ca = certificates.make("CA", ca=True)
    newest_cluster.write("server.crt", certificates.make("db", "db", issuer=ca).pem)
    assert describe(data).tls.startswith("TLS on, certificate to 20")
    assert not describe(data).worrying
    snakeoil = newest_cluster.write("ssl-cert-snakeoil.pem", certificates.make("host", "host").pem)
    (data / "server.crt").unlink()
    (data / "server.crt").symlink_to(snakeoil)
    assert (describe(data).tls, describe(data).worrying) == ("TLS on, snakeoil certificate: nobody can verify it", True)
    newest_cluster.write("server.crt", "nonsense")
    assert describe(data).tls == "TLS on, no certificate"


def test_a_stopped_cluster_is_found_by_pgdata(stopped_cluster: RealCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """As every other program of PostgreSQL finds it."""
    monkeypatch.setenv("PGDATA", str(stopped_cluster.data_directory))
    assert not found(stopped_cluster.data_directory).running


def test_a_cluster_is_found_where_packages_put_it(stopped_cluster: RealCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once, though several patterns lead to it."""
    parent = stopped_cluster.data_directory.parent
    monkeypatch.setattr(discover, "PLACES", (f"{parent}/*", f"{parent.parent}/*/data", "/nonexistent/*", "relative/*"))
    assert found(stopped_cluster.data_directory).version == str(stopped_cluster.major)


def test_debians_clusters_are_found_by_their_configuration(major: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Running and stopped, under the names that Debian's tools use."""
    with RealCluster.make(tmp_path, major, "debian") as real:
        monkeypatch.setattr(layout, "DEBIAN_CONFIGURATION", real.config_directory.parents[1])
        assert (found(real.data_directory).label, found(real.data_directory).running) == (f"{major}/main", False)
        real.start()
        assert (found(real.data_directory).label, found(real.data_directory).running) == (f"{major}/main", True)


def test_what_was_named_comes_first_then_what_runs(newest_cluster: RealCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unusable ones come last, with the reason."""
    named, broken, missing = (
        a_data_directory(tmp_path / "named", "13"),
        a_data_directory(tmp_path / "broken", "twelve"),
        tmp_path / "missing",
    )
    (named / "postgresql.conf").write_text("")
    monkeypatch.setattr(discover, "PLACES", (str(broken),))
    entries = find((missing, named))
    assert [entry.data_directory for entry in entries[:2]] == [missing, named]
    assert "no such directory" in str(entries[0].problem)
    assert entries[1].problem is None
    order = [entry.data_directory for entry in entries]
    assert order.index(newest_cluster.data_directory) < order.index(broken)
    assert "which is no version" in str(entries[order.index(broken)].problem)


@as_root
def test_somebody_elses_server_is_listed_with_what_to_do(newest_cluster: RealCluster) -> None:
    """For a user who may not look into it."""
    entries = as_somebody(STRANGER, find)
    (entry,) = [each for each in entries if each.data_directory == newest_cluster.data_directory]
    assert not entry.running
    assert f"as {newest_cluster.identity.name}" in str(entry.problem)


def test_nothing_that_stands_in_the_files_makes_it_fail(stopped_cluster: RealCluster) -> None:
    """Garbage, a circle of links, a missing file."""
    data = stopped_cluster.data_directory
    stopped_cluster.config_file.write_bytes(bytes(range(256)) * 20)
    assert describe(data).version == str(stopped_cluster.major)
    stopped_cluster.config_file.write_bytes(b"ssl = on\nssl_cert_file = '\\000/x'\n")
    assert describe(data).tls == "TLS on, no certificate"
    stopped_cluster.config_file.unlink()
    assert describe(data).tls == "its configuration cannot be read"
    stopped_cluster.config_file.symlink_to("postgresql.conf")
    assert describe(data).tls == "its configuration cannot be read"
