"""What a rehearsal tries once the throwaway server runs the planned files: the table of logins, a reload, client certificates."""

from __future__ import annotations

import dataclasses
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pgssl_wizard.change import imports
from pgssl_wizard.change.after import read_rules
from pgssl_wizard.change.contents import Contents
from pgssl_wizard.change.not_ours import not_ours
from pgssl_wizard.change.serving import PATIENCE, not_taken
from pgssl_wizard.change.staging import Staging
from pgssl_wizard.change.staging_tls import set_in_file
from pgssl_wizard.cluster.facts import Cluster, Postmaster, Setting
from pgssl_wizard.cluster.reading import names_in, read_bytes
from pgssl_wizard.errors import Refused
from pgssl_wizard.plan.model import Plan
from pgssl_wizard.plan.passphrase import reload_can_open
from pgssl_wizard.proof import tester
from pgssl_wizard.proof.model import Attempt, Proof
from pgssl_wizard.proof.verify import objections, try_certificates, verify
from pgssl_wizard.server import as_user, attempt, handshake, log
from pgssl_wizard.server.lifecycle import StartFailed
from pgssl_wizard.server.throwaway import Throwaway

LOOPBACK = "127.0.0.1"
#: Said at the beginning of a reload, which is over before the next connection is taken.
_RELOADS = "received SIGHUP"
_PAUSE = 0.01


