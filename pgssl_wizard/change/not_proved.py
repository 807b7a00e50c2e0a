"""What is said of a change that nobody has seen working."""

from __future__ import annotations

from pgssl_wizard.findings import Finding
from pgssl_wizard.plan.model import Effective

#: Why a running server is not asked to reload; as the stations say it.
WHY_NOT_RELOADED: dict[Effective, str] = {
    "next-start": "the server is down",
    "restart-needed": "the server has to be restarted first",
    "not-reloaded": "not wanted",
}

#: Why there is no proof of a change, and when it counts.
WHY_NOT_PROVED: dict[Effective, str] = {
    "now": "the server listens on Unix sockets only, and TLS is for TCP",
    "next-start": "the server is down; the change takes effect when it starts",
    "restart-needed": "the running server must be restarted before it can read the new key; until then a reload by somebody else could "
    "put the new rules in force without TLS",
    "not-reloaded": "the server was not asked to reload; the change takes effect when it does",
}


def not_proved(why: str, *, rehearsed: bool = False) -> Finding:
    """Return the warning that belongs to a change nobody has seen working."""
    seen = "the rehearsal has shown that these programs take the files" if rehearsed else "nothing has tried the files"
    return Finding("warning", "not-proved", f"not proved: {why}. So far {seen}", hint="afterwards run verify", topic="apply")
