from __future__ import annotations

import pytest

from tests.lint.asking import codes, findings, only

SCRAM = "local all all peer\nhost all all 127.0.0.1/32 scram-sha-256\nhost all all ::1/128 scram-sha-256\n"
INITDB = SCRAM + SCRAM.replace(" all all ", " replication all ")


@pytest.mark.parametrize("version", range(13, 20))
def test_nothing_is_said_of_what_initdb_leaves_with_scram(version: int) -> None:
    assert codes("pg_hba.conf", INITDB, version) == set()


@pytest.mark.parametrize("text", ["", "\n", "# nobody\n"])
def test_a_file_without_any_rule_is_refused(text: str) -> None:
    assert codes("pg_hba.conf", text) == {("error", "rule-error", None), ("info", "view-shows-file", None)}


def test_refused_lines_are_told_apart_and_the_view_is_said_to_show_the_file() -> None:
    said = findings("pg_hba.conf", "host all all all MD5\nlocal all all peer\nhost all all all SCRAM-SHA-256\n")
    assert [(each.severity, each.code, each.where) for each in said] == [
        ("error", "rule-error", "/etc/pg/pg_hba.conf:1"),
        ("error", "rule-error", "/etc/pg/pg_hba.conf:3"),
        ("info", "view-shows-file", "/etc/pg/pg_hba.conf"),
    ]


@pytest.mark.parametrize(
    ("rule", "severity", "code"),
    [
        ("host all all all trust", "warning", "trust-over-tcp"),
        ("hostssl all all all trust", "warning", "trust-over-tcp"),
        ("host all all 127.0.0.1/32 trust", "warning", "trust-over-tcp"),
        ("local all all trust", "info", "trust-over-socket"),
        ("host all all all md5", "warning", "md5-method"),
        ("local all all md5", "warning", "md5-method"),
        ("host all all all password", "warning", "password-method"),
        ("hostnossl all all 10.0.0.0/8 password", "warning", "password-method"),
        ("host all all all ident", "warning", "ident-over-tcp"),
    ],
)
def test_unsafe_methods_are_told(rule: str, severity: str, code: str) -> None:
    assert codes("pg_hba.conf", rule + "\n") == {(severity, code, "1")}


@pytest.mark.parametrize(
    "rule",
    [
        "hostssl all all all password",
        "host all all 127.0.0.1/32 password",
        "local all all password",
        "hostgssenc all all all scram-sha-256",
        "host all all 127.0.0.1/32 ident",
        "local all all ident",
        "host all all all reject",
    ],
)
def test_nothing_is_said_where_nobody_can_listen(rule: str) -> None:
    assert codes("pg_hba.conf", rule + "\n") == set()


def test_passwords_for_somebody_else_travel_in_the_clear_too() -> None:
    said = codes("pg_hba.conf", "host all all all ldap ldapserver=x ldapbasedn=y\n")
    assert said == {("warning", "password-method", "1"), ("info", "depends-on-build", "1")}
    assert codes("pg_hba.conf", "hostssl all all all pam\n") == {("info", "depends-on-build", "1")}


def test_trust_is_as_good_as_the_certificate_that_comes_with_it() -> None:
    on = "ssl = on\nssl_ca_file = '/x'\n"
    assert codes("pg_hba.conf", "hostssl all all all trust clientcert=verify-full\n", postgresql_conf=on) == set()
    assert codes("pg_hba.conf", "hostssl all all all trust clientcert=verify-ca\n", postgresql_conf=on) == {
        ("warning", "trust-with-any-certificate", "1")
    }


def test_hostnossl_with_trust_is_told_to_be_worse_than_plain_trust() -> None:
    finding = only("pg_hba.conf", "hostnossl all all all trust\n", "trust-over-tcp")
    assert finding.message.endswith("only those who do not use TLS.")


@pytest.mark.parametrize(
    ("rule", "version", "severity", "code"),
    [
        ("hostssl all all all cert clientname=DN", 18, "info", "clientname-hidden"),
        ("hostssl all all all scram-sha-256 clientcert=verify-full clientname=CN", 14, "info", "clientname-hidden"),
        ("hostssl all all all scram-sha-256 clientname=DN", 18, "warning", "clientname-without-effect"),
        ("hostssl all all all scram-sha-256 clientcert=verify-ca clientname=DN", 18, "warning", "clientname-without-effect"),
        ("hostssl all all all scram-sha-256 clientcert=1", 13, "info", "clientcert-old-value"),
        ("hostssl all all all scram-sha-256 clientcert=no-verify", 13, "info", "clientcert-old-value"),
        ("hostssl all all all radius radiusservers=a radiussecrets=b", 18, "info", "method-goes-away"),
        ("host all all all gss", 18, "info", "depends-on-build"),
    ],
)
def test_what_views_hide_and_upgrades_break_is_told(rule: str, version: int, severity: str, code: str) -> None:
    assert (severity, code, "1") in codes("pg_hba.conf", rule + "\n", version)


def test_hostssl_rules_are_told_to_be_idle_only_where_tls_is_known_to_be_off() -> None:
    rule = "hostssl all all all scram-sha-256\n"
    assert codes("pg_hba.conf", rule) == set()
    assert codes("pg_hba.conf", rule, postgresql_conf="ssl = on\n") == set()
    for conf, place in (("ssl = off\n", "postgresql.conf:1"), ("port = 1\n", "postgresql.conf does not set ssl")):
        finding = only("pg_hba.conf", rule, "hostssl-without-tls", postgresql_conf=conf)
        assert finding.severity == "info"
        assert place in finding.message
        assert "the file loads" in finding.message


def test_client_certificates_need_a_ca() -> None:
    for rule in ("hostssl all all all cert\n", "hostssl all all all scram-sha-256 clientcert=verify-ca\n"):
        assert codes("pg_hba.conf", rule) == {("info", "clientcert-needs-ca", "1")}
        assert codes("pg_hba.conf", rule, postgresql_conf="ssl = on\nssl_ca_file = 'root.crt'\n") == set()
        finding = only("pg_hba.conf", rule, "clientcert-without-ca", postgresql_conf="ssl = on\nssl_ca_file = ''\n")
        assert (finding.severity, finding.topic) == ("warning", "clients")
        assert "(postgresql.conf:2)" in finding.message


def test_a_ca_may_stand_in_pg_hosts_conf_instead() -> None:
    rule = "hostssl all all all cert\n"
    assert codes("pg_hba.conf", rule, 19, postgresql_conf="ssl = on\nssl_sni = on\n") == set()


def test_what_looks_like_a_part_of_a_password_is_not_repeated() -> None:
    said = findings("pg_hba.conf", "host all all all ldap ldapserver=x ldapbasedn=y ldapbindpasswd=correct horse\n")
    assert "horse" not in str(said)


def test_settings_around_the_rules_decide_on_them() -> None:
    oauth = "hostssl all all all oauth issuer=https://x scope=y\n"
    assert not [each for each in findings("pg_hba.conf", oauth) if each.severity == "error"]
    refused = only("pg_hba.conf", oauth, "rule-error", postgresql_conf="ssl = on\n")
    assert "oauth_validator_libraries must be set" in refused.message
    assert "postgresql.conf does not set oauth_validator_libraries" in str(refused.hint)
    assert not [
        each for each in findings("pg_hba.conf", oauth, postgresql_conf="oauth_validator_libraries = 'v'\n") if each.severity == "error"
    ]
    md5 = only("pg_hba.conf", "host all all all md5\n", "rule-error", 15, postgresql_conf="db_user_namespace = on\n")
    assert "postgresql.conf:1" in str(md5.hint)