@dataclass(frozen=True, slots=True)
class Trial:
    """A throwaway server that runs the planned files.

    Attributes:
        values: the settings of TLS in its configuration.
        options: what it was started with besides.
        passwords: of the roles that client certificates are tried with.
    """

    plan: Plan
    cluster: Cluster
    contents: Contents
    throwaway: Throwaway
    staging: Staging
    values: Mapping[str, str]
    options: Mapping[str, str]
    passwords: Mapping[str, str] = field(repr=False)

    def run(self) -> tuple[Attempt, ...]:
        """Try everything; return the logins that were made.

        Raises:
            Refused: something does not go as planned, in the server's or the client's words.
        """
        with tempfile.TemporaryDirectory(prefix="pgssl-client-") as place:
            root = None
            if self.contents.trust_anchor is not None:
                root = Path(place) / "root.crt"
                root.write_bytes(self.contents.trust_anchor)
            attempts = self._table(root)
            self._administrator()
            made = self._trust_a_tester(Path(place))
            self._take_anew()
            if made is not None and root is not None:
                attempts += self._certificates(made, root)
        return attempts

    def _table(self, root: Path | None) -> tuple[Attempt, ...]:
        """Log in with every sslmode and root, as a client that the planned rules let in."""
        proof = verify(
            self._as_planned(),
            names=self.plan.answers.server.names,
            root=root,
            rootless=root is None,
            uncovered=imports.names_not_carried(self.plan),
        )
        self._refuse_unless_it_holds(proof)
        return proof.attempts

    def _certificates(self, made: tester.Tester, root: Path) -> tuple[Attempt, ...]:
        """Log in with client certificates that are right, expired, revoked, and in another name."""
        names = self.plan.answers.server.names
        attempts = try_certificates(self._as_planned(), made.shown, names=names, root=root, passwords=self.passwords)
        self._refuse_unless_it_holds(Proof(handshake.fetch(LOOPBACK, self.throwaway.port), True, attempts))
        return attempts

    def _as_planned(self) -> Cluster:
        """Return the throwaway server as if it were the cluster after the change."""
        pid = self.throwaway.pid
        if pid is None:
            raise self._refused("the server with these files ended by itself")
        hba_file = self.staging.path(self.cluster.hba_file)
        settings = {name: setting for name, setting in self.cluster.settings.items() if not name.startswith("ssl")}
        return dataclasses.replace(
            self.cluster,
            settings=settings | {name: Setting(name, value, "file") for name, value in self.values.items()},
            rules=read_rules(hba_file, self.cluster.major),
            hba_file=hba_file,
            ident_file=self.staging.path(self.cluster.ident_file),
            postmaster=Postmaster(pid, self.throwaway.port, self.throwaway.socket_directory, LOOPBACK),
        )

    def _administrator(self) -> None:
        """See that the rules for the socket do not shut out whoever administers the cluster today."""
        says = self.cluster.server
        if says is None:
            return
        directory = str(self.throwaway.socket_directory)

        def enter() -> attempt.Tried:
            return attempt.try_connection(directory, self.throwaway.port, says.user, "postgres", sslmode="disable")

        try:
            owner = self.throwaway.identity
            tried = enter() if owner.is_us else as_user.call(owner.uid, enter)
        except as_user.NotPossible:
            return
        # Being asked for a password is to be let in; what fails after that (there is no such role here) says nothing about the rules.
        if tried.stopped_by in {"rules", "method"}:
            raise self._refused(f"the administrator's own way in would be shut: {tried.message}", where=str(self.cluster.hba_file))

    def _trust_a_tester(self, place: Path) -> tester.Tester | None:
        """Have the server trust a throwaway CA besides those that are planned; None where no client certificates are asked for."""
        if not self.values.get("ssl_ca_file"):
            return None
        file, directory = self.values.get("ssl_crl_file"), self.values.get("ssl_crl_dir")
        cluster = self._as_planned()
        made = tester.make(place, cluster, tuple(self.passwords), LOOPBACK, lists=bool(file or directory))
        changed = {"ssl_ca_file": str(self._extended("ca", self.values["ssl_ca_file"], made.certificate))}
        if file:
            changed["ssl_crl_file"] = str(self._extended("crl", file, made.revoked_list))
        elif directory:
            changed["ssl_crl_dir"] = str(self._directory_with(Path(directory), f"{made.hash_name}.r", made.revoked_list))
        set_in_file(self.throwaway, changed)
        return made

    def _extended(self, name: str, file: str, more: bytes) -> Path:
        """Return a copy of a file with something added at its end."""
        data = read_bytes(self.cluster.data_directory / file) or b""
        return self.staging.put_as_is(Path(f"/tester/{name}.pem"), data.rstrip(b"\n") + b"\n" + more)

    def _directory_with(self, directory: Path, name: str, data: bytes) -> Path:
        """Return a copy of a directory of lists with one more list in it."""
        names = names_in(self.cluster.data_directory / directory) or []
        for each in names:
            self.staging.put_as_is(Path("/tester/lists") / each, read_bytes(self.cluster.data_directory / directory / each) or b"")
        free = next(number for number in range(len(names) + 1) if f"{name}{number}" not in names)
        return self.staging.put_as_is(Path("/tester/lists") / f"{name}{free}", data).parent

    def _take_anew(self) -> None:
        """Reload the server, or start it again where no reload can open its key, and see that it serves the planned certificate still."""
        said = len(self.throwaway.log())
        if reload_can_open(self.plan.answers):
            self.throwaway.reload()
            end = time.monotonic() + PATIENCE
            while _RELOADS not in self.throwaway.log()[said:]:
                if time.monotonic() > end or self.throwaway.pid is None:
                    raise self._refused("the server with these files does not answer a reload")
                time.sleep(_PAUSE)
        else:
            self.throwaway.stop()
            try:
                self.throwaway.start(self.options)
            except StartFailed as failure:
                raise self._refused(f"the server would not start a second time: {failure.message}") from failure
        # Taken after the reload is over, so that what it had to say is in the log.
        served = handshake.fetch(LOOPBACK, self.throwaway.port)
        complaints = [str(each) for each in log.parse(self.throwaway.log()[said:]) if log.is_complaint(each)]
        words = not_taken(complaints, not_ours(self.plan, self.cluster))
        if words:
            raise self._refused(f"a reload would not take these files: {' / '.join(words)}")
        if served is None or served.sha256 != self.contents.leaf_sha256:
            raise self._refused("after a reload the server does not show the planned certificate")

    def _refuse_unless_it_holds(self, proof: Proof) -> None:
        objection = objections(proof)
        if objection is not None:
            raise self._refused(f"tried on a throwaway cluster, this plan does not do what it promises: {objection}")

    def _refused(self, words: str, *, where: str | None = None) -> Refused:
        return Refused(
            self.staging.unstaged(words),
            where=where or str(self.cluster.data_directory),
            hint="nothing was changed; --no-rehearse does without this test",
            code="rehearsal-failed",
        )
