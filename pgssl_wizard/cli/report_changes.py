"""The changes made, for people: which there are, which can be undone, which were forgotten."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pgssl_wizard.change.model import Change
from pgssl_wizard.cli.report import findings

if TYPE_CHECKING:
    from pgssl_wizard.change.retention import Forgotten


def history(changes: Sequence[Change]) -> None:
    """Print the list of changes."""
    if not changes:
        print("No changes.")
    for each in changes:
        gone = f"  forgotten {each.forgotten:%Y-%m-%d}: cannot be undone" if each.forgotten else ""
        print(f"{_line(each)}  {each.state}  {'proved' if each.proved else 'not proved'}  {len(each.files)} file(s){gone}")
        findings(each.findings)


def forgotten(done: Forgotten) -> None:
    """Print what was forgotten and what can still be undone."""
    if not done.forgotten:
        print("Nothing to forget.")
    else:
        print("Forgotten; the copies of what stood before these changes are shredded:")
        for each in done.forgotten:
            print(f"  {_line(each)}")
    if done.undoable:
        print("Can still be undone, newest first:")
        for each in done.undoable:
            print(f"  {_line(each)}")
    else:
        print("No change can be undone now.")


def _line(each: Change) -> str:
    when = f"{each.made:%Y-%m-%d %H:%M}Z" if each.made else "?"
    return f"{each.id}  {when}"
