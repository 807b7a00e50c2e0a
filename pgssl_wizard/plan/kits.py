"""Which roles get a client certificate and a kit at apply, which kits stand already, and who goes without. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pgssl_wizard.answers import Answers
from pgssl_wizard.certificates.kit_text import Connection, readme
from pgssl_wizard.certificates.profiles import CLIENT_DAYS, CLIENT_KEY, Profile
from pgssl_wizard.certificates.roles import directory_name, in_words
from pgssl_wizard.cluster.facts import Cluster
from pgssl_wizard.cluster.standing import KitFact, Surroundings
from pgssl_wizard.errors import Refused, UnusableInput
from pgssl_wizard.files.hba import Rule
from pgssl_wizard.findings import Finding
from pgssl_wizard.plan.issuing import Issuing
from pgssl_wizard.plan.model import PlannedFile


@dataclass(frozen=True, slots=True)
class Kits:
    """What the plan says of kits.

    Attributes:
        changes: one for each kit to be made: its directory.
        findings: what is to be said.
        asks_ca: the key of the CA that signs is encrypted, and no command opens it.
    """

    changes: tuple[PlannedFile, ...] = ()
    findings: tuple[Finding, ...] = ()
    asks_ca: bool = False


def decide(answers: Answers, cluster: Cluster, surroundings: Surroundings, issued: Issuing) -> Kits:
    """Return the kits to be made, and what is to be said of those that stand.

    Args:
        answers: with the roles.
        cluster: for its port and roles.
        surroundings: what stands in the directory of the kits.
        issued: the CA that signs the server's certificate, made in the same change perhaps.

    Raises:
        Refused: something stands at a kit's place that will not do, or the CA cannot sign.
        UnusableInput: the clients' CA has no key here.
    """
    if not answers.clients.roles or surroundings.renew:
        return Kits()
    new = None if answers.clients.ca is not None else _new_signer(issued)
    root = _root(surroundings, issued)
    missing: list[KitFact] = []
    kept: list[KitFact] = []
    standing = {kit.role: kit for kit in surroundings.kits}
    for role, place in places(answers).items():
        kit = standing.get(role, KitFact(role, place, exists=False))
        if not kit.exists:
            missing.append(kit)
            continue
        problem = "another CA signed its certificate" if new and kit.problem is None else kit.problem
        if problem is None and kit.root != root:
            problem = "its root.crt is another one than the server's will be"
        if problem is not None:
            raise _in_the_way(kit, problem, cluster)
        kept.append(kit)
    findings = [*_kept(kept, answers, cluster), *_unknown(answers.clients.roles, cluster)]
    if not missing:
        return Kits(findings=tuple(findings))
    signer, asks = (new, False) if new else _standing_signer(answers, surroundings)
    made = []
    for kit in missing:
        profile = Profile("client", kit.role, CLIENT_KEY, CLIENT_DAYS, signer)
        owner = (surroundings.user, surroundings.user_gid, surroundings.user_name)
        made.append(PlannedFile(kit.directory, "create", "kit", "kits", 0o700, *owner, secret=True, profile=profile))
    findings += _about_made(made, answers)
    return Kits(tuple(made), tuple(findings), asks)


def connection(answers: Answers, cluster: Cluster) -> Connection:
    """Return where the roles will connect: the first name that is no wildcard, and the server's port."""
    host = next((name for name in answers.server.names if not name.startswith("*")), None)
    port = cluster.postmaster.port if cluster.postmaster else int(cluster.value("port") or 5432)
    return Connection(host, port)


def roles_of(changes: Sequence[PlannedFile]) -> tuple[str, ...]:
    """Return the roles whose kits are to be made."""
    return tuple(change.profile.common_name for change in changes if change.role == "kit" and change.profile is not None)


def revoked(surroundings: Surroundings) -> frozenset[str]:
    """Return the roles whose kit the server will refuse: revoked by its CA, whose list the server will have."""
    return frozenset(kit.role for kit in surroundings.kits if kit.revoked) if surroundings.revocation is not None else frozenset()


