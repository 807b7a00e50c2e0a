"""Rules compiled once for very many attempts: the same answers as `decide`, some microseconds each.

Every field of the rules becomes tables that lead from what an attempt brings to the rules that take it, as the bits of one number; the
first rule is the lowest bit that all fields have in common. Expressions are looked at last, and only those of rules that would decide.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Generic, TypeVar

from pgssl_wizard.access.attempt import SESSIONS, Attempt, arrived, session_of
from pgssl_wizard.access.match import folded, is_host_name
from pgssl_wizard.access.outcome import Decision, Endings
from pgssl_wizard.files.addresses import Range, numeric, parse_range
from pgssl_wizard.files.auth_methods import EXPRESSIONS_IN_RULES
from pgssl_wizard.files.hba import Rule, Token
from pgssl_wizard.files.ident import MapLine

if TYPE_CHECKING:
    from pgssl_wizard.files.expressions import Expression

#: Rules compiled together: long files fall into blocks, or each name of a file of 100,000 rules would have a number of so many bits.
_BLOCK = 1024
#: What is remembered of names and addresses before all of it is forgotten.
_REMEMBERED = 1 << 16

K = TypeVar("K")
V = TypeVar("V")


class Decider:
    """The rules of one file, ready for any number of attempts.

    Args:
        rules, major, ssl_ca, own_ranges, maps: as for `decide`.
    """

    def __init__(
        self,
        rules: Sequence[Rule],
        major: int,
        *,
        ssl_ca: bool = False,
        own_ranges: Sequence[str] = (),
        maps: Sequence[MapLine] | None = None,
    ) -> None:
        self._rules = tuple(rules)
        self._endings = Endings(major, ssl_ca=ssl_ca, maps=maps)
        networks = tuple(found for own in own_ranges if (found := parse_range(own, None)))
        hosts = tuple(found for own in own_ranges if (found := parse_range(own.partition("/")[0], None)))
        self._numbers: _Remembered[str, tuple[int, int] | None] = _Remembered(numeric)
        blocks = range(0, len(self._rules), _BLOCK)
        self._blocks = tuple(_Block(self._rules[first : first + _BLOCK], first, major, hosts, networks) for first in blocks)

    def find(self, attempt: Attempt) -> int | None:
        """Return the position of the first rule that matches an attempt as the server sees it (`arrived`)."""
        address = attempt.address
        number = None if address is None else self._numbers[address]
        for block in self._blocks:
            found = block.find(attempt, number)
            if found is not None:
                return found
        return None

    def decide(self, attempt: Attempt) -> Decision:
        """Return the rule that the server would pick for the attempt, and how it ends."""
        endings = self._endings
        early = endings.before_rules(attempt)
        if early is not None:
            return early
        here = arrived(attempt)
        position = self.find(here)
        return endings.without_rule(here) if position is None else endings.under(self._rules[position], here)


class _Remembered(dict[K, V], Generic[K, V]):
    """What has been worked out before; all of it is forgotten when it becomes too much."""

    def __init__(self, work_out: Callable[[K], V]) -> None:
        super().__init__()
        self._work_out = work_out

    def __missing__(self, key: K) -> V:
        if len(self) >= _REMEMBERED:
            self.clear()
        value = self[key] = self._work_out(key)
        return value


class _Names:
    """The words of one field, databases or users: which rules take a name for sure, and which by an expression perhaps.

    Attributes:
        every: the rules with `all`.
        by_keyword: the rules with another keyword, by that keyword.
        by_group: the rules with `+group`, by group.
        perhaps: the rules with an expression.
        tried: by name, of which of these the expressions were tried on it, and in which one was found.
    """

    __slots__ = ("_by_name", "_expressions", "_major", "by_group", "by_keyword", "every", "perhaps", "tried")

    def __init__(self, fields: Iterator[tuple[int, Sequence[Token]]], major: int, keywords: frozenset[str], *, groups: bool) -> None:
        self._major = major
        self._by_name: dict[str, int] = {}
        self._expressions: dict[int, list[Expression]] = {}
        self.tried: _Remembered[str, list[int]] = _Remembered(lambda _: [0, 0])
        self.every = self.perhaps = 0
        self.by_keyword: dict[str, int] = {}
        self.by_group: dict[str, int] = {}
        for bit, tokens in fields:
            for text, quoted in tokens:
                if not quoted and text == "all":
                    self.every |= bit
                elif not quoted and text in keywords:
                    self.by_keyword[text] = self.by_keyword.get(text, 0) | bit
                elif groups and not quoted and text[:1] == "+":
                    self.by_group[text[1:]] = self.by_group.get(text[1:], 0) | bit
                elif text[:1] == "/" and major >= EXPRESSIONS_IN_RULES:
                    self._add_expression(bit, text[1:])
                else:
                    self._by_name[text] = self._by_name.get(text, 0) | bit

    def _add_expression(self, bit: int, text: str) -> None:
        # Few files have expressions; the others need not wait for their reader.
        from pgssl_wizard.files.expressions import InvalidExpression, compile  # noqa: A004, PLC0415

        with suppress(InvalidExpression):
            self._expressions.setdefault(bit, []).append(compile(text, self._major))
            self.perhaps |= bit

    def surely(self, name: str) -> int:
        """Return the rules that take a name by `all` or literally."""
        return self.every | self._by_name.get(name, 0)

    def search(self, bit: int, name: str, tried: list[int]) -> int:
        """Return the bit of a rule when one of its expressions is found in a name, else 0; remember it in `tried`."""
        found = 0
        for expression in self._expressions[bit]:
            if expression.search(name) is not None:
                found = bit
                break
        tried[0] |= bit
        tried[1] |= found
        return found


class _Addresses:
    """The addresses of the rules for TCP."""

    __slots__ = ("_by_host", "_by_suffix", "_every", "_found", "_ranges")

    def __init__(self, rules: Sequence[Rule], hosts: Sequence[Range], networks: Sequence[Range]) -> None:
        self._every = 0
        self._by_host: dict[str, int] = {}
        self._by_suffix: dict[str, int] = {}
        ranges: dict[int, dict[int, dict[int, int]]] = {32: {}, 128: {}}

        def add(found: Range, bit: int) -> None:
            bases = ranges[found.family].setdefault(found.mask, {})
            base = found.base & found.mask
            bases[base] = bases.get(base, 0) | bit

        for position, rule in enumerate(rules):
            bit, written = 1 << position, rule.address
            if rule.error or written is None:
                continue
            if is_host_name(rule):
                name = folded(written)
                table = self._by_suffix if name.startswith(".") else self._by_host
                table[name] = table.get(name, 0) | bit
            elif written == "all":
                self._every |= bit
            elif written in {"samehost", "samenet"}:
                for own in hosts if written == "samehost" else networks:
                    add(own, bit)
            else:
                found = parse_range(written, rule.netmask)
                assert found is not None
                add(found, bit)
        self._ranges = {family: tuple(by_mask.items()) for family, by_mask in ranges.items()}
        self._found: _Remembered[tuple[int, int], int] = _Remembered(self._search)

    def of(self, number: tuple[int, int] | None, host_name: str | None) -> int:
        """Return the rules that take a client's address, or the name that it has."""
        found = self._every if number is None else self._found[number]
        if host_name and (self._by_host or self._by_suffix):
            name = folded(host_name)
            found |= self._by_host.get(name, 0)
            if self._by_suffix:
                dot = name.find(".")
                while dot >= 0:
                    found |= self._by_suffix.get(name[dot:], 0)
                    dot = name.find(".", dot + 1)
        return found

    def _search(self, number: tuple[int, int]) -> int:
        family, value = number
        found = self._every
        for mask, bases in self._ranges[family]:
            found |= bases.get(value & mask, 0)
        return found


