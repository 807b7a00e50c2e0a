"""PostgreSQL's regular expressions as trees: what each part matches, and which part prefers what.

Source: regcomp.c (parse, parsebranch, parseqatom, brackpart, scannum). Nothing here calls itself, so no nesting is too deep for Python.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from pgssl_wizard.files.expressions.characters import ALL_BYTES, CLASSES, ELEMENTS, NEWLINE, between, both_cases
from pgssl_wizard.files.expressions.lex import (
    BAD_CLASS,
    BAD_COUNT,
    BAD_ELEMENT,
    BAD_OPERAND,
    BAD_RANGE,
    BAD_REFERENCE,
    OPEN_PARENTHESIS,
    TOO_COMPLEX,
    InvalidExpression,
    Lexer,
)
from pgssl_wizard.files.expressions.tree import (
    CAPTURES,
    EMPTY,
    LONGER,
    MESSY,
    MIXED,
    PREFERENCES,
    REFERS,
    SHORTER,
    Bytes,
    Choice,
    Language,
    Look,
    Node,
    Parsed,
    Place,
    Repeat,
    Sequence,
    Unconstrained,
    combine,
    measure,
    parts_of,
    repeat,
    sequence,
    up,
)

# Where the server's stack of two megabytes ends, measured on 13 to 18: so many parentheses in each other, so many states in a row.
# And where its memory does, roughly: what its optimiser makes of the states is not imitated.
_DEEPEST = 9_340
_LONGEST = 43_530
_LARGEST = 100_000
#: What is not longer and has neither bounds nor back-references is far from all of them.
_HARMLESS = 9_000


@dataclass(slots=True)
class _Branch:
    """A branch as far as it has been read: messy parts with what stood before each, and what stands behind the last."""

    messy: list[tuple[Node, Node, int]] = field(default_factory=list)
    parts: list[Language] = field(default_factory=list)
    flags: int = 0


@dataclass(slots=True)
class _Level:
    """An open parenthesis: its kind (`(`, `look`, or nothing around the whole), the group's number, and its branches."""

    kind: str = ""
    value: int = 0
    inside_look: bool = False
    branches: list[Node] = field(default_factory=list)
    branch: _Branch = field(default_factory=_Branch)


def parse(text: str, major: int) -> Parsed:
    """Read an expression, one character a byte, as the server of this major does.

    Raises:
        InvalidExpression: the server refuses it. What is very long, deep or repeated is refused as too complex about where the server
            does so, not exactly there: there its own memory and stack decide.
    """
    return _Parser(text, major).parse()


