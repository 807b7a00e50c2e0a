"""Revocation lists: those that the CAs above clients keep, and those at the places where the server looks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pgssl_wizard.answers import Answers
from pgssl_wizard.cluster.certificates import key_matches, read
from pgssl_wizard.cluster.facts import Cluster, FileFact
from pgssl_wizard.cluster.reading import fact_of, names_in
from pgssl_wizard.cluster.standing import ListFact, Revocation
from pgssl_wizard.errors import Refused
from pgssl_wizard.findings import Finding

if TYPE_CHECKING:
    from cryptography import x509

    Lists = Sequence[tuple[x509.CertificateRevocationList, "x509.Certificate | None"]]


def places(cluster: Cluster, answers: Answers) -> tuple[Path | None, Path | None]:
    """Return the file and the directory in which the server will look for lists: as answered, else as its settings say today."""
    if not answers.clients.checked:
        return None, None
    return answers.files.crl or cluster.path_of("ssl_crl_file"), answers.files.crl_dir or cluster.path_of("ssl_crl_dir")


def look(cluster: Cluster, answers: Answers, now: datetime) -> tuple[dict[Path, FileFact], Revocation | None]:
    """Return the files that the plan's lists rest on, and what they say. Reads only; keys are compared and let go."""
    file, directory = places(cluster, answers)
    if file is None and directory is None:
        return {}, None
    files: dict[Path, FileFact] = {}
    above = _above(answers, files, file)
    if answers.certificate.source == "new-ca":
        for name in ("root.crl", "intermediate.crl"):
            path = answers.certificate.ca_directory / name
            files[path] = fact_of(path)
    certificates = [certificate for certificate, _ in above]
    in_file: Lists = []
    strange = None
    if file is not None:
        files[file] = fact_of(file)
        data = files[file].data or b""
        in_file, strange = _lists(data, certificates), _strange(data)
    in_directory: dict[str, Lists] = {}
    if directory is not None:
        from pgssl_wizard.certificates.issuer_hash import FILE_NAME  # noqa: PLC0415 - with it comes `cryptography`

        for name in sorted(names_in(directory) or ()):
            if FILE_NAME.fullmatch(name):
                fact = files[directory / name] = fact_of(directory / name)
                in_directory[name] = _lists(fact.data or b"", certificates)
    everywhere = [*in_file, *(each for lists in in_directory.values() for each in lists)]
    facts = tuple(_fact(certificate, place, files, everywhere, now) for certificate, place in above)
    names = dict(zip(map(id, certificates), (fact.ca for fact in facts), strict=True))
    return files, Revocation(
        file=file,
        directory=directory,
        cas=facts,
        in_file=tuple(_told(each, names) for each in in_file),
        strange=strange,
        in_directory={name: _told(lists[0], names) if lists else (b"", None) for name, lists in in_directory.items()},
    )


@dataclass(frozen=True, slots=True)
class Waiting:
    """A list that a CA keeps and the server does not have yet.

    Attributes:
        ca: whose it is.
        file: where it keeps it.
        place: where the server looks for lists today: a file or a directory; None for nowhere.
        revoked: how many certificates it names that are on no list of the server.
    """

    ca: str
    file: Path
    place: Path | None
    revoked: int


def not_placed(cluster: Cluster, answers: Answers) -> tuple[Waiting, ...]:
    """Return the lists of the CAs above clients that are newer than what the server has, by its settings of today. Reads only.

    Where the server looks for no list at all, one counts only if it names somebody; where it asks for no client certificate, none does.
    """
    if cluster.value("ssl") != "on" or not cluster.value("ssl_ca_file"):
        return ()
    from pgssl_wizard.certificates.read import common_name_of  # noqa: PLC0415 - few have lists
    from pgssl_wizard.certificates.revocation import age_in_order  # noqa: PLC0415

    file, directory = cluster.path_of("ssl_crl_file"), cluster.path_of("ssl_crl_dir")
    files: dict[Path, FileFact] = {}
    above = _above(answers, files, file)
    cas = [certificate for certificate, _ in above]
    held = {place: found for place, found in ((file, _in_file(file, cas)), (directory, _in_directory(directory, cas))) if place is not None}
    waiting = []
    for certificate, place in above:
        kept = _kept(certificate, place[0].with_suffix(".crl"), files)[0] if place is not None else []
        if place is None or not kept:
            continue
        placed = {where: [each for each, ca in lists if ca is certificate] for where, lists in held.items()}
        behind = [where for where, lists in placed.items() if not lists or age_in_order(kept[0]) > max(map(age_in_order, lists))]
        known = {entry.serial_number for lists in placed.values() for each in lists for entry in each}
        missing = sum(entry.serial_number not in known for entry in kept[0])
        if behind or (not held and missing):
            ca = common_name_of(certificate) or certificate.subject.rfc4514_string()
            waiting.append(Waiting(ca, place[0].with_suffix(".crl"), behind[0] if behind else None, missing))
    return tuple(waiting)


