"""What stands at the places that the answers name: targets, the CA directory, directories on the way."""

from __future__ import annotations

import grp
import os
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from pgssl_wizard.answers import Answers
from pgssl_wizard.cluster import imported, kits, requested
from pgssl_wizard.cluster import revocation as lists
from pgssl_wizard.cluster.certificates import asks_for_passphrase, certificates_beside_key, fact_about, key_matches, read
from pgssl_wizard.cluster.facts import CertificateFact, Cluster, FileFact, waiting_key
from pgssl_wizard.cluster.protocol_facts import dh_of, offer_of
from pgssl_wizard.cluster.reading import directory_fact, fact_of, foreign_link, holds_pem, owner_in_words
from pgssl_wizard.cluster.standing import Renewable, StandingCa, Surroundings
from pgssl_wizard.errors import UnusableInput
from pgssl_wizard.server import command_line
from pgssl_wizard.server.identity import Identity
from pgssl_wizard.server.passphrase import ask
from pgssl_wizard.server.reach import reachable_by

if TYPE_CHECKING:
    from cryptography import x509

_CA_NAMES = ("root", "intermediate")


def look(cluster: Cluster, answers: Answers, now: datetime | None = None, renew: frozenset[Renewable] = frozenset()) -> Surroundings:
    """Return what is there. Reads only; keys are compared with their certificates and let go.

    Args:
        cluster: whose server will read the files.
        answers: which places to look at.
        now: for how much of a certificate's life is left; the present by default.
        renew: what is to be made anew in any case.
    """
    targets = (answers.files.certificate, answers.files.key, answers.files.ca)
    files: dict[Path, FileFact] = {path: fact_of(path, secret=path == answers.files.key) for path in targets}
    directory = answers.certificate.ca_directory
    if answers.certificate.source == "new-ca":
        for name in _CA_NAMES:
            for suffix in (".crt", ".key"):
                path = directory / f"{name}{suffix}"
                files[path] = fact_of(path, secret=suffix == ".key")
    standing = None
    standing_files = _standing_files(answers) if answers.certificate.source == "existing-ca" else None
    for path in standing_files or ():
        files.setdefault(path, fact_of(path, secret=standing_files is not None and path == standing_files[1]))
    if imported.asked(answers):
        files = imported.files_of(answers) | files
        files[directory / "root.crt"] = fact_of(directory / "root.crt")
        if cluster.requested is not None:
            files[cluster.requested.key] = fact_of(cluster.requested.key, secret=True)
            files[cluster.requested.record] = fact_of(cluster.requested.record)
    elif answers.certificate.source == "request" and cluster.requested is None:
        waiting = waiting_key(answers.files.key)
        files[waiting] = fact_of(waiting, secret=True)
        if answers.certificate.request_file is not None:
            files[answers.certificate.request_file] = fact_of(answers.certificate.request_file)
    if answers.clients.ca is not None:
        files[answers.clients.ca] = fact_of(answers.clients.ca)
    if answers.protocol.dh_params is not None:
        files[answers.protocol.dh_params] = fact_of(answers.protocol.dh_params)
    # What stands is one CA by its own name, also where its files have the names of a CA of ours.
    ca, lengths, keys, loaded = _authority(directory, files if standing_files is None else {})
    if standing_files is not None:
        standing, signer = _standing(*standing_files, files, now or datetime.now(UTC), answers.certificate.days)
        loaded |= {"standing": signer} if signer is not None else {}
        ca |= {"standing": standing.signer} if standing.signer is not None else {}
    encrypted = files[answers.files.key].exists and asks_for_passphrase(answers.files.key)
    opening = _passphrase(cluster, answers) if encrypted else None
    leaf, issuer, chain, due = _leaf(answers, files, loaded, now or datetime.now(UTC), opening)
    brought = imported.look(cluster, answers, files, now or datetime.now(UTC), opening) if imported.asked(answers) else None
    if brought is not None and brought.root_file is not None:
        files[brought.root_file] = fact_of(brought.root_file)
    group = _group(answers.files.key_group) if answers.files.key_owner == "root" else None
    for_kits, kit_signer, standing_kits = kits.look(answers, now or datetime.now(UTC))
    files = for_kits | files
    for_lists, revocation = lists.look(cluster, answers, now or datetime.now(UTC))
    files = for_lists | files
    # A directory of lists may have to be made.
    list_places = [
        path for path in (answers.files.crl, answers.files.crl_dir and answers.files.crl_dir / "list") if path is not None and revocation
    ]
    return Surroundings(
        files=files,
        directories=_directories([*files, *list_places]),
        ca=ca,
        ca_path_length=lengths,
        ca_keys=keys,
        client_ca=_client_ca(answers, files),
        standing_ca=standing,
        imported=brought,
        request_record=requested.free_record(cluster.data_directory) if answers.certificate.source == "request" else None,
        leaf=leaf,
        leaf_issuer=issuer,
        leaf_chain=chain,
        leaf_due=due or bool({"server", "intermediate"} & renew),
        renew=renew,
        leaf_key_encrypted=encrypted,
        key_gid=group,
        group_member=group in Identity.of(cluster.uid).groups if group is not None else None,
        running_with_group=_running_with(cluster, group),
        user=os.geteuid(),
        user_gid=os.getegid(),
        user_name=owner_in_words(os.geteuid(), os.getegid()),
        kit_signer=kit_signer,
        kits=standing_kits,
        revocation=revocation,
        blocked=_blocked(cluster, (*targets, *list_places), group),
        foreign_links={path: link for path in (*targets, *list_places) if (link := foreign_link(path)) is not None},
        strange_links=frozenset(path for path in (*targets, *list_places) if path.is_symlink() and path.exists() and not holds_pem(path)),
        offer=offer_of(cluster, answers.protocol),
        dh=dh_of(cluster, files[answers.protocol.dh_params]) if answers.protocol.dh_params is not None else None,
    )


