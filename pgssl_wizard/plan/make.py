"""The plan: cluster facts and answers in, every file and statement out. Pure: no reading, no clock, no chance."""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from pgssl_wizard.answers import Answers
from pgssl_wizard.certificates.profiles import Profile
from pgssl_wizard.cluster import managed
from pgssl_wizard.cluster.facts import Cluster
from pgssl_wizard.cluster.standing import Surroundings
from pgssl_wizard.errors import Refused
from pgssl_wizard.files.versions import NEWEST, OLDEST
from pgssl_wizard.findings import Finding
from pgssl_wizard.plan import (
    by_hand,
    files,
    for_keepers,
    for_kubernetes,
    for_patroni,
    handed_over,
    importing,
    issuing,
    kits,
    known,
    passphrase,
    places,
    protocol,
    renewing,
    requesting,
    revocation,
    rules,
    settings,
)
from pgssl_wizard.plan import findings as sayings
from pgssl_wizard.plan.model import Effective, FileRole, HandedOver, Plan, PlannedFile
from pgssl_wizard.plan.serialise import fingerprint
from pgssl_wizard.protocol import profiles as protocols

#: How a plan is put into the words of each system that manages clusters.
_WORDS: Mapping[str, Callable[[handed_over.Wish], HandedOver]] = {
    "Patroni": for_patroni.hand_over,
    "CloudNativePG": for_kubernetes.for_cloudnativepg,
    "Crunchy PGO": for_kubernetes.for_crunchy,
    "Spilo": for_kubernetes.for_spilo,
    "Stolon": for_keepers.for_stolon,
    "pg_auto_failover": for_keepers.for_pg_auto_failover,
    "NixOS": for_keepers.for_nixos,
}


def make_plan(cluster: Cluster, surroundings: Surroundings, answers: Answers) -> Plan:
    """Return everything that apply would do.

    Args:
        cluster: what is there.
        surroundings: what stands at the places that the answers name.
        answers: complete.

    A cluster that somebody else manages gets a plan too, which is never applied: it says what to hand to that system.

    Raises:
        Refused: the change would not be safe or not possible; nothing of it is planned.
        UnusableInput: answers that no certificate or server can fulfil.
    """
    _refuse_what_cannot_be(cluster)
    key_owner = files.key_owner(cluster, surroundings, answers)
    if requesting.asked(answers):
        return _request(cluster, surroundings, answers, key_owner)
    if surroundings.renew:
        renewing.check(cluster, answers, surroundings.renew)
    else:
        protocol.check(cluster, surroundings, answers)
    brought = importing.decide(cluster, surroundings, answers, key_owner) if importing.asked(surroundings) else None
    if brought is not None:
        answers = brought.answers
    issued = brought.issued if brought is not None else issuing.decide(answers, surroundings, cluster.uid)
    places.check(issued, cluster, surroundings, answers)
    changes: list[PlannedFile] = [
        *(brought.files if brought is not None else ()),
        *files.ca_files(issued, surroundings, answers),
        *files.server_files(issued, cluster, surroundings, answers, key_owner),
    ]
    client_ca = None if surroundings.renew else files.client_ca(cluster, surroundings, answers, issued)
    if client_ca:
        changes.append(client_ca)
    for_clients = kits.decide(answers, cluster, surroundings, issued)
    changes += for_clients.changes
    lists = revocation.decide(cluster, surroundings, answers, issued)
    changes += [*lists.made, *lists.placed]
    # Renewing changes nothing but what it renews, whatever somebody has done to settings and rules since.
    wanted = {} if surroundings.renew else wanted_settings(cluster, answers)
    settings_edit = _settings(cluster, wanted, answers)
    for path, data in settings_edit.files.items():
        role: FileRole = "auto-settings" if path == cluster.auto_conf else "settings"
        if path in settings_edit.new:
            like = cluster.files[cluster.config_file]
            changes.append(PlannedFile(path, "create", role, "tls", like.mode, like.uid, like.gid, like.owner, after=data))
        elif data != cluster.files[path].data:
            changes.append(files.modified(cluster, path, data, role, "tls"))
    rules_edit = rules.UNTOUCHED if surroundings.renew else rules.edit(cluster, answers, kits.revoked(surroundings))
    changes += [files.modified(cluster, path, data, "rules", "rules") for path, data in rules_edit.files.items()]
    if rules_edit.maps is not None:
        changes.append(files.maps_file(cluster, rules_edit.maps))
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
        openssl=by_hand.runnable(
            (*_openssl(issued, answers, client_ca), *kits.commands(for_clients, answers, issued), *revocation.commands(lists)),
            surroundings,
            answers,
        ),
        trust_anchor=issued.anchor,
        rules=rules_edit.changes,
        locked_out=rules_edit.locked_out,
        known=rules_edit.known,
        goes_live_too=_goes_live_too(cluster, settings_edit.changed) if changes or sql else (),
        effective=_effective(cluster, surroundings, answers, changes),
        issue=issued.made,
        ciphers=protocol.ciphers_of(surroundings.offer, issued.leaf.key),
        weaknesses=protocol.weaknesses(cluster, answers, surroundings.offer),
        asks=passphrase.asked(answers, changes, ca_key_shut=issued.asks_ca or for_clients.asks_ca or lists.asks_ca),
    )
    found: tuple[Finding, ...] = (*issued.findings, *for_clients.findings, *lists.findings)
    if surroundings.renew:
        found += renewing.findings(plan)
    else:
        found += (
            *rules_edit.findings,
            *sayings.of_plan(plan, cluster),
            *protocol.findings(plan, cluster, surroundings),
            *sayings.still_true(plan, cluster),
        )
    plan = _handed_over(replace(plan, findings=tuple(dict.fromkeys(found))), cluster, wanted)
    return replace(plan, hash=fingerprint(plan))


