"""The whole name of a role's certificate as the server compares it: RFC 2253, as `openssl x509 -nameopt RFC2253` prints it."""

from __future__ import annotations

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
