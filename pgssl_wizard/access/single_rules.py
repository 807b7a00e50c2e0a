"""Which rule a person means by its words. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pgssl_wizard.errors import UnusableInput
from pgssl_wizard.files.hba import Rule
from pgssl_wizard.files.tokens import TooLongError, fields, logical_lines
from pgssl_wizard.rule_answers import RuleAnswer

#: File and line of a rule.
Place = tuple[Path, int]
_Words = tuple[tuple[tuple[str, bool], ...], ...]


def places_of(answers: Sequence[RuleAnswer], rules: Sequence[Rule], data: Mapping[Path, bytes], major: int) -> dict[Place, RuleAnswer]:
    """Return for each answer the one rule that it is about.

    Args:
        answers: in their order.
        rules: every rule, in reading order.
        data: the bytes of every file that holds rules.
        major: decides how lines are cut into words.

    Raises:
        UnusableInput: no rule has these words, or two have; or two answers are about one rule.
    """
    if not answers:
        return {}
    standing = _standing(rules, data, major)
    found: dict[Place, RuleAnswer] = {}
    for number, answer in enumerate(answers):
        where = f"clients.rule[{number}].match"
        wanted = _words(answer.match, major)
        places = [place for place, words in standing.items() if words == wanted and _is_in(place[0], answer.file)]
        if not places:
            raise UnusableInput(
                f"No rule has these words: {answer.match}.",
                where=where,
                hint=_nearest(wanted, standing, data) or "They have to be those of the file, from the type to the last option.",
                code="no-such-rule",
            )
        if len(places) > 1:
            lines = ", ".join(f"{path}:{line}" for path, line in places)
            raise UnusableInput(
                f"Several rules have these words: {lines}.",
                where=where,
                hint="Name one of the files with `file`."
                if len({path for path, _ in places}) > 1
                else "The later one is never met: remove it.",
                code="ambiguous-rule",
            )
        if places[0] in found:
            raise UnusableInput(f"Two answers are about this rule: {answer.match}.", where=where, code="rule-named-twice")
        found[places[0]] = answer
    return found


def named(rule: Rule, data: Mapping[Path, bytes], hba_file: Path, major: int) -> RuleAnswer:
    """Return an answer that names a rule and says nothing of it yet."""
    words = _standing([rule], data, major)[rule.file, rule.line]
    return RuleAnswer(" ".join(_spelled(words)), "" if rule.file == hba_file else str(rule.file))


def _standing(rules: Sequence[Rule], data: Mapping[Path, bytes], major: int) -> dict[Place, _Words]:
    """Return the words of every rule as they stand, `@file` names not followed."""
    lines = {path: {line.first: line.text for line in logical_lines(data[path], major)} for path in {rule.file for rule in rules}}
    return {(rule.file, rule.line): _words(lines[rule.file].get(rule.line, ""), major) for rule in rules}


def _words(text: str, major: int) -> _Words:
    try:
        return tuple(tuple((word.text, word.quoted) for word in field) for field in fields(text, major))
    except TooLongError:
        return ()


def _is_in(path: Path, named: str) -> bool:
    if not named:
        return True
    wanted = Path(named)
    return path == wanted if wanted.is_absolute() else path.parts[-len(wanted.parts) :] == wanted.parts


def _nearest(wanted: _Words, standing: Mapping[Place, _Words], data: Mapping[Path, bytes]) -> str | None:
    """Return a hint that names the rule that is like the wanted one but for its last words."""
    for (path, line), words in standing.items():
        if len(wanted) >= 3 and words[:3] == wanted[:3] and path in data:
            return f"Nearest is {path}:{line}: {' '.join(_spelled(words))}"
    return None


def _spelled(words: _Words) -> Iterator[str]:
    for field in words:
        yield ",".join(f'"{text}"' if quoted else text for text, quoted in field)
