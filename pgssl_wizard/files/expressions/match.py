"""Where a parsed expression matches a text, and what its first group is then, as PostgreSQL's engine decides it.

Sources: regexec.c (find, cfindloop, the dissect family), rege_dfa.c (dfa_backref). Only back-references make the engine try one
division of the text after the other; everything else is decided by sets of places.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeAlias

from pgssl_wizard.files.expressions.automaton import Automaton, Subject, build
from pgssl_wizard.files.expressions.tree import CAPTURES, REFERS, SHORTER, Language, Node, Parsed

#: Divisions of the text tried for back-references, and states made for all parts, before giving up. The server would go on until
#: authentication_timeout ends the connection, so giving up means that nobody gets in, too.
_PATIENCE = 200_000
_MOST_STATES = 300_000

Span: TypeAlias = tuple[int, int]

#: Asks for parts to be divided, is told whether that was possible, and says so of itself.
_Division: TypeAlias = Generator[tuple[Node, int, int], bool, bool]


class _GaveUpError(Exception):
    """It takes too long."""


class Matcher:
    """A parsed expression with the automata that have been needed so far.

    Attributes:
        parsed: the expression.
        major: of the server.
    """

    __slots__ = ("_automata", "_path", "_states", "major", "parsed")

    def __init__(self, parsed: Parsed, major: int) -> None:
        self.parsed = parsed
        self.major = major
        self._path: frozenset[Node] | None = None
        self._automata: dict[tuple[Language, bool], Automaton] = {}
        self._states = 0

    def find(self, data: bytes) -> tuple[Span | None] | None:
        """Return where the first group lies (None when it took no part) in a tuple; None when nothing matches."""
        try:
            return _Search(self, data).find()
        except _GaveUpError:
            return None

    def wants(self, node: Node) -> bool:
        """Return whether a match of this node has to be divided: without back-references only what lies around the first group."""
        if self.parsed.refers:
            return bool(node.flags & (CAPTURES | REFERS))
        if self._path is None:
            self._path = _path_to_first(self.parsed.tree)
        return node in self._path

    def automaton(self, language: Language, *, backwards: bool = False) -> Automaton:
        """Return the automaton of a part.

        Raises:
            _GaveUpError: there are too many states already.
        """
        key = (language, backwards)
        found = self._automata.get(key)
        if found is None:
            if self._states > _MOST_STATES:
                raise _GaveUpError
            found = self._automata[key] = build(language, backwards=backwards)
            self._states += len(found.states)
        return found


class _Search:
    """One text being searched."""

    __slots__ = ("_groups", "_length", "_matcher", "_rows", "_steps", "_subject", "_tree")

    def __init__(self, matcher: Matcher, data: bytes) -> None:
        self._matcher = matcher
        self._subject = Subject(data)
        self._length = len(data)
        self._tree = matcher.parsed.tree
        self._rows: dict[tuple[Language, int], int] = {}
        self._groups: dict[int, Span] = {}
        self._steps = 0

    def find(self) -> tuple[Span | None] | None:
        matcher, subject, tree = self._matcher, self._subject, self._tree
        for look in matcher.parsed.looks:
            subject.look(look, matcher.automaton(look.body, backwards=look.ahead))
        if matcher.parsed.refers:
            return self._find_dividing()
        starts = subject.spread(matcher.automaton(tree.language, backwards=True), subject.everywhere)
        if not starts:
            return None
        if matcher.parsed.groups:
            start = _lowest(starts)
            ends = self._row(tree, start)
            self._divide(tree, start, _preferred(tree, ends))
        return (self._groups.get(1),)

    def _find_dividing(self) -> tuple[Span | None] | None:
        """Try the ends of one beginning after the other until the back-references hold."""
        tree, subject = self._tree, self._subject
        forward = self._matcher.automaton(tree.language)
        from_here = 0
        while True:
            ends = subject.spread(forward, subject.everywhere & -(1 << from_here))
            if not ends:
                return None
            # No match that begins at or behind `from_here` ends earlier.
            earliest = _lowest(ends)
            for start in range(from_here, earliest + 1):
                ends = self._row(tree, start)
                while ends:
                    end = _preferred(tree, ends)
                    ends ^= 1 << end
                    if self._divide(tree, start, end):
                        return (self._groups.get(1),)
            from_here = earliest + 1
            # The server does not look for an empty match at the very end here.
            if from_here >= self._length:
                return None

    def _row(self, node: Node, start: int) -> int:
        """Return the places where a match of the node that begins here may end."""
        if node.operation == "b" and self._matcher.major >= 14 and node.reference in self._groups:
            return self._repetitions(node, start)
        key = (node.language, start)
        found = self._rows.get(key)
        if found is None:
            found = self._rows[key] = self._subject.spread(self._matcher.automaton(node.language), 1 << start)
        return found

    def _repetitions(self, node: Node, start: int) -> int:
        """Return the places that a back-reference to a known text reaches."""
        text = self._text_of(node.reference)
        if not text:
            return 1 << start
        found = 0
        count = 0
        while node.most is None or count <= node.most:
            if count >= node.least:
                found |= 1 << start
            end = start + len(text)
            if end > self._length or not self._same(text, start, end):
                break
            start = end
            count += 1
        return found

    def _text_of(self, group: int) -> bytes:
        start, end = self._groups[group]
        return self._subject.data[start:end]

    def _same(self, text: bytes, start: int, end: int) -> bool:
        other = self._subject.data[start:end]
        return text == other or (self._matcher.parsed.ignore_case and text.lower() == other.lower())

    def _count(self) -> None:
        self._steps += 1
        if self._steps > _PATIENCE and self._matcher.parsed.refers:
            raise _GaveUpError

    def _divide(self, tree: Node, start: int, end: int) -> bool:
        """Divide a match and note the groups; return whether the back-references hold. The stack is ours, so no tree is too deep."""
        self._groups.clear()
        stack = [self._inside(tree, start, end)] if self._matcher.wants(tree) else []
        answer = not stack
        begun = True
        while stack:
            try:
                node, first, last = next(stack[-1]) if begun else stack[-1].send(answer)
            except StopIteration as done:
                stack.pop()
                answer = bool(done.value)
                begun = False
            else:
                begun = self._matcher.wants(node)
                answer = True
                if begun:
                    stack.append(self._inside(node, first, last))
        return answer

    def _inside(self, node: Node, start: int, end: int) -> _Division:
        self._count()
        fits = True
        if node.operation == ".":
            fits = yield from self._in_a_row(node, start, end)
        elif node.operation == "|":
            fits = yield from self._one_of(node, start, end)
        elif node.operation == "*":
            fits = yield from self._in_rounds(node, start, end)
        elif node.operation == "b":
            fits = self._refers(node, start, end)
        elif node.operation == "(":
            fits = yield node.children[0], start, end
        if fits and node.capture:
            self._groups[node.capture] = (start, end)
        return fits

    def _in_a_row(self, node: Node, start: int, end: int) -> _Division:
        """Divide a match into two, the left one as long (or as short) as the right one allows."""
        left, right = node.children
        middles = self._row(left, start) & (2 << end) - 1
        known = right.operation == "b" and self._matcher.major >= 14
        if not known:
            middles &= self._subject.spread(self._matcher.automaton(right.language, backwards=True), 1 << end)
        while middles:
            middle = _preferred(left, middles)
            middles ^= 1 << middle
            if (not known or self._row(right, middle) >> end & 1) and (yield left, start, middle):
                if (yield right, middle, end):
                    return True
                self._forget(left)
        return False

    def _one_of(self, node: Node, start: int, end: int) -> _Division:
        for child in node.children:
            if self._row(child, start) >> end & 1 and (yield child, start, end):
                return True
        return False

    def _in_rounds(self, node: Node, start: int, end: int) -> _Division:
        """Divide a match into rounds, each as long (or as short) as the later ones allow; empty ones only to reach the least number.

        First the ends of all rounds are found as the child's language allows, then each round is divided; what fails there, or leads
        nowhere, is tried differently from that round on.
        """
        child = node.children[0]
        shorter = bool(child.flags & SHORTER)
        if shorter and node.least == 0 and start == end:
            return True
        rounds = _Rounds(node, start, end, shorter=shorter)
        while rounds.number > 0:
            self._count()
            if not rounds.extend(self._row(child, rounds.before)):
                continue
            for number in range(rounds.verified + 1, rounds.number + 1):
                self._forget(child)
                if not (yield child, rounds.ends[number - 1], rounds.ends[number]):
                    rounds.reject(number)
                    break
                rounds.verified = number
            else:
                return True
        return node.least == 0 and start == end

    def _refers(self, node: Node, start: int, end: int) -> bool:
        """Return whether a back-reference matches just this."""
        if node.reference not in self._groups:
            return False
        text = self._text_of(node.reference)
        if not text or start == end:
            return start == end and (not text or node.least == 0)
        count, rest = divmod(end - start, len(text))
        if rest or count < node.least or (node.most is not None and count > node.most):
            return False
        return all(self._same(text, place, place + len(text)) for place in range(start, end, len(text)))

    def _forget(self, node: Node) -> None:
        """Forget the groups inside a part."""
        if not self._groups:
            return
        work = [node]
        while work:
            one = work.pop()
            self._groups.pop(one.capture, None)
            work.extend(child for child in one.children if child.flags & CAPTURES)


class _Rounds:
    """The ends of rounds, as far as they have been found.

    Attributes:
        number: of the round whose end is sought.
        ends: where rounds end; `ends[0]` is where the first one begins.
        verified: so many of them have been divided already.
    """

    __slots__ = ("_begun", "_dead", "_end", "_least", "_limit", "_most", "_shorter", "_verifications", "ends", "number", "verified")

    def __init__(self, node: Node, start: int, end: int, *, shorter: bool) -> None:
        self._end = end
        self._shorter = shorter
        self._least = max(node.least, 1)
        length = end - start
        self._most = max(length if node.most is None else min(node.most, length), self._least)
        self.ends = [start] + [0] * self._most
        self.verified = 0
        self.number = 1
        self._limit = start if shorter else end
        # A round with this number that begins at this place finds no way to the end, whatever the earlier ones are: nothing was
        # verified since it was begun.
        self._dead: set[Span] = set()
        self._begun = [0] * (self._most + 1)
        self._verifications = 0

    @property
    def before(self) -> int:
        """Where the round begins."""
        return self.ends[self.number - 1]

    def extend(self, options: int) -> bool:
        """Choose the end of a round among these; return whether the rounds reach the end now."""
        before, end, number = self.before, self._end, self.number
        if self._shorter:
            if self._limit == before != end and not self._may_be_empty(end - before):
                self._limit += 1
            options &= (2 << end) - 1 & -(1 << (end if number >= self._most else self._limit))
            chosen = _lowest(options)
        else:
            options &= (2 << self._limit) - 1
            chosen = options.bit_length() - 1
        if not options or (number, before) in self._dead or (chosen != end and number >= self._most):
            self._step_back()
            self._retry()
            return False
        self.ends[number] = chosen
        self.verified = min(self.verified, number - 1)
        if chosen == end:
            if number >= self._least:
                self._verifications += 1
                return True
            self._retry()
        elif self._shorter or chosen > before or self._may_be_empty(end - chosen):
            self.number += 1
            self._begun[self.number] = self._verifications
            self._limit = chosen if self._shorter else end
        else:
            self._retry()
        return False

    def reject(self, number: int) -> None:
        """Look for other rounds from this one on."""
        self.number = number
        self._retry()

    def _may_be_empty(self, left: int) -> bool:
        return self.number < self._least and self._least - self.number >= left

    def _step_back(self) -> None:
        if self._begun[self.number] == self._verifications:
            self._dead.add((self.number, self.before))
        self.number -= 1

    def _retry(self) -> None:
        """Go back to the last round that may have another end."""
        while self.number > 0:
            chosen, before = self.ends[self.number], self.before
            if self._shorter:
                self._limit = chosen + 1
                if self._limit <= self._end:
                    return
            elif chosen > before:
                self._limit = chosen - 1
                if self._limit > before or self._may_be_empty(self._end - before):
                    return
            self._step_back()


def _lowest(places: int) -> int:
    return (places & -places).bit_length() - 1


def _preferred(node: Node, places: int) -> int:
    """Return the end that the node prefers."""
    return _lowest(places) if node.flags & SHORTER else places.bit_length() - 1


def _path_to_first(tree: Node) -> frozenset[Node]:
    """Return the node of the first group and all nodes around it."""
    around: dict[Node, Node] = {}
    work = [tree]
    while work:
        node = work.pop()
        if node.capture == 1:
            path = [node]
            while path[-1] in around:
                path.append(around[path[-1]])
            return frozenset(path)
        around.update(dict.fromkeys(node.children, node))
        # The first group is far to the left.
        work.extend(reversed(node.children))
    return frozenset()
