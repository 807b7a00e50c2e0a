"""A certificate that a person brings: whether it will do for the server, and which files it becomes. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from pgssl_wizard.answers import Answers
from pgssl_wizard.certificates.describe import KEY_WORDS
from pgssl_wizard.certificates.names import Name, parse_name, parse_names
from pgssl_wizard.certificates.profiles import KeyType, Profile
from pgssl_wizard.cluster.facts import CertificateFact, Cluster
from pgssl_wizard.cluster.standing import Imported, Surroundings
from pgssl_wizard.errors import Refused, UnusableInput
from pgssl_wizard.findings import Finding
from pgssl_wizard.plan import places
from pgssl_wizard.plan.issuing import Issuing, key_is_fit
from pgssl_wizard.plan.model import Action, FileRole, PlannedFile

_KEY_TYPES: tuple[KeyType, ...] = ("ecdsa-p256", "ecdsa-p384", "rsa-2048", "rsa-3072", "rsa-4096")


@dataclass(frozen=True, slots=True)
class Importing:
    """What an import comes to.

    Attributes:
        answers: as far as this certificate can meet them: the names that it covers before the others, the type of its key, the days
            of its life.
        issued: in the shape of what is made otherwise: nothing is made.
        files: the server's files and the root, as far as they have to be written, and what waited and is needed no more.
    """

    answers: Answers
    issued: Issuing
    files: tuple[PlannedFile, ...]


def asked(surroundings: Surroundings) -> bool:
    """Whether a certificate is imported."""
    return surroundings.imported is not None


def by_its_own_names(answers: Answers, surroundings: Surroundings) -> Answers:
    """Return the answers with the names of an imported certificate, for a person who named none."""
    leaf = surroundings.imported.leaf if surroundings.imported else None
    names = tuple(_usable_names(leaf)) if leaf is not None else ()
    return replace(answers, server=replace(answers.server, names=names)) if names else answers


def judged(cluster: Cluster, surroundings: Surroundings, answers: Answers) -> Imported | None:
    """Return what the files hold with everything that is to be said of it; None when nothing is imported."""
    brought = surroundings.imported
    if brought is None:
        return None
    return replace(brought, findings=(*brought.findings, *findings(cluster, brought, answers)))


def decide(cluster: Cluster, surroundings: Surroundings, answers: Answers, key_owner: tuple[int, int, str]) -> Importing:
    """Return what an import comes to.

    Args:
        cluster: with the request that waits, if there is one.
        surroundings: with what the files hold.
        answers: complete.
        key_owner: uid, gid and `user:group` that the key will have.

    Raises:
        Refused: the files hold no certificate and key that go together, or something stands in the way.
        UnusableInput: a name that no certificate can hold.
    """
    brought = surroundings.imported
    assert brought is not None
    if not answers.certificate.import_certificate:
        raise UnusableInput(
            "An import needs files, and none is named.",
            where="certificate.import_certificate",
            hint="Name the certificate in certificate.import_certificate, and the intermediates and the root where they are apart: PEM, DER or PKCS#12.",
            code="does-not-fit",
        )
    names = parse_names(answers.server.names, "server.names")
    own = brought.leaf
    if own is None:
        first = next(finding for finding in brought.findings if finding.severity == "error")
        raise Refused(first.message, where=first.where, hint=first.hint, code=first.code)
    # The others are proved to be refused; what needs one name takes the first.
    covered = [name for name in names if covers(own, name)]
    others = [name for name in names if name not in covered]
    if answers.clients.roles and covered and all(name.kind == "wildcard" for name in covered):
        # Kits take the first name that is no wildcard, and would lead to one by which their role is refused.
        others = []
    ordered = tuple(name.text for name in (*covered, *others))
    anchor, root = _anchor(brought, surroundings, answers, cluster)
    if answers.clients.roles and anchor is None:
        raise Refused(
            "The clients' kits need the root of the server's certificate, and it is not among the files.",
            where=str(own.path),
            hint="Add it to certificate.import_certificate.",
            code="root-not-given",
        )
    fitted = replace(
        answers,
        server=replace(answers.server, names=ordered),
        certificate=replace(answers.certificate, key=_nearest(own.key_type), days=max(1, (own.not_after - own.not_before).days)),
    )
    places.check_blocked(surroundings)
    server = _server_files(brought, cluster, surroundings, answers, key_owner)
    done = _no_longer_waiting(brought, cluster, surroundings)
    leaf = Profile("server", own.common_name, fitted.certificate.key, 0, own.issuer, own.names)
    said = (*brought.findings, *findings(cluster, brought, answers), *_of_change(cluster, brought, server, anchor))
    return Importing(fitted, Issuing((), leaf, (), {}, anchor, said), (*root, *server, *done))


def findings(cluster: Cluster, brought: Imported, answers: Answers) -> Iterator[Finding]:
    """Yield what is to be said of a certificate's names, and of a root that is not there."""
    leaf = brought.leaf
    if leaf is None:
        return
    where = str(leaf.path)
    names = parse_names(answers.server.names, "server.names")
    missing = not_covered(leaf, answers)
    said = ", ".join(leaf.names) or leaf.common_name or "nobody"
    if missing and len(missing) == len(names):
        told = f"The certificate covers none of the names that clients use ({', '.join(missing)}): it is for {said}."
        yield Finding("error", "names-missing", told, "Take the right certificate, or correct server.names.", where, "names")
    elif missing:
        told = f"The certificate does not cover {', '.join(missing)}: clients that verify are refused by these names."
        yield Finding("warning", "names-missing", told, "Have it made again with them, or let clients use the other names.", where, "names")
    elif set(answers.server.names) == set(_usable_names(leaf)):
        known = [found.name for found in cluster.found_names if found.recommended and not covers(leaf, parse_name(found.name))]
        if known:
            told = f"This server is also known as {', '.join(known)}; the certificate does not cover that."
            yield Finding("info", "names-missing", told, "Clients that verify have to use its names.", where, "names")
    wanted = {name.text for name in names}
    more = [name for name in leaf.names if name not in wanted and name.lower() not in wanted]
    if more and not (missing and len(missing) == len(names)):
        yield Finding("info", "names-additional", f"The certificate also covers {', '.join(more)}.", None, where, "names")
    broken = any(finding.code == "chain-incomplete" and finding.severity == "error" for finding in brought.findings)
    if brought.root is None and not leaf.self_signed and not broken:
        top = brought.between[-1] if brought.between else leaf
        told = (
            f"The root above it is not among the files ({top.issuer}): whether clients can verify is not proved here, only that TLS works."
        )
        hint = (
            "Add the root to certificate.import_certificate to have it proved. Clients need that root, unless their system "
            "has it already (sslrootcert=system, libpq 16 and newer)."
        )
        yield Finding("info", "root-not-given", told, hint, where, "certificate")


