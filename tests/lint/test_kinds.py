from __future__ import annotations

from pathlib import Path

import pytest

from pgssl_wizard.lint.kinds import Kind, is_main, kind_of, template_line


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        (
            "pg_hba.conf pg_hba.conf.sample pg_hba.conf.bak pg_hba.conf.j2 pg_hba.conf@52f981c9 x__y__etc-9.4-main-pg_hba.conf",
            "pg_hba.conf",
        ),
        (
            "pool_hba.conf pgagroal_hba.conf pg_hba_ssl.conf pg_hba.orig pg_hba.conf.save.1 PG_HBA.CONF pg_hba postgresql-pg_hba.conf",
            "pg_hba.conf",
        ),
        ("pg_ident.conf pg_ident.conf.sample@16.14 a__postgresql_config-pg_ident.conf.j2 pg_ident", "pg_ident.conf"),
        ("pg_hosts.conf pg_hosts.conf.sample", "pg_hosts.conf"),
        (
            "postgresql.conf postgresql.auto.conf my-postgresql-17.conf postgresql.conf.sample postgresql.conf.j2 postgres.conf",
            "postgresql.conf",
        ),
        ("conf.d/10-ssl.conf postgresql.conf.d/x.conf a__b__tests-data-conf.d-listen.conf", "postgresql.conf"),
        ("server.crt root.pem x.cer x.der tls.cert postgresql.crt SERVER.CRT pg_hba.crt", "certificate"),
        ("server.key postgresql.pk8 root.key", "key"),
        ("root.crl", "crl"),
        ("db.csr db.req", "request"),
        ("db.p12 db.pfx", "pkcs12"),
        ("hba.txt nginx.conf conf.d.txt identity.conf recovery.conf README conf.d/notes alphabar.conf my_hba", None),
    ],
)
def test_a_name_tells_the_kind(names: str, kind: Kind | None) -> None:
    assert {name: kind_of(Path("/etc") / name) for name in names.split()} == dict.fromkeys(names.split(), kind)


def test_what_a_fragment_leaves_out_is_not_known_to_have_its_default() -> None:
    for main in ("postgresql.conf", "a__b__postgresql.conf@12345678", "postgresql.conf.sample"):
        assert is_main(Path("/etc") / main)
    for fragment in ("conf.d/ssl.conf", "conf.d/postgresql.conf", "postgresql.auto.conf", "postgresql.custom.conf"):
        assert not is_main(Path("/etc") / fragment)


@pytest.mark.parametrize(
    ("kind", "text", "line"),
    [
        ("pg_hba.conf", "# {{ ansible_managed }}\nhost all {{ user }} all md5\n", 2),
        ("pg_hba.conf", "{% for user in users %}\n", 1),
        ("pg_hba.conf", "\nhost all <%= @user %> all md5\n", 2),
        ("pg_hba.conf", "host all ${USER} all md5\n", 1),
        ("pg_hba.conf", "@remove-line-for-nolocal@local all all @authmethodlocal@\n", 1),
        ("pg_hba.conf", "local all {surole} {auth.local}\n", 1),
        ("pg_ident.conf", "m {sysuser} {surole}\n", 1),
        ("postgresql.conf", "port = @@PORT@@\n", 1),
        ("postgresql.conf", "listen_addresses = '<%= @listen %>'\n", 1),
        ("postgresql.conf", "max_connections = ${MAX}\n", 1),
        ("postgresql.conf", "archive_command = 'test ! -f ${ARCHIVE}/%f'\n", None),
        ("postgresql.conf", "log_line_prefix = '<%m %u@%d> {%p} '\n", None),
        ("pg_hba.conf", "host @databases /^a{2}$,@users all md5 # {{ x }}\n", None),
        ("pg_hba.conf", "# <%= x %>\nhost all all all md5\n", None),
    ],
)
def test_a_template_is_told_from_a_file(kind: Kind, text: str, line: int | None) -> None:
    found = template_line(text, kind)
    assert (found[0] if found else None) == line
