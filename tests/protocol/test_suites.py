"""A suite is judged by what it is made of, whatever word brought it in."""

from __future__ import annotations

import pytest

from pgssl_wizard.protocol.suites import OLD_VERSIONS, Suite
from tests.protocol.offers import offer, suite


@pytest.mark.parametrize(
    ("made_of", "strength", "words"),
    [
        (Suite("TLS_AES_128_GCM_SHA256", 128, "any", "any", "id-aes128-GCM", "", aead=True), "strong", ""),
        (Suite("ECDHE-RSA-AES128-GCM-SHA256", 128, "ECDHE", "RSA", "id-aes128-GCM", "", aead=True), "strong", ""),
        (Suite("DHE-RSA-AES128-GCM-SHA256", 128, "DHE", "RSA", "id-aes128-GCM", "", aead=True), "sound", ""),
        (Suite("ECDHE-RSA-AES128-SHA", 128, "ECDHE", "RSA", "AES-128-CBC", "SHA1", aead=False), "sound", ""),
        (Suite("AES128-GCM-SHA256", 128, "RSA", "RSA", "id-aes128-GCM", "", aead=True), "weak", ""),
        (Suite("ECDHE-ECDSA-AES128-CCM8", 128, "ECDHE", "ECDSA", "id-aes128-CCM", "", aead=True), "weak", ""),
        (Suite("ECDHE-ECDSA-NULL-SHA", 0, "ECDHE", "ECDSA", "", "SHA1", aead=False), "none", ""),
        (Suite("ADH-AES128-SHA", 128, "DHE", "none", "AES-128-CBC", "SHA1", aead=False), "broken", "nobody proves"),
        (Suite("AECDH-NULL-SHA", 0, "ECDHE", "none", "", "SHA1", aead=False), "broken", "nobody proves"),
        (Suite("NULL-MD5", 0, "RSA", "RSA", "", "MD5", aead=False), "broken", "MD5"),
        (Suite("RC4-SHA", 128, "RSA", "RSA", "RC4", "SHA1", aead=False), "broken", "RC4"),
        (Suite("DES-CBC3-SHA", 168, "RSA", "RSA", "DES-EDE3-CBC", "SHA1", aead=False), "broken", "Sweet32"),
        (Suite("DES-CBC-SHA", 56, "RSA", "RSA", "DES-CBC", "SHA1", aead=False), "broken", "Sweet32"),
        (Suite("EXP-X", 40, "RSA", "RSA", "X-CBC", "SHA1", aead=False), "broken", "40 bits"),
    ],
    ids=lambda value: value.name if isinstance(value, Suite) else "",
)
def test_strength_comes_from_what_a_suite_is_made_of(made_of: Suite, strength: str, words: str) -> None:
    assert made_of.strength == strength
    assert words in made_of.broken
    assert bool(made_of.broken) is (strength == "broken")


def test_a_key_decides_which_suites_can_come_about() -> None:
    both = offer("ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES256-GCM-SHA384", "AES128-SHA")
    assert [each.name for each in both.usable("ecdsa-p256")][3:] == ["ECDHE-ECDSA-AES128-GCM-SHA256"]
    assert [each.name for each in both.usable("rsa-2048")][3:] == ["ECDHE-RSA-AES256-GCM-SHA384", "AES128-SHA"]
    assert both.versions("ecdsa-p384") == ("TLSv1.2", "TLSv1.3")
    assert offer("AES128-SHA").versions("ecdsa-p256") == ("TLSv1.3",)
    assert not set(OLD_VERSIONS) & set(both.versions("rsa-2048"))


def test_a_level_of_security_asks_more_of_a_key_below_tls_13() -> None:
    """Level 3 wants 128 bits: an RSA key of 2048 has 112, and so have the parameters that PostgreSQL brings."""
    found = offer("ECDHE-RSA-AES256-GCM-SHA384", "DHE-RSA-AES256-GCM-SHA384", level=3)
    assert found.versions("rsa-2048") == ("TLSv1.3",)
    assert [each.name for each in found.usable("rsa-3072")][3:] == ["ECDHE-RSA-AES256-GCM-SHA384"]
    assert suite("ECDHE-RSA-AES256-GCM-SHA384").fits("rsa-3072")
