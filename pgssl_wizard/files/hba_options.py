"""The options of a rule in pg_hba.conf: which a method takes, what their values may be, which must be there.

Source: hba.c (parse_hba_auth_opt and the end of parse_hba_line) and auth-oauth.c of 13 to 19, tried on 13 to 18.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from pgssl_wizard.files import ldap_url
from pgssl_wizard.files.auth_methods import methods_in_words, option_methods
from pgssl_wizard.files.setting_lists import BadList, split_words

_NUMBER = re.compile(r"[ \t\n\v\f\r]*([+-]?[0-9]+)", re.ASCII)
_VALIDATOR_OPTION = re.compile(r"validator\.[A-Za-z0-9_-]+", re.ASCII)
_LISTS = {"radiusservers": "server", "radiusports": "port", "radiussecrets": "secret", "radiusidentifiers": "identifiers"}
_SEARCH_OPTIONS = ("ldapbasedn", "ldapbinddn", "ldapbindpasswd", "ldapsearchattribute", "ldapsearchfilter")
_MIXED = {
    13: "cannot use ldapbasedn, ldapbinddn, ldapbindpasswd, ldapsearchattribute, ldapsearchfilter, or ldapurl together with ldapprefix",
    18: "cannot mix options for simple bind and search+bind modes",
}


class Options:
    """The options of one rule, taken one after the other; the last of a name wins.

    Attributes:
        values: what each option is set to; an `ldapurl` sets those that it is made of.
    """

    def __init__(self, kind: str, method: str, major: int) -> None:
        self._kind = kind
        self._method = method
        self._major = major
        self.values: dict[str, str] = {}
        self._lists: dict[str, list[str]] = {}

    def take(self, name: str, value: str) -> str | None:
        """Take one option in; return what is wrong with it."""
        if self._method == "ldap":
            self.values["ldapscope"] = "2"
        allowed = option_methods(name, self._major)
        if allowed is False:
            return f'unrecognized authentication option name: "{name}"'
        if name in {"clientcert", "clientname"}:
            if self._kind != "hostssl":
                return f'{name} can only be configured for "hostssl" rows'
            if problem := self._certificate_problem(name, value):
                return problem
        elif allowed is not None and self._method not in allowed:
            return f'authentication option "{name}" is only valid for authentication methods {methods_in_words(name, self._major)}'
        elif name.startswith("validator.") and not _VALIDATOR_OPTION.fullmatch(name):
            return f'invalid OAuth validator option name: "{name}"'
        elif name == "ldapport" and number(value) == 0:
            return f'invalid LDAP port number: "{value}"'
        elif name == "ldapurl":
            parts, problem = ldap_url.parse(value)
            if problem:
                return problem
            self.values.update(parts)
            return None
        elif name in _LISTS and (problem := self._list_problem(name, value)):
            return problem
        self.values[name] = value
        return None

    def what_is_missing(self, oauth_validators: Sequence[str] | None) -> str | None:
        """Return what is wrong with the options as a whole.

        Args:
            oauth_validators: the libraries that the server may use; None: not known.
        """
        if self._method == "ldap":
            return self._ldap_problem()
        if self._method == "radius":
            return self._radius_problem()
        if self._method == "oauth":
            return self._oauth_problem(oauth_validators)
        return None

    def _certificate_problem(self, name: str, value: str) -> str | None:
        if name == "clientname":
            return None if value in {"CN", "DN"} else f'invalid value for clientname: "{value}"'
        if self._major == 13:
            if value in {"0", "no-verify"} and self._method == "cert":
                return 'clientcert can not be set to "no-verify" when using "cert" authentication'
            return None if value in {"0", "1", "no-verify", "verify-ca", "verify-full"} else f'invalid value for clientcert: "{value}"'
        if value == "verify-ca" and self._method == "cert":
            return 'clientcert can only be set to "verify-full" when using "cert" authentication'
        return None if value in {"verify-ca", "verify-full"} else f'invalid value for clientcert: "{value}"'

    def _list_problem(self, name: str, value: str) -> str | None:
        items = _words(value, self._major)
        if name == "radiusports" and (items is None or any(number(item) == 0 for item in items)):
            return f'invalid RADIUS port number: "{value}"'
        if items is None:
            return f'could not parse RADIUS {_LISTS[name]} list "{value}"'
        self._lists[name] = items
        return None

    def _ldap_problem(self) -> str | None:
        # OpenLDAP finds the server by DNS when none is named, so that ldapserver may be missing.
        given = self.values
        if "ldapprefix" in given or "ldapsuffix" in given:
            if any(name in given for name in _SEARCH_OPTIONS):
                return _MIXED[18 if self._major >= 18 else 13]
        elif "ldapbasedn" not in given:
            return 'authentication method "ldap" requires argument "ldapbasedn", "ldapprefix", or "ldapsuffix" to be set'
        if "ldapsearchattribute" in given and "ldapsearchfilter" in given:
            return "cannot use ldapsearchattribute together with ldapsearchfilter"
        return None

    def _radius_problem(self) -> str | None:
        servers, secrets = self._lists.get("radiusservers"), self._lists.get("radiussecrets")
        # An empty list is what C has for one that is not there.
        if not servers:
            return 'authentication method "radius" requires argument "radiusservers" to be set'
        if not secrets:
            return 'authentication method "radius" requires argument "radiussecrets" to be set'
        for name, word in (("radiussecrets", "secrets"), ("radiusports", "ports"), ("radiusidentifiers", "identifiers")):
            count = len(self._lists.get(name, ()))
            if count not in {0, 1, len(servers)}:
                return f"the number of RADIUS {word} ({count}) must be 1 or the same as the number of RADIUS servers ({len(servers)})"
        return None

    def _oauth_problem(self, validators: Sequence[str] | None) -> str | None:
        for needed in ("scope", "issuer"):
            if needed not in self.values:
                return f'authentication method "oauth" requires argument "{needed}" to be set'
        named = self.values.get("validator")
        if validators is not None:
            if not validators:
                return "oauth_validator_libraries must be set for authentication method oauth"
            if named is None and len(validators) > 1:
                return (
                    'authentication method "oauth" requires argument "validator" to be set when oauth_validator_libraries'
                    " contains multiple options"
                )
            if named is not None and named not in validators:
                return f'validator "{named}" is not permitted by oauth_validator_libraries'
            if named is None:
                self.values["validator"] = validators[0]
        if self.values.get("delegate_ident_mapping") == "1" and "map" in self.values:
            return "map cannot be used in combination with delegate_ident_mapping"
        return None


def number(text: str) -> int:
    """Return what C's atoi makes of a text: the digits it begins with, 0 without any."""
    found = _NUMBER.match(text)
    value = int(found[1][:20]) if found else 0
    # glibc's atoi is strtol cut to 32 bits.
    value = max(-(1 << 63), min((1 << 63) - 1, value)) & 0xFFFFFFFF
    return value - (1 << 32) if value >= 1 << 31 else value


def _words(text: str, major: int) -> list[str] | None:
    try:
        return split_words(text, major)
    except BadList:
        return None
