"""What is said about settings and rules, with the line where it stands."""

from __future__ import annotations

from pathlib import Path

import pytest

from pgssl_wizard.cluster import inspect as inspecting
from pgssl_wizard.cluster.facts import Cluster
from pgssl_wizard.errors import Refused
from pgssl_wizard.findings import Finding
from tests.servers import RealCluster, available


def inspect(directory: Path) -> Cluster:
    """What is there, as the programs of this version see it too, though it never ran."""
    major = int((directory / "PG_VERSION").read_text(encoding="ascii"))
    return inspecting.inspect(directory, pg_bin=available()[major].bin_directory)


def said(seen: Cluster, code: str) -> Finding:
    """The only finding with this code."""
    (only,) = [finding for finding in seen.findings if finding.code == code]
    return only


def add(cluster: RealCluster, text: str) -> int:
    """Append a line to postgresql.conf; return its number."""
    with cluster.config_file.open("a", encoding="utf-8") as file:
        file.write(text + "\n")
    return cluster.config_file.read_text(encoding="utf-8").count("\n")


@pytest.mark.parametrize("running", [True, False])
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ssl on off", "syntax error"),
        ("ssl_cert_file = server.crt", "syntax error"),
        ("include 'gone.conf'", "could not open configuration file"),
        ("include_dir 'gone.d'", "could not open configuration directory"),
        ("ssl = 'on '", 'parameter "ssl" requires a Boolean value'),
        ("no_such_setting = 1", "no_such_setting"),
        ("shared_buffers = 'plenty'", "shared_buffers"),
        ("ssl_min_protocol_version = 'SSLv3'", "ssl_min_protocol_version"),
    ],
)
def test_what_the_server_would_refuse_is_an_error_with_file_and_line(
    stopped_cluster: RealCluster, running: bool, text: str, words: str
) -> None:
    """Once, in the server's words, whether it runs or not; also in settings that have nothing to do with TLS."""
    if running:
        stopped_cluster.start()
    line = add(stopped_cluster, text)
    seen = inspect(stopped_cluster.data_directory)
    (error,) = [finding for finding in seen.findings if finding.severity == "error"]
    assert error.code == ("setting-unknown" if text.startswith("no_such") else "settings-syntax-error")
    assert words in error.message
    assert error.where == f"{stopped_cluster.config_file}:{line}"
    if not running:
        with pytest.raises(AssertionError, match="contains errors"):
            stopped_cluster.start()


def test_a_plan_is_refused_while_a_file_has_an_error(stopped_cluster: RealCluster, tmp_path: Path) -> None:
    """With its place."""
    from pgssl_wizard.cluster.surroundings import look
    from pgssl_wizard.plan.make import make_plan
    from pgssl_wizard.plan.recommend import recommend

    line = add(stopped_cluster, "no_such_setting = 1")
    seen = inspect(stopped_cluster.data_directory)
    answers = recommend(seen, tmp_path)
    with pytest.raises(Refused) as caught:
        make_plan(seen, look(seen, answers), answers)
    assert caught.value.where == f"{stopped_cluster.config_file}:{line}"


def test_a_setting_of_a_newer_version_is_told_as_unknown(stopped_cluster: RealCluster, major: int) -> None:
    """13 does not know ssl_crl_dir; nobody can set ssl_library."""
    line = add(stopped_cluster, "ssl_crl_dir = 'crls'" if major == 13 else "ssl_library = 'other'")
    seen = inspect(stopped_cluster.data_directory)
    places = {finding.where for finding in seen.findings if finding.severity == "error"}
    assert places == {f"{stopped_cluster.config_file}:{line}"}


@pytest.mark.parametrize("text", ["ssl = 'on '", "ssl_prefer_server_ciphers = maybe", "ssl_min_protocol_version = ''"])
def test_impossible_values_around_tls_are_told_without_any_program(stopped_cluster: RealCluster, text: str) -> None:
    """Where the server's programs cannot be found."""
    line = add(stopped_cluster, text)
    seen = inspecting.inspect(stopped_cluster.data_directory)
    assert said(seen, "settings-syntax-error").where == f"{stopped_cluster.config_file}:{line}"


def test_an_unknown_name_with_a_dot_is_an_extensions(stopped_cluster: RealCluster) -> None:
    """No complaint."""
    add(stopped_cluster, "ssl.anything = 1")
    assert not [finding for finding in inspect(stopped_cluster.data_directory).findings if finding.severity == "error"]


