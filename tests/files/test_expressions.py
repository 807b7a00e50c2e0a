from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pgssl_wizard.files import expressions as regular_expressions
from pgssl_wizard.files.expressions import Expression, InvalidExpression, Match
from tests.servers import RealCluster, available

#: How many (expression, text) pairs to compare with each server.
EXAMPLES = int(os.environ.get("PGSSL_EXAMPLES", "2000"))
BATCH = 25

Pair = tuple[str, str]


def group1(expression: str, text: str, major: int = 18) -> str | None:
    match = regular_expressions.compile(expression, major).search(text)
    assert match is not None
    return match.group1


def matches(expression: str, text: str, major: int = 18) -> bool:
    return regular_expressions.compile(expression, major).search(text) is not None


def refusal(expression: str, major: int = 18) -> str:
    with pytest.raises(InvalidExpression) as caught:
        regular_expressions.compile(expression, major)
    return caught.value.message


# What people write.


def test_a_mail_address_gives_its_local_part() -> None:
    assert group1(r"^(.*)@example\.com$", "bob@example.com") == "bob"
    assert regular_expressions.compile(r"^(.*)@example\.com$", 18).search("bob@example.org") is None


def test_an_expression_matches_anywhere_unless_it_is_anchored() -> None:
    assert matches("dmi", "admin")
    assert not matches("^dmi", "admin")
    assert not matches("dmi$", "admin")


def test_without_a_group_there_is_nothing_to_insert() -> None:
    expression = regular_expressions.compile("^app_[0-9]+$", 18)
    assert expression.groups == 0
    assert expression.search("app_12") == Match(None)


def test_a_group_that_took_no_part_is_none_and_an_empty_one_is_empty() -> None:
    assert group1("(a)|b", "b") is None
    assert group1("(a*)b", "b") == ""


def test_every_byte_is_a_character_and_letters_are_ascii() -> None:
    assert matches("^..$", "é")
    assert not matches("^[[:alpha:]]", "é")
    assert not matches("(?i)É", "é")
    assert matches("^é$", "é")
    assert group1("(.)$", "\udcff") == "\udcff"
    assert matches(r"\xff", "\udcff")


# Which way is preferred.


@pytest.mark.parametrize(
    ("expression", "text", "expected"),
    [
        # The longest match wins, not the first alternative.
        ("(a|ab)(c|bcd)", "abcd", "a"),
        ("(a|ab)(?:c|bcd)?$", "ab", "ab"),
        ("(?:a|ab)(.*)", "abc", "c"),
        # The first quantifier of a branch decides for what follows without its own parentheses.
        ("(x+?)(x*)", "xxx", "x"),
        ("(?:x+?(x*))", "xxx", ""),
        ("^(.*?)@(.*)$", "a@b@c", "a"),
        ("^(.*)@(.*)$", "a@b@c", "a@b"),
        # The last round counts.
        ("(?:(a)|b)*", "ab", None),
        ("(a|b)*", "ab", "b"),
        ("(a*)+", "aaa", ""),
        ("(a*)*", "aaa", "aaa"),
        ("(a){0}b", "b", None),
    ],
)
def test_the_first_group_is_what_the_server_inserts(expression: str, text: str, expected: str | None) -> None:
    assert group1(expression, text) == expected


def test_back_references_repeat_what_the_group_matched() -> None:
    assert matches(r"^(.+)_\1$", "ab_ab")
    assert not matches(r"^(.+)_\1$", "ab_ac")
    assert matches(r"(?i)^(.+)_\1$", "ab_AB")


def test_in_13_a_quantifier_without_effect_still_has_a_preference() -> None:
    assert group1("((){1,1}?)*", "", 13) is None
    assert group1("((){1,1}?)*", "", 14) == ""


