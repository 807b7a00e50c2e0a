"""The command `lint`: files by themselves, read as a server of some version reads them."""

from __future__ import annotations

import os
import re
import shutil
import stat
import sys
import textwrap
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from pgssl_wizard.cli.calling import Call, PathArgument, command, known_major
from pgssl_wizard.cli.report import MARKS, paint
from pgssl_wizard.cli.wizard import say
from pgssl_wizard.cluster.reading import configuration, owner_in_words
from pgssl_wizard.errors import ExitCode, UnusableInput, WizardError
from pgssl_wizard.files.versions import NEWEST, OLDEST
from pgssl_wizard.findings import Finding
from pgssl_wizard.lint.kinds import KINDS, ROLES, SHORT, TLS_KINDS, Kind, kind_of

if TYPE_CHECKING:
    from pgssl_wizard.certificates.key_file import KeyFile
    from pgssl_wizard.lint.certificates import Circumstances
    from pgssl_wizard.lint.whole import Report

_NARROWEST, _WIDEST = 60, 100
_COLOURS = {"error": "31", "warning": "33", "info": "0"}
_INVISIBLE = re.compile("[\\x00-\\x1f\\x7f-\\x9f\\u200b-\\u200f\\u202a-\\u202e\\u2060\\ufeff]")
_NOUNS = {
    "postgresql.conf": "line",
    "pg_hba.conf": "rule",
    "pg_ident.conf": "map line",
    "pg_hosts.conf": "line",
    "key": "key",
    "crl": "revocation list",
    "request": "request",
}
_ROLES = {
    "server-certificate": "server certificate",
    "client-certificate": "client certificate",
    "ca": "CA file",
    "intermediate": "intermediate",
    "server-key": "server key",
    "client-key": "client key",
    "ca-key": "CA key",
    "crl": "CRL file",
    "request": "certificate request",
    "pkcs12": "PKCS#12",
}
#: Files that no server loads: what is said of a good and of a bad one.
_ELSEWHERE = {
    "client-certificate": ("libpq would load it", "libpq would refuse it"),
    "client-key": ("libpq would load it", "libpq would refuse it"),
    "ca-key": ("a CA can sign with it", "a CA cannot sign with it"),
    "request": ("a CA can sign it", "no CA would sign it"),
    "pkcs12": ("it can be opened", "it cannot be opened"),
}


@command("lint")
@click.argument("files", metavar="FILE…", nargs=-1, required=True, type=PathArgument())
@click.option(
    "--server-version", "version", metavar="N", help=f"The PostgreSQL whose reading counts, {OLDEST} to {NEWEST}.  [default: {NEWEST}]"
)
@click.option(
    "--kind",
    type=click.Choice([*KINDS, *ROLES, *SHORT]),
    metavar="KIND",
    help=f"What the files are, where their names do not tell: {', '.join((*KINDS, *ROLES))}.",
)
@click.option(
    "--passphrase-file", type=PathArgument(), metavar="FILE", help="Its first line opens keys and PKCS#12 files that ask for one."
)
def lint(call: Call, files: tuple[Path, ...], version: str | None, kind: str | None, passphrase_file: Path | None) -> int:
    """What PostgreSQL and its clients would refuse or misunderstand: settings, rules, maps, hosts, certificates, keys, CRLs.

    Nothing but files is needed, neither a server nor a data directory. Files given together are held against each other: a
    key against its certificate, a chain against the root, revocation lists against their CAs. A postgresql.conf or
    pg_ident.conf beside a pg_hba.conf is read too.

    Exit code 0: nothing above info; 1: errors or warnings; 2: a file that cannot be read or whose kind is not known.
    """
    from pgssl_wizard.lint.whole import lint as examine  # noqa: PLC0415

    major = _major(version)
    reader = _Reader()
    usable: dict[Path, tuple[Path, Kind]] = {}
    unusable: list[WizardError] = []
    named = _with_lists(files)
    for file in named:
        path = Path(os.path.abspath("/dev/stdin" if str(file) == "-" else file))  # noqa: PTH100 - links in a path stay as they are
        try:
            if not os.path.lexists(path) or path.is_dir():
                _try(reader, path)
            _try_if_unknown(reader, path, kind)
            what = _kind(reader, path, kind)
            _try(reader, path)
            if what not in TLS_KINDS:
                _no_key(reader, path, what)
        except UnusableInput as error:
            unusable.append(error)
        else:
            usable.setdefault(path, (path, what))
    ours = any(what in TLS_KINDS for _, what in usable.values())
    reports = examine(
        list(usable.values()),
        major,
        reader.read,
        _list_directory,
        version_given=version is not None,
        circumstances=_circumstances(kind, passphrase_file) if ours else None,
    )
    wrong = any(remark.severity != "info" for report in reports for remark in report.remarks)
    code = ExitCode.UNUSABLE if unusable else ExitCode.FALLS_SHORT if wrong else ExitCode.DONE
    if call.as_json:
        from pgssl_wizard.cli.lint_json import report_to_json, shown  # noqa: PLC0415

        findings = [Finding("error", problem.code, problem.message, problem.hint, problem.where) for problem in unusable]
        findings += shown(reports)
        call.document(code, findings, {"files": [report_to_json(report, major) for report in reports]})
    else:
        _tell(reports, major, dict(zip((os.path.abspath(file) for file in named), map(str, named), strict=True)))  # noqa: PTH100
    for problem in unusable:
        say(problem)
    return code


