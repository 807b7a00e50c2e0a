"""Client certificates for roles: the CA is opened, what stands is looked at, then kits are made and written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from pgssl_wizard.answers_together import why_no_kits_there
from pgssl_wizard.certificates import kits, roles, workers
from pgssl_wizard.certificates.authority import Authority, Passphrase, open_authority, signed_by
from pgssl_wizard.certificates.describe import life
from pgssl_wizard.certificates.kit_text import Connection
from pgssl_wizard.certificates.kit_text import check as check_connection
from pgssl_wizard.certificates.kits import CERTIFICATE, README, Kit, Maker, Order
from pgssl_wizard.certificates.profiles import BACKDATED, CLIENT_DAYS, CLIENT_KEY, KeyType
from pgssl_wizard.certificates.read import read_certificates
from pgssl_wizard.certificates.revocation import RevokedSet, is_named
from pgssl_wizard.certificates.verify import client_objections
from pgssl_wizard.change.ca_files import read_ca_file, signing_files
from pgssl_wizard.change.kits import Told, write
from pgssl_wizard.change.signals import Watch
from pgssl_wizard.change.write import read_state
from pgssl_wizard.cluster.kits import read_standing, revoked_by
from pgssl_wizard.errors import UnusableInput
from pgssl_wizard.findings import Finding


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a person asks for.

    Attributes:
        roles: each once, checked.
        output: the directory for the kits.
        ca: the CA's directory; None when certificate and key are named.
        ca_certificate, ca_key: instead of what lies in `ca`.
        root: what clients check the server with, when it is not the CA's own root.
        key, days: of the certificates.
        connection: where the roles will connect.
    """

    roles: tuple[str, ...]
    output: Path
    ca: Path | None = None
    ca_certificate: Path | None = None
    ca_key: Path | None = None
    root: Path | None = None
    key: KeyType = CLIENT_KEY
    days: int = CLIENT_DAYS
    connection: Connection = field(default_factory=Connection)


@dataclass(frozen=True, slots=True)
class Prepared:
    """What will be done; nothing is yet.

    Attributes:
        order: what all kits have in common.
        signer: the CA's name.
        make: roles that get a new kit.
        kept: kits that stand and will do.
        refused: kits that stand and will not do, why; nothing may be made then.
        findings: what else is to be said.
    """

    order: Order
    signer: str
    make: tuple[str, ...]
    kept: tuple[Kit, ...]
    refused: tuple[Finding, ...]
    findings: tuple[Finding, ...]


def prepare(wanted: Wanted, *, now: datetime, ca_passphrase: Passphrase, passphrase: bytes = b"") -> Prepared:
    """Open the CA and look at what stands; writes nothing.

    Args:
        wanted: what is asked for.
        now: the time of issuing.
        ca_passphrase: asked when the CA's key is encrypted.
        passphrase: of the PKCS#12 files.

    Raises:
        UnusableInput: no CA there, or none that can be used.
        Refused: something cannot be read, or the CA may not sign.
    """
    check_connection(wanted.connection)
    problem = why_no_kits_there(wanted.output, wanted.ca)
    if problem is not None:
        raise UnusableInput(problem, where=str(wanted.output), hint="Name a directory elsewhere.", code="does-not-fit")
    places = signing_files(wanted.ca, wanted.ca_certificate, wanted.ca_key)
    authority = open_files(*places, now, ca_passphrase, directory=wanted.ca, root=wanted.root)
    root, findings = _root(wanted, authority)
    revoked = revoked_by(places[0])
    return prepare_with(authority, root, wanted, now=now, passphrase=passphrase, findings=findings, revoked=revoked)


def prepare_with(
    authority: Authority,
    root: bytes,
    wanted: Wanted,
    *,
    now: datetime,
    passphrase: bytes = b"",
    findings: Sequence[Finding] = (),
    revoked: RevokedSet = frozenset(),
) -> Prepared:
    """Return what a CA that is at hand will make; looks at what stands and writes nothing.

    Args:
        authority: who signs.
        root: what clients check the server with, PEM.
        wanted: what is asked for; the CA and the root that it names are not looked at.
        now: the time of issuing.
        passphrase: of the PKCS#12 files.
        findings: what is to be said already.
        revoked: what the CA has revoked; a kit with such a certificate will not do.

    Raises:
        Refused: something cannot be read.
    """
    order = kits.order(authority, root, key=wanted.key, days=wanted.days, passphrase=passphrase, connection=wanted.connection, made=now)
    findings = [*findings]
    findings += _about_the_end(authority, wanted.days, now) + _strictly(order, authority, now)
    maker = Maker(order)
    make: list[str] = []
    kept: list[Kit] = []
    other: list[str] = []
    refused: list[Finding] = []
    for role in wanted.roles:
        name = roles.directory_name(role)
        files = read_standing(wanted.output, name)
        if files is None:
            make.append(role)
            continue
        found = maker.standing(role, files) if files else "it is no directory"
        if isinstance(found, Kit) and is_named(read_certificates(files[CERTIFICATE] or b"")[0], revoked):
            found = "its certificate is revoked"
        if isinstance(found, Kit):
            kept.append(found)
            if files.get(README) != maker.readme(role, found.not_after):
                other.append(role)
        else:
            refused.append(_in_the_way(role, wanted.output / name, found))
    if kept:
        findings += [_kept([kit.role for kit in kept], wanted.output)]
    if other:
        findings += [_other_settings(other, wanted.output)]
    return Prepared(order, authority.name, tuple(make), tuple(kept), tuple(refused), tuple(findings))


