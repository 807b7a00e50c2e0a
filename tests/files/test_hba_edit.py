"""Edits of rules and maps: the line meant changes, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgssl_wizard.files.auth_lines import Token
from pgssl_wizard.files.edits import Edit, apply
from pgssl_wizard.files.hba import Rule, parse_rules
from pgssl_wizard.files.hba_edit import LinesEditor, rule_text
from tests.files.test_hba import rules_in

LINES = [
    b"host    all             all             127.0.0.1/32            scram-sha-256",
    b"host all all ::1/128 md5 # comment",
    b"\thost\tall\tall\t10.0.0.0/8\ttrust",
    b"local   all             all                                     peer",
    b"# a comment",
    b"",
    b"hostssl all all all cert map=x",
    b'host "a b" all 10.0.0.1 255.255.255.255 password',
    b"host a,b +c 10.0.0.0/8 trust # \xe9",
    b"hostssl all all all scram-sha-256 clientcert=verify-ca,clientname=CN",
    b"hostssl all all all cert clientname=CN map=y # both",
    b"host all all all ldap ldapserver=x ldapprefix=cn= # \xff",
    b"host \\\n  all all \\\r\n 10.1.1.1/32 \\\n    md5",
    b"host all all all md5\\\n\\\n",
]
FILES = st.tuples(st.lists(st.sampled_from(LINES), min_size=1, max_size=6), st.sampled_from([b"\n", b"\r\n"]), st.booleans()).map(
    lambda parts: parts[1].join(parts[0]) + (parts[1] if parts[2] else b"")
)


@given(FILES, st.sampled_from(["hostssl", "hostnossl", "host"]), st.sampled_from([None, "verify-ca"]), st.integers(0, 9))
def test_a_changed_rule_says_what_was_asked_and_every_other_line_stays_byte_for_byte(
    data: bytes, kind: str, demand: str | None, which: int
) -> None:
    rules = [rule for rule in rules_in(data) if rule.type != "local" and rule.error is None]
    if not rules:
        return
    rule = rules[which % len(rules)]
    demand = demand if kind == "hostssl" else None
    editor = LinesEditor(data, 17)
    gone = () if kind == "hostssl" else ("clientcert", "clientname")
    editor.change(rule.line, kind=kind, options={"clientcert": demand} if demand else {}, without=gone)
    new = editor.result()
    others_stay(data, new, rule)
    changed = next(each for each in rules_in(new) if each.line == rule.line)
    options = dict(rule.options)
    if demand:
        options["clientcert"] = demand
    for name in gone:
        options.pop(name, None)
    expected = rule._replace(type=kind, options=tuple(options.items()))
    # Any error comes from what was asked (cert without TLS), never from how it was written.
    assert changed._replace(error=None, options=tuple(dict(changed.options).items())) == expected or changed.error
    assert editor.after(rule.line) in new.decode("utf-8", "replace")


@given(FILES, st.sampled_from(["scram-sha-256", "md5", "cert", "trust"]), st.integers(0, 9))
def test_a_method_is_replaced_with_its_options_or_without(data: bytes, method: str, which: int) -> None:
    rules = [rule for rule in rules_in(data) if rule.error is None]
    if not rules:
        return
    rule = rules[which % len(rules)]
    editor = LinesEditor(data, 17)
    editor.change(rule.line, method=method, without=[name for name, _ in rule.options])
    new = editor.result()
    others_stay(data, new, rule)
    changed = next(each for each in rules_in(new) if each.line == rule.line)
    assert (changed.method, changed.options) == (method, ())
    assert changed[:8] == rule[:8]


def others_stay(before: bytes, after: bytes, rule: Rule) -> None:
    """Every line outside the rule is there as it was; so are the rule's line ending and the end of the file."""
    old, new = before.split(b"\n"), after.split(b"\n")
    assert len(old) == len(new)
    for number, (one, other) in enumerate(zip(old, new, strict=True), 1):
        assert one == other or rule.line <= number <= rule.last_line
        assert one.endswith(b"\r") == other.endswith(b"\r")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (LINES[0], LINES[0].replace(b"host    ", b"hostssl ")),
        (LINES[1], LINES[1].replace(b"host ", b"hostssl ")),
        (LINES[2], LINES[2].replace(b"host\t", b"hostssl\t")),
        (LINES[8], LINES[8].replace(b"host ", b"hostssl ")),
    ],
)
def test_a_longer_type_takes_its_room_from_the_blanks_behind_it(before: bytes, after: bytes) -> None:
    editor = LinesEditor(before + b"\n", 17)
    editor.change(1, kind="hostssl")
    assert editor.result() == after + b"\n"