def _with_lists(files: Sequence[Path]) -> list[Path]:
    """Return the files with those of a directory of revocation lists, named as OpenSSL looks for them, in its place."""
    found: list[Path] = []
    for file in files:
        names = sorted(name for name in _list_directory(file) or () if re.fullmatch(r"[0-9a-f]{8}\.r[0-9]+", name)) if file.is_dir() else []
        found += [file / name for name in names] or [file]
    return found


def _major(version: str | None) -> int:
    """Return the major version; `17.4` is 17.

    Raises:
        UnusableInput: none that is known.
    """
    if version is None:
        return NEWEST
    return known_major(version)


def _try_if_unknown(reader: _Reader, path: Path, given: str | None) -> None:
    """Read a file whose name does not tell its kind, so that its content may; a directory is told by its name."""
    if given is None and kind_of(path) is None and path.is_file():
        _try(reader, path)


def _kind(reader: _Reader, path: Path, given: str | None) -> Kind:
    if given in ROLES:
        name = kind_of(path)
        return name if name in TLS_KINDS else "certificate"
    kind = kind_of(path) if given is None else SHORT.get(given) or cast("Kind", given)
    if kind is None and path.is_file():
        data = reader.read(path) or b""
        if b"-----BEGIN " in data or data[:1] == b"\x30":
            from pgssl_wizard.lint.certificates import kind_by_content  # noqa: PLC0415

            kind = kind_by_content(data)
    if kind is None:
        raise UnusableInput(
            "Neither the name nor the content tells what kind of file this is.",
            where=str(path),
            hint="Say it with --kind, such as --kind pg_hba.conf.",
            code="unknown-kind",
        )
    return kind


def _circumstances(kind: str | None, passphrase_file: Path | None) -> Circumstances:
    from pgssl_wizard.certificates.given import Role  # noqa: PLC0415
    from pgssl_wizard.lint.certificates import Circumstances  # noqa: PLC0415

    passphrase = None
    if passphrase_file is not None:
        try:
            passphrase = passphrase_file.read_bytes().split(b"\n", 1)[0].rstrip(b"\r")
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or "its name holds a NUL byte"
            raise UnusableInput(f"The passphrase cannot be read: {why}.", where=str(passphrase_file), code="unreadable-file") from error
    role = cast("Role", kind) if kind in ROLES else None
    return Circumstances(datetime.now(UTC), _key_file, passphrase, role)


def _key_file(path: Path) -> KeyFile | None:
    """Return owner and mode of a file; what comes through a pipe has none that matter."""
    from pgssl_wizard.certificates.key_file import KeyFile  # noqa: PLC0415

    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    if not stat.S_ISREG(status.st_mode):
        return None
    return KeyFile(stat.S_IMODE(status.st_mode), status.st_uid, owner_in_words(status.st_uid, status.st_gid))


