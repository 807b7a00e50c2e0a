"""Files out of plain text, and what is said of them."""

from __future__ import annotations

from pathlib import Path

from pgssl_wizard.findings import Finding
from pgssl_wizard.lint.kinds import kind_of
from pgssl_wizard.lint.remarks import separately
from pgssl_wizard.lint.whole import Report, lint

#: Where the files of a test stand.
HERE = Path("/etc/pg")


def reports(
    files: dict[str, str | bytes], major: int = 18, *, given: tuple[str, ...] | None = None, version_given: bool = True
) -> list[Report]:
    """Return the reports of files that stand beside each other; `given` are those named on the command line, by default all."""
    there = {HERE / name: text.encode() if isinstance(text, str) else text for name, text in files.items()}
    directories = {parent for path in there for parent in path.parents}

    def names(directory: Path) -> list[str] | None:
        return [path.name for path in there if path.parent == directory] if directory in directories else None

    named = [(HERE / name, kind_of(HERE / name)) for name in given or files]
    return list(lint([(path, kind) for path, kind in named if kind is not None], major, there.get, names, version_given=version_given))


def findings(name: str, text: str | bytes, major: int = 18, **beside: str) -> list[Finding]:
    """Return what is said of one file; `beside` are its neighbours, `postgresql_conf="ssl = on"`."""
    neighbours = {f"{other.removesuffix('_conf')}.conf": content for other, content in beside.items()}
    (report,) = reports({name: text, **neighbours}, major, given=(name,))
    return list(separately(report.remarks))


def codes(name: str, text: str | bytes, major: int = 18, **beside: str) -> set[tuple[str, str, str | None]]:
    """Return severity, code and place (the line, None for the whole file) of everything that is said of a file."""
    return {(each.severity, each.code, place(each)) for each in findings(name, text, major, **beside)}


def place(finding: Finding) -> str | None:
    """Return the line of a finding, with its file when that is an included one; None for a whole file."""
    file, _, line = (finding.where or "").rpartition(":")
    return line if file else None


def only(name: str, text: str | bytes, code: str, major: int = 18, **beside: str) -> Finding:
    """Return the only finding with this code."""
    (finding,) = [each for each in findings(name, text, major, **beside) if each.code == code]
    return finding