def carry_out(prepared: Prepared, output: Path, watch: Watch, told: Told) -> None:
    """Make the kits and write them; `told` is called for each that stands.

    Raises:
        Refused: they cannot be written. Kits that stand by then are whole.
    """
    if prepared.make and not prepared.refused:
        write(output, workers.make(prepared.order, prepared.make), watch, told)


def open_files(
    certificate: Path, key: Path, now: datetime, passphrase: Passphrase, *, directory: Path | None = None, root: Path | None = None
) -> Authority:
    """Return the CA in two files; those above it are looked for beside it (or in `directory`), and in the server's root.

    Raises:
        UnusableInput: no CA there, or none that can be used.
        Refused: something cannot be read, or the CA may not sign.
    """
    beside = directory or certificate.parent
    others: list[x509.Certificate] = []
    for place in (beside / "intermediate.crt", beside / "root.crt", *([root] if root else [])):
        state = read_state(place)
        others += read_certificates(state.data or b"")
    return open_authority((str(certificate), read_ca_file(certificate)), (str(key), read_ca_file(key)), others, now, passphrase)


def _root(wanted: Wanted, authority: Authority) -> tuple[bytes, list[Finding]]:
    """Return what clients check the server with."""
    if wanted.root is None:
        if authority.root is None:
            raise UnusableInput(
                f"The root above {authority.name} is not there, and clients check the server with it.",
                where=str(wanted.ca or wanted.ca_certificate),
                hint="Name the server's root with --root.",
                code="no-root",
            )
        return authority.root.public_bytes(Encoding.PEM), []
    state = read_state(wanted.root)
    if state.data is None:
        raise UnusableInput("There is no such file.", where=str(wanted.root), code="no-root")
    pem = kits.roots_of(state.data, str(wanted.root))
    if any(signed_by(each, each) for each in read_certificates(pem)):
        return pem, []
    return pem, [
        Finding(
            "warning",
            "root-not-self-signed",
            "No certificate in this file is self-signed, and libpq trusts a chain only as far as a self-signed root.",
            "Name the file of the root that the server's chain ends in.",
            str(wanted.root),
            "clients",
        )
    ]


def _about_the_end(authority: Authority, days: int, now: datetime) -> list[Finding]:
    if authority.until >= now - BACKDATED + timedelta(days=days):
        return []
    left = life(max(0, (authority.until - now).days))
    return [
        Finding(
            "warning",
            "certificate-shortened",
            f"The certificates end with {authority.name} on {authority.until:%Y-%m-%d}, in {left} instead of {days}: none outlives its CA.",
            "Renew the CA first for certificates that live longer.",
            None,
            "clients",
        )
    ]


def _strictly(order: Order, authority: Authority, now: datetime) -> list[Finding]:
    """Have a certificate of this CA judged by a verifier that is stricter than the server."""
    if authority.root is None:
        return []
    made = Maker(replace(order, key="ecdsa-p256")).certificate("role")
    found = client_objections([made.certificate, *authority.chain], authority.root, now)
    return [
        Finding(
            "warning",
            "strict-verifier-objects",
            f"A strict verifier would refuse certificates of {authority.name}: {text}.",
            "PostgreSQL itself may take them; a CA made anew would please both.",
            None,
            "clients",
        )
        for text in found
    ]


def _in_the_way(role: str, place: Path, why: str) -> Finding:
    return Finding(
        "error",
        "kit-in-the-way",
        f"Something has the name of the kit for {role} already, and {why}.",
        "Move it away, or name another directory; a kit is never overwritten.",
        str(place),
        "clients",
    )


def _other_settings(names: Sequence[str], output: Path) -> Finding:
    return Finding(
        "warning",
        "kit-with-other-settings",
        f"The settings in README.txt are others than would be written now: {roles.in_words(names)}.",
        "Move these kits away and issue again, or tell their roles what has changed: host, port, database.",
        str(output),
        "clients",
    )


def _kept(names: Sequence[str], output: Path) -> Finding:
    what = "A kit that stands is kept" if len(names) == 1 else f"{len(names)} kits that stand are kept"
    return Finding(
        "info",
        "kit-kept",
        f"{what}: {roles.in_words(names)}.",
        "They are what would be made, with more than a third of their life left.",
        str(output),
        "clients",
    )
