"""The whole name of a role's certificate as the server compares it: RFC 2253, as `openssl x509 -nameopt RFC2253` prints it."""

from __future__ import annotations

import re

#: A backslash and what it stands before: a byte in hexadecimal, or a character.
_ESCAPE = re.compile(rb"\\([0-9A-Fa-f]{2}|.)", re.DOTALL)

#: Characters that get a backslash wherever they stand (ASN1_STRFLGS_ESC_2253 of OpenSSL).
_ESCAPED = frozenset(',+"\\<>;')


def of_role(role: str) -> str:
    """Return the name of a certificate whose subject is this common name alone."""
    last = len(role.encode()) - 1
    text = ""
    for position, byte in enumerate(role.encode()):
        char = chr(byte)
        if byte < 0x20 or byte > 0x7E:
            text += f"\\{byte:02X}"
        elif char in _ESCAPED or (char == " " and position in {0, last}) or (char == "#" and position == 0):
            text += f"\\{char}"
        else:
            text += char
    return f"CN={text}"


def common_name_in(name: str) -> str:
    """Return the common name in a whole name: as the log has it (RFC 2253), or as pg_stat_ssl does (`/CN=app`); empty when it has none."""
    parts = re.split(r"(?<!\\)/", name) if name.startswith("/") else re.split(r"(?<!\\),", name)
    for part in parts:
        if part.strip().upper().startswith("CN="):
            return _ESCAPE.sub(_unescaped, part.lstrip()[3:].encode("utf-8", "surrogateescape")).decode("utf-8", "surrogateescape")
    return ""


def _unescaped(found: re.Match[bytes]) -> bytes:
    return bytes.fromhex(found[1].decode()) if len(found[1]) == 2 else found[1]
