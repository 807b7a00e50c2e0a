"""What a cluster's manager is to be given, as the preview shows it and as it is copied."""

from __future__ import annotations

from textual.content import Content

from pgssl_wizard.plan.model import HandedOver
from pgssl_wizard.screens.difference import folded
from pgssl_wizard.screens.text import line, lines, wrap


def pages(handed: HandedOver, width: int) -> Content:
    """Return the documents one below the other, with what to do with each, and the files to be put in their places."""
    rows: list[Content] = []
    for each in handed.files:
        rows += folded(line((str(each.path), "$pg-primary"), (f"  {each.mode:04o} {each.owner}", "$pg-muted")), width)
        rows += [line(("  " + row, "$pg-muted")) for row in wrap(each.what, max(20, width - 2))]
    for document in handed.documents:
        if rows:
            rows.append(Content(""))
        rows.append(line((document.title, "bold $pg-bright"), (f"  {document.format}", "$pg-muted")))
        rows += [part for row in document.text.splitlines() for part in folded(line(("  " + row, "$pg-fg")), width)]
        for row in document.how:
            if row.startswith("# "):
                rows += [line((text, "$pg-muted")) for text in wrap(row[2:], max(20, width))]
            else:
                rows += folded(line(("$ " + row, "$pg-ok")), width)
    return lines(rows) if rows else line(("Nothing has to change there.", "$pg-muted"))


def text(handed: HandedOver) -> str:
    """Return the documents as they are copied: each with its title and what to do as comments of a shell before it."""
    parts = []
    for document in handed.documents:
        how = "\n".join(row if row.startswith("#") else f"#   {row}" for row in document.how)
        parts.append(f"# {document.title}\n{how}\n{document.text}")
    return "\n".join(parts)