def test_versions_differ_in_brackets() -> None:
    assert refusal(r"[\D]", 13) == "invalid escape \\ sequence"
    assert refusal("[[:word:]]", 13) == "invalid character class"
    assert matches(r"^[\D]$", "a", 14)
    assert matches("^[[:word:]]$", "_", 14)
    assert matches(r"^[\w-z]$", "z", 13)
    assert refusal(r"[\w-z]", 14) == "invalid character range"
    assert not matches(r"(?n)^\D$", "\n", 13)
    assert matches(r"(?n)a\Db", "a\nb", 14)


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("(", "parentheses () not balanced"),
        (")", "parentheses () not balanced"),
        ("[a", "brackets [] not balanced"),
        ("a{1", "braces {} not balanced"),
        ("a{2,1}", "invalid repetition count(s)"),
        ("a{256}", "invalid repetition count(s)"),
        ("*", "quantifier operand invalid"),
        ("a**", "quantifier operand invalid"),
        ("\\", "invalid escape \\ sequence"),
        (r"\q", "invalid escape \\ sequence"),
        (r"\1", "invalid backreference number"),
        ("[b-a]", "invalid character range"),
        ("[[:nothing:]]", "invalid character class"),
        ("[[.nothing.]]", "invalid collating element"),
        ("(?z)a", "invalid embedded option"),
        ("***?", "invalid regexp (reg version 0.8)"),
        ("((a{0,255}){0,255}){0,255}", "regular expression is too complex"),
    ],
)
def test_a_refusal_has_the_servers_words(expression: str, message: str) -> None:
    assert refusal(expression) == message


# What must not happen.


@pytest.mark.parametrize(
    "expression",
    ["(a*)*b", "(a|a)*$", "(a|aa)+b", "(?:(?:a|b)*(?:a|c)*)*d", "a*a*a*a*a*a*a*a*b", "(.*)(.*)(.*)(.*)(.*)b", r"(?:(a+)+\1)+b"],
)
def test_nothing_takes_longer_than_the_text_is_long(expression: str) -> None:
    regular_expressions.compile(expression, 18).search("a" * 64)


@pytest.mark.parametrize("opening", ["(", "(?:", "(?=a", "(?:a|(?:"])
@pytest.mark.parametrize("depth", [100, 2000, 50_000])
def test_no_depth_is_too_deep_for_python(opening: str, depth: int) -> None:
    expression = opening * depth + "a" + ")" * (depth * opening.count("("))
    if depth > 10_000:
        assert refusal(expression) == "regular expression is too complex"
    else:
        matches(expression, "aaaa")


