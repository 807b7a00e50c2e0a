"""The files of a plan one by one: what each will hold, its mode and its owner. Pure."""

from __future__ import annotations

from pathlib import Path

from pgssl_wizard.answers import Answers
from pgssl_wizard.certificates.profiles import Profile
from pgssl_wizard.cluster.facts import Cluster, FileFact
from pgssl_wizard.cluster.standing import Surroundings
from pgssl_wizard.errors import Refused
from pgssl_wizard.plan import issuing
from pgssl_wizard.plan.model import Action, FileRole, Phase, PlannedFile

#: What the first line of every private key in PEM contains.
PRIVATE_KEY = b"PRIVATE KEY-----"


def key_owner(cluster: Cluster, surroundings: Surroundings, answers: Answers) -> tuple[int, int, str]:
    """Return who the server's key belongs to: user and group as numbers, and both in words.

    Raises:
        Refused: there is no such group, or the server's user is not in it.
    """
    if answers.files.key_owner == "server":
        return cluster.uid, cluster.gid, cluster.owner
    group = answers.files.key_group
    if surroundings.key_gid is None:
        raise Refused(f"There is no group {group} on this machine.", where="files.key_group", code="no-such-group")
    if surroundings.group_member is False:
        raise Refused(
            f"The server's user {cluster.owner.split(':')[0]} is not a member of {group}, so it could not read the key.",
            where="files.key_group",
            hint=f"usermod -aG {group} {cluster.owner.split(':')[0]}, then {cluster.to('restart')}: a running one does not notice.",
            code="not-in-group",
        )
    return 0, surroundings.key_gid, f"root:{group}"


def ca_files(issued: issuing.Issuing, surroundings: Surroundings, answers: Answers) -> list[PlannedFile]:
    """The CA's files belong to the person who runs this, and lie outside what an undo touches."""
    made: list[PlannedFile] = []
    for profile in issued.made:
        if profile.kind not in {"root", "intermediate"}:
            continue
        directory = answers.certificate.ca_directory
        owner = (surroundings.user, surroundings.user_gid, surroundings.user_name)
        if profile.keeps_key:
            made += _next_of_ca(profile, surroundings, directory)
            continue
        names: tuple[FileRole, FileRole] = (
            ("root-certificate", "root-key") if profile.kind == "root" else ("intermediate-certificate", "intermediate-key")
        )
        made.append(
            PlannedFile(directory / f"{profile.kind}.crt", "create", names[0], "ca", 0o644, *owner, profile=profile, chain=(profile,))
        )
        made.append(PlannedFile(directory / f"{profile.kind}.key", "create", names[1], "ca", 0o600, *owner, secret=True, profile=profile))
    return made


def _next_of_ca(profile: Profile, surroundings: Surroundings, directory: Path) -> list[PlannedFile]:
    """Return the files of a CA that is made anew for its key: what stood goes on standing beside it, by a name that says how long it counts."""
    fact, old = surroundings.files[directory / f"{profile.kind}.crt"], surroundings.ca[f"{profile.kind}.crt"]
    owner = (fact.uid, fact.gid, fact.owner)
    aside = directory / f"{profile.kind}-until-{old.not_after:%Y-%m-%d-%H%M%S}.crt"
    return [
        PlannedFile(aside, "create", "intermediate-certificate", "ca", fact.mode, *owner, after=fact.data),
        PlannedFile(
            fact.real_path,
            "modify",
            "intermediate-certificate",
            "ca",
            fact.mode,
            *owner,
            before=fact.data,
            profile=profile,
            chain=(profile,),
        ),
    ]


