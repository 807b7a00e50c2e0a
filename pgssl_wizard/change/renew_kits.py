"""Kits made anew before their certificates end: the new one takes the old one's place, which stays beside it by another name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import get_args

from cryptography import x509
from cryptography.hazmat.primitives.serialization import pkcs12

from pgssl_wizard.certificates import keys, kits, workers
from pgssl_wizard.certificates.authority import Authority, signed_by
from pgssl_wizard.certificates.kit_text import Connection
from pgssl_wizard.certificates.kits import CERTIFICATE, PKCS12, ROOT, Kit
from pgssl_wizard.certificates.profiles import CLIENT_KEY, KeyType
from pgssl_wizard.certificates.read import common_name_of, read_certificates
from pgssl_wizard.certificates.renewal import due_from, is_kit, put_aside
from pgssl_wizard.certificates.revocation import RevokedSet, is_named
from pgssl_wizard.certificates.roles import directory_name
from pgssl_wizard.change.kits import Told, write
from pgssl_wizard.change.signals import Watch
from pgssl_wizard.cluster.kits import read_standing
from pgssl_wizard.errors import Refused
from pgssl_wizard.findings import Finding

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Standing:
    """One kit that stands and is to be made anew.

    Attributes:
        name: of its directory.
        key, days: of its certificate, as it was made.
        ends: when its certificate does.
        passphrase: of its PKCS#12 file.
        root: what its role checks the server with.
    """

    role: str
    name: str
    key: KeyType
    days: int
    ends: datetime
    passphrase: bytes = field(repr=False)
    root: bytes = field(repr=False)

    @property
    def aside(self) -> str:
        """The name that the old kit gets."""
        return put_aside(self.name, self.ends)


@dataclass(frozen=True, slots=True)
class Due:
    """What stands in a directory of kits: those to be made anew, those that will do, and what is to be said."""

    renew: tuple[Standing, ...]
    current: tuple[str, ...]
    findings: tuple[Finding, ...]


def look(
    directory: Path, authority: Authority, *, now: datetime, everything: bool, passphrase: bytes = b"", revoked: RevokedSet = frozenset()
) -> Due:
    """Return which kits of this CA are to be made anew; reads only.

    Args:
        directory: of the kits.
        authority: who signs; kits of others are left alone.
        now: the present.
        everything: also those that have more than a third of their life left.
        passphrase: of PKCS#12 files that ask for one.
        revoked: what the CA has revoked; such a kit is never made anew.

    Raises:
        Refused: the directory cannot be read.
    """
    try:
        names = sorted(entry.name for entry in directory.iterdir() if is_kit(entry.name))
    except FileNotFoundError:
        names = []
    except OSError as error:
        raise Refused(f"cannot be read: {error.strerror}", where=str(directory), code="unreadable-file") from error
    renew: list[Standing] = []
    current: list[str] = []
    findings: list[Finding] = []
    for name in names:
        files = read_standing(directory, name) or {}
        certificates = read_certificates(files.get(CERTIFICATE) or b"")
        if not certificates:
            continue
        leaf, role = certificates[0], common_name_of(certificates[0])
        place = str(directory / name)
        if not signed_by(leaf, authority.signer.certificate) or directory_name(role) != name:
            findings.append(
                Finding("info", "kit-of-another", f"{name} is no kit of {authority.name}: it is left alone.", None, place, "clients")
            )
            continue
        if is_named(leaf, revoked):
            findings.append(_revoked(role, place))
            continue
        moved_on = tuple(certificates[1:]) != authority.chain
        if not everything and not moved_on and now < due_from(leaf.not_valid_before_utc, leaf.not_valid_after_utc):
            current.append(role)
            continue
        opening = _opening(files.get(PKCS12), passphrase)
        if opening is None:
            words = f"The PKCS#12 file of {role} has a passphrase that is not known here, so its kit is not made anew."
            findings.append(Finding("warning", "kit-passphrase", words, "--p12-passphrase-file names a file with it.", place, "clients"))
            continue
        renew.append(_standing(role, name, leaf, opening, files.get(ROOT) or b""))
    return Due(tuple(renew), tuple(current), tuple(findings))


def _revoked(role: str, place: str) -> Finding:
    return Finding(
        "warning",
        "kit-revoked",
        f"The certificate of {role} is revoked, so its kit is left as it is.",
        "If the role shall get in again, move this kit away and issue a new one on purpose; else take the role out of clients.roles.",
        place,
        "clients",
    )


def _standing(role: str, name: str, leaf: x509.Certificate, passphrase: bytes, root: bytes) -> Standing:
    kind = next((each for each in get_args(KeyType) if each == keys.key_type(leaf)), CLIENT_KEY)
    days = max(1, round((leaf.not_valid_after_utc - leaf.not_valid_before_utc) / _DAY))
    return Standing(role, name, kind, days, leaf.not_valid_after_utc, passphrase, root)


def _opening(packed: bytes | None, passphrase: bytes) -> bytes | None:
    """Return the passphrase that opens a PKCS#12 file; None when neither the given one nor an empty one does."""
    for each in dict.fromkeys((b"", passphrase)):
        try:
            pkcs12.load_pkcs12(packed or b"", each)
        except ValueError:
            continue
        return each
    return b"" if packed is None else None


def renew(
    due: Sequence[Standing], directory: Path, authority: Authority, connection: Connection, now: datetime, watch: Watch, told: Told
) -> None:
    """Make kits anew, each with the type of key and the days that it had; `told` is called for each that stands.

    Raises:
        Refused: they cannot be written. Kits that stand by then are whole, and the old ones are there.
    """
    write(directory, _made(due, authority, connection, now), watch, told, {each.name: each.aside for each in due})


def _made(due: Sequence[Standing], authority: Authority, connection: Connection, now: datetime) -> Iterator[Kit]:
    alike: dict[tuple[KeyType, int, bytes, bytes], list[str]] = {}
    for each in due:
        alike.setdefault((each.key, each.days, each.passphrase, each.root), []).append(each.role)
    for (key, days, passphrase, root), roles in alike.items():
        order = kits.order(authority, root, key=key, days=days, passphrase=passphrase, connection=connection, made=now)
        yield from workers.make(order, roles)
