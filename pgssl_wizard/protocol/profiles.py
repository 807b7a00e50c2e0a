"""TLS versions, cipher suites and groups: Mozilla's guideline 6.0 as PostgreSQL settings, gated by version.

The guideline's lists are of 2026-04-06. A setting that a server's version does not know makes the server refuse its whole
configuration file, so every name here passes through `files.known_settings`.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from pgssl_wizard.answers import ProtocolAnswers
from pgssl_wizard.errors import UnusableInput
from pgssl_wizard.files.known_settings import tls_settings
from pgssl_wizard.protocol.suites import HYBRID, VERSIONS

#: The suites of TLS 1.2 in the intermediate profile, in the guideline's order.
INTERMEDIATE_CIPHERS = (
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-CHACHA20-POLY1305",
)
GROUPS = (HYBRID, "X25519", "prime256v1", "secp384r1")
#: The hybrid post-quantum group needs this OpenSSL.
HYBRID_SINCE = (3, 5)

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
        "the settings as they stand: PostgreSQL's built-in lists where no file names others",
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


def groups_for(openssl_version: str | None, known: Collection[str] = ()) -> str:
    """Return the guideline's groups that the server's OpenSSL has.

    Args:
        openssl_version: in words, for the hybrid group where nobody could ask the library itself.
        known: the groups that the library says it knows; empty: it was not asked.
    """
    if known:
        return ":".join(name for name in GROUPS if name in known)
    usable = GROUPS if openssl_number(openssl_version) >= HYBRID_SINCE else GROUPS[1:]
    return ":".join(usable)


def settings_for(protocol: ProtocolAnswers, major: int, openssl_version: str | None, known_groups: Collection[str] = ()) -> dict[str, str]:
    """Return the settings that a choice means for a server of this major; only names that it knows.

    Nothing is returned for `server-default`: what stands in the files stays. Where the file of DH parameters goes is not said here.

    Args:
        protocol: the answers.
        major: of the server.
        openssl_version: of its library, in words.
        known_groups: those that its library says it knows.

    Raises:
        UnusableInput: a custom value that this version cannot have.
    """
    known = {setting.name for setting in tls_settings(major)}
    wanted: dict[str, str] = {}
    if protocol.profile == "modern":
        wanted = {
            "ssl_min_protocol_version": "TLSv1.3",
            "ssl_max_protocol_version": "",
            "ssl_groups": groups_for(openssl_version, known_groups),
        }
    elif protocol.profile == "intermediate":
        wanted = {
            "ssl_min_protocol_version": "TLSv1.2",
            "ssl_max_protocol_version": "",
            "ssl_ciphers": ":".join(INTERMEDIATE_CIPHERS),
            "ssl_prefer_server_ciphers": "off",
            "ssl_groups": groups_for(openssl_version, known_groups),
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
    """Refuse custom values that no server of this major takes; what its library makes of the lists is judged with the plan.

    Raises:
        UnusableInput: with the key and the reason.
    """
    for key, value in (("protocol.minimum", protocol.minimum), ("protocol.maximum", protocol.maximum)):
        if value and value not in VERSIONS:
            raise UnusableInput(
                f"{value} is no TLS version that PostgreSQL knows.", where=key, hint=f"One of {', '.join(VERSIONS)}.", code="bad-version"
            )
    if protocol.minimum and protocol.maximum and VERSIONS.index(protocol.minimum) > VERSIONS.index(protocol.maximum):
        raise UnusableInput("The minimum TLS version is above the maximum.", where="protocol.minimum", code="bad-version")
    for key, value in (
        ("protocol.ciphers", protocol.ciphers),
        ("protocol.tls13_ciphers", protocol.tls13_ciphers),
        ("protocol.groups", protocol.groups),
    ):
        if not value.isprintable() or not value.isascii():
            raise UnusableInput("A list holds printable ASCII characters only.", where=key, code="bad-list")
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
