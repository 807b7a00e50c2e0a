"""Passphrases that a file, a command or the person gives. They stay in memory: nothing prints, stores or passes them on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from pgssl_wizard.cluster.facts import Cluster
from pgssl_wizard.errors import Refused, UnusableInput
from pgssl_wizard.plan.model import Asks, Plan
from pgssl_wizard.server import command_line, passphrase, shell_command
from pgssl_wizard.server.identity import Identity

#: Asks a person for the passphrase of a key's file; None: there is nobody to ask.
Ask = Callable[[Asks, Path], bytes | None]

#: OpenSSL's buffer, and so the server's, has room for one byte more.
LONGEST = 1023


@dataclass(slots=True)
class Passphrases:
    """The passphrases that one change needs, each asked for once, when it is needed.

    Attributes:
        ask: the person, None where there is nobody.
    """

    plan: Plan
    cluster: Cluster
    ask: Ask | None = None
    _known: dict[str, bytes] = field(default_factory=dict, repr=False)

    def ca_key(self, path: Path) -> bytes:
        """Return what opens the key of a CA that stands.

        Raises:
            Refused: nobody says it.
            UnusableInput: the command for it does not work.
        """
        command = self.plan.answers.certificate.ca_passphrase_command
        if command:
            return self._once("ca", lambda: from_command(command, "certificate.ca_passphrase_command"))
        return self._asked("ca-key", path, "is encrypted", "ca-encrypted", "certificate.ca_passphrase_command")

    def new_ca_key(self) -> bytes | None:
        """Return the passphrase that a new CA's keys get; None where they get none.

        Raises:
            Refused: nobody says it.
            UnusableInput: the command for it does not work.
        """
        certificate = self.plan.answers.certificate
        if not certificate.encrypt_ca_key:
            return None
        if certificate.ca_passphrase_command:
            return self.ca_key(certificate.ca_directory)
        path = certificate.ca_directory / "root.key"
        return self._asked("new-ca-key", path, "is to be encrypted", "passphrase-missing", "certificate.ca_passphrase_command")

    def server_key(self) -> bytes | None:
        """Return the passphrase that the server's key gets; None where it gets none. A command is run as the server will run it.

        Raises:
            Refused: nobody says it.
            UnusableInput: the command for it does not work.
        """
        certificate = self.plan.answers.certificate
        if certificate.passphrase == "none":
            return None
        if certificate.passphrase_command:
            return self._once("server", self._by_server_command)
        return self._asked(
            "server-key", self.plan.answers.files.key, "is to be encrypted", "passphrase-missing", "certificate.passphrase_command"
        )

    def _by_server_command(self) -> bytes:
        running = self.cluster.postmaster
        return passphrase.ask(
            self.plan.answers.certificate.passphrase_command,
            Identity.of(self.cluster.uid, self.cluster.gid),
            self.cluster.data_directory,
            command_line.environment(running.pid) if running else None,
            where="certificate.passphrase_command",
        )

    def _asked(self, what: Asks, path: Path, why: str, code: str, key: str) -> bytes:
        known = self._known.get(what) if what != "ca-key" else None
        found = known or (self.ask(what, path) if self.ask else None)
        if not found:
            raise Refused(
                f"{why}, and nobody is here to say its passphrase",
                where=str(path),
                hint=f"run it at a terminal, or name a command that prints the passphrase: {key}",
                code=code,
            )
        self._known[what] = _short_enough(found, str(path))
        return found

    def _once(self, name: str, get: Callable[[], bytes]) -> bytes:
        if name not in self._known:
            self._known[name] = _short_enough(get(), name)
        return self._known[name]


def _short_enough(given: bytes, where: str) -> bytes:
    if len(given) > LONGEST:
        raise UnusableInput(f"The passphrase is longer than OpenSSL takes ({LONGEST} bytes).", where=where, code="bad-passphrase")
    return given


def from_command(command: str, where: str) -> bytes:
    """Return the first line that a shell command prints; its standard error goes where ours goes.

    Raises:
        UnusableInput: it fails, or prints nothing.
    """
    return shell_command.passphrase(command, where)


def from_file(path: Path, where: str) -> bytes:
    """Return the first line of a file.

    Raises:
        UnusableInput: it cannot be read, or its first line is empty or no UTF-8.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UnusableInput(f"The passphrase cannot be read: {error.strerror}.", where=str(path), code="unreadable-file") from error
    return check(shell_command.first_line(data, where), where)


def check(passphrase: bytes, where: str) -> bytes:
    """Return a passphrase that a PKCS#12 file can have.

    Raises:
        UnusableInput: it is no UTF-8, or holds a zero byte, which programs read differently.
    """
    try:
        passphrase.decode()
    except UnicodeDecodeError:
        raise UnusableInput("The passphrase is no UTF-8.", where=where, code="bad-passphrase") from None
    if b"\0" in passphrase:
        raise UnusableInput("The passphrase holds a zero byte.", where=where, code="bad-passphrase")
    return passphrase
