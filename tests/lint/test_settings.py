from __future__ import annotations

import pytest

from tests.lint.asking import codes, findings

ON = "ssl = on\n"


@pytest.mark.parametrize(
    ("line", "code", "cure"),
    [
        ("ssl_cert_file = server.crt", "settings-syntax-error", "ssl_cert_file = 'server.crt'"),
        ("ssl_cert_file = /etc/x.crt", "settings-syntax-error", "ssl_cert_file = '/etc/x.crt'"),
        ('ssl_ciphers = "HIGH"', "settings-syntax-error", "ssl_ciphers = 'HIGH'"),
        ("port = 5432;", "settings-syntax-error", "port = '5432'"),
        ("ssl_ciphers = 'HIGH';", "settings-syntax-error", "Take the semicolon out"),
        ("ssl_ciphers = 'HIGH", "settings-syntax-error", "Close the single quote"),
        ("port == 5432", "settings-syntax-error", "single equals sign"),
        ("port =", "settings-syntax-error", "Write a value"),
        ("// port", "settings-syntax-error", "begins with #"),
        ("host all all all md5", "settings-syntax-error", "belongs into pg_hba.conf"),
        ("ssl_min_protocol_version = 'SSLv3'", "settings-syntax-error", "Available values"),
        ("ssl = maybe", "settings-syntax-error", "Correct the line"),
        ("include 'gone.conf'", "settings-syntax-error", "See to it that the file is there"),
        ("ssl_cert_fil = 'x'", "setting-unknown", "Did you mean ssl_cert_file?"),
        ("ssl_sni = on", "setting-unknown", "It came with 19"),
        ("stats_temp_directory = 'x'", "setting-unknown", "It went with 15"),
        ("wal_keep_segments = 3", "setting-unknown", "wal_keep_size"),
        ("qwertz = 3", "setting-unknown", "No version from 13 to 19"),
    ],
)
def test_a_refused_line_comes_with_its_cure(line: str, code: str, cure: str) -> None:
    (error,) = [each for each in findings("postgresql.conf", f"{ON}{line}\n") if each.severity == "error"]
    assert (error.code, error.where) == (code, "/etc/pg/postgresql.conf:2")
    assert "is refused by PostgreSQL 18" in error.message
    assert cure in str(error.hint)


def test_everything_that_is_wrong_is_told_at_once_although_the_server_stops_at_the_first() -> None:
    text = "ssl = on off\nqwertz = 1\nport = many\nport = 5432\nwork_mem = lots\ninclude 'gone'\n"
    errors = {place for severity, _, place in codes("postgresql.conf", text) if severity == "error"}
    assert errors == {"1", "2", "5", "6"}, "a value that a later line overrides does not count"


def test_settings_that_a_reload_takes_and_the_next_start_does_not_are_told() -> None:
    said = codes("postgresql.conf", f"{ON}wal_level = minimal\nmax_wal_senders = 5\n")
    assert ("error", "settings-conflict", "2") in said
    assert ("error", "settings-conflict", "2") not in codes("postgresql.conf", f"{ON}wal_level = minimal\nmax_wal_senders = 0\n")


def test_a_password_is_not_repeated_in_a_cure() -> None:
    said = findings("postgresql.conf", 'primary_conninfo = "host=x password=hunter2"\n')
    assert "hunter2" not in str(said)


@pytest.mark.parametrize(
    ("text", "severity", "code", "line"),
    [
        ("ssl_min_protocol_version = 'TLSv1'", "warning", "weak-protocol", "2"),
        ("ssl_min_protocol_version = 'TLSv1.1'", "warning", "weak-protocol", "2"),
        ("ssl_min_protocol_version = 'TLSv1.3'\nssl_max_protocol_version = 'TLSv1.2'", "warning", "protocol-bounds", "3"),
        ("ssl_ciphers = 'HIGH:TLS_AES_128_GCM_SHA256'", "warning", "tls13-suites-misplaced", "2"),
        ("ssl_ciphers = 'ALL'", "warning", "weak-ciphers", "2"),
        ("ssl_ciphers = 'HIGH:RC4-SHA'", "warning", "weak-ciphers", "2"),
        ("ssl_cert_file = '~/server.crt'", "warning", "path-not-expanded", "2"),
        ("ssl_cert_file = 'tls/server.crt'", "info", "path-relative-to-data", "2"),
        ("hba_file = 'pg_hba.conf'", "warning", "path-relative-to-anywhere", "2"),
        ("ssl_cert_file = '/C:\\temp\\new.crt'", "warning", "backslash-in-value", "2"),
        ("ssl_passphrase_command = 'secret 100%'", "warning", "passphrase-command-percent", "2"),
        ("ssl_passphrase_command = 'echo xyzzy'", "warning", "passphrase-in-command", "2"),
        ("password_encryption = md5", "warning", "md5-passwords", "2"),
        ("port = 1\nport = 2", "info", "setting-overridden", "2"),
        ("log_checkpoints = of", "info", "abbreviated", "2"),
        ("ssl_ecdh_curve = 'prime256v1'", "info", "setting-renamed", "2"),
        ("lc_messages = 'de_DE.UTF-8'", "info", "depends-on-machine", "2"),
    ],
)
def test_what_is_weak_or_misleading_is_told(text: str, severity: str, code: str, line: str) -> None:
    assert codes("postgresql.conf", f"{ON}{text}\n") == {(severity, code, line)}


@pytest.mark.parametrize(
    "text",
    [
        "ssl_min_protocol_version = 'TLSv1.3'",
        "ssl_max_protocol_version = ''",
        "ssl_ciphers = 'HIGH:MEDIUM:+3DES:!aNULL'",
        "port = 5432",
        "ssl_cert_file = '/etc/x.crt'",
        "ssl_passphrase_command = 'secret %p %%'",
        "password_encryption = 'scram-sha-256'",
        "my.thing = 1",
    ],
)
def test_nothing_is_said_of_settings_as_they_should_be(text: str) -> None:
    assert codes("postgresql.conf", f"{ON}{text}\n") == set()


def test_what_an_upgrade_makes_of_a_setting_is_told() -> None:
    assert codes("postgresql.conf", f"{ON}ssl_passphrase_command = 'secret 100%'\n", 15) == {("info", "passphrase-command-percent", "2")}
    assert codes("postgresql.conf", f"{ON}ssl_ecdh_curve = 'prime256v1'\n", 17) == set()
    assert codes("postgresql.conf", f"{ON}ssl_ecdh_curve = 'X25519:prime256v1'\n", 17) == {("warning", "several-curves", "2")}


def test_tls_is_told_to_be_off_by_its_line_or_for_the_whole_file() -> None:
    assert codes("postgresql.conf", "ssl = off\n") == {("info", "tls-off", "1")}
    assert codes("postgresql.conf", "port = 5432\n") == {("info", "tls-off", None)}
    assert codes("postgresql.auto.conf", "port = 5432\n") == set(), "another file may set it"


def test_relative_paths_in_the_data_directory_mean_just_that() -> None:
    text = f"{ON}ssl_cert_file = 'server.crt'\n"
    from tests.lint.asking import reports

    (report,) = reports({"postgresql.conf": text, "PG_VERSION": "18\n"}, given=("postgresql.conf",))
    assert report.remarks == ()
