"""What `inspect` returns of real clusters, running and stopped."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from pgssl_wizard.cluster.inspect import inspect
from pgssl_wizard.errors import Refused, UnusableInput
from tests.cluster.somebody import as_somebody
from tests.servers import RealCluster, available

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="root may become somebody else, and give files away")


def codes(cluster: object) -> set[str]:
    """The codes of a cluster's findings."""
    return {finding.code for finding in cluster.findings}  # type: ignore[attr-defined]


def test_a_running_cluster_is_told_as_it_is(cluster: RealCluster, major: int) -> None:
    """Version, port, what the server itself says, and no TLS yet."""
    seen = inspect(cluster.data_directory)
    assert (seen.major, seen.server_version) == (major, cluster.programs.version)
    assert seen.bin_directory == cluster.programs.bin_directory
    assert (seen.tls_built_in, seen.openssl_version) == (True, cluster.programs.openssl)
    assert seen.postmaster is not None
    assert (seen.postmaster.pid, seen.postmaster.port) == (cluster.pid, cluster.port)
    assert seen.server is not None
    assert (seen.server.superuser, seen.server.in_recovery, seen.server.sessions) == (True, False, ())
    assert (seen.server.pending, seen.server.restart_pending, seen.server.rules_edited_since_load) == ((), (), False)
    assert set(seen.server.roles) == {cluster.superuser, "app"}
    assert seen.tls_answers is False
    assert seen.certificates == ()
    assert seen.managed_by is None
    assert codes(seen) == {"local-only", "tls-off"}


def test_a_stopped_cluster_is_told_from_its_files(stopped_cluster: RealCluster) -> None:
    """The same settings, without anything in force."""
    seen = inspect(stopped_cluster.data_directory)
    assert not seen.running
    assert (seen.server, seen.server_problem, seen.tls_answers) == (None, None, None)
    assert seen.settings["port"].value == str(stopped_cluster.port)
    assert {setting.in_force for setting in seen.settings.values()} == {None}
    assert "server-down" in codes(seen)


def test_rules_are_judged_by_the_settings_that_they_rest_on(newest_major: int, tmp_path: Path) -> None:
    """An oauth rule needs its validator among the libraries that the settings name."""
    if newest_major < 18:
        pytest.skip("oauth came with 18")
    with RealCluster.make(tmp_path, newest_major) as cluster:
        put = cluster.hba_file.read_text() + "host all all all oauth issuer=i scope=s validator=v\n"
        cluster.hba_file.write_text(put)
        assert inspect(cluster.data_directory).rules[-1].error == "oauth_validator_libraries must be set for authentication method oauth"
        cluster.set(oauth_validator_libraries="v")
        assert inspect(cluster.data_directory).rules[-1].error is None


def test_inspecting_changes_nothing(cluster: RealCluster) -> None:
    """No file is made, written or touched, and the log holds no refused login."""

    def state() -> dict[Path, tuple[int, int, int]]:
        # What the server itself writes all the time is left out.
        own = {"pg_stat", "pg_stat_tmp", "pg_wal", "global", "base", "pg_xact", "pg_subtrans", "pg_logical", "pg_dynshmem"}
        return {
            path: (path.lstat().st_mode, path.lstat().st_mtime_ns, path.lstat().st_size)
            for path in sorted(cluster.data_directory.rglob("*"))
            if path.relative_to(cluster.data_directory).parts[0] not in own
        }

    before = state()
    inspect(cluster.data_directory)
    assert state() == before
    assert "FATAL" not in cluster.log()


@as_root
def test_the_servers_own_user_sees_what_root_sees(cluster: RealCluster) -> None:
    """Nothing of the inspection needs root."""
    seen = inspect(cluster.data_directory)
    assert as_somebody(cluster.identity, lambda: inspect(cluster.data_directory)) == seen


