"""Which names a certificate can carry."""

from __future__ import annotations

import pytest

from pgssl_wizard.certificates.names import common_name, parse_name, parse_names
from pgssl_wizard.errors import UnusableInput


@pytest.mark.parametrize(
    ("given", "text", "kind"),
    [
        ("DB.Example.com", "db.example.com", "dns"),
        ("localhost", "localhost", "dns"),
        ("my_db.internal", "my_db.internal", "dns"),
        ("*.example.com", "*.example.com", "wildcard"),
        ("10.0.0.5", "10.0.0.5", "address"),
        ("[::1]", "::1", "address"),
        ("2001:DB8:0::1", "2001:db8::1", "address"),
        ("bücher.example", "xn--bcher-kva.example", "dns"),
        ("  db  ", "db", "dns"),
    ],
)
def test_a_name_is_taken_in_its_canonical_form(given: str, text: str, kind: str) -> None:
    name = parse_name(given)
    assert (name.text, name.kind) == (text, kind)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("", "empty"),
        ("10.0.0.0/8", "network"),
        ("db:5432", "port"),
        ("db.example.com.", "dot at its end"),
        ("*.com", "top-level"),
        ("db.*.com", "whole first label"),
        ("a b", "blank"),
        ("fe80::1%eth0", "zone"),
        ("1.2.3", "looks like an address"),
        ("-db", "labels"),
        ("x" * 64 + ".com", "labels"),
    ],
)
def test_a_name_that_can_never_match_is_refused_with_the_reason(given: str, words: str) -> None:
    with pytest.raises(UnusableInput, match=words):
        parse_name(given)


def test_a_name_given_twice_is_one() -> None:
    assert len(parse_names(("db", "DB", "10.0.0.1", "10.0.0.1"))) == 2


def test_the_common_name_is_the_first_that_fits() -> None:
    long = ".".join(["x" * 20] * 4)
    assert common_name(parse_names((long, "*.example.com", "db"))) == "db"
