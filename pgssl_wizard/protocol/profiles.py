"""TLS versions, cipher suites and groups: Mozilla's guideline 6.0 as PostgreSQL settings, gated by version.

The guideline's lists are of 2026-04-06. A setting that a server's version does not know makes the server refuse its whole
configuration file, so every name here passes through `files.known_settings`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pgssl_wizard.answers import ProtocolAnswers
from pgssl_wizard.certificates.profiles import KeyType
from pgssl_wizard.errors import UnusableInput
from pgssl_wizard.files.known_settings import tls_settings

#: The suites of TLS 1.2 in the intermediate profile, in the guideline's order.
INTERMEDIATE_CIPHERS = (
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-CHACHA20-POLY1305",
)
GROUPS = ("X25519MLKEM768", "X25519", "prime256v1", "secp384r1")
#: The hybrid post-quantum group needs this OpenSSL.
HYBRID_SINCE = (3, 5)

VERSIONS = ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")

#: Words of a cipher list that switch on what no client should be offered.
_REFUSED_WORDS = re.compile(
    r"^(?:a?NULL|eNULL|COMPLEMENTOFALL|ALL|EXP(?:ORT)?.*|ADH.*|AECDH.*|RC4.*|DES(?:-.*)?|MD5|LOW|3DES)$|NULL|RC4|-MD5$", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class ProfileWords:
    """What a profile means, for the screen and the plan."""

    label: str
    versions: str
    get: str
    cost: str
    clients: str


WORDS: dict[str, ProfileWords] = {
    "intermediate": ProfileWords(
        "Intermediate",
        "TLS 1.2 and 1.3",
        "TLS 1.2 and 1.3, forward secrecy, sound ciphers only",
        "nothing for clients of the last ten years",
        "libpq 9.3 or newer, Java 8, .NET 4.6, Node 10, Go 1.8",
    ),
    "modern": ProfileWords(
        "Modern",
        "TLS 1.3 only",
        "TLS 1.3 alone: the shortest list of things to trust",
        "clients with only TLS 1.2 are refused",
        "OpenSSL 1.1.1, Java 11, .NET Core 3 on Linux, Node 12, Go 1.13",
    ),
    "server-default": ProfileWords(
        "The server's own",
        "TLS 1.2 and newer",
        "PostgreSQL's built-in lists; these settings stay as they are",
        "some suites without forward secrecy stay allowed",
        "TLS 1.2",
    ),
    "custom": ProfileWords(
        "Your own",
        "as you say",
        "each setting as you write it; the server tries it before it counts",
        "you keep it up to date",
        "whatever your lists leave",
    ),
}


def openssl_number(version: str | None) -> tuple[int, int]:
    """Return major and minor of an OpenSSL version in words; (0, 0) when it is not known."""
    found = re.search(r"(\d+)\.(\d+)", version or "")
    return (int(found.group(1)), int(found.group(2))) if found else (0, 0)


def groups_for(openssl_version: str | None) -> str:
    """Return the guideline's groups, the hybrid one only where the server's OpenSSL has it."""
    usable = GROUPS if openssl_number(openssl_version) >= HYBRID_SINCE else GROUPS[1:]
    return ":".join(usable)


def settings_for(protocol: ProtocolAnswers, major: int, openssl_version: str | None) -> dict[str, str]:
    """Return the settings that a choice means for a server of this major; only names that it knows.

    Nothing is returned for `server-default`: what stands in the files stays.

    Raises:
        UnusableInput: a custom value that no server should offer, or that this version cannot have.
    """
    known = {setting.name for setting in tls_settings(major)}
    wanted: dict[str, str] = {}
    if protocol.profile == "modern":
        wanted = {"ssl_min_protocol_version": "TLSv1.3", "ssl_max_protocol_version": "", "ssl_groups": groups_for(openssl_version)}
    elif protocol.profile == "intermediate":
        wanted = {
            "ssl_min_protocol_version": "TLSv1.2",
            "ssl_max_protocol_version": "",
            "ssl_ciphers": ":".join(INTERMEDIATE_CIPHERS),
            "ssl_prefer_server_ciphers": "off",
            "ssl_groups": groups_for(openssl_version),
        }
    elif protocol.profile == "custom":
        check_custom(protocol, major)
        wanted = {
            "ssl_min_protocol_version": protocol.minimum,
            "ssl_max_protocol_version": protocol.maximum,
            "ssl_ciphers": protocol.ciphers,
            "ssl_tls13_ciphers": protocol.tls13_ciphers,
            "ssl_groups" if "ssl_groups" in known else "ssl_ecdh_curve": protocol.groups,
            "ssl_prefer_server_ciphers": "on" if protocol.prefer_server_ciphers else "off",
        }
        # An empty answer leaves the setting alone; only "any maximum" is a value of its own.
        wanted = {name: value for name, value in wanted.items() if value or name == "ssl_max_protocol_version"}
    return {name: value for name, value in wanted.items() if name in known}


def check_custom(protocol: ProtocolAnswers, major: int) -> None:
    """Refuse custom values that would hurt.

    Raises:
        UnusableInput: with the key and the reason.
    """
    for key, value in (("protocol.minimum", protocol.minimum), ("protocol.maximum", protocol.maximum)):
        if value and value not in VERSIONS:
            raise UnusableInput(
                f"{value} is no TLS version that PostgreSQL knows.", where=key, hint="One of TLSv1.2, TLSv1.3.", code="bad-version"
            )
        if value in {"TLSv1", "TLSv1.1"}:
            raise UnusableInput(
                f"{value} is broken and was withdrawn in 2021; the wizard does not offer it yet.",
                where=key,
                hint="Use TLSv1.2 or TLSv1.3.",
                code="weak-protocol",
            )
    if protocol.minimum and protocol.maximum and VERSIONS.index(protocol.minimum) > VERSIONS.index(protocol.maximum):
        raise UnusableInput("The minimum TLS version is above the maximum.", where="protocol.minimum", code="bad-version")
    for word in weak_words(protocol.ciphers)[:1]:
        raise UnusableInput(
            f"{word} allows suites without encryption, without authentication, or with broken ciphers; the wizard does not offer it.",
            where="protocol.ciphers",
            hint="Begin with HIGH:!aNULL, or name suites one by one.",
            code="weak-cipher",
        )
    for word in re.split(r"[:, ]+", protocol.ciphers):
        if word.startswith("TLS_"):
            raise UnusableInput(
                f"{word} is a suite of TLS 1.3, which ssl_ciphers does not hold.",
                where="protocol.ciphers",
                hint="Put it under protocol.tls13_ciphers (PostgreSQL 18 and newer).",
                code="bad-cipher",
            )
    if protocol.tls13_ciphers and major < 18:
        raise UnusableInput(
            f"PostgreSQL {major} has no setting for the suites of TLS 1.3.", where="protocol.tls13_ciphers", code="unknown-setting"
        )
    if ":" in protocol.groups and major < 18:
        raise UnusableInput(
            f"PostgreSQL {major} takes exactly one curve.", where="protocol.groups", hint="For example prime256v1.", code="bad-group"
        )


def weak_words(ciphers: str) -> list[str]:
    """Return the words of a cipher list that switch on what no client should be offered."""
    words = [word for word in re.split(r"[:, ]+", ciphers) if word and word[0] not in "!-@+"]
    return [word for word in words if any(_REFUSED_WORDS.search(part) for part in word.split("+"))]


def leaves_suite(ciphers: str, key: KeyType) -> bool:
    """Return whether an explicit list of ECDHE suites leaves one for this type of key; lists with other words pass."""
    words = [word for word in re.split(r"[:, ]+", ciphers) if word]
    if not all(re.match(r"^ECDHE-(ECDSA|RSA)-", word) for word in words):
        return True
    return any(word.startswith("ECDHE-RSA-" if key.startswith("rsa") else "ECDHE-ECDSA-") for word in words)