def server_files(
    issued: issuing.Issuing, cluster: Cluster, surroundings: Surroundings, answers: Answers, key_owner: tuple[int, int, str]
) -> list[PlannedFile]:
    """Return certificate and key of the server, apart or in one file; none when those that stand will do."""
    if issued.leaf not in issued.made:
        return []
    certificate, key = answers.files.certificate, answers.files.key
    key_mode = 0o600 if answers.files.key_owner == "server" else 0o640
    if certificate == key:
        action = _action(surroundings, key)
        place = _real(surroundings, key)
        return [
            PlannedFile(
                place, action, "server-pair", "tls", key_mode, *key_owner, secret=True, profile=issued.leaf, chain=issued.chain
            )
        ]  # fmt: skip
    return [
        PlannedFile(
            _real(surroundings, certificate),
            _action(surroundings, certificate),
            "server-certificate",
            "tls",
            0o644,
            cluster.uid,
            cluster.gid,
            cluster.owner,
            before=_data(surroundings, certificate),
            profile=issued.leaf,
            chain=issued.chain,
        ),
        PlannedFile(
            _real(surroundings, key),
            _action(surroundings, key),
            "server-key",
            "tls",
            key_mode,
            *key_owner,
            secret=True,
            profile=issued.leaf,
        ),
    ]


def client_ca(cluster: Cluster, surroundings: Surroundings, answers: Answers, issued: issuing.Issuing) -> PlannedFile | None:
    """Return the file of ssl_ca_file when client certificates are asked for and it does not stand already."""
    if not answers.clients.checked:
        return None
    target = answers.files.ca
    root = issued.anchor
    source = answers.clients.ca or root
    source_fact = surroundings.files.get(source) if source is not None else None
    data = source_fact.data if source_fact else None
    if answers.clients.ca is not None and (data is None or not surroundings.client_ca):
        raise Refused(
            "No CA certificate can be read here, so the server could check no client certificate with it.",
            where=str(answers.clients.ca),
            hint="Name a PEM file with the root of the clients' CA.",
            code="client-ca-unusable",
        )
    if data is not None and PRIVATE_KEY in data:
        raise Refused(
            "This file holds a private key besides certificates; the server's copy must not.",
            where=str(source),
            hint="Name a file with the certificates alone.",
            code="client-ca-unusable",
        )
    if data is not None and _data(surroundings, target) == data:
        return None
    profile = next((profile for profile in issued.known if profile.kind == "root"), None)
    return PlannedFile(
        _real(surroundings, target),
        _action(surroundings, target),
        "client-ca",
        "tls",
        0o644,
        cluster.uid,
        cluster.gid,
        cluster.owner,
        before=_data(surroundings, target),
        after=data if answers.clients.ca is not None else None,
        copy_of=None if answers.clients.ca is not None else root,
        profile=None if answers.clients.ca is not None else profile,
        chain=() if answers.clients.ca is not None or profile is None else (profile,),
    )


def maps_file(cluster: Cluster, data: bytes) -> PlannedFile:
    """Return the file of maps, which a server can do without until now; then it is made like the rules."""
    if cluster.ident_file in cluster.files and cluster.files[cluster.ident_file].exists:
        return modified(cluster, cluster.ident_file, data, "maps", "rules")
    like = cluster.files[cluster.hba_file]
    return PlannedFile(cluster.ident_file, "create", "maps", "rules", like.mode, like.uid, like.gid, like.owner, after=data)


def modified(cluster: Cluster, path: Path, data: bytes, role: FileRole, phase: Phase) -> PlannedFile:
    """Return one of the cluster's own files with other bytes, its mode and owner as they are."""
    fact = cluster.files[path]
    return PlannedFile(fact.real_path, "modify", role, phase, fact.mode, fact.uid, fact.gid, fact.owner, before=fact.data, after=data)


def _fact(surroundings: Surroundings, path: Path) -> FileFact | None:
    return surroundings.files.get(path)


def _real(surroundings: Surroundings, path: Path) -> Path:
    fact = _fact(surroundings, path)
    return fact.real_path if fact else path


def _action(surroundings: Surroundings, path: Path) -> Action:
    fact = _fact(surroundings, path)
    return "modify" if fact and fact.exists else "create"


def _data(surroundings: Surroundings, path: Path) -> bytes | None:
    """Return what a certificate's file holds now; None as well when a private key stands beside it, which no plan may hold."""
    fact = _fact(surroundings, path)
    return fact.data if fact and PRIVATE_KEY not in (fact.data or b"") else None
