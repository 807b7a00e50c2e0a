from __future__ import annotations

import pytest

from tests.lint.asking import codes, only


@pytest.mark.parametrize(
    ("database", "user", "severity", "code"),
    [
        ("ALL", "all", "warning", "keyword-case"),
        ("Replication", "all", "warning", "keyword-case"),
        ("all", "All", "warning", "keyword-case"),
        ('"all"', "all", "warning", "quoted-keyword"),
        ("all", '"all"', "warning", "quoted-keyword"),
        ('"replication"', "all", "info", "quoted-keyword"),
        ("all", '"+staff"', "warning", "quoted-group"),
        ("all", "sameuser", "warning", "keyword-elsewhere"),
        ("+staff", "all", "warning", "keyword-elsewhere"),
        ("samegroup", "all", "info", "old-keyword"),
        ("/app", "all", "info", "expression-unanchored"),
    ],
)
def test_words_that_do_not_mean_what_they_look_like_are_told(database: str, user: str, severity: str, code: str) -> None:
    assert codes("pg_hba.conf", f"local {database} {user} peer\n") == {(severity, code, "1")}


@pytest.mark.parametrize(
    "names", ["all all", "app App", 'sameuser "App"', "replication +staff", 'a"ll" app', "/^app$ /^a(b|c)", '"ALL" "a b"']
)
def test_nothing_is_said_of_names_and_keywords_as_they_should_be(names: str) -> None:
    assert codes("pg_hba.conf", f"local {names} peer\n") == set()


def test_a_slash_before_16_is_part_of_a_name() -> None:
    finding = only("pg_hba.conf", "local all /^app_ peer\n", "expression-not-yet", 15)
    assert finding.severity == "warning"
    assert "from 16 on" in finding.message
    assert codes("pg_hba.conf", "local all /^app_ peer\n", 16) == set()


def test_the_view_is_said_to_hide_the_quotes() -> None:
    assert "pg_hba_file_rules shows it like the keyword" in only("pg_hba.conf", 'local "all" all peer\n', "quoted-keyword").message
