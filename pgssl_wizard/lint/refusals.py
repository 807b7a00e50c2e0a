"""What to do about a line that the server refuses, by the words in which it does."""

from __future__ import annotations

import difflib
import re

from pgssl_wizard.files.addresses import numeric
from pgssl_wizard.files.auth_lines import INCLUDES
from pgssl_wizard.files.auth_methods import REMOVED, methods, option_methods, option_names
from pgssl_wizard.files.hba import TYPES, Rule
from pgssl_wizard.files.known_settings import known
from pgssl_wizard.lint.text import cure_of_opening

BYTE_ORDER_MARK = "\ufeff"
NO_MARK = "Save the file as UTF-8 without a byte order mark: the server takes the mark for a part of the first word."

_SHAPE = "A rule is TYPE DATABASE USER ADDRESS METHOD, then options; a local rule has no address."
_DIRECTIVES = frozenset({"include", "include_if_exists", "include_dir"})
_BLANK_BEFORE_COMMA = re.compile(r'^[^"]*?(?:"[^"]*"[^"]*?)*?[ \t],')
#: Methods that are gone for long, and what came in their place.
_LONG_GONE = {"krb4": "gss", "krb5": "gss", "crypt": "scram-sha-256"}


def cure(rule: Rule, major: int, line: str, before: str = "") -> str:
    """Return what to do about a refused rule.

    Args:
        rule: with the server's words in `error`.
        major: the server's.
        line: its first physical line as it stands in the file.
        before: the physical line above it.
    """
    error = rule.error or ""
    return _by_shape(line, before, major) or _by_words(rule, error, major) or "Correct the line."


def _by_shape(line: str, before: str, major: int) -> str | None:
    """Return the cure for what can be seen of the line itself."""
    if line.startswith(BYTE_ORDER_MARK):
        return NO_MARK
    code = line.partition("#")[0].rstrip("\r\n")
    if major < 14 and before.rstrip("\r\n").endswith("\\"):
        return f"PostgreSQL {major} does not join lines that end in a backslash: write the rule in one line."
    if re.search(r"\\[ \t]+$", code):
        return "Take out the blanks behind the backslash: only a backslash at the very end joins the next line."
    if _BLANK_BEFORE_COMMA.match(code):
        return "Take out the blank before the comma: it ends the field, and everything behind it shifts."
    if "\r" in code:
        return "Save the file with line feeds: a carriage return alone ends no line."
    found = re.match(r"\s*([A-Za-z_]+)\s*=", code)
    if found and known(found[1], major):
        return "This is a line of postgresql.conf: move it there."
    return None


def _by_words(rule: Rule, error: str, major: int) -> str | None:
    if found := re.match(r'invalid connection type "(.*)"', error, re.DOTALL):
        return _type(found[1], major)
    if found := re.match(r'invalid authentication method "(.*?)"(: not supported by this build)?$', error, re.DOTALL):
        return _method(rule, found[1], bool(found[2]), major)
    if found := re.match(r'unrecognized authentication option name: "(.*)"', error, re.DOTALL):
        return _option(found[1], major)
    if found := re.match(r'authentication option "(.*?)" is only valid for', error):
        return _misplaced(found[1], rule.method)
    if found := re.match(r'invalid value for clientcert: "(.*)"', error, re.DOTALL):
        return f"{_clientcert(found[1])} pg_hba_file_rules shows this line with neither a type nor an error."
    if found := re.match(r'invalid value for clientname: "(.*)"', error, re.DOTALL):
        return "Write CN or DN, in capitals. pg_hba_file_rules shows this line with neither a type nor an error."
    if error.startswith("could not open"):
        return cure_of_opening(error)
    for words, what in _CURES:
        if error.startswith(words):
            return what
    return None


