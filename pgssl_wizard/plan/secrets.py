"""Passwords that stand in the server's own files: never shown in a diff, never saved with a plan. Pure."""

from __future__ import annotations

import re

#: What is shown instead.
STARS = "********"

_PATTERNS = (
    # Options of pg_hba.conf: ldapbindpasswd=x, ldapbindpasswd="x y", "ldapbindpasswd=x y".
    re.compile(r'(?P<before>"(?:ldapbindpasswd|radiussecrets)=)(?P<secret>[^"\n]*)'),
    re.compile(r'(?P<before>(?<!")\b(?:ldapbindpasswd|radiussecrets)=)(?P<secret>"[^"\n]*"?|[^\s,"\n][^\s,\n]*)'),
    # Connection strings, as in primary_conninfo: password=x, password=''x y''.
    re.compile(r"(?P<before>\b(?:ssl)?password\s*=\s*)(?P<secret>''(?:[^'\n]|'(?!'))*''|\\'(?:[^'\\\n]|\\[^'\n])*\\'|[^\s'\n]+)"),
    re.compile(r"(?P<before>\bpostgres(?:ql)?://[^\s:/@'\n]*:)(?P<secret>[^\s@'\n]+)(?=@)"),
)


def masked(text: str) -> str:
    """Return the text with every password in it replaced by stars."""
    for pattern in _PATTERNS:
        text = pattern.sub(lambda found: found["before"] + (STARS if found["secret"] else ""), text)
    return text


def line_of_secret(data: bytes | None) -> int | None:
    """Return the first line that holds a password or a private key, None when there is none."""
    for number, line in enumerate((data or b"").decode("utf-8", "replace").split("\n"), start=1):
        if "PRIVATE KEY-----" in line or masked(line) != line:
            return number
    return None
