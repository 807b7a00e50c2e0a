"""The plan: cluster facts and answers in, every file and statement out. Pure: no reading, no clock, no chance."""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from pgssl_wizard.answers import Answers
from pgssl_wizard.certificates.profiles import Profile
from pgssl_wizard.cluster.facts import Cluster, FileFact, Surroundings
from pgssl_wizard.errors import Refused
from pgssl_wizard.files.versions import NEWEST, OLDEST
from pgssl_wizard.findings import Finding
from pgssl_wizard.plan import findings as sayings
from pgssl_wizard.plan import issuing, places, rules, settings
from pgssl_wizard.plan.model import Action, Effective, FileRole, Phase, Plan, PlannedFile
from pgssl_wizard.plan.serialise import fingerprint
from pgssl_wizard.protocol import profiles as protocols

#: What the first line of every private key in PEM contains.
PRIVATE_KEY = b"PRIVATE KEY-----"


def make_plan(cluster: Cluster, surroundings: Surroundings, answers: Answers) -> Plan:
    """Return everything that apply would do.

    Args:
        cluster: what is there.
        surroundings: what stands at the places that the answers name.
        answers: complete.

    Raises:
        Refused: the change would not be safe or not possible; nothing of it is planned.
        UnusableInput: answers that no certificate or server can fulfil.
    """
    _refuse_what_cannot_be(cluster)
    issued = issuing.decide(answers, surroundings, cluster.uid)
    key_uid, key_gid, key_owner = _key_owner(cluster, surroundings, answers)
    places.check(issued, cluster, surroundings, answers)
    changes: list[PlannedFile] = [
        *_ca_files(issued, surroundings, answers),
        *_server_files(issued, cluster, surroundings, answers, (key_uid, key_gid, key_owner)),
    ]
    client_ca = _client_ca(cluster, surroundings, answers, issued)
    if client_ca:
        changes.append(client_ca)
    wanted = wanted_settings(cluster, answers)
    settings_edit = settings.edit(cluster, wanted, answers.files.settings)
    for path, data in settings_edit.files.items():
        role: FileRole = "auto-settings" if path == cluster.auto_conf else "settings"
        if path in settings_edit.new:
            like = cluster.files[cluster.config_file]
            changes.append(PlannedFile(path, "create", role, "tls", like.mode, like.uid, like.gid, like.owner, after=data))
        elif data != cluster.files[path].data:
            changes.append(_modified(cluster, path, data, role, "tls"))
    rules_edit = rules.edit(cluster, answers)
    changes += [_modified(cluster, path, data, "rules", "rules") for path, data in rules_edit.files.items()]
    sql: tuple[str, ...] = ()
    if settings_edit.reset and cluster.running:
        sql = _resets(cluster, tuple(settings_edit.reset))
    plan = Plan(
        data_directory=cluster.data_directory,
        major=cluster.major,
        answers=answers,
        inputs=_inputs(cluster, surroundings, settings_edit.new),
        new_directories=_new_directories(changes, cluster, surroundings, answers),
        changes=tuple(changes),
        settings=settings_edit.changed,
        sql=sql,
        openssl=_openssl(issued, answers, client_ca),
        trust_anchor=issued.anchor,
        rules=rules_edit.changes,
        locked_out=rules_edit.locked_out,
        goes_live_too=_goes_live_too(cluster, settings_edit.changed) if changes or sql else (),
        effective=_effective(cluster, surroundings, answers),
        issue=issued.made,
    )
    found: tuple[Finding, ...] = (*issued.findings, *sayings.of_plan(plan, cluster), *sayings.still_true(plan, cluster))
    plan = replace(plan, findings=tuple(dict.fromkeys(found)))
    return replace(plan, hash=fingerprint(plan))


def wanted_settings(cluster: Cluster, answers: Answers) -> dict[str, str]:
    """Return every setting that the answers ask for, by the names that this major knows."""
    wanted = {
        "ssl": "on",
        "ssl_cert_file": spelled(cluster, answers.files.certificate),
        "ssl_key_file": spelled(cluster, answers.files.key),
    }
    if answers.clients.certificates != "none":
        wanted["ssl_ca_file"] = spelled(cluster, answers.files.ca)
    wanted.update(protocols.settings_for(answers.protocol, cluster.major, cluster.openssl_version))
    return wanted