def test_a_served_certificate_is_compared_with_the_one_on_disk(cluster: RealCluster) -> None:
    """After a reload they are the same; a file replaced behind the server's back is noticed."""
    made = cluster.serve_tls("db.example.com", "10.0.0.5")
    seen = inspect(cluster.data_directory)
    assert (seen.tls_answers, seen.served_sha256) == (True, made.sha256)
    (leaf,) = seen.certificates
    assert (leaf.role, leaf.sha256, leaf.key_matches) == ("server", made.sha256, True)
    assert leaf.names == ("db.example.com", "10.0.0.5")
    assert "served-differs" not in codes(seen)
    cluster.write("server.crt", (cluster.data_directory / "server.crt").read_bytes() + b"\n")
    from tests.servers import certificates

    cluster.write("server.crt", certificates.make("other", "other.example.com").pem)
    assert {"served-differs", "key-mismatch"} <= codes(inspect(cluster.data_directory))


def test_ssl_on_with_a_key_that_does_not_load_is_not_taken_for_tls(cluster: RealCluster) -> None:
    """SHOW ssl says on after a failed reload; only the handshake tells the truth, also without any login."""
    made = cluster.serve_tls()
    from tests.servers import certificates

    cluster.stop()
    cluster.set(ssl="off")
    cluster.start()
    cluster.write("server.key", certificates.make("other").key_pem)
    cluster.set(ssl="on")
    cluster.reload()
    assert cluster.sql("show ssl") == [("on",)]
    for user in (None, "nobody_of_that_name"):
        seen = inspect(cluster.data_directory, user=user)
        assert seen.tls_answers is False
        assert {"tls-not-loaded", "key-mismatch"} <= codes(seen)
    assert made.sha256 == seen.certificates[0].sha256


def test_when_nobody_can_log_in_the_reason_is_told_and_the_rest_still_read(newest_cluster: RealCluster) -> None:
    """In the server's words."""
    seen = inspect(newest_cluster.data_directory, user="nobody_of_that_name")
    assert seen.running
    assert seen.server is None
    assert "nobody_of_that_name" in str(seen.server_problem)
    said = next(finding for finding in seen.findings if finding.code == "no-administrator")
    assert "nobody_of_that_name" in said.message
    assert seen.settings["port"].value == str(newest_cluster.port)


def test_programs_of_another_version_are_refused(newest_cluster: RealCluster) -> None:
    """--pg-bin counts, even when it is wrong."""
    other = min(available())
    if other == newest_cluster.major:
        pytest.skip("needs servers of two versions")
    with pytest.raises(UnusableInput, match="belongs to version"):
        inspect(newest_cluster.data_directory, pg_bin=available()[other].bin_directory)


