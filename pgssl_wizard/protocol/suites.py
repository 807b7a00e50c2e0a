"""Cipher suites as a library expands them: what each is made of, how strong it is, and what a server with these settings offers. Pure.

Suites are judged by what they consist of, never by the word of a list that brought them in.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

Strength = Literal["strong", "sound", "weak", "none", "broken"]

VERSIONS = ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")
#: Withdrawn by RFC 8996 (2021).
OLD_VERSIONS = ("TLSv1", "TLSv1.1")

#: What each of OpenSSL's security levels asks for, in bits, and what keys are worth (SSL_CTX_set_security_level(3)).
_LEVELS = (0, 80, 112, 128, 192, 256)
_KEYS = {"rsa-2048": 112, "rsa-3072": 128, "rsa-4096": 152, "ecdsa-p256": 128, "ecdsa-p384": 192}

#: The hybrid post-quantum group, by the name that OpenSSL gives it.
HYBRID = "X25519MLKEM768"
#: What a library is asked about: what guidelines name, and what a server may have set. The names of OpenSSL.
ASKED_GROUPS = (
    *(HYBRID, "X25519", "prime256v1", "secp384r1", "secp521r1", "X448"),
    *("SecP256r1MLKEM768", "SecP384r1MLKEM1024", "ffdhe2048", "ffdhe3072", "ffdhe4096"),
)
#: Other spellings of the same groups.
_SAME_GROUP = {"p-256": "prime256v1", "secp256r1": "prime256v1", "p-384": "secp384r1", "p-521": "secp521r1"}

#: What has a block of 64 bits: two equal blocks in 32 GB of traffic give plaintext away (Sweet32, CVE-2016-2183).
_SMALL_BLOCKS = re.compile(r"^(?:DES|RC2|IDEA|BF|CAST|gost89|.*GOST 28147)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Question:
    """The settings that decide what a server offers, as its files would have them; empty: not set.

    Attributes:
        minimum, maximum: of TLS, as PostgreSQL spells them.
        ciphers: ssl_ciphers, of TLS 1.2 and below.
        tls13_ciphers: ssl_tls13_ciphers (18).
        groups: ssl_groups (18), a list.
        curve: ssl_ecdh_curve (before 18), exactly one.
    """

    minimum: str = "TLSv1.2"
    maximum: str = ""
    ciphers: str = ""
    tls13_ciphers: str = ""
    groups: str = ""
    curve: str = ""


@dataclass(frozen=True, slots=True)
class Suite:
    """One cipher suite.

    Attributes:
        name: as OpenSSL and pg_stat_ssl name it.
        bits: of the symmetric key; 0: nothing is encrypted.
        exchange: of keys: `ECDHE`, `DHE`, `RSA`, `any` (TLS 1.3), or what else the library says.
        authentication: `ECDSA`, `RSA`, `any` (TLS 1.3), `none`, `DSS`, `PSK`, …
        encryption, digest: by the library's short names; empty: none.
        aead: encryption and integrity in one.
        tls: the versions in which it is really offered; none: the list names it, and something else forbids it.
    """

    name: str
    bits: int
    exchange: str
    authentication: str
    encryption: str
    digest: str
    aead: bool
    tls: tuple[str, ...] = ()

    @property
    def anonymous(self) -> bool:
        """Whether nobody shows who they are: anybody in between can read and change everything."""
        return self.authentication == "none"

    @property
    def forward_secret(self) -> bool:
        """Whether a key that leaks later opens no old recording."""
        return self.exchange in {"ECDHE", "DHE", "any"}

    @property
    def broken(self) -> str:
        """Why no server should offer it; empty when it may."""
        if self.anonymous:
            return "nobody proves who they are, so anybody in between can read and change everything"
        if self.digest == "MD5":
            return "its integrity rests on MD5"
        if self.bits == 0:
            return ""
        if self.encryption.startswith("RC4"):
            return "RC4 is broken (RFC 7465)"
        if _SMALL_BLOCKS.match(self.encryption):
            return "its blocks of 64 bits give plaintext away on long connections (Sweet32)"
        if self.bits < 112:
            return f"{self.bits} bits can be searched through"
        return ""

    @property
    def strength(self) -> Strength:
        """Return how good it is: `broken` and `none` (no encryption) protect nothing."""
        if self.broken:
            return "broken"
        if self.bits == 0:
            return "none"
        if not self.forward_secret or self.name.endswith(("CCM8", "CCM_8_SHA256")) or self.authentication == "DSS":
            return "weak"
        return "strong" if self.aead and self.exchange != "DHE" else "sound"

    def fits(self, key: str) -> bool:
        """Return whether a server whose key is of this type (`ecdsa-p256`, `rsa-2048`) can use it."""
        return self.authentication in {"any", "none"} or self.authentication == ("RSA" if key.startswith("rsa") else "ECDSA")


@dataclass(frozen=True, slots=True)
class Refusal:
    """What the library answers to a setting that it does not take; `setting` is a field of `Question`."""

    setting: str
    words: str


@dataclass(frozen=True, slots=True)
class Offer:
    """What a server with certain settings offers, by its own library.

    Attributes:
        library: with its version, in its own words.
        asked: the settings.
        suites: what the lists bring in, best first as the server orders them, those that something else forbids included.
        groups: for the exchange of keys, as far as the library knows them.
        level: OpenSSL's security level in force.
        idle: words of ssl_ciphers that bring in nothing: the library does not know them, or was built without them.
        refusal: the first setting that the library refuses; then there are no suites.
    """

    library: str
    asked: Question
    suites: tuple[Suite, ...] = ()
    groups: tuple[str, ...] = ()
    level: int = 1
    idle: tuple[str, ...] = ()
    refusal: Refusal | None = None

    def versions(self, key: str) -> tuple[str, ...]:
        """Return the versions of TLS that a server with a key of this type really speaks, oldest first."""
        found = {version for suite in self.usable(key) for version in suite.tls}
        return tuple(version for version in VERSIONS if version in found)

    def usable(self, key: str) -> tuple[Suite, ...]:
        """Return the suites that can come about with a key of this type."""
        fitting = (suite for suite in self.suites if suite.tls and suite.fits(key))
        return tuple(suite for suite in fitting if "TLSv1.3" in suite.tls or self._strong_enough(suite, key))

    def _strong_enough(self, suite: Suite, key: str) -> bool:
        """Whether the security level lets key and exchange pass; in TLS 1.3 the key alone is not judged (seen with handshakes)."""
        wanted = _LEVELS[min(self.level, len(_LEVELS) - 1)]
        # PostgreSQL brings parameters of 2048 bits.
        return _KEYS.get(key, 256) >= wanted and (suite.exchange != "DHE" or wanted <= _KEYS["rsa-2048"])


@dataclass(frozen=True, slots=True)
class TlsLibrary:
    """The TLS library of a server.

    Attributes:
        version: in its own words, `OpenSSL 3.0.19 27 Jan 2026`.
        directory: where it looks for openssl.cnf.
        groups: of those that were asked for, the ones it knows.
        minimum, maximum: of TLS before a server sets anything; empty: no bound.
        level: the security level before a list of ciphers sets another.
    """

    version: str
    directory: str = ""
    groups: tuple[str, ...] = ()
    minimum: str = ""
    maximum: str = ""
    level: int = 1


def offer(library: str, asked: Question, told: Mapping[str, object], groups: Iterable[str] = ()) -> Offer:
    """Return what the library told as a record.

    Args:
        library: its version in its own words.
        asked: the settings it was asked about.
        told: `refusal`, `level`, `versions` (version → names), `suites` (name → facts), `listed` (names), `idle` (words).
        groups: those it knows.
    """
    refusal = told["refusal"]
    if isinstance(refusal, list | tuple):
        return Offer(library, asked, refusal=Refusal(str(refusal[0]), str(refusal[1])))
    versions: Mapping[str, Iterable[str]] = told["versions"]  # type: ignore[assignment]
    facts: Mapping[str, Mapping[str, object]] = told["suites"]  # type: ignore[assignment]
    listed: Iterable[str] = told["listed"]  # type: ignore[assignment]
    suites = {name: suite(name, facts[name]) for name in [*listed, *(name for names in versions.values() for name in names)]}
    for version in VERSIONS:
        for name in versions.get(version, ()):
            suites[name] = replace(suites[name], tls=(*suites[name].tls, version))
    known = set(groups)
    wanted = [asked.curve] if asked.curve else [word for word in asked.groups.split(":") if word]
    offered = tuple(word for word in wanted if not known or plain_group(word) in known or plain_group(word) not in ASKED_GROUPS)
    # A suite that no callback of the server's serves: it has neither shared keys nor passwords for TLS.
    there = tuple(each for each in suites.values() if "PSK" not in each.exchange + each.authentication and "SRP" not in each.exchange)
    idle: Iterable[str] = told.get("idle", ())  # type: ignore[assignment]
    return Offer(library, asked, there, offered, int(str(told["level"])), tuple(idle))


def suite(name: str, facts: Mapping[str, object]) -> Suite:
    """Return one suite from the library's facts, in plain words."""
    return Suite(
        name,
        int(str(facts["bits"])),
        _plain(facts["exchange"], "Kx"),
        _plain(facts["authentication"], "Auth"),
        str(facts["encryption"]),
        str(facts["digest"]),
        bool(facts["aead"]),
    )


def plain_group(name: str) -> str:
    """Return a group's name as this module spells it."""
    lowered = name.lower()
    return _SAME_GROUP.get(lowered) or next((known for known in ASKED_GROUPS if known.lower() == lowered), name)


def _plain(name: object, prefix: str) -> str:
    """Return `ECDHE` for `KxECDHE`, `none` for `AuthNULL`, `any` for `KxANY`."""
    text = str(name).removeprefix(prefix)
    return {"NULL": "none", "ANY": "any"}.get(text, text)
