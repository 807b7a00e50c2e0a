"""The command `issue`: a client certificate for each role, in a kit that says how every driver uses it."""

from __future__ import annotations

import sys
import time
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from pgssl_wizard.certificates.profiles import CLIENT_DAYS, CLIENT_KEY, KeyType
from pgssl_wizard.cli import asking, report
from pgssl_wizard.cli.ca_passphrase import ca_passphrase
from pgssl_wizard.cli.calling import Call, PathArgument, command
from pgssl_wizard.cli.wizard import say
from pgssl_wizard.errors import ExitCode, UnusableInput, WizardError
from pgssl_wizard.findings import Finding

if TYPE_CHECKING:
    from pgssl_wizard.certificates.kits import Kit
    from pgssl_wizard.certificates.roles import NamedRole
    from pgssl_wizard.change.issue import Prepared
    from pgssl_wizard.cluster.facts import Cluster

#: How many kits a report for people names.
_SHOWN = 20


@command("issue")
@click.argument("names", metavar="[ROLE…]", nargs=-1)
@click.option("--ca", type=PathArgument(), metavar="DIR", help="The CA's directory: intermediate.crt and .key, or root.crt and .key.")
@click.option("-o", "--output", type=PathArgument(), metavar="DIR", required=True, help="Where the kits go; made if it is missing.")
@click.option("--roles-from", type=PathArgument(), metavar="FILE", help="Roles, one a line; blank lines and # comments are passed over.")
@click.option(
    "--roles-of", type=PathArgument(), metavar="DATADIR", help="Every role of this running server that can log in, pg_* left out."
)
@click.option(
    "--days", type=click.IntRange(1, 36500), default=CLIENT_DAYS, show_default=True, metavar="N", help="How long the certificates live."
)
@click.option("--key", type=click.Choice(get_args(KeyType)), default=CLIENT_KEY, show_default=True, help="The type of their keys.")
@click.option("--host", metavar="NAME", help="The server's name for the settings in the kits.")
@click.option("--port", type=click.IntRange(1, 65535), metavar="N", help="Its port.  [default: that of --roles-of, else 5432]")
@click.option("--root", type=PathArgument(), metavar="FILE", help="The server's root.  [default: the CA's own]")
@click.option("--ca-certificate", type=PathArgument(), metavar="FILE", help="The CA's certificate, when it has another name.")
@click.option("--ca-key", type=PathArgument(), metavar="FILE", help="The CA's key, when it has another name.")
@click.option("--ca-passphrase-command", metavar="COMMAND", help="Prints the passphrase of the CA's key.  [default: a prompt]")
@click.option("--p12-passphrase-file", type=PathArgument(), metavar="FILE", help="Its first line protects the PKCS#12 files.")
@click.option("--p12-passphrase-prompt", is_flag=True, help="Ask for the passphrase of the PKCS#12 files.  [default: empty]")
def issue(
    call: Call,
    names: tuple[str, ...],
    ca: Path | None,
    output: Path,
    roles_from: Path | None,
    roles_of: Path | None,
    days: int,
    key: KeyType,
    host: str | None,
    port: int | None,
    root: Path | None,
    ca_certificate: Path | None,
    ca_key: Path | None,
    ca_passphrase_command: str | None,
    p12_passphrase_file: Path | None,
    p12_passphrase_prompt: bool,
) -> int:
    """A client certificate and a kit for each role: certificate, key, root, and the settings for every driver.

    A kit is a directory named after the role, readable by you alone. It is written whole or not at all; one that stands
    is never overwritten: it is kept when it will do, else nothing is made (exit code 3). --host, --port and --database go
    into the settings. Roles come from the command line, a list and a running server, in any combination.
    """
    from datetime import UTC, datetime  # noqa: PLC0415

    from pgssl_wizard.certificates import roles  # noqa: PLC0415
    from pgssl_wizard.certificates.kit_text import Connection  # noqa: PLC0415
    from pgssl_wizard.change.issue import Wanted, prepare  # noqa: PLC0415

    call.journey.refuse_when_read_only("issue")
    if ca is None and ca_certificate is None and ca_key is None:
        raise UnusableInput("issue wants a CA: --ca DIR, or --ca-certificate and --ca-key.", code="usage")
    if p12_passphrase_file is not None and p12_passphrase_prompt:
        raise UnusableInput("--p12-passphrase-file and --p12-passphrase-prompt do not go together.", code="usage")
    listed = _listed(roles_from) if roles_from is not None else []
    of_server: list[NamedRole] = []
    if roles_of is not None:
        cluster = call.journey.inspect(roles_of)
        of_server = _of_server(cluster, {*names, *(each.name for each in listed)})
        port = port or (cluster.postmaster.port if cluster.postmaster else None)
    wanted_roles, findings = roles.check([*(roles.NamedRole(name) for name in names), *listed, *of_server])
    if not wanted_roles:
        raise UnusableInput(
            "issue wants at least one role.",
            where=str(roles_from) if roles_from else None,
            hint="Name roles, or --roles-from FILE, or --roles-of DATADIR.",
            code="usage",
        )
    wanted = Wanted(
        wanted_roles, _absolute(output), ca, ca_certificate, ca_key, root, key, days, Connection(host, port or 5432, call.journey.database)
    )
    passphrase = _p12_passphrase(p12_passphrase_file, ask=p12_passphrase_prompt)
    prepared = prepare(wanted, now=datetime.now(UTC), ca_passphrase=ca_passphrase(ca_passphrase_command), passphrase=passphrase)
    if prepared.refused:
        return _refused(call, prepared, (*findings, *prepared.findings))
    return _carry_out(call, prepared, wanted.output, [*findings, *prepared.findings])


