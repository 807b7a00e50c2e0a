"""What every command shares: options, where the journey starts, and how each of them ends."""

from __future__ import annotations

import functools
import json
import os
import re
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from pgssl_wizard.answers import Given, parse_set, read_file
from pgssl_wizard.cli.options import working_directory
from pgssl_wizard.cli.wizard import say
from pgssl_wizard.errors import ExitCode, Refused, UnusableInput, WizardError
from pgssl_wizard.files.versions import NEWEST, OLDEST
from pgssl_wizard.findings import Finding
from pgssl_wizard.journey import Journey
from pgssl_wizard.proof.serialise import proof_to_json

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS = (
    click.option("--pg-bin", type=click.Path(path_type=Path), metavar="DIR", help="Where the server's own programs are."),
    click.option("--user", metavar="ROLE", help="The administrator's role (default: the superuser over the socket)."),
    click.option("--database", metavar="NAME", help="The database of the administrator's connection."),
    click.option("--read-only", is_flag=True, default=None, help="Never write anything."),
    click.option("-q", "--quiet", is_flag=True, default=None, help="No progress, no notices."),
    click.option("-v", "--verbose", is_flag=True, default=None, help="More words, and tracebacks of defects."),
)


#: Of every command that has data to print, and before the command's name.
JSON_OPTION = click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")


@dataclass(frozen=True, slots=True)
class Call:
    """One command being run: its journey, and how it should speak."""

    command: str
    journey: Journey
    as_json: bool
    quiet: bool
    verbose: bool

    def talk(self, text: str) -> None:
        """Say something that is not data, on standard error."""
        if not self.quiet:
            print(text, file=sys.stderr)

    def document(self, code: ExitCode, findings: Sequence[Finding], content: Mapping[str, Any]) -> int:
        """Print the one JSON document and return the exit code."""
        document = {
            "command": self.command,
            "ok": code == ExitCode.DONE,
            **content,
            "findings": [finding.to_json() for finding in findings],
        }
        print(as_text(document))
        return code


class ReaderGoneError(Exception):
    """Whoever read our standard output has gone. No OSError, of which click would make exit code 1 (falls short)."""


class PathArgument(click.Path):
    """A path that is not empty: `apply "$UNSET"` must not mean the working directory."""

    def __init__(self) -> None:
        super().__init__(path_type=Path, readable=False)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:  # noqa: D102 - click's name
        if value == "":
            self.fail("The path is empty.", param, ctx)
        return super().convert(value, param, ctx)


def as_text(document: Mapping[str, Any]) -> str:
    """Return a document as JSON that standard output can take; bytes of a path that are no UTF-8 come out as escapes."""
    text = json.dumps(document, indent=2, ensure_ascii=False)
    try:
        text.encode("utf-8")
        text.encode((sys.stdout.encoding if sys.stdout else None) or "utf-8")
    except UnicodeEncodeError:
        return json.dumps(document, indent=2)
    return text


def add_options(function: F) -> F:
    """Add the options that every command has; they count before and after the command's name."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def command(name: str, *, json_too: bool = True) -> Callable[[Callable[..., int]], click.Command]:
    """Declare a command whose function takes a `Call` and returns an exit code."""

    def declare(function: Callable[..., int]) -> click.Command:
        @functools.wraps(function)
        @click.pass_context
        def run(ctx: click.Context, /, **given: Any) -> int:
            outer = ctx.obj or {}
            common = {key: given.pop(key) if given.get(key) is not None else (given.pop(key, None) or outer.get(key)) for key in _COMMON}
            as_json = bool(given.pop("as_json", False)) or (json_too and bool(outer.get("as_json")))
            gone: UnusableInput | None = None
            try:
                base = working_directory()
            except UnusableInput as error:
                base, gone = Path("/"), error
            journey = Journey(common["pg_bin"], common["user"], common["database"], bool(common["read_only"]), Given(base=base))
            call = Call(name, journey, as_json, bool(common["quiet"]), bool(common["verbose"]))
            return failed(call, gone) if gone else _guarded(call, lambda: function(call, **given))

        # click reads parameters from the wrapped function's attribute.
        run.__click_params__ = getattr(function, "__click_params__", [])  # type: ignore[attr-defined]
        body: Callable[..., Any] = add_options(run)
        if json_too:
            body = JSON_OPTION(body)
        return click.command(name)(body)

    return declare


_COMMON = ("pg_bin", "user", "database", "read_only", "quiet", "verbose")


def _guarded(call: Call, body: Callable[[], int]) -> int:
    try:
        code = int(body())
        if sys.stdout is not None:
            # What cannot be written is told here and not by the interpreter on its way out.
            sys.stdout.flush()
    except WizardError as error:
        return failed(call, error)
    except (KeyboardInterrupt, click.exceptions.Exit, click.ClickException):
        raise
    except BrokenPipeError as error:
        raise ReaderGoneError from error
    except OSError as error:
        if _output_lost():
            say(UnusableInput(f"Standard output cannot be written: {error.strerror}.", code="no-output"))
            return ExitCode.UNUSABLE
        where = str(error.filename) if error.filename else None
        return failed(call, Refused(f"{error.strerror or error}.", where=where, code="system-error"))
    except Exception as error:  # noqa: BLE001 - the last resort: a defect is said in one line, with a traceback only under -v
        if call.verbose:
            traceback.print_exc()
        return failed(
            call,
            WizardError(
                f"This is a defect of pgssl-wizard: {type(error).__name__}: {error}",
                hint="Run it again with -v and report what it prints.",
                code="defect",
            ),
        )
    return code


def _output_lost() -> bool:
    """Whether standard output takes nothing any more (a full disk behind it); what is left of it is dropped then."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return True
    return False


