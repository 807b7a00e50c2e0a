"""The command `access`: which rule each connection attempt would meet, and how it ends."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from pgssl_wizard.cli.calling import Call, PathArgument, command, known_major
from pgssl_wizard.cli.wizard import say
from pgssl_wizard.errors import ExitCode, Refused, UnusableInput
from pgssl_wizard.files.versions import NEWEST, OLDEST
from pgssl_wizard.findings import Finding

if TYPE_CHECKING:
    from pgssl_wizard.access.attempt import Attempt
    from pgssl_wizard.access.outcome import Decision
    from pgssl_wizard.files.hba import Rule
    from pgssl_wizard.files.ident import MapLine

#: Bytes read at once; from a pipe, whatever is there.
_CHUNK = 1 << 18
_LONGEST_LINE = 1 << 24
#: What every machine has.
_LOOPBACK = ("127.0.0.1/8", "::1/128")


class _TooLongError(Exception):
    """The line that comes next is longer than any attempt."""


@dataclass(frozen=True, slots=True)
class _Ground:
    """What the attempts are judged by."""

    rules: tuple[Rule, ...]
    main: Path
    major: int
    ssl_ca: bool
    own_ranges: tuple[str, ...]
    maps: tuple[MapLine, ...]
    roles: Mapping[str, tuple[str, ...]] | None = None
    databases: frozenset[str] | None = None


@command("access")
@click.argument("data_directory", metavar="[DATADIR]", type=PathArgument(), required=False)
@click.option("--hba", type=PathArgument(), metavar="FILE", help="Instead of a data directory: the rules, a pg_hba.conf.")
@click.option("--ident", type=PathArgument(), metavar="FILE", help="With --hba: the maps, a pg_ident.conf.  [default: no maps]")
@click.option("--server-version", "version", metavar="N", help=f"With --hba: the PostgreSQL that decides, {OLDEST} to {NEWEST}.")
@click.option(
    "--ssl-ca",
    type=click.Choice(["yes", "no"]),
    help="Whether ssl_ca_file is set, so that clients are asked for certificates.  [default: as the cluster has it; with --hba, yes]",
)
@click.option(
    "--interfaces",
    metavar="LIST",
    help="The server's own addresses, for samehost and samenet: 10.0.0.5/24,fd00::5/64.  [default: this machine's; with --hba, loopback]",
)
@click.option("--attempts", type=PathArgument(), metavar="FILE", help="The attempts, one JSON object a line; - is standard input.")
@click.option("--explain", is_flag=True, help="For people: every rule an attempt was held against, and why it matched or not.")
def access(
    call: Call,
    data_directory: Path | None,
    hba: Path | None,
    ident: Path | None,
    version: str | None,
    ssl_ca: str | None,
    interfaces: str | None,
    attempts: Path | None,
    explain: bool,
) -> int:
    """Which rule each connection attempt would meet, and how it ends: one JSON line for each attempt.

    An attempt is a line such as

    \b
    {"id": 1, "database": "shop", "user": "app", "address": "10.0.0.7", "tls": true, "gss": false,
     "certificate": {"cn": "app", "dn": "CN=app,O=Example", "trusted": true}, "replication": false,
     "roles": ["staff"], "host_name": null}

    on one line. What is left out is null or false: no address means the Unix socket. Only a certificate is trusted unless the
    line says that it is not. "accept" means that the rule's method
    takes over, and that its password is still to be given. For a running server, memberships that an attempt does not list
    are asked from it once.
    """  # noqa: D301 - click's mark of a paragraph that stays as it is
    if attempts is None:
        raise UnusableInput(
            "No attempts are given.", where="--attempts", hint="Name a file of JSON lines, or - for standard input.", code="usage"
        )
    if (data_directory is None) == (hba is None):
        raise UnusableInput("Give either a data directory or --hba FILE.", hint="pgssl-wizard access --help shows both.", code="usage")
    own_ranges = None if interfaces is None else _own_ranges(interfaces)
    if hba is not None:
        ground = _of_files(call, hba, ident, version, ssl_ca, own_ranges)
    else:
        assert data_directory is not None
        for option, given in (("--ident", ident), ("--server-version", version)):
            if given is not None:
                raise UnusableInput(f"{option} goes with --hba only.", where=option, code="usage")
        ground = _of_cluster(call, data_directory, ssl_ca, own_ranges)
    _check(ground)
    return _answer(call, ground, attempts, explain=explain)


def _own_ranges(text: str) -> tuple[str, ...]:
    """Return a list of addresses, each with the prefix of its network; without one, the address alone is its network."""
    from pgssl_wizard.files.addresses import numeric, parse_range  # noqa: PLC0415

    found: list[str] = []
    for each in filter(None, re.split(r"[,\s]+", text)):
        host, slash, network = each.partition("/")
        mask = network if "." in network or ":" in network else None
        given = parse_range(host if mask else each, mask)
        number = numeric(host)
        if given is None or number is None or (slash and not network):
            raise UnusableInput(
                f"This is no address: {each}.", where="--interfaces", hint="Write address/prefix, such as 10.0.0.5/24.", code="usage"
            )
        prefix = given.mask.bit_count()
        if given.mask != ((1 << prefix) - 1) << (given.family - prefix):
            raise UnusableInput(f"The mask of {each} has holes; no interface has such a one.", where="--interfaces", code="usage")
        found.append(f"{host}/{prefix}")
    return tuple(found)


def _of_files(
    call: Call, hba: Path, ident: Path | None, version: str | None, ssl_ca: str | None, own_ranges: tuple[str, ...] | None
) -> _Ground:
    from pgssl_wizard.files.hba import parse_rules  # noqa: PLC0415
    from pgssl_wizard.files.ident import parse_maps  # noqa: PLC0415

    major = _major(version)
    main = _absolute(hba)
    _must_read(main)
    rules = parse_rules(main, major, _read, _list_directory)
    maps: tuple[MapLine, ...] = ()
    if ident is not None:
        path = _absolute(ident)
        _must_read(path)
        maps = parse_maps(path, major, _read, _list_directory)
    elif any(rule.option("map") for rule in rules):
        call.talk("note: without --ident there are no maps: a rule that names one lets nobody in by it.")
    return _Ground(rules, main, major, ssl_ca != "no", _LOOPBACK if own_ranges is None else own_ranges, maps)


def _of_cluster(call: Call, data_directory: Path, ssl_ca: str | None, own_ranges: tuple[str, ...] | None) -> _Ground:
    from pgssl_wizard.cluster import membership  # noqa: PLC0415
    from pgssl_wizard.files.ident import parse_maps  # noqa: PLC0415

    cluster = call.journey.inspect(data_directory)
    maps: tuple[MapLine, ...] = ()
    if cluster.ident_file in cluster.files:
        # Without the file a server starts without maps.
        maps = parse_maps(cluster.ident_file, cluster.major, _read, _list_directory)
    asked = membership.ask(cluster, call.journey.user, call.journey.database)
    if asked.problem:
        call.talk(f"note: only the memberships that attempts list are known: {asked.problem}.")
    if cluster.server is not None and cluster.server.rules_edited_since_load:
        call.talk("note: the files were edited after the server loaded them; this is what they say, and what a reload would put in force.")
    if cluster.value("ssl") != "on":
        call.talk("note: ssl is off; what is said of attempts over TLS holds once it is on.")
    return _Ground(
        cluster.rules,
        cluster.hba_file,
        cluster.major,
        bool(cluster.value("ssl_ca_file")) if ssl_ca is None else ssl_ca == "yes",
        cluster.own_ranges if own_ranges is None else own_ranges,
        maps,
        asked.roles,
        asked.databases,
    )


def _major(version: str | None) -> int:
    """Return the major version; `17.4` is 17."""
    if version is None:
        raise UnusableInput(
            "Rules alone do not tell which PostgreSQL reads them, and the versions differ.",
            where="--server-version",
            hint=f"Name it: {OLDEST} to {NEWEST}.",
            code="usage",
        )
    return known_major(version)


def _check(ground: _Ground) -> None:
    """Raise Refused for a line that the server would refuse: it would keep the rules and maps that it loaded last, which nobody knows."""
    for what, records in (("rule", ground.rules), ("map line", ground.maps)):
        for record in records:
            if record.error:
                raise Refused(
                    f"The server would refuse this {what}: {record.error}.",
                    where=f"{record.file}:{record.line}" if record.line else str(record.file),
                    hint="Correct the line first; until then a server keeps what it loaded last.",
                    code="rule-error" if what == "rule" else "map-error",
                )
    if not ground.rules:
        raise Refused(f'configuration file "{ground.main}" contains no entries', where=str(ground.main), code="no-rules")


def _answer(call: Call, ground: _Ground, attempts: Path, *, explain: bool) -> int:
    """Print a line for each attempt as it comes; the first line that is none ends the command."""
    from pgssl_wizard.access.attempts import BadAttempt, Reading  # noqa: PLC0415
    from pgssl_wizard.access.decider import Decider  # noqa: PLC0415

    decider = Decider(ground.rules, ground.major, ssl_ca=ground.ssl_ca, own_ranges=ground.own_ranges, maps=ground.maps)
    reading = Reading(ground.roles)
    say_one = _teller(call, ground, explain=explain)
    name = "standard input" if str(attempts) == "-" else str(attempts)
    number = 0
    answers: list[str] = []
    try:
        with _open(attempts) as source:
            for lines in _lines(source):
                for line in lines:
                    number += 1
                    text = line.decode()
                    if not text.strip():
                        continue
                    identity, attempt = reading.read(text)
                    answers.append(say_one(identity, attempt, decider.decide(attempt)))
                print("".join(answers), end="", flush=True)
                answers.clear()
    except (BadAttempt, UnicodeDecodeError, _TooLongError) as problem:
        print("".join(answers), end="", flush=True)
        why = f"it is no UTF-8 (byte {problem.start + 1})" if isinstance(problem, UnicodeDecodeError) else str(problem)
        hint = "What stands before it was answered; pgssl-wizard access --help shows a line."
        return _stop(
            call,
            UnusableInput(
                f"This is no attempt: {why}.", where=f"{name}:{number + isinstance(problem, _TooLongError)}", hint=hint, code="bad-attempt"
            ),
        )
    if reading.unknown:
        call.talk(f"note: keys that are not known were passed over: {', '.join(sorted(reading.unknown))}.")
    return ExitCode.DONE


def _stop(call: Call, error: UnusableInput) -> int:
    """End with an error behind answers that are out already: under --json it is one line as they are."""
    if call.as_json:
        finding = Finding("error", error.code, error.message, error.hint, error.where)
        print(json.dumps({"command": call.command, "ok": False, "findings": [finding.to_json()]}))
    say(error)
    return error.exit_code


def _teller(call: Call, ground: _Ground, *, explain: bool) -> Callable[[object, Attempt, Decision], str]:
    """Return what makes the answer to one attempt."""
    from dataclasses import replace  # noqa: PLC0415

    from pgssl_wizard.access.explain import compare  # noqa: PLC0415
    from pgssl_wizard.cli.access_lines import JsonLines, in_words  # noqa: PLC0415

    line = JsonLines().line
    databases, roles = ground.databases, ground.roles

    def known(attempt: Attempt, decision: Decision) -> Decision:
        """Add what the server knows and the rules do not ask."""
        if databases is None or roles is None or decision.decision == "reject":
            return decision
        lacking = [] if attempt.user in roles else [f"there is no role {attempt.user}"]
        if not attempt.replication and (attempt.database or attempt.user) not in databases:
            lacking.append(f"there is no database {attempt.database or attempt.user}")
        return replace(decision, reason=f"{decision.reason}; but {' and '.join(lacking)}") if lacking else decision

    def plain(identity: object, attempt: Attempt, decision: Decision) -> str:
        return line(identity, known(attempt, decision))

    def explained(identity: object, attempt: Attempt, decision: Decision) -> str:
        early = decision.rule is None and "pg_hba.conf" not in (decision.message or "")
        compared = () if early else compare(ground.rules, attempt, ground.major, own_ranges=ground.own_ranges)
        if call.as_json:
            return line(identity, known(attempt, decision), compared)
        return in_words(identity, attempt, known(attempt, decision), compared, ground.main)

    return explained if explain else plain


def _open(path: Path) -> BinaryIO:
    if str(path) == "-":
        if sys.stdin is None:
            raise UnusableInput("Standard input is closed.", where="--attempts", code="unreadable-file")
        return os.fdopen(os.dup(sys.stdin.fileno()), "rb")
    try:
        if path.is_dir():
            raise UnusableInput("This is a directory.", where=str(path), code="unreadable-file")
        return path.open("rb")
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "its name holds a NUL byte"
        raise UnusableInput(f"The file cannot be read: {why}.", where=str(path), code="unreadable-file") from error


def _lines(source: BinaryIO) -> Iterator[list[bytes]]:
    """Yield the lines as they come, those that are there at once together; the last one needs no newline."""
    read = getattr(source, "read1", source.read)
    rest = read(_CHUNK).removeprefix(b"\xef\xbb\xbf")
    while rest:
        *lines, rest = rest.split(b"\n")
        if lines:
            yield lines
        data = read(_CHUNK)
        if not data:
            break
        if len(rest) > _LONGEST_LINE:
            raise _TooLongError("the line is far too long")
        rest += data
    if rest:
        yield [rest]


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path))  # noqa: PTH100 - links in a path stay as they are


def _must_read(path: Path) -> None:
    """Read a file that was named, or raise UnusableInput."""
    try:
        if _read(path) is None:
            raise UnusableInput("There is no such file.", where=str(path), code="unreadable-file")
    except OSError as error:
        raise UnusableInput(f"The file cannot be read: {error.strerror}.", where=str(path), code="unreadable-file") from error


def _read(path: Path) -> bytes | None:
    from pgssl_wizard.cluster.reading import configuration  # noqa: PLC0415

    return configuration(path)


def _list_directory(path: Path) -> list[str] | None:
    from pgssl_wizard.cluster.reading import names_in  # noqa: PLC0415

    return names_in(path)