def who_shows_what(answers: Answers, cluster: Cluster) -> str:
    """Return which roles have a certificate to show, and which that come in over TCP have none, as sentences."""
    with_kit = answers.clients.roles
    said = f"{_count(len(with_kit), 'role gets', 'roles get')} one: {in_words(with_kit)}." if with_kit else "No role gets one here."
    if cluster.server is None:
        return said
    without = [role for role in cluster.server.roles if role not in with_kit and over_tcp(role, cluster.rules)]
    if without:
        said += f" {_count(len(without), 'role that can log in over TCP gets', 'roles that can log in over TCP get')} none: {in_words(without)}."
    return said


def over_tcp(role: str, rules: Sequence[Rule]) -> bool:
    """Whether a rule lets a role in over TCP; membership in a group that a rule names is taken for given."""
    return any(
        not rule.error
        and rule.type != "local"
        and rule.method != "reject"
        and any(
            token.text == role or (not token.quoted and (token.text == "all" or token.text.startswith("+"))) or token.text.startswith("/")
            for token in rule.users
        )
        for rule in rules
    )


def commands(made: Kits, answers: Answers, issued: Issuing) -> tuple[str, ...]:
    """Return the openssl commands that make the same kits by hand, README.txt apart."""
    if not made.changes or issued.anchor is None:
        return ()
    from pgssl_wizard.certificates import openssl_kits  # noqa: PLC0415 - few plans have kits

    signer, above, key = _signer_by_hand(answers, issued)
    digest = "-sha384" if key == "ecdsa-p384" else "-sha256"
    return tuple(
        line
        for change in made.changes
        if change.profile is not None
        for line in openssl_kits.commands(change.profile, signer, above, issued.anchor.name, digest=digest)
    )


def _signer_by_hand(answers: Answers, issued: Issuing) -> tuple[tuple[str, str], tuple[str, ...], str]:
    """Return base names of the signing CA's certificate and key, of what clients send above their own, and the type of its key."""
    if answers.clients.ca is not None:
        return (answers.clients.ca.name, answers.clients.ca.with_suffix(".key").name), (), ""
    authorities = [profile for profile in issued.known if profile.kind in {"root", "intermediate"}]
    lowest = next((profile for profile in authorities if profile.kind == "intermediate"), authorities[0])
    names = issued.known[lowest]
    return names, (names[0],) if lowest.kind == "intermediate" else (), lowest.key


def _new_signer(issued: Issuing) -> str | None:
    """Return the name of the CA that is made in this change and will sign; None when it stands."""
    authorities = [profile for profile in issued.known if profile.kind in {"root", "intermediate"}]
    lowest = next((profile for profile in authorities if profile.kind == "intermediate"), authorities[0] if authorities else None)
    return lowest.common_name if lowest is not None and lowest in issued.made else None


def _root(surroundings: Surroundings, issued: Issuing) -> bytes | None:
    """Return what clients will check the server with; None when that is made in this change."""
    fact = surroundings.files.get(issued.anchor) if issued.anchor is not None else None
    made_now = any(profile.kind in {"root", "self-signed"} for profile in issued.made)
    if fact is None or fact.data is None or made_now:
        return None
    from pgssl_wizard.certificates.kits import roots_of  # noqa: PLC0415 - with cryptography, only where there are kits

    return roots_of(fact.data, str(issued.anchor))


def _standing_signer(answers: Answers, surroundings: Surroundings) -> tuple[str, bool]:
    """Return who signs, and whether somebody has to be asked for the key's passphrase."""
    signer, named = surroundings.kit_signer, answers.clients.ca
    if signer is None:
        raise Refused(
            "There is no CA certificate to be read that could sign the roles' certificates.",
            where=str(named or answers.certificate.ca_directory),
            code="ca-missing",
        )
    if not signer.key_exists:
        if named is not None:
            raise UnusableInput(
                f"The key of the clients' CA {signer.name} is not beside it, so the roles of clients.roles get no certificates here.",
                where=str(signer.key),
                hint="Run `issue` where that CA's key lies, and take clients.roles out; or bring the key here for as long as it takes.",
                code="ca-key-missing",
            )
        raise Refused(
            f"The key of {signer.name} is not there, and client certificates have to be signed with it.",
            where=str(signer.key),
            hint="Bring it back for as long as it takes to sign, or take the new roles out of clients.roles.",
            code="ca-key-missing",
        )
    if signer.key_fits is False:
        message = f"This key belongs to no CA in {signer.certificate.name}, or cannot sign here."
        raise Refused(message, where=str(signer.key), code="ca-key-unusable")
    return signer.name, signer.key_fits is None and not answers.certificate.ca_passphrase_command