def _carry_out(call: Call, prepared: Prepared, output: Path, findings: list[Finding]) -> int:
    from pgssl_wizard.change.issue import carry_out  # noqa: PLC0415
    from pgssl_wizard.change.signals import Stopped, watched  # noqa: PLC0415

    issued: list[Kit] = []
    progress = _Progress(call, len(prepared.make), prepared.signer, output)

    def told(kit: Kit) -> None:
        issued.append(kit)
        progress.step(len(issued))

    order = {role: number for number, role in enumerate(prepared.make)}
    problem: WizardError | None = None
    code: int = ExitCode.DONE
    try:
        with watched() as watch:
            carry_out(prepared, output, watch, told)
    except Stopped as stopped:
        problem = WizardError(
            f"Stopped: {len(issued)} of {len(prepared.make)} kits were written, and they are whole.",
            where=str(output),
            hint="The same command makes the rest.",
            code="stopped",
        )
        code = 128 + stopped.number
    except WizardError as error:
        if not issued:
            raise
        problem = error
        code = ExitCode.FALLS_SHORT
    finally:
        progress.end()
    issued.sort(key=lambda kit: order[kit.role])
    if call.as_json:
        if problem is not None:
            findings.append(Finding("error", problem.code, problem.message, problem.hint, problem.where))
        document = {"issued": [_kit(kit, output) for kit in issued], "kept": [_kit(kit, output) for kit in prepared.kept]}
        call.document(ExitCode.DONE if problem is None else ExitCode.FALLS_SHORT, findings, document)
    else:
        _tell(issued, prepared, output, findings)
    if problem is not None:
        say(problem)
    return code


def _refused(call: Call, prepared: Prepared, findings: Sequence[Finding]) -> int:
    """Report that kits stand in the way; nothing was made."""
    if call.as_json:
        return call.document(ExitCode.REFUSED, (*prepared.refused, *findings), {"issued": [], "kept": []})
    for finding in prepared.refused:
        say(WizardError(finding.message, where=finding.where, hint=finding.hint, code=finding.code))
    return ExitCode.REFUSED


def _listed(path: Path) -> list[NamedRole]:
    from pgssl_wizard.certificates import roles  # noqa: PLC0415

    try:
        data = path.read_bytes()
    except OSError as error:
        raise UnusableInput(f"The list of roles cannot be read: {error.strerror}.", where=str(path), code="unreadable-file") from error
    return roles.parse_list(data, str(path))


