from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pgssl_wizard.lint.kinds import KINDS, Kind
from pgssl_wizard.lint.remarks import Remark, separately, together
from pgssl_wizard.lint.whole import lint
from tests.lint.asking import HERE, codes, findings, reports


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200), st.sampled_from(KINDS), st.sampled_from([13, 15, 18, 19]))
def test_any_bytes_of_any_kind_are_examined_without_an_exception(data: bytes, kind: Kind, version: int) -> None:
    path = HERE / "file"
    lint([(path, kind)], version, {path: data}.get, lambda _: None)


@pytest.mark.parametrize("kind", ["postgresql.conf", "pg_hba.conf", "pg_ident.conf"])
def test_a_file_that_is_gone_meanwhile_is_refused_as_a_whole(kind: Kind) -> None:
    (report,) = lint([(HERE / "file", kind)], 18, lambda _: None, lambda _: None)
    assert not report.accepted
    assert next((each.severity, each.where) for each in separately(report.remarks)) == ("error", "/etc/pg/file")


def test_a_template_is_one_finding_and_the_rows_keep_their_errors() -> None:
    text = "local all postgres peer\n" + "host all {{ item.user }} {{ item.address }} md5\n" * 20
    (report,) = reports({"pg_hba.conf.j2": text})
    assert [(remark.severity, remark.code, remark.line) for remark in report.remarks] == [("error", "template", 2)]
    assert not report.accepted
    assert sum(1 for rule in report.rules if rule.error) == 20
    assert codes("pg_ident.conf", "m {{user}} x\n") == {("warning", "template", "1")}, "which a server would load"


def test_errors_come_first_then_the_file_itself_then_what_it_includes() -> None:
    text = "host all all all md5\ninclude more.conf\nhost all all all MD5\n"
    said = findings("pg_hba.conf", text, more_conf="host all all all trust\n")
    assert [(each.severity, each.where) for each in said if each.severity != "info"] == [
        ("error", "/etc/pg/pg_hba.conf:3"),
        ("warning", "/etc/pg/pg_hba.conf:1"),
        ("warning", "/etc/pg/more.conf:1"),
        ("warning", "/etc/pg/more.conf:1"),
    ]


def test_what_is_said_of_many_lines_can_be_told_together() -> None:
    (report,) = reports({"pg_hba.conf": "host all a all md5\nhost all b all md5\nhost all c 10/8 md5\n"})
    assert [finding.where for finding in separately(report.remarks) if finding.code == "md5-method"] == [
        f"/etc/pg/pg_hba.conf:{n}" for n in (1, 2, 3)
    ]
    (one,) = [finding for finding in together(report.remarks) if finding.code == "md5-method"]
    assert one.message.startswith("Lines 1, 2 and 3 say md5")
    assert one.where == "/etc/pg/pg_hba.conf:1"


def test_hundreds_of_lines_are_counted() -> None:
    remarks = [Remark(Path("/x"), number, "info", "c", "is odd", "are odd") for number in range(5, 505)]
    assert [finding.message for finding in together(remarks)] == ["500 lines (from 5 on) are odd."]
    assert len(separately(remarks)) == 500


def test_a_later_settings_file_wins_and_a_fragment_says_nothing_of_what_it_leaves_out() -> None:
    rule = "hostssl all all all cert\n"
    files: dict[str, str | bytes] = {"postgresql.conf": "ssl = on\n", "postgresql.auto.conf": "ssl_ca_file = 'x'\n", "pg_hba.conf": rule}
    (report,) = reports(files, given=("pg_hba.conf",))
    assert report.remarks == ()
    *_, report = reports({"conf.d/ssl.conf": "ssl = off\n", "pg_hba.conf": rule})
    assert {remark.code for remark in report.remarks} == {"hostssl-without-tls", "clientcert-needs-ca"}
    assert "ssl.conf:1" in separately(report.remarks)[0].message


def test_settings_that_are_a_template_are_not_believed() -> None:
    assert codes("pg_hba.conf", "hostssl all all all scram-sha-256\n", postgresql_conf="ssl = {{ ssl }}\n") == set()


def test_a_data_directory_of_another_version_is_mentioned_where_none_was_asked_for() -> None:
    files: dict[str, str | bytes] = {"pg_hba.conf": "local all all peer\n", "PG_VERSION": "15\n"}
    (report,) = reports(files, 19, given=("pg_hba.conf",), version_given=False)
    (remark,) = report.remarks
    assert (remark.severity, remark.code) == ("info", "other-version")
    assert "--server-version 15" in str(remark.hint)
    assert reports(files, 19, given=("pg_hba.conf",))[0].remarks == ()
    assert reports(files, 15, given=("pg_hba.conf",), version_given=False)[0].remarks == ()


@pytest.mark.parametrize("name", ["postgresql.conf", "pg_hba.conf", "pg_ident.conf"])
def test_a_neighbour_that_cannot_be_read_is_as_good_as_none(name: str) -> None:
    path = HERE / name

    def read(wanted: Path) -> bytes | None:
        if wanted == path:
            return b"hostssl all all all cert map=x\n" if name == "pg_hba.conf" else b""
        raise PermissionError(13, "Permission denied", str(wanted))

    (report,) = lint([(path, name)], 18, read, lambda _: None)  # type: ignore[list-item]
    assert not [remark for remark in report.remarks if remark.severity != "info"] or name == "pg_hba.conf"