_CURES = (
    ("multiple values specified for connection type", "Write a line for each type."),
    ("multiple values specified for host address", "Write a line for each address."),
    ("multiple values specified for netmask", "Write a line for each address, with its length: 10.0.0.0/8."),
    ("multiple values specified for authentication type", "Write one method; there is no second try."),
    ("end-of-line before netmask", "Write the address with its length: 10.0.0.1/32 for one address."),
    ("end-of-line before IP address", f"The address is missing. {_SHAPE}"),
    ("end-of-line before authentication method", f"A field is missing, the address perhaps. {_SHAPE}"),
    ("end-of-line", _SHAPE),
    ("invalid IP mask", "The address needs its length: 10.0.0.1/32 for one address."),
    ("invalid CIDR mask", "The length of a network goes from 0 to 32, with IPv6 to 128."),
    ("specifying both host name and CIDR mask", "Correct the address: only a number has a length, and IPv6 is written without brackets."),
    ("IP address and mask do not match", "Give the address and its mask in the same family, or write a length: 10.0.0.0/8."),
    ("cert authentication is only supported", "Write hostssl: a certificate is shown in TLS only."),
    ("peer authentication is only supported", "Write scram-sha-256, or make the rule local."),
    ("gssapi authentication is not supported", "Write peer or scram-sha-256 for the local socket."),
    ('clientcert can only be configured for "hostssl"', "Write hostssl: a certificate is shown in TLS only."),
    ('clientname can only be configured for "hostssl"', "Write hostssl: a certificate is shown in TLS only."),
    ("clientcert can only be set", "Take clientcert out: cert checks the name in the certificate anyway."),
    ("clientcert can not be set", "Take clientcert out: cert checks the name in the certificate anyway."),
    ("clientcert only accepts", "Take clientcert out: cert checks the name in the certificate anyway."),
    (
        "authentication option not in name=value",
        'Write name=value without blanks around =, and "name=a value" in quotes where it holds blanks.',
    ),
    ("invalid regular expression", "Correct the expression; one that holds a comma or a blank stands in double quotes as a whole."),
    ("authentication file token too long", "Shorten the word, or put a long list into a file and write @file."),
    ("authentication file line too long", "Split the line, or put a long list into a file and write @file."),
    ("MD5 authentication is not supported", "Write scram-sha-256, or turn db_user_namespace off."),
    ("authentication method", "Add the option that is missing, or choose another method."),
    ("oauth_validator_libraries must be set", "Set oauth_validator_libraries in postgresql.conf."),
)


def _type(word: str, major: int) -> str:
    if word.startswith(BYTE_ORDER_MARK):
        return NO_MARK
    if word in _DIRECTIVES:
        if major < INCLUDES:
            return f"Include lines came with {INCLUDES}: copy the rules in here."
        return "Write exactly one name behind it, in double quotes where it holds blanks."
    if word.lower() in TYPES:
        return f"Write {word.lower()}, in lower case."
    near = difflib.get_close_matches(word.lower(), sorted(TYPES), 1)
    return f"Did you mean {near[0]}?" if near else f"A rule begins with one of {', '.join(sorted(TYPES))}."


def _method(rule: Rule, word: str, elsewhere: bool, major: int) -> str:
    if elsewhere:
        return f"No server on Linux has {word}: choose another method."
    if word in REMOVED and major >= REMOVED[word]:
        return f"{word} is gone since {REMOVED[word]}: use ldap, pam, scram-sha-256 or, from 18 on, oauth."
    if word in _LONG_GONE:
        return f"{word} is gone for long: use {_LONG_GONE[word]}."
    if word == "oauth":
        return "oauth came with 18."
    here = sorted(methods(major))
    if word.lower() in here:
        return f"Write {word.lower()}, in lower case."
    if numeric(word.partition("/")[0]) is not None or word in {"all", "samenet", "samehost"}:
        if rule.type == "local":
            return "Take the address out: a local rule has none."
        return f"There is a field too many before the address; a name with blanks stands in double quotes. {_SHAPE}"
    near = difflib.get_close_matches(word.lower(), here, 1)
    return f"Did you mean {near[0]}?" if near else f"The methods are {', '.join(here)}."


def _option(name: str, major: int) -> str:
    since = next((later for later in range(major + 1, 20) if option_methods(name, later) is not False), None)
    if since:
        return f"{name} came with {since}: take it out."
    near = difflib.get_close_matches(name.lower(), option_names(major), 1)
    return f"Did you mean {near[0]}?" if near else "Take it out."


def _misplaced(name: str, method: str) -> str:
    if name == "map":
        return (
            f"Take map= out: beside {method} the role must be called exactly as the certificate's common name; "
            "only the method cert maps names."
        )
    return "Take it out, or choose the method that it belongs to."


def _clientcert(value: str) -> str:
    if value == "1":
        return "Write clientcert=verify-ca, which is what 1 meant up to 13; verify-full also compares the name."
    if value in {"0", "no-verify"}:
        return "Take clientcert out, which is what it meant up to 13."
    lower = value.lower()
    if lower in {"verify-ca", "verify-full"}:
        return f"Write clientcert={lower}, in lower case."
    return "Write clientcert=verify-ca or clientcert=verify-full."
