"""Revocation lists: which are made anew, what the server's file and directory will hold, and who would be refused. Pure.

The server checks every CA in a client's chain against a list as soon as it has any (X509_V_FLAG_CRL_CHECK_ALL): a CA without a
list that is current means that every client certificate below it is refused.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pgssl_wizard.answers import Answers
from pgssl_wizard.cluster.facts import Cluster, FileFact
from pgssl_wizard.cluster.standing import ListFact, Revocation, Surroundings
from pgssl_wizard.errors import Refused
from pgssl_wizard.findings import Finding, Severity
from pgssl_wizard.plan import places
from pgssl_wizard.plan.issuing import Issuing
from pgssl_wizard.plan.model import Plan, PlannedFile

if TYPE_CHECKING:
    from pgssl_wizard.certificates.profiles import Profile

#: How long a list that apply makes lives; certificates.revocation.DAYS, which costs too much to import here.
DAYS = 30

#: Since when the server has ssl_crl_dir.
DIRECTORY_SINCE = 14


@dataclass(frozen=True, slots=True)
class Lists:
    """What comes of revocation lists.

    Attributes:
        made: lists in the CA's own directory.
        placed: where the server looks.
        asks_ca: a CA's key is encrypted, no command opens it, and its list has to be made.
    """

    made: tuple[PlannedFile, ...] = ()
    placed: tuple[PlannedFile, ...] = ()
    findings: tuple[Finding, ...] = ()
    asks_ca: bool = False


@dataclass(frozen=True, slots=True)
class _Piece:
    """The list of one CA as the server will have it: bytes that stand, or the planned file in which it is made."""

    ca: str
    hash: str
    pem: bytes = b""
    made_in: Path | None = None


@dataclass(slots=True)
class _Work:
    """What one plan gathers."""

    pieces: list[_Piece] = field(default_factory=list)
    made: list[PlannedFile] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    asks_ca: bool = False

    def say(self, severity: Severity, code: str, message: str, hint: str | None, where: Path | None) -> None:
        self.findings.append(Finding(severity, code, message, hint, str(where) if where else None, "clients"))


def settings(answers: Answers, spelled: Callable[[Path], str]) -> dict[str, str]:
    """Return the settings that lead the server to the lists; `spelled` gives a path as settings get it."""
    if not answers.clients.checked:
        return {}
    wanted = {"ssl_crl_file": answers.files.crl, "ssl_crl_dir": answers.files.crl_dir}
    return {name: spelled(path) for name, path in wanted.items() if path is not None}


def decide(cluster: Cluster, surroundings: Surroundings, answers: Answers, issued: Issuing) -> Lists:
    """Return which lists are made and placed.

    Args:
        cluster: whose server gets them.
        surroundings: what stands.
        answers: complete.
        issued: which CAs are made now.

    Raises:
        Refused: this version has no directory of lists, or something else stands where lists would be written.
    """
    if answers.files.crl_dir is not None and cluster.major < DIRECTORY_SINCE:
        raise Refused(
            f"PostgreSQL {cluster.major} does not know ssl_crl_dir and would not start with it in its settings.",
            where="files.crl_dir",
            hint="Use files.crl: one file with the lists of all CAs.",
            code="crl-dir-unknown",
        )
    found = surroundings.revocation
    if found is None:
        return Lists()
    work = _Work()
    # Of a place that the server has today nobody has asked anything: it is told, and stops nothing.
    severity: Severity = "error" if answers.files.crl or answers.files.crl_dir else "warning"
    for profile in issued.made:
        if answers.clients.ca is None and profile.kind in {"root", "intermediate"} and not profile.keeps_key:
            _for_new_ca(profile, surroundings, answers, work)
    # What waits to be placed is new enough, and needs no key.
    anew = "crl" in surroundings.renew and not any(_waits(ca, found) for ca in found.cas)
    for ca in found.cas:
        due = anew and ca.age == "current"
        _for_standing_ca(replace(ca, age="due") if due else ca, surroundings, answers, severity, work)
    placed: list[PlannedFile] = []
    if found.file is not None:
        placed += _in_file(found, found.file, cluster, surroundings, work, severity)
    if found.directory is not None:
        placed += _in_directory(found, found.directory, cluster, surroundings, work)
    if work.made:
        work.say(
            "info",
            "crl-ends",
            f"The revocation lists live {DAYS} days, and once one has ended the server refuses every client certificate.",
            "Before that, apply again (it makes them anew past half of their life), or renew: a timer should do it.",
            found.file or found.directory,
        )
    return Lists(tuple(work.made), tuple(placed), tuple(work.findings), work.asks_ca)


def commands(lists: Lists) -> tuple[str, ...]:
    """Return the openssl commands that make first lists by hand, and place them; `openssl ca` goes on only from its own database."""
    if not lists.made:
        return ()
    lines = ("[ca]", "default_ca = d", "[d]", "database = revoked.txt", "crlnumber = crlnumber", "crl_extensions = e", "[e]")
    settings_of_ca = " ".join(shlex.quote(line) for line in (*lines, "authorityKeyIdentifier = keyid:always"))
    found = [f"printf '%s\\n' {settings_of_ca} > crl.cnf"]
    for change in lists.made:
        name = shlex.quote(change.path.name)
        if change.continues is not None:
            found.append(
                f"# The next {name} goes on from the one that stands: pgssl-wizard revoke --renew --ca {shlex.quote(str(change.path.parent))}"
            )
            continue
        certificate, key = change.signed_with or (change.path.with_suffix(".crt"), change.path.with_suffix(".key"))
        digest = "sha384" if change.profile is not None and change.profile.key == "ecdsa-p384" else "sha256"
        found.append(": > revoked.txt && echo 01 > crlnumber")
        found.append(
            f"openssl ca -gencrl -config crl.cnf -cert {shlex.quote(certificate.name)} -keyfile {shlex.quote(key.name)} -md {digest} -crldays {DAYS} -out {name}"
        )
    for change in lists.placed:
        names = [shlex.quote(path.name) for path in change.joins]
        if not change.after and names and names != [shlex.quote(change.path.name)]:
            found.append(f"cat {' '.join(names)} > joined.crl && mv joined.crl {shlex.quote(change.path.name)}")
    return tuple(found)


def cures(plan: Plan, finding: Finding) -> bool:
    """Return whether a finding about revocation lists goes with what the plan puts in their place."""
    rewritten = {path for change in plan.changes if change.role == "crl" for path in (str(change.path), str(change.path.parent))}
    return finding.where in rewritten and (finding.code.startswith("crl-") or finding.code in {"no-crl", "no-crl-dir", "ca-without-crl"})


def _waits(ca: ListFact, found: Revocation) -> bool:
    """Return whether the newest list of a CA is good and stands in its own directory, but not everywhere the server looks."""
    if ca.age not in {"current", "due"}:
        return False
    in_file = found.file is None or ca.pem in {pem for pem, _ in found.in_file}
    return not in_file or (found.directory is not None and ca.pem not in {pem for pem, _ in found.in_directory.values()})


def _for_new_ca(profile: Profile, surroundings: Surroundings, answers: Answers, work: _Work) -> None:
    """Plan the first list of a CA that is made now."""
    from cryptography import x509  # noqa: PLC0415 - few have lists
    from cryptography.x509.oid import NameOID  # noqa: PLC0415

    from pgssl_wizard.certificates.issuer_hash import hash_of  # noqa: PLC0415

    path = answers.certificate.ca_directory / f"{profile.kind}.crl"
    fact = surroundings.files.get(path)
    if fact is not None and fact.exists:
        raise Refused(
            "A revocation list of another CA stands where that of the new one goes.",
            where=str(path),
            hint="Move it away, or name another ca_directory.",
            code="crl-in-the-way",
        )
    owner = (surroundings.user, surroundings.user_gid, surroundings.user_name)
    work.made.append(PlannedFile(path, "create", "ca-crl", "ca", 0o644, *owner, profile=profile))
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, profile.common_name)])
    work.pieces.append(_Piece(profile.common_name, hash_of(name), made_in=path))


def _for_standing_ca(ca: ListFact, surroundings: Surroundings, answers: Answers, severity: Severity, work: _Work) -> None:
    """Take the list of a CA as it stands, or plan the next one, or say what its lack means."""
    place = ca.file or ca.certificate
    if not ca.may_sign:
        told = f"The key usage of {ca.ca} leaves out cRLSign: no revocation list of it counts, and with any list set the server refuses every client certificate below it."
        work.say(severity, "crl-key-usage", told, "Have the CA made again with keyCertSign and cRLSign, or do without lists.", place)
        return
    if ca.age == "current":
        work.pieces.append(_Piece(ca.ca, ca.hash, ca.pem))
        return
    why = _why_not(ca)
    can_open = ca.key_fits is True or bool(answers.certificate.ca_passphrase_command)
    if why is None and (can_open or ca.age != "due"):
        assert ca.file is not None
        assert ca.certificate is not None
        assert ca.key is not None
        fact = surroundings.files.get(ca.file)
        exists = fact is not None and fact.exists
        owner = (fact.uid, fact.gid, fact.owner) if fact is not None and exists else _owner_beside(ca, surroundings)
        work.made.append(
            PlannedFile(
                fact.real_path if fact is not None else ca.file,
                "modify" if exists else "create",
                "ca-crl",
                "ca",
                0o644,
                *owner,
                before=fact.data if fact is not None else None,
                signed_with=(ca.certificate, ca.key),
                continues=ca.pem or None,
            )
        )
        work.pieces.append(_Piece(ca.ca, ca.hash, made_in=work.made[-1].path))
        work.asks_ca = work.asks_ca or not can_open
        return
    if ca.age == "due":
        work.pieces.append(_Piece(ca.ca, ca.hash, ca.pem))
        work.say(
            "warning",
            "crl-expiring",
            f"The revocation list of {ca.ca} ends on {ca.ends:%Y-%m-%d %H:%M} UTC, and {why or 'its key asks for a passphrase'}. From then on the server refuses every client certificate.",
            _hint(ca),
            place,
        )
        return
    state = {None: "has no revocation list", "expired": f"has a revocation list that ended on {ca.ends:%Y-%m-%d}" if ca.ends else ""}.get(
        ca.age, "has a revocation list that does not count yet"
    )
    work.say(
        severity,
        "ca-without-crl",
        f"{ca.ca} {state}, and {why}. With any list set, the server refuses every client certificate below a CA without one that is current.",
        _hint(ca),
        place,
    )


def _why_not(ca: ListFact) -> str | None:
    """Return why the next list of a CA cannot be made here; None when it can."""
    if ca.file is None:
        return "its key is not here"
    if ca.problem is not None:
        return f"what stands in {ca.file} cannot be continued: {ca.problem.removesuffix('.')}"
    return f"its key {ca.key} is not here, or is another's" if ca.key_fits is False else None


def _hint(ca: ListFact) -> str:
    if ca.file is not None and ca.certificate is not None and ca.certificate.name in {"root.crt", "intermediate.crt"}:
        return f"Bring its key for as long as it takes: pgssl-wizard revoke --renew --ca {ca.certificate.parent}, then plan again."
    return "Have that CA make one, and put it into the server's file or directory of lists."


def _owner_beside(ca: ListFact, surroundings: Surroundings) -> tuple[int, int, str]:
    """Return who owns the CA's other files, when root works in somebody's directory; else whoever runs this."""
    fact = surroundings.files.get(ca.certificate) if ca.certificate is not None else None
    if surroundings.user == 0 and fact is not None and fact.exists:
        return fact.uid, fact.gid, fact.owner
    return surroundings.user, surroundings.user_gid, surroundings.user_name


def _in_file(
    found: Revocation, path: Path, cluster: Cluster, surroundings: Surroundings, work: _Work, severity: Severity
) -> Iterator[PlannedFile]:
    """Yield the server's file of lists if it changes: every list that stands in it, those of our CAs as they are now."""
    fact = surroundings.files.get(path)
    ours = {piece.ca: piece for piece in work.pieces}
    if not ours and (fact is None or not found.in_file):
        why = "It is missing" if fact is None or not fact.exists else f"There is no list in it: {found.strange or 'it is empty'}"
        work.say(
            severity,
            "no-crl",
            f"{why}, and no CA here could make one. The server would not load it, or refuse every client certificate.",
            "Put the lists of the clients' CAs there, PEM, one behind the other.",
            path,
        )
        return
    if found.strange is not None:
        raise Refused(
            f"This file cannot become the server's file of revocation lists: {found.strange}.",
            where=str(path),
            hint="Choose another place, or move the file away.",
            code="in-the-way",
        )
    kept = [pem for pem, ca in found.in_file if ca not in ours]
    fixed = [*kept, *(piece.pem for piece in ours.values() if piece.made_in is None)]
    joins = tuple(piece.made_in for piece in ours.values() if piece.made_in is not None)
    if not joins and sorted(fixed) == sorted(pem for pem, _ in found.in_file):
        return
    places.check_target(path, cluster, surroundings)
    yield _file(path, fact, cluster, b"".join(fixed), joins)


