"""pg_hba.conf as the server of each major reads it: fields, and for every refused line the server's own words.

Source: hba.c (parse_hba_line) of 13 to 19, tried on 13 to 18. Options are in `hba_options`, what the view pg_hba_file_rules
shows in `hba_view`, edits in `hba_edit`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from pgssl_wizard.files.addresses import numeric, prefix_mask
from pgssl_wizard.files.auth_lines import AuthLine, Reader, Token, expression_problem
from pgssl_wizard.files.auth_methods import EXPRESSIONS_IN_RULES, methods, not_on_linux
from pgssl_wizard.files.bulk import uncollected
from pgssl_wizard.files.hba_options import Options
from pgssl_wizard.files.setting_lists import BadList, split_words
from pgssl_wizard.files.sources import ListDirectory, Read
from pgssl_wizard.files.values import boolean

__all__ = ["TYPES", "Rule", "Surrounding", "Token", "files_of", "parse_rules", "surrounding_of"]

TYPES = frozenset({"local", "host", "hostssl", "hostnossl", "hostgssenc", "hostnogssenc"})
ADDRESS_KEYWORDS = frozenset({"all", "samehost", "samenet"})


@dataclass(frozen=True, slots=True)
class Surrounding:
    """What a rule's verdict rests on besides the file.

    Attributes:
        oauth_validators: the libraries of `oauth_validator_libraries` (18 and later); None: not known, whatever is named is taken.
        db_user_namespace: the setting of that name (up to 16), beside which md5 is refused.
    """

    oauth_validators: tuple[str, ...] | None = None
    db_user_namespace: bool = False


def surrounding_of(value: Callable[[str], str | None], major: int) -> Surrounding:
    """Return what rules rest on, out of the values of settings.

    Args:
        value: of a setting, or None when nothing is known of it.
        major: the server's; only some know these settings.
    """
    libraries = value("oauth_validator_libraries") if major >= 18 else None
    try:
        validators = None if libraries is None else tuple(split_words(libraries, major))
    except BadList:
        validators = None
    return Surrounding(validators, major < 17 and bool(boolean(value("db_user_namespace") or "off")))


class Rule(NamedTuple):
    """One logical line of pg_hba.conf that is not blank and not a comment.

    Attributes:
        file, line: where it starts; the first physical line, from 1, or 0 for a file that cannot be opened.
        last_line: the last physical line (continuation lines, 14 and later).
        type: `local`, `host`, `hostssl`, `hostnossl`, `hostgssenc`, `hostnogssenc`; empty when unreadable.
        databases, users: the comma lists.
        address: as written, or None for local rules.
        netmask: as written when it stood in a field of its own.
        method: `trust`, `scram-sha-256`, …
        options: `name=value` in order.
        error: the words of the view pg_hba_file_rules for this version (of the log, where the view has none), or None when
            the line is accepted.
        address_quoted: whether the address began with a quote, so that `all` is a host name.
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


def parse_rules(
    file: Path, major: int, read: Read, list_directory: ListDirectory, surrounding: Surrounding | None = None
) -> tuple[Rule, ...]:
    """Return every line of the rules file as this major reads it, includes (16 and later) and `@file` lists expanded.

    Args:
        file: pg_hba.conf, absolute.
        major: decides continuation lines, includes, methods and options.
        read: the bytes of a file, or None when there is none.
        list_directory: the names in a directory, or None when there is none.
        surrounding: settings that rules depend on.
    """
    around = surrounding or Surrounding()
    reader: Reader[Rule] = Reader(major, read, list_directory, _Quick(major, around).of_file)
    with uncollected():
        return tuple([record if type(record) is Rule else _rule(record, major, around) for record in reader.lines(file)])  # type: ignore[arg-type]


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


_BYTE = r"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_CANONICAL = re.compile(rf"{_BYTE}\.{_BYTE}\.{_BYTE}\.{_BYTE}/(?:3[0-2]|[12]?[0-9])")
#: A line that splits into words at blanks: no quotes, nothing beyond ASCII, no backslash that might continue it.
_PLAIN = re.compile(r"[ !#-\[\]-~\t]*\r?")
_PLAIN_BUT_QUOTES = re.compile(r"[ -\[\]-~\t]*\r?")
_NAMES_A_FILE = re.compile(r"(?:^|[ \t,])@")