def test_a_comment_stays_in_its_column_when_the_method_before_it_changes() -> None:
    assert edited(b"host all all all scram-sha-256   # why\n", method="md5") == b"host all all all md5             # why\n"
    assert edited(b"host all all all md5             # why\n", method="scram-sha-256") == b"host all all all scram-sha-256   # why\n"
    assert edited(b"host all all all md5 # why\n", method="scram-sha-256") == b"host all all all scram-sha-256 # why\n"


def test_of_several_options_of_one_name_one_is_left() -> None:
    line = b"hostssl all all all md5 clientcert=verify-ca clientcert=verify-ca # x\n"
    assert edited(line, options={"clientcert": "verify-full"}) == b"hostssl all all all md5 clientcert=verify-full # x\n"


def test_a_value_with_blanks_is_quoted() -> None:
    assert edited(b"local all all peer\n", options={"map": "a b"}) == b'local all all peer map="a b"\n'
    assert rules_in(b'local all all peer map="a b"\n')[0].option("map") == "a b"


def edited(data: bytes, method: str | None = None, options: dict[str, str] | None = None) -> bytes:
    """Change the first line."""
    editor = LinesEditor(data, 17)
    editor.change(1, method=method, options=options)
    return editor.result()


def test_a_continued_rule_is_edited_where_its_words_stand() -> None:
    data = b"host all all \\\n  10.0.0.0/8 \\\n  scram-sha-256 # end\nlocal all all peer\n"
    assert rules_in(data)[0].last_line == 3
    editor = LinesEditor(data, 17)
    editor.change(1, options={"clientcert": "verify-ca"})
    assert editor.result() == data.replace(b"scram-sha-256 #", b"scram-sha-256 clientcert=verify-ca #")
    assert rules_in(data, 13)[0].error is not None
    with pytest.raises(LookupError):
        LinesEditor(data, 17).change(2, kind="hostssl")


@given(FILES, st.integers(0, 9), st.sampled_from(["before", "after", "end"]))
def test_a_line_that_is_added_stands_where_it_should_in_the_files_own_ending(data: bytes, which: int, where: str) -> None:
    new_rule = "local new new reject"
    rules = rules_in(data)
    editor = LinesEditor(data, 17)
    if where == "end" or not rules:
        editor.append(new_rule)
        expected = [*(rule[3:] for rule in rules)]
        place = len(rules)
    else:
        place = which % len(rules)
        (editor.insert_before if where == "before" else editor.insert_after)(rules[place].line, new_rule)
        place += where == "after"
        expected = [*(rule[3:] for rule in rules)]
    new = editor.result()
    expected.insert(place, rules_in(new_rule.encode())[0][3:])
    assert [rule[3:] for rule in rules_in(new)] == expected
    assert new.replace(b"local new new reject", b"", 1).replace(b"\r", b"").replace(b"\n", b"") == data.replace(b"\r", b"").replace(
        b"\n", b""
    )
    if b"\\" not in data:
        at = new.index(new_rule.encode())
        assert new[at + len(new_rule) :].startswith(b"\r\n" if b"\r\n" in data else b"\n")


@given(FILES, st.integers(0, 9))
def test_a_line_that_is_commented_out_or_removed_is_gone_and_the_others_stay(data: bytes, which: int) -> None:
    rules = rules_in(data)
    if not rules:
        return
    place = which % len(rules)
    left = [rule[3:] for index, rule in enumerate(rules) if index != place]
    for action in ("comment_out", "remove"):
        editor = LinesEditor(data, 17)
        getattr(editor, action)(rules[place].line)
        assert [rule[3:] for rule in rules_in(editor.result())] == left


def test_a_map_is_added_and_replaced_like_a_rule() -> None:
    editor = LinesEditor(b"# maps\r\nm  alice  alice\r\n", 17)
    editor.replace(2, "m  alice  bob")
    editor.append(rule_text([[Token("m")], [Token("CN=a, O=b")], [Token('x"y')]]))
    assert editor.result() == b'# maps\r\nm  alice  bob\r\nm "CN=a, O=b" "x""y"\r\n'


@given(st.binary(), st.sampled_from([13, 17]))
def test_an_editor_without_edits_gives_the_same_bytes(data: bytes, major: int) -> None:
    assert LinesEditor(data, major).result() == data


@given(st.binary(max_size=40), st.sampled_from([13, 14, 17]))
def test_any_line_of_any_bytes_can_be_commented_out(data: bytes, major: int) -> None:
    rules = parse_rules(Path("/hba"), major, lambda path: data if path == Path("/hba") else None, lambda _: None)
    for rule in rules:
        if rule.line and rule.file == Path("/hba"):
            editor = LinesEditor(data, major)
            editor.comment_out(rule.line)
            assert editor.result() != data


def test_edits_that_overlap_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="byte 1"):
        apply(b"abc", [Edit(0, 2, b"x"), Edit(1, 3, b"y")])
