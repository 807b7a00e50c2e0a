"""Short reports for people, on standard output; progress on standard error. Colour only on a terminal that wants it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Sequence

from pgssl_wizard.change.model import Change, Event
from pgssl_wizard.cli import report_proof
from pgssl_wizard.cluster.facts import Cluster
from pgssl_wizard.files.diff import unified
from pgssl_wizard.findings import Finding
from pgssl_wizard.plan.model import HandedOver, Plan, PlannedFile
from pgssl_wizard.plan.renewing import Upkeep
from pgssl_wizard.plan.secrets import masked
from pgssl_wizard.proof.model import Attempt

_SIGNS = {"create": "+", "modify": "~", "delete": "-"}
#: The sign of each severity.
MARKS = {"error": "✗", "warning": "!", "info": "·"}
_STATIONS = {"done": "✓", "failed": "✗", "skipped": "-"}


def colours() -> bool:
    """Return whether standard output should be coloured."""
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"


def paint(text: str, code: str) -> str:
    """Return the text in an SGR colour where colours are wanted."""
    return f"\x1b[{code}m{text}\x1b[0m" if colours() else text


def findings(found: Iterable[Finding]) -> None:
    """Print findings, one paragraph each."""
    for finding in found:
        where = f" ({finding.where})" if finding.where else ""
        print(f"  {MARKS[finding.severity]} {finding.message}{where}")
        if finding.hint:
            print(f"    {finding.hint}")


def cluster(found: Cluster) -> None:
    """Print what `inspect` saw."""
    state = "running" if found.running else "down"
    print(f"{found.data_directory}  PostgreSQL {found.server_version}, {state}, {found.layout} layout, owner {found.owner}")
    if found.postmaster:
        print(f"  port {found.postmaster.port}, process {found.postmaster.pid}")
    if found.managed_by:
        print(f"  managed by {found.managed_by}")
    if found.service and found.service.restart:
        print(f"  restart: {found.service.restart}")
        print(f"  reload:  {found.service.reload}")
    print("\nSettings")
    for setting in found.settings.values():
        if setting.name.startswith("ssl") or setting.name in {"listen_addresses", "port"}:
            place = f"{setting.file}:{setting.line}" if setting.file else setting.source
            differs = f"  in force: {setting.in_force}" if setting.in_force not in {None, setting.value} else ""
            print(f"  {setting.name} = {setting.value or chr(39) * 2}  [{place}]{differs}")
    if found.certificates:
        print("\nCertificates")
        for each in found.certificates:
            print(f"  {each.role}: {each.subject}, for {', '.join(each.names) or 'no names'}, to {each.not_after:%Y-%m-%d}  [{each.path}]")
    print(f"\nRules: {len(found.rules)} in {found.hba_file}")
    if found.findings:
        print("\nFindings")
        findings(found.findings)


def plan(made: Plan, found: Cluster) -> None:
    """Print what `plan` would change."""
    if made.empty:
        print("Nothing to do: everything is as the answers say.")
    elif made.handed_over is not None:
        _handed_over(made, made.handed_over, found)
    else:
        print(f"{found.label}: {len(made.changes)} file(s), effective {made.effective}\n")
        for each in (*made.new_directories, *made.changes):
            print(f"  {_SIGNS[each.action]} {each.path}  {each.mode:04o} {each.owner}{'  secret' if each.secret else ''}")
        _certificates(made)
        for each in made.changes:
            if each.role in {"settings", "auto-settings", "rules", "maps"}:
                print()
                _diff(each)
        if made.sql:
            print("\nSQL\n  " + "\n  ".join(f"{statement};" for statement in made.sql))
        if made.openssl:
            what = "key and request" if any(each.role == "request" for each in made.changes) else "certificates"
            _openssl(made, f"The same {what} by hand")
    _ciphers(made)
    if made.locked_out:
        print("\nWould be refused")
        for who in made.locked_out:
            print(f"  ✗ {who.who}: {who.message}")
    _known(made)
    if made.findings:
        print("\nFindings")
        findings(made.findings)
    if made.handed_over is None and any(each.severity == "error" for each in made.findings):
        print("\nAs it stands, apply refuses this plan.")


def _handed_over(made: Plan, handed: HandedOver, found: Cluster) -> None:
    """Print what the cluster's manager is to be given, and the files that it does not write."""
    print(f"{found.label} is managed by {handed.manager}: nothing is written here; this is what to hand over.")
    if not handed.documents and not handed.files:
        print("Nothing of it has to change there.")
        return
    _certificates(made)
    if made.openssl:
        _openssl(made, "The certificates, in an empty directory")
    if handed.files:
        print("\nFiles to put there, on every member")
        for each in handed.files:
            print(f"  {each.path}  {each.mode:04o} {each.owner}  {each.what}")
        places = {each.path for each in handed.files}
        for change in made.changes:
            if change.path in places and change.role in {"rules", "maps"}:
                print()
                _diff(change)
    for document in handed.documents:
        print(f"\n{document.title} ({document.format})")
        print("\n".join(f"    {line}" for line in document.text.splitlines()))
        print("\n".join(f"  {line}" for line in document.how))