def test_a_rule_that_the_server_refuses_is_an_error_with_its_line(cluster: RealCluster) -> None:
    """In the words of the server's own view."""
    cluster.hba_file.write_text(cluster.hba_file.read_text() + "host all all 10.0.0.0/33 md5\n")
    line = cluster.hba_file.read_text().count("\n")
    error = said(inspect(cluster.data_directory), "rule-error")
    ((words,),) = cluster.sql("select error from pg_hba_file_rules where error is not null")
    assert str(words) in error.message
    assert (error.where, error.topic) == (f"{cluster.hba_file}:{line}", "rules")


def test_rules_without_a_single_entry_are_an_error(stopped_cluster: RealCluster) -> None:
    """The server does not start with them."""
    stopped_cluster.hba_file.write_text("# nobody\n")
    assert "contains no entries" in said(inspect(stopped_cluster.data_directory), "rule-error").message


def test_trust_over_tcp_is_told_once_with_all_its_lines(newest_major: int, tmp_path: Path) -> None:
    """As initdb leaves it; trust over the socket is another matter."""
    rules = "local all all trust\nhost all all 127.0.0.1/32 trust\nhost all all ::1/128 trust\nhostssl all all all trust\n"
    with RealCluster.make(tmp_path, newest_major, hba=rules) as real:
        finding = said(inspect(real.data_directory), "trust-over-tcp")
        assert (finding.severity, finding.topic) == ("warning", "rules")
        assert finding.message.startswith("Lines 2, 3 and 4 let anybody in over TCP without a password")
        assert finding.where == f"{real.hba_file}:2"
        assert "scram" in str(finding.hint)


def test_weak_methods_and_rules_that_match_nobody_are_told(newest_major: int, tmp_path: Path) -> None:
    """md5, password in plaintext, hostssl without TLS, certificates without a CA."""
    rules = "host a all all md5\nhost b all all password\nhostssl c all all cert\nhostssl d all all scram-sha-256 clientcert=verify-ca\n"
    with RealCluster.make(tmp_path, newest_major, hba=rules, conf={"password_encryption": "md5"}) as real:
        seen = inspect(real.data_directory)
        assert said(seen, "md5-method").message.startswith("Line 1 says md5")
        assert said(seen, "password-method").severity == "warning"
        assert said(seen, "hostssl-without-tls").message.startswith("Lines 3 and 4 are hostssl while TLS is off")
        assert said(seen, "clientcert-without-ca").message.startswith("Lines 3 and 4 ask for client certificates")
        assert said(seen, "md5-passwords").where == f"{real.config_file}:{seen.settings['password_encryption'].line}"


def test_a_file_with_hundreds_of_such_rules_is_told_in_one_line(newest_major: int, tmp_path: Path) -> None:
    """A program made it."""
    rules = "".join(f"host all u{number} all trust\n" for number in range(500))
    with RealCluster.make(tmp_path, newest_major, hba=rules) as real:
        assert said(inspect(real.data_directory), "trust-over-tcp").message.startswith("500 lines (from 1 on) let")


def test_reach_is_told_where_names_are_chosen(newest_major: int, tmp_path: Path) -> None:
    """Local only, nobody at all, everybody."""
    for value, code in (("localhost", "local-only"), ("127.0.0.1, ::1", "local-only"), ("", "no-tcp"), ("*", None)):
        with RealCluster.make(tmp_path, newest_major, conf={"listen_addresses": value}) as real:
            seen = inspect(real.data_directory)
            reach = [finding for finding in seen.findings if finding.code in {"local-only", "no-tcp"}]
            assert [finding.code for finding in reach] == ([code] if code else [])
            assert all(finding.topic == "names" for finding in reach)


def test_a_data_directory_open_to_its_group_wants_the_key_elsewhere(stopped_cluster: RealCluster) -> None:
    """Backups run by the group would fail on a key."""
    stopped_cluster.data_directory.chmod(0o750)
    assert said(inspect(stopped_cluster.data_directory), "data-directory-group-access").topic == "files"


def test_errors_come_first_and_every_finding_is_a_sentence(cluster: RealCluster) -> None:
    """With a code that scripts can match on."""
    cluster.hba_file.write_text(cluster.hba_file.read_text() + "host all all all trust\nnonsense\n")
    cluster.set(work_mem="7MB", ssl="on")
    seen = inspect(cluster.data_directory)
    ranks = [["error", "warning", "info"].index(finding.severity) for finding in seen.findings]
    assert ranks == sorted(ranks)
    assert ranks[0] == 0
    for finding in seen.findings:
        assert finding.code == finding.code.lower().replace("_", "-").replace(" ", "-")
        assert finding.message.rstrip()[-1] in ".!?"
        assert ".." not in finding.message
