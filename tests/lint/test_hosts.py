from __future__ import annotations

from tests.lint.asking import codes, only, reports

LINE = "db.example.com db.crt db.key root.crt\n"


def test_the_file_came_with_19_and_counts_only_with_sni() -> None:
    assert codes("pg_hosts.conf", LINE, 19) == set()
    assert codes("pg_hosts.conf", LINE, 18) == {("warning", "file-not-read", None)}
    assert codes("pg_hosts.conf", LINE, 19, postgresql_conf="ssl = on\n") == {("warning", "file-not-read", None)}
    assert codes("pg_hosts.conf", LINE, 19, postgresql_conf="ssl_sni = on\n") == set()


def test_what_the_server_refuses_is_an_error_and_the_rows_are_there() -> None:
    finding = only("pg_hosts.conf", "*,a db.crt db.key\n", "host-error", 19)
    assert "default and non-SNI" in finding.message
    assert "lines of their own" in str(finding.hint)
    (report,) = reports({"pg_hosts.conf": LINE}, 19)
    assert (report.accepted, report.hosts[0].hosts, report.hosts[0].ca) == (True, ("db.example.com",), "root.crt")


def test_a_stray_percent_in_a_passphrase_command_is_told() -> None:
    assert codes("pg_hosts.conf", 'a db.crt db.key root.crt "secret 100%" on\n', 19) == {("warning", "passphrase-command-percent", "1")}
