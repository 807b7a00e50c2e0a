"""Everything of a cluster that ends by itself: certificates, revocation lists, and what lies outside for its CA and its clients."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from pgssl_wizard.answers import Answers
from pgssl_wizard.certificates.renewal import due_from, is_kit
from pgssl_wizard.cluster.certificates import facts_of, read
from pgssl_wizard.cluster.facts import Cluster
from pgssl_wizard.cluster.kits import is_revoked, revoked_by, signer_files
from pgssl_wizard.cluster.reading import fact_of
from pgssl_wizard.findings import Finding, Topic

Part = Literal["server", "intermediate", "root", "client-ca", "client", "crl"]

#: What each is called in sentences, the option of `renew` that makes it anew, and the step it belongs to.
_WORDS: dict[Part, tuple[str, str, Topic]] = {
    "server": ("The server certificate", "", "certificate"),
    "intermediate": ("The intermediate", " --intermediate", "certificate"),
    "root": ("The root", "", "certificate"),
    "client-ca": ("A CA of the clients", "", "clients"),
    "client": ("The client certificate", " --clients", "clients"),
    "crl": ("The revocation list", " --crl", "clients"),
}
#: What happens at the end of each.
_OUTAGE: dict[Part, str] = {
    "server": "verifying clients refuse the server from then on",
    "intermediate": "verifying clients refuse the server from then on",
    "root": "verifying clients refuse the server from then on",
    "client-ca": "the server refuses every certificate below it from then on",
    "client": "the server refuses it from then on",
    "crl": "the server refuses every client with a certificate from then on",
}


@dataclass(frozen=True, slots=True)
class Expiring:
    """One thing that ends.

    Attributes:
        part: what it is.
        path: its file.
        name: whose it is, in words.
        begins, ends: of its life.
    """

    part: Part
    path: Path
    name: str
    begins: datetime
    ends: datetime

    @property
    def due(self) -> datetime:
        """When it is to be renewed."""
        return due_from(self.begins, self.ends)


def of_cluster(cluster: Cluster, answers: Answers | None) -> tuple[Expiring, ...]:
    """Return what ends, the first end first.

    Args:
        cluster: its certificates are those of the settings; with TLS off there are none.
        answers: of the last change, which name the CA's directory and the clients'; None when there was none.
    """
    found: dict[tuple[Part, str, datetime], Expiring] = {}
    for each in (*_in_use(cluster), *(_of_the_answers(answers) if answers else ())):
        found.setdefault((each.part, each.name, each.ends), each)
    return tuple(sorted(found.values(), key=lambda each: each.ends))


def _in_use(cluster: Cluster) -> Iterator[Expiring]:
    if cluster.value("ssl") != "on":
        return
    for each in cluster.certificates:
        yield Expiring(each.role, each.path, each.common_name or each.subject, each.not_before, each.not_after)
    places = [cluster.path_of("ssl_crl_file")]
    directory = cluster.path_of("ssl_crl_dir")
    if directory is not None and directory.is_dir():
        places += sorted(directory.glob("????????.r*"))
    for place in places:
        yield from _lists(place)


def _of_the_answers(answers: Answers) -> Iterator[Expiring]:
    certificate = answers.certificate
    if certificate.source in {"new-ca", "existing-ca"}:
        directory = certificate.ca_directory
        for part, file in (("intermediate", "intermediate.crt"), ("root", "root.crt")):
            yield from _certificates(part, directory / file)  # type: ignore[arg-type]
        for file in ("intermediate.crl", "root.crl"):
            yield from _lists(directory / file)
    if answers.clients.directory.is_dir():
        places = signer_files(answers)
        revoked = revoked_by(places[0]) if places is not None else frozenset()
        for kit in sorted(answers.clients.directory.iterdir()):
            # What was put aside, and what nobody gets in with, ends unmourned.
            if not is_kit(kit.name) or (revoked and is_revoked(fact_of(kit / "postgresql.crt").data or b"", revoked)):
                continue
            # The leaf alone: the rest of the file is the CA's.
            yield from list(_certificates("client", kit / "postgresql.crt"))[:1]


def _certificates(part: Part, path: Path) -> Iterator[Expiring]:
    data = fact_of(path).data
    for each in facts_of(read(data), "server", path) if data else ():
        yield Expiring(part, path, each.common_name or each.subject, each.not_before, each.not_after)


def _lists(path: Path | None) -> Iterator[Expiring]:
    data = fact_of(path).data if path is not None else None
    if path is None or not data:
        return
    from pgssl_wizard.certificates.load import load  # noqa: PLC0415 - with it comes `cryptography`

    for each in load(data).crls:
        ends = each.value.next_update_utc
        if ends is not None:
            yield Expiring("crl", path, each.value.issuer.rfc4514_string(), each.value.last_update_utc, ends)


def findings(found: Iterable[Expiring], data_directory: Path, now: datetime, said: Iterable[Finding] = ()) -> Iterator[Finding]:
    """Yield what is over, and what is to be renewed.

    Args:
        found: what ends.
        data_directory: for the command that renews.
        now: the present.
        said: findings about the same files that say already what has ended.
    """
    ended = {finding.where for finding in said if finding.code in {"certificate-expired", "crl-expired"}}
    for each in found:
        what, option, topic = _WORDS[each.part]
        who = f"{what} {each.name}"
        if each.ends <= now:
            if str(each.path) not in ended:
                yield Finding("error", f"{each.part}-expired", f"{who} expired on {each.ends:%Y-%m-%d}.", None, str(each.path), topic)
            continue
        if each.due > now:
            continue
        days = (each.ends - now).days
        cure = f"pgssl-wizard renew {data_directory}{option}"
        if each.part in {"root", "client-ca"}:
            cure = "Make a new CA, and hand its root out beside the old one well before that day."
        yield Finding(
            "warning",
            f"{each.part}-renewal-due",
            f"{who} ends on {each.ends:%Y-%m-%d}, in {days} days: {_OUTAGE[each.part]}.",
            cure,
            str(each.path),
            topic,
        )
