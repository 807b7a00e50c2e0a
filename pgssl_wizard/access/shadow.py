"""Which rules can never match because earlier ones always do, and which rules for TLS stand below one that takes the same in plaintext.

A rule is cut into atoms: one kind of session, one family of addresses, one word for the database, one for the user. It is dead
when every atom lies within an earlier rule. What cannot be compared (expressions, groups, this machine's own addresses) counts
only where the words are equal, so nothing is claimed that is not so.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

from pgssl_wizard.files.addresses import parse_range
from pgssl_wizard.files.auth_methods import EXPRESSIONS_IN_RULES
from pgssl_wizard.files.hba import Rule, Token
from pgssl_wizard.files.known_settings import fold

#: The kinds of session: over the socket, over TCP in plaintext, with TLS, with GSS encryption. A session is of exactly one.
SOCKET, PLAINTEXT, TLS, GSS = "socket", "plaintext", "tls", "gss"
#: The kinds of session that a rule of each type takes.
SESSIONS = {
    "local": (SOCKET,),
    "host": (PLAINTEXT, TLS, GSS),
    "hostssl": (TLS,),
    "hostnossl": (PLAINTEXT, GSS),
    "hostgssenc": (GSS,),
    "hostnogssenc": (PLAINTEXT, TLS),
}

#: More combinations of words than this in one rule, and a list counts as one word, so that long lists cost nothing.
_COMBINATIONS = 16
#: So many masks with holes are compared; a file has none or one.
_ODD_MASKS = 64

#: What one word means; equal meanings match the same. The first part names the sort, the second the word where it matters.
Meaning = tuple[str, str]
_ALL: Meaning = ("all", "")
_REPLICATION: Meaning = ("replication", "")


class Shadow(NamedTuple):
    """A rule that earlier ones leave nothing to: positions in the list of rules, `by` in ascending order.

    Attributes:
        rule: the position of the rule.
        by: those that take what it would.
        same: whether they do the same with it, so that the rule is only superfluous.
    """

    rule: int
    by: tuple[int, ...]
    same: bool


class Undercut(NamedTuple):
    """A hostssl rule whose clients get in without TLS by an earlier rule; positions in the list of rules.

    Attributes:
        rule: the position of the hostssl rule.
        by: those that let the same clients in without TLS.
        dead: whether earlier rules take the TLS sessions too.
    """

    rule: int
    by: tuple[int, ...]
    dead: bool


@dataclass(frozen=True, slots=True)
class Compared:
    """What comparing the rules of a file brought."""

    dead: tuple[Shadow, ...] = ()
    undercut: tuple[Undercut, ...] = ()


class _Span(NamedTuple):
    """Addresses of one family (0: the socket).

    Attributes:
        family: 32, 128 or 0.
        mask, base: the bits that are fixed, and how.
        opaque: a name, or `samehost` or `samenet`: an unknown part of the span.
    """

    family: int
    mask: int
    base: int
    opaque: str = ""


_SOCKET_SPAN = _Span(0, 0, 0)
_EVERY_ADDRESS = (_Span(32, 0, 0), _Span(128, 0, 0))


class _Spans:
    """The addresses that rules for one database word and user word take: by mask, then by base, then by kind of session.

    A span is remembered with the first rule of each kind that has it.
    """

    __slots__ = ("_odd", "_opaque", "_ranges")

    def __init__(self) -> None:
        self._ranges: dict[tuple[int, int], dict[int, dict[str, int]]] = {}
        self._opaque: dict[str, dict[str, int]] = {}
        self._odd = 0

    def add(self, span: _Span, sessions: Iterable[str], position: int) -> None:
        if span.opaque:
            found = self._opaque.setdefault(span.opaque, {})
        else:
            bases = self._ranges.get((span.family, span.mask))
            if bases is None:
                if _has_holes(span):
                    if self._odd >= _ODD_MASKS:
                        return
                    self._odd += 1
                bases = self._ranges[span.family, span.mask] = {}
            found = bases.setdefault(span.base, {})
        for session in sessions:
            found.setdefault(session, position)

    def around(self, span: _Span, session: str) -> int | None:
        """Return the first rule that has the whole span, or None."""
        first: int | None = None
        for (family, mask), bases in self._ranges.items():
            if family == span.family and mask & span.mask == mask:
                position = bases.get(span.base & mask, {}).get(session)
                if position is not None and (first is None or position < first):
                    first = position
        if span.opaque and self._opaque:
            for name in _wider(span.opaque):
                position = self._opaque.get(name, {}).get(session)
                if position is not None and (first is None or position < first):
                    first = position
        return first


class _Index:
    """Which of the rules so far takes the whole of an atom."""

    def __init__(self) -> None:
        self._spans: dict[tuple[Meaning, Meaning], _Spans] = {}

    def add(self, rule: _Read, position: int) -> None:
        for words in product(rule.databases, rule.users):
            spans = self._spans.get(words)
            if spans is None:
                spans = self._spans[words] = _Spans()
            for span in rule.spans:
                spans.add(span, rule.sessions, position)

    def first(self, session: str, database: Meaning, user: Meaning, span: _Span) -> int | None:
        found: int | None = None
        for wider_database in (database,) if database in {_ALL, _REPLICATION} else (database, _ALL):
            for wider_user in (user,) if user == _ALL else (user, _ALL):
                spans = self._spans.get((wider_database, wider_user))
                position = spans.around(span, session) if spans else None
                if position is not None and (found is None or position < found):
                    found = position
        return found

    def all_of(self, rule: _Read, sessions: Iterable[str]) -> tuple[int, ...] | None:
        """Return the rules that together take all of a rule's sessions of these kinds; None when something is left to it."""
        by: set[int] = set()
        for atom in product(sessions, rule.databases, rule.users, rule.spans):
            position = self.first(*atom)
            if position is None:
                return None
            by.add(position)
        return tuple(sorted(by)) or None