def _authority(
    directory: Path, files: Mapping[Path, FileFact]
) -> tuple[dict[str, CertificateFact], dict[str, int | None], dict[str, bool | None], dict[str, x509.Certificate]]:
    ca: dict[str, CertificateFact] = {}
    lengths: dict[str, int | None] = {}
    keys: dict[str, bool | None] = {}
    loaded: dict[str, x509.Certificate] = {}
    for name in _CA_NAMES:
        certificate_fact = files.get(directory / f"{name}.crt")
        if certificate_fact is None or not certificate_fact.data:
            continue
        from cryptography import x509  # noqa: PLC0415 - only when there is a certificate

        from pgssl_wizard.certificates.read import is_ca  # noqa: PLC0415

        certificates = read(certificate_fact.data)
        if not certificates:
            continue
        certificate = certificates[0]
        about = fact_about(certificate, "root" if name == "root" else "intermediate", certificate_fact.path)
        if about is None or not is_ca(certificate):
            continue
        loaded[f"{name}.crt"] = certificate
        ca[f"{name}.crt"] = about
        lengths[f"{name}.crt"] = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.path_length
        key_fact = files.get(directory / f"{name}.key")
        if key_fact and key_fact.exists:
            keys[f"{name}.key"] = key_matches(key_fact.path, certificate_fact.data)
    return ca, lengths, keys, loaded


def _standing_files(answers: Answers) -> tuple[Path, Path, Path]:
    """Return where the certificate, the key and the root of a CA that stands are."""
    certificate = answers.certificate
    directory = certificate.ca_directory
    root = directory / "root.crt"
    found = certificate.ca_certificate
    if found is None:
        middle = directory / "intermediate.crt"
        found = middle if middle.exists() else root
    return found, certificate.ca_key or found.with_suffix(".key"), root


def _standing(
    certificate: Path, key: Path, root: Path, files: Mapping[Path, FileFact], now: datetime, days: int
) -> tuple[StandingCa, x509.Certificate | None]:
    """Return the CA in these files, and the certificate that signs; `days` is how long a certificate shall live from now."""
    data = files[certificate].data
    found = read(data) if data else []
    key_exists = files[key].exists
    if not found or data is None:
        return StandingCa(certificate, key, key_exists=key_exists), None
    from pgssl_wizard.certificates.authority import upwards  # noqa: PLC0415 - only when there is a certificate
    from pgssl_wizard.certificates.read import is_ca  # noqa: PLC0415

    beside = read(files[root].data or b"") if root != certificate else []
    above, top = upwards(found[0], [*found, *beside])
    told = [fact_about(each, "intermediate", certificate) for each in above]
    root_fact = fact_about(top, "root", root if top in beside else certificate) if top is not None else None
    root_file = None if top is None else root if beside == [top] else certificate if top in found else root
    ends = [each.not_valid_after_utc for each in (*above, top) if each is not None]
    standing = StandingCa(
        certificate,
        key,
        tuple(fact for fact in told if fact is not None),
        root_fact,
        root_file,
        key_matches(key, data) if key_exists else None,
        key_exists,
        is_ca(found[0]),
        min(ends) if ends else None,
        bool(ends) and min(ends) < now + timedelta(days=days),
    )
    return standing, found[0]