def _in_directory(found: Revocation, directory: Path, cluster: Cluster, surroundings: Surroundings, work: _Work) -> Iterator[PlannedFile]:
    """Yield the files of the server's directory of lists that change: ours by the name that OpenSSL looks for."""
    places.check_target(directory / "list", cluster, surroundings)
    taken: set[str] = set()
    for piece in work.pieces:
        number = 0
        while (name := f"{piece.hash}.r{number}") in taken or (name in found.in_directory and found.in_directory[name][1] != piece.ca):
            # OpenSSL goes on to the next number as long as there is one: others keep theirs.
            number += 1
        taken.add(name)
        if piece.made_in is None and name in found.in_directory and found.in_directory[name][0] == piece.pem:
            continue
        path = directory / name
        joins = (piece.made_in,) if piece.made_in is not None else ()
        yield _file(path, surroundings.files.get(path), cluster, piece.pem, joins)


def _file(path: Path, fact: FileFact | None, cluster: Cluster, after: bytes, joins: tuple[Path, ...]) -> PlannedFile:
    exists = fact is not None and fact.exists
    return PlannedFile(
        fact.real_path if fact is not None else path,
        "modify" if exists else "create",
        "crl",
        "tls",
        0o644,
        cluster.uid,
        cluster.gid,
        cluster.owner,
        before=fact.data if fact is not None else None,
        after=after if after or not joins else None,
        joins=joins,
    )
