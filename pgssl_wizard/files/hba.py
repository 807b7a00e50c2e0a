"""pg_hba.conf as the server of each major reads it: fields, and for every refused line the server's own words.

Source: hba.c (parse_hba_line, parse_hba_auth_opt, tokenize_auth_file). Edits are in `hba_edit`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pgssl_wizard.files.addresses import numeric, prefix_mask
from pgssl_wizard.files.settings import MAX_DEPTH, ListDirectory, Read
from pgssl_wizard.files.tokens import LogicalLine, Word, as_text, fields, logical_lines
from pgssl_wizard.files.versions import map_methods_in_words, methods, option_methods

TYPES = frozenset({"local", "host", "hostssl", "hostnossl", "hostgssenc", "hostnogssenc"})


@dataclass(frozen=True, slots=True)
class Token:
    """One word of a field: its text without quotes, and whether it began with a quote (then keywords lose their meaning)."""

    text: str
    quoted: bool = False


@dataclass(frozen=True, slots=True)
class Rule:
    """One logical line of pg_hba.conf that is not blank and not a comment.

    Attributes:
        file, line: where it starts; the first physical line, from 1.
        last_line: the last physical line (continuation lines, 14 and later).
        type: `local`, `host`, `hostssl`, `hostnossl`, `hostgssenc`, `hostnogssenc`; empty when unreadable.
        databases, users: the comma lists.
        address: as written, or None for local rules.
        netmask: as written when it stood in a field of its own.
        method: `trust`, `scram-sha-256`, …
        options: `name=value` in order.
        error: the server's own words for this version, or None when the line is accepted.
    """

    file: Path
    line: int
    last_line: int
    type: str
    databases: tuple[Token, ...] = ()
    users: tuple[Token, ...] = ()
    address: str | None = None
    netmask: str | None = None
    method: str = ""
    options: tuple[tuple[str, str], ...] = ()
    error: str | None = None
    address_quoted: bool = False

    def option(self, name: str) -> str | None:
        """Return the value of the option `name`; the last one wins, as in the server."""
        return dict(self.options).get(name)


def parse_rules(file: Path, major: int, read: Read, list_directory: ListDirectory) -> tuple[Rule, ...]:
    """Return every line of the rules file as this major reads it, includes (16 and later) and `@file` lists expanded.

    Args:
        file: pg_hba.conf, absolute.
        major: decides continuation lines, includes, methods and options.
        read: the bytes of a file, or None when there is none.
        list_directory: the names in a directory, or None when there is none.
    """
    found: list[Rule] = []
    _read_file(file, major, read, list_directory, found, 0, (file, 0))
    return tuple(found)


def files_of(file: Path, major: int, read: Read, list_directory: ListDirectory) -> tuple[Path, ...]:
    """Return every file that takes part in the rules: the file itself, includes and `@file` lists."""
    seen: dict[Path, None] = {}

    def note(path: Path) -> bytes | None:
        data = read(path)
        if data is not None:
            seen.setdefault(path)
        return data

    parse_rules(file, major, note, list_directory)
    return tuple(seen)


def _read_file(
    file: Path, major: int, read: Read, list_directory: ListDirectory, found: list[Rule], depth: int, origin: tuple[Path, int]
) -> None:
    def complain(message: str) -> None:
        found.append(Rule(origin[0], origin[1], origin[1], "", error=message))

    if depth > MAX_DEPTH:
        complain(f'could not open file "{file}": maximum nesting depth exceeded')
        return
    data = read(file)
    if data is None:
        verb = "file" if major >= 16 else "configuration file"
        complain(f'could not open {verb} "{file}": No such file or directory')
        return
    for line in logical_lines(data, major):
        words = fields(line.text)
        if not words:
            continue
        first = words[0][0].text
        if major >= 16 and len(words) == 2 and first in {"include", "include_if_exists", "include_dir"}:
            target = file.parent / as_text(words[1][0].text)
            here = (file, line.first)
            if first == "include_dir":
                names = list_directory(target)
                if names is None:
                    found.append(
                        Rule(file, line.first, line.last, "", error=f'could not open directory "{target}": No such file or directory')
                    )
                    continue
                chosen = sorted(name for name in names if not name.startswith(".") and len(name) > 5 and name.endswith(".conf"))
                for name in chosen:
                    if list_directory(target / name) is None:
                        _read_file(target / name, major, read, list_directory, found, depth + 1, here)
            elif first == "include" or read(target) is not None:
                _read_file(target, major, read, list_directory, found, depth + 1, here)
            continue
        expanded, problem = _expand(words, file, major, read, depth)
        if problem:
            found.append(Rule(file, line.first, line.last, "", error=problem))
        elif expanded:
            found.append(_rule(expanded, file, line, major))


def _expand(words: list[list[Word]], file: Path, major: int, read: Read, depth: int) -> tuple[list[list[Token]], str | None]:
    """Replace `@file` words by the words of that file; an empty one makes its field vanish, as in the server."""
    result: list[list[Token]] = []
    for field in words:
        tokens: list[Token] = []
        for word in field:
            if word.quoted or len(word.text) < 2 or word.text[0] != "@":
                tokens.append(Token(as_text(word.text), word.quoted))
                continue
            name = as_text(word.text[1:])
            target = file.parent / name
            if depth + 1 > MAX_DEPTH:
                return [], f'could not open file "{target}": maximum nesting depth exceeded'
            data = read(target)
            if data is None:
                if major >= 16:
                    return [], f'could not open file "{target}": No such file or directory'
                return [], f'could not open secondary authentication file "@{name}" as "{target}": No such file or directory'
            for line in logical_lines(data, major):
                inner, problem = _expand(fields(line.text), target, major, read, depth + 1)
                if problem:
                    return [], problem
                tokens.extend(token for one in inner for token in one)
        if tokens:
            result.append(tokens)
    return result, None


def _rule(words: list[list[Token]], file: Path, line: LogicalLine, major: int) -> Rule:
    """Read one record; every error text is the server's own (parse_hba_line, parse_hba_auth_opt)."""
    kind = words[0][0].text
    values: dict[str, Any] = {}

    def done(error: str | None = None) -> Rule:
        return Rule(file, line.first, line.last, kind if kind in TYPES else "", error=error, **values)

    if len(words[0]) > 1:
        return done("multiple values specified for connection type")
    if kind not in TYPES:
        return done(f'invalid connection type "{kind}"')
    rest = words[1:]
    if not rest:
        return done("end-of-line before database specification")
    values["databases"] = tuple(rest[0])
    if len(rest) < 2:
        return done("end-of-line before role specification")
    values["users"] = tuple(rest[1])
    rest = rest[2:]
    if kind != "local":
        if not rest:
            return done("end-of-line before IP address specification")
        if len(rest[0]) > 1:
            return done("multiple values specified for host address")
        address = rest[0][0]
        rest = rest[1:]
        values["address"] = address.text
        values["address_quoted"] = address.quoted
        if address.quoted or address.text not in {"all", "samehost", "samenet"}:
            host, slash, prefix = address.text.partition("/")
            base = numeric(host)
            if slash and base is None:
                return done(f'specifying both host name and CIDR mask is invalid: "{address.text}"')
            if slash and base is not None and prefix_mask(base[0], prefix) is None:
                return done(f'invalid CIDR mask in address "{address.text}"')
            if not slash and base is not None:
                if not rest:
                    return done("end-of-line before netmask specification")
                if len(rest[0]) > 1:
                    return done("multiple values specified for netmask")
                mask = rest[0][0].text
                rest = rest[1:]
                values["netmask"] = mask
                other = numeric(mask)
                if other is None:
                    return done(f'invalid IP mask "{mask}": Name or service not known')
                if other[0] != base[0]:
                    return done("IP address and mask do not match")
    if not rest:
        return done("end-of-line before authentication method")
    if len(rest[0]) > 1:
        return done("multiple values specified for authentication type")
    method = rest[0][0].text
    # `ident` on a Unix socket has always meant peer.
    effective = "peer" if method == "ident" and kind == "local" else method
    values["method"] = effective
    if method not in methods(major):
        return done(f'invalid authentication method "{method}"')
    if method in {"sspi", "bsd"}:
        return done(f'invalid authentication method "{method}": not supported by this build')
    if effective == "gss" and kind == "local":
        return done("gssapi authentication is not supported on local sockets")
    if effective == "peer" and kind != "local":
        return done("peer authentication is only supported on local sockets")
    if effective == "cert" and kind != "hostssl":
        return done("cert authentication is only supported on hostssl connections")
    options: list[tuple[str, str]] = []
    for field in rest[1:]:
        for token in field:
            name, equals, value = token.text.partition("=")
            values["options"] = tuple(options)
            if not equals:
                return done(f"authentication option not in name=value format: {token.text}")
            problem = _option_problem(name, value, kind, effective, major)
            if problem:
                return done(problem)
            options.append((name, value))
    values["options"] = tuple(options)
    return done(_missing_option(effective, dict(options)))


