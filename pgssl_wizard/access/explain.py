"""Why each rule took an attempt or passed it by, in the order in which the server compares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pgssl_wizard.access.attempt import BOTH, GSS, PLAINTEXT, SOCKET, TLS, Attempt, arrived, session_of
from pgssl_wizard.access.match import address_fits, database_fits, is_host_name, type_fits, user_fits
from pgssl_wizard.files.hba import Rule, Token

#: The fields of a rule in the order in which the server looks at them.
Field = Literal["type", "address", "database", "user"]

_SESSIONS = {
    SOCKET: "over the Unix socket",
    PLAINTEXT: "in plaintext",
    TLS: "over TLS",
    GSS: "with GSS encryption",
    BOTH: "over TLS and with GSS encryption",
}
_TAKES = {
    "local": "the Unix socket",
    "hostssl": "sessions over TLS",
    "hostnossl": "sessions without TLS",
    "hostgssenc": "sessions with GSS encryption",
    "hostnogssenc": "sessions without GSS encryption",
}


@dataclass(frozen=True, slots=True)
class Comparison:
    """One rule held against one attempt.

    Attributes:
        rule: the rule.
        matched: it takes the attempt, and decides.
        field: the first field that does not fit; None when all do.
        reason: in words, for people.
    """

    rule: Rule
    matched: bool
    field: Field | None
    reason: str


def compare(
    rules: Sequence[Rule], attempt: Attempt, major: int, *, own_ranges: Sequence[str] = (), to_the_end: bool = False
) -> tuple[Comparison, ...]:
    """Return how the attempt fares with each rule, up to the one that decides.

    Args:
        rules: in reading order; lines with errors take nobody and are left out.
        attempt: who comes from where.
        major: for regular expressions (16 and later).
        own_ranges: this machine's addresses as `address/prefix`, for `samehost` and `samenet`.
        to_the_end: hold the rules behind it against the attempt as well, to which the server never comes.
    """
    here = arrived(attempt)
    found: list[Comparison] = []
    for rule in rules:
        if rule.error:
            continue
        field = _misfit(rule, here, major, own_ranges)
        reason = _why_not(field, rule, here) if field else _why(rule, here)
        found.append(Comparison(rule, field is None, field, reason))
        if field is None and not to_the_end:
            break
    return tuple(found)


def _misfit(rule: Rule, attempt: Attempt, major: int, own_ranges: Sequence[str]) -> Field | None:
    if not type_fits(rule, attempt):
        return "type"
    if not address_fits(rule, attempt, own_ranges):
        return "address"
    if not database_fits(rule.databases, attempt, major):
        return "database"
    return None if user_fits(rule.users, attempt, major) else "user"


def _why(rule: Rule, attempt: Attempt) -> str:
    words = "type, database and user fit" if attempt.address is None else "type, address, database and user fit"
    return f"{words}; {attempt.host_name} is taken to lead back to {attempt.address}" if is_host_name(rule) else words


def _why_not(field: Field, rule: Rule, attempt: Attempt) -> str:
    if field == "type":
        takes = _TAKES.get(rule.type, "TCP sessions")
        return f"{rule.type} takes {takes}; this one comes {_SESSIONS[session_of(attempt)]}"
    if field == "address":
        return _why_not_address(rule, attempt)
    if field == "database":
        return _why_not_database(rule, attempt)
    words = _words(rule.users)
    if not attempt.exists:
        return f"there is no role {attempt.user}, and it is not in {words}"
    groups = any(not token.quoted and token.text[:1] == "+" for token in rule.users)
    return f"{attempt.user} is not in {words}" + (", nor a member of a group there" if groups else "")


def _why_not_address(rule: Rule, attempt: Attempt) -> str:
    written = f"{rule.address} {rule.netmask}" if rule.netmask else str(rule.address)
    if is_host_name(rule):
        named = f"its name is {attempt.host_name}" if attempt.host_name else "no name of it is known"
        return f"{attempt.address} is not {written}: {named}"
    if not rule.address_quoted and rule.address in {"samehost", "samenet"}:
        what = "one of the server's own addresses" if rule.address == "samehost" else "in one of the server's own networks"
        return f"{attempt.address} is not {what}"
    if (":" in written) != (":" in str(attempt.address)):
        family = "an IPv6" if ":" in written else "an IPv4"
        return f"{attempt.address} does not lie in {written}, which is {family} range"
    return f"{attempt.address} does not lie in {written}"


def _why_not_database(rule: Rule, attempt: Attempt) -> str:
    words = _words(rule.databases)
    if attempt.replication:
        return f"physical replication needs the word replication, which all does not mean; here stands {words}"
    if any(not token.quoted and token.text == "replication" for token in rule.databases) and len(rule.databases) == 1:
        return f"replication means physical replication; this is a session at the database {attempt.database}"
    return f"the database {attempt.database} is not in {words}"


def _words(tokens: Sequence[Token]) -> str:
    return ",".join(f'"{text}"' if quoted else text for text, quoted in tokens)
