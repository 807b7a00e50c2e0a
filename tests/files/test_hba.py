"""pg_hba.conf: read as the server reads it, edited without touching anything else."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgssl_wizard.files import hba_edit
from pgssl_wizard.files.hba import Rule, parse_rules
from pgssl_wizard.files.tokens import logical_lines
from tests.files.test_conf import lister, reader
from tests.servers import RealCluster

CORPUS = Path(os.environ.get("PGSSL_CORPUS") or Path(__file__).resolve().parents[3] / "shared" / "corpus")

#: What depends on how the server was configured, not on the file: `oauth_validator_libraries` names one library only.
DEPENDS_ON_THE_SERVER = {
    "jackc__pgx__testsetup-oauth_validator_module-pg_hba.conf",
    "postgres__TAP-18.6__modules-oauth_validator-001_server-4",
    "postgres__TAP-18.6__modules-oauth_validator-001_server-5",
}

LINES = [
    b"host    all             all             127.0.0.1/32            scram-sha-256",
    b"host all all ::1/128 md5 # comment",
    b"\thost\tall\tall\t10.0.0.0/8\ttrust",
    b"local   all             all                                     peer",
    b"# a comment",
    b"",
    b"hostssl all all all cert map=x",
    b'host "a b" all 10.0.0.1 255.255.255.255 password',
]


def rules_of(data: bytes, major: int = 17) -> tuple[Rule, ...]:
    """Parse bytes as a file without neighbours."""
    return parse_rules(Path("/hba"), major, lambda path: data if path == Path("/hba") else None, lambda _: None)


@given(st.binary(), st.sampled_from([13, 14, 16, 18]))
def test_any_bytes_are_read_without_an_exception(data: bytes, major: int) -> None:
    rules_of(data, major)


@given(st.lists(st.sampled_from(LINES), min_size=1, max_size=6), st.sampled_from([b"\n", b"\r\n"]), st.booleans())
def test_an_edit_of_one_rule_leaves_every_other_line_byte_for_byte(lines: list[bytes], ending: bytes, finished: bool) -> None:
    data = ending.join(lines) + (ending if finished else b"")
    for rule in rules_of(data):
        if rule.type == "local":
            continue
        new = hba_edit.set_option(hba_edit.replace_type(data, rule.line, "hostssl", 17), rule.line, "clientcert", "verify-full", 17)
        before, after = data.split(b"\n"), new.split(b"\n")
        assert [line for n, line in enumerate(before, 1) if n != rule.line] == [line for n, line in enumerate(after, 1) if n != rule.line]
        changed = next(each for each in rules_of(new) if each.line == rule.line)
        assert (changed.type, changed.option("clientcert")) == ("hostssl", "verify-full")
        assert (changed.databases, changed.users, changed.address, changed.method) == (
            rule.databases,
            rule.users,
            rule.address,
            rule.method,
        )


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (LINES[0], LINES[0].replace(b"host    ", b"hostssl ")),
        (LINES[1], LINES[1].replace(b"host ", b"hostssl ")),
        (LINES[2], LINES[2].replace(b"host\t", b"hostssl\t")),
    ],
)
def test_a_longer_type_takes_its_room_from_the_blanks_behind_it(before: bytes, after: bytes) -> None:
    assert hba_edit.replace_type(before + b"\n", 1, "hostssl", 17) == after + b"\n"


def test_a_continued_rule_is_edited_where_its_words_stand() -> None:
    data = b"host all all \\\n  10.0.0.0/8 \\\n  scram-sha-256 # end\nlocal all all peer\n"
    assert rules_of(data)[0].last_line == 3
    new = hba_edit.set_option(data, 1, "clientcert", "verify-ca", 17)
    assert new == data.replace(b"scram-sha-256 #", b"scram-sha-256 clientcert=verify-ca #")
    assert rules_of(data, 13)[0].error == 'invalid authentication method "10.0.0.0/8"' or rules_of(data, 13)[1].error is not None


def test_logical_lines_count_from_the_first_physical_one() -> None:
    assert [(line.first, line.last) for line in logical_lines(b"a\\\nb\nc", 14)] == [(1, 2), (3, 3)]
    assert [(line.first, line.last) for line in logical_lines(b"a\\\nb\nc", 13)] == [(1, 1), (2, 2), (3, 3)]


ODD_LINES = [
    "HOST all all all md5",
    "host all all ALL trust",
    "host db1 ,db2 all 127.0.0.1/32 md5",
    "host all all 127.0.0.1 md5",
    "host all all 10/8 md5",
    "host all all 10.1.2.3/33 md5",
    "host all all [::1]/128 md5",
    "host all all 010.0.0.1/32 md5",
    "host all all fe80::1%lo/64 md5",
    "host all all 127.0.0.1 255.255.255.255 md5",
    "host all all 127.0.0.1 ::1 md5",
    "host all all md5",
    'host "all" +grp,"+x" samenet md5',
    "host all all all md5 clientcert=verify-full",
    "hostssl all all all md5 clientcert=1",
    "hostssl all all all md5 clientcert=verify-full",
    "hostssl all all all cert clientcert=verify-ca",
    "hostssl all all all scram-sha-256 map=x",
    "hostssl all all all scram-sha-256 nonsense=1",
    "hostssl all all all scram-sha-256 map = x",
    "host all all all cert",
    "host all all all peer",
    "local all all peer",
    "local all all ident map=x",
    "host all all a,b md5",
    "host all all all md5,trust",
    "host,hostssl all all all md5",
    "include nothing.conf",
    "host all @nothing all md5",
    'host "a,b" "x""y" all md5 # comment',
    "host all a#b all md5",
]


@pytest.mark.parametrize("line", ODD_LINES)
def test_the_server_says_the_same_of_a_line(line: str, major: int, odd_clusters: dict[int, RealCluster]) -> None:
    cluster = odd_clusters[major]
    cluster.hba_file.write_text(line + "\n")
    rows = cluster.sql("select type, database, user_name, address, netmask, auth_method, error from pg_hba_file_rules")
    ours = parse_rules(cluster.hba_file, major, reader, lister)
    # The view is silent about a bad clientcert: a row without type and without error. And it complains of hostssl while TLS is
    # off, although the server loads the line.
    refused = [row for row in rows if row[0] is None or (row[6] is not None and "cannot match" not in str(row[6]))]
    assert bool(refused) == any(rule.error for rule in ours), (rows, ours)
    if refused and refused[0][6] and ours[0].error and not any(words in str(refused[0][6]) for words in ("No such file", "cannot match")):
        assert ours[0].error in str(refused[0][6])
    if not refused:
        assert [(row[0], row[1], row[2], row[5]) for row in rows] == [
            (rule.type, [token.text for token in rule.databases], [token.text for token in rule.users], rule.method) for rule in ours
        ]


@pytest.fixture(scope="module")
def odd_clusters(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One running server a major for all the odd lines: nothing is ever reloaded."""
    from tests.servers import available

    made: dict[int, RealCluster] = {}
    for major in available():
        made[major] = RealCluster.make(tmp_path_factory.mktemp("odd"), major)
    started: set[int] = set()

    class Clusters(dict[int, RealCluster]):
        def __getitem__(self, major: int) -> RealCluster:
            cluster = made[major]
            if major not in started:
                cluster.start()
                started.add(major)
            return cluster

    yield Clusters()
    for cluster in made.values():
        cluster.close()


@pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus of real files is not here")
@pytest.mark.parametrize(("version", "oracle"), [(13, "oracle-pg13"), (15, "oracle"), (18, "oracle-pg18")])
def test_real_files_are_accepted_exactly_when_a_real_server_accepts_them(version: int, oracle: str) -> None:
    wrong, seen = [], 0
    for file in sorted((CORPUS / "hba").iterdir()):
        answer = CORPUS / oracle / "hba" / f"{file.name}.json"
        if not answer.exists() or (version == 18 and file.name in DEPENDS_ON_THE_SERVER):
            continue
        seen += 1
        rules = parse_rules(file, version, reader, lister)
        accepted = bool(rules) and not any(rule.error for rule in rules)
        if accepted != json.loads(answer.read_text())["accepted"]:
            wrong.append(file.name)
    assert seen > 100
    assert wrong == []
