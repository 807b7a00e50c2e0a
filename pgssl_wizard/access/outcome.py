"""How an attempt ends once its rule is found, as auth.c (ClientAuthentication, CheckCertAuth, auth_failed) decides it.

The words are the server's own. 13 tells `SSL on` and `SSL off`, and knows no GSS encryption beside passwords.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pgssl_wizard.access.attempt import Attempt
from pgssl_wizard.access.maps import Maps, Verdict, by_name, check
from pgssl_wizard.access.match import is_host_name
from pgssl_wizard.files.addresses import in_words, numeric
from pgssl_wizard.files.hba import Rule
from pgssl_wizard.files.ident import MapLine

#: What is remembered of maps before all of it is forgotten.
_REMEMBERED = 1 << 14
#: The oldest major has words of its own.
_OLD = 13


@dataclass(frozen=True, slots=True)
class Decision:
    """How an attempt ends.

    Attributes:
        decision: `accept` means that the rule's method takes over: its password, say, is still to be given.
        rule: the rule that decided; None when none matches, or when the attempt ended before any was looked for.
        method: of the rule.
        reason: in our words.
        message: the server's error text; None where it accepts. It is what the client is told, except where the handshake fails:
            then it stands in the server's log, and the client gets an alert.
        clientcert: what the rule asks of a certificate.
        name_compared: the CN or DN that is compared with the role, or looked up in the map.
    """

    decision: Literal["accept", "reject"]
    rule: Rule | None
    method: str | None
    reason: str
    message: str | None = None
    clientcert: Literal["verify-ca", "verify-full"] | None = None
    name_compared: str | None = None


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
#: With these 13 takes GSS encryption.
_BESIDE_GSS = frozenset({"gss", "trust", "reject"})


def clientcert_of(rule: Rule) -> Literal["verify-ca", "verify-full"] | None:
    """Return what a rule asks of a certificate: the method `cert` always means verify-full, and 13 has `1` for verify-ca."""
    if rule.method == "cert":
        return "verify-full"
    given = rule.option("clientcert")
    if given == "verify-full":
        return "verify-full"
    return "verify-ca" if given in {"1", "verify-ca"} else None


class Endings:
    """How attempts end.

    Args:
        major: for the words.
        ssl_ca: whether `ssl_ca_file` is set, so that the server asks clients for a certificate.
        maps: the lines of pg_ident.conf; None: not known, and every name is taken to be in the map that a rule names.
    """

    def __init__(self, major: int, *, ssl_ca: bool, maps: Sequence[MapLine] | None) -> None:
        self._major = major
        self._ssl_ca = ssl_ca
        self._maps: Maps | None = None if maps is None else by_name(maps)
        self._verdicts: dict[tuple[str | None, str, str, tuple[str, ...], bool], Verdict] = {}
        #: What is the same for all attempts that a rule lets through.
        self._accepted: dict[int, tuple[Rule, Decision]] = {}

    def before_rules(self, attempt: Attempt) -> Decision | None:
        """Return how an attempt ends before any rule is looked for; None when it gets so far."""
        shown = attempt.certificate
        if shown is not None and attempt.tls and self._ssl_ca and attempt.address is not None:
            if not shown.trusted:
                return Decision(
                    "reject",
                    None,
                    None,
                    "ssl_ca_file does not vouch for the certificate: the TLS handshake fails, and the client gets an alert",
                    "could not accept SSL connection: certificate verify failed",
                )
            if "\0" in shown.cn:
                message = "SSL certificate's common name contains embedded null"
                return Decision("reject", None, None, "the certificate's name cannot be used: the server hangs up", message)
        if not attempt.user:
            return Decision("reject", None, None, "no role is named", "no PostgreSQL user name specified in startup packet")
        return None

    def without_rule(self, attempt: Attempt) -> Decision:
        """Return how an attempt ends that no rule matches."""
        return Decision("reject", None, None, "no rule matches", refusal(attempt, self._major, rejected=False))

    def under(self, rule: Rule, attempt: Attempt) -> Decision:
        """Return how an attempt ends that this rule is the first to match."""
        known = self._accepted.get(id(rule))
        if known is not None:
            return known[1]
        asked, method = clientcert_of(rule), rule.method

        def refused(reason: str, message: str, name: str | None = None) -> Decision:
            return Decision("reject", rule, method, reason, message, asked, name)

        # The certificate comes before the method, even before `reject`.
        if asked and not self._ssl_ca:
            message = "client certificates can only be checked if a root certificate store is available"
            return refused("the rule asks for a certificate, and ssl_ca_file is not set", message)
        if asked and (attempt.certificate is None or not attempt.certificate.trusted):
            return refused("the rule asks for a certificate, and none is shown", "connection requires a valid client certificate")
        if self._major == _OLD and attempt.gss and method not in _BESIDE_GSS:
            message = "GSSAPI encryption can only be used with gss, trust, or reject authentication methods"
            return refused("this method does not go with GSS encryption before PostgreSQL 14", message)
        if method == "reject":
            return refused("the rule rejects", refusal(attempt, self._major, rejected=True))
        taken_over = _taken_over(rule)
        if asked != "verify-full" or attempt.certificate is None:
            decision = Decision("accept", rule, method, taken_over, None, asked)
            if self._major != _OLD and not asked:
                self._accepted[id(rule)] = (rule, decision)
            return decision
        name = attempt.certificate.dn if rule.option("clientname") == "DN" else attempt.certificate.cn
        if name is None:
            return Decision("accept", rule, method, f"{taken_over}, and the certificate's DN is taken to fit", None, asked)
        said = f'{_FAILED.get(method, "password")} authentication failed for user "{attempt.user}"'
        if not name:
            return refused("client certificate contains no user name", said)
        given = rule.option("map")
        if given and self._maps is None:
            return Decision("accept", rule, method, f"{taken_over}, and the map is taken to fit", None, asked, name)
        verdict = self._verdict(given, attempt, name)
        if not verdict.allowed:
            return refused(verdict.reason, said, name)
        return Decision("accept", rule, method, f"{taken_over}; {verdict.reason}" if given else taken_over, None, asked, name)

    def _verdict(self, given: str | None, attempt: Attempt, name: str) -> Verdict:
        """Return what a map says; long maps are not searched twice for the same."""
        key = (given, name, attempt.user, attempt.roles, attempt.exists)
        verdict = self._verdicts.get(key)
        if verdict is None:
            if len(self._verdicts) >= _REMEMBERED:
                self._verdicts.clear()
            verdict = self._verdicts[key] = check(self._maps or {}, given, attempt, name, self._major)
        return verdict


def _taken_over(rule: Rule) -> str:
    """Return in words what lets the attempt through, and what was taken for granted."""
    words = {"trust": "the rule lets everybody in", "cert": "the certificate is enough"}.get(rule.method, f"{rule.method} takes over")
    return f"{words}; the host name is taken to lead back to the address" if is_host_name(rule) else words


def refusal(attempt: Attempt, major: int, *, rejected: bool) -> str:
    """Return the server's text for an attempt that a rule rejects or that no rule matches."""
    tcp = attempt.address is not None
    if major == _OLD:
        state = "SSL on" if attempt.tls and tcp else "SSL off"
    elif attempt.gss and tcp:
        state = "GSS encryption"
    else:
        state = "SSL encryption" if attempt.tls and tcp else "no encryption"
    who = f'host "{shown_address(attempt.address)}", user "{attempt.user}"'
    if attempt.replication:
        opening = "pg_hba.conf rejects replication connection for" if rejected else "no pg_hba.conf entry for replication connection from"
        return f"{opening} {who}, {state}"
    opening = "pg_hba.conf rejects connection for" if rejected else "no pg_hba.conf entry for"
    return f'{opening} {who}, database "{attempt.database}", {state}'


def shown_address(address: str | None) -> str:
    """Return an address as the server shows it."""
    if address is None:
        return "[local]"
    if ":" not in address:
        return address
    found = numeric(address)
    return address if found is None else in_words(*found) + "".join(address.partition("%")[1:])
