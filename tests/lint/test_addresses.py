from __future__ import annotations

import pytest

from pgssl_wizard.findings import Finding
from tests.lint.asking import findings


def said(address: str) -> list[Finding]:
    """What is said of a rule with this address."""
    return findings("pg_hba.conf", f"host all all {address} scram-sha-256\n")


@pytest.mark.parametrize(
    ("address", "code", "words", "cure"),
    [
        ("ALL", "address-keyword-is-name", "host name", "Write all"),
        ("SameNet", "address-keyword-is-name", "host name", "Write samenet"),
        ('"all"', "address-keyword-is-name", "in quotes", "without quotes"),
        ("*.corp", "address-wildcard", "no wildcards", "Write .corp"),
        ("db-*.corp", "address-wildcard", "no wildcards", "Write .example.com"),
        ("10/8", "address-shorthand", "0.0.0.10/8", "Write 10.0.0.0/8"),
        ("192.168/16", "address-shorthand", "192.0.0.168/16", "Write 192.168.0.0/16"),
        ("127/8", "address-shorthand", "0.0.0.127/8", "Write 127.0.0.0/8"),
        ("010.0.0.1/32", "address-octal", "8.0.0.1", "Write 10.0.0.1/32"),
        ("10.000.000.010/32", "address-octal", "10.0.0.8", "Write 10.0.0.10/32"),
        ("10.1.2.3/8", "address-host-bits", "10.0.0.0/8 (16,777,216 addresses)", "10.1.2.3/32"),
        ("10.1.2.3 255.255.0.0", "address-host-bits", "10.1.0.0/16", "10.1.2.3/32"),
        ("10.1.2.3/0", "address-host-bits", "every address", "10.1.2.3/32"),
        ("2001:db8::1/32", "address-host-bits", "2001:db8::/32 (2^96 addresses)", "2001:db8::1/128"),
        ("10.0.0.0 255.0.255.0", "mask-with-holes", "65,536 scattered", "/24"),
        ("10.1.2.0 0.0.0.255", "mask-with-holes", "turned round", "255.255.255.0"),
        ("0.0.0.0/32", "address-of-nobody", "nobody comes", "0.0.0.0/0"),
        ("::/128", "address-of-nobody", "nobody comes", "::/0"),
        ("10.0.0.256", "address-is-no-address", "no number", "Correct the number"),
        ("10.0.0.x%", "address-is-no-address", "no number", "Correct the number"),
    ],
)
def test_what_is_surely_not_meant_is_a_warning_with_its_cure(address: str, code: str, words: str, cure: str) -> None:
    (finding,) = said(address)
    assert (finding.severity, finding.code, finding.where) == ("warning", code, "/etc/pg/pg_hba.conf:1")
    assert words in finding.message
    assert cure in str(finding.hint)


@pytest.mark.parametrize(
    "address",
    [
        "all",
        "samehost",
        "samenet",
        "0.0.0.0/0",
        "0/0",
        "::/0",
        "10.0.0.0/8",
        "127.0.0.1/32",
        "127.000.000.001/32",
        "::1/128",
        "10.0.0.0 255.0.0.0",
        "2001:db8::/32",
        "db.example.com",
        ".example.com",
        "db_1",
        "fe80::1%lo/128",
        "localhost",
    ],
)
def test_nothing_is_said_of_what_means_what_it_says(address: str) -> None:
    assert said(address) == []


def test_host_bits_of_the_machine_itself_are_only_mentioned() -> None:
    for address in ("127.0.0.1/8", "127.1/8"):
        (finding,) = said(address)
        assert (finding.severity, finding.code) == ("info", "address-host-bits")
