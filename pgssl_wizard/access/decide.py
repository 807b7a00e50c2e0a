"""Which rule a connection attempt meets and how it ends, as check_hba and ClientAuthentication decide it.

The first line whose type, address, database and user match decides; there is no second try. Source: hba.c and auth.c of 13
to 18.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pgssl_wizard.files.addresses import parse_range
from pgssl_wizard.files.expressions import InvalidExpression, compile  # noqa: A004 - as the module names it
from pgssl_wizard.files.hba import Rule, Token


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """What a client shows: its first CN, its subject as RFC 2253, and whether `ssl_ca_file` vouches for it."""

    cn: str
    dn: str = ""
    trusted: bool = True


@dataclass(frozen=True, slots=True)
class Attempt:
    """One connection attempt. `address` None means the Unix socket; `roles` are the groups the user is a member of."""

    database: str
    user: str
    address: str | None = None
    tls: bool = False
    gss: bool = False
    certificate: ClientCertificate | None = None
    replication: bool = False
    roles: tuple[str, ...] = ()
    host_name: str | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """How an attempt ends. `accept` means that the rule's method takes over; `message` is what the client is told."""

    decision: Literal["accept", "reject"]
    rule: Rule | None
    method: str | None
    reason: str
    message: str | None = None


def decide(rules: Sequence[Rule], attempt: Attempt, major: int, *, ssl_ca: bool = False, own_ranges: Sequence[str] = ()) -> Decision:
    """Return the rule that PostgreSQL of this major would pick for the attempt, and how it ends.

    Args:
        rules: in reading order, without errors (a server with errors in the file keeps its old rules).
        attempt: who comes from where.
        major: for regular expressions (16 and later) and the words of the message.
        ssl_ca: whether `ssl_ca_file` is set.
        own_ranges: this machine's addresses as `address/prefix`, for `samehost` and `samenet`.
    """
    for rule in rules:
        if rule.error or not _matches(rule, attempt, major, own_ranges):
            continue
        return _end(rule, attempt, major, ssl_ca)
    return Decision("reject", None, None, "no rule matches", _refusal("no pg_hba.conf entry for", attempt, major))


def _matches(rule: Rule, attempt: Attempt, major: int, own_ranges: Sequence[str]) -> bool:
    if attempt.address is None:
        if rule.type != "local":
            return False
    elif not _type_matches(rule.type, attempt) or not _address_matches(rule, attempt, own_ranges):
        return False
    return _database_matches(rule.databases, attempt, major) and _user_matches(rule.users, attempt, major)


def _type_matches(kind: str, attempt: Attempt) -> bool:
    return {
        "host": True,
        "hostssl": attempt.tls,
        "hostnossl": not attempt.tls,
        "hostgssenc": attempt.gss,
        "hostnogssenc": not attempt.gss,
    }.get(kind, False)


def _address_matches(rule: Rule, attempt: Attempt, own_ranges: Sequence[str]) -> bool:
    address, written = attempt.address or "", rule.address or ""
    if not rule.address_quoted and written == "all":
        return True
    if not rule.address_quoted and written in {"samehost", "samenet"}:
        for own in own_ranges:
            host = own.partition("/")[0]
            found = parse_range(own if written == "samenet" else host, None)
            if found and found.holds(address):
                return True
        return False
    found = parse_range(written, rule.netmask)
    if found:
        return found.holds(address)
    name = (attempt.host_name or "").lower()
    if not name:
        return False
    return name.endswith(written.lower()) if written.startswith(".") else name == written.lower()


def _database_matches(tokens: Sequence[Token], attempt: Attempt, major: int) -> bool:
    for token in tokens:
        text = token.text
        if attempt.replication:
            # A physical walsender has no database: only the keyword matches, never `all`.
            if not token.quoted and text == "replication":
                return True
            continue
        if not token.quoted and text == "all":
            return True
        if not token.quoted and text == "sameuser":
            if attempt.database == attempt.user:
                return True
        elif not token.quoted and text in {"samerole", "samegroup"}:
            if attempt.database == attempt.user or attempt.database in attempt.roles:
                return True
        elif not token.quoted and text == "replication":
            continue
        elif major >= 16 and text.startswith("/"):
            if _expression_matches(text[1:], attempt.database, major):
                return True
        elif text == attempt.database:
            return True
    return False


def _user_matches(tokens: Sequence[Token], attempt: Attempt, major: int) -> bool:
    for token in tokens:
        text = token.text
        if not token.quoted and text.startswith("+"):
            if text[1:] == attempt.user or text[1:] in attempt.roles:
                return True
        elif not token.quoted and text == "all":
            return True
        elif major >= 16 and text.startswith("/"):
            if _expression_matches(text[1:], attempt.user, major):
                return True
        elif text == attempt.user:
            return True
    return False


def _expression_matches(expression: str, text: str, major: int) -> bool:
    """Whether a regular expression is found in a name, as the server finds it; one that does not compile matches nothing."""
    try:
        return compile(expression, major).search(text) is not None
    except InvalidExpression:
        return False


#: How auth_failed names the methods; passwords of every kind are just that.
_FAILED = {
    "trust": '"trust"',
    "ident": "Ident",
    "peer": "Peer",
    "gss": "GSSAPI",
    "sspi": "SSPI",
    "pam": "PAM",
    "bsd": "BSD",
    "ldap": "LDAP",
    "cert": "certificate",
    "radius": "RADIUS",
    "oauth": "OAuth bearer",
}


def _end(rule: Rule, attempt: Attempt, major: int, ssl_ca: bool) -> Decision:
    wanted = rule.option("clientcert")
    if rule.method == "cert":
        wanted = "verify-full"
    # The certificate comes before the method, even before `reject`.
    if wanted in {"1", "verify-ca", "verify-full"}:
        if not ssl_ca:
            message = "client certificates can only be checked if a root certificate store is available"
            return Decision("reject", rule, rule.method, "ssl_ca_file is not set", message)
        if attempt.certificate is None or not attempt.certificate.trusted:
            return Decision("reject", rule, rule.method, "no valid client certificate", "connection requires a valid client certificate")
    if rule.method == "reject":
        return Decision("reject", rule, "reject", "the rule rejects", _refusal("pg_hba.conf rejects connection for", attempt, major))
    compared = wanted == "verify-full" and rule.option("map") is None and rule.option("clientname") != "DN"
    if compared and attempt.certificate and attempt.certificate.cn != attempt.user:
        said = _FAILED.get(rule.method, "password")
        message = f'{said} authentication failed for user "{attempt.user}"'
        return Decision("reject", rule, rule.method, "the certificate names another role", message)
    return Decision("accept", rule, rule.method, f"the rule's method is {rule.method}")


def _refusal(opening: str, attempt: Attempt, major: int) -> str:
    """Return the server's text for a refused attempt; 13 knows only `SSL on` and `SSL off`, under GSS encryption too."""
    if major == 13:
        state = "SSL on" if attempt.tls else "SSL off"
    elif attempt.gss:
        state = "GSS encryption"
    else:
        state = "SSL encryption" if attempt.tls else "no encryption"
    host = attempt.address if attempt.address is not None else "[local]"
    if attempt.replication:
        opening = (
            opening.replace(" for", " for replication connection from")
            if opening.startswith("no ")
            else ("pg_hba.conf rejects replication connection for")
        )
        return f'{opening} host "{host}", user "{attempt.user}", {state}'
    return f'{opening} host "{host}", user "{attempt.user}", database "{attempt.database}", {state}'
