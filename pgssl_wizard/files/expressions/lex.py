"""The words of PostgreSQL's regular expressions: what the server's scanner makes of a string, one token at a time.

Sources: regc_lex.c (contexts, escapes, prefixes and embedded options), regc_locale.c (names of classes and collating elements),
regerrs.h (the texts). Everything is under the C collation and one character a byte, as in pg_hba.conf and pg_ident.conf.
"""

from __future__ import annotations

from typing import Final

#: What the server says of an expression, by what is wrong with it.
BAD_PATTERN: Final = "invalid regexp (reg version 0.8)"
BAD_ELEMENT: Final = "invalid collating element"
BAD_CLASS: Final = "invalid character class"
BAD_ESCAPE: Final = "invalid escape \\ sequence"
BAD_REFERENCE: Final = "invalid backreference number"
OPEN_BRACKET: Final = "brackets [] not balanced"
OPEN_PARENTHESIS: Final = "parentheses () not balanced"
OPEN_BRACE: Final = "braces {} not balanced"
BAD_COUNT: Final = "invalid repetition count(s)"
BAD_RANGE: Final = "invalid character range"
BAD_OPERAND: Final = "quantifier operand invalid"
BAD_OPTION: Final = "invalid embedded option"
TOO_COMPLEX: Final = "regular expression is too complex"

#: The largest character the server's engine knows; `\U` beyond it is refused.
_LARGEST_CHARACTER = 0x7FFFFFFE

_DIGITS = frozenset("0123456789")
_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_ALPHANUMERIC = _DIGITS | _LETTERS
_SPACES = frozenset(" \t\n\v\f\r")
_SPECIAL = frozenset("|*+?{()[.^$\\")

_SINGLE_ESCAPES = {"a": 7, "b": 8, "B": 92, "e": 27, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11}
_SHORTHANDS = {"d": "digit", "s": "space", "w": "word"}
_CONSTRAINT_ESCAPES = {"A": "begin", "Z": "finish", "m": "<", "M": ">", "y": "y", "Y": "Y"}
_HEXADECIMAL_LENGTHS = {"x": (1, 255), "u": (4, 4), "U": (8, 8)}