def test_programs_may_be_named_from_where_one_stands(stopped_cluster: RealCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative --pg-bin."""
    monkeypatch.chdir(stopped_cluster.programs.bin_directory.parent)
    seen = inspect(stopped_cluster.data_directory, pg_bin=Path("bin"))
    assert seen.bin_directory == stopped_cluster.programs.bin_directory


def test_a_missing_file_that_the_server_needs_is_refused(stopped_cluster: RealCluster) -> None:
    """With its name."""
    stopped_cluster.hba_file.unlink()
    with pytest.raises(Refused, match="missing") as caught:
        inspect(stopped_cluster.data_directory)
    assert caught.value.where == str(stopped_cluster.hba_file)


@as_root
def test_an_unreadable_file_is_refused_with_who_could_read_it(stopped_cluster: RealCluster) -> None:
    """Also one that only takes part, like postgresql.auto.conf or an include."""
    uid = stopped_cluster.identity.uid
    stopped_cluster.write("more.conf", "work_mem = '5MB'\n")
    with stopped_cluster.config_file.open("a") as file:
        file.write("include 'more.conf'\n")
    for path in (
        stopped_cluster.config_file,
        stopped_cluster.hba_file,
        stopped_cluster.auto_conf,
        stopped_cluster.data_directory / "more.conf",
    ):
        os.chown(path, 0, 0)
        path.chmod(0o600)
        with pytest.raises(Refused, match="root can read it") as caught:
            as_somebody(stopped_cluster.identity, lambda: inspect(stopped_cluster.data_directory))
        assert caught.value.where == str(path)
        said = [finding for finding in inspect(stopped_cluster.data_directory).findings if finding.code == "server-cannot-read"]
        assert [finding.where for finding in said] == [str(path)]
        os.chown(path, uid, stopped_cluster.identity.gid)


@pytest.mark.parametrize("kind", ["directory", "fifo", "circle"])
def test_something_else_in_the_place_of_a_file_is_refused(newest_major: int, tmp_path: Path, kind: str) -> None:
    """Without waiting for a pipe that nobody writes to."""
    with RealCluster.make(tmp_path, newest_major) as real:
        real.hba_file.unlink()
        if kind == "directory":
            real.hba_file.mkdir()
        elif kind == "fifo":
            os.mkfifo(real.hba_file)
        else:
            real.hba_file.symlink_to(real.hba_file.name)
        with pytest.raises(Refused, match="cannot be used") as caught:
            inspect(real.data_directory)
        assert caught.value.where == str(real.hba_file)


def test_a_process_number_left_behind_is_told_and_counts_as_down(stopped_cluster: RealCluster) -> None:
    """After a crash, or from inside a container."""
    stopped_cluster.write("postmaster.pid", f"{os.getpid()}\n/somewhere\n1\n5432\n\n\n\nready\n")
    seen = inspect(stopped_cluster.data_directory)
    assert not seen.running
    said = next(finding for finding in seen.findings if finding.code == "pid-file-left")
    assert str(os.getpid()) in said.message


def test_a_symbolic_link_stands_for_the_directory_it_leads_to(stopped_cluster: RealCluster, tmp_path: Path) -> None:
    """One cluster has one name."""
    link = tmp_path / "link"
    link.symlink_to(stopped_cluster.data_directory)
    assert inspect(link) == inspect(stopped_cluster.data_directory)


def test_a_server_without_sockets_and_one_without_tcp_can_be_inspected(newest_major: int, tmp_path: Path) -> None:
    """Over loopback by password, or over the socket alone."""
    with RealCluster.make(tmp_path, newest_major, conf={"listen_addresses": ""}) as real:
        real.start()
        seen = inspect(real.data_directory)
        assert (seen.tls_answers, seen.server is not None) == (None, True)
        assert "no-tcp" in codes(seen)


def test_loading_the_inspection_does_not_load_what_only_some_clusters_need() -> None:
    """The client library, the certificate library and the parser of SQL cost more than all the rest."""
    program = (
        "import sys, pgssl_wizard.cluster.inspect, pgssl_wizard.cluster.discover, pgssl_wizard.cluster.surroundings\n"
        "print(*sorted({'psycopg', 'cryptography', 'pglast', 'click', 'textual'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2])
    assert done.stdout.strip() == ""


def test_a_stopped_cluster_without_certificates_needs_no_large_library(stopped_cluster: RealCluster) -> None:
    """Not even while it is inspected."""
    program = (
        f"import sys\nfrom pathlib import Path\nfrom pgssl_wizard.cluster.inspect import inspect\n"
        f"inspect(Path({str(stopped_cluster.data_directory)!r}))\n"
        "print(*sorted({'psycopg', 'cryptography', 'pglast', 'click', 'textual'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2])
    assert done.stdout.strip() == ""


def test_a_key_never_shows_in_what_was_found(cluster: RealCluster) -> None:
    """Its bytes are compared and let go."""
    made = cluster.serve_tls()
    secret = made.key_pem.split(b"\n")[1].decode()
    assert secret not in repr(inspect(cluster.data_directory))
    assert not any(secret.encode() in (fact.data or b"") for fact in inspect(cluster.data_directory).files.values())


def test_a_server_that_hangs_up_on_us_is_no_reason_to_fail(newest_cluster: RealCluster) -> None:
    """All places taken: we are told so, and everything else is read."""
    limit = int(str(newest_cluster.sql("show max_connections")[0][0]))
    newest_cluster.sql("alter system set superuser_reserved_connections = 0")
    taken = []
    try:
        for _ in range(limit + 40):
            one = socket.create_connection(("127.0.0.1", newest_cluster.port))
            taken.append(one)
        seen = inspect(newest_cluster.data_directory)
        assert seen.running
        assert seen.settings["ssl"].value == "off"
    finally:
        for one in taken:
            one.close()
