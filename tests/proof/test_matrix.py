"""What an attempt ought to do, as a table that can be checked against libpq's documentation line by line."""

from __future__ import annotations

import pytest

from pgssl_wizard.proof.matrix import Promise, Row, expect, rows
from pgssl_wizard.proof.model import CertificateGiven, RootGiven, Verdict

REQUIRED = Promise(tls=True, plaintext="reject", encrypted="accept")
OPTIONAL = Promise(tls=True, plaintext="accept", encrypted="accept")
NO_TLS = Promise(tls=False, plaintext="accept", encrypted="reject")
CERTIFICATES_NEEDED = Promise(tls=True, plaintext="reject", encrypted="reject", client_ca=True)
CERTIFICATES_CHECKED = Promise(tls=True, plaintext="accept", encrypted="accept", client_ca=True)


def table(promise: Promise, certificate: CertificateGiven = "none") -> dict[str, str]:
    """Return one letter for each root (none, right, wrong) by sslmode: a accepted, - rejected."""
    letters: dict[str, str] = {}
    for row in rows(["db"], client_ca=certificate != "none"):
        if row.certificate == certificate:
            letters[row.sslmode] = letters.get(row.sslmode, "") + ("a" if expect(promise, row) == "accept" else "-")
    return letters


def test_where_tls_is_required_only_an_unverified_or_rightly_verified_session_gets_in() -> None:
    """A wrong root fails everywhere; without a root verify-ca and verify-full do not even try."""
    assert table(REQUIRED) == {
        "disable": "---",
        "allow": "aa-",
        "prefer": "aa-",
        "require": "aa-",
        "verify-ca": "-a-",
        "verify-full": "-a-",
    }


def test_where_plaintext_is_open_prefer_with_a_wrong_root_falls_back_to_it() -> None:
    """This is why prefer protects nobody."""
    assert table(OPTIONAL) == {
        "disable": "aaa",
        "allow": "aaa",
        "prefer": "aaa",
        "require": "aa-",
        "verify-ca": "-a-",
        "verify-full": "-a-",
    }


def test_without_tls_everything_from_require_on_fails() -> None:
    """The server answers N, and the client gives up where it must not go on in plaintext."""
    assert table(NO_TLS) == {
        "disable": "aaa",
        "allow": "aaa",
        "prefer": "aaa",
        "require": "---",
        "verify-ca": "---",
        "verify-full": "---",
    }


def test_where_every_rule_wants_a_certificate_nobody_gets_in_without_one() -> None:
    """Every cell is a refusal, by the rules."""
    assert set("".join(table(CERTIFICATES_NEEDED).values())) == {"-"}


def test_a_certificate_of_another_authority_is_refused_even_where_none_is_asked_for() -> None:
    """With TLS 1.3 the refusal comes too late for prefer to fall back; a wrong root stops the handshake earlier, and it does."""
    assert table(CERTIFICATES_CHECKED, "wrong-ca") == {
        "disable": "aaa",
        "allow": "aaa",
        "prefer": "--a",
        "require": "---",
        "verify-ca": "---",
        "verify-full": "---",
    }


def test_with_tls_1_2_prefer_falls_back_after_a_refused_certificate() -> None:
    """There the refusal is part of the handshake."""
    promise = Promise(tls=True, plaintext="accept", encrypted="accept", client_ca=True, tls13=False)
    assert table(promise, "wrong-ca")["prefer"] == "aaa"


@pytest.mark.parametrize("plaintext", ["accept", "reject"])
def test_disable_is_what_the_rules_say_about_plaintext(plaintext: Verdict) -> None:
    """Whatever root and certificate the client has."""
    promise = Promise(tls=True, plaintext=plaintext, encrypted="accept")
    roots: tuple[RootGiven, ...] = ("none", "right", "wrong")
    assert {expect(promise, Row("db", "disable", root)) for root in roots} == {plaintext}


def test_every_other_name_is_tried_with_verify_full_and_the_right_root() -> None:
    """One attempt for each, after the whole table for the first."""
    made = list(rows(["a", "b", "c"], client_ca=False))
    assert len(made) == 18 + 2
    assert made[-2:] == [Row("b", "verify-full", "right"), Row("c", "verify-full", "right")]


def test_without_a_name_there_is_nothing_to_try() -> None:
    """A certificate without names promises nothing."""
    assert list(rows([], client_ca=True)) == []


def test_a_name_that_the_certificate_does_not_carry_is_tried_once_and_refused() -> None:
    """By whoever verifies it; the rest of the table is as it was."""
    table_with = list(rows(["db"], client_ca=False, uncovered=["other"]))
    assert table_with[:-1] == list(rows(["db"], client_ca=False))
    other = table_with[-1]
    assert (other.host, other.sslmode, other.root, expect(REQUIRED, other)) == ("other", "verify-full", "right", "reject")
