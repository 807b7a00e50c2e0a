"""YAML as it is written for other systems: whatever a value holds, it is read back as the same text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgssl_wizard.plan.yaml_text import Value, document
from tests.plan.yaml_reading import interpreter, read, really_read

ODD = [
    *(
        "on",
        "off",
        "no",
        "null",
        "~",
        "",
        " ",
        "1",
        "0x10",
        "1.5",
        "2026-11-26",
        "!tag",
        "&a",
        "*a",
        "- x",
        "a: b",
        "# no comment",
        "{}",
        "[x]",
    ),
    *(
        "a\nb",
        "tab\there",
        'say "yes"',
        "back\\slash",
        "\\n",
        "\x00",
        "\x07",
        "\x7f",
        "\x85",
        "\u2028",
        "\u2029",
        "\ufeff",
        "é",
        "日本",
        "\U0001f511",
    ),
    'host all "we ird" 10.0.0.0/8 ldap ldapprefix="cn=" # not a comment',
]


@given(st.lists(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=12), min_size=1, max_size=4))
def test_any_text_comes_back_as_it_was(texts: list[str]) -> None:
    """In a list and as a value."""
    value = {"spec": {"first": texts[0], "list": texts}}
    assert read(document(value)) == value


def test_a_real_parser_reads_the_same_texts() -> None:
    """What other readers take for numbers, dates, booleans, comments or the end of a line stays text."""
    if interpreter() is None:
        pytest.skip("no Python with a YAML parser is installed")
    value: dict[str, Value] = {
        "postgresql": {"parameters": {f"p{number}": text for number, text in enumerate(ODD)}, "pg_hba": ODD},
        "on": "on",
    }
    assert really_read(document(value)) == value == read(document(value))
