"""Attempts as JSON lines: what is taken, and in which words a line is refused."""

from __future__ import annotations

import pytest

from pgssl_wizard.access.attempt import Attempt, ClientCertificate
from pgssl_wizard.access.attempts import BadAttempt, Reading


def test_a_whole_line_becomes_an_attempt() -> None:
    """Every key of the contract; the address in its shortest form."""
    line = (
        '{"id": "a", "database": "shop", "user": "app", "address": "2001:DB8:0::1", "tls": true, "gss": false, "certificate":'
        ' {"cn": "app", "dn": "CN=app", "trusted": false}, "replication": false, "roles": ["x"], "host_name": "h"}\r\n'
    )
    certificate = ClientCertificate("app", "CN=app", trusted=False)
    expected = Attempt("shop", "app", "2001:db8::1", tls=True, certificate=certificate, roles=("x",), host_name="h")
    assert Reading().read(line) == ("a", expected)


def test_what_is_left_out_is_null_or_false() -> None:
    """A database too: the server takes the one named like the user, and a walsender has none."""
    assert Reading().read('{"database": "d", "user": "u"}') == (None, Attempt("d", "u"))
    assert Reading().read('{"user": "u"}')[1] == Attempt("", "u")
    assert Reading().read('{"database": null, "user": "u", "replication": true}')[1] == Attempt("", "u", replication=True)
    assert Reading().read('{"user": "u", "address": "[local]"}')[1].address is None
    assert Reading().read('{"user": "u", "certificate": {"cn": null}}')[1].certificate == ClientCertificate("", "")


def test_memberships_of_the_server_fill_in_what_the_attempt_leaves_open() -> None:
    """What it says itself wins; who is unknown there does not exist."""
    reading = Reading({"app": ("staff",)})
    assert reading.read('{"user": "app"}')[1].roles == ("staff",)
    assert reading.read('{"user": "app", "roles": []}')[1] == Attempt("", "app")
    assert reading.read('{"user": "app", "roles": ["x"]}')[1].roles == ("x",)
    assert reading.read('{"user": "other"}')[1].exists is False
    assert reading.read('{"user": "other", "roles": ["x"]}')[1].exists is True


def test_keys_that_are_not_known_are_counted_and_passed_over() -> None:
    """So that a slip does not stay unseen."""
    reading = Reading()
    for _ in range(2):
        reading.read('{"user": "u", "adress": "10.0.0.1", "certificate": {"cn": "u", "serial": 1}}')
    assert reading.unknown == {"adress": 2, "certificate.serial": 2}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('{"user": "u"', "it is no JSON"),
        ('{"user": "u"} {"user": "v"}', "more than one JSON value in the line (column 14)"),
        ('["u"]', "it is no JSON object"),
        ('{"id": NaN, "user": "u"}', "NaN is no number"),
        ("[" * 100_000, "nested too deeply"),
        ('{"database": "d"}', "user is missing"),
        ('{"user": 7}', "user is no text"),
        ('{"user": "u\\u0000"}', "user holds a NUL"),
        ('{"user": "u", "database": null}', "database is missing"),
        ('{"user": "u", "tls": 1}', "tls is neither true nor false"),
        ('{"user": "u", "address": "10.0.0.0/8"}', "address is no address: 10.0.0.0/8"),
        ('{"user": "u", "address": "10"}', "address is no address: 10"),
        ('{"user": "u", "address": ["10.0.0.1"]}', "address is neither an address nor null"),
        ('{"user": "u", "roles": "staff"}', "roles is no list of names"),
        ('{"user": "u", "certificate": "CN=u"}', "certificate is neither an object nor null"),
        ('{"user": "u", "certificate": {"cn": 1}}', "cn and dn of a certificate are texts or null"),
        ('{"user": "u", "certificate": {"cn": "u", "trusted": null}}', "trusted of a certificate is neither true nor false"),
    ],
)
def test_a_line_that_is_no_attempt_is_refused_with_the_reason(line: str, words: str) -> None:
    """In one plain sentence."""
    with pytest.raises(BadAttempt) as refused:
        Reading().read(line)
    assert words in str(refused.value)
