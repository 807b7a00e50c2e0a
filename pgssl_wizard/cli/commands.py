"""The commands that exist: each reads its arguments, walks the journey, and reports."""

from __future__ import annotations

from pathlib import Path

import click

from pgssl_wizard.answers import QUESTIONS, Question
from pgssl_wizard.cli import report, report_changes, report_proof
from pgssl_wizard.cli.calling import CONFIRM_OPTION, EMPTY, Call, PathArgument, answers_options, command, read_answers, refuse_unfinished
from pgssl_wizard.cli.options import WizardOptions
from pgssl_wizard.errors import ExitCode, UnusableInput
from pgssl_wizard.findings import Finding

_DIRECTORY = click.argument("data_directory", metavar="DATADIR", type=PathArgument())


def _keys_in_words() -> str:
    """Return the keys of the answers file for the help of `plan` and `apply`."""
    lines = [f"  {question.key:32} {question.help}{_values(question)}" for question in QUESTIONS.values()]
    return "\b\nKeys for --set and the answers file (their values; the default):\n" + "\n".join(lines)


def _values(question: Question) -> str:
    """Return what may stand there, and what does when nobody says; nothing for free text that depends on the cluster."""
    if question.choices:
        values = "|".join(question.choices)
    elif question.kind == "boolean":
        values = "true|false"
    elif question.minimum is not None and question.maximum is not None:
        values = f"{question.minimum} to {question.maximum}"
    else:
        return ""
    default = str(question.default).lower() if isinstance(question.default, bool) else question.default
    return f" ({values}{'' if default is None else f'; {default}'})"


def _wizard(call: Call, data_directory: Path | None, *, practice: bool) -> int:
    from pgssl_wizard.cli.wizard import start  # noqa: PLC0415

    journey = call.journey
    return start(WizardOptions(data_directory, journey.pg_bin, journey.user, journey.database, journey.read_only, journey.given, practice))


@command("setup", json_too=False)
@click.argument("data_directory", metavar="[DATADIR]", required=False, type=PathArgument())
@answers_options
def setup(call: Call, data_directory: Path | None = None, answers_file: Path | None = None, assignments: tuple[str, ...] = ()) -> int:
    """Open the wizard."""
    call.journey.given = read_answers(answers_file, assignments)
    return _wizard(call, data_directory, practice=False)


@command("practice", json_too=False)
def practice(call: Call) -> int:
    """Open the wizard on a throwaway cluster, gone at the end."""
    return _wizard(call, None, practice=True)


@command("inspect")
@_DIRECTORY
def inspect(call: Call, data_directory: Path) -> int:
    """What is there: version, settings and their sources, certificates, rules, findings. Reads only."""
    cluster = call.journey.inspect(data_directory)
    said = call.journey.unfinished
    if call.as_json:
        from pgssl_wizard.cli.json_out import cluster_to_json  # noqa: PLC0415

        return call.document(ExitCode.DONE, (*cluster.findings, *said), {"cluster": cluster_to_json(cluster)})
    report.cluster(cluster)
    report.findings(said)
    return ExitCode.DONE


@command("plan")
@_DIRECTORY
@answers_options
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="PLAN", help="Save the plan, for `apply DATADIR PLAN`.")
def plan(call: Call, data_directory: Path, answers_file: Path | None, assignments: tuple[str, ...], output: Path | None) -> int:
    """What would change: files, diffs, settings, SQL, openssl equivalents, findings. Writes nothing but PLAN."""
    journey = call.journey
    journey.given = read_answers(answers_file, assignments)
    if output is not None:
        journey.refuse_when_read_only("plan -o")
    cluster = journey.inspect(data_directory)
    waiting = refuse_unfinished(cluster.data_directory, writes=False)
    made = journey.make_plan()
    if output is not None:
        from pgssl_wizard.change.write import save  # noqa: PLC0415
        from pgssl_wizard.plan.serialise import dump  # noqa: PLC0415

        save(output, dump(made))
        call.talk(f"plan saved to {output}")
    code = ExitCode.FALLS_SHORT if made.locked_out else ExitCode.DONE
    if call.as_json:
        from pgssl_wizard.plan.serialise import plan_to_json  # noqa: PLC0415

        return call.document(code, (*made.findings, *waiting), plan_to_json(made))
    report.plan(made, cluster)
    report.findings(waiting)
    return code


