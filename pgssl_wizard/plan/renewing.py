"""Making anew what ends: what stands in the way of it, what comes of it, and the lines that do it by themselves. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

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
        keys: the CA's keys that have to be here when `renew` runs; empty where it needs none, or there is no such line.
    """

    check: str
    renew: str | None = None
    timer: tuple[str, str] | None = None
    keys: tuple[Path, ...] = ()

    @property
    def about_keys(self) -> str | None:
        """What is to be said of these keys, None for none."""
        if not self.keys:
            return None
        what = "this key" if len(self.keys) == 1 else "these keys"
        return f"Renewing by timer needs {what} here: {', '.join(map(str, self.keys))}. Without, leave that line out and renew by hand."


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
            hint="Apply the same answers with files.crl (or files.crl_dir) set, which places the lists of the CAs.",
            code="nothing-to-renew",
        )
    if not {"server", "intermediate"} & renew:
        return
    check_in_use(cluster, answers)
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
    return Upkeep(check_line, f"0 3 * * 1  {user}  {command}".replace("%", "\\%"), (timer, service), _keys(answers))


def _keys(answers: Answers) -> tuple[Path, ...]:
    """Return the keys with which renewing signs: the CA's above the server, and the root's where its list has to be made anew too."""
    certificate = answers.certificate
    root = certificate.ca_directory / "root.key"
    if certificate.source == "new-ca":
        lists = answers.files.crl is not None or answers.files.crl_dir is not None
        middle = certificate.ca_directory / "intermediate.key"
        return (middle, *([root] if lists else [])) if certificate.intermediate else (root,)
    if certificate.source == "existing-ca" and certificate.ca_key is not None:
        return (certificate.ca_key,)
    return ()


def check_in_use(cluster: Cluster, answers: Answers) -> None:
    """Refuse when the server's certificate is another than that of the answers: renewing it would renew nothing.

    Raises:
        Refused: names the certificate.
    """
    if cluster.value("ssl") == "on" and cluster.path_of("ssl_cert_file") == answers.files.certificate:
        return
    raise Refused(
        "The certificate of these answers is not the one that the server uses.",
        where=str(answers.files.certificate),
        hint="Apply the answers first, or name those of the last change with -a.",
        code="not-in-use",
    )