def spelled(cluster: Cluster, path: Path) -> str:
    """Return a path as the setting gets it: relative inside the data directory, which is what the server reads it against."""
    if cluster.data_directory in path.parents:
        return str(path.relative_to(cluster.data_directory))
    return str(path)


def _refuse_what_cannot_be(cluster: Cluster) -> None:
    if not OLDEST <= cluster.major <= NEWEST - 1:
        raise Refused(
            f"PostgreSQL {cluster.major} is not among the versions that this program knows (13 to 18).",
            where=str(cluster.data_directory),
            code="unknown-version",
        )
    if cluster.managed_by:
        raise Refused(
            f"{cluster.managed_by} manages this cluster and would overwrite or fight the change.",
            where=str(cluster.config_file),
            hint=f"Change it in {cluster.managed_by}; this program does not edit behind a manager's back.",
            code="managed",
        )
    if cluster.tls_built_in is False:
        raise Refused(
            "This server was built without TLS (postgres -C ssl_library says so).",
            where=str(cluster.bin_directory),
            hint="Install a PostgreSQL built with OpenSSL; every distribution's packages are.",
            code="no-tls-built-in",
        )
    for finding in cluster.findings:
        if finding.severity == "error" and finding.code in sayings.STOPPING:
            raise Refused(finding.message, where=finding.where, hint=finding.hint, code=finding.code)


def _key_owner(cluster: Cluster, surroundings: Surroundings, answers: Answers) -> tuple[int, int, str]:
    if answers.files.key_owner == "server":
        return cluster.uid, cluster.gid, cluster.owner
    group = answers.files.key_group
    if surroundings.key_gid is None:
        raise Refused(f"There is no group {group} on this machine.", where="files.key_group", code="no-such-group")
    if surroundings.group_member is False:
        raise Refused(
            f"The server's user {cluster.owner.split(':')[0]} is not a member of {group}, so it could not read the key.",
            where="files.key_group",
            hint=f"usermod -aG {group} {cluster.owner.split(':')[0]}, then restart the server: a running one does not notice.",
            code="not-in-group",
        )
    return 0, surroundings.key_gid, f"root:{group}"


def _ca_files(issued: issuing.Issuing, surroundings: Surroundings, answers: Answers) -> list[PlannedFile]:
    """The CA's files belong to the person who runs this, and lie outside what an undo touches."""
    made: list[PlannedFile] = []
    for profile in issued.made:
        if profile.kind not in {"root", "intermediate"}:
            continue
        directory = answers.certificate.ca_directory
        owner = (surroundings.user, surroundings.user_gid, surroundings.user_name)
        names: tuple[FileRole, FileRole] = (
            ("root-certificate", "root-key") if profile.kind == "root" else ("intermediate-certificate", "intermediate-key")
        )
        made.append(
            PlannedFile(directory / f"{profile.kind}.crt", "create", names[0], "ca", 0o644, *owner, profile=profile, chain=(profile,))
        )
        made.append(PlannedFile(directory / f"{profile.kind}.key", "create", names[1], "ca", 0o600, *owner, secret=True, profile=profile))
    return made


def _server_files(
    issued: issuing.Issuing, cluster: Cluster, surroundings: Surroundings, answers: Answers, key_owner: tuple[int, int, str]
) -> list[PlannedFile]:
    if issued.leaf not in issued.made:
        return []
    certificate, key = answers.files.certificate, answers.files.key
    key_mode = 0o600 if answers.files.key_owner == "server" else 0o640
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


def _client_ca(cluster: Cluster, surroundings: Surroundings, answers: Answers, issued: issuing.Issuing) -> PlannedFile | None:
    """Return the file of ssl_ca_file when client certificates are asked for and it does not stand already."""
    if answers.clients.certificates == "none":
        return None
    target = answers.files.ca
    root = issued.anchor
    source = answers.clients.ca or root
    source_fact = surroundings.files.get(source)
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


def _modified(cluster: Cluster, path: Path, data: bytes, role: FileRole, phase: Phase) -> PlannedFile:
    fact = cluster.files[path]
    return PlannedFile(fact.real_path, "modify", role, phase, fact.mode, fact.uid, fact.gid, fact.owner, before=fact.data, after=data)