def _openssl(made: Plan, title: str) -> None:
    print(f"\n{title}\n  " + "\n  ".join(made.openssl))


#: So many known clients are printed; `--json` has all of them.
_SHOWN = 40


def _known(made: Plan) -> None:
    """Print who is known and gets in afterwards, those who notice something of it and machines."""
    told = [each for each in made.known if each.let_in_then and (each.machine or each.changes or each.certificate)]
    if not told or made.empty:
        return
    print("\nKnown, and let in afterwards")
    for each in told[:_SHOWN]:
        needs = {None: "", "shown": ", shows a certificate", "kit": ", needs its kit", "missing": ", needs a certificate"}[each.certificate]
        mark = "~" if each.changes else "="
        machine = f"{each.machine}: " if each.machine not in {None, "administrator", "replication"} else ""
        print(f"  {mark} {machine}{each.who}: {each.now if not each.changes else f'{each.now} -> {each.then}'}{needs}")
    if len(told) > _SHOWN:
        print(f"    and {len(told) - _SHOWN} more (--json has them all)")


def _certificates(made: Plan) -> None:
    from pgssl_wizard.certificates.describe import in_words  # noqa: PLC0415

    profiles = [*made.issue, *(each.profile for each in made.changes if each.role == "request" and each.profile)]
    told = [in_words(profile) for profile in profiles]
    told += [words for each in made.changes for words in each.holds]
    if told:
        print("\nCertificates")
        for words in told:
            print("  " + "; ".join(words))


def _ciphers(made: Plan) -> None:
    if made.ciphers is None:
        return
    offer = made.ciphers.offer
    print(f"\nOffered by {offer.library}, with this key")
    for suite in made.ciphers.usable:
        versions = ", ".join(version.removeprefix("TLSv") for version in suite.tls)
        print(f"  {suite.strength:7} {suite.name}  TLS {versions}")
    if offer.groups:
        print(f"  groups  {', '.join(offer.groups)}")


def _diff(each: PlannedFile) -> None:
    for line in masked(unified(each.before, each.after, str(each.path))).splitlines():
        print(paint(line, {"+": "32", "-": "31", "@": "36"}.get(line[:1], "0")) if line[:1] in "+-@" else line)


def progress(quiet: bool) -> Callable[[Event], None]:
    """Return what tells the stations of a change on standard error."""

    def tell(event: Event) -> None:
        if not quiet and event.state in _STATIONS:
            took = f"  {event.seconds:.1f} s" if event.seconds is not None and event.seconds >= 0.1 else ""
            print(f"{_STATIONS[event.state]} {event.text}{took}", file=sys.stderr)

    return tell