class _Parser:
    """One expression on its way to a tree."""

    __slots__ = ("_groups", "_levels", "_lexer", "_looks", "_major", "_parentheses", "_refers", "_suspicious")

    def __init__(self, text: str, major: int) -> None:
        self._lexer = Lexer(text, major)
        self._suspicious = len(text) > _HARMLESS or "{" in text
        self._parentheses: dict[Language, int] = {}
        self._major = major
        self._levels = [_Level()]
        self._groups: dict[int, Node] = {}
        self._looks: list[Look] = []
        self._refers = False

    def parse(self) -> Parsed:
        lexer = self._lexer
        while True:
            level = self._levels[-1]
            kind = lexer.kind
            if kind == "|":
                self._end_branch(level)
                lexer.advance()
            elif kind == "eos":
                if level.kind:
                    raise InvalidExpression(OPEN_PARENTHESIS)
                tree = self._end_level(level)
                if (self._suspicious or self._refers) and self._too_complex(tree):
                    raise InvalidExpression(TOO_COMPLEX)
                return Parsed(tree, lexer.groups, tuple(self._looks), lexer.ignore_case, self._refers)
            elif kind == ")" and level.kind:
                self._close(level)
            else:
                self._atom(level, kind)

    def _too_complex(self, tree: Node) -> bool:
        """Return whether the expression becomes too long or too large when all that is repeated is written out."""
        sizes: dict[Language, tuple[int, int]] = {}
        work: list[Language] = [tree.language, *(look.body for look in self._looks)]
        while work:
            language = work[-1]
            missing = [part for part in parts_of(language) if part not in sizes]
            if missing:
                work.extend(missing)
                continue
            work.pop()
            length, size = measure(language, [sizes[part] for part in parts_of(language)])
            around = 4 * self._parentheses.get(language, 0)
            if length + around > _LONGEST or size + around > _LARGEST:
                return True
            sizes[language] = (length + around, size + around)
        return False

    def _end_branch(self, level: _Level) -> None:
        """Turn the branch into a node, from its last messy part to its first."""
        branch = level.branch
        level.branch = _Branch()
        # 13 has an empty part behind the last messy one, which then hands the preference of a quantifier without effect outwards.
        rest: Node | None = None
        if branch.parts or not branch.messy or self._major < 14:
            rest = Node("=", branch.flags, sequence(tuple(branch.parts)))
        for before, messy, flags in reversed(branch.messy):
            vacuous = before.language is EMPTY
            if rest is None:
                whole = before.flags | combine(before.flags, messy.flags)
                rest = messy if vacuous else _row(whole, before, messy)
                continue
            both = flags | combine(flags, rest.flags)
            whole = before.flags | combine(before.flags, both)
            if vacuous:
                rest = _row(whole, messy, rest)
            elif messy.operation == rest.operation == "=" and not up(messy.flags | rest.flags) & MESSY:
                merged = Node("=", combine(messy.flags, rest.flags), Sequence((messy.language, rest.language)))
                rest = _row(whole, before, merged)
            else:
                rest = _row(whole, before, _row(both, messy, rest))
        assert rest is not None
        level.branches.append(rest)

    def _end_level(self, level: _Level) -> Node:
        self._end_branch(level)
        branches = level.branches
        if len(branches) == 1:
            return branches[0]
        flags = LONGER
        for branch in branches:
            flags |= up(flags | branch.flags)
        language = Choice(tuple(branch.language for branch in branches))
        return Node("|", flags, language, tuple(branches)) if flags & MESSY else Node("=", flags, language)

    def _close(self, level: _Level) -> None:
        """End a group or a look."""
        lexer = self._lexer
        node = self._end_level(level)
        self._levels.pop()
        outer = self._levels[-1]
        if level.kind == "look":
            lexer.advance()
            look = Look(node.language, bool(level.value & 0b10), bool(level.value & 0b01))
            self._looks.append(look)
            outer.branch.parts.append(look)
            return
        lexer.advance()
        self._parentheses[node.language] = self._parentheses.get(node.language, 0) + 1
        if level.value:
            flags = node.flags | CAPTURES
            if node.capture:
                node = Node("(", flags, node.language, (node,), level.value)
            else:
                node = replace(node, flags=flags, capture=level.value)
            self._groups[level.value] = node
        self._quantify(outer.branch, node, node.language, captures=bool(level.value))

    def _atom(self, level: _Level, kind: str) -> None:
        """Read one atom or constraint; of a parenthesis, only its beginning."""
        lexer = self._lexer
        bits: int
        if kind == "plain" or (kind == ")" and not lexer.advanced and lexer.extended):
            bits = self._cases(lexer.value)
            lexer.advance()
        elif kind == "[":
            bits = self._bracket()
        elif kind in {"shorthand", "complement"}:
            bits = CLASSES[lexer.name]
            if kind == "complement":
                bits = ALL_BYTES & ~bits
                # Up to 13 these are spelled as brackets inside.
                if lexer.newline_stops and self._major < 14:
                    bits &= ~NEWLINE
            lexer.advance()
        elif kind == ".":
            bits = ALL_BYTES & ~NEWLINE if lexer.newline_stops else ALL_BYTES
            lexer.advance()
        elif kind == "(":
            number = 0
            if lexer.value and not level.inside_look:
                lexer.groups += 1
                number = lexer.groups
            self._open(_Level("(", number, level.inside_look))
            return
        elif kind == "look":
            self._open(_Level("look", lexer.value, inside_look=True))
            return
        elif kind == "reference":
            self._reference(level)
            return
        else:
            self._constraint(level, kind)
            return
        self._quantify(level.branch, None, Bytes(bits))

    def _open(self, level: _Level) -> None:
        self._levels.append(level)
        if len(self._levels) > _DEEPEST:
            raise InvalidExpression(TOO_COMPLEX)
        self._lexer.advance()

    def _constraint(self, level: _Level, kind: str) -> None:
        lexer = self._lexer
        if kind == ")":
            raise InvalidExpression(OPEN_PARENTHESIS)
        if kind in {"*", "+", "?", "{"}:
            raise InvalidExpression(BAD_OPERAND)
        if kind == "^":
            kind = "line begin" if lexer.newline_anchors else "begin"
        elif kind == "$":
            kind = "line finish" if lexer.newline_anchors else "finish"
        level.branch.parts.append(Place(kind))
        lexer.advance()

    def _reference(self, level: _Level) -> None:
        lexer = self._lexer
        number = lexer.value
        if level.inside_look or number not in self._groups:
            raise InvalidExpression(BAD_REFERENCE)
        lexer.advance()
        self._refers = True
        language = self._groups[number].language
        if self._major >= 14:
            language = Unconstrained(language)
        self._quantify(level.branch, Node("b", REFERS, language, reference=number), language, refers=True)

    def _quantify(self, branch: _Branch, atom: Node | None, language: Language, *, captures: bool = False, refers: bool = False) -> None:
        """Read the quantifier behind an atom, if any, and add both to the branch."""
        least, most, preference = self._quantifier()
        if most == 0:
            branch.parts.append(EMPTY)
            return
        flags = branch.flags | preference | (atom.flags if atom else 0)
        if not (captures or refers or up(flags) & MESSY):
            branch.parts.append(repeat(language, least, most))
            branch.flags = flags
            return
        atom = atom or Node("=", 0, language)
        before = Node("=", branch.flags, sequence(tuple(branch.parts)) if branch.parts else EMPTY)
        combined = combine(preference, atom.flags)
        if refers:
            # A back-reference counts its repetitions itself.
            language = repeat(language, least, most)
            messy = replace(atom, flags=atom.flags | combined, language=language, least=least, most=most)
        else:
            messy = self._repeated(atom, least, most, preference)
        branch.messy.append((before, messy, combined))
        branch.parts = []
        branch.flags = 0

    def _repeated(self, atom: Node, least: int, most: int | None, preference: int) -> Node:
        flags = combine(preference, atom.flags)
        language = repeat(atom.language, least, most)
        own = atom.flags & (PREFERENCES | MIXED)
        if least == most == 1 and preference in {0, own or preference}:
            return atom
        if self._major >= 14 and not atom.flags & (CAPTURES | REFERS):
            return Node("=", flags, language)
        if least > 0 and not atom.flags & REFERS:
            # Only the last round's captures count.
            earlier = Repeat(atom.language, least - 1, None if most is None else most - 1)
            return _row(flags, Node("=", flags & PREFERENCES, earlier), atom)
        return Node("*", flags, language, (atom,), least=least, most=most)

    def _quantifier(self) -> tuple[int, int | None, int]:
        lexer = self._lexer
        kind = lexer.kind
        if kind not in {"*", "+", "?", "{"}:
            return 1, 1, 0
        if kind != "{":
            preference = LONGER if lexer.value else SHORTER
            lexer.advance()
            return int(kind == "+"), 1 if kind == "?" else None, preference
        lexer.advance()
        least = self._count()
        most: int | None = least
        preference = 0
        if lexer.kind == ",":
            lexer.advance()
            most = self._count() if lexer.kind == "digit" else None
            if most is not None and least > most:
                raise InvalidExpression(BAD_COUNT)
            preference = LONGER if lexer.value else SHORTER
        if lexer.kind != "}":
            raise InvalidExpression(BAD_COUNT)
        lexer.advance()
        return least, most, preference

    def _count(self) -> int:
        lexer = self._lexer
        number = 0
        while lexer.kind == "digit" and number < 255:
            number = number * 10 + lexer.value
            lexer.advance()
        if lexer.kind == "digit" or number > 255:
            raise InvalidExpression(BAD_COUNT)
        return number

    def _cases(self, code: int) -> int:
        return self._both_cases(1 << code) if code < 256 else 0

    def _both_cases(self, bits: int) -> int:
        return both_cases(bits) if self._lexer.ignore_case else bits

    def _bracket(self) -> int:
        lexer = self._lexer
        complemented = not lexer.value
        bits = 0
        lexer.advance()
        while lexer.kind != "]":
            bits |= self._item()
        if complemented:
            if lexer.newline_stops:
                bits |= NEWLINE
            bits = ALL_BYTES & ~bits
        lexer.advance()
        return bits

    def _item(self) -> int:
        """Read one item of a bracket expression."""
        lexer = self._lexer
        kind = lexer.kind
        if kind in {"shorthand", "complement"}:
            return self._shorthand_item(kind)
        if kind == "class":
            name = lexer.read_name()
            bits = CLASSES.get(name)
            if bits is None or (name == "word" and self._major < 14):
                raise InvalidExpression(BAD_CLASS)
            if lexer.ignore_case and name in {"lower", "upper"}:
                bits = CLASSES["alpha"]
            return bits
        if kind == "equivalent":
            return self._cases(_element(lexer.read_name()))
        if kind == "range":
            raise InvalidExpression(BAD_RANGE)
        first = self._endpoint()
        if lexer.kind != "range":
            return self._cases(first)
        lexer.advance()
        if lexer.kind not in {"plain", "range", "collating"}:
            raise InvalidExpression(BAD_RANGE)
        last = self._endpoint()
        if first > last:
            raise InvalidExpression(BAD_RANGE)
        return self._both_cases(between(first, last))

    def _shorthand_item(self, kind: str) -> int:
        lexer = self._lexer
        bits = CLASSES[lexer.name]
        if kind == "complement":
            bits = ALL_BYTES & ~bits
        elif lexer.name == "word" and self._major < 14:
            # Spelled `[:alnum:]_` inside, whose last character may begin a range.
            lexer.kind, lexer.value = "plain", ord("_")
            return bits
        lexer.advance()
        return bits

    def _endpoint(self) -> int:
        lexer = self._lexer
        if lexer.kind == "collating":
            return _element(lexer.read_name())
        code = lexer.value
        lexer.advance()
        return code


def _row(flags: int, left: Node, right: Node) -> Node:
    return Node(".", flags, Sequence((left.language, right.language)), (left, right))


def _element(name: str) -> int:
    """Return the character of a collating element.

    Raises:
        InvalidExpression: no such name.
    """
    if len(name) == 1:
        return ord(name)
    if name not in ELEMENTS:
        raise InvalidExpression(BAD_ELEMENT)
    return ELEMENTS[name]