_DATABASE_KEYWORDS = frozenset({"sameuser", "samerole", "samegroup", "replication"})


class _Block:
    """Some rules that follow each other."""

    def __init__(self, rules: Sequence[Rule], first: int, major: int, hosts: Sequence[Range], networks: Sequence[Range]) -> None:
        self._first = first
        sessions: dict[int, int] = {}
        for position, rule in enumerate(rules):
            for session in () if rule.error else SESSIONS.get(rule.type, ()):
                sessions[session] = sessions.get(session, 0) | 1 << position
        self._sessions: Mapping[int, int] = sessions
        self._databases = _Names(((1 << at, rule.databases) for at, rule in enumerate(rules)), major, _DATABASE_KEYWORDS, groups=False)
        self._users = _Names(((1 << at, rule.users) for at, rule in enumerate(rules)), major, frozenset(), groups=True)
        self._addresses = _Addresses(rules, hosts, networks)
        keyword = self._databases.by_keyword
        self._replication = keyword.get("replication", 0)
        self._same_role = keyword.get("samerole", 0) | keyword.get("samegroup", 0)
        self._same_user = keyword.get("sameuser", 0)

    def find(self, attempt: Attempt, number: tuple[int, int] | None) -> int | None:
        left = self._sessions.get(session_of(attempt), 0)
        if attempt.address is not None:
            left &= self._addresses.of(number, attempt.host_name)
        if not left:
            return None
        database, user, roles = attempt.database, attempt.user, attempt.roles
        databases, users = self._databases, self._users
        if attempt.replication:
            sure_database, perhaps_database = self._replication, 0
        else:
            sure_database, perhaps_database = databases.surely(database), databases.perhaps
            if database == user:
                sure_database |= self._same_user
                if attempt.exists:
                    sure_database |= self._same_role
            elif attempt.exists and database in roles:
                sure_database |= self._same_role
        sure_user, perhaps_user = users.surely(user), users.perhaps
        groups = users.by_group
        if groups and attempt.exists:
            sure_user |= groups.get(user, 0)
            for role in roles:
                sure_user |= groups.get(role, 0)
        if not perhaps_database | perhaps_user:
            left &= sure_database & sure_user
            return self._first + (left & -left).bit_length() - 1 if left else None
        of_database, of_user = databases.tried[database], users.tried[user]
        if perhaps_database:
            sure_database |= of_database[1]
            perhaps_database &= ~of_database[0]
        if perhaps_user:
            sure_user |= of_user[1]
            perhaps_user &= ~of_user[0]
        left &= (sure_database | perhaps_database) & (sure_user | perhaps_user)
        while left:
            bit = left & -left
            if (bit & sure_database or databases.search(bit, database, of_database)) and (
                bit & sure_user or users.search(bit, user, of_user)
            ):
                return self._first + bit.bit_length() - 1
            left ^= bit
        return None