@settings(max_examples=max(200, EXAMPLES // 10), deadline=None)
@given(st.binary(max_size=40), st.binary(max_size=20), st.sampled_from([13, 14, 18]))
def test_any_bytes_are_an_expression_or_refused(expression: bytes, text: bytes, major: int) -> None:
    with contextlib.suppress(InvalidExpression):
        matches(expression.decode("utf-8", "surrogateescape"), text.decode("utf-8", "surrogateescape"), major)


def test_text_that_stands_for_no_bytes_is_no_error() -> None:
    assert not matches("a", "\ud800")
    assert matches("\ud800", "\ud800")


# The same as the server.

PIECES = [
    *"aab01_.A-é\udcff \n",
    *[r"\d", r"\w", r"\s", r"\D", r"\W", r"\S", r"\.", r"\x61", r"\141", r"\u0062", r"\U00000061", r"\xe9", r"\u4e2d", r"\n", r"\B"],
    *["[ab]", "[^a]", "[a-c]", "[^0-9]", "[[:alpha:]]", "[^[:digit:]_]", r"[\w-]", r"[\s\d]", "[]a]", "[^]b-]", "[[.a.]-b]", "[[=a=]]"],
    *["[[:upper:]]", r"[^\w]", "[.-]", "[[.hyphen.]]", "[[:punct:][:cntrl:]]", "[^[:graph:]]", "(?#b)", "{", "{,2}"],
    *["^", "$", r"\A", r"\Z", r"\m", r"\M", r"\y", r"\Y", "[[:<:]]", "[[:>:]]"],
    *[r"\1", r"\2", r"\1*", "()", "(?:)", "(a)", "(.*)", "(.+?)", "(?:a|)", "(a|ab)"],
]
WRONG_PIECES = [
    *[r"\q", "\\", r"\x", r"\u12", r"\8", r"\12", r"\U7fffffff", "[", "[[:foo:]]", "[[..]]", "[b-a]", "[a-b-c]", r"[\D]", r"[\w-z]"],
    *["(", ")", "(?", "(?i)", "(?>a)", "{1", "{1,a}", "{2,1}", "**", "***", "a{256}", r"[\y]", "[[:word:]]", "|*", "^*", "(?<a)"],
]
QUANTIFIERS = ["*", "+", "?", "*?", "+?", "??", "{2}", "{0}", "{0,2}", "{1,2}?", "{1,}", "{2,}?", "{1,1}?", "{0,1}"]
OPENINGS = ["(", "(", "(", "(?:", "(?:", "(?=", "(?!", "(?<=", "(?<!"]
OPTIONS = ["", "", "", "", "", "", "(?i)", "(?n)", "(?p)", "(?w)", "(?s)", "(?x)", "(?e)", "***:", "(?ix)"]
BASIC_PIECES = [
    *"aab.01*+?(|){}^$",
    r"\(a\)",
    r"\(.*\)",
    r"\1",
    r"\{1,2\}",
    r"\{0,\}",
    r"\{2\}",
    r"\<",
    r"\>",
    "[^a]",
    r"\.",
    "[[:digit:]]",
    r"\{1",
]


def _extend(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.lists(inner, min_size=2, max_size=4).map("".join),
        st.lists(inner, min_size=2, max_size=3).map("|".join),
        st.tuples(st.sampled_from(OPENINGS), inner).map(lambda parts: f"{parts[0]}{parts[1]})"),
        st.tuples(st.sampled_from(OPENINGS[:5]), inner, st.sampled_from(QUANTIFIERS)).map(lambda parts: f"{parts[0]}{parts[1]}){parts[2]}"),
        st.tuples(st.sampled_from(PIECES[:40]), st.sampled_from(QUANTIFIERS)).map("".join),
    )


@st.composite
def spoiled(draw: st.DrawFn, whole: st.SearchStrategy[str]) -> str:
    """An expression with something wrong somewhere."""
    expression = draw(whole)
    place = draw(st.integers(0, len(expression)))
    return expression[:place] + draw(st.sampled_from(WRONG_PIECES)) + expression[place + draw(st.integers(0, 2)) :]


grammatical = st.tuples(st.sampled_from(OPTIONS), st.recursive(st.sampled_from(PIECES), _extend, max_leaves=8)).map("".join)
basic = st.tuples(
    st.sampled_from(["(?b)", "(?bi)", "(?bx)", "(?bn)"]), st.lists(st.sampled_from(BASIC_PIECES), min_size=1, max_size=7).map("".join)
).map("".join)
literal = st.tuples(st.sampled_from(["***=", "(?q)", "(?iq)"]), st.text("ab.*(", max_size=3)).map("".join)
noise = st.text("ab()[]{}*+?|\\^$.-:=<>!#,012 \ndws", max_size=10)
expressions = st.one_of(grammatical, grammatical, grammatical, grammatical, spoiled(grammatical), basic, literal, noise)
texts = st.one_of(st.text("ab", max_size=10), st.text("abA01_.- \né\udcff", max_size=8))


class Server:
    """A database whose encoding is that of the postmaster, with a function that never fails."""

    def __init__(self, cluster: RealCluster) -> None:
        self._cluster = cluster
        cluster.sql("create database bytes encoding 'SQL_ASCII' template template0 locale 'C'")
        # Without it the client library takes all text for bytes.
        cluster.sql("alter database bytes set client_encoding = 'UTF8'")
        cluster.sql(
            """
            create function answer(expression text, subject text) returns text[] language plpgsql as $$
            declare
                groups text[];
                answer text[] := '{match}';
                one text;
            begin
                groups := regexp_match(
                    convert_from(decode(subject, 'hex'), 'SQL_ASCII') collate "C",
                    convert_from(decode(expression, 'hex'), 'SQL_ASCII') collate "C");
                if groups is null then
                    return '{}';
                end if;
                foreach one in array groups loop
                    answer := answer || encode(convert_to(one, 'SQL_ASCII'), 'hex');
                end loop;
                return answer;
            exception when others then
                return array['error', sqlerrm];
            end $$
            """,
            database="bytes",
        )

    def answers(self, pairs: Sequence[Pair]) -> Iterator[tuple[str, Any]]:
        """Yield, for each pair, `error` and the words, `none`, or `match` and the groups; without groups that is the whole match."""
        spelled = [[text.encode("utf-8", "surrogateescape").hex() for text in column] for column in zip(*pairs, strict=True)]
        rows = self._cluster.sql(
            "select answer(e, t) from unnest(%s::text[], %s::text[]) with ordinality as _(e, t, n) order by n", spelled, database="bytes"
        )
        for (row,) in rows:
            assert isinstance(row, list)
            if not row:
                yield "none", None
            elif row[0] == "error":
                yield "error", row[1].removeprefix("invalid regular expression: ")
            else:
                yield "match", [None if one is None else bytes.fromhex(one).decode("utf-8", "surrogateescape") for one in row[1:]]


def ours(expression: str, text: str, major: int) -> tuple[str, Any]:
    try:
        compiled = regular_expressions.compile(expression, major)
    except InvalidExpression as refused:
        return "error", refused.message
    match = compiled.search(text)
    # The short cuts must not change anything.
    thorough = Expression(compiled.groups, compiled._matcher, None).search(text)
    assert match == thorough
    return ("none", None) if match is None else ("match", (compiled.groups, match.group1))


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """One running server a major for all pairs, started when it is first asked for."""
    clusters: list[RealCluster] = []
    ready: dict[int, Server] = {}

    def server(major: int) -> Server:
        if major not in ready:
            cluster = RealCluster.make(tmp_path_factory.mktemp("expressions"), major)
            clusters.append(cluster)
            cluster.start()
            ready[major] = Server(cluster)
        return ready[major]

    yield server
    for cluster in clusters:
        cluster.close()


def compare(pairs: Sequence[Pair], major: int, server: Server) -> None:
    for (expression, text), (kind, detail) in zip(pairs, server.answers(pairs), strict=True):
        our_kind, our_detail = ours(expression, text, major)
        if detail == "regular expression is too complex" and our_kind != "error":
            # Its memory decided: what word boundaries in repetitions cost there is not imitated.
            continue
        expected = detail
        if kind == "match":
            groups = our_detail[0] if our_kind == "match" else None
            assert len(detail) == max(groups or 0, 1), (expression, text, our_kind, our_detail, detail)
            expected = (groups, detail[0] if groups else None)
        assert (our_kind, our_detail) == (kind, expected), (expression, text)


def test_the_server_says_the_same_of_everything_above(major: int, servers: Any) -> None:
    single = [(piece, "ab") for piece in (*PIECES, *WRONG_PIECES, *BASIC_PIECES)]
    quantified = [(f"({piece}){quantifier}", "aab") for piece in PIECES for quantifier in QUANTIFIERS]
    elements = [
        (f"[[.{name}.]]", chr(code))
        for name in ("NUL", "IS1", "US", "space", "tilde", "DEL", "zero", "é")
        for code in (31, 32, 48, 126, 127)
    ]
    classes = [
        (f"^[[:{name}:]]$", bytes([code]).decode("utf-8", "surrogateescape"))
        for name in ("alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space", "upper", "xdigit")
        for code in range(1, 256)
    ]
    compare([*single, *quantified, *elements, *classes], major, servers(major))


@settings(
    max_examples=max(EXAMPLES // BATCH, 1),
    deadline=None,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.function_scoped_fixture,
        HealthCheck.data_too_large,
        HealthCheck.large_base_example,
    ],
)
@given(pairs=st.lists(st.tuples(expressions, texts), min_size=BATCH, max_size=BATCH))
def test_the_server_says_the_same_of_any_expression(pairs: list[Pair], major: int, servers: Any) -> None:
    compare(pairs, major, servers(major))


def test_the_files_are_refused_in_the_same_words(servers: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    newest = max(available(), default=0)
    if newest < 16:
        pytest.skip("before 16 pg_hba.conf has no regular expressions")
    wrong = ["/(", "/a**", "/[[:foo:]]", "/a{2,1}", "/\\q"]
    cluster = servers(newest)._cluster
    cluster.hba_file.write_text("".join(f'local all "{word}" trust\n' for word in wrong), encoding="utf-8")
    rows = cluster.sql("select error from pg_hba_file_rules order by line_number")
    assert [row[0] for row in rows] == [f'invalid regular expression "{word[1:]}": {refusal(word[1:], newest)}' for word in wrong]
