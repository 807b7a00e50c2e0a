"""An `ldapurl` of pg_hba.conf taken apart as OpenLDAP's ldap_url_parse does it, tried with the library that Debian's server uses."""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

_SCHEMES = {"ldap": "389", "ldaps": "636", "pldap": "389", "pldaps": "636", "ldapi": "0"}
_SCOPES = {"base": "0", "one": "1", "onelevel": "1", "sub": "2", "subtree": "2", "subordinate": "3", "children": "3"}
# The library's error numbers for URLs, in the words that ldap_err2string has for those numbers.
_BAD_SCHEME, _BAD_ENCLOSURE, _BAD_URL = "Time limit exceeded", "Size limit exceeded", "Compare False"
_BAD_SCOPE, _BAD_EXTENSIONS = "Strong(er) authentication required", "Referral"
_PREFIX = re.compile(r"(?:url:)?([a-z]+)://", re.IGNORECASE | re.ASCII)
_PORT = re.compile(r"[ \t\n\v\f\r]*[+-]?[0-9]+", re.ASCII)


def parse(url: str) -> tuple[dict[str, str], str | None]:
    """Return the options that a URL stands for, and what is wrong with it in the server's words."""
    parts, reason = _parse(url)
    if reason:
        return {}, f'could not parse LDAP URL "{url}": {reason}'
    scheme = parts["ldapscheme"]
    return (parts, None) if scheme in {"ldap", "ldaps"} else ({}, f"unsupported LDAP URL scheme: {scheme}")


def _parse(url: str) -> tuple[dict[str, str], str | None]:
    text = url.removeprefix("<")
    prefix = _PREFIX.match(text)
    if not prefix or prefix[1].lower() not in _SCHEMES:
        return {}, _BAD_SCHEME
    scheme = prefix[1].lower()
    rest = text[prefix.end() :]
    if url.startswith("<"):
        if not rest.endswith(">"):
            return {}, _BAD_ENCLOSURE
        rest = rest[:-1]
    place, slash, tail = rest.partition("/")
    if not slash:
        # What follows a question mark without a slash before it is dropped.
        place = place.partition("?")[0]
    parts = {"ldapscheme": scheme, "ldapscope": "0", "ldapport": _SCHEMES[scheme]}
    if scheme != "ldapi" and (problem := _take_place(place, parts)):
        return {}, problem
    return (parts, _take_search(tail, parts)) if slash else (parts, None)


def _take_place(place: str, parts: dict[str, str]) -> str | None:
    """Take in host and port."""
    if place.startswith("["):
        host, closed, behind = place[1:].partition("]")
        if not closed or behind.find(":") > 0:
            return _BAD_URL
        colon, port = behind[:1], behind[1:]
    else:
        host, colon, port = place.partition(":")
    if colon == ":":
        port = _decoded(port)
        if not _PORT.fullmatch(port):
            return _BAD_URL
        if number := int(port):
            parts["ldapport"] = str(number)
    if host := _decoded(host):
        parts["ldapserver"] = host
    return None


def _take_search(tail: str, parts: dict[str, str]) -> str | None:
    """Take in what follows the slash: base?attributes?scope?filter?extensions."""
    base, *more = tail.split("?", 4)
    parts["ldapbasedn"] = _decoded(base)
    attributes, scope, condition = ([_decoded(each) for each in more] + ["", "", ""])[:3]
    if attributes:
        # Of an attribute list only the first is used; the library passes over empty ones.
        parts["ldapsearchattribute"] = next((each for each in attributes.split(",") if each), "")
    if scope:
        if scope.lower() not in _SCOPES:
            return _BAD_SCOPE
        parts["ldapscope"] = _SCOPES[scope.lower()]
    if condition:
        parts["ldapsearchfilter"] = condition
    if len(more) == 4:
        if "?" in more[3]:
            return _BAD_URL
        if not more[3].strip(","):
            return _BAD_EXTENSIONS
    return None


def _decoded(text: str) -> str:
    return unquote_to_bytes(text.encode("utf-8", "surrogateescape")).split(b"\0")[0].decode("utf-8", "surrogateescape")