def _settings(cluster: Cluster, wanted: Mapping[str, str], answers: Answers) -> settings.SettingsEdit:
    """Return how the settings change; what the server's command line holds can be changed only where that is written."""
    try:
        return settings.edit(cluster, wanted, answers.files.settings)
    except Refused as refused:
        if refused.code == "command-line-override" and cluster.service is not None:
            container = cluster.service.kind == "container"
            then = "make the container anew" if container else cluster.to("restart")
            refused.hint = f"Take it out of {cluster.service.arguments}, {then}, and run this again."
        raise


def _handed_over(plan: Plan, cluster: Cluster, wanted: Mapping[str, str]) -> Plan:
    """Return the plan with what is to be handed to the cluster's manager, and with its refusal; as it is where nobody manages it."""
    if not cluster.managed_by:
        return plan
    wish = handed_over.wish(plan, cluster, wanted)
    plan = replace(plan, handed_over=_WORDS[cluster.managed_by](wish), findings=_refused(plan.findings, cluster))
    if cluster.managed_by != "Patroni":
        return plan
    # Its own roles keep a way in without a certificate.
    own = for_patroni.own_users(wish)
    told = tuple(
        each._replace(refused=None, let_in_then=True, certificate=None, then=each.now)
        if each.user in own and "certificate" in (each.refused or "")
        else each
        for each in plan.known
    )
    return replace(plan, known=told, locked_out=known.locked_out(told) if plan.locked_out else ())


def _refused(found: tuple[Finding, ...], cluster: Cluster) -> tuple[Finding, ...]:
    """Return the findings with the one that says who manages the cluster, once and first."""
    if not cluster.managed_by:
        return found
    said = managed.refusal(cluster.managed_by, cluster.config_file)
    return said, *(finding for finding in found if finding.code != said.code)


def _request(cluster: Cluster, surroundings: Surroundings, answers: Answers, key_owner: tuple[int, int, str]) -> Plan:
    """Return the plan of a request, which leaves the server alone; an empty one while it waits for its answer."""
    changes = requesting.files(cluster, surroundings, answers, key_owner)
    plan = Plan(
        data_directory=cluster.data_directory,
        major=cluster.major,
        answers=answers,
        # Nothing of the server's counts: a request stays what it is when somebody edits a rule.
        inputs=_inputs(replace(cluster, files={}), surroundings, ()),
        new_directories=_new_directories(list(changes), cluster, surroundings, answers),
        changes=changes,
        openssl=requesting.commands(changes),
        effective="not-reloaded",
        asks=passphrase.asked(answers, changes, ca_key_shut=False),
    )
    found: tuple[Finding, ...] = (*requesting.findings(plan, cluster), *sayings.still_true(plan, cluster))
    plan = replace(plan, findings=_refused(tuple(dict.fromkeys(found)), cluster))
    return replace(plan, hash=fingerprint(plan))