@command("apply")
@_DIRECTORY
@click.argument("plan_file", metavar="[PLAN]", required=False, type=PathArgument())
@answers_options
@click.option("--no-rehearse", is_flag=True, help="Do not try the new files on a throwaway cluster first.")
@click.option("--no-reload", is_flag=True, help="Write the files and leave the running server as it is.")
@click.option("--accept-lock-out", is_flag=True, help="Go on although somebody known will be refused afterwards.")
@click.option("--accept-weak", is_flag=True, help="Go on although NULL ciphers or TLS 1.0 or 1.1 are let in.")
@CONFIRM_OPTION
def apply(
    call: Call,
    data_directory: Path,
    plan_file: Path | None,
    answers_file: Path | None,
    assignments: tuple[str, ...],
    no_rehearse: bool,
    no_reload: bool,
    accept_lock_out: bool,
    accept_weak: bool,
    confirm_within: int | None,
) -> int:
    """The change: rehearse, write, reload, prove; put everything back if the proof fails."""
    if plan_file is not None and (answers_file or assignments):
        raise UnusableInput("A saved plan has its answers in it; -a and --set do not go with one.", code="usage")
    journey = call.journey
    journey.refuse_when_read_only("apply")
    journey.confirm_within = confirm_within
    journey.given = read_answers(answers_file, assignments)
    cluster = journey.inspect(data_directory)
    refuse_unfinished(cluster.data_directory)
    if plan_file is not None:
        from pgssl_wizard.plan.serialise import load  # noqa: PLC0415

        saved = load(_read(plan_file), str(plan_file))
        if saved.data_directory != cluster.data_directory:
            raise UnusableInput(f"This plan is for {saved.data_directory}.", where=str(plan_file), code="bad-plan")
        journey.take_plan(saved)
    else:
        journey.make_plan()
    assert journey.plan is not None
    from pgssl_wizard.cli.asking import ask  # noqa: PLC0415

    if not call.as_json and journey.plan.changes:
        report.cautions(journey.plan.findings, quiet=call.quiet)
    change = journey.apply(
        report.progress(call.quiet),
        ask=ask,
        rehearse=not no_rehearse,
        reload=not no_reload,
        accept_lock_out=accept_lock_out,
        accept_weak=accept_weak,
    )
    findings = (*journey.plan.findings, *change.findings)
    if call.as_json:
        from pgssl_wizard.change.serialise import change_to_json  # noqa: PLC0415

        lines = journey.upkeep()
        timer = {"timer": lines.timer[0], "service": lines.timer[1]} if lines.timer else None
        renewal = {"renewal": {"check": lines.check, "renew": lines.renew, "systemd": timer}}
        card = {"custody_card": change.card or None}
        return call.document(ExitCode.DONE, findings, {**change_to_json(change), **renewal, **card})
    report.change(change, journey.plan, journey.upkeep())
    return ExitCode.DONE


@command("rollback")
@_DIRECTORY
@click.argument("change_id", metavar="[CHANGE]", required=False)
def rollback(call: Call, data_directory: Path, change_id: str | None) -> int:
    """Put back what stood before the last (or the named) change, byte for byte; also ends an interrupted one."""
    from pgssl_wizard.change.rollback import rollback as put_back  # noqa: PLC0415
    from pgssl_wizard.cluster.layout import data_directory_of  # noqa: PLC0415

    call.journey.refuse_when_read_only("rollback")
    change = put_back(data_directory_of(data_directory), change_id, report.progress(call.quiet))
    if call.as_json:
        from pgssl_wizard.change.serialise import change_to_json  # noqa: PLC0415

        return call.document(ExitCode.DONE, change.findings, change_to_json(change))
    report.undone(change)
    return ExitCode.DONE