class InvalidExpression(ValueError):
    """The server refuses the expression.

    Attributes:
        message: its words, without the prefix.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class Lexer:
    r"""The expression and how far it has been read.

    Attributes:
        kind, value: the token at hand: of `plain` and `range` the character, of `digit` and `reference` the number, of quantifiers whether
            they are greedy, of `(` whether it captures, of `[` whether it is not complemented, of `look` two bits (ahead, wanted).
        name: the class of a shorthand token, or what stood in `[. .]`, `[= =]`, `[: :]`.
        groups: how many capturing groups have begun; the parser counts them, and `\10` is a back-reference only when there are ten.
        advanced, extended, quoted: the flavour: advanced, extended, or neither for basic; or a plain string.
        ignore_case, expanded: the options of these names.
        newline_stops, newline_anchors: whether `.` and `[^` leave newlines out, and whether `^` and `$` match at them.
    """

    __slots__ = (
        "_context",
        "_last",
        "_length",
        "_major",
        "_text",
        "advanced",
        "expanded",
        "extended",
        "groups",
        "ignore_case",
        "kind",
        "name",
        "newline_anchors",
        "newline_stops",
        "position",
        "quoted",
        "value",
    )

    def __init__(self, text: str, major: int) -> None:
        """Read the prefixes of `text`, one character a byte, and its first token.

        Raises:
            InvalidExpression: they are wrong.
        """
        self._text = text
        self._length = len(text)
        self._major = major
        self.position = 0
        self.extended = self.advanced = True
        self.quoted = self.ignore_case = self.expanded = self.newline_stops = self.newline_anchors = False
        self.groups = 0
        self.kind = ""
        self.value = 0
        self.name = ""
        self._last = ""
        self._prefixes()
        self._context = "quoted" if self.quoted else "ere" if self.extended else "bre"
        self.advance()

    def advance(self) -> None:
        """Read the next token.

        Raises:
            InvalidExpression: there is none at this place.
        """
        eaten = True
        while eaten:
            self._last = self.kind
            context = self._context
            if self.expanded and context in {"ere", "bre", "ere bound", "bre bound"}:
                self._skip()
            if self.position >= self._length:
                self._at_end(context)
                return
            char = self._text[self.position]
            self.position += 1
            if context == "ere":
                if char not in _SPECIAL:
                    self.kind = "plain"
                    self.value = ord(char)
                    return
                eaten = self._extended(char)
            else:
                eaten = False
                if context == "bracket":
                    self._bracket(char)
                elif context == "bre":
                    self._basic(char)
                elif context in {"ere bound", "bre bound"}:
                    self._bound(char)
                else:
                    self._set("plain", ord(char))

    def read_name(self) -> str:
        """Return what stands between `[.` and `.]` (or `=`, `:`), which are passed, and read the token behind.

        Raises:
            InvalidExpression: it does not end.
        """
        mark = {"collating": ".", "equivalent": "=", "class": ":"}[self.kind]
        end = self._text.find(mark + "]", self.position)
        if end < 0:
            raise InvalidExpression(OPEN_BRACKET)
        name = self._text[self.position : end]
        self.position = end + 2
        self.kind = "end"
        self.value = ord(mark)
        self.advance()
        return name

    def _set(self, kind: str, value: int) -> None:
        self.kind = kind
        self.value = value

    def _next_is(self, text: str) -> bool:
        return self._text.startswith(text, self.position)

    def _at_end(self, context: str) -> None:
        if context in {"ere bound", "bre bound"}:
            raise InvalidExpression(OPEN_BRACE)
        if context == "bracket":
            raise InvalidExpression(OPEN_BRACKET)
        self.kind = "eos"

    def _prefixes(self) -> None:
        if self._length >= 4 and self._text.startswith("***"):
            director = self._text[3]
            if director == "?":
                raise InvalidExpression(BAD_PATTERN)
            if director not in "=:":
                raise InvalidExpression(BAD_OPERAND)
            self.position = 4
            if director == "=":
                self.quoted = True
                self.extended = self.advanced = False
                return
        if not (self._next_is("(?") and self.position + 2 < self._length and self._text[self.position + 2] in _LETTERS):
            return
        self.position += 2
        while self.position < self._length and self._text[self.position] in _LETTERS:
            self._option(self._text[self.position])
            self.position += 1
        if not self._next_is(")"):
            raise InvalidExpression(BAD_OPTION)
        self.position += 1
        if self.quoted:
            self.expanded = self.newline_stops = self.newline_anchors = False

    def _option(self, letter: str) -> None:
        if letter == "b":
            self.extended = self.advanced = self.quoted = False
        elif letter == "e":
            self.extended, self.advanced, self.quoted = True, False, False
        elif letter == "q":
            self.extended, self.advanced, self.quoted = False, False, True
        elif letter in "ci":
            self.ignore_case = letter == "i"
        elif letter in "mns":
            self.newline_stops = self.newline_anchors = letter != "s"
        elif letter in "pw":
            self.newline_stops = letter == "p"
            self.newline_anchors = letter == "w"
        elif letter in "tx":
            self.expanded = letter == "x"
        else:
            raise InvalidExpression(BAD_OPTION)

    def _skip(self) -> None:
        """Pass white space and comments of the expanded syntax."""
        while self.position < self._length:
            char = self._text[self.position]
            if char == "#":
                end = self._text.find("\n", self.position)
                self.position = self._length if end < 0 else end
            elif char in _SPACES:
                self.position += 1
            else:
                return

    def _extended(self, char: str) -> bool:
        """Read a token of an extended or advanced expression; return whether it was a comment."""
        if char in "*+?":
            greedy = not (self.advanced and self._next_is("?"))
            self.position += not greedy
            self._set(char, greedy)
        elif char == "(":
            if self.advanced and self._next_is("?"):
                self.position += 1
                return self._special_parenthesis()
            self._set("(", 1)
        elif char == ")":
            self._set(")", ord(char))
        elif char == "[":
            self._begin_bracket()
        elif char == "{":
            if self.expanded:
                self._skip()
            if self.position < self._length and self._text[self.position] in _DIGITS:
                self._context = "ere bound"
                self.kind = "{"
            else:
                self._set("plain", ord(char))
        elif char == "\\":
            if self.position >= self._length:
                raise InvalidExpression(BAD_ESCAPE)
            if self.advanced:
                self._escape()
            else:
                self._set("plain", ord(self._text[self.position]))
                self.position += 1
        else:
            self.kind = char
        return False

    def _special_parenthesis(self) -> bool:
        for opening, kind, value in (
            (":", "(", 0),
            ("=", "look", 0b11),
            ("!", "look", 0b10),
            ("<=", "look", 0b01),
            ("<!", "look", 0b00),
        ):
            if self._next_is(opening):
                self.position += len(opening)
                self._set(kind, value)
                return False
        if self._next_is("#"):
            end = self._text.find(")", self.position)
            self.position = self._length if end < 0 else end + 1
            return True
        raise InvalidExpression(BAD_OPERAND)

    def _begin_bracket(self) -> None:
        for boundary, kind in (("[:<:]]", "<"), ("[:>:]]", ">")):
            if self._next_is(boundary):
                self.position += len(boundary)
                self.kind = kind
                return
        self._context = "bracket"
        complemented = self._next_is("^")
        self.position += complemented
        self._set("[", not complemented)

    def _bracket(self, char: str) -> None:
        if char == "]" and self._last != "[":
            self._context = "ere" if self.extended else "bre"
            self.kind = "]"
        elif char == "\\" and self.advanced:
            if self.position >= self._length:
                raise InvalidExpression(BAD_ESCAPE)
            self._escape()
            if self.kind not in {"plain", "shorthand", "complement"} or (self.kind == "complement" and self._major < 14):
                raise InvalidExpression(BAD_ESCAPE)
        elif char == "-" and self._last != "[" and not self._next_is("]"):
            self._set("range", ord(char))
        elif char == "[":
            if self.position >= self._length:
                raise InvalidExpression(OPEN_BRACKET)
            special = {".": "collating", "=": "equivalent", ":": "class"}.get(self._text[self.position])
            if special:
                self.position += 1
                self.kind = special
            else:
                self._set("plain", ord(char))
        else:
            self._set("plain", ord(char))

    def _bound(self, char: str) -> None:
        if char in _DIGITS:
            self._set("digit", int(char))
        elif char == ",":
            self.kind = ","
        elif char == "}" and self._context == "ere bound":
            self._context = "ere"
            greedy = not (self.advanced and self._next_is("?"))
            self.position += not greedy
            self._set("}", greedy)
        elif char == "\\" and self._context == "bre bound" and self._next_is("}"):
            self.position += 1
            self._context = "bre"
            self._set("}", 1)
        else:
            raise InvalidExpression(BAD_COUNT)

    def _basic(self, char: str) -> None:
        if char == "*" and self._last not in {"", "(", "^"}:
            self._set("*", 1)
        elif char == "[":
            self._begin_bracket()
        elif char == "." or (char == "^" and self._last in {"", "("}):
            self.kind = char
        elif char == "$":
            if self.expanded:
                self._skip()
            if self.position >= self._length or self._next_is("\\)"):
                self.kind = "$"
            else:
                self._set("plain", ord(char))
        elif char == "\\":
            self._basic_escape()
        else:
            self._set("plain", ord(char))

    def _basic_escape(self) -> None:
        if self.position >= self._length:
            raise InvalidExpression(BAD_ESCAPE)
        char = self._text[self.position]
        self.position += 1
        if char == "{":
            self._context = "bre bound"
            self.kind = "{"
        elif char == "(":
            self._set("(", 1)
        elif char == ")":
            self._set(")", ord(char))
        elif char in "<>":
            self.kind = char
        elif char in "123456789":
            self._set("reference", int(char))
        else:
            self._set("plain", ord(char))

    def _escape(self) -> None:
        """Read an escape of an advanced expression; its backslash has been passed."""
        char = self._text[self.position]
        self.position += 1
        if char not in _ALPHANUMERIC:
            self._set("plain", ord(char))
        elif char in _SINGLE_ESCAPES:
            self._set("plain", _SINGLE_ESCAPES[char])
        elif char in _SHORTHANDS:
            self.kind, self.name = "shorthand", _SHORTHANDS[char]
        elif char.lower() in _SHORTHANDS:
            self.kind, self.name = "complement", _SHORTHANDS[char.lower()]
        elif char in _CONSTRAINT_ESCAPES:
            self.kind = _CONSTRAINT_ESCAPES[char]
        elif char in _HEXADECIMAL_LENGTHS:
            code = self._number(16, *_HEXADECIMAL_LENGTHS[char])
            if code > _LARGEST_CHARACTER:
                raise InvalidExpression(BAD_ESCAPE)
            self._set("plain", code)
        elif char == "c":
            if self.position >= self._length:
                raise InvalidExpression(BAD_ESCAPE)
            self._set("plain", ord(self._text[self.position]) & 0o37)
            self.position += 1
        elif char in _DIGITS:
            self._number_escape(char)
        else:
            raise InvalidExpression(BAD_ESCAPE)

    def _number_escape(self, first: str) -> None:
        """Read a back-reference or, when there are not so many groups yet and it has two digits or more, an octal number."""
        behind_first = self.position
        self.position -= 1
        if first != "0":
            number = self._number(10, 1, 255)
            if self.position == behind_first or 0 < number <= self.groups:
                self._set("reference", number)
                return
            self.position = behind_first - 1
        code = self._number(8, 1, 3)
        if code > 0o377:
            self.position -= 1
            code >>= 3
        self._set("plain", code)

    def _number(self, base: int, least: int, most: int) -> int:
        """Read so many digits; what does not fit into 32 bits is lost from the top, as in the server."""
        start = self.position
        number = 0
        while self.position < self._length and self.position - start < most:
            digit = "0123456789abcdef".find(self._text[self.position].lower())
            if not 0 <= digit < base:
                break
            number = (number * base + digit) & 0xFFFFFFFF
            self.position += 1
        if self.position - start < least:
            raise InvalidExpression(BAD_ESCAPE)
        return number
