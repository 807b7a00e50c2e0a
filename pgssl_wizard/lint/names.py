"""Words for databases and users that the server takes and reads otherwise than people do."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pgssl_wizard.files.auth_methods import EXPRESSIONS_IN_RULES
from pgssl_wizard.files.hba import Rule, Token
from pgssl_wizard.lint.remarks import Remark

_OF_DATABASES = frozenset({"all", "sameuser", "samerole", "samegroup", "replication"})
#: Words that mean something for databases only; as the name of a role they are as good as never meant.
_FOR_DATABASES_ONLY = frozenset({"sameuser", "samerole", "samegroup"})


def of_names(rule: Rule, major: int) -> Iterator[Remark]:
    """Yield what is worth saying of the databases and users of an accepted rule."""
    for token in dict.fromkeys(rule.databases):
        yield from _word(rule, token, "database", major)
    for token in dict.fromkeys(rule.users):
        yield from _word(rule, token, "role", major)


def _word(rule: Rule, token: Token, what: str, major: int) -> Iterator[Remark]:
    text = token.text
    lower = text.lower()
    keywords = _OF_DATABASES if what == "database" else frozenset({"all"})
    if text.startswith("/"):
        yield from expression(rule, text, what, major)
    elif not token.quoted and lower in keywords and text != lower:
        yield _say(rule, "warning", "keyword-case", f"means a {what} called {text}: keywords are in lower case", f"Write {lower}.")
    elif token.quoted and text in keywords:
        yield _say(
            rule,
            "warning" if text == "all" else "info",
            "quoted-keyword",
            f'means a {what} called {text}, as "{text}" is in quotes; pg_hba_file_rules shows it like the keyword',
            f"Write {text} without quotes, if the keyword is meant." if text == "all" else None,
        )
    elif what == "role" and token.quoted and text.startswith("+"):
        yield _say(
            rule,
            "warning",
            "quoted-group",
            f'means a role called {text}, as "{text}" is in quotes; pg_hba_file_rules shows it like a group',
            f'Write +"{text[1:]}", if the members of {text[1:]} are meant.',
        )
    elif what == "role" and not token.quoted and text in _FOR_DATABASES_ONLY:
        yield _say(rule, "warning", "keyword-elsewhere", f"means a role called {text}: only databases can be {text}", "Write all.")
    elif what == "database" and not token.quoted and text.startswith("+"):
        yield _say(rule, "warning", "keyword-elsewhere", f"means a database called {text}: + is for groups of roles", "Take the + out.")
    elif what == "database" and not token.quoted and text == "samegroup":
        yield _say(rule, "info", "old-keyword", "uses samegroup, the old name of samerole", "Write samerole.")


def expression(rule: Rule, text: str, what: str, major: int) -> Iterator[Remark]:
    """Yield what is worth saying of a word that begins with a slash."""
    if major < EXPRESSIONS_IN_RULES:
        yield _say(
            rule,
            "warning",
            "expression-not-yet",
            f"means a {what} called {text}: it is a regular expression only from {EXPRESSIONS_IN_RULES} on",
            f"List the names; before an upgrade to {EXPRESSIONS_IN_RULES} see to it that no name begins with a slash.",
        )
    elif not anchored(text[1:], at_start=True) and not anchored(text[1:], at_start=False):
        yield _say(
            rule,
            "info",
            "expression-unanchored",
            f"takes every {what} with {text[1:]} anywhere in its name",
            f"Write /^{text[1:]}$ for the whole name.",
        )


def anchored(expression: str, *, at_start: bool) -> bool:
    """Return whether an expression is tied to that end of the text, as far as can be seen from its outside."""
    if at_start:
        return bool(re.match(r"(?:\*\*\*:|\(\?[a-z]+\))?(?:\((?:\?:)?)*(?:\^|\\A)", expression))
    return bool(re.search(r"(?:\$|\\Z)\)*\Z", expression)) and not expression.endswith("\\$")


def _say(rule: Rule, severity: str, code: str, words: str, hint: str | None) -> Remark:
    verb, _, rest = words.partition(" ")
    many = {"means": "mean", "uses": "use", "takes": "take"}[verb]
    return Remark(rule.file, rule.line, severity, code, words, f"{many} {rest}", hint=hint)  # type: ignore[arg-type]