def failed(call: Call, error: WizardError, content: Mapping[str, Any] | None = None) -> int:
    """Report an error in the way the command speaks, and return its exit code."""
    if call.as_json:
        finding = Finding("error", error.code, error.message, error.hint, error.where)
        call.document(error.exit_code, [finding], {**EMPTY.get(call.command, {}), **(content or {})})
    say(error)
    return error.exit_code


_NO_CHANGE: dict[str, Any] = {
    "id": None,
    "state": "none",
    "effective": "not-reloaded",
    "proved": False,
    "made": None,
    "files": [],
    "kept": [],
    "confirm_until": None,
    "undoable": False,
    "forgotten": None,
}
_NO_PROOF = proof_to_json(None)
_NOTHING_CHANGED: dict[str, Any] = {"change": _NO_CHANGE, "trust_anchor": None, "rehearsal": None, **_NO_PROOF}
#: What a document has when the command could not get so far; null rather than missing.
EMPTY: dict[str, dict[str, Any]] = {
    "inspect": {"cluster": None},
    "plan": {
        "changes": [],
        "directories": [],
        "settings": {},
        "sql": [],
        "openssl": [],
        "trust_anchor": None,
        "locked_out": [],
        "goes_live_too": [],
        "effective": None,
        "ciphers": None,
        "hash": None,
    },
    "apply": {**_NOTHING_CHANGED, "renewal": None, "custody_card": None},
    "confirm": _NOTHING_CHANGED,
    "rollback": _NOTHING_CHANGED,
    "history": {"changes": []},
    "forget": {"forgotten": [], "undoable": []},
    "verify": _NO_PROOF,
    "lint": {"files": []},
    "check": {"expiring": []},
    "renew": {**_NOTHING_CHANGED, "renewed": [], "put_aside": [], "next_due": None},
    "issue": {"issued": [], "kept": []},
    "revoke": {"revoked": [], "crl": []},
}


def answers_options(function: F) -> F:
    """Add `-a` and `--set`."""
    function = click.option(
        "--set", "assignments", multiple=True, metavar="KEY=VALUE", help="One answer, over the file; see the keys below. Repeatable."
    )(function)
    return click.option(
        "-a", "--answers", "answers_file", type=click.Path(path_type=Path), metavar="FILE", help="The answers file (TOML)."
    )(function)


def read_answers(answers_file: Path | None, assignments: Sequence[str]) -> Given:
    """Return what file and command line say; raises UnusableInput with the line."""
    given = read_file(answers_file) if answers_file else Given()
    return parse_set(assignments, given)


def refuse_unfinished(data_directory: Path, *, writes: bool = True) -> tuple[Finding, ...]:
    """Raise Interrupted when an earlier change was cut short or never confirmed; of one that waits, Refused for whoever writes.

    Returns:
        What is to be said of a change that waits to be confirmed, for a command that only reads.
    """
    from pgssl_wizard.change import pending  # noqa: PLC0415

    return pending.refuse_unfinished(data_directory, writes=writes)


CONFIRM_OPTION = click.option(
    "--confirm-within",
    type=click.IntRange(10, 86400),
    metavar="SECONDS",
    help="Put everything back after so many seconds (10 to 86400) unless `confirm` comes first.",
)


def known_major(version: str) -> int:
    """Return the major of a version that was named with `--server-version`; `17.4` is 17.

    Raises:
        UnusableInput: none that is known.
    """
    found = re.fullmatch(r"\s*(\d{1,4})(?:\.\d+|beta\d+|rc\d+|devel)?\s*", version, re.ASCII)
    if not found or not OLDEST <= int(found[1]) <= NEWEST:
        raise UnusableInput(
            f"PostgreSQL {version} is not known here.",
            where="--server-version",
            hint=f"Known are {OLDEST} to {NEWEST}.",
            code="unknown-version",
        )
    return int(found[1])