def _no_key(reader: _Reader, path: Path, kind: Kind) -> None:
    """Raise for a private key under another name, before any line of it is repeated."""
    if re.search(rb"^-----BEGIN [A-Z ]*PRIVATE KEY-----", reader.read(path) or b"", re.MULTILINE):
        raise UnusableInput(
            f"This file holds a private key, and is no {kind}.",
            where=str(path),
            hint="Say --kind key; nothing of it was shown.",
            code="holds-private-key",
        )


def _try(reader: _Reader, path: Path) -> None:
    """Read a file that was named, or raise UnusableInput."""
    try:
        if path.is_dir():
            raise UnusableInput("This is a directory.", where=str(path), hint="Name the files in it.", code="unreadable-file")
        data = reader.read(path)
    except OSError as error:
        raise UnusableInput(f"The file cannot be read: {error.strerror}.", where=str(path), code="unreadable-file") from error
    if data is None:
        raise UnusableInput("There is no such file.", where=str(path), code="unreadable-file")


class _Reader:
    """Reads each file once, as standard input cannot be read again; None for one that is not there."""

    def __init__(self) -> None:
        self._seen: dict[Path, bytes | None] = {}

    def read(self, path: Path) -> bytes | None:
        if path not in self._seen:
            self._seen[path] = configuration(path)
        return self._seen[path]


def _list_directory(path: Path) -> list[str] | None:
    try:
        return os.listdir(path)
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None


def _tell(reports: Sequence[Report], major: int, names: dict[str, str]) -> None:
    """Print the report for people: a headline for each file, then what is to be said of it, the worst first."""
    from pgssl_wizard.lint.remarks import together  # noqa: PLC0415
    from pgssl_wizard.plan.secrets import masked  # noqa: PLC0415

    width = max(_NARROWEST, min(_WIDEST, shutil.get_terminal_size((80, 24)).columns))
    for position, report in enumerate(reports):
        if position:
            print()
        print(_headline(report, major, names.get(str(report.path), str(report.path))))
        for finding in together(report.remarks):
            print()
            where = _short(finding.where or "", names)
            print(paint(f"{MARKS[finding.severity]} {finding.severity}", _COLOURS[finding.severity]) + f"  {where}  [{finding.code}]")
            print(_paragraph(_visible(masked(finding.message)), width, ""))
            if finding.hint:
                print(_paragraph(_visible(masked(finding.hint)), width, "→ "))
    counts = Counter(remark.severity for report in reports for remark in report.remarks)
    if reports and sys.stdout is not None:
        print("\n" + _sum(counts, len(reports)))


def _paragraph(text: str, width: int, sign: str) -> str:
    indent = " " * (4 + len(sign))
    return textwrap.fill(
        text, width, initial_indent="    " + sign, subsequent_indent=indent, break_on_hyphens=False, break_long_words=False
    )


def _visible(text: str) -> str:
    """Return text that does nothing to a terminal, and in which a byte order mark can be seen."""
    return _INVISIBLE.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


def _headline(report: Report, major: int, name: str) -> str:
    role = report.role or report.kind
    good, bad = _ELSEWHERE.get(role, (f"PostgreSQL {major} would load it", f"PostgreSQL {major} would refuse it"))
    kind = _ROLES.get(role, role)
    if any(remark.code == "passphrase-needed" for remark in report.remarks):
        return f"{paint('✓', '32')} {name}: it asks for a passphrase ({kind})"
    if not report.accepted:
        return f"{paint('✗', '31')} {name}: {bad} ({kind})"
    noun = _NOUNS.get(report.kind, "certificate")
    count = f"{report.count or 'no'} {noun}{'' if report.count == 1 else 's'}"
    return f"{paint('✓', '32')} {name}: {good} ({kind}, {count})"


def _sum(counts: Counter[Any], files: int) -> str:
    told = [
        f"{counts[severity]} {noun if counts[severity] == 1 else noun + 's'}"
        for severity, noun in (("error", "error"), ("warning", "warning"), ("info", "note"))
        if counts[severity]
    ]
    return ("1 file" if files == 1 else f"{files} files") + ": " + (", ".join(told) or "nothing to say") + "."


def _short(where: str, names: dict[str, str]) -> str:
    """Return a place with the file as the person named it."""
    for absolute, name in names.items():
        if where == absolute or where.startswith(absolute + ":"):
            return name + where[len(absolute) :]
    return where
