"""Files that a person brings for an import: the fields that name them, and what was found in them, as lines."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from textual.content import Content
from textual.widget import Widget

from pgssl_wizard.cluster.standing import Imported
from pgssl_wizard.screens.text import line, wrap
from pgssl_wizard.screens.widgets.fields import TextField

#: The fields, in their order.
IDS = ("files", "own-key", "import-command")
_MARKS = {"error": ("✗", "$pg-err"), "warning": ("!", "$pg-warn"), "info": ("·", "$pg-muted")}


def fields(value_of: Callable[[str], str], classes: str, *, waits: bool) -> Iterator[Widget]:
    """Yield the fields that name the files.

    Args:
        value_of: the present answer for a key.
        classes: `-gone` where nothing is brought.
        waits: a request waits, whose key is found by itself.
    """
    label = "What the CA sent" if waits else "The certificate's files"
    placeholder = "PEM, DER or PKCS#12; several with commas"
    yield TextField(label, value_of("certificate.import_certificate"), id="files", placeholder=placeholder, classes=classes or "first")
    beside = "the one that waits" if waits else "empty: among those files, or the one in use"
    yield TextField("Its key", value_of("certificate.import_key"), id="own-key", placeholder=beside, classes=classes)
    command = value_of("certificate.import_passphrase_command")
    yield TextField(
        "Their passphrase from", command, id="import-command", placeholder="a command, where they are encrypted", classes=classes
    )


def rows(found: Imported, width: int) -> list[Content]:
    """Return what was found: the chain, then what is to be said of it."""
    told: list[Content] = []
    if found.leaf is not None:
        chain = [found.leaf, *found.between, *([found.root] if found.root else [])]
        names = " ◀ ".join(each.common_name or each.subject for each in chain)
        told += [line((row, "bold $pg-bright")) for row in wrap(names, width)]
        until = f"for {', '.join(found.leaf.names) or 'nobody'}, to {found.leaf.not_after:%Y-%m-%d}; its key: {found.key_file.name if found.key_file else 'in place'}"
        told += [line((row, "$pg-muted")) for row in wrap(until, width)]
    for finding in found.findings:
        mark, style = _MARKS[finding.severity]
        text = f"{finding.message} {finding.hint or ''}".strip()
        for number, row in enumerate(wrap(text, width - 2)):
            told.append(line((f"{mark if number == 0 else ' '} ", style), (row, "$pg-muted" if finding.severity == "info" else "$pg-fg")))
    return told


def objection(found: Imported | None) -> str | None:
    """Return the first error, None when there is none."""
    first = next((finding for finding in (found.findings if found else ()) if finding.severity == "error"), None)
    return f"{first.message} {first.hint or ''}".strip() if first is not None else None
