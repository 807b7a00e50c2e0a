"""pg_hba.conf: the odd lines that people write, in the words of the servers; whatever bytes there are, no exception."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pgssl_wizard.files import hba
from pgssl_wizard.files.auth_lines import AuthLine, Reader
from pgssl_wizard.files.hba import Rule, Surrounding, parse_rules
from pgssl_wizard.files.tokens import fields, logical_lines
from tests.files.conftest import Servers
from tests.files.test_hba_server import differences, hba_file, lay_out, put, rule, rules_of, shown
from tests.files.views import hba_rows


def rules_in(data: bytes, major: int = 17, surrounding: Surrounding | None = None) -> tuple[Rule, ...]:
    """Parse bytes as a file without neighbours."""
    return parse_rules(Path("/hba"), major, lambda path: data if path == Path("/hba") else None, lambda _: None, surrounding)


@given(st.binary(), st.sampled_from([13, 14, 16, 18, 19]))
def test_any_bytes_are_read_without_an_exception(data: bytes, major: int) -> None:
    rules_in(data, major)


@settings(max_examples=300, deadline=None)
@given(data=hba_file(rule()), major=st.sampled_from([13, 14, 16, 18, 19]))
def test_ordinary_lines_are_read_at_once_as_they_are_read_word_by_word(data: bytes, major: int) -> None:
    reader = Reader[Rule](major, lambda _: data if _ == Path("/hba") else b"a b\n", lambda _: None)
    word_by_word = [hba._rule(record, major, Surrounding()) for record in reader.lines(Path("/hba")) if isinstance(record, AuthLine)]
    assert list(parse_rules(Path("/hba"), major, lambda _: data if _ == Path("/hba") else b"a b\n", lambda _: None)) == word_by_word


def test_logical_lines_count_from_the_first_physical_one() -> None:
    assert [(line.first, line.last) for line in logical_lines(b"a\\\nb\nc", 14)] == [(1, 2), (3, 3)]
    assert [(line.first, line.last) for line in logical_lines(b"a\\\nb\nc", 13)] == [(1, 1), (2, 2), (3, 3)]


def test_since_19_a_carriage_return_in_the_middle_of_a_line_belongs_to_the_word() -> None:
    assert [[word.text for word in field] for field in fields("a\rb c", 18)] == [["a"], ["b"], ["c"]]
    assert [[word.text for word in field] for field in fields("a\rb c", 19)] == [["a\rb"], ["c"]]


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
    "hostssl all all all md5 clientname=DN",
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
    "host @empty app all md5",
    "hostgssenc all all all scram-sha-256",
    "host all all all radius",
    "host all all all bsd",
    "host all all *.example.com md5",
    "host all /^a{1,2}$ all md5",
    "host all all 1.2.3.4/+8 md5",
    "host all " + "a" * 300 + " all md5",
    "host all " + "a" * 11_000 + " all md5",
    "host all all all md5" + " " * 21_000,
]


@pytest.mark.parametrize("line", ODD_LINES, ids=lambda line: line[:50])
def test_the_server_says_the_same_of_a_line(line: str, major: int, servers: Servers) -> None:
    cluster = servers[major]
    lay_out(cluster)
    put(cluster.hba_file, line.encode() + b"\n")
    assert differences([shown(rule, major) for rule in rules_of(cluster)], hba_rows(cluster)) == []


@pytest.mark.parametrize(
    ("validators", "line", "error"),
    [
        ((), "issuer=i scope=s", "oauth_validator_libraries must be set for authentication method oauth"),
        (("a", "b"), "issuer=i scope=s validator=c", 'validator "c" is not permitted by oauth_validator_libraries'),
        (("a", "b"), "issuer=i scope=s validator=b", None),
        (None, "issuer=i scope=s validator=c", None),
        (None, "issuer=i", 'authentication method "oauth" requires argument "scope" to be set'),
        (None, "issuer=i scope=s delegate_ident_mapping=1 map=m", "map cannot be used in combination with delegate_ident_mapping"),
    ],
)
def test_an_oauth_rule_rests_on_the_libraries_that_the_server_may_use(
    validators: tuple[str, ...] | None, line: str, error: str | None
) -> None:
    assert rules_in(f"host all all all oauth {line}\n".encode(), 18, Surrounding(validators))[0].error == error


def test_a_list_that_includes_itself_ends_a_server_before_16_and_is_refused_by_those_after() -> None:
    def read(path: Path) -> bytes | None:
        return b"host all @loop all md5\n" if path == Path("/hba") else b"@loop\n"

    old = parse_rules(Path("/hba"), 15, read, lambda _: None)[0].error
    new = parse_rules(Path("/hba"), 16, read, lambda _: None)[0].error
    assert old == 'exceeded maxAllocatedDescs while trying to open file "/loop"'
    assert new == 'could not open file "/loop": maximum nesting depth exceeded'


def test_lists_that_multiply_each_other_are_given_up() -> None:
    def read(path: Path) -> bytes | None:
        if path == Path("/hba"):
            return b"host all @1 all md5\n"
        number = int(path.name)
        return b"a\n" if number > 9 else b",".join([b"@%d" % (number + 1)] * 10)

    assert parse_rules(Path("/hba"), 17, read, lambda _: None)[0].error == "out of memory"


def test_a_file_that_may_not_be_read_is_told_with_the_reason() -> None:
    def read(path: Path) -> bytes | None:
        if path == Path("/hba"):
            return b"host all @secret all md5\n"
        raise PermissionError(13, "Permission denied")

    assert parse_rules(Path("/hba"), 17, read, lambda _: None)[0].error == 'could not open file "/secret": Permission denied'
    assert "@secret" in str(parse_rules(Path("/hba"), 13, read, lambda _: None)[0].error)