def _passphrase(cluster: Cluster, answers: Answers) -> bytes | None:
    """Return what the answers' command prints; None when there is none or it does not work, which is said when a key is made."""
    command = answers.certificate.passphrase_command
    if answers.certificate.passphrase == "none" or not command:
        return None
    running = cluster.postmaster
    environment = command_line.environment(running.pid) if running else None
    try:
        return ask(
            command, Identity.of(cluster.uid, cluster.gid), cluster.data_directory, environment, where="certificate.passphrase_command"
        )
    except UnusableInput:
        return None


def _leaf(
    answers: Answers,
    files: Mapping[Path, FileFact],
    authority: Mapping[str, x509.Certificate],
    now: datetime,
    passphrase: bytes | None = None,
) -> tuple[CertificateFact | None, str | None, tuple[str, ...], bool]:
    """Return the certificate at its place, whose key signed it, what follows it, and whether it is due."""
    pair = answers.files.certificate == answers.files.key
    data = certificates_beside_key(answers.files.key) if pair else files[answers.files.certificate].data
    if not data:
        return None, None, (), False
    from pgssl_wizard.certificates.authority import signed_by  # noqa: PLC0415
    from pgssl_wizard.certificates.read import common_name_of  # noqa: PLC0415

    certificates = read(data)
    if not certificates:
        return None, None, (), False
    leaf = certificates[0]
    found = fact_about(leaf, "server", answers.files.certificate, key_matches(answers.files.key, data, passphrase))
    if found is None:
        return None, None, (), False
    issuer = next((name for name, certificate in authority.items() if signed_by(leaf, certificate)), None)
    if issuer is None and signed_by(leaf, leaf):
        issuer = "self"
    life = found.not_after - found.not_before
    return found, issuer, tuple(common_name_of(each) for each in certificates[1:]), found.not_after - now < life / 3


def _client_ca(answers: Answers, files: Mapping[Path, FileFact]) -> tuple[CertificateFact, ...]:
    if answers.clients.ca is None:
        return ()
    data = files[answers.clients.ca].data
    if not data:
        return ()
    from pgssl_wizard.certificates.read import is_ca  # noqa: PLC0415

    told = [(each, fact_about(each, "client-ca", answers.clients.ca)) for each in read(data)]
    return tuple(fact for certificate, fact in told if fact is not None and is_ca(certificate))


def _directories(files: Iterable[Path]) -> dict[Path, FileFact]:
    """Return the directory of every file, and of those that are missing every parent up to one that exists."""
    found: dict[Path, FileFact] = {}
    for path in files:
        for directory in path.parents:
            if directory in found:
                break
            found[directory] = directory_fact(directory)
            if found[directory].exists:
                break
    return found


def _group(name: str) -> int | None:
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        return None


def _running_with(cluster: Cluster, group: int | None) -> bool | None:
    if group is None or cluster.postmaster is None:
        return None
    groups = command_line.groups(cluster.postmaster.pid)
    return None if groups is None else group in groups


def _blocked(cluster: Cluster, targets: tuple[Path, ...], group: int | None) -> dict[Path, Path]:
    """Return per target the first existing directory on the way that the server's user cannot pass."""
    groups = {*Identity.of(cluster.uid).groups, *([group] if group is not None else [])}
    found: dict[Path, Path] = {}
    for target in targets:
        directory = target.parent
        while not directory.exists() and directory != directory.parent:
            directory = directory.parent
        blocking = reachable_by(cluster.uid, directory / ".", gids=groups)
        if blocking is not None and blocking != directory:
            found[target] = blocking
        elif blocking is not None and not _passes(directory, cluster.uid, groups):
            found[target] = directory
    return found


def _passes(directory: Path, uid: int, groups: set[int]) -> bool:
    """Whether a user may pass a directory; reading its list of names is not needed for that."""
    try:
        status = directory.stat()
    except OSError:
        return False
    if uid in {0, status.st_uid}:
        return uid == 0 or bool(status.st_mode & 0o100)
    return bool(status.st_mode & (0o010 if status.st_gid in groups else 0o001))
