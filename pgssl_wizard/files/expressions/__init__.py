"""Regular expressions as pg_hba.conf (16 and later) and pg_ident.conf (all versions) use them, without a server.

The server's hba.c compiles them as advanced regular expressions under the C collation, before any database is chosen: every byte is
a character, and letters are ASCII. Text here carries bytes that are no UTF-8 as surrogates, like file names in Python.

What is exact, tried against 13 to 18: which expressions are refused and in which words, which texts match, and what the first group
is. Two things are not. Where an expression becomes too complex for the server depends on its stack and memory: nesting and length
(repetitions written out) are refused about where the server does so, but word boundaries, looks and back-references inside many
repetitions can exhaust it far earlier than this module, above all 13. And a search with back-references that has tried some hundred
thousand divisions of the text ends as no match here, where the server goes on until authentication_timeout.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from pgssl_wizard.files.expressions.lex import InvalidExpression
from pgssl_wizard.files.expressions.match import Matcher
from pgssl_wizard.files.expressions.parse import parse
from pgssl_wizard.files.expressions.tree import Bytes, Choice, Language, Parsed, Place, Repeat, Sequence

__all__ = ["Expression", "InvalidExpression", "Match", "compile"]

#: How many steps Python's engine, which tries one way after the other, may take for one text before ours, which does not, is used.
_STEPS = 1_000_000

#: Deeper expressions are left to our engine: translating calls itself.
_DEPTH = 20


@dataclass(frozen=True, slots=True)
class Match:
    r"""A match.

    Attributes:
        group1: what `\1` in pg_ident.conf stands for; None when the expression has no group, or its first one took no part.
    """

    group1: str | None


@dataclass(frozen=True, slots=True, eq=False)
class Expression:
    """An expression that the server accepts.

    Attributes:
        groups: the number of its capturing groups.
    """

    groups: int
    _matcher: Matcher
    _quick: _Quick | None

    def search(self, text: str) -> Match | None:
        """Return the match that the server finds anywhere in the text, or None."""
        data = _encode(text)
        quick = self._quick
        if quick is not None and len(data) <= quick.longest:
            if quick.pattern.search(data) is None:
                return None
            if not self.groups:
                return _NO_GROUP
            if quick.fixed is not None:
                before, behind = quick.fixed
                return Match(_decode(data[before : len(data) - behind]))
        found = self._matcher.find(data)
        if found is None:
            return None
        span = found[0]
        return Match(_decode(data[span[0] : span[1]])) if span else _NO_GROUP


_NO_GROUP = Match(None)


def compile(expression: str, major: int) -> Expression:  # noqa: A001  (what the standard library calls it)
    r"""Compile an expression, without the slash that marks it in the files.

    Args:
        expression: as the files have it, quotes removed.
        major: of the server: up to 13, `\D`, `\S` and `\W` in brackets and `[[:word:]]` are refused, for instance.

    Raises:
        InvalidExpression: the server refuses it.
    """
    return _compile(_encode(expression), major)


@lru_cache(maxsize=16384)
def _compile(expression: bytes, major: int) -> Expression:
    parsed = parse(expression.decode("latin-1"), major)
    return Expression(parsed.groups, Matcher(parsed, major), _make_quick(parsed))


def _encode(text: str) -> bytes:
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        # Surrogates that stand for no byte come from no file; they must not end in an error either.
        return text.encode("utf-8", "surrogatepass")


def _decode(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


@dataclass(frozen=True, slots=True)
class _Quick:
    """The expression for Python's engine, which says as quickly as possible whether there is a match.

    Attributes:
        pattern: matches the same texts.
        longest: up to this length it is sure to be quick.
        fixed: the lengths before and behind the first group when they are the same in all matches, and these whole texts.
    """

    pattern: re.Pattern[bytes]
    longest: int
    fixed: tuple[int, int] | None


@dataclass(slots=True)
class _Effort:
    """What a translation costs: alternatives multiplied, and how many parts may be of any length."""

    ways: int = 1
    open_parts: int = 1


class _NotTranslatableError(Exception):
    """Left to our engine."""


def _make_quick(parsed: Parsed) -> _Quick | None:
    """Translate an expression for Python's engine; None where that would mean something else or could take long."""
    if parsed.refers or parsed.looks:
        return None
    effort = _Effort()
    try:
        source = _translate(parsed.tree.language, effort, _DEPTH)
    except _NotTranslatableError:
        return None
    if source.startswith(b"\\A"):
        effort.open_parts -= 1
    longest = int((_STEPS / effort.ways) ** (1 / max(effort.open_parts, 1)))
    return _Quick(re.compile(source, re.DOTALL), longest, _fixed(parsed)) if longest >= 64 else None


_PLACES = {"begin": b"\\A", "finish": b"\\Z"}


def _translate(language: Language, effort: _Effort, depth: int) -> bytes:
    if isinstance(language, Bytes):
        return _byte_class(language.bits)
    if isinstance(language, Place) and language.kind in _PLACES:
        return _PLACES[language.kind]
    if not depth:
        raise _NotTranslatableError
    if isinstance(language, Sequence):
        return b"".join(_translate(part, effort, depth - 1) for part in language.parts)
    if isinstance(language, Choice):
        effort.ways *= len(language.parts)
        return b"(?:" + b"|".join(_translate(part, effort, depth - 1) for part in language.parts) + b")"
    if isinstance(language, Repeat) and isinstance(language.body, Bytes):
        if language.most is None:
            effort.open_parts += 1
            bound = b"{%d,}" % language.least
        else:
            effort.ways *= language.most - language.least + 1
            bound = b"{%d,%d}" % (language.least, language.most)
        return _byte_class(language.body.bits) + bound
    raise _NotTranslatableError


@lru_cache(maxsize=1024)
def _byte_class(bits: int) -> bytes:
    members = [byte for byte in range(256) if bits >> byte & 1]
    if len(members) == 1:
        return re.escape(bytes(members))
    if len(members) == 256:
        return b"."
    if not members:
        return b"(?!)"
    runs: list[list[int]] = []
    for byte in members:
        if runs and byte == runs[-1][1] + 1:
            runs[-1][1] = byte
        else:
            runs.append([byte, byte])
    return b"[" + b"".join(b"\\x%02x-\\x%02x" % (first, last) for first, last in runs) + b"]"


def _fixed(parsed: Parsed) -> tuple[int, int] | None:
    """Return how much stands before and behind the first group, when that is the same in all matches."""
    tree = parsed.tree
    if tree.operation != "." or tree.children[0].operation != "=":
        return None
    before, rest = tree.children
    if rest.capture == 1:
        return None
    if rest.operation != "." or rest.children[0].capture != 1 or rest.children[1].operation != "=":
        return None
    first, last = _width(before.language), _width(rest.children[1].language)
    if not (first and first[1] and last and last[2]):
        return None
    return first[0], last[0]


def _width(language: Language) -> tuple[int, bool, bool] | None:
    """Return the only length of a part's matches, and whether it begins and ends with those of the text; None when there is none."""
    parts = language.parts if isinstance(language, Sequence) else (language,)
    if not all(isinstance(part, Bytes | Place) for part in parts):
        return None
    length = sum(isinstance(part, Bytes) for part in parts)
    first, last = parts[0] if parts else None, parts[-1] if parts else None
    return length, isinstance(first, Place) and first.kind == "begin", isinstance(last, Place) and last.kind == "finish"