def wanted_settings(cluster: Cluster, answers: Answers) -> dict[str, str]:
    """Return every setting that the answers ask for, by the names that this major knows."""
    wanted = {
        "ssl": "on",
        "ssl_cert_file": spelled(cluster, answers.files.certificate),
        "ssl_key_file": spelled(cluster, answers.files.key),
    }
    if answers.clients.checked:
        wanted["ssl_ca_file"] = spelled(cluster, answers.files.ca)
    wanted.update(passphrase.settings(cluster, answers))
    known = cluster.tls_library.groups if cluster.tls_library else ()
    wanted.update(revocation.settings(answers, lambda path: spelled(cluster, path)))
    wanted.update(protocols.settings_for(answers.protocol, cluster.major, cluster.openssl_version, known))
    if answers.protocol.dh_params is not None:
        wanted["ssl_dh_params_file"] = spelled(cluster, answers.protocol.dh_params)
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
    if cluster.managed_by and cluster.managed_by not in _WORDS:
        said = managed.refusal(cluster.managed_by, cluster.config_file)
        raise Refused(said.message, where=said.where, hint=said.hint, code=said.code)
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
    """Return the directories that have to be made, outer ones first.

    Raises:
        Refused: something else stands at the place of one.
    """
    made: dict[Path, PlannedFile] = {}
    for change in changes:
        if change.action != "create":
            continue
        above = [
            surroundings.directories[place]
            for place in (change.path.parent, *change.path.parent.parents)
            if place in surroundings.directories
        ]
        for fact in above:
            if fact.problem:
                raise Refused(
                    f"A directory is needed at {fact.path}, and {fact.problem}.",
                    where=str(fact.path),
                    hint="Name another place, or move that away.",
                    code="in-the-way",
                )
        missing = [fact.path for fact in above if not fact.exists]
        for directory in reversed(missing):
            if directory in made:
                continue
            if change.phase in {"ca", "kits"} and change.role != "requested-key":
                owner = (surroundings.user, surroundings.user_gid, surroundings.user_name)
                made[directory] = PlannedFile(directory, "create", "record", change.phase, 0o700, *owner)
            else:
                root_key = answers.files.key_owner == "root"
                owner = (cluster.uid, cluster.gid, cluster.owner)
                made[directory] = PlannedFile(directory, "create", "record", change.phase, 0o755 if root_key else 0o700, *owner)
    return tuple(made.values())


def _openssl(issued: issuing.Issuing, answers: Answers, client_ca: PlannedFile | None) -> tuple[str, ...]:
    from pgssl_wizard.certificates import openssl  # noqa: PLC0415

    if not issued.made:
        return ()
    chains: dict[str, list[str]] = {}
    alone, key = issued.known[_known(issued, issued.leaf)]
    if len(issued.chain) > 1:
        chains[alone] = [issued.known[_known(issued, profile)][0] for profile in issued.chain]
    kept_shut = {key} if answers.certificate.passphrase != "none" else set()
    if answers.certificate.encrypt_ca_key:
        kept_shut |= {"root.key", "intermediate.key"}
    commands = openssl.commands(issued.made, issued.known, chains, kept_shut)
    if issued.anchor is not None and any(names[0] == issuing.SIGNER_ALONE for names in issued.known.values()):
        # The first certificate of the file is the signer's.
        commands = (f"openssl x509 -in {shlex.quote(issued.anchor.name)} -out {issuing.SIGNER_ALONE}", *commands)
    if answers.files.certificate == answers.files.key:
        pair = shlex.quote(answers.files.key.name)
        commands += (f"umask 077 && cat {shlex.quote(alone)} {shlex.quote(key)} > {pair}",)
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


def _effective(cluster: Cluster, surroundings: Surroundings, answers: Answers, changes: Iterable[PlannedFile]) -> Effective:
    if not cluster.running:
        return "next-start"
    if any(change.phase == "tls" for change in changes) and not passphrase.reload_can_open(answers):
        return "restart-needed"
    if answers.files.key_owner == "root" and surroundings.running_with_group is False:
        return "restart-needed"
    return "now"