def covers(certificate: CertificateFact, name: Name) -> bool:
    """Return whether a client finds a name in a certificate, as libpq looks: `*` for one label, the common name without others of its kind."""
    known = {_canonical(text) for text in certificate.names}
    if not any(_is_address(text) == (name.kind == "address") for text in known):
        known.add(_canonical(certificate.common_name))
    if name.text in known:
        return True
    first, dot, rest = name.text.partition(".")
    return name.kind == "dns" and bool(first and dot) and f"*.{rest}" in known


def not_covered(certificate: CertificateFact, answers: Answers) -> tuple[str, ...]:
    """Return the clients' names that are not in a certificate."""
    return tuple(name.text for name in parse_names(answers.server.names, "server.names") if not covers(certificate, name))


def in_words(fact: CertificateFact) -> tuple[str, ...]:
    """Return a few lines that say what a certificate says, as they stand for those that are made."""
    kind = {"server": "server certificate", "intermediate": "intermediate CA", "root": "root CA", "client-ca": "CA of clients"}[fact.role]
    lines = [f"{kind}: {fact.common_name or fact.subject or 'without a name'}"]
    if fact.names:
        lines.append("for " + ", ".join(fact.names))
    lines.append(f"key {KEY_WORDS.get(fact.key_type, fact.key_type)}")
    lines.append(f"valid from {fact.not_before:%Y-%m-%d} to {fact.not_after:%Y-%m-%d}")
    lines.append("signed by itself" if fact.self_signed else f"signed by {fact.issuer}")
    return tuple(lines)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _canonical(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return text.lower()


def _usable_names(leaf: CertificateFact) -> Iterator[str]:
    """Yield the names of a certificate by which a client can look for the server."""
    for text in leaf.names or (leaf.common_name,):
        try:
            yield parse_name(text).text
        except UnusableInput:
            continue


def _nearest(kind: str) -> KeyType:
    """Return the type of key, in the words of the answers, that needs the same cipher suites."""
    same = next((known for known in _KEY_TYPES if known == kind), None)
    return same or ("rsa-4096" if kind.startswith("rsa") else "ecdsa-p384")


def _anchor(
    brought: Imported, surroundings: Surroundings, answers: Answers, cluster: Cluster
) -> tuple[Path | None, tuple[PlannedFile, ...]]:
    """Return what clients need, and the file that has to be written for it: where the root did not come as PEM in a file of its own."""
    leaf = brought.leaf
    assert leaf is not None
    if brought.root_file is not None:
        return brought.root_file, ()
    if leaf.self_signed:
        return answers.files.certificate if answers.files.certificate != answers.files.key else None, ()
    if brought.root is None:
        return None, ()
    place = answers.certificate.ca_directory / "root.crt"
    fact = surroundings.files.get(place)
    if fact is not None and fact.exists:
        if fact.data == brought.root_pem:
            return place, ()
        raise Refused(
            f"{place} exists and is another root; a CA's file is never overwritten.",
            where=str(place),
            hint="Name another ca_directory for the root that you bring, or bring it as PEM in a file of its own.",
            code="ca-file-in-the-way",
        )
    places.check_target(place, cluster, surroundings)
    assert brought.root is not None
    me = (surroundings.user, surroundings.user_gid, surroundings.user_name)
    words = (in_words(brought.root),)
    return place, (PlannedFile(place, "create", "root-certificate", "ca", 0o644, *me, after=brought.root_pem, holds=words),)


def _server_files(
    brought: Imported, cluster: Cluster, surroundings: Surroundings, answers: Answers, key_owner: tuple[int, int, str]
) -> tuple[PlannedFile, ...]:
    """Return the server's certificate and key, as far as they do not stand already."""
    assert brought.leaf is not None
    files = answers.files
    mode = 0o600 if files.key_owner == "server" else 0o640
    fact = surroundings.files.get(files.key)
    key_stands = brought.key_stands and (fact is None or key_is_fit(fact, key_owner[0]))
    words = tuple(in_words(each) for each in (brought.leaf, *brought.between))
    planned: list[PlannedFile] = []

    def plan(place: Path, role: FileRole, mode: int, owner: tuple[int, int, str], after: bytes | None, key: Path | None) -> None:
        places.check_target(place, cluster, surroundings)
        found = surroundings.files.get(place)
        action: Action = "modify" if found is not None and found.exists else "create"
        before = found.data if found is not None and b"PRIVATE KEY-----" not in (found.data or b"") else None
        planned.append(
            PlannedFile(
                found.real_path if found is not None else place,
                action,
                role,
                "tls",
                mode,
                *owner,
                secret=key is not None,
                before=before,
                after=after,
                key_file=key,
                holds=words if after is not None else (),
            )
        )

    key_file = brought.key_file if not brought.key_stands or brought.key_file is not None else files.key
    if files.certificate == files.key:
        if not (brought.certificate_stands and key_stands):
            plan(files.key, "server-pair", mode, key_owner, brought.pem, key_file)
        return tuple(planned)
    if not brought.certificate_stands:
        plan(files.certificate, "server-certificate", 0o644, (cluster.uid, cluster.gid, cluster.owner), brought.pem, None)
    if not key_stands:
        plan(files.key, "server-key", mode, key_owner, None, key_file)
    return tuple(planned)


def _no_longer_waiting(brought: Imported, cluster: Cluster, surroundings: Surroundings) -> tuple[PlannedFile, ...]:
    """Return the deletion of a waiting key and its record, once its certificate has come."""
    pending = cluster.requested
    if pending is None or brought.leaf is None or brought.public_sha256 != pending.public_sha256:
        return ()
    gone: list[PlannedFile] = []
    roles: tuple[tuple[Path, FileRole], ...] = ((pending.key, "requested-key"), (pending.record, "record"))
    for path, role in roles:
        fact = surroundings.files.get(path)
        if fact is not None and fact.exists:
            gone.append(
                PlannedFile(
                    fact.real_path, "delete", role, "tls", fact.mode, fact.uid, fact.gid, fact.owner, secret=role == "requested-key"
                )
            )
    return tuple(gone)


def _of_change(cluster: Cluster, brought: Imported, server: tuple[PlannedFile, ...], anchor: Path | None) -> Iterator[Finding]:
    """Yield that clients which verify today will meet another signer."""
    now = next((each for each in cluster.certificates if each.role == "server"), None)
    leaf = brought.leaf
    if now is None or leaf is None or not server or cluster.value("ssl") != "on" or "snakeoil" in now.path.name:
        return
    chain = [each for each in cluster.certificates if each.role in {"server", "intermediate"}]
    tops = {each.issuer for each in chain}
    new = {each.issuer for each in (leaf, *brought.between)}
    if tops & new:
        return
    signer = "itself" if now.self_signed else now.issuer
    yield Finding(
        "warning",
        "anchor-changes",
        f"The certificate in use was signed by {signer}; clients that verify it will refuse the new one until they have the new root.",
        "Hand the new root out first, beside the old one.",
        str(anchor) if anchor else None,
        "certificate",
    )
