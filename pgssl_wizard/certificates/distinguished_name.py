"""The whole name of a role's certificate as the server compares it: RFC 2253, as `openssl x509 -nameopt RFC2253` prints it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.x509 import Name

#: A backslash and what it stands before: a byte in hexadecimal, or a character.
_ESCAPE = re.compile(rb"\\([0-9A-Fa-f]{2}|.)", re.DOTALL)

#: Characters that get a backslash wherever they stand (ASN1_STRFLGS_ESC_2253 of OpenSSL).
_ESCAPED = frozenset(',+"\\<>;')

#: OpenSSL's short names of what names consist of (its objects.txt).
_SHORT = {
    "2.5.4.3": "CN",
    "2.5.4.4": "SN",
    "2.5.4.5": "serialNumber",
    "2.5.4.6": "C",
    "2.5.4.7": "L",
    "2.5.4.8": "ST",
    "2.5.4.9": "street",
    "2.5.4.10": "O",
    "2.5.4.11": "OU",
    "2.5.4.12": "title",
    "2.5.4.13": "description",
    "2.5.4.15": "businessCategory",
    "2.5.4.17": "postalCode",
    "2.5.4.42": "GN",
    "2.5.4.43": "initials",
    "2.5.4.44": "generationQualifier",
    "2.5.4.46": "dnQualifier",
    "2.5.4.65": "pseudonym",
    "0.9.2342.19200300.100.1.1": "UID",
    "0.9.2342.19200300.100.1.25": "DC",
    "1.2.840.113549.1.9.1": "emailAddress",
}


def of_role(role: str) -> str:
    """Return the name of a certificate whose subject is this common name alone."""
    return f"CN={_escaped(role)}"


def of_name(name: Name) -> str | None:
    """Return a whole name, last part first; None where it has a part that OpenSSL would print as hexadecimal."""
    parts = []
    for part in reversed(name.rdns):
        values = [(_SHORT.get(each.oid.dotted_string), each.value) for each in reversed(list(part))]
        if any(short is None or not isinstance(value, str) for short, value in values):
            return None
        parts.append("+".join(f"{short}={_escaped(str(value))}" for short, value in values))
    return ",".join(parts)


def _escaped(value: str) -> str:
    last = len(value.encode()) - 1
    text = ""
    for position, byte in enumerate(value.encode()):
        char = chr(byte)
        if byte < 0x20 or byte > 0x7E:
            text += f"\\{byte:02X}"
        elif char in _ESCAPED or (char == " " and position in {0, last}) or (char == "#" and position == 0):
            text += f"\\{char}"
        else:
            text += char
    return text


def common_name_in(name: str) -> str:
    """Return the common name in a whole name: as the log has it (RFC 2253), or as pg_stat_ssl does (`/CN=app`); empty when it has none."""
    # An escaped backslash before a separator escapes nothing more.
    parts = re.findall(r"(?:\\.|[^\\/])+" if name.startswith("/") else r"(?:\\.|[^\\,+])+", name, re.DOTALL)
    for part in parts:
        if part.strip().upper().startswith("CN="):
            return _ESCAPE.sub(_unescaped, part.lstrip()[3:].encode("utf-8", "surrogateescape")).decode("utf-8", "surrogateescape")
    return ""


def _unescaped(found: re.Match[bytes]) -> bytes:
    return bytes.fromhex(found[1].decode()) if len(found[1]) == 2 else found[1]
