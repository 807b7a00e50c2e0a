"""Diffie-Hellman parameters: what a server would not start with, and what it should not get."""

from __future__ import annotations

import base64
import subprocess

import pytest

from pgssl_wizard.protocol.dh import judge


def made(*arguments: str) -> bytes:
    """Return what the program makes."""
    return subprocess.run(["openssl", *arguments], check=True, capture_output=True).stdout


def test_a_known_group_is_taken_also_with_words_before_it() -> None:
    pem = made("genpkey", "-genparam", "-algorithm", "DH", "-pkeyopt", "group:ffdhe2048")
    assert judge(pem).bits == 2048
    assert judge(b"    DH Parameters: (2048 bit)\n" + pem).problem == ""


def test_small_primes_and_primes_with_small_subgroups_are_not() -> None:
    assert "512 bits" in judge(made("dhparam", "-2", "512")).problem
    assert "safe prime" in judge(made("dhparam", "-dsaparam", "2048")).problem


def test_a_number_that_is_no_prime_is_told() -> None:
    """The last digits of a good prime changed, as a slip of the pen does it."""
    pem = made("genpkey", "-genparam", "-algorithm", "DH", "-pkeyopt", "group:modp_2048")
    der = subprocess.run(["openssl", "asn1parse", "-noout", "-out", "/dev/stdout"], input=pem, check=True, capture_output=True).stdout
    place = der.rindex(b"\xff" * 8) + 7
    broken = base64.encodebytes(der[:place] + b"\xfd" + der[place + 1 :])
    found = judge(b"-----BEGIN DH PARAMETERS-----\n" + broken + b"-----END DH PARAMETERS-----\n")
    assert (found.bits, found.problem) == (2048, "Its p is not a prime, and the server would not start.")


@pytest.mark.parametrize("data", [b"", b"garbage", b"-----BEGIN DH PARAMETERS-----\n%%%\n-----END DH PARAMETERS-----\n"])
def test_what_is_no_pem_would_keep_the_server_from_starting(data: bytes) -> None:
    found = judge(data)
    assert "would not start" in found.problem
    assert found.hint
