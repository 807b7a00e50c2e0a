"""Which rule a person means by its words. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from pgssl_wizard.errors import UnusableInput
from pgssl_wizard.files.addresses import parse_range
from pgssl_wizard.files.hba import Rule
from pgssl_wizard.files.tokens import TooLongError, fields, logical_lines
from pgssl_wizard.rule_answers import RuleAnswer

#: File and line of a rule.
Place = tuple[Path, int]
_Words = tuple[tuple[tuple[str, bool], ...], ...]


def places_of(
    answers: Sequence[RuleAnswer],
    rules: Sequence[Rule],
    data: Mapping[Path, bytes],
    major: int,
    becomes: Callable[[RuleAnswer], Sequence[str] | None],
) -> dict[Place, RuleAnswer]:
    """Return for each answer the one rule that it is about; the lines that came of it, where it was applied before.

    Args:
        answers: in their order.
        becomes: the lines that an answer makes of its rule, which stand in the rule's place once it is applied; empty for a rule
            that is commented out, None where that cannot be told.
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
            made = _made_before(answer, becomes(answer), standing, data, major)
            if made is not None:
                found.update(dict.fromkeys(made, answer))
                continue
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


def _made_before(
    answer: RuleAnswer, lines: Sequence[str] | None, standing: Mapping[Place, _Words], data: Mapping[Path, bytes], major: int
) -> list[Place] | None:
    """Return where the lines stand that this answer made of its rule, empty where it is commented out; None where it was never applied."""
    if lines is None:
        return None
    if not lines:
        wanted = _words(answer.match, major)
        texts = (line.lstrip(" \t#") for content in data.values() for line in content.decode("latin-1").split("\n") if "#" in line[:8])
        return [] if any(_words(text, major) == wanted for text in texts) else None
    wanted_lines = [_words(line, major) for line in lines]
    order = [place for place in standing if _is_in(place[0], answer.file)]
    for start in range(len(order) - len(lines) + 1):
        run = order[start : start + len(lines)]
        if [standing[place] for place in run] == wanted_lines:
            return run
    return None


def named(rule: Rule, data: Mapping[Path, bytes], hba_file: Path, major: int) -> RuleAnswer:
    """Return an answer that names a rule and says nothing of it yet."""
    words = _standing([rule], data, major)[rule.file, rule.line]
    return RuleAnswer(" ".join(_spelled(words)), "" if rule.file == hba_file else str(rule.file))


def sample(rule: Rule) -> tuple[str, str, str]:
    """Return a role, a database and an address that a rule takes, as far as its words name any."""
    keywords = {"all", "sameuser", "samerole", "samegroup"}
    user = next(
        (token.text for token in rule.users if token.quoted or (token.text[:1] not in {"+", "/"} and token.text != "all")), "somebody"
    )
    database = next((token.text for token in rule.databases if token.quoted or (token.text not in keywords and token.text[:1] != "/")), "")
    found = parse_range(rule.address or "", rule.netmask)
    if found is None:
        # A documentation address: it is nobody's.
        return user, database or user, "192.0.2.1"
    lowest = found.base & found.mask
    address = ipaddress.IPv4Address(lowest) if found.family == 32 else ipaddress.IPv6Address(lowest)
    return user, database or user, str(address)


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
