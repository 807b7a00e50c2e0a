"""Making anew what ends: what stands in the way of it, what comes of it, and the lines that do it by themselves. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from pgssl_wizard.answers import Answers
from pgssl_wizard.cluster.facts import Cluster
from pgssl_wizard.cluster.standing import Renewable
from pgssl_wizard.errors import Refused
from pgssl_wizard.findings import Finding
from pgssl_wizard.plan.model import Plan

#: Sources whose certificate we can make again by ourselves.
_OURS = frozenset({"self-signed", "new-ca", "existing-ca"})


@dataclass(frozen=True, slots=True)
class Upkeep:
    """The lines for a cluster that is set up.

    Attributes:
        check: for a crontab: looks every morning and sends mail when something falls short.
        renew: for a crontab: renews every week what is due; None where somebody has to be there for it.
        timer: the same for systemd: the text of a timer and of its service; None likewise.
    """

    check: str
    renew: str | None = None
    timer: tuple[str, str] | None = None


def check(cluster: Cluster, answers: Answers, renew: frozenset[Renewable]) -> None:
    """Refuse to renew what is not in use, or was not made here.

    Raises:
        Refused: with the way to go instead.
    """
    source = answers.certificate.source
    if "crl" in renew and answers.files.crl is None and answers.files.crl_dir is None:
        raise Refused(
            "No revocation list is placed on this server by the last answers.",
            where="files.crl",
            hint=f"pgssl-wizard revoke --renew --ca {answers.certificate.ca_directory} makes that of a CA anew.",
            code="nothing-to-renew",
        )
    if not {"server", "intermediate"} & renew:
        return
    if cluster.value("ssl") != "on" or cluster.path_of("ssl_cert_file") != answers.files.certificate:
        raise Refused(
            "The certificate of these answers is not the one that the server uses.",
            where=str(answers.files.certificate),
            hint="Apply the answers first, or name those of the last change with -a.",
            code="not-in-use",
        )
    if source not in _OURS:
        raise Refused(
            "This certificate was signed elsewhere, and only its CA can renew it.",
            where=str(answers.files.certificate),
            hint=f"pgssl-wizard apply {cluster.data_directory} --set certificate.source=request makes the next request.",
            code="signed-elsewhere",
        )
    if "intermediate" in renew and (source != "new-ca" or not answers.certificate.intermediate):
        raise Refused(
            "There is no intermediate of ours above this certificate.",
            where="certificate.intermediate",
            hint="An existing CA is renewed where it was made.",
            code="nothing-to-renew",
        )


def findings(plan: Plan) -> tuple[Finding, ...]:
    """Return what renewing brings with it."""
    return tuple(_findings(plan))


def _findings(plan: Plan) -> Iterator[Finding]:
    made = {profile.kind for profile in plan.issue}
    if "root" in made:
        yield Finding(
            "error",
            "ca-missing",
            "There is no CA at its place, and renewing makes no new one: clients would refuse it.",
            "Name its directory: --set certificate.ca_directory=DIR.",
            str(plan.answers.certificate.ca_directory),
            "certificate",
        )
    if "self-signed" in made:
        yield Finding(
            "warning",
            "self-signed",
            "Self-signed: every client that verifies needs the new file from now on.",
            None,
            str(plan.answers.files.certificate),
            "certificate",
        )
    if "intermediate" in made:
        yield Finding(
            "info",
            "intermediate-keeps-key",
            "The intermediate keeps its key, so what it signed stays good; the kits of clients hold the old one until renew --clients.",
            None,
            str(plan.answers.certificate.ca_directory / "intermediate.crt"),
            "certificate",
        )
    if plan.effective == "restart-needed":
        yield Finding(
            "warning", "restart-needed", "No reload can open the key: restart the server for the new files to count.", None, None, "apply"
        )


def upkeep(plan: Plan, program: str, *, user: str) -> Upkeep:
    """Return the lines that keep this cluster in order.

    Args:
        plan: that was applied.
        program: how this program is called.
        user: who runs the lines.
    """
    directory, answers = shlex.quote(str(plan.data_directory)), plan.answers
    # In a crontab a percent sign ends the command.
    check_line = f"0 6 * * *  {user}  {program} check -q {directory}".replace("%", "\\%")
    certificate = answers.certificate
    opens = not certificate.encrypt_ca_key or bool(certificate.ca_passphrase_command)
    alone = certificate.source in _OURS and certificate.passphrase != "prompt" and opens
    if not alone or plan.asks:
        return Upkeep(check_line)
    command = f"{program} renew --all {directory}"
    service = f"[Unit]\nDescription=Renew the TLS certificates of {plan.data_directory}\n\n[Service]\nType=oneshot\nExecStart={command.replace('%', '%%')}\n"
    timer = "[Timer]\nOnCalendar=weekly\nRandomizedDelaySec=6h\nPersistent=true\n\n[Install]\nWantedBy=timers.target\n"
    return Upkeep(check_line, f"0 3 * * 1  {user}  {command}".replace("%", "\\%"), (timer, service))
