"""Which places of a text a part of a regular expression leads to.

A set of places in the text is a number, one bit a place, and moves through an automaton as a whole: the work is bounded by the
automaton's size times the text's length, whatever is nested in what. Looks and other constraints are sets of places, too.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from pgssl_wizard.files.expressions.characters import NEWLINE, WORD
from pgssl_wizard.files.expressions.tree import Bytes, Choice, Language, Look, Place, Repeat, Sequence, Unconstrained


@dataclass(slots=True)
class _State:
    """A state and where one gets from it.

    Attributes:
        free: states reached at once.
        reading: sets of bytes, and the states reached by reading one of them.
        placed: constraints, and the states reached at places that fulfil them.
        loop: the set of bytes that are read here without leaving.
    """

    free: list[int] = field(default_factory=list)
    reading: list[tuple[int, int]] = field(default_factory=list)
    placed: list[tuple[Place | Look, int]] = field(default_factory=list)
    loop: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Automaton:
    """A language as states; 0 is the first and 1 the last. Backwards it leads from the ends of matches to their beginnings."""

    states: tuple[_State, ...]
    backwards: bool


def build(language: Language, *, backwards: bool = False) -> Automaton:
    """Return the automaton of a language."""
    return _Builder(backwards=backwards).build(language)


class _Builder:
    """An automaton in the making."""

    __slots__ = ("_backwards", "_states", "_work")

    def __init__(self, *, backwards: bool) -> None:
        self._backwards = backwards
        self._states = [_State(), _State()]
        #: What is still to be put between two states, and whether its constraints are granted.
        self._work: list[tuple[Language, int, int, bool]] = []

    def build(self, language: Language) -> Automaton:
        self._work.append((language, 0, 1, False))
        while self._work:
            part, start, end, granted = self._work.pop()
            if isinstance(part, Bytes):
                self._states[start].reading.append((part.bits, end))
            elif isinstance(part, Sequence):
                parts = part.parts[::-1] if self._backwards else part.parts
                self._row(parts, start, end, granted=granted)
            elif isinstance(part, Choice):
                self._work.extend((one, start, end, granted) for one in part.parts)
            elif isinstance(part, Repeat):
                self._repeat(part, start, end, granted=granted)
            elif isinstance(part, Unconstrained):
                self._work.append((part.body, start, end, True))
            elif granted:
                self._states[start].free.append(end)
            else:
                self._states[start].placed.append((part, end))
        return Automaton(tuple(self._states), self._backwards)

    def _step(self, part: Language, start: int, *, granted: bool) -> int:
        """Put a part behind a state and return the state behind it."""
        self._states.append(_State())
        end = len(self._states) - 1
        self._work.append((part, start, end, granted))
        return end

    def _row(self, parts: tuple[Language, ...], start: int, end: int, *, granted: bool) -> None:
        for part in parts[:-1]:
            start = self._step(part, start, granted=granted)
        if parts:
            self._work.append((parts[-1], start, end, granted))
        else:
            self._states[start].free.append(end)

    def _repeat(self, part: Repeat, start: int, end: int, *, granted: bool) -> None:
        for _ in range(part.least):
            start = self._step(part.body, start, granted=granted)
        if part.most is not None:
            for _ in range(part.most - part.least):
                self._states[start].free.append(end)
                start = self._step(part.body, start, granted=granted)
            self._states[start].free.append(end)
            return
        looping = _State(free=[end])
        self._states[start].free.append(len(self._states))
        if isinstance(part.body, Bytes):
            looping.loop = part.body.bits
        else:
            self._work.append((part.body, len(self._states), len(self._states), granted))
        self._states.append(looping)


class Subject:
    """One text. Place 0 lies before its first byte.

    Attributes:
        data: its bytes.
        everywhere: all places.
        looks: the places of looks, filled in by `look`, inner ones first.
    """

    __slots__ = ("_bytes", "_places", "_sets", "data", "everywhere", "looks")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.everywhere = (2 << len(data)) - 1
        self.looks: dict[Look, int] = {}
        self._bytes: dict[int, int] = {}
        bit = 1
        for byte in data:
            self._bytes[byte] = self._bytes.get(byte, 0) | bit
            bit <<= 1
        self._sets: dict[int, int] = {}
        self._places: dict[str, int] = {}

    def look(self, look: Look, automaton: Automaton) -> None:
        """Find the places of a look; its automaton is backwards when it looks ahead."""
        found = self.spread(automaton, self.everywhere)
        self.looks[look] = found if look.wanted else self.everywhere & ~found

    def spread(self, automaton: Automaton, places: int) -> int:
        """Return the places that the automaton's last state holds when its first one holds these."""
        states = automaton.states
        backwards = automaton.backwards
        sets = self._sets
        reached = [0] * len(states)
        waiting = [0] * len(states)
        waiting[0] = places
        queue = deque((0,))
        while queue:
            number = queue.popleft()
            state = states[number]
            new = waiting[number] & ~reached[number]
            waiting[number] = 0
            if state.loop and new:
                new = self._stay(new, state.loop, backwards=backwards) & ~reached[number]
            if not new:
                continue
            reached[number] |= new
            moves = [(target, new) for target in state.free]
            for bits, target in state.reading:
                before = sets.get(bits)
                if before is None:
                    before = self._before(bits)
                moves.append((target, new >> 1 & before if backwards else (new & before) << 1))
            if state.placed:
                moves.extend((target, new & self._place(place)) for place, target in state.placed)
            for target, moved in moves:
                if moved & ~reached[target]:
                    if not waiting[target]:
                        queue.append(target)
                    waiting[target] |= moved
        return reached[1]

    def _stay(self, places: int, bits: int, *, backwards: bool) -> int:
        """Return the places with all that reading bytes of a set leads to."""
        before = self._before(bits)
        if not backwards:
            # The carry of the addition runs through a row of ones.
            return ((places & before) + before ^ before) | places
        step = 1
        while before:
            places |= places >> step & before
            before &= before >> step
            step *= 2
        return places

    def _before(self, bits: int) -> int:
        """Return the places before a byte of the set."""
        found = self._sets.get(bits)
        if found is None:
            found = 0
            for byte, places in self._bytes.items():
                if bits >> byte & 1:
                    found |= places
            self._sets[bits] = found
        return found

    def _place(self, place: Place | Look) -> int:
        """Return the places that fulfil a constraint."""
        if isinstance(place, Look):
            return self.looks[place]
        found = self._places.get(place.kind)
        if found is None:
            word = self._before(WORD)
            behind = word << 1
            newline = self._before(NEWLINE)
            first, last = 1, 1 << len(self.data)
            found = (
                self.everywhere
                & {
                    "begin": first,
                    "finish": last,
                    "line begin": first | newline << 1,
                    "line finish": last | newline,
                    "<": word & ~behind,
                    ">": behind & ~word,
                    "y": word ^ behind,
                    "Y": ~(word ^ behind),
                }[place.kind]
            )
            self._places[place.kind] = found
        return found