class _Quick:
    """Reads lines without quotes and file names at once; what files say again and again is judged once."""

    def __init__(self, major: int, around: Surrounding) -> None:
        self._major = major
        self._around = around
        self._lists: dict[str, tuple[Token, ...]] = {}
        self._words: dict[str, str] = {}
        self._addresses: dict[str, int] = {}
        self._ends: dict[tuple[str, ...], _Fields] = {}

    def of_file(self, file: Path) -> Callable[[str, int], Rule | None]:
        """Return the reader of a file's lines; it returns None for those that it does not understand."""
        lists, addresses, ends, words_once = self._lists, self._addresses, self._ends, self._words
        plain, make, types = _PLAIN.fullmatch, tuple.__new__, TYPES

        def read(line: str, number: int) -> Rule | None:
            quoted: tuple[int, ...] = ()
            if '"' in line:
                cut = _with_quotes(line)
                if cut is None:
                    return None
                words, quoted = cut
            else:
                if "#" in line:
                    # Without quotes before it a comment begins here; one that ends in a backslash may go on in the next line.
                    if line.rstrip("\r").endswith("\\"):
                        return None
                    line = line.partition("#")[0]
                if plain(line) is None or ("@" in line and _NAMES_A_FILE.search(line)):
                    return None
                words = line.split()
            count = len(words)
            if count < 4 or words[0] not in types:
                return None
            databases: tuple[Token, ...] | None
            users: tuple[Token, ...] | None
            kind = words[0]
            if quoted:
                databases = (Token(words[1], True),) if 1 in quoted else self._list(words[1])
                users = (Token(words[2], True),) if 2 in quoted else self._list(words[2])
                if 3 in quoted or any(words[at][0] == "/" for at in (1, 2)):
                    return None
            else:
                databases = lists.get(words[1]) or self._list(words[1])
                users = lists.get(words[2]) or self._list(words[2])
            if databases is None or users is None:
                return None
            address: str | None = None
            mask: str | None = None
            at = 3
            if kind != "local":
                address = words[3]
                at = addresses.get(address) or self._address(address)
                if at == 5 and count > 5:
                    mask = words_once.setdefault(words[4], words[4])
                    if (addresses.get(mask) != 5 and self._address(mask) != 5) or (":" in mask) != (":" in address):
                        return None
                if at == 0 or at >= count:
                    return None
            key = (kind, *words[at:])
            end = ends.get(key) or self._end(key)
            if end is None:
                return None
            return make(
                Rule,
                (file, number, number, end.type, databases, users, address, mask, end.method, end.options, end.error, False),
            )

        return read

    def _list(self, text: str) -> tuple[Token, ...] | None:
        """Return the words of a database or user field; None when a file or an expression has to be looked at."""
        if text[0] == "/" and self._major >= EXPRESSIONS_IN_RULES:
            return None
        if "," not in text:
            made: tuple[Token, ...] = (tuple.__new__(Token, (text, False)),)
        else:
            parts = text.split(",")
            if not all(parts) or "/" in text:
                return None
            made = tuple([tuple.__new__(Token, (part, False)) for part in parts])
        self._lists[text] = made
        return made

    def _address(self, text: str) -> int:
        """Return where the method stands behind this address: 4, or 5 when a mask comes first; 0 for one that is wrong."""
        if text in ADDRESS_KEYWORDS:
            return self._addresses.setdefault(text, 4)
        if _CANONICAL.fullmatch(text):
            return 4
        if "," in text:
            return 0
        host, slash, prefix = text.partition("/")
        base = numeric(host)
        if slash:
            return 0 if base is None or prefix_mask(base[0], prefix) is None else 4
        return self._addresses.setdefault(text, 4 if base is None else 5)

    def _end(self, key: tuple[str, ...]) -> _Fields | None:
        """Return what method and options come to."""
        if any("," in word for word in key):
            return None
        kind, method, *options = key
        found = self._ends[key] = _Fields(type=kind)
        found.error = found.read_method(method, [Token(option) for option in options], self._major, self._around)
        return found


def _with_quotes(line: str) -> tuple[list[str], tuple[int, ...]] | None:
    """Return the words of a line and which of them are quoted; None where quotes do not stand around whole words."""
    if _PLAIN_BUT_QUOTES.fullmatch(line) is None or ("@" in line and _NAMES_A_FILE.search(line)):
        return None
    parts = line.split('"')
    last = len(parts) - 1
    if last % 2:
        return None
    words: list[str] = []
    quoted: list[int] = []
    for index, part in enumerate(parts):
        if index % 2:
            if not part:
                return None
            quoted.append(len(words))
            words.append(part)
            continue
        if "#" in part:
            if index < last:
                return None
            part = part.partition("#")[0]  # noqa: PLW2901 - what is left of it
        begins = part[:1].isspace() or index == 0 or (index == last and not part)
        ends = part[-1:].isspace() or index == last or (index == 0 and not part)
        if not begins or not ends:
            return None
        words.extend(part.split())
    return words, tuple(quoted)


