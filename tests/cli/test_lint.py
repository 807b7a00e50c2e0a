"""The command `lint` as a shell sees it, and its rows beside those of a real server's views."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_commands import Shell, shell
from tests.files.views import hba_rows, map_rows
from tests.servers import RealCluster

__all__ = ["shell"]

KEYS = {
    "rules": "file line type database user address netmask method options error",
    "settings": "file line name value applied error message",
    "maps": "file line map system_user role error",
    "hosts": "file line hosts certificate key ca passphrase_command passphrase_reload error",
}


def one(document: dict[str, Any]) -> dict[str, Any]:
    """The only file of a document."""
    (file,) = document["files"]
    assert isinstance(file, dict)
    return file


def test_the_document_has_the_contracts_keys_and_nothing_is_missing(shell: Shell) -> None:
    (shell.directory / "pg_hba.conf").write_text("local all all peer\nhostssl a,b +c 10.0.0.0/8 cert map=m\nHOST\n")
    (shell.directory / "pg_ident.conf").write_text("m alice alice\nm\n")
    (shell.directory / "postgresql.conf").write_text("port = 5432\nssl = perhaps\n")
    (shell.directory / "pg_hosts.conf").write_text("a a.crt a.key\n")
    document = shell.json("lint", "pg_hba.conf", "pg_ident.conf", "postgresql.conf", "pg_hosts.conf", code=1)
    assert set(document) == {"command", "ok", "files", "findings"}
    assert [Path(each["path"]).name for each in document["files"]] == [each["kind"] for each in document["files"]]
    for each in document["files"]:
        assert set(each) == {"path", "kind", "accepted", "rules", "settings", "maps", "hosts", "role", "certificates"}
        assert (each["role"], each["certificates"]) == (None, [])
        assert os.path.isabs(each["path"])  # noqa: PTH117
        assert each["accepted"] is (each["kind"] == "pg_hosts.conf")
        for name, keys in KEYS.items():
            assert all(list(row) == keys.split() for row in each[name])
            assert bool(each[name]) is (
                each["kind"] == {"rules": "pg_hba.conf", "settings": "postgresql.conf", "maps": "pg_ident.conf"}.get(name, "pg_hosts.conf")
            )
    first, second, third = document["files"][0]["rules"]
    assert (first["address"], first["netmask"], first["options"], first["error"]) == (None, None, None, None)
    assert (second["database"], second["user"], second["netmask"]) == (["a", "b"], ["+c"], "255.0.0.0")
    assert second["options"] == ["map=m", "clientcert=verify-full"]
    assert third == {**dict.fromkeys(KEYS["rules"].split()), "file": first["file"], "line": 3, "error": 'invalid connection type "HOST"'}
    assert {finding["where"] for finding in document["findings"]} >= {
        f"{shell.directory}/pg_hba.conf:3",
        f"{shell.directory}/pg_ident.conf:2",
    }


@pytest.mark.parametrize(
    ("name", "text", "code"),
    [
        ("pg_hba.conf", "local all all peer\n", 0),
        ("pg_hba.conf", "local all all trust\n", 0),
        ("pg_hba.conf", "host all all all trust\n", 1),
        ("pg_hba.conf", "", 1),
        ("pg_ident.conf", "", 0),
        ("postgresql.conf", "", 0),
        ("postgresql.conf", "ssl on on\n", 1),
    ],
)
def test_the_exit_code_is_1_above_info_only(shell: Shell, name: str, text: str, code: int) -> None:
    (shell.directory / name).write_text(text)
    assert shell.run("lint", name).returncode == code
    shell.json("lint", name, code=code)


@pytest.mark.parametrize(
    ("arguments", "code", "where"),
    [
        (["missing_hba.conf"], "unreadable-file", "missing_hba.conf"),
        (["."], "unreadable-file", ""),
        (["missing.conf"], "unreadable-file", "missing.conf"),
        (["here.d/pg_hba.conf"], "unreadable-file", "here.d/pg_hba.conf"),
        (["notes.txt"], "unknown-kind", "notes.txt"),
        (["here.d/server.crt"], "unreadable-file", "here.d/server.crt"),
        (["server.crt", "--passphrase-file", "gone"], "unreadable-file", None),
        (["--server-version", "12", "--kind", "hba", "notes.txt"], "unknown-version", None),
        (["--server-version", "99", "--kind", "hba", "notes.txt"], "unknown-version", None),
        (["--server-version", "x", "--kind", "hba", "notes.txt"], "unknown-version", None),
        (["--kind", "recipe", "notes.txt"], "usage", None),
        ([], "usage", None),
    ],
)
def test_what_cannot_be_used_ends_with_2_and_one_sentence(shell: Shell, arguments: list[str], code: str, where: str | None) -> None:
    (shell.directory / "notes.txt").write_text("local all all peer\n")
    (shell.directory / "server.crt").write_text("")
    (shell.directory / "here.d" / "pg_hba.conf").mkdir(parents=True)
    (shell.directory / "here.d" / "server.crt").mkdir()
    document = shell.json("lint", *arguments, code=2)
    assert document["files"] == []
    (finding,) = document["findings"]
    assert (finding["severity"], finding["code"]) == ("error", code)
    if where is not None:
        assert finding["where"] == os.path.join(shell.directory, where).rstrip("/")  # noqa: PTH118
    said = shell.run("lint", *arguments)
    assert (said.returncode, said.stdout) == (2, "")
    assert said.stderr


def test_the_other_files_are_examined_although_one_cannot_be_used(shell: Shell) -> None:
    (shell.directory / "pg_hba.conf").write_text("local all all peer\n")
    document = shell.json("lint", "pg_hba.conf", "gone/pg_hba.conf", code=2)
    assert one(document)["accepted"] is True
    assert [finding["code"] for finding in document["findings"]] == ["unreadable-file"]
    said = shell.run("lint", "pg_hba.conf", "gone/pg_hba.conf")
    assert "would load it" in said.stdout
    assert "gone/pg_hba.conf" in said.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_that_may_not_be_read_ends_with_2(shell: Shell) -> None:
    path = shell.directory / "pg_hba.conf"
    path.write_text("local all all peer\n")
    path.chmod(0)
    assert shell.json("lint", path, code=2)["findings"][0]["code"] == "unreadable-file"


def test_a_private_key_under_another_name_is_told_and_nothing_of_it_is_shown(shell: Shell) -> None:
    key = "-----BEGIN PRIVATE KEY-----\nMIICeAIBADANBgkqhkiG9w0BAQEFAASCAmIwggJe\n-----END PRIVATE KEY-----\n"
    (shell.directory / "pg_hba.conf").write_text(key)
    for arguments in (["--json"], []):
        done = shell.run("lint", "pg_hba.conf", *arguments)
        assert done.returncode == 2
        assert "holds a private key" in done.stderr
        assert "MIIC" not in done.stdout + done.stderr


def test_the_version_decides_and_may_be_a_minor_one(shell: Shell) -> None:
    (shell.directory / "rules").write_text("hostssl all all all scram-sha-256 clientcert=1\n")
    assert one(shell.json("lint", "rules", "--kind", "pg_hba.conf", "--server-version", "13.23"))["accepted"] is True
    assert one(shell.json("lint", "rules", "--kind", "hba", "--server-version", "18", code=1))["accepted"] is False
    (shell.directory / "pg_hba.conf").write_text("host all all 127.0.0.1/32 radius radiusservers=a radiussecrets=b\n")
    assert one(shell.json("lint", "pg_hba.conf", "--server-version", "18"))["accepted"] is True
    assert one(shell.json("lint", "pg_hba.conf", code=1))["accepted"] is False, "the newest version that is known has no radius"


def test_nothing_of_a_password_is_printed(shell: Shell) -> None:
    (shell.directory / "pg_hba.conf").write_text(
        'hostssl all all all ldap ldapserver=x ldapbasedn=y ldapbindpasswd="hunter zwei"\n'
        "hostssl all all all ldap ldapserver=x ldapbasedn=y ldapbindpasswd=hunter drei\n"
    )
    (shell.directory / "postgresql.conf").write_text(
        "primary_conninfo = 'host=x password=hunter'\nprimary_conninfo = host=x password=hunter\n"
    )
    for arguments in (["--json"], []):
        done = shell.run("lint", "pg_hba.conf", "postgresql.conf", *arguments)
        assert done.returncode == 1
        for secret in ("hunter", "zwei", "drei"):
            assert secret not in done.stdout + done.stderr


def test_a_person_is_told_the_verdict_each_place_the_reason_and_the_cure_in_80_columns(shell: Shell) -> None:
    (shell.directory / "pg_hba.conf").write_text("host all all 10/8 md5\nhost all b 10/8 md5\nhost all all all MD5\n")
    (shell.directory / "pg_ident.conf").write_text("")
    done = shell.run("lint", "--server-version", "17", "pg_hba.conf", "pg_ident.conf")
    assert done.returncode == 1
    assert "✗ pg_hba.conf: PostgreSQL 17 would refuse it" in done.stdout
    assert "✓ pg_ident.conf: PostgreSQL 17 would load it (pg_ident.conf, no map lines)" in done.stdout
    assert "pg_hba.conf:3  [rule-error]" in done.stdout
    assert "→ Write md5, in lower case." in done.stdout
    assert "Lines 1 and 2 say md5" in done.stdout
    assert done.stdout.rstrip().endswith("2 files: 1 error, 4 warnings, 2 notes.")
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_help_names_every_kind(shell: Shell) -> None:
    done = shell.run("lint", "--help")
    told = " ".join(done.stdout.split())
    for kind in ("pg_hosts.conf", "certificate", "key", "crl", "request", "pkcs12", "client-certificate"):
        assert kind in told
    assert "lint " in shell.run("--help").stdout


HBA = """# a comment
local   all             all                                     peer
local   replication     all                                     peer
host    all,"my db"     +app,"all",x    10.1.2.3/8              scram-sha-256
host    all             all             192.168.0.0 255.255.0.0 md5
host    all             all             .example.com            reject
hostnossl sameuser      all             samenet                 password
hostssl all             all             2001:db8::/32           scram-sha-256 clientcert=verify-full
hostssl all             all             0.0.0.0/0               cert map=people
host    @names          all             10/8                    md5
"""
BAD = "HOST all all all md5\nhost all all 10.0.0.0/33 md5\nhost all all all cert\nhostssl all all all md5 map=x\nlocal all\n"
MAPS = 'people alice "al ice"\npeople /^(.*)@example\\.com$ \\1\n\npeople "CN=a,O=b" all\n'


def test_rules_are_shown_as_in_the_servers_own_view(cluster: RealCluster, shell: Shell) -> None:
    cluster.serve_tls()
    cluster.write("names", "one two,three\n")
    for text, accepted in ((HBA, True), (HBA + BAD, False), ("# nothing\n", False)):
        cluster.hba_file.write_text(text)
        document = shell.json("lint", cluster.hba_file, "--server-version", cluster.major, code=1)
        assert one(document)["accepted"] is accepted
        shown = [
            (
                row["line"],
                row["type"],
                row["database"],
                row["user"],
                row["address"],
                row["netmask"],
                row["method"],
                row["options"],
                row["error"],
            )
            for row in one(document)["rules"]
        ]
        seen = [tuple(list(value) if isinstance(value, tuple) else value for value in row[1:]) for row in hba_rows(cluster)]
        assert shown == seen
        before = len(cluster.log())
        cluster.reload()
        assert ("was not reloaded" not in cluster.log()[before:]) is accepted


def test_maps_are_shown_as_in_the_servers_own_view(cluster: RealCluster, shell: Shell) -> None:
    for text, accepted in ((MAPS, True), (MAPS + "people\npeople a,b c\n", False)):
        cluster.ident_file.write_text(text)
        document = shell.json(
            "lint", cluster.ident_file, "--server-version", cluster.major, code=0 if accepted and cluster.major >= 16 else 1
        )
        assert one(document)["accepted"] is accepted
        if cluster.major >= 15:
            shown = [(row["line"], row["map"], row["system_user"], row["role"], row["error"]) for row in one(document)["maps"]]
            assert shown == [tuple(row[1:]) for row in map_rows(cluster)]


@pytest.mark.parametrize(
    ("text", "accepted"),
    [
        ("work_mem = 4MB\nwork_mem = '8 MB'\nmy.thing = 1\n", True),
        ("work_mem = 4MB\nssl_cert_file = server.crt\nwork_mem = 8MB\n", False),
        ("work_mem = 4MB\nqwertz = 1\n", False),
        ("work_mem = lots\ninclude_if_exists 'gone'\n", False),
    ],
)
def test_settings_are_shown_as_in_the_servers_own_view(cluster: RealCluster, shell: Shell, text: str, accepted: bool) -> None:
    cluster.config_file.write_text(cluster.config_file.read_text() + text)
    document = shell.json("lint", cluster.config_file, "--server-version", cluster.major, code=0 if accepted else 1)
    assert one(document)["accepted"] is accepted
    shown = [(row["line"], row["name"], row["value"], row["applied"], row["error"]) for row in one(document)["settings"]]
    view = "select sourceline, name, setting, applied, error from pg_file_settings where sourcefile like '%%postgresql.conf' order by seqno"
    assert shown == cluster.sql(view.replace("%%", "%"))


@pytest.mark.parametrize("files", [("pg_hba.conf",), ("pg_hba.conf", "pg_ident.conf", "postgresql.conf")])
def test_what_initdb_leaves_with_scram_is_clean(stopped_cluster: RealCluster, shell: Shell, files: tuple[str, ...]) -> None:
    paths = [stopped_cluster.data_directory / name for name in files]
    document = shell.json("lint", *paths, "--server-version", stopped_cluster.major)
    assert all(each["accepted"] for each in document["files"])
    assert {finding["severity"] for finding in document["findings"]} <= {"info"}


def test_inspect_says_the_same_of_a_cluster(stopped_cluster: RealCluster, shell: Shell) -> None:
    stopped_cluster.hba_file.write_text("local all all peer\nhost all all 10/8 md5\nhost all all all trust\nhost a b all reject\n")
    stopped_cluster.set(ssl_min_protocol_version="TLSv1")
    major = stopped_cluster.major
    linted = shell.json("lint", stopped_cluster.hba_file, stopped_cluster.config_file, "--server-version", major, code=1)
    said = {(each["severity"], each["code"], each["message"], each["hint"], each["where"]) for each in linted["findings"]}
    inspected = shell.json("inspect", stopped_cluster.data_directory)
    seen = {(each["severity"], each["code"], each["message"], each["hint"], each["where"]) for each in inspected["findings"]}
    assert {each for each in said if each[0] == "warning"} <= seen
    assert len({each for each in said if each[0] == "warning"}) == 5
