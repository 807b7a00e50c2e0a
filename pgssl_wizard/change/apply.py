"""Carrying out a plan: rehearse, record, write, reload, prove; TLS first, then the rules; or put everything back."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from pgssl_wizard.change import checks, imports, planned_kits, recorded, retention, transaction
from pgssl_wizard.change.after import cluster_after, who_is_known
from pgssl_wizard.change.confirm import about_the_watchdog, leave_pending, not_pending
from pgssl_wizard.change.contents import Contents, fingerprint, make, setting_after
from pgssl_wizard.change.history import as_change
from pgssl_wizard.change.journal import Journal
from pgssl_wizard.change.lock import exclusive
from pgssl_wizard.change.model import Change
from pgssl_wizard.change.not_ours import not_ours
from pgssl_wizard.change.not_proved import WHY_NOT_PROVED, WHY_NOT_RELOADED, not_proved
from pgssl_wizard.change.passphrases import Ask
from pgssl_wizard.change.progress import Report, silent, skipped, station
from pgssl_wizard.change.put_back import put_back
from pgssl_wizard.change.rehearse import has_programs
from pgssl_wizard.change.rehearse import rehearse as rehearse_plan
from pgssl_wizard.change.requests import is_request
from pgssl_wizard.change.serving import NotProved, RunningServer
from pgssl_wizard.change.signals import Stopped, Watch, watched
from pgssl_wizard.change.unfinished import refuse_unfinished
from pgssl_wizard.change.way_in import WayIn
from pgssl_wizard.cluster.facts import Cluster, Postmaster
from pgssl_wizard.errors import Refused
from pgssl_wizard.findings import Finding
from pgssl_wizard.plan.kits import places
from pgssl_wizard.plan.model import Effective, Plan
from pgssl_wizard.proof.model import Attempt, Proof
from pgssl_wizard.proof.verify import objections, verify
from pgssl_wizard.server import command_line, postmaster


def apply(
    plan: Plan,
    cluster: Cluster,
    *,
    report: Report = silent,
    rehearse: bool = True,
    reload: bool = True,
    accept_lock_out: bool = False,
    accept_weak: bool = False,
    confirm_within: float | None = None,
    ask: Ask | None = None,
    user: str | None = None,
    database: str | None = None,
) -> Change:
    """Carry out `plan` on `cluster` and prove it.

    Args:
        plan: what to do; refused when a file that it was made from has changed since.
        cluster: what the plan was made from.
        report: is told of every station.
        rehearse: try the planned files on a throwaway cluster of the same programs first.
        reload: ask a running server to take the new files.
        accept_lock_out: go on although somebody known will no longer get in.
        accept_weak: go on although the plan holds NULL ciphers or old versions of TLS.
        confirm_within: seconds after which a change that is in force is put back unless it is confirmed; None: it stands.
        ask: a person who knows the passphrases that no command gives.
        user: whom the administrator logs in as; by default as found when the cluster was inspected.
        database: which database the administrator's login uses.

    Returns:
        The change, with its proof where there was a server to prove it on; `id` is None when there was nothing to do.

    Raises:
        Refused: nothing was changed; also while an earlier change waits to be confirmed.
        Interrupted: an earlier change was cut short and has to be rolled back first; or this one could not be put back whole.
        RolledBack: it was tried, did not work, and everything is as before.
    """
    checks.check_user(cluster)
    checks.check_ours(cluster)
    with exclusive(cluster.data_directory, uid=cluster.uid, gid=cluster.gid), watched() as watch:
        refuse_unfinished(cluster.data_directory)
        checks.check_unchanged(plan)
        run = _Run(plan, cluster, report, watch, WayIn(cluster, user, database), datetime.now(UTC), confirm_within)
        try:
            if plan.empty:
                return run.end(run.nothing_to_do(prove=reload))
            run.check(accept_lock_out=accept_lock_out, accept_weak=accept_weak)
            contents = make(plan, cluster, now=run.now, ask=ask)
            checks.check_space(plan, contents.files)
            rehearse = rehearse and has_programs(cluster) and not is_request(plan)
            if is_request(plan):
                skipped(report, "rehearse", _NOTHING_OF_THE_SERVERS)
            elif rehearse:
                with station(report, "rehearse", "tried on a throwaway cluster of the same programs"):
                    run.tried = rehearse_plan(plan, cluster, contents)
            else:
                skipped(report, "rehearse", "not wanted" if has_programs(cluster) else "no server programs were found")
        except Stopped as stopped:
            raise Refused(f"{stopped}; nothing was changed", code="stopped") from None
        return run.end(run.carry_out(contents, reload=reload))


@dataclass(slots=True)
class _Run:
    """One run of `apply`."""

    plan: Plan
    cluster: Cluster
    report: Report
    watch: Watch
    way_in: WayIn
    now: datetime
    confirm_within: float | None = None
    running: Postmaster | None = None
    effective: Effective = "now"
    started: set[Path] = field(default_factory=set)
    kits: list[Path] = field(default_factory=list)
    #: What the rehearsal saw; None where there was none.
    tried: tuple[Attempt, ...] | None = None

    def __post_init__(self) -> None:
        # Whether it runs is looked up anew: a saved plan may be days old.
        self.running = postmaster.read(self.cluster.data_directory)

    @property
    def by_sql(self) -> bool:
        """Whether the server itself changes `postgresql.auto.conf`."""
        return bool(self.plan.sql) and self.running is not None

    def check(self, *, accept_lock_out: bool, accept_weak: bool) -> None:
        """Stop on everything that can be known beforehand."""
        checks.check_findings(self.plan, accept_lock_out=accept_lock_out, accept_weak=accept_weak)
        checks.check_permissions(self.plan)
        if self.plan.sql and self.running is None and not any(change.role == "auto-settings" for change in self.plan.changes):
            raise Refused(
                "the server was running when the plan was made and is down now", hint="make the plan again", code="changed-since-plan"
            )
        if self.by_sql and not self.way_in.open_before:
            raise Refused(
                f"the plan needs SQL ({self.plan.sql[0]}), and nobody can log in: {self.way_in.problem}",
                hint="name a superuser with --user, or stop the server first",
                code="no-administrator",
            )

    def nothing_to_do(self, *, prove: bool) -> Change:
        """Return what applying an empty plan is: a proof that all is well."""
        if is_request(self.plan):
            # The request waits; what the server does now is another matter.
            return Change(None, "none", "not-reloaded", proved=False)
        anchor = self.plan.trust_anchor
        sha256 = _fingerprint_of(anchor)
        proof = (
            verify(
                self.cluster,
                names=self.plan.answers.server.names,
                root=anchor,
                rootless=anchor is None,
                kits=places(self.plan.answers),
                uncovered=imports.names_not_carried(self.plan),
                ways=True,
                known=who_is_known(self.cluster, self.plan.answers),
            )
            if self.running and prove
            else None
        )
        findings: list[Finding] = []
        if proof is None:
            findings.append(not_proved("there was no running server to prove it on" if prove else "it was not asked for"))
        elif not proof.holds:
            findings.append(
                Finding(
                    "warning",
                    "not-in-force",
                    f"the files are as wanted, and the running server does not act like it: {objections(proof)}",
                    hint=f"{self.cluster.to('reload')}, or {self.cluster.to('restart')}",
                    topic="apply",
                )
            )
        return Change(
            id=None,
            state="none",
            effective="now" if self.running else "next-start",
            proved=proof is not None and proof.holds,
            trust_anchor=anchor,
            trust_anchor_sha256=sha256,
            proof=proof,
            findings=tuple(findings),
        )

    def end(self, change: Change) -> Change:
        """Forget changes that are too old to be undone, and return the report with what is to be said of that."""
        self.watch.hold()
        return dataclasses.replace(change, findings=(*change.findings, *retention.keep_within_limits(self.cluster.data_directory)))

    def when(self, *, reload: bool) -> Effective:
        """Return when the change takes effect."""
        if is_request(self.plan):
            return "not-reloaded"
        if self.running is None:
            return "next-start"
        if self.plan.effective == "restart-needed" or self._group_is_new(self.running):
            return "restart-needed"
        return "now" if reload else "not-reloaded"

    def _group_is_new(self, server: Postmaster) -> bool:
        """Whether the key can only be read through a group that the running server is not in: groups are taken on at its start."""
        groups = command_line.groups(server.pid)
        if groups is None:
            return False
        keys = [change for change in self.plan.changes if change.role in {"server-key", "server-pair"}]
        return any(key.uid == 0 and self.cluster.uid != 0 and key.gid not in groups for key in keys)

    def carry_out(self, contents: Contents, *, reload: bool) -> Change:
        """Write, reload and prove; or put everything back."""
        self.effective = self.when(reload=reload)
        with station(self.report, "back-up", "what will change is copied and recorded"):
            # Until the block below, which puts things back, nothing may break in.
            self.watch.hold()
            try:
                journal = transaction.register(self.plan, self.cluster, contents.files, by_sql=self.by_sql, now=self.now)
            except OSError as error:
                raise Refused(f"the journal cannot be written: {error.strerror}", where=error.filename, code="cannot-write") from error
        server = (
            RunningServer(
                self.running,
                self.cluster.log_file,
                not_ours(self.plan, self.cluster),
                self.cluster.data_directory,
                hide=(self.cluster.value("ssl_passphrase_command"), setting_after(self.plan, self.cluster, "ssl_passphrase_command")),
            )
            if self.running and self.effective == "now"
            else None
        )
        try:
            self.watch.release()
            journal = dataclasses.replace(journal, effective=self.effective, trust_anchor_sha256=contents.trust_anchor_sha256)
            if not is_request(self.plan):
                # What a request asks for is not in force.
                recorded.record(journal, self.plan.answers)
            journal, proof = self._write_and_prove(journal, contents, server)
            self.watch.hold()
            proved = proof is not None and proof.holds
            if self.confirm_within is None or server is None:
                journal = transaction.finish(journal, state="applied", proved=proved)
            else:
                journal = leave_pending(journal, self.confirm_within, proved=proved)
        except BaseException as problem:
            self.watch.hold()
            journal = dataclasses.replace(journal, kept=(*journal.kept, *(each for each in self.kits if each not in journal.kept)))
            put_back(journal, problem, server, self.way_in, self.report, started=self.started)
            raise
        return self._change(journal, proof, contents)

    def _write_and_prove(self, journal: Journal, contents: Contents, server: RunningServer | None) -> tuple[Journal, Proof | None]:
        """Do it: the CA, TLS and its proof, then the rules and the proof of everything."""
        files = contents.by_real_path()
        if is_request(self.plan):
            with station(self.report, "write", "the key that waits and the request are written"):
                transaction.perform(journal, files, "ca", started=self.started)
            skipped(self.report, "reload", _NOTHING_OF_THE_SERVERS)
            return journal, None
        with station(self.report, "write", "keys, certificates and settings are written"):
            transaction.perform(journal, files, "ca", started=self.started)
            opened_by = setting_after(self.plan, self.cluster, "ssl_passphrase_command") if b"ENCRYPTED" in (contents.pair or b"") else ""
            transaction.perform(journal, files, "tls", pair=contents.pair, opened_by=opened_by, started=self.started)
            if self.by_sql and self.running is not None:
                self.started |= {operation.path for operation in journal.operations if operation.kind == "sql"}
                with self.watch.held():
                    self.way_in.run(self.running, self.plan.sql)
                    journal = transaction.record_sql(journal)
        if server is None:
            why = WHY_NOT_RELOADED[self.effective]
            skipped(self.report, "reload", why)
            skipped(self.report, "prove-tls", why)
            journal = self._make_kits(journal, contents)
            self._write_rules(journal, files)
            skipped(self.report, "reload-rules", why)
            skipped(self.report, "prove-all", why)
            return journal, None
        self._take_and_prove_tls(server, contents)
        journal = self._make_kits(journal, contents)
        return journal, self._take_and_prove_rules(journal, files, server)

    def _take_and_prove_tls(self, server: RunningServer, contents: Contents) -> None:
        """Reload, and see that new connections meet the certificate that was written; the rules are still the old ones."""
        with station(self.report, "reload", "the server reads its settings and certificates"):
            server.reload()
            server.wait_until_served(contents.leaf_sha256)
        if contents.leaf_sha256 is None or server.address is None:
            skipped(self.report, "prove-tls", "there is nothing to connect to")
            return
        with station(self.report, "prove-tls", imports.what_is_proved(self.plan)):
            after = cluster_after(self.plan, self.cluster, self.running, rules=False)
            self._prove(server, after, whole=False)

    def _make_kits(self, journal: Journal, contents: Contents) -> Journal:
        """Make the clients' kits, before any rule asks for what is in them; return the journal that names them."""
        if contents.kits is None:
            return journal
        output, number = self.plan.answers.clients.directory, len(contents.kits.make)
        what = "a client certificate is" if number == 1 else f"{number} client certificates are"
        with station(self.report, "kits", f"{what} made, in {output}"):
            planned_kits.make(contents.kits, output, self.watch, self.report, self.kits)
        journal = dataclasses.replace(journal, kept=(*journal.kept, *self.kits))
        journal.write()
        return journal

    def _take_and_prove_rules(self, journal: Journal, files: Mapping[Path, bytes], server: RunningServer) -> Proof | None:
        """Write the rules, reload, and prove everything; return the proof, None for a server without TCP."""
        proof = None
        if self._write_rules(journal, files):
            with station(self.report, "reload-rules", "the server reads its rules"):
                server.reload()
        else:
            skipped(self.report, "reload-rules", "no rule changes")
        own = "" if self.way_in.open_before else " but your own, which could not be tried"
        with station(self.report, "prove-all", f"every sslmode and root, and every way in{own}"):
            if server.address is not None:
                after = cluster_after(self.plan, self.cluster, self.running, rules=True)
                proof = self._prove(server, after, whole=True)
            self.way_in.check(self.running)
            words = server.words()
            if words:
                raise NotProved("the server did not take the new files", words)
        return dataclasses.replace(proof, log=server.since_reload()) if proof is not None else None

    def _write_rules(self, journal: Journal, files: Mapping[Path, bytes]) -> bool:
        """Write the rules file or files; return whether there was anything to write."""
        if not any(operation.phase == "rules" for operation in journal.operations):
            skipped(self.report, "rules", "no rule changes")
            return False
        with station(self.report, "rules", "the access rules are written"):
            transaction.perform(journal, files, "rules", started=self.started)
        return True

    def _prove(self, server: RunningServer, after: Cluster, *, whole: bool) -> Proof:
        """Return the proof once it holds.

        Raises:
            NotProved: it does not, however long one waits.
        """
        proofs: list[Proof] = []
        known = who_is_known(self.cluster, self.plan.answers) if whole else ()

        def objection() -> str | None:
            kits = places(self.plan.answers) if whole else {}
            proof = verify(
                after,
                names=self.plan.answers.server.names,
                root=self.plan.trust_anchor,
                rootless=self.plan.trust_anchor is None,
                whole=whole,
                kits=kits,
                uncovered=imports.names_not_carried(self.plan),
                ways=whole,
                known=known,
                before=self.cluster,
            )
            proofs.append(proof)
            if not proof.holds and dataclasses.replace(proof, ways=tuple(way for way in proof.ways if way.kind != "administrator")).holds:
                # All else is as it should be, so the rules are in force: waiting opens nothing.
                raise NotProved(str(objections(proof)))
            return objections(proof)

        server.wait_until(objection)
        return proofs[-1]

    def _change(self, journal: Journal, proof: Proof | None, contents: Contents) -> Change:
        """Return the report of a change that was made."""
        rehearsed = self.tried is not None
        findings = [*contents.findings]
        if self.confirm_within is not None and journal.state == "applied":
            findings.append(not_pending(self.effective))
        if journal.state == "pending":
            findings += about_the_watchdog()
        if is_request(self.plan):
            return dataclasses.replace(as_change(journal), findings=tuple(findings))
        if contents.key_shut and rehearsed:
            words = "the key asks for a passphrase that only its owner knows, so TLS itself was not rehearsed"
            findings.append(Finding("warning", "tls-not-rehearsed", words, topic="apply"))
        if not has_programs(self.cluster):
            words = f"the programs of PostgreSQL {self.cluster.major} were not found, so nothing was rehearsed"
            findings.append(Finding("warning", "not-rehearsed", words, hint="name their directory with --pg-bin", topic="apply"))
        if proof is not None and proof.log is not None and proof.log.why_not:
            words = f"the server's log tells nothing of the reload, so connections alone prove the change: {proof.log.why_not}"
            findings.append(Finding("info", "log-elsewhere", words, topic="apply"))
        if proof is None:
            findings.append(not_proved(WHY_NOT_PROVED[self.effective], rehearsed=rehearsed))
        if self.running is not None and not self.way_in.open_before:
            findings.append(
                Finding(
                    "info",
                    "way-in-not-tried",
                    f"the administrator's own way in could not be tried: {self.way_in.problem}",
                    hint="name a superuser with --user",
                    topic="apply",
                )
            )
        return Change(
            id=journal.id,
            state="pending" if journal.state == "pending" else "applied",
            effective=self.effective,
            proved=proof is not None and proof.holds,
            made=journal.made,
            files=tuple(operation.path for operation in journal.operations if operation.kind in {"file", "sql"}),
            kept=journal.kept,
            trust_anchor=self.plan.trust_anchor,
            trust_anchor_sha256=journal.trust_anchor_sha256,
            proof=proof,
            confirm_until=journal.confirm_until,
            undoable=journal.undoable,
            rehearsed=self.tried,
            card=contents.card,
            findings=tuple(findings),
        )


_NOTHING_OF_THE_SERVERS = "nothing of the server changes"


def _fingerprint_of(path: Path | None) -> str | None:
    """Return the fingerprint of the first certificate in a file, None when it cannot be read."""
    if path is None:
        return None
    try:
        return fingerprint(path.read_bytes())
    except OSError:
        return None