def _option_problem(name: str, value: str, kind: str, method: str, major: int) -> str | None:
    allowed = option_methods(name, major)
    if allowed is False:
        return f'unrecognized authentication option name: "{name}"'
    if name in {"clientcert", "clientname"}:
        if kind != "hostssl":
            return f'{name} can only be configured for "hostssl" rows'
        if name == "clientname":
            return None if value in {"CN", "DN"} else f'invalid value for clientname: "{value}"'
        if major == 13:
            if value in {"0", "no-verify"} and method == "cert":
                return 'clientcert can not be set to "no-verify" when using "cert" authentication'
            return None if value in {"0", "1", "no-verify", "verify-ca", "verify-full"} else f'invalid value for clientcert: "{value}"'
        if value == "verify-ca" and method == "cert":
            return 'clientcert can only be set to "verify-full" when using "cert" authentication'
        return None if value in {"verify-ca", "verify-full"} else f'invalid value for clientcert: "{value}"'
    if allowed is not None and method not in allowed:
        named = map_methods_in_words(major) if name == "map" else {"gss": "gssapi, sspi"}.get(allowed[0], ", ".join(allowed))
        named = "gssapi and sspi" if allowed == ("gss", "sspi") else named
        return f'authentication option "{name}" is only valid for authentication methods {named}'
    return None


def _missing_option(method: str, options: dict[str, str]) -> str | None:
    if method == "ldap" and "ldapurl" not in options:
        if "ldapserver" not in options:
            return 'authentication method "ldap" requires argument "ldapserver" to be set'
        if not {"ldapbasedn", "ldapprefix", "ldapsuffix"} & set(options):
            return 'authentication method "ldap" requires argument "ldapbasedn", "ldapprefix", or "ldapsuffix" to be set'
    if method == "radius":
        for needed in ("radiusservers", "radiussecrets"):
            if needed not in options:
                return f'authentication method "radius" requires argument "{needed}" to be set'
    if method == "oauth":
        for needed in ("scope", "issuer"):
            if needed not in options:
                return f'authentication method "oauth" requires argument "{needed}" to be set'
    return None