class _Read(NamedTuple):
    """A rule as far as it can be compared."""

    sessions: tuple[str, ...]
    databases: tuple[Meaning, ...]
    users: tuple[Meaning, ...]
    spans: tuple[_Span, ...]


def compare(rules: Sequence[Rule], major: int) -> Compared:
    """Return what the order of the rules makes of them.

    Args:
        rules: of one file with its includes, in reading order; refused ones are left out of account.
        major: decides which words are regular expressions.
    """
    index = _Index()
    dead: list[Shadow] = []
    undercut: list[Undercut] = []
    # Behind a rule that refuses plaintext, who still gets in without TLS depends on more than one rule.
    refuses_plaintext: int | None = None
    for position, rule in enumerate(rules):
        if rule.error or rule.type not in SESSIONS:
            continue
        read = _read(rule, major)
        by = index.all_of(read, read.sessions)
        instead = None
        if rule.type == "hostssl" and rule.method != "reject":
            instead = index.all_of(read, (PLAINTEXT,))
            if instead and (
                any(rules[other].method == "reject" for other in instead)
                or (refuses_plaintext is not None and refuses_plaintext < max(instead))
            ):
                instead = None
        if instead:
            undercut.append(Undercut(position, instead, bool(by)))
        elif by:
            dead.append(Shadow(position, by, all(_outcome(rules[other]) == _outcome(rule) for other in by)))
        if by is None:  # a dead rule takes nothing that the index does not have already
            index.add(read, position)
        if rule.method == "reject" and PLAINTEXT in read.sessions and refuses_plaintext is None:
            refuses_plaintext = position
    return Compared(tuple(dead), tuple(undercut))


def meaning(token: Token, field: str, major: int) -> Meaning:
    """Return what a word in the field `database` or `user` matches; equal meanings match the same."""
    text = token.text
    if not token.quoted:
        if text == "all":
            return _ALL
        if field == "database" and text in {"sameuser", "samerole", "samegroup", "replication"}:
            return ("samerole" if text == "samegroup" else text, "")
        if field == "user" and text.startswith("+"):
            return ("member", text[1:])
    if text.startswith("/") and major >= EXPRESSIONS_IN_RULES:
        return ("expression", text)
    return ("name", text)


def _read(rule: Rule, major: int) -> _Read:
    databases = {meaning(token, "database", major) for token in rule.databases}
    users = {meaning(token, "user", major) for token in rule.users}
    if _ALL in databases:
        databases &= {_ALL, _REPLICATION}
    if _ALL in users:
        users = {_ALL}
    # The shorter list keeps its words, if that is enough.
    if len(databases) * len(users) > _COMBINATIONS and len(databases) >= len(users):
        databases = _as_one(databases)
    if len(databases) * len(users) > _COMBINATIONS:
        users = _as_one(users)
    if len(databases) * len(users) > _COMBINATIONS:
        databases = _as_one(databases)
    return _Read(SESSIONS[rule.type], tuple(databases), tuple(users), _spans(rule))


def _as_one(words: set[Meaning]) -> set[Meaning]:
    """Return a list of words as a single one, which holds what they hold; `replication` stays apart, as `all` does not hold it."""
    rest = sorted(words - {_REPLICATION})
    return {("list", repr(rest)), *(words & {_REPLICATION})}


def _spans(rule: Rule) -> tuple[_Span, ...]:
    if rule.address is None:
        return (_SOCKET_SPAN,)
    if not rule.address_quoted:
        if rule.address == "all":
            return _EVERY_ADDRESS
        if rule.address in {"samehost", "samenet"}:
            return tuple(span._replace(opaque=rule.address) for span in _EVERY_ADDRESS)
    found = parse_range(rule.address, rule.netmask)
    if found is not None:
        return (_Span(found.family, found.mask, found.base & found.mask),)
    return tuple(span._replace(opaque=f"name:{fold(rule.address)}") for span in _EVERY_ADDRESS)


def _wider(opaque: str) -> Iterator[str]:
    """Yield the unknown parts that surely hold this one, itself first: networks hold their hosts, `.example.com` its names."""
    yield opaque
    if opaque == "samehost":
        yield "samenet"
    elif opaque.startswith("name:"):
        name = opaque.removeprefix("name:")
        at = name.find(".", 1)
        while at >= 0:
            yield f"name:{name[at:]}"
            at = name.find(".", at + 1)


def _has_holes(span: _Span) -> bool:
    inverse = ~span.mask & ((1 << span.family) - 1)
    return bool(inverse & (inverse + 1))


def _outcome(rule: Rule) -> tuple[object, ...]:
    return (rule.method, frozenset(dict(rule.options).items()))
