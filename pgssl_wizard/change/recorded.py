"""The answers of the changes made: kept beside each journal, so that renewing and checking need not ask again."""

from __future__ import annotations

from pathlib import Path

from pgssl_wizard.answers import Answers, Given, read_file, to_toml
from pgssl_wizard.change.journal import Journal, read_all
from pgssl_wizard.change.write import create

NAME = "answers.toml"


def record(journal: Journal, answers: Answers) -> None:
    """Keep the answers of a change in its directory; they hold no secret.

    Raises:
        OSError: no room.
    """
    owner = journal.directory.stat()
    create(journal.directory / NAME, to_toml(answers).encode("utf-8", "surrogateescape"), mode=0o600, uid=owner.st_uid, gid=owner.st_gid)


def last_answers(data_directory: Path) -> Given | None:
    """Return the answers of the newest change that stands; None when there is none, or it was made before answers were kept.

    Raises:
        Refused: the journals cannot be read.
        UnusableInput: the answers were changed by hand and cannot be read any more.
    """
    for journal in read_all(data_directory.absolute()):
        path = journal.directory / NAME
        if journal.state in {"applied", "pending"} and path.exists():
            return read_file(path)
    return None
