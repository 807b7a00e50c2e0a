"""Addresses as pg_hba.conf writes them, with all the oddities of inet_aton: `10/8` is 0.0.0.10/8, `010.0.0.1` is octal.

Source: getaddrinfo with AI_NUMERICHOST as glibc has it, and pg_sockaddr_cidr_mask.
"""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass

#: strtol takes blanks and a sign before the digits.
_PREFIX = re.compile(r"[ \t\n\v\f\r]*([+-]?[0-9]+)", re.ASCII)
#: A scope: the number of an interface, or its name, which only link-local addresses have.
_SCOPE_NUMBER = re.compile(r"[0-9]{1,10}", re.ASCII)
_SCOPE_NAME = re.compile(r"[^/\s]{1,15}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Range:
    """Addresses of one family: those that agree with `base` in the bits of `mask`."""

    family: int
    base: int
    mask: int

    def holds(self, address: str) -> bool:
        """Return whether a client's address lies in the range; another family never does."""
        other = numeric(address)
        return other is not None and other[0] == self.family and (other[1] & self.mask) == (self.base & self.mask)


def numeric(text: str) -> tuple[int, int] | None:
    """Return the bits of the family (32 or 128) and the value of a numeric address, or None for anything else.

    The scope of an IPv6 address is dropped. Whether an interface of that name exists depends on the machine; it is taken to.
    """
    if ":" in text:
        host, percent, scope = text.partition("%")
        try:
            value = int.from_bytes(socket.inet_pton(socket.AF_INET6, host), "big")
        except (OSError, ValueError):
            return None
        return None if percent and not _is_scope(scope, value) else (128, value)
    # inet_aton also takes trailing words after a blank, which getaddrinfo does not.
    if not text or not text.isascii() or not text[0].isdigit() or not text.isprintable() or " " in text:
        return None
    try:
        return 32, int.from_bytes(socket.inet_aton(text), "big")
    except (OSError, ValueError):
        return None


def _is_scope(scope: str, address: int) -> bool:
    link_local = address >> 118 == 0xFE80 >> 6 or (address >> 120 == 0xFF and (address >> 112) & 0xF == 2)
    if link_local and _SCOPE_NAME.fullmatch(scope):
        return True
    return bool(_SCOPE_NUMBER.fullmatch(scope)) and int(scope) < 1 << 32


def prefix_mask(bits: int, prefix: str) -> int | None:
    """Return the mask of a CIDR length, or None when it is no number from 0 to `bits`."""
    found = _PREFIX.fullmatch(prefix)
    # More digits than a long has are out of any range.
    if not found or len(found[1]) > 4300 or not 0 <= (length := int(found[1])) <= bits:
        return None
    return ((1 << length) - 1) << (bits - length)


def in_words(bits: int, value: int) -> str:
    """Return an address as the server shows it: dotted, or the shortest form of IPv6."""
    family = socket.AF_INET if bits == 32 else socket.AF_INET6
    return socket.inet_ntop(family, value.to_bytes(bits // 8, "big"))


def parse_range(address: str, netmask: str | None) -> Range | None:
    """Return the range that an address field (and a mask field) means, or None for a host name or keyword."""
    host, slash, prefix = address.partition("/")
    found = numeric(host)
    if found is None:
        return None
    bits, base = found
    if slash:
        mask = prefix_mask(bits, prefix)
    elif netmask is not None:
        other = numeric(netmask)
        mask = other[1] if other and other[0] == bits else None
    else:
        mask = (1 << bits) - 1
    return None if mask is None else Range(bits, base, mask)