def cautions(found: Iterable[Finding], *, quiet: bool) -> None:
    """Print the warnings of a plan on standard error, before it is applied."""
    for finding in found:
        if not quiet and finding.severity == "warning":
            where = f" ({finding.where})" if finding.where else ""
            print(f"{MARKS[finding.severity]} {finding.message}{where}", file=sys.stderr)
            if finding.hint:
                print(f"  {finding.hint}", file=sys.stderr)


def change(made: Change, planned: Plan, lines: Upkeep | None = None) -> None:
    """Print what `apply` did, and the lines that keep it in order."""
    if made.id is None:
        print("Nothing to do: everything is as the answers say.")
        findings(each for each in planned.findings if each.code == "request-pending" or _says_who_fails(each))
        return
    if any(each.role == "request" for each in planned.changes):
        print(f"Change {made.id}: the request is written, and nothing of the server has changed.")
        for path in made.kept:
            print(f"  {path}")
        findings(each for each in planned.findings if each.topic == "certificate")
        return
    words = {
        "now": "in force",
        "next-start": "counts from the next start",
        "restart-needed": "needs a restart",
        "not-reloaded": "written, not reloaded",
    }
    print(f"Change {made.id}: {words[made.effective]}, {'proved' if made.proved else 'not proved'}.")
    if made.rehearsed:
        print(f"Tried before on a throwaway cluster: {_logins(made.rehearsed)}, each ended as planned.")
    if made.proof:
        report_proof.proof(made.proof)
    if failing := [each for each in planned.findings if _says_who_fails(each)]:
        print()
        findings(failing)
    if made.trust_anchor:
        print(f"\nHand to clients: {made.trust_anchor}")
        if made.trust_anchor_sha256:
            print(f"  SHA-256 {made.trust_anchor_sha256}")
        name = planned.answers.server.names[0]
        print(f'  psql "host={name} sslmode=verify-full sslrootcert={made.trust_anchor.name}"')
    if planned.answers.clients.roles:
        print(f"Kits, one for each role: {planned.answers.clients.directory} (each holds a private key)")
    keys = [str(path) for path in made.kept if path.name.endswith(".key")]
    if keys:
        print(f"Take offline: {', '.join(keys)}")
    print(f"Undo: pgssl-wizard rollback {planned.data_directory}")
    if lines is not None:
        print("\nFor /etc/cron.d:")
        for line in (lines.check, lines.renew):
            if line:
                print(f"  {line}")
        if lines.about_keys:
            print(lines.about_keys)
    if made.findings:
        print()
        findings(made.findings)
    if made.card:
        print(f"\n{made.card}")
    if made.confirm_until is not None:
        # Last, so that it is what a person sees.
        print(f"\nThis change is put back by itself at {made.confirm_until:%Y-%m-%d %H:%M:%S}Z, unless you keep it before:")
        print(f"  pgssl-wizard confirm {planned.data_directory}")
        print("What somebody edits in its files until then would stand in the way of that.")


def _logins(tried: Sequence[Attempt]) -> str:
    """Return how many logins there were, and with which client certificates."""
    shown = list(dict.fromkeys(each.certificate for each in tried if each.certificate not in {"none", "wrong-ca"}))
    return f"{len(tried)} logins" + (f", some with client certificates ({', '.join(shown)})" if shown else "")


def _says_who_fails(finding: Finding) -> bool:
    """Whether a finding names clients that the change leaves outside: it is said again beside the proof."""
    return finding.code == "names-missing" and finding.severity == "warning"


def kept(made: Change) -> None:
    """Print what `confirm` did."""
    print("Nothing waits to be confirmed." if made.id is None else f"Change {made.id} is kept.")


def undone(made: Change) -> None:
    """Print what `rollback` did."""
    if made.id is None:
        print("Nothing to roll back.")
        return
    print(f"Change {made.id} is rolled back: {len(made.files)} file(s) are as before.")
    if made.kept:
        print("Left where they are, because they are yours: " + ", ".join(str(path) for path in made.kept))
    findings(each for each in made.findings if each.code != "ca-kept")
