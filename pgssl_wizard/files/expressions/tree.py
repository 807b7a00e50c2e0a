"""What PostgreSQL's regular expressions are made of, as the server sees it.

Sources: regguts.h (struct subre and its flags), regcomp.c. As in the server a `Node` stands only where captures, back-references or a
clash of greedy and non-greedy make the inside matter; everything else is a `Language`, of which only the set of its strings counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

# The server's flags: what a part prefers, and what it hides. (MIXED stands two bits above LONGER and one above SHORTER.)
LONGER, SHORTER, MIXED, CAPTURES, REFERS = 1, 2, 4, 8, 16
MESSY: Final = MIXED | CAPTURES | REFERS
PREFERENCES: Final = LONGER | SHORTER


@dataclass(frozen=True, slots=True, eq=False)
class Bytes:
    """One byte out of a set."""

    bits: int


@dataclass(frozen=True, slots=True, eq=False)
class Sequence:
    """One part behind the other; without parts, the empty string."""

    parts: tuple[Language, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """Any of the parts."""

    parts: tuple[Language, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Repeat:
    """The body so many times; `most` is None without a limit."""

    body: Language
    least: int
    most: int | None


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """A place in the text: `begin`, `finish`, `line begin`, `line finish`, `<`, `>` (of a word), `y`, `Y` (at its edge, or not)."""

    kind: str


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """A place that the body matches (`wanted`) or does not match, from there (`ahead`) or up to there."""

    body: Language
    ahead: bool
    wanted: bool


@dataclass(frozen=True, slots=True, eq=False)
class Unconstrained:
    """The body with every place and look granted: the server's first guess at what a back-reference matches (from 14 on)."""

    body: Language


Language: TypeAlias = Bytes | Sequence | Choice | Repeat | Place | Look | Unconstrained

EMPTY: Final = Sequence()


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """A part whose inside matters.

    Attributes:
        operation: `=` plain, `.` two children in a row, `|` one of the children, `*` the child repeated, `b` a back-reference,
            `(` nothing but a further capture around its child.
        flags: what it prefers and hides.
        language: what it matches, back-references taken as their groups.
        capture: the number of the group it is, or 0.
        reference: of a back-reference, the number of the group.
        least, most: of `*` and `b`; `most` is None without a limit.
    """

    operation: str
    flags: int
    language: Language
    children: tuple[Node, ...] = ()
    capture: int = 0
    reference: int = 0
    least: int = 1
    most: int | None = 1


@dataclass(frozen=True, slots=True, eq=False)
class Parsed:
    """A whole expression.

    Attributes:
        tree: its top.
        groups: the number of capturing groups.
        looks: every look in it, inner ones first.
        ignore_case: whether back-references ignore it.
        refers: whether there are back-references.
    """

    tree: Node
    groups: int
    looks: tuple[Look, ...]
    ignore_case: bool
    refers: bool


def up(flags: int) -> int:
    """Return what of a part's flags holds for what contains it."""
    return (flags & MESSY) | ((flags << 2) & (flags << 1) & MIXED)


def combine(first: int, second: int) -> int:
    """Return the flags of two parts in a row: the first one's preference leads."""
    return up(first | second) | (first & PREFERENCES or second & PREFERENCES)


def sequence(parts: tuple[Language, ...]) -> Language:
    """Return the parts in a row."""
    return parts[0] if len(parts) == 1 else Sequence(parts)


def repeat(body: Language, least: int, most: int | None) -> Language:
    """Return the body so many times."""
    return body if least == most == 1 else Repeat(body, least, most)


def parts_of(language: Language) -> tuple[Language, ...]:
    """Return what a part consists of; looks stand for themselves."""
    if isinstance(language, Sequence | Choice):
        return language.parts
    return (language.body,) if isinstance(language, Repeat | Unconstrained) else ()


def measure(language: Language, inner: list[tuple[int, int]]) -> tuple[int, int]:
    """Return how many states in a row the server makes of a part, and how many in all, given the same of its parts."""
    if isinstance(language, Sequence) and inner:
        return sum(length for length, _ in inner), sum(size for _, size in inner)
    if isinstance(language, Choice):
        return max(length for length, _ in inner), sum(size for _, size in inner)
    if isinstance(language, Repeat):
        times = max(language.least if language.most is None else language.most, 1)
        loop = 0 if language.most is not None else 2 if language.least else 1
        return inner[0][0] * times + loop, inner[0][1] * times + loop
    return inner[0] if inner else (1, 1)
