"""Addresses in rules that the server takes and reads otherwise than people do."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pgssl_wizard.files.addresses import Range, in_words, numeric, parse_range
from pgssl_wizard.files.hba import ADDRESS_KEYWORDS, Rule
from pgssl_wizard.lint.remarks import Remark

_HOST_NAME = re.compile(r"\.?[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)*\.?")
_LIKE_A_NUMBER = re.compile(r"[0-9.]+")


def of_address(rule: Rule) -> Iterator[Remark]:
    """Yield what is worth saying of the address of an accepted rule."""
    if rule.address is None or (rule.address in ADDRESS_KEYWORDS and not rule.address_quoted):
        return
    found = parse_range(rule.address, rule.netmask)
    if found is None:
        yield from _name(rule, rule.address)
    else:
        yield from _number(rule, rule.address, found)


def is_loopback(rule: Rule) -> bool:
    """Return whether a rule takes only sessions from the machine itself, which nobody on the way can listen to."""
    if rule.address is None:
        return True
    found = None if rule.address_quoted and rule.address in ADDRESS_KEYWORDS else parse_range(rule.address, rule.netmask)
    if found is None:
        return False
    if found.family == 32:
        return found.mask >> 24 == 0xFF and found.base >> 24 == 127
    return found.mask == (1 << 128) - 1 and found.base == 1


def everywhere(rule: Rule) -> bool:
    """Return whether a rule takes every address of at least one family."""
    if rule.address == "all" and not rule.address_quoted:
        return True
    found = parse_range(rule.address or "", rule.netmask)
    return found is not None and found.mask == 0


def _name(rule: Rule, name: str) -> Iterator[Remark]:
    lower = name.lower()
    if lower in ADDRESS_KEYWORDS:
        how = "in quotes" if name in ADDRESS_KEYWORDS else "not in lower case"
        yield Remark(
            rule.file,
            rule.line,
            "warning",
            "address-keyword-is-name",
            f"has the address {name} {how}: that is a host name, and nobody comes from there",
            f"have the address {name} {how}: that is a host name, and nobody comes from there",
            hint=f"Write {lower}, in lower case and without quotes.",
        )
    elif "*" in name:
        suffix = name.lstrip("*")
        cure = (
            f"Write {suffix}, which takes every name below it." if suffix.startswith(".") and "*" not in suffix else "Write .example.com."
        )
        yield Remark(
            rule.file,
            rule.line,
            "warning",
            "address-wildcard",
            f"has the address {name}, which no host is called: there are no wildcards here",
            f"have the address {name}, which no host is called: there are no wildcards here",
            hint=cure,
        )
    elif _LIKE_A_NUMBER.fullmatch(name) or not _HOST_NAME.fullmatch(name):
        yield Remark(
            rule.file,
            rule.line,
            "warning",
            "address-is-no-address",
            f"has the address {name}, which is no number: the server takes it for a host name, which nobody has",
            f"have the address {name}, which is no number: the server takes it for a host name, which nobody has",
            hint="Correct the number; an address is written 10.0.0.0/8 or 2001:db8::/32.",
        )


def _number(rule: Rule, address: str, found: Range) -> Iterator[Remark]:
    host, slash, prefix = address.partition("/")
    base = numeric(host)
    assert base is not None
    bits, value = base
    meant = f"{in_words(bits, value & found.mask)}{_length(found)}"
    if bits == 32:
        for code, words, cure in _spelling(host, value, found, prefix if slash else ""):
            yield Remark(
                rule.file,
                rule.line,
                "warning",
                code,
                f"has the address {address}, {words}",
                f"have the address {address}, {words}",
                hint=cure,
            )
            return
    written = f"{address} {rule.netmask}" if rule.netmask else address
    if not _contiguous(found):
        inverse = _contiguous(Range(bits, 0, ~found.mask & ((1 << bits) - 1)))
        why = "is turned round" if inverse else "has holes"
        yield Remark(
            rule.file,
            rule.line,
            "warning",
            "mask-with-holes",
            f"has a mask ({rule.netmask}) that {why}: it takes {1 << (bits - found.mask.bit_count()):,} scattered addresses",
            hint=f"Write {in_words(bits, ~found.mask & ((1 << bits) - 1))}, or a length." if inverse else "Write a length, such as /24.",
        )
    elif value & ~found.mask & ((1 << bits) - 1):
        loopback = is_loopback(rule)
        one = f"{host}/{bits} for the one address"
        yield Remark(
            rule.file,
            rule.line,
            "info" if loopback else "warning",
            "address-host-bits",
            f"has the address {written}, which means the whole of {meant}",
            f"have the address {written}, which means the whole of {meant}",
            f" ({_how_many(bits, found)}).",
            f"Write {meant}, or {one}.",
        )
    elif value == 0 and found.mask == (1 << bits) - 1:
        yield Remark(
            rule.file,
            rule.line,
            "warning",
            "address-of-nobody",
            f"has the address {written}, from which nobody comes",
            f"have the address {written}, from which nobody comes",
            hint=f"Every address is {'0.0.0.0/0' if bits == 32 else '::/0'}, or all.",
        )


def _spelling(host: str, value: int, found: Range, prefix: str) -> Iterator[tuple[str, str, str]]:
    """Yield code, words and cure where an IPv4 address is spelt so that it means another one."""
    parts = host.split(".")
    if len(parts) < 4:
        digits = [int(part) if part.isdigit() and int(part) < 256 else None for part in parts]
        if None not in digits:
            full = [int(digit or 0) for digit in digits] + [0] * (4 - len(digits))
            wanted = int.from_bytes(bytes(full), "big")
            if (wanted & found.mask) == (value & found.mask):
                return
            better = ".".join(map(str, full)) + (f"/{prefix}" if prefix else "")
        else:
            better = "all four numbers"
        yield (
            "address-shorthand",
            f"which is {in_words(32, value)}{'/' + prefix if prefix else ''}: what is left out is not at the end",
            f"Write {better}.",
        )
        return
    octal = [part for part in parts if len(part) > 1 and part[0] == "0"]
    if octal and all(part.isdigit() for part in parts):
        plain = [int(part) for part in parts]
        if plain != list(value.to_bytes(4, "big")):
            shown = ".".join(map(str, plain)) + (f"/{prefix}" if prefix else "")
            yield (
                "address-octal",
                f"which is {in_words(32, value)}: a number that begins with 0 is octal",
                f"Write {shown}, without leading zeros." if max(plain) < 256 else "Write it without leading zeros.",
            )


def _contiguous(found: Range) -> bool:
    inverse = ~found.mask & ((1 << found.family) - 1)
    return inverse & (inverse + 1) == 0


def _length(found: Range) -> str:
    return f"/{found.mask.bit_count()}"


def _how_many(bits: int, found: Range) -> str:
    free = bits - found.mask.bit_count()
    if free == bits:
        return "every address"
    return f"{1 << free:,} addresses" if free <= 32 else f"2^{free} addresses"