def findings(waiting: Sequence[Waiting], answers: Answers, data_directory: Path) -> Iterator[Finding]:
    """Yield that lists wait to be placed, with the command that does it.

    Args:
        waiting: those of `not_placed`.
        answers: of the last change.
        data_directory: of the cluster.
    """
    for each in waiting:
        cure = f"pgssl-wizard renew {data_directory} --crl"
        if answers.files.crl is None and answers.files.crl_dir is None:
            name = "files.crl_dir" if each.place is not None and each.place.is_dir() else "files.crl"
            cure = f"pgssl-wizard apply {data_directory} -a ANSWERS --set {name}={each.place or 'root.crl'} places it: with the answers as they are."
        what = "1 revoked certificate still gets" if each.revoked == 1 else f"{each.revoked} revoked certificates still get"
        if each.place is None:
            told = f"The server has no revocation list, and {each.ca} keeps one: {what} in."
        elif each.revoked:
            told = f"The revocation list of {each.ca} is newer than the one that the server has: {what} in."
        else:
            told = f"The revocation list of {each.ca} is newer than the one that the server has, and names nobody else."
        yield Finding("warning" if each.revoked else "info", "crl-not-placed", told, cure, str(each.file), "clients")


def _in_file(file: Path | None, cas: Sequence[x509.Certificate]) -> Lists:
    return _lists(fact_of(file).data or b"", cas) if file is not None else []


def _in_directory(directory: Path | None, cas: Sequence[x509.Certificate]) -> Lists:
    if directory is None:
        return []
    from pgssl_wizard.certificates.issuer_hash import FILE_NAME  # noqa: PLC0415 - with it comes `cryptography`

    names = [name for name in sorted(names_in(directory) or ()) if FILE_NAME.fullmatch(name)]
    return [each for name in names for each in _in_file(directory / name, cas)]


Place = tuple[Path, Path]


def _above(answers: Answers, files: dict[Path, FileFact], target: Path | None) -> list[tuple[x509.Certificate, Place | None]]:
    """Return the CAs above clients that stand, the lower ones first, each with its certificate and key where they are at hand."""
    from pgssl_wizard.certificates.authority import signed_by  # noqa: PLC0415 - few have lists
    from pgssl_wizard.certificates.read import fingerprint, is_ca  # noqa: PLC0415

    at_hand: dict[str, tuple[x509.Certificate, Place | None]] = {}
    for certificate_file, key in _candidates(answers):
        found = read(_data(certificate_file, files))
        # A list that would be the server's own file is not the CA's.
        if found and is_ca(found[0]) and certificate_file.with_suffix(".crl") != target:
            at_hand.setdefault(fingerprint(found[0]), (found[0], (certificate_file, key)))
    trusted = read(_data(answers.clients.ca, files)) if answers.clients.ca is not None else []
    if answers.clients.ca is None and not at_hand:
        # Neither made now nor named: whatever stands where the server has its clients' CA.
        trusted = read(_data(answers.files.ca, files)) if answers.certificate.source not in {"new-ca", "existing-ca"} else []
    if not trusted:
        if answers.certificate.source == "existing-ca":
            beside = [each for name, _ in _candidates(answers) for each in read(_data(name, files))]
            at_hand = {
                **at_hand,
                **{fingerprint(each): (each, None) for each in beside if is_ca(each) and fingerprint(each) not in at_hand},
            }
        return list(at_hand.values())
    chosen = {fingerprint(each): (each, at_hand.get(fingerprint(each), (each, None))[1]) for each in trusted if is_ca(each)}
    for mark, (certificate, place) in at_hand.items():
        if mark not in chosen and any(signed_by(certificate, above) for above, _ in list(chosen.values())):
            chosen[mark] = (certificate, place)
    return list(chosen.values())


