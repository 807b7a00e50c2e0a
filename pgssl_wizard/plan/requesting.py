"""A request for a certificate that somebody else signs: a key that waits, the request, and a record of both. Pure.

Nothing of the server changes; the files are the person's, and no undo touches them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pgssl_wizard.answers import Answers
from pgssl_wizard.certificates.names import common_name, parse_names
from pgssl_wizard.certificates.profiles import Profile
from pgssl_wizard.cluster.facts import Cluster, waiting_key
from pgssl_wizard.cluster.standing import Surroundings
from pgssl_wizard.errors import Refused
from pgssl_wizard.findings import Finding
from pgssl_wizard.plan import places
from pgssl_wizard.plan.model import Plan, PlannedFile


def asked(answers: Answers) -> bool:
    """Whether the answers ask for a request, and the answer to it is not here yet."""
    return answers.certificate.source == "request" and not answers.certificate.import_certificate


def files(cluster: Cluster, surroundings: Surroundings, answers: Answers, key_owner: tuple[int, int, str]) -> tuple[PlannedFile, ...]:
    """Return what has to be written; nothing while such a request waits for its answer.

    Args:
        cluster: with the request that waits, if there is one.
        surroundings: what stands where the request and its key would go.
        answers: complete.
        key_owner: uid, gid and `user:group` that the key will have.

    Raises:
        Refused: another request waits, or something stands in the way.
        UnusableInput: a name that no certificate can hold.
    """
    profile = profile_of(answers)
    if cluster.requested is not None:
        _refuse_another(cluster, profile)
        return ()
    request, key = request_file(answers), waiting_key(answers.files.key)
    record = surroundings.request_record
    assert record is not None, "nobody has looked for a free name"
    places.check_blocked(surroundings)
    places.check_free(request, cluster, surroundings, "Name another place in certificate.request_file, or move it away.")
    places.check_free(key, cluster, surroundings, "It may be the key of an earlier request: move it away, or bring its certificate first.")
    places.check_target(answers.files.key, cluster, surroundings)
    me = (surroundings.user, surroundings.user_gid, surroundings.user_name)
    server = (cluster.uid, cluster.gid, cluster.owner)
    key_mode = 0o600 if answers.files.key_owner == "server" else 0o640
    return (
        PlannedFile(key, "create", "requested-key", "ca", key_mode, *key_owner, secret=True, profile=profile),
        PlannedFile(request, "create", "request", "ca", 0o644, *me, profile=profile),
        PlannedFile(record, "create", "record", "ca", 0o600, *server, profile=profile),
    )


def profile_of(answers: Answers) -> Profile:
    """Return what is asked for."""
    names = parse_names(answers.server.names, "server.names")
    return Profile("request", common_name(names), answers.certificate.key, 0, "", tuple(name.text for name in names))


def request_file(answers: Answers) -> Path:
    """Return where the request goes."""
    found = answers.certificate.request_file
    assert found is not None, "recommended for every cluster"
    return found


def _refuse_another(cluster: Cluster, profile: Profile) -> None:
    """Raise when what waits is not what is asked for now."""
    pending = cluster.requested
    assert pending is not None
    if set(pending.names) == set(profile.names) and pending.key_type == profile.key:
        return
    what = "other names" if set(pending.names) != set(profile.names) else f"another type of key ({pending.key_type})"
    raise Refused(
        f"A request of {pending.made:%Y-%m-%d} for {what} waits for its certificate ({', '.join(pending.names)}); it is not overwritten.",
        where=str(pending.request),
        hint=f"Bring its certificate first, or move {pending.request} and {pending.key} away.",
        code="request-pending",
    )


def commands(planned: tuple[PlannedFile, ...]) -> tuple[str, ...]:
    """Return the commands that make the same key and request by hand."""
    from pgssl_wizard.certificates import openssl  # noqa: PLC0415

    names = {change.role: change.path.name for change in planned}
    profile = next((change.profile for change in planned), None)
    return openssl.request_commands(profile, names["request"], names["requested-key"]) if profile is not None else ()


def findings(plan: Plan, cluster: Cluster) -> Iterator[Finding]:
    """Yield what comes next, and what is odd about where the request goes."""
    request = next((change.path for change in plan.changes if change.role == "request"), None)
    if request is None:
        return
    yield Finding(
        "info",
        "request-pending-next",
        f"Nothing of the server changes yet. Send {request} to your CA, and ask it to keep all names.",
        "When the answer is here, apply with certificate.source = “import” and its files in certificate.import_certificate; "
        "the key that waits is found by itself. The other answers count then.",
        str(request),
        "certificate",
    )
    if cluster.data_directory in request.parents:
        yield Finding(
            "info",
            "request-in-data-directory",
            "The request will lie in the data directory: it is no secret, and every base backup gets a copy of it.",
            "certificate.request_file names another place.",
            str(request),
            "certificate",
        )
    addresses = [name.text for name in parse_names(plan.answers.server.names) if name.kind == "address"]
    if addresses:
        yield Finding(
            "info",
            "address-not-as-name",
            f"libpq 13 and 14 will not find {', '.join(addresses)} in the certificate: they look for addresses among the DNS names, "
            "and CAs turn down a request that has them there.",
            "For such clients, use a name.",
            None,
            "names",
        )
