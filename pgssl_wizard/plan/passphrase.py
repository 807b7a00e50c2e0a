"""A server key with a passphrase: the settings, what a reload can still do, and what that means for the person. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from pgssl_wizard.answers import Answers
from pgssl_wizard.cluster.facts import Cluster
from pgssl_wizard.errors import UnusableInput
from pgssl_wizard.files import passphrase_commands
from pgssl_wizard.files.values import boolean
from pgssl_wizard.findings import Finding

if TYPE_CHECKING:
    from pgssl_wizard.plan.model import Asks, Plan, PlannedFile

_COMMAND = "certificate.passphrase_command"


def settings(cluster: Cluster, answers: Answers) -> dict[str, str]:
    """Return the settings that open the key, or that take away what opened an earlier one.

    Raises:
        UnusableInput: a percent sign in the command that this major would end itself over.
    """
    certificate = answers.certificate
    if certificate.passphrase == "command":
        stray = passphrase_commands.stray(certificate.passphrase_command)
        if stray is not None and cluster.major >= passphrase_commands.STRICT_SINCE:
            raise UnusableInput(
                f"PostgreSQL {cluster.major} ends itself at a reload over {stray} in this command.",
                where=_COMMAND,
                hint="Write %% for a percent sign; %p is the prompt.",
                code="passphrase-command-percent",
            )
        return {
            "ssl_passphrase_command": certificate.passphrase_command,
            "ssl_passphrase_command_supports_reload": "on" if certificate.passphrase_reload else "off",
        }
    wanted = {}
    if cluster.value("ssl_passphrase_command"):
        wanted["ssl_passphrase_command"] = ""
    if boolean(cluster.value("ssl_passphrase_command_supports_reload")):
        wanted["ssl_passphrase_command_supports_reload"] = "off"
    return wanted


def reload_can_open(answers: Answers) -> bool:
    """Whether a reload can load the key that the answers ask for; else new files of TLS count only after a restart."""
    certificate = answers.certificate
    return certificate.passphrase == "none" or (certificate.passphrase == "command" and certificate.passphrase_reload)


def asked(answers: Answers, changes: Iterable[PlannedFile], *, ca_key_shut: bool) -> tuple[Asks, ...]:
    """Return the passphrases that somebody has to type at apply.

    Args:
        answers: complete.
        changes: the planned files.
        ca_key_shut: the key of a CA that stands and signs is encrypted, and no command opens it.
    """
    certificate, roles = answers.certificate, {change.role for change in changes}
    found: list[Asks] = []
    if ca_key_shut:
        found.append("ca-key")
    if certificate.encrypt_ca_key and not certificate.ca_passphrase_command and {"root-key", "intermediate-key"} & roles:
        found.append("new-ca-key")
    if certificate.passphrase == "prompt" and not certificate.passphrase_command and {"server-key", "server-pair", "requested-key"} & roles:
        found.append("server-key")
    return tuple(found)


def findings(plan: Plan, cluster: Cluster) -> Iterator[Finding]:
    """Yield what a key with a passphrase brings with it."""
    certificate = plan.answers.certificate
    if certificate.passphrase == "none":
        return
    where = str(plan.answers.files.key)
    if certificate.passphrase == "prompt":
        yield Finding(
            "warning",
            "asks-at-start",
            "The server asks for the passphrase at its terminal at every start: it comes up neither by itself after a reboot, nor by systemd "
            "or pg_ctl, which give it no terminal.",
            "Only `postgres -D` in the foreground asks. A passphrase command does it without anybody there.",
            where,
            "key",
        )
    else:
        user = cluster.owner.split(":")[0]
        when = "start and reload" if certificate.passphrase_reload else "start"
        yield Finding(
            "info",
            "passphrase-by-command",
            f"At every {when} the server runs the command as {user}, and answers nobody until it ends.",
            "It must work without a terminal, also at boot.",
            where,
            "key",
        )
        if passphrase_commands.spells_it_out(certificate.passphrase_command):
            yield Finding(
                "warning",
                "passphrase-in-command",
                "The command spells the passphrase out: whoever reads the settings, a backup of them or the list of processes has it.",
                "Let the command fetch it: from a file of the server's user alone, a vault, or systemd's credentials.",
                _COMMAND,
                "key",
            )
        stray = passphrase_commands.stray(certificate.passphrase_command)
        if stray is not None:
            yield Finding(
                "warning",
                "passphrase-command-percent",
                f"{stray} in the command is taken as it stands by {cluster.major}; {passphrase_commands.STRICT_SINCE} and newer end themselves over it.",
                "Write %% for a percent sign, which every version reads as one.",
                _COMMAND,
                "key",
            )
    if not reload_can_open(plan.answers):
        yield Finding(
            "warning" if cluster.running and plan.effective == "restart-needed" else "info",
            "key-needs-restart",
            "A reload cannot open this key: new certificates, CAs and ciphers count only after a restart.",
            f"After each change, {cluster.to('restart')}."
            + (" With certificate.passphrase_reload = true and a command, a reload can." if certificate.passphrase == "command" else ""),
            where,
            "key",
        )