def _candidates(answers: Answers) -> Iterator[Place]:
    """Yield where certificate and key of the CAs above clients may be."""
    certificate = answers.certificate
    directories = [certificate.ca_directory]
    if answers.clients.ca is not None:
        yield answers.clients.ca, answers.clients.ca.with_suffix(".key")
        directories.insert(0, answers.clients.ca.parent)
    elif certificate.source == "existing-ca" and certificate.ca_certificate is not None:
        yield certificate.ca_certificate, certificate.ca_key or certificate.ca_certificate.with_suffix(".key")
    for directory in dict.fromkeys(directories):
        middle = directory / "intermediate.crt"
        signs = middle if middle.exists() else directory / "root.crt"
        for path in (middle, directory / "root.crt"):
            own = certificate.ca_key if certificate.source == "existing-ca" and path == signs else None
            yield path, own or path.with_suffix(".key")


def _data(path: Path, files: dict[Path, FileFact]) -> bytes:
    if path not in files:
        files[path] = fact_of(path)
    data = files[path].data or b""
    if b"PRIVATE KEY-----" in data:
        # A file with a key is nobody's to keep in a plan.
        files[path] = replace(files[path], data=None)
    return data


def _fact(certificate: x509.Certificate, place: Place | None, files: dict[Path, FileFact], elsewhere: Lists, now: datetime) -> ListFact:
    """Return what is known of a CA and its newest list."""
    from pgssl_wizard.certificates import revocation  # noqa: PLC0415
    from pgssl_wizard.certificates.issuer_hash import hash_of  # noqa: PLC0415
    from pgssl_wizard.certificates.read import common_name_of, extension  # noqa: PLC0415

    lists = [value for value, ca in elsewhere if ca is certificate]
    fact = ListFact(ca=common_name_of(certificate) or certificate.subject.rfc4514_string(), hash=hash_of(certificate.subject))
    if place is not None:
        file, (kept, problem) = place[0].with_suffix(".crl"), _kept(certificate, place[0].with_suffix(".crl"), files)
        lists += kept
        fact = replace(fact, certificate=place[0], key=place[1], file=file, key_fits=_key_fits(certificate, place, files), problem=problem)
    if (usage := extension(certificate, _key_usage())) is not None:
        fact = replace(fact, may_sign=usage.crl_sign)
    if not lists:
        return fact
    newest = max(lists, key=revocation.age_in_order)
    return replace(fact, pem=revocation.to_pem(newest), age=revocation.age_of(newest, now), ends=newest.next_update_utc)


def _key_usage() -> type[x509.KeyUsage]:
    from cryptography import x509  # noqa: PLC0415

    return x509.KeyUsage


def _kept(
    certificate: x509.Certificate, file: Path, files: dict[Path, FileFact]
) -> tuple[list[x509.CertificateRevocationList], str | None]:
    """Return the list that a CA keeps in its file, and why what stands there is none."""
    from pgssl_wizard.certificates.revocation import standing_list  # noqa: PLC0415

    fact = files[file] = fact_of(file)
    if not fact.exists:
        return [], None
    if fact.data is None:
        return [], fact.problem or "it cannot be read"
    try:
        return [standing_list(fact.data, certificate, str(file))], None
    except Refused as refused:
        return [], refused.message


def _key_fits(certificate: x509.Certificate, place: Place, files: dict[Path, FileFact]) -> bool | None:
    from cryptography.hazmat.primitives.serialization import Encoding  # noqa: PLC0415

    fact = files[place[1]] = fact_of(place[1], secret=True)
    if not fact.exists or fact.problem:
        return False
    return key_matches(place[1], certificate.public_bytes(Encoding.PEM))


def _lists(data: bytes, cas: Sequence[x509.Certificate]) -> Lists:
    """Return the lists in a file, each with the CA that signed it."""
    if not data:
        return []
    from pgssl_wizard.certificates.revocation import lists_in, signed_by  # noqa: PLC0415

    return [(each, next((ca for ca in cas if signed_by(each, ca)), None)) for each in lists_in(data)]


def _strange(data: bytes) -> str | None:
    """Return what a file of lists holds besides them, in words."""
    if not data.strip():
        return None
    from pgssl_wizard.certificates.load import load  # noqa: PLC0415

    objects = load(data)
    if objects.keys:
        return "it holds a private key"
    if objects.certificates:
        return "it holds a certificate, which the server takes in silence and then refuses every client certificate"
    if not objects.crls:
        return objects.form
    return "it is DER, and the server reads PEM" if objects.format != "PEM" else None


def _told(each: tuple[x509.CertificateRevocationList, x509.Certificate | None], names: Mapping[int, str]) -> tuple[bytes, str | None]:
    from pgssl_wizard.certificates.revocation import to_pem  # noqa: PLC0415

    value, ca = each
    return to_pem(value), names[id(ca)] if ca is not None else None