def _in_the_way(kit: KitFact, why: str, cluster: Cluster) -> Refused:
    hint = "Move it away, or name another clients.directory; a kit is never overwritten."
    if kit.revoked:
        why = "its certificate is revoked"
    elif "life is left" in why or "other intermediates" in why:
        hint = f"pgssl-wizard renew --clients {cluster.data_directory} makes it anew and keeps the old one beside it."
    return Refused(
        f"Something has the name of the kit for {kit.role} already, and {why}.",
        where=str(kit.directory),
        hint=hint,
        code="kit-in-the-way",
    )


def _kept(kept: Sequence[KitFact], answers: Answers, cluster: Cluster) -> Iterator[Finding]:
    """Yield what is to be said of kits that stand."""
    if not kept:
        return
    where = str(answers.clients.directory)
    what = "A kit that stands is kept" if len(kept) == 1 else f"{len(kept)} kits that stand are kept"
    yield Finding(
        "info",
        "kit-kept",
        f"{what}: {in_words([kit.role for kit in kept])}.",
        "They are what would be made, with more than a third of their life left.",
        where,
        "clients",
    )
    gone = [kit.role for kit in kept if kit.revoked]
    if gone:
        yield Finding(
            "warning",
            "kit-revoked",
            f"Revoked, so that nobody gets in with it where the list is placed: {in_words(gone)}.",
            "Move the kit away for a new one to be made, or take the role out of clients.roles.",
            where,
            "clients",
        )
    now = connection(answers, cluster)
    other = [
        kit.role
        for kit in kept
        if kit.not_after is not None and kit.readme != readme(kit.role, now, kit.not_after, with_passphrase=False).encode()
    ]
    if other:
        yield Finding(
            "warning",
            "kit-with-other-settings",
            f"The settings in README.txt are others than would be written now: {in_words(other)}.",
            "Tell these roles what has changed: host, port; or move their kits away and apply again.",
            where,
            "clients",
        )


def _unknown(roles: Sequence[str], cluster: Cluster) -> Iterator[Finding]:
    """Yield which roles the running server does not let log in at all."""
    if cluster.server is None:
        return
    unknown = [role for role in dict.fromkeys(roles) if role not in cluster.server.roles]
    if unknown:
        one = len(unknown) == 1
        yield Finding(
            "warning",
            "role-not-in-server",
            f"The server has no role{'' if one else 's'} that can log in by the name{'' if one else 's'} {in_words(unknown)}.",
            "Check the spelling, or create them later: a certificate for a role that is missing does no harm.",
            "clients.roles",
            "clients",
        )


def _about_made(made: Sequence[PlannedFile], answers: Answers) -> Iterator[Finding]:
    """Yield what becomes of the kits that are made."""
    place = str(answers.clients.directory)
    yield Finding(
        "info",
        "kits-are-yours",
        f"{_count(len(made), 'kit is', 'kits are')} made in {place}: {in_words(roles_of(made))}. Undo leaves them there.",
        "Each holds a private key: hand it to its role over a way that nobody reads.",
        place,
        "clients",
    )
    if not answers.clients.checked:
        yield Finding(
            "info",
            "kits-not-checked",
            "The server checks no client certificate yet: clients.certificates is “none”.",
            "Hand the kits out first, then choose optional, and demand certificates when all have theirs.",
            None,
            "clients",
        )


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


def places(answers: Answers) -> dict[str, Path]:
    """Return where the kit of each role is, made now or standing."""
    return {role: answers.clients.directory / directory_name(role) for role in answers.clients.roles}
