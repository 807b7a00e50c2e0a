"""The command `renew`: what ends is made anew before it does, with the same profile, and proved like any change."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pgssl_wizard.cli import report
from pgssl_wizard.cli.calling import CONFIRM_OPTION, EMPTY, Call, PathArgument, answers_options, command, read_answers, refuse_unfinished
from pgssl_wizard.errors import ExitCode, UnusableInput
from pgssl_wizard.findings import Finding

if TYPE_CHECKING:
    from pgssl_wizard.answers import Answers
    from pgssl_wizard.certificates.kits import Kit
    from pgssl_wizard.change.model import Change
    from pgssl_wizard.change.renew_kits import Due
    from pgssl_wizard.cluster.expiry import Expiring
    from pgssl_wizard.cluster.standing import Renewable

_PARTS = ("server", "intermediate", "clients", "crl")


@command("renew")
@click.argument("data_directory", metavar="DATADIR", type=PathArgument())
@answers_options
@click.option("--server", is_flag=True, help="The server certificate; the default.")
@click.option("--intermediate", is_flag=True, help="The intermediate of our own CA, with the key that it has, and the server certificate.")
@click.option("--clients", is_flag=True, help="The clients' certificates and kits; the old ones stay beside the new.")
@click.option("--crl", is_flag=True, help="The revocation lists, and their copy on the server.")
@click.option("--all", "everything", is_flag=True, help="All of these that there are.")
@click.option("--now", "at_once", is_flag=True, help="Also what has more than a third of its life left.")
@click.option("--p12-passphrase-file", type=PathArgument(), metavar="FILE", help="Its first line opens and protects the PKCS#12 files.")
@click.option("--no-rehearse", is_flag=True, help="Do not try the new files on a throwaway cluster first.")
@click.option("--no-reload", is_flag=True, help="Write the files and leave the running server as it is.")
@CONFIRM_OPTION
def renew(
    call: Call,
    data_directory: Path,
    answers_file: Path | None,
    assignments: tuple[str, ...],
    server: bool,
    intermediate: bool,
    clients: bool,
    crl: bool,
    everything: bool,
    at_once: bool,
    p12_passphrase_file: Path | None,
    no_rehearse: bool,
    no_reload: bool,
    confirm_within: int | None,
) -> int:
    """A new server certificate of the same profile when a third of its life is left; by option more, or at once.

    The answers are those of the last change, unless -a names others. Settings and rules stay as they are. The new pair is
    proved by real connections; if the proof fails, the old one is put back.
    """
    from pgssl_wizard.cluster import expiry, revocation  # noqa: PLC0415
    from pgssl_wizard.plan.renewing import check_in_use  # noqa: PLC0415

    call.journey.refuse_when_read_only("renew")
    call.journey.confirm_within = confirm_within
    answers = _answers(call, data_directory, answers_file, assignments)
    assert call.journey.cluster is not None
    named = dict(zip(_PARTS, (server, intermediate, clients, crl), strict=True))
    wanted = [part for part in _PARTS if named[part]] or ["server"]
    findings: list[Finding] = []
    if everything:
        wanted = _that_there_are(answers)
    if "server" in wanted:
        # Also when nothing is due: a timer on a server without TLS must not stay quiet for a year.
        check_in_use(call.journey.cluster, answers)
    ending = expiry.of_cluster(call.journey.cluster, answers)
    now = datetime.now(UTC)
    due = {part for part in wanted if at_once or _is_due(part, ending, now)}
    if "crl" in wanted and revocation.not_placed(call.journey.cluster, answers):
        # What was revoked since counts only once the server has the list.
        due.add("crl")
    change: Change | None = None
    parts: frozenset[Renewable] = frozenset(part for part in ("server", "intermediate", "crl") if part in due)
    if parts:
        from pgssl_wizard.cli.asking import ask  # noqa: PLC0415

        plan = call.journey.make_plan(parts)
        change = call.journey.apply(report.progress(call.quiet), ask=ask, rehearse=not no_rehearse, reload=not no_reload)
        findings += [*plan.findings, *change.findings]
    made: list[Kit] = []
    aside: dict[str, Path] = {}
    if "clients" in wanted and ("clients" in due or "intermediate" in due):
        done = _renew_kits(call, answers, at_once=at_once, passphrase_file=p12_passphrase_file)
        made = done[1]
        aside = {each.name: answers.clients.directory / each.aside for each in done[0].renew}
        findings += done[0].findings
    return _tell(call, answers, change, made, aside, findings)


def _answers(call: Call, data_directory: Path, answers_file: Path | None, assignments: tuple[str, ...]) -> Answers:
    """Inspect, and return the answers of the last change, or those that are named."""
    from pgssl_wizard.answers import parse_set  # noqa: PLC0415
    from pgssl_wizard.change.recorded import last_answers  # noqa: PLC0415

    journey = call.journey
    cluster = journey.inspect(data_directory)
    refuse_unfinished(cluster.data_directory)
    recorded = None if answers_file else last_answers(cluster.data_directory)
    journey.given = read_answers(answers_file, assignments) if recorded is None else parse_set(assignments, recorded)
    return journey.complete()


def _that_there_are(answers: Answers) -> list[str]:
    certificate = answers.certificate
    found = []
    if certificate.source in {"self-signed", "new-ca", "existing-ca"}:
        found.append("server")
    if certificate.source == "new-ca" and certificate.intermediate:
        found.append("intermediate")
    if answers.clients.directory.is_dir():
        found.append("clients")
    if answers.files.crl is not None or answers.files.crl_dir is not None:
        found.append("crl")
    return found


def _is_due(part: str, ending: tuple[Expiring, ...], now: datetime) -> bool:
    role = "client" if part == "clients" else part
    return any(each.part == role and each.due <= now for each in ending)


def _renew_kits(call: Call, answers: Answers, *, at_once: bool, passphrase_file: Path | None) -> tuple[Due, list[Kit]]:
    """Make the kits anew that are due; return what stood, and what was made."""
    from pgssl_wizard.change import passphrases, renew_kits  # noqa: PLC0415
    from pgssl_wizard.change.issue import open_files  # noqa: PLC0415
    from pgssl_wizard.change.signals import watched  # noqa: PLC0415
    from pgssl_wizard.cli.ca_passphrase import ca_passphrase  # noqa: PLC0415
    from pgssl_wizard.cluster.kits import revoked_by, signer_files  # noqa: PLC0415
    from pgssl_wizard.plan.kits import connection  # noqa: PLC0415

    places = signer_files(answers)
    if places is None:
        raise UnusableInput(
            "These answers lead to no CA that signs clients.", where="certificate.source", hint="Name it with clients.ca.", code="no-ca"
        )
    passphrase = passphrases.from_file(passphrase_file, str(passphrase_file)) if passphrase_file is not None else b""
    now = datetime.now(UTC)
    opening = ca_passphrase(answers.certificate.ca_passphrase_command or None)
    authority = open_files(*places, now, opening, root=answers.certificate.ca_directory / "root.crt")
    due = renew_kits.look(
        answers.clients.directory, authority, now=now, everything=at_once, passphrase=passphrase, revoked=revoked_by(places[0])
    )
    made: list[Kit] = []
    assert call.journey.cluster is not None
    with watched() as watch:
        where = connection(answers, call.journey.cluster)
        renew_kits.renew(due.renew, answers.clients.directory, authority, where, now, watch, made.append)
    made.sort(key=lambda kit: kit.role)
    return due, made


def _tell(call: Call, answers: Answers, change: Change | None, made: list[Kit], aside: dict[str, Path], findings: list[Finding]) -> int:
    """Report what was done; `aside` has the old kit of each new one, by the name of its directory."""
    from pgssl_wizard.cluster import expiry  # noqa: PLC0415
    from pgssl_wizard.proof.serialise import time_to_json  # noqa: PLC0415

    assert call.journey.cluster is not None
    cluster = call.journey.inspect(call.journey.cluster.data_directory)
    ending = sorted(expiry.of_cluster(cluster, answers), key=lambda each: each.due)
    if call.as_json:
        from pgssl_wizard.change.serialise import change_to_json  # noqa: PLC0415

        content: dict[str, Any] = {**EMPTY["renew"], **(change_to_json(change) if change is not None else {})}
        content["renewed"] = [
            {
                "role": kit.role,
                "directory": str(answers.clients.directory / kit.directory),
                "not_after": time_to_json(kit.not_after),
                "sha256": kit.sha256,
            }
            for kit in made
        ]
        content["put_aside"] = [str(path) for path in aside.values()]
        content["next_due"] = time_to_json(ending[0].due) if ending else None
        return call.document(ExitCode.DONE, findings, content)
    if change is not None and call.journey.plan is not None:
        report.change(change, call.journey.plan)
    for kit in made:
        old = aside[kit.directory].name
        print(f"Made anew: {answers.clients.directory / kit.directory}, to {kit.not_after:%Y-%m-%d}; the old one is {old}")
    if change is None and not made:
        print("Nothing is due.")
    if ending:
        print(f"Next: {ending[0].part} {ending[0].name}, due from {ending[0].due:%Y-%m-%d}.")
    report.findings(finding for finding in findings if change is None or finding not in change.findings)
    return ExitCode.DONE
