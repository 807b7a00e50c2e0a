from __future__ import annotations

import pytest

from tests.lint.asking import codes, findings, only, reports


@pytest.mark.parametrize(
    "text", ["", "# nothing\n", "m alice alice\n", 'm "CN=a,O=b" app\n', "m /^(.*)@corp$ \\1\n", "m alice all\n", "m alice +staff\n"]
)
def test_nothing_is_said_of_maps_as_they_should_be(text: str) -> None:
    assert codes("pg_ident.conf", text) == set()


@pytest.mark.parametrize(
    ("line", "version", "cure"),
    [
        ("m alice", 18, "MAP SYSTEM-USER ROLE"),
        ("m CN=a,O=b app", 18, "double quotes"),
        ("m /( app", 18, "Correct the expression"),
        ("include more.conf", 15, "came with 16"),
        ("include more.conf", 18, "See to it that the file is there"),
    ],
)
def test_a_refused_line_comes_with_its_cure(line: str, version: int, cure: str) -> None:
    (error,) = findings("pg_ident.conf", line + "\n", version)
    assert (error.severity, error.code, error.where) == ("error", "map-error", "/etc/pg/pg_ident.conf:1")
    assert "a start goes on without any" in error.message
    assert cure in str(error.hint)


@pytest.mark.parametrize(
    ("line", "version", "severity", "code"),
    [
        ("m all app", 18, "warning", "system-user-not-special"),
        ("m * app", 18, "warning", "system-user-not-special"),
        ("m +staff app", 18, "warning", "system-user-not-special"),
        ("m /lic app", 18, "warning", "expression-unanchored"),
        ("m /^lic app", 18, "info", "expression-unanchored"),
        ("m alice all", 15, "warning", "role-not-special-yet"),
        ("m alice +staff", 15, "warning", "role-not-special-yet"),
        ("m alice /^a", 15, "warning", "role-not-special-yet"),
        ('m alice "all"', 18, "warning", "quoted-keyword"),
        ('m alice "+staff"', 18, "warning", "quoted-keyword"),
        ("m alice All", 18, "warning", "keyword-case"),
        ("m /^.*$ \\1", 18, "warning", "backreference-without-group"),
        ("m /^[(]x$ \\1", 18, "warning", "backreference-without-group"),
        ("m /^(?:a|b)$ \\1", 18, "warning", "backreference-without-group"),
        ("m alice \\1", 18, "warning", "backreference-without-expression"),
        ("m /^(.*)$ \\1_\\1", 18, "warning", "backreference-twice"),
        ("m /^(.)(.*)$ \\2", 18, "warning", "backreference-beyond-first"),
        ("m CN=Joe Smith joe", 18, "warning", "extra-fields"),
    ],
)
def test_what_matches_otherwise_than_it_looks_is_told(line: str, version: int, severity: str, code: str) -> None:
    assert codes("pg_ident.conf", line + "\n", version) == {(severity, code, "1")}


def test_every_backreference_is_filled_in_since_19() -> None:
    assert codes("pg_ident.conf", "m /^(.*)$ \\1_\\1\n", 19) == set()


def test_a_map_that_a_rule_names_and_nobody_has_is_told() -> None:
    rule = "hostssl all all all cert map=people\n"
    finding = only("pg_hba.conf", rule, "map-missing", pg_ident_conf="People alice alice\n")
    assert (finding.severity, finding.where) == ("warning", "/etc/pg/pg_hba.conf:1")
    assert "Write map=People" in str(finding.hint)
    assert "map-missing" not in {code for _, code, _ in codes("pg_hba.conf", rule, pg_ident_conf="people alice alice\n")}
    assert "map-missing" not in {code for _, code, _ in codes("pg_hba.conf", rule)}
    assert "map-missing" not in {code for _, code, _ in codes("pg_hba.conf", rule, pg_ident_conf="{{ maps }} x y\n")}


def test_maps_that_no_rule_names_are_told_once_each_when_the_rules_were_given_too() -> None:
    maps = "people alice alice\nold bob bob\nold eve eve\n"
    files: dict[str, str | bytes] = {"pg_ident.conf": maps, "pg_hba.conf": "hostssl all all all cert map=people\n"}
    ident, _ = reports(files)
    assert [(remark.code, remark.line) for remark in ident.remarks] == [("map-unused", 2)]
    (alone,) = reports(files, given=("pg_ident.conf",))
    assert alone.remarks == ()
