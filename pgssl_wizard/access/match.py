"""Whether one rule matches one attempt, a field at a time, as hba.c (check_hba, check_db, check_role, check_ip) decides it.

This is the plain reading, rule by rule; `decider` gives the same answers for very many attempts.
"""

from __future__ import annotations

from collections.abc import Sequence

from pgssl_wizard.access.attempt import SESSIONS, Attempt, session_of
from pgssl_wizard.files.addresses import parse_range
from pgssl_wizard.files.auth_methods import EXPRESSIONS_IN_RULES
from pgssl_wizard.files.hba import Rule, Token


def matches(rule: Rule, attempt: Attempt, major: int, own_ranges: Sequence[str]) -> bool:
    """Return whether the rule takes the attempt; a line with an error takes none."""
    return (
        not rule.error
        and type_fits(rule, attempt)
        and address_fits(rule, attempt, own_ranges)
        and database_fits(rule.databases, attempt, major)
        and user_fits(rule.users, attempt, major)
    )


def type_fits(rule: Rule, attempt: Attempt) -> bool:
    """Return whether a rule of this type takes sessions of this kind."""
    return session_of(attempt) in SESSIONS.get(rule.type, frozenset())


def address_fits(rule: Rule, attempt: Attempt, own_ranges: Sequence[str]) -> bool:
    """Return whether the client's address is the rule's; a rule for the socket has none."""
    address, written = attempt.address, rule.address
    if address is None or written is None:
        return address is None and written is None
    if not rule.address_quoted and written == "all":
        return True
    if not rule.address_quoted and written in {"samehost", "samenet"}:
        for own in own_ranges:
            found = parse_range(own if written == "samenet" else own.partition("/")[0], None)
            if found and found.holds(address):
                return True
        return False
    found = parse_range(written, rule.netmask)
    if found:
        return found.holds(address)
    return host_name_fits(written, attempt.host_name)


def is_host_name(rule: Rule) -> bool:
    """Return whether the rule's address is a host name, which the server looks up both ways."""
    if rule.address is None or (not rule.address_quoted and rule.address in {"all", "samehost", "samenet"}):
        return False
    return parse_range(rule.address, rule.netmask) is None


def host_name_fits(written: str, name: str | None) -> bool:
    """Return whether a host name is the one written, or ends in the `.suffix` that is; capitals of ASCII do not count."""
    if not name:
        return False
    wanted, found = folded(written), folded(name)
    return found.endswith(wanted) if wanted.startswith(".") else found == wanted


def folded(name: str) -> str:
    """Return a host name as pg_strcasecmp compares it."""
    return name.translate(_LOWER)


_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}


def database_fits(tokens: Sequence[Token], attempt: Attempt, major: int) -> bool:
    """Return whether one of the words of the database field takes the attempt."""
    for text, quoted in tokens:
        if attempt.replication:
            # A physical walsender has no database: only the keyword matches, never `all`.
            if not quoted and text == "replication":
                return True
        elif not quoted and text == "all":
            return True
        elif not quoted and text == "sameuser":
            if attempt.database == attempt.user:
                return True
        elif not quoted and text in {"samerole", "samegroup"}:
            if is_member(attempt, attempt.database):
                return True
        elif not quoted and text == "replication":
            continue
        elif text[:1] == "/" and major >= EXPRESSIONS_IN_RULES:
            if expression_fits(text[1:], attempt.database, major):
                return True
        elif text == attempt.database:
            return True
    return False


def user_fits(tokens: Sequence[Token], attempt: Attempt, major: int) -> bool:
    """Return whether one of the words of the user field (or of the role of a map) takes the attempt."""
    for text, quoted in tokens:
        if not quoted and text[:1] == "+":
            if is_member(attempt, text[1:]):
                return True
        elif not quoted and text == "all":
            return True
        elif text[:1] == "/" and major >= EXPRESSIONS_IN_RULES:
            if expression_fits(text[1:], attempt.user, major):
                return True
        elif text == attempt.user:
            return True
    return False


def is_member(attempt: Attempt, role: str) -> bool:
    """Return whether the user is that role or a member of it; a superuser is not one of all, and who does not exist of none."""
    return attempt.exists and (role == attempt.user or role in attempt.roles)


def expression_fits(expression: str, text: str, major: int) -> bool:
    """Return whether a regular expression is found in a name, as the server finds it; one that does not compile is in none."""
    # Few files have expressions; the others need not wait for their reader.
    from pgssl_wizard.files.expressions import InvalidExpression, compile  # noqa: A004, PLC0415

    try:
        return compile(expression, major).search(text) is not None
    except InvalidExpression:
        return False
