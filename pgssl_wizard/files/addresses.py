"""Addresses as pg_hba.conf writes them, with all the oddities of inet_aton: `10/8` is 0.0.0.10/8, `010.0.0.1` is octal."""

from __future__ import annotations

import socket
from dataclasses import dataclass


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
    """Return the bits of the family (32 or 128) and the value of a numeric address, or None for anything else."""
    if ":" in text:
        try:
            return 128, int.from_bytes(socket.inet_pton(socket.AF_INET6, text.split("%", 1)[0]), "big")
        except (OSError, ValueError):
            return None
    # inet_aton also takes trailing words after a blank, which getaddrinfo does not.
    if not text or not text[0].isascii() or not text[0].isdigit() or " " in text:
        return None
    try:
        return 32, int.from_bytes(socket.inet_aton(text), "big")
    except (OSError, ValueError):
        return None


def prefix_mask(bits: int, prefix: str) -> int | None:
    """Return the mask of a CIDR length, or None when it is no number from 0 to `bits`."""
    try:
        length = int(prefix) if prefix.strip() == prefix and prefix else -1
    except ValueError:
        return None
    if not 0 <= length <= bits:
        return None
    return ((1 << length) - 1) << (bits - length)


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
