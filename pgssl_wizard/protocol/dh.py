"""Parameters for the Diffie-Hellman exchange (`ssl_dh_params_file`): what a file of them holds, and whether it is good enough. Pure.

A server refuses to start when it cannot read the file as PEM, or when p is no prime (initialize_dh in be-secure-openssl.c); an odd
generator with a p that is no safe prime it refuses as well. What is asked for here is stricter: 2048 bits, the least that OpenSSL's
security level 2 lets clients take, and a safe prime, so that no small subgroup gives the secret away.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

#: The least that counts as enough, in bits; and the most that is worth the server's time at every handshake.
LEAST_BITS, MOST_BITS = 2048, 8192
#: Both kinds of block that the server reads: p and g, or p, g and the order of a subgroup (X9.42).
_BLOCK = re.compile(rb"-----BEGIN ((?:X9\.42 )?DH PARAMETERS)-----\s(.*?)-----END \1-----", re.DOTALL)


@dataclass(frozen=True, slots=True)
class DhParameters:
    """What a file holds.

    Attributes:
        bits: of the prime; 0 when it holds no parameters.
        problem: why the server should not get them, a sentence; empty when it may.
        hint: what to do about it.
    """

    bits: int = 0
    problem: str = ""
    hint: str = ""


_MAKE = "Make some: openssl genpkey -genparam -algorithm DH -pkeyopt group:ffdhe2048 -out dh.pem"


def judge(data: bytes) -> DhParameters:
    """Return what these bytes hold, and whether a server may get them."""
    import base64  # noqa: PLC0415 - only when there is such a file

    block = _BLOCK.search(data)
    try:
        p, g = _first_integers(base64.b64decode(b"".join(block[2].split()), validate=True) if block else b"")
    except ValueError:
        return DhParameters(problem="It holds no Diffie-Hellman parameters in PEM, and the server would not start.", hint=_MAKE)
    bits = p.bit_length()
    if p <= 0 or bits < LEAST_BITS:
        return DhParameters(bits, f"Its prime has {bits} bits, and less than {LEAST_BITS} can be broken.", _MAKE)
    if bits > MOST_BITS:
        return DhParameters(bits, f"Its prime has {bits} bits: every handshake would take the server seconds.", _MAKE)
    if not 1 < g < p - 1:
        return DhParameters(bits, "Its generator generates nothing, so everybody would know the secret.", _MAKE)
    if not _prime(p):
        return DhParameters(bits, "Its p is not a prime, and the server would not start.", _MAKE)
    if not _prime((p - 1) // 2):
        return DhParameters(bits, "Its p is not a safe prime: small subgroups would give the secret away.", _MAKE)
    return DhParameters(bits)


def _first_integers(der: bytes) -> tuple[int, int]:
    """Return p and g: the first two INTEGERs of a SEQUENCE in DER.

    Raises:
        ValueError: it is none.
    """
    content, _ = _element(der, 0x30)
    p, rest = _element(content, 0x02)
    g, _ = _element(rest, 0x02)
    return int.from_bytes(p, "big", signed=True), int.from_bytes(g, "big", signed=True)


def _element(der: bytes, tag: int) -> tuple[bytes, bytes]:
    """Return the content of the first element, which must have this tag, and what follows it."""
    if len(der) < 2 or der[0] != tag:
        raise ValueError(tag)
    length, start = der[1], 2
    if length >= 0x80:
        start = 2 + (length & 0x7F)
        length = int.from_bytes(der[2:start], "big")
    if len(der) < start + length:
        raise ValueError(tag)
    return der[start : start + length], der[start + length :]


def _prime(number: int) -> bool:
    """Return whether a number is prime (Miller and Rabin). The bases come from the number, so that nobody can make one that fits them."""
    import hashlib  # noqa: PLC0415

    if number < 4 or number % 2 == 0:
        return number in {2, 3}
    odd, twos = number - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    size = (number.bit_length() + 7) // 8
    # Each base misses one composite in four at the very worst, and hardly any of this size; the larger, the fewer.
    for trial in range(max(3, 16384 // number.bit_length())):
        seed = hashlib.shake_256(number.to_bytes(size, "big") + bytes([trial])).digest(size + 8)
        value = pow(2 + int.from_bytes(seed, "big") % (number - 3), odd, number)
        if value in {1, number - 1}:
            continue
        for _ in range(twos - 1):
            value = value * value % number
            if value == number - 1:
                break
        else:
            return False
    return True
