"""A rule as the view pg_hba_file_rules shows it.

Source: hbafuncs.c (fill_hba_line, get_hba_options) of 13 to 19. The view shows the file and not the rules in force, has
quotes removed, and leaves `clientname` out.
"""

from __future__ import annotations

from dataclasses import dataclass

from pgssl_wizard.files.addresses import in_words, numeric, parse_range
from pgssl_wizard.files.hba import ADDRESS_KEYWORDS, Rule
from pgssl_wizard.files.hba_options import Options, number


@dataclass(frozen=True, slots=True)
class Row:
    """One row, its columns named as there; a refused line has nothing but its error."""

    line: int
    type: str | None = None
    database: tuple[str, ...] | None = None
    user: tuple[str, ...] | None = None
    address: str | None = None
    netmask: str | None = None
    method: str | None = None
    options: tuple[str, ...] | None = None
    error: str | None = None


def row(rule: Rule, major: int, oauth_validators: tuple[str, ...] | None = None) -> Row:
    """Return the row of a rule.

    Args:
        rule: as read.
        major: decides which options are shown and how.
        oauth_validators: the libraries of `oauth_validator_libraries`; the only one is shown where a rule names none.
    """
    if rule.error:
        return Row(rule.line, error=rule.error)
    address, netmask = _addresses(rule)
    return Row(
        rule.line,
        rule.type,
        tuple(token.text for token in rule.databases),
        tuple(token.text for token in rule.users),
        address,
        netmask,
        rule.method,
        _options(rule, major, oauth_validators) or None,
    )


def _addresses(rule: Rule) -> tuple[str | None, str | None]:
    if rule.address is None or (rule.address in ADDRESS_KEYWORDS and not rule.address_quoted):
        return rule.address, None
    found = parse_range(rule.address, rule.netmask)
    if found is None:
        return rule.address, None
    base = numeric(rule.address.partition("/")[0])
    assert base is not None
    return in_words(*base), in_words(found.family, found.mask)


def _options(rule: Rule, major: int, oauth_validators: tuple[str, ...] | None) -> tuple[str, ...]:
    taken = Options(rule.type, rule.method, major)
    for name, value in rule.options:
        taken.take(name, value)
    taken.what_is_missing(oauth_validators)
    given = taken.values
    shown: list[str] = []

    def show(*names: str) -> None:
        shown.extend(f"{name}={given[name]}" for name in names if name in given)

    if rule.method == "gss":
        if given.get("include_realm", "1") == "1":
            shown.append("include_realm=true")
        show("krb_realm")
    show("map")
    certificate = _certificate(rule.method, given.get("clientcert"))
    if certificate:
        shown.append(f"clientcert={certificate}")
    show("pamservice")
    if rule.method == "ldap":
        show("ldapserver")
        if number(given.get("ldapport", "0")):
            shown.append(f"ldapport={number(given['ldapport'])}")
        show("ldapscheme")
        if given.get("ldaptls") == "1":
            shown.append("ldaptls=true")
        show("ldapprefix", "ldapsuffix", "ldapbasedn", "ldapbinddn", "ldapbindpasswd", "ldapsearchattribute", "ldapsearchfilter")
        if given.get("ldapscope", "0") != "0":
            show("ldapscope")
    show("radiusservers", "radiussecrets", "radiusidentifiers", "radiusports")
    if rule.method == "oauth":
        show("issuer", "scope", "validator")
        if given.get("delegate_ident_mapping") == "1":
            shown.append("delegate_ident_mapping=true")
    return tuple(shown)


def _certificate(method: str, value: str | None) -> str | None:
    if method == "cert":
        return "verify-full"
    return {"1": "verify-ca", "verify-ca": "verify-ca", "verify-full": "verify-full"}.get(value or "")
