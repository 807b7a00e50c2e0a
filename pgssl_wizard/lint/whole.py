"""Files given together: what each of them is, whether a server of some version would load it, and what is worth saying.

The only module of this room that reads; what stands beside a file (the settings around the rules, includes) is read too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pgssl_wizard.files.hba import Rule, parse_rules, surrounding_of
from pgssl_wizard.files.hosts import HostLine, parse_hosts
from pgssl_wizard.files.ident import MapLine, parse_maps
from pgssl_wizard.files.settings import JudgedLine, Resolution, judge, resolve
from pgssl_wizard.files.sources import ListDirectory, Read
from pgssl_wizard.files.tokens import TooLongError, fields, logical_lines
from pgssl_wizard.files.versions import NEWEST, OLDEST
from pgssl_wizard.findings import Severity
from pgssl_wizard.lint import hosts, maps, rules, settings
from pgssl_wizard.lint.kinds import TLS_KINDS, Kind, is_main, template_line
from pgssl_wizard.lint.known import Known
from pgssl_wizard.lint.remarks import Remark
from pgssl_wizard.lint.text import is_text, of_text

if TYPE_CHECKING:
    from pgssl_wizard.lint.certificates import CertificateLine, Circumstances, Examined

_ORDER: dict[Severity, int] = {"error": 0, "warning": 1, "info": 2}
#: Settings that decide what rules and hosts mean.
_AROUND = ("ssl", "ssl_ca_file", "ssl_sni", "oauth_validator_libraries", "db_user_namespace", "data_directory")


@dataclass(frozen=True, slots=True)
class Report:
    """What came of one file.

    Attributes:
        path: absolute.
        accepted: whether a server would load it as a whole.
        rules, settings, maps, hosts: its lines, those of included files too; empty for other kinds.
        validators: the libraries of `oauth_validator_libraries`, None when they are not known.
        certificates: those that it holds, in their order.
        role: what a certificate, key or list is for, None for other kinds.
        held: how many certificates, keys, lists or requests it holds.
        remarks: errors first, then by file and line.
    """

    path: Path
    kind: Kind
    accepted: bool
    rules: tuple[Rule, ...] = ()
    settings: tuple[JudgedLine, ...] = ()
    maps: tuple[MapLine, ...] = ()
    hosts: tuple[HostLine, ...] = ()
    validators: tuple[str, ...] | None = None
    certificates: tuple[CertificateLine, ...] = ()
    role: str | None = None
    held: int = 0
    remarks: tuple[Remark, ...] = ()

    @property
    def count(self) -> int:
        """How many lines say something, or how many things of its kind the file holds."""
        return self.held or len(self.rules) + len(self.settings) + len(self.maps) + len(self.hosts)


def lint(
    files: Sequence[tuple[Path, Kind]],
    major: int,
    read: Read,
    list_directory: ListDirectory,
    *,
    version_given: bool = True,
    circumstances: Circumstances | None = None,
) -> tuple[Report, ...]:
    """Return a report for each file; what they say of each other is in the report of the file that it concerns.

    Args:
        files: absolute paths that can be read, and what they are.
        major: whose reading counts.
        read: the bytes of a file, or None when there is none; it may raise OSError.
        list_directory: the names in a directory, or None when there is none.
        version_given: somebody named the version; otherwise a data directory of another one is mentioned.
        circumstances: what certificates and keys are judged by; None: the present time and nothing else.
    """
    session = _Session(tuple(files), major, _Texts(read), list_directory)
    examined = session.certificates(circumstances)
    reports = [_of_examined(examined[path]) if path in examined else session.report(path, kind) for path, kind in files]
    if not version_given:
        reports = [
            report if report.path in examined else replace(report, remarks=(*report.remarks, *session.other_version(report.path)))
            for report in reports
        ]
    return tuple(replace(report, remarks=_sorted(report, session.texts)) for report in reports)


def _of_examined(one: Examined) -> Report:
    return Report(one.path, one.kind, one.accepted, certificates=one.certificates, role=one.role, held=one.count, remarks=one.remarks)


def _sorted(report: Report, texts: _Texts) -> tuple[Remark, ...]:
    order = {path: position for position, path in enumerate([report.path, *texts.read_so_far])}
    return tuple(sorted(report.remarks, key=lambda remark: (_ORDER[remark.severity], order.get(remark.file, len(order)), remark.line)))


@dataclass(slots=True)
class _Texts:
    """The bytes of every file, read once, so that all that is said rests on the same state."""

    source: Read
    read_so_far: dict[Path, bytes | None] = field(default_factory=dict)
    lines_of: dict[Path, list[str]] = field(default_factory=dict)
    counts_of: dict[tuple[Path, int], dict[int, int]] = field(default_factory=dict)

    def read(self, path: Path) -> bytes | None:
        if path not in self.read_so_far:
            self.read_so_far[path] = self.source(path)
        return self.read_so_far[path]

    def data(self, path: Path) -> bytes:
        return self.read_so_far.get(path) or b""

    def line(self, path: Path, number: int) -> str:
        """Return the text of a physical line, empty when there is none."""
        if path not in self.lines_of:
            self.lines_of[path] = self.data(path).decode("utf-8", "surrogateescape").split("\n")
        lines = self.lines_of[path]
        return lines[number - 1] if 0 < number <= len(lines) else ""

    def fields(self, path: Path, number: int, major: int) -> int:
        """Return how many fields the logical line has that begins at a physical one."""
        if (path, major) not in self.counts_of:
            self.counts_of[path, major] = {line.first: _count(line.text, major) for line in logical_lines(self.data(path), major)}
        return self.counts_of[path, major].get(number, 0)


def _count(text: str, major: int) -> int:
    try:
        return len(fields(text, major))
    except TooLongError:
        return 0


@dataclass(slots=True)
class _Session:
    """One call: the files, and what is known around them."""

    files: tuple[tuple[Path, Kind], ...]
    major: int
    texts: _Texts
    list_directory: ListDirectory
    rules_of: dict[Path, tuple[Rule, ...]] = field(default_factory=dict)
    maps_of: dict[Path, tuple[MapLine, ...]] = field(default_factory=dict)

    def certificates(self, circumstances: Circumstances | None) -> dict[Path, Examined]:
        """Return what came of the certificates, keys and lists; `cryptography` is imported only where there are some."""
        ours = [(path, kind) for path, kind in self.files if kind in TLS_KINDS]
        if not ours:
            return {}
        from pgssl_wizard.lint.certificates import Circumstances, examine  # noqa: PLC0415

        return examine(
            [(path, kind, self.texts.read(path) or b"") for path, kind in ours], circumstances or Circumstances(datetime.now(UTC))
        )

    def report(self, path: Path, kind: Kind) -> Report:
        """Return the report of one file."""
        data = self.texts.read(path) or b""
        make = {
            "postgresql.conf": self._settings,
            "pg_hba.conf": self._rules,
            "pg_ident.conf": self._maps,
            "pg_hosts.conf": self._hosts,
        }[kind]
        report = make(path)
        if not is_text(data):
            remarks: Iterable[Remark] = of_text(path, data, kind, self.major)
        elif template := template_line(data.decode("utf-8", "replace"), kind):
            remarks = [_template(path, report.accepted, *template)]
        else:
            remarks = (*of_text(path, data, kind, self.major), *report.remarks)
        return replace(report, remarks=tuple(remarks))

    def other_version(self, path: Path) -> Iterator[Remark]:
        """Yield that a file lies in the data directory of another version than the one it was checked for."""
        version = (_read_beside(self.texts, path, "PG_VERSION") or b"").decode("ascii", "replace").strip().partition(".")[0]
        if version.isdigit() and int(version) != self.major and OLDEST <= int(version) <= NEWEST:
            yield Remark(
                path,
                0,
                "info",
                "other-version",
                f"{path.name} lies in a data directory of PostgreSQL {version}, and was read as PostgreSQL {self.major} reads it",
                hint=f"Check it with --server-version {version} too.",
                topic="cluster",
            )

    def _settings(self, path: Path) -> Report:
        verdict = judge(path, self.major, self.texts.read, self.list_directory)
        shown = told = verdict
        if not verdict.accepted:
            shown = judge(path, self.major, self.texts.read, self.list_directory, as_view=True)
            told = judge(path, self.major, self.texts.read, self.list_directory, all_errors=True)
        remarks = settings.of_settings(
            path,
            told,
            self.major,
            self.texts.line,
            main=is_main(path),
            with_data=_read_beside(self.texts, path, "PG_VERSION") is not None,
        )
        said = tuple(remarks)
        if not verdict.accepted and not any(remark.severity == "error" for remark in said):
            why = f"PostgreSQL {self.major} cannot read its settings: {verdict.log[0] if verdict.log else 'no reason is known'}"
            said = (Remark(path, 0, "error", "settings-syntax-error", why, topic="cluster"), *said)
        return Report(path, "postgresql.conf", verdict.accepted, settings=shown.rows, remarks=said)

    def _rules(self, path: Path) -> Report:
        known = self._known(path)
        validators = surrounding_of(known.value, self.major).oauth_validators
        found = self._rules_in(path, known)
        remarks = list(rules.of_rules(path, found, known, self.texts.line))
        ident, named = self._maps_around(path)
        if ident is not None:
            remarks += rules.of_maps_named(found, {line.map for line in named if line.map is not None}, ident.name)
        accepted = bool(found) and not any(rule.error for rule in found)
        return Report(path, "pg_hba.conf", accepted, rules=found, validators=validators, remarks=tuple(remarks))

    def _maps(self, path: Path) -> Report:
        found = self._maps_in(path)

        def count(file: Path, line: int) -> int:
            return self.texts.fields(file, line, self.major)

        remarks = list(maps.of_maps(found, self.major, self.texts.line, count))
        given = [each for each, kind in self.files if kind == "pg_hba.conf"]
        if given:
            named = {rule.option("map") for each in given for rule in self._rules_in(each, self._known(each))}
            remarks += maps.of_unused(found, {name for name in named if name is not None}, " and ".join(each.name for each in given))
        return Report(path, "pg_ident.conf", not any(line.error for line in found), maps=found, remarks=tuple(remarks))

    def _hosts(self, path: Path) -> Report:
        found = parse_hosts(path, self.texts.read, self.list_directory)
        remarks = tuple(hosts.of_hosts(path, found, self._known(path)))
        return Report(path, "pg_hosts.conf", not any(line.error for line in found), hosts=found, remarks=remarks)

    def _rules_in(self, path: Path, known: Known) -> tuple[Rule, ...]:
        if path not in self.rules_of:
            around = surrounding_of(known.value, self.major)
            self.rules_of[path] = parse_rules(path, self.major, self.texts.read, self.list_directory, around)
        return self.rules_of[path]

    def _maps_in(self, path: Path) -> tuple[MapLine, ...]:
        if path not in self.maps_of:
            self.maps_of[path] = parse_maps(path, self.major, self.texts.read, self.list_directory)
        return self.maps_of[path]

    def _maps_around(self, path: Path) -> tuple[Path | None, tuple[MapLine, ...]]:
        """Return the maps file that goes with a rules file: one that was given, else one beside it."""
        given = [each for each, kind in self.files if kind == "pg_ident.conf"]
        if given:
            return given[0], tuple(line for each in given for line in self._maps_in(each))
        beside = path.parent / "pg_ident.conf"
        data = _read_beside(self.texts, path, "pg_ident.conf")
        if data is None or template_line(data.decode("utf-8", "replace"), "pg_ident.conf"):
            return None, ()
        return beside, self._maps_in(beside)

    def _known(self, path: Path) -> Known:
        """Return what the settings files that were given, or the one beside a file, say of the server."""
        given = [each for each, kind in self.files if kind == "postgresql.conf"]
        main = next((each for each in given if is_main(each)), None)
        if not given and _read_beside(self.texts, path, "postgresql.conf") is not None:
            main = path.parent / "postgresql.conf"
        if main is not None and template_line((self.texts.read(main) or b"").decode("utf-8", "replace"), "postgresql.conf"):
            main = None
        values: dict[str, tuple[str, str]] = {}
        followed: set[Path] = set()
        if main is not None:
            followed = self._note(main, values)
        for each in given:
            if each not in followed and each != main:
                self._note(each, values)
        return Known(self.major, values, main.name if main else None)

    def _note(self, path: Path, values: dict[str, tuple[str, str]]) -> set[Path]:
        """Put in what a settings file says; return the files that took part."""
        resolution = resolve(path, None, self.texts.read, self.list_directory, major=self.major)
        parts = [resolution]
        if is_main(path):
            auto = self._auto_conf(path, resolution)
            if auto is not None:
                parts.append(resolve(auto, None, self.texts.read, self.list_directory, major=self.major))
        for part in parts:
            for name in _AROUND:
                winner = part.winner(name)
                if winner is not None and winner.file is not None:
                    values[name] = (winner.value, f"{winner.file.name}:{winner.line}")
        return {file for part in parts for file in part.files_read}

    def _auto_conf(self, path: Path, resolution: Resolution) -> Path | None:
        """Return the postgresql.auto.conf of the data directory that a settings file names or lies in."""
        named = resolution.winner("data_directory")
        directory = Path(named.value) if named and named.value.startswith("/") else path.parent
        try:
            return directory / "postgresql.auto.conf" if self.texts.read(directory / "postgresql.auto.conf") is not None else None
        except (OSError, ValueError):
            return None


def _read_beside(texts: _Texts, path: Path, name: str) -> bytes | None:
    """Return the bytes of a neighbour, None when there is none or it cannot be read."""
    try:
        return texts.read(path.parent / name)
    except OSError:
        return None


def _template(path: Path, accepted: bool, line: int, mark: str) -> Remark:
    return Remark(
        path,
        line,
        "warning" if accepted else "error",
        "template",
        f"holds {mark}: {path.name} is a template, which has to be rendered first",
        hint="Check the file that comes out of it.",
        topic="cluster",
    )
