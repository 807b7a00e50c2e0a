"""The chain of certificates as a drawing: who signs whom, how long each lives, which file goes where."""

from __future__ import annotations

from dataclasses import dataclass

from textual.content import Content

from pgssl_wizard.answers import Answers
from pgssl_wizard.certificates.describe import life
from pgssl_wizard.screens.text import Piece, fit, line, lines


@dataclass(frozen=True, slots=True)
class Box:
    """One certificate of the drawing."""

    kind: str
    name: str
    life: str
    files: tuple[tuple[str, str], ...]


def boxes_of(answers: Answers, source: str, intermediate: bool) -> list[Box]:
    """Return the boxes for a source, the signer first."""
    certificate, files = answers.certificate, answers.files
    name = answers.server.names[0] if answers.server.names else "the server"
    leaf_files = ((files.certificate.name, "on the server"), (files.key.name, "on the server"))
    if source == "self-signed":
        return [
            Box("server", name, life(certificate.days), ((files.certificate.name, "server and clients"), (files.key.name, "on the server")))
        ]
    if source == "existing-ca":
        signer = certificate.ca_certificate or certificate.ca_directory / "root.crt"
        key = certificate.ca_key or signer.with_suffix(".key")
        standing = Box(
            "your CA", signer.parent.name or "your CA", "already there", ((signer.name, "to clients"), (key.name, "into a safe"))
        )
        return [standing, Box("server", name, life(certificate.days), leaf_files)]
    if source in {"request", "import"}:
        to_them = (
            (files.certificate.name, "what they sign")
            if source == "import"
            else ((certificate.request_file or files.certificate).name, "to them")
        )
        root_of_theirs = ("their root", "to clients")
        above = Box("your company", "its CA" if source == "request" else "its issuer", "as they decide", (to_them, root_of_theirs))
        return [above, Box("server", name, "as they decide", leaf_files)]
    root = Box("root", certificate.ca_name, life(certificate.ca_days), (("root.crt", "to clients"), ("root.key", "into a safe")))
    server = Box("server", name, life(certificate.days), leaf_files)
    if not intermediate:
        return [root, server]
    middle = Box(
        "intermediate",
        f"{certificate.ca_name} Intermediate",
        life(certificate.intermediate_days),
        (("intermediate.crt", "with server.crt"), ("intermediate.key", "into a safe")),
    )
    return [root, middle, server]


def draw(boxes: list[Box], width: int, vertical: bool) -> Content:
    """Return the drawing: side by side, or on top of each other with the files at the right."""
    return _vertical(boxes) if vertical else _horizontal(boxes, width)


def _horizontal(boxes: list[Box], width: int) -> Content:
    count = len(boxes)
    box = 20 if count == 3 else 31
    gap = 8 if count == 3 else 14
    if box * count + gap * (count - 1) > width:
        gap = 5
        box = max(14, (width - gap * (count - 1)) // count)
    arrow = " signs ".center(gap - 1, "─") + "▶" if gap >= 9 else "signs ▶".rjust(gap) if gap >= 8 else "─" * (gap - 1) + "▶"
    rows: list[list[Piece]] = [[] for _ in range(6)]
    for number, each in enumerate(boxes):
        last = number == count - 1
        space = "" if last else " " * gap
        label = f"╭ {each.kind} "
        rows[0] += [("╭ ", "$pg-art"), (each.kind, "$pg-primary"), (" " + "─" * (box - len(label) - 1) + "╮", "$pg-art"), space]
        rows[1] += [("│ ", "$pg-art"), (fit(each.name, box - 4), "bold $pg-bright"), (" │", "$pg-art"), "" if last else (arrow, "$pg-art")]
        rows[2] += [("│ ", "$pg-art"), (fit(each.life, box - 4), "$pg-muted"), (" │", "$pg-art"), space]
        rows[3] += [("╰" + "─" * (box - 2) + "╯", "$pg-art"), space]
        for row, (file, place) in zip((4, 5), each.files, strict=False):
            name = fit(file, min(18, box // 2 + 2) if count < 3 else box)
            safe = "safe" in place
            if count < 3:
                rows[row] += [name, (fit(" " + place, box - len(name)), "$pg-warn" if safe else "$pg-muted"), space]
            else:
                rows[row] += [(name, "$pg-warn" if safe else "$pg-fg"), space]
    if count == 1:
        rows[1].append(("◀─╮ signs", "$pg-art"))
        rows[2].append(("──╯ itself", "$pg-art"))
    return lines([line(*row) for row in rows])


def _vertical(boxes: list[Box]) -> Content:
    box = 26
    rows: list[Content] = []
    for number, each in enumerate(boxes):
        if number:
            rows.append(line((" " * 11 + "▼", "$pg-art"), ("  signs", "$pg-muted")))
        top = f"╭ {each.kind} "
        rows.append(line(("╭ ", "$pg-art"), (each.kind, "$pg-primary"), (" " + "─" * (box - len(top) - 1) + "╮", "$pg-art")))
        bodies = [(each.name, "bold $pg-bright"), (each.life, "$pg-muted")]
        for (text, style), (file, place) in zip(bodies, each.files, strict=True):
            rows.append(
                line(
                    ("│ ", "$pg-art"),
                    (fit(text, box - 4), style),
                    (" │", "$pg-art"),
                    "  ",
                    fit(file, 17),
                    (place, "$pg-warn" if "safe" in place else "$pg-muted"),
                )
            )
        rows.append(line(("╰" + "─" * (box - 2) + "╯", "$pg-art"), ("  signs itself" if len(boxes) == 1 else "", "$pg-muted")))
    return lines(rows)