@command("history")
@_DIRECTORY
def history(call: Call, data_directory: Path) -> int:
    """The changes made, newest first."""
    from pgssl_wizard.change.history import history as changes_of  # noqa: PLC0415
    from pgssl_wizard.cluster.layout import data_directory_of  # noqa: PLC0415

    changes = changes_of(data_directory_of(data_directory))
    if call.as_json:
        from pgssl_wizard.change.serialise import summary_to_json  # noqa: PLC0415

        findings = [finding for change in changes for finding in change.findings]
        return call.document(ExitCode.DONE, findings, {"changes": [summary_to_json(change) for change in changes]})
    report_changes.history(changes)
    return ExitCode.DONE


@command("verify")
@click.argument("data_directory", metavar="[DATADIR]", required=False, type=PathArgument())
@click.option("--host", help="A server elsewhere, by the name that clients use.")
@click.option("--port", type=click.IntRange(1, 65535), help="With --host.  [default: 5432]")
@click.option("--root", type=click.Path(path_type=Path), help="The root certificate that clients have.")
@click.option("--certificate", type=click.Path(path_type=Path), metavar="FILE", help="A client certificate to try as well; with --key.")
@click.option("--key", type=click.Path(path_type=Path), metavar="FILE", help="Its private key, without a passphrase.")
def verify(
    call: Call,
    data_directory: Path | None,
    host: str | None,
    port: int | None,
    root: Path | None,
    certificate: Path | None,
    key: Path | None,
) -> int:
    """Proof by real connections: served = on disk = configured, every sslmode with and without the right root, and every way in."""
    from pgssl_wizard.change.after import known_here  # noqa: PLC0415
    from pgssl_wizard.proof import named  # noqa: PLC0415
    from pgssl_wizard.proof.names import source_of  # noqa: PLC0415
    from pgssl_wizard.proof.serialise import proof_to_json  # noqa: PLC0415
    from pgssl_wizard.proof.verify import verify as prove  # noqa: PLC0415
    from pgssl_wizard.proof.verify import verify_remote  # noqa: PLC0415

    if (data_directory is None) == (host is None):
        raise UnusableInput("verify wants a data directory, or --host with --port and --root.", code="usage")
    if data_directory is not None and port is not None:
        raise UnusableInput("--port goes with --host; a data directory says its port itself.", code="usage")
    if (certificate is None) != (key is None):
        raise UnusableInput("--certificate and --key go together.", code="usage")
    journey = call.journey
    said: tuple[Finding, ...] = ()
    if data_directory is not None:
        cluster = journey.inspect(data_directory)
        shown = []
        address = source_of(cluster.postmaster)
        if certificate is not None and key is not None and address is not None:
            own = named.named_here(cluster, certificate, key, user=journey.user, address=address)
            shown, said = [own.shown], own.findings
        known = known_here(cluster)
        proof = prove(cluster, root=root, user=journey.user, database=journey.database, shown=shown, ways=True, known=known)
        said = (*said, *journey.unfinished)
    else:
        theirs = named.named_elsewhere(certificate, key, user=journey.user) if certificate and key else None
        proof = verify_remote(
            str(host),
            port or 5432,
            root,
            user=journey.user,
            database=journey.database,
            shown=theirs,
        )
    code = ExitCode.DONE if proof.holds else ExitCode.FALLS_SHORT
    if call.as_json:
        return call.document(code, (*report_proof.findings(proof), *said), {**EMPTY["verify"], **proof_to_json(proof)})
    report_proof.proof(proof)
    report.findings(said)
    return code


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UnusableInput(f"The plan cannot be read: {error.strerror}.", where=str(path), code="unreadable-file") from error


for _command in (plan, apply):
    _command.epilog = _keys_in_words()