def _resets(cluster: Cluster, names: tuple[str, ...]) -> tuple[str, ...]:
    from pgssl_wizard.plan.sql import reset_setting  # noqa: PLC0415 - the SQL parser is loaded only where SQL is needed

    where = f"{cluster.auto_conf}"
    if cluster.server is None or not cluster.server.superuser:
        raise Refused(
            f"ALTER SYSTEM has set {', '.join(names)}, which overrides the files, and nobody could log in to reset it"
            + (f": {cluster.server_problem}." if cluster.server_problem else "."),
            where=where,
            hint="Give the superuser's login (--user, PGPASSFILE), or run ALTER SYSTEM RESET yourself.",
            code="auto-conf-override",
        )
    if not cluster.server.allow_alter_system:
        raise Refused(
            f"postgresql.auto.conf sets {', '.join(names)}, and allow_alter_system is off.",
            where=where,
            hint="Whoever turned ALTER SYSTEM off manages these settings; change them there.",
            code="auto-conf-override",
        )
    return tuple(reset_setting(name) for name in names)


def _inputs(cluster: Cluster, surroundings: Surroundings, new: Iterable[Path]) -> Mapping[Path, str | None]:
    found: dict[Path, str | None] = dict.fromkeys(new)
    for path, fact in (*cluster.files.items(), *surroundings.files.items()):
        if fact.data is not None:
            found[path] = hashlib.sha256(fact.data).hexdigest()
        elif fact.exists:
            if fact.sha256 is not None:
                found[path] = fact.sha256
        else:
            found[path] = None
    return dict(sorted(found.items()))


def _new_directories(changes: list[PlannedFile], cluster: Cluster, surroundings: Surroundings, answers: Answers) -> tuple[PlannedFile, ...]:
    """Return the directories that have to be made, outer ones first."""
    made: dict[Path, PlannedFile] = {}
    for change in changes:
        if change.action != "create":
            continue
        missing = [
            directory
            for directory in (change.path.parent, *change.path.parent.parents)
            if directory in surroundings.directories and not surroundings.directories[directory].exists
        ]
        for directory in reversed(missing):
            if directory in made:
                continue
            if change.phase == "ca":
                owner = (surroundings.user, surroundings.user_gid, surroundings.user_name)
                made[directory] = PlannedFile(directory, "create", "record", "ca", 0o700, *owner)
            else:
                root_key = answers.files.key_owner == "root"
                owner = (cluster.uid, cluster.gid, cluster.owner)
                made[directory] = PlannedFile(directory, "create", "record", "tls", 0o755 if root_key else 0o700, *owner)
    return tuple(made.values())


def _openssl(issued: issuing.Issuing, answers: Answers, client_ca: PlannedFile | None) -> tuple[str, ...]:
    from pgssl_wizard.certificates import openssl  # noqa: PLC0415

    if not issued.made:
        return ()
    chains: dict[str, list[str]] = {}
    if len(issued.chain) > 1:
        chains[answers.files.certificate.name] = [issued.known[_known(issued, profile)][0] for profile in issued.chain]
    commands = openssl.commands(issued.made, issued.known, chains)
    if any(names[0] == issuing.SIGNER_ALONE for names in issued.known.values()):
        # The first certificate of the file is the signer's.
        commands = (f"openssl x509 -in {shlex.quote(issued.anchor.name)} -out {issuing.SIGNER_ALONE}", *commands)
    if client_ca is not None and client_ca.copy_of is not None and client_ca.path.name != client_ca.copy_of.name:
        commands += (f"cp {client_ca.copy_of.name} {client_ca.path.name}",)
    return commands


def _known(issued: issuing.Issuing, profile: Profile) -> Profile:
    return next(known for known in issued.known if known == profile)


def _goes_live_too(cluster: Cluster, changed: Iterable[str]) -> tuple[str, ...]:
    """Return other people's edits that wait for a reload; those that the plan itself overwrites never come alive."""
    if cluster.server is None:
        return ()
    ours = set(changed)
    # Each begins with the name of its setting.
    found = [edit for edit in cluster.server.pending if re.split(r"[^\w.]", edit, maxsplit=1)[0] not in ours]
    if cluster.server.rules_edited_since_load:
        files = cluster.server.edited or (cluster.hba_file,)
        found += [f"{path} was edited after the server last read it: what it says now, nobody has loaded yet" for path in files]
    return tuple(found)


def _effective(cluster: Cluster, surroundings: Surroundings, answers: Answers) -> Effective:
    if not cluster.running:
        return "next-start"
    if answers.files.key_owner == "root" and surroundings.running_with_group is False:
        return "restart-needed"
    return "now"


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
