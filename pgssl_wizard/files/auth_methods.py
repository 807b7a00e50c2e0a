"""What each major version knows of authentication: methods, their options, expressions in rules. The one place for such differences.

Source: hba.c of 13 to 19, tried on 13 to 18.
"""

from __future__ import annotations

from typing import Literal

#: The first major in which `/…` is a regular expression for databases and users of rules and for the roles of maps.
EXPRESSIONS_IN_RULES = 16

_METHODS = ("trust", "reject", "password", "md5", "scram-sha-256", "gss", "sspi", "ident", "peer", "pam", "bsd", "ldap", "cert")
#: Known to the parser, and in no server for Linux: a Windows and an OpenBSD method.
_ELSEWHERE = frozenset({"sspi", "bsd"})
#: Only in servers built with a library for it; their file would be refused by another server.
BUILT_IN = {"gss": "--with-gssapi", "pam": "--with-pam", "ldap": "--with-ldap"}
#: A line with such a method is refused from this major on.
REMOVED = {"radius": 19}
_ADDED = {"oauth": 18}

_WITH_MAP = ("ident", "peer", "gss", "sspi", "cert")
_LDAP = (
    *("url", "tls", "scheme", "server", "port", "binddn", "bindpasswd"),
    *("searchattribute", "searchfilter", "basedn", "prefix", "suffix"),
)

#: Which methods take an option; None: every method.
_OPTION_METHODS: dict[str, tuple[str, ...] | None] = {
    "clientcert": None,
    "clientname": None,
    "map": (*_WITH_MAP, "oauth"),
    "pamservice": ("pam",),
    "pam_use_hostname": ("pam",),
    "include_realm": ("gss", "sspi"),
    "krb_realm": ("gss", "sspi"),
    "compat_realm": ("sspi",),
    "upn_username": ("sspi",),
    **{f"ldap{name}": ("ldap",) for name in _LDAP},
    **{f"radius{name}": ("radius",) for name in ("servers", "ports", "secrets", "identifiers")},
    **dict.fromkeys(("issuer", "scope", "validator", "delegate_ident_mapping"), ("oauth",)),
}


def methods(major: int) -> frozenset[str]:
    """Return the authentication methods that this major's parser knows."""
    removed = [name for name, until in REMOVED.items() if major < until]
    added = [name for name, since in _ADDED.items() if major >= since]
    return frozenset((*_METHODS, *removed, *added))


def not_on_linux(method: str) -> bool:
    """Return whether no server for Linux has this method, however it was built."""
    return method in _ELSEWHERE


def option_methods(name: str, major: int) -> tuple[str, ...] | Literal[False] | None:
    """Return which methods take the option `name`: None for all, False when this major does not know it."""
    if name.startswith("validator.") and major >= 19:
        return ("oauth",)
    if name not in _OPTION_METHODS:
        return False
    if name == "clientname" and major < 14:
        return False
    allowed = _OPTION_METHODS[name]
    if allowed == ("oauth",) and major < _ADDED["oauth"]:
        return False
    if allowed == ("radius",) and major >= REMOVED["radius"]:
        return False
    if name == "map" and major < _ADDED["oauth"]:
        return _WITH_MAP
    return allowed


def methods_in_words(name: str, major: int) -> str:
    """Return the list of methods that the server names when the option `name` stands beside another."""
    if name == "map":
        return "ident, peer, gssapi, sspi, cert, and oauth" if major >= _ADDED["oauth"] else "ident, peer, gssapi, sspi, and cert"
    allowed = option_methods(name, major) or ()
    return "gssapi and sspi" if allowed == ("gss", "sspi") else ", ".join(allowed)


def option_names(major: int) -> tuple[str, ...]:
    """Return the options that this major knows, for whatever method."""
    return tuple(name for name in _OPTION_METHODS if option_methods(name, major) is not False)
