"""What stands where the clients' kits go, and which CA signs them."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pgssl_wizard.answers import Answers
from pgssl_wizard.certificates.profiles import CLIENT_DAYS, CLIENT_KEY
from pgssl_wizard.certificates.roles import directory_name
from pgssl_wizard.cluster.facts import FileFact
from pgssl_wizard.cluster.reading import fact_of
from pgssl_wizard.cluster.standing import KitFact, KitSigner
from pgssl_wizard.errors import Refused

if TYPE_CHECKING:
    from cryptography import x509

    from pgssl_wizard.certificates.revocation import RevokedSet

#: Larger than any file of a kit.
_LARGEST = 1 << 20


def signer_files(answers: Answers) -> tuple[Path, Path] | None:
    """Return certificate and key of the CA that signs the kits; None where the answers lead to none.

    The clients' CA signs when it is named, with the key beside it; else the CA that signs the server's certificate, by its
    intermediate where there is one.
    """
    if answers.clients.ca is not None:
        return answers.clients.ca, answers.clients.ca.with_suffix(".key")
    certificate = answers.certificate
    directory = certificate.ca_directory
    middle = directory / "intermediate.crt"
    if certificate.source == "existing-ca":
        found = certificate.ca_certificate or (middle if middle.exists() else directory / "root.crt")
        return found, certificate.ca_key or found.with_suffix(".key")
    if certificate.source == "new-ca":
        found = middle if certificate.intermediate or middle.exists() else directory / "root.crt"
        return found, found.with_suffix(".key")
    return None


def look(answers: Answers, now: datetime) -> tuple[dict[Path, FileFact], KitSigner | None, tuple[KitFact, ...]]:
    """Return the files that the kits of the answers rest on, who signs them, and what stands of them. Reads only.

    Args:
        answers: with the roles.
        now: for how much of a certificate's life is left.

    Raises:
        Refused: one may not look.
    """
    if not answers.clients.roles:
        return {}, None, ()
    files: dict[Path, FileFact] = {}
    places = signer_files(answers)
    opened: list[_Opened] = []
    if places is not None:
        files |= {places[0]: fact_of(places[0]), places[1]: fact_of(places[1], secret=True)}
        opened = _open(places, files)
    found = []
    for role in dict.fromkeys(answers.clients.roles):
        place = answers.clients.directory / directory_name(role)
        # Missing ones too: a kit that comes into being after the plan is made is noticed.
        files[place / "postgresql.crt"] = fact_of(place / "postgresql.crt", secret=True)
        standing = read_standing(answers.clients.directory, directory_name(role))
        if standing is None:
            found.append(KitFact(role, place, exists=False))
        elif not opened:
            found.append(KitFact(role, place, exists=True, problem="no CA that stands has signed its certificate"))
        else:
            found.append(_judged(role, place, standing, opened, now))
    return files, opened[0].signer if opened else None, tuple(found)


@dataclass(frozen=True, slots=True)
class _Opened:
    """Who signs, its certificate, and what a client sends after its own."""

    signer: KitSigner
    certificate: x509.Certificate
    chain: tuple[x509.Certificate, ...]
    until: datetime


def _open(places: tuple[Path, Path], files: Mapping[Path, FileFact]) -> list[_Opened]:
    """Return the CA in two files; its key is compared and let go.

    Of several CAs in one file the key tells which one signs. Where it is encrypted or away, all of them are returned, the lowest first.
    """
    data = files[places[0]].data
    if not data:
        return []
    from pgssl_wizard.certificates import keys  # noqa: PLC0415 - only when there is a certificate
    from pgssl_wizard.certificates.authority import signed_by, upwards  # noqa: PLC0415
    from pgssl_wizard.certificates.read import common_name_of, is_ca, read_certificates  # noqa: PLC0415

    authorities = [each for each in read_certificates(data) if is_ca(each)]
    pem = _bytes(places[1])
    fitting = [each for each in authorities if pem is not None and keys.matches(pem, each)]
    beside = [_bytes(places[0].parent / f"{name}.crt") or b"" for name in ("intermediate", "root")]
    pool = [*authorities, *(each for found in beside for each in read_certificates(found))]
    opened = []
    for certificate in fitting[:1] or sorted(authorities, key=lambda each: signed_by(each, each)):
        chain, root = upwards(certificate, pool)
        until = min(each.not_valid_after_utc for each in (certificate, *chain, *([root] if root else [])))
        signer = KitSigner(
            places[0],
            places[1],
            common_name_of(certificate) or certificate.subject.rfc4514_string(),
            key_exists=files[places[1]].exists,
            key_fits=None if pem is None or keys.encrypted(pem) else bool(fitting),
        )
        opened.append(_Opened(signer, certificate, chain, until))
    return opened


def _judged(role: str, place: Path, standing: Mapping[str, bytes | None], opened: Sequence[_Opened], now: datetime) -> KitFact:
    """Return what a kit is good for; its root is for the plan to compare, which knows the server's."""
    from pgssl_wizard.certificates.kits import CERTIFICATE, README, ROOT, Kit, Standard  # noqa: PLC0415

    if not standing:
        return KitFact(role, place, exists=True, problem="it is no directory")
    problem, gone = None, False
    for each in opened:
        gone = gone or is_revoked(standing[CERTIFICATE] or b"", revoked_by(each.signer.certificate))
        standard = Standard(each.certificate, each.chain, None, each.until, CLIENT_KEY, CLIENT_DAYS, b"", now)
        verdict = standard.judge(role, standing)
        if isinstance(verdict, Kit):
            return KitFact(
                role, place, exists=True, root=standing[ROOT], readme=standing[README], not_after=verdict.not_after, revoked=gone
            )
        problem = problem or verdict
    return KitFact(role, place, exists=True, problem=problem, revoked=gone)


def revoked_by(certificate: Path) -> RevokedSet:
    """Return what is on the list that a CA keeps beside its own certificate, this file."""
    data = _bytes(certificate.with_suffix(".crl"))
    if not data:
        return frozenset()
    from pgssl_wizard.certificates.revocation import named_in  # noqa: PLC0415 - few have lists

    return named_in(data)


def is_revoked(certificate: bytes, revoked: RevokedSet) -> bool:
    """Whether the first certificate of a file is among these."""
    if not revoked:
        return False
    from pgssl_wizard.certificates.read import read_certificates  # noqa: PLC0415
    from pgssl_wizard.certificates.revocation import is_named  # noqa: PLC0415

    found = read_certificates(certificate)
    return bool(found) and is_named(found[0], revoked)


def read_standing(output: Path, name: str) -> dict[str, bytes | None] | None:
    """Return the files of the kit that stands there, empty for no directory; None when nothing has its name.

    Args:
        output: the directory of the kits.
        name: the kit's.

    Raises:
        Refused: it may not be looked at.
    """
    from pgssl_wizard.certificates.kits import MODES  # noqa: PLC0415 - with cryptography

    place = output / name
    try:
        kind = place.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise Refused(f"cannot be looked at: {error.strerror}", where=str(place), code="unreadable-file") from error
    if not stat.S_ISDIR(kind):
        return {}
    return {file: _content(place / file) for file in MODES}


def _bytes(path: Path) -> bytes | None:
    """Return a file's bytes, links followed; None when it is not there or may not be read."""
    try:
        return path.read_bytes()
    except OSError:
        return None


def _content(path: Path) -> bytes | None:
    """Return a file's bytes; None for a link, a device, something too large, or what may not be read."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
    except OSError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            return None
        data = file.read(_LARGEST + 1)
        return data if len(data) <= _LARGEST else None
