"""The openssl commands of a plan, made to run in an empty directory: what stands elsewhere already is linked to. Pure."""

from __future__ import annotations

import itertools
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path

from pgssl_wizard.answers import Answers
from pgssl_wizard.cluster.standing import Surroundings

#: What stands before the name of a file that a command makes.
_MAKES = frozenset({"-out", ">"})


def runnable(commands: Sequence[str], surroundings: Surroundings, answers: Answers) -> tuple[str, ...]:
    """Return the commands with a first one that links to the files that they need and do not make: a CA that stands, a key that stays.

    Links and no copies: a CA's key is not to lie about twice.

    Args:
        commands: each for a POSIX shell, naming files by their base names.
        surroundings: what stands.
        answers: where the CA's files are, which come first where two files have the same name.
    """
    words = [_words(command) for command in commands]
    made = {after for line in words for before, after in itertools.pairwise(line) if before in _MAKES}
    used = {word for line in words for word in line} - made
    needed: dict[str, Path] = {}
    for path in _standing(surroundings, answers):
        if path.name in used:
            needed.setdefault(path.name, path)
    if not needed:
        return tuple(commands)
    return (f"ln -sf {' '.join(shlex.quote(str(path)) for path in needed.values())} .", *commands)


def _standing(surroundings: Surroundings, answers: Answers) -> Iterable[Path]:
    """Return the files that stand, those of the CA first."""
    found = [path for path, fact in surroundings.files.items() if fact.exists]
    directory = answers.certificate.ca_directory
    named = [path for path in (answers.certificate.ca_certificate, answers.certificate.ca_key, answers.clients.ca) if path is not None]
    beside = [path.with_suffix(".key") for path in named]
    return (*(path for path in found if path.parent == directory or path in named or path in beside), *found)


def _words(command: str) -> list[str]:
    """Return the words of a command; none of a comment, or of what is no simple command."""
    try:
        return shlex.split(command, comments=True)
    except ValueError:
        return []
