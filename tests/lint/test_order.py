from __future__ import annotations

import pytest

from tests.lint.asking import codes, findings, only, reports


def test_a_rule_that_never_matches_is_told_with_the_line_that_takes_it_all() -> None:
    text = "host all all 10.0.0.0/8 scram-sha-256\n\nhost app app 10.1.0.0/16 reject\n"
    finding = only("pg_hba.conf", text, "rule-never-matches")
    assert (finding.severity, finding.where) == ("warning", "/etc/pg/pg_hba.conf:3")
    assert "line 1 above takes all" in finding.message
    assert "The first rule that matches decides" in str(finding.hint)


def test_rules_below_a_reject_of_everything_are_dead() -> None:
    text = "local all all peer\nhost all all all reject\nhost app app 10.0.0.0/8 scram-sha-256\nhostssl a all ::1/128 scram-sha-256\n"
    assert codes("pg_hba.conf", text) == {
        ("warning", "rule-never-matches", "3"),
        ("warning", "rule-never-matches", "4"),
        ("info", "proposed-order", "3"),
    }
    assert "line 2 above refuses all" in findings("pg_hba.conf", text)[0].message


def test_a_second_rule_of_the_same_is_only_mentioned() -> None:
    text = "host all all 10.0.0.0/8 scram-sha-256\nhost all all 10.0.0.0/8 scram-sha-256\n"
    assert codes("pg_hba.conf", text) == {("info", "rule-superfluous", "2")}


def test_gss_encryption_counts_as_not_tls() -> None:
    text = "hostnossl all,replication all all reject\nhostgssenc all all all gss\n"
    assert "hostnossl takes sessions with GSS encryption too" in str(only("pg_hba.conf", text, "rule-never-matches").hint)


def test_a_plaintext_rule_above_a_hostssl_one_leaves_nobody_to_it() -> None:
    for above, words in (("host", "with or without TLS"), ("hostnossl", "in without TLS")):
        finding = only(
            "pg_hba.conf", f"{above} all all all scram-sha-256\nhostssl all all 10.0.0.0/8 scram-sha-256\n", "plaintext-above-hostssl"
        )
        assert (finding.severity, finding.where) == ("warning", "/etc/pg/pg_hba.conf:2")
        assert "line 1 above" in finding.message
        assert words in finding.message


def test_the_line_of_an_included_file_comes_with_its_name() -> None:
    (report,) = reports(
        {"pg_hba.conf": "include more.conf\nhost all all 10.0.0.0/8 reject\n", "more.conf": "host all all all md5\n"},
        given=("pg_hba.conf",),
    )
    said = [remark for remark in report.remarks if remark.code == "rule-never-matches"]
    assert "line 1 of more.conf above" in said[0].one


@pytest.mark.parametrize(
    ("text", "severity"),
    [
        ("hostnossl all all all reject\nhost replication repl 10.0.0.0/8 scram-sha-256\n", "warning"),
        ("host all all 0.0.0.0/0 reject\nhost replication repl 10.0.0.0/8 scram-sha-256\n", "warning"),
        ("hostnossl all all all reject\nhostssl replication repl 10.0.0.0/8 scram-sha-256\n", "info"),
        ("hostnossl all all all reject\n", "info"),
        ("hostnossl all,replication all all reject\nhost replication repl 10.0.0.0/8 scram-sha-256\n", None),
        ("hostnossl replication all all reject\nhostnossl all all all reject\n", None),
        ("hostnossl all all all reject\nhostnossl replication all all reject\nhost replication repl all scram-sha-256\n", None),
        ("hostnossl all all 10.0.0.0/8 reject\nhost replication repl 10.0.0.0/8 scram-sha-256\n", None),
    ],
)
def test_a_reject_of_all_databases_forgets_replication(text: str, severity: str | None) -> None:
    said = {each.severity for each in findings("pg_hba.conf", text) if each.code == "reject-misses-replication"}
    assert said == ({severity} if severity else set())


def test_replication_is_asked_after_only_where_it_looks_forgotten() -> None:
    rule = "host all replicator 10.0.0.2/32 scram-sha-256\n"
    assert codes("pg_hba.conf", rule) == {("info", "replication-not-covered", "1")}
    assert codes("pg_hba.conf", rule + "host replication replicator 10.0.0.2/32 scram-sha-256\n") == set()
    assert codes("pg_hba.conf", "host all app 10.0.0.2/32 scram-sha-256\n") == set()
