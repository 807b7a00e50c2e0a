from __future__ import annotations

import pytest

from tests.lint.asking import codes, findings, only


def test_windows_line_ends_are_told_and_taken() -> None:
    assert codes("pg_hba.conf", b"local all all peer\r\n") == {("info", "carriage-returns", None)}
    assert ("info", "carriage-returns", None) in codes("postgresql.conf", b"port = 5432\r\n")


def test_carriage_returns_alone_make_one_line_of_a_file() -> None:
    said = codes("pg_hba.conf", b"local all all peer\rhost all all all scram-sha-256\r")
    assert ("warning", "carriage-returns-only", None) in said
    assert "Save the file with line feeds" in str(only("pg_hba.conf", b"local all all peer\rhost all\r", "rule-error").hint)


@pytest.mark.parametrize("name", ["pg_hba.conf", "postgresql.conf", "pg_ident.conf"])
@pytest.mark.parametrize("first", ["# comment\n", "x y\n"])
def test_a_byte_order_mark_is_what_the_refusal_is_put_down_to(name: str, first: str) -> None:
    errors = [each for each in findings(name, "\ufeff" + first) if each.severity == "error"]
    assert [each.where for each in errors] == [f"/etc/pg/{name}:1"]
    assert "byte order mark" in str(errors[0].hint)


def test_a_byte_order_mark_that_the_server_takes_for_a_part_of_a_name_is_told() -> None:
    assert codes("pg_ident.conf", "\ufeffm alice alice\n") == {("warning", "byte-order-mark", "1")}


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le"])
def test_utf_16_is_one_finding_and_not_a_hundred(encoding: str) -> None:
    text = "local all all peer\nhost all all all md5\n" * 50
    assert codes("pg_hba.conf", text.encode(encoding)) == {("error", "not-text", None)}


def test_a_nul_hides_the_rest_of_a_line() -> None:
    assert ("warning", "nul-byte", "2") in codes("pg_hba.conf", b"local all all peer\nhost all all all scram-sha-256 \0 md5\n")
    assert "NUL" in str(only("postgresql.conf", b"port = 1 \0\n", "settings-syntax-error").hint)


def test_a_backslash_joins_lines_only_from_14_on() -> None:
    text = "host all all 10.0.0.0/8 \\\nscram-sha-256\n"
    assert codes("pg_hba.conf", text, 14) == set()
    assert ("warning", "no-continuation", "1") in codes("pg_hba.conf", text, 13)
    assert "write the rule in one line" in next(
        str(each.hint) for each in findings("pg_hba.conf", text, 13) if each.where == "/etc/pg/pg_hba.conf:2"
    )
    assert ("warning", "no-continuation", "1") not in codes("pg_hba.conf", "# a comment \\\nlocal all all peer\n", 13)


def test_a_comment_that_ends_in_a_backslash_takes_the_next_line_with_it() -> None:
    text = "local all all peer\n# C:\\data\\\nhost all all all scram-sha-256\n"
    assert codes("pg_hba.conf", text) == {("warning", "swallowed-by-comment", "3")}
    assert codes("pg_hba.conf", text, 13) == set()
    assert codes("pg_hba.conf", 'local all "a#\\\nb" peer\n') == set()
    assert codes("pg_hba.conf", "local all all peer # x \\\n\n# a comment anyway \\\n  # another\n") == set()


def test_blanks_behind_a_backslash_are_what_the_refusal_is_put_down_to() -> None:
    errors = [each for each in findings("pg_hba.conf", "host all all 10.0.0.0/8 \\ \nscram-sha-256\n") if each.severity == "error"]
    assert "blanks behind the backslash" in str(errors[0].hint)