def _of_server(cluster: Cluster, named: Collection[str]) -> list[NamedRole]:
    """Return the roles of a running server that can log in; those that are named already are not told twice."""
    from pgssl_wizard.certificates import roles  # noqa: PLC0415

    if cluster.server is None:
        raise UnusableInput(
            f"The server cannot be asked for its roles: {cluster.server_problem or 'it is down'}.",
            where=str(cluster.data_directory),
            hint="Start it, or name a superuser with --user; or write the roles into a file for --roles-from.",
            code="no-administrator",
        )
    found = [role for role in cluster.server.roles if not role.startswith("pg_") and role not in named]
    return [roles.NamedRole(role, str(cluster.data_directory)) for role in found]


def _absolute(path: Path) -> Path:
    import os  # noqa: PLC0415

    return Path(os.path.abspath(path))  # noqa: PTH100 - links in a path stay as they are


def _p12_passphrase(file: Path | None, *, ask: bool) -> bytes:
    from pgssl_wizard.change import passphrases  # noqa: PLC0415

    if file is not None:
        return passphrases.from_file(file, str(file))
    if not ask:
        return b""
    if not asking.terminal():
        raise UnusableInput(
            "There is no terminal to ask for the passphrase.",
            where="--p12-passphrase-prompt",
            hint="Use --p12-passphrase-file FILE.",
            code="no-terminal",
        )
    where = "--p12-passphrase-prompt"
    return passphrases.check(asking.prompt_twice("Passphrase for the PKCS#12 files: ", where), where)


class _Progress:
    """Says on standard error how far it is: at once, then about once a second."""

    def __init__(self, call: Call, total: int, signer: str, output: Path) -> None:
        self._total = total
        self._quiet = call.quiet or total == 0
        self._live = sys.stderr is not None and sys.stderr.isatty()
        self._last = time.monotonic()
        self._open = False
        if not self._quiet:
            call.talk(f"{signer} signs {_count(total)}, into {output}")

    def step(self, done: int) -> None:
        """Tell how many stand."""
        now = time.monotonic()
        if self._quiet or now - self._last < (0.1 if self._live else 1.0):
            return
        self._last = now
        text = f"  {done} of {self._total}"
        print(f"\r{text}" if self._live else text, file=sys.stderr, end="" if self._live else "\n", flush=True)
        self._open = self._live

    def end(self) -> None:
        """Leave the line."""
        if self._open:
            print(f"\r{' ' * 30}\r", file=sys.stderr, end="", flush=True)


def _count(number: int) -> str:
    return "1 client certificate" if number == 1 else f"{number} client certificates"


def _kit(kit: Kit, output: Path) -> dict[str, Any]:
    from pgssl_wizard.certificates.kits import CERTIFICATE, KEY  # noqa: PLC0415
    from pgssl_wizard.proof.serialise import time_to_json  # noqa: PLC0415

    place = output / kit.directory
    return {
        "role": kit.role,
        "directory": str(place),
        "certificate": str(place / CERTIFICATE),
        "key": str(place / KEY),
        "not_after": time_to_json(kit.not_after),
        "sha256": kit.sha256,
    }


def _tell(issued: Sequence[Kit], prepared: Prepared, output: Path, findings: Sequence[Finding]) -> None:
    """Print the report for people."""
    if issued:
        print(f"{_count(len(issued))}, signed by {prepared.signer}, in {output}")
        for kit in issued[:_SHOWN]:
            print(f"  {kit.role}  to {kit.not_after:%Y-%m-%d}" + (f"  [{kit.directory}]" if kit.directory != kit.role else ""))
        if len(issued) > _SHOWN:
            print(f"  and {len(issued) - _SHOWN} more")
    report.findings(findings)
    if issued:
        print("Each directory holds a private key: hand it to its role over a way that nobody reads. README.txt in it has the settings.")
        print("The server wants the CA's root in ssl_ca_file, and a rule with cert, or another method with clientcert=verify-full.")