def _rule(line: AuthLine, major: int, around: Surrounding) -> Rule:
    """Read one record; every error text is the server's own (parse_hba_line)."""
    found = _Fields()
    error = line.error or found.read(line.fields, major, around)
    return Rule(
        line.file,
        line.first,
        line.last,
        found.type,
        found.databases,
        found.users,
        found.address,
        found.netmask,
        found.method,
        found.options,
        error,
        found.address_quoted,
    )


@dataclass(slots=True)
class _Fields:
    """A record being read: what has been understood so far stays when an error ends it."""

    type: str = ""
    databases: tuple[Token, ...] = ()
    users: tuple[Token, ...] = ()
    address: str | None = None
    address_quoted: bool = False
    netmask: str | None = None
    method: str = ""
    options: tuple[tuple[str, str], ...] = ()
    error: str | None = None

    def read(self, words: list[list[Token]], major: int, around: Surrounding) -> str | None:
        """Take the fields in; return what is wrong."""
        if len(words[0]) > 1:
            return "multiple values specified for connection type"
        kind = words[0][0].text
        if kind not in TYPES:
            return f'invalid connection type "{kind}"'
        self.type = kind
        rest = words[1:]
        if not rest:
            return "end-of-line before database specification"
        self.databases = tuple(rest[0])
        if problem := _expression_problem(self.databases, major):
            return problem
        if len(rest) < 2:
            return "end-of-line before role specification"
        self.users = tuple(rest[1])
        if problem := _expression_problem(self.users, major):
            return problem
        rest = rest[2:]
        if kind != "local":
            if not rest:
                return "end-of-line before IP address specification"
            problem, used = self._read_address(rest)
            if problem:
                return problem
            rest = rest[used:]
        if not rest:
            return "end-of-line before authentication method"
        if len(rest[0]) > 1:
            return "multiple values specified for authentication type"
        return self.read_method(rest[0][0].text, [token for field in rest[1:] for token in field], major, around)

    def _read_address(self, rest: list[list[Token]]) -> tuple[str | None, int]:
        """Take in the address and, in a field of its own, its mask; return what is wrong and how many fields were used."""
        if len(rest[0]) > 1:
            return "multiple values specified for host address", 0
        token = rest[0][0]
        self.address, self.address_quoted = token
        if not token.quoted and token.text in ADDRESS_KEYWORDS:
            return None, 1
        host, slash, prefix = token.text.partition("/")
        base = numeric(host)
        if base is None:
            return (f'specifying both host name and CIDR mask is invalid: "{token.text}"' if slash else None), 1
        if slash:
            return (None if prefix_mask(base[0], prefix) is not None else f'invalid CIDR mask in address "{token.text}"'), 1
        if len(rest) < 2:
            return "end-of-line before netmask specification", 0
        if len(rest[1]) > 1:
            return "multiple values specified for netmask", 0
        self.netmask = rest[1][0].text
        mask = numeric(self.netmask)
        if mask is None:
            return f'invalid IP mask "{self.netmask}": Name or service not known', 0
        return (None if mask[0] == base[0] else "IP address and mask do not match"), 2

    def read_method(self, method: str, options: list[Token], major: int, around: Surrounding) -> str | None:
        """Take in the method and its options; return what is wrong."""
        # `ident` on a Unix socket has always meant peer.
        self.method = "peer" if method == "ident" and self.type == "local" else method
        if method not in methods(major):
            return f'invalid authentication method "{method}"'
        if method == "md5" and around.db_user_namespace:
            return 'MD5 authentication is not supported when "db_user_namespace" is enabled'
        if not_on_linux(method):
            return f'invalid authentication method "{method}": not supported by this build'
        if self.method == "gss" and self.type == "local":
            return "gssapi authentication is not supported on local sockets"
        if self.method == "peer" and self.type != "local":
            return "peer authentication is only supported on local sockets"
        if self.method == "cert" and self.type != "hostssl":
            return "cert authentication is only supported on hostssl connections"
        if not options:
            return Options(self.type, self.method, major).what_is_missing(around.oauth_validators)
        taken = Options(self.type, self.method, major)
        for token in options:
            name, equals, value = token.text.partition("=")
            if not equals:
                return f"authentication option not in name=value format: {token.text}"
            if problem := taken.take(name, value):
                return problem
            self.options = (*self.options, (name, value))
        return taken.what_is_missing(around.oauth_validators)


def _expression_problem(tokens: tuple[Token, ...], major: int) -> str | None:
    """Return what is wrong with the first regular expression that does not compile; quotes do not make a name of one."""
    if major < EXPRESSIONS_IN_RULES:
        return None
    return next((problem for token in tokens if (problem := expression_problem(token.text, major))), None)
