"""A CA for one rehearsal: its client certificates in every state that a server may meet. Nobody trusts it afterwards.

A certificate of the CA that is planned could show no more than a certificate of this one does, and the planned CA's key is not needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from pgssl_wizard.access.attempt import ClientCertificate
from pgssl_wizard.certificates.distinguished_name import of_name
from pgssl_wizard.certificates.profiles import CLIENT_KEY, Profile
from pgssl_wizard.cluster.facts import Cluster
from pgssl_wizard.cluster.reading import names_in, read_bytes
from pgssl_wizard.files.ident import parse_maps
from pgssl_wizard.proof.clients import choose_database, decision_on
from pgssl_wizard.proof.model import CertificateGiven
from pgssl_wizard.proof.shown import Shown
from pgssl_wizard.proof.strangers import write_private

if TYPE_CHECKING:
    from cryptography.x509 import Name

    from pgssl_wizard.certificates.issue import Issued
    from pgssl_wizard.certificates.keys import PrivateKey

#: A name that no role bears.
_NOBODY = "pgssl-wizard tries another name"


@dataclass(frozen=True, slots=True)
class Tester:
    """The CA of a rehearsal.

    Attributes:
        certificate: what the server has to trust, PEM.
        revoked_list: its revocation list, which names the certificate that is shown as `revoked`, PEM.
        hash_name: the beginning of the list's name in a directory of lists.
        shown: its client certificates.
    """

    certificate: bytes
    revoked_list: bytes
    hash_name: str
    shown: tuple[Shown, ...] = field(default=())


def make(directory: Path, cluster: Cluster, roles: Sequence[str], address: str, *, lists: bool) -> Tester:
    """Make the CA and its client certificates; they are valid for an hour.

    Args:
        directory: private to us; it goes away with the rehearsal.
        cluster: whose rules and maps say which name lets a role in.
        roles: who is tried; the first one that a certificate lets in is tried with wrong ones too.
        address: from which they come.
        lists: the server looks at revocation lists.
    """
    from pgssl_wizard.certificates import issue, keys, revocation  # noqa: PLC0415 - only a rehearsal pays for it
    from pgssl_wizard.certificates.issuer_hash import hash_of  # noqa: PLC0415

    now = datetime.now(UTC)
    name = "a CA for a rehearsal"
    ca = issue.make(Profile("root", name, CLIENT_KEY, 1, name, path_length=0), keys.generate(CLIENT_KEY), None, now)
    shown: list[Shown] = []
    gone: list[revocation.Entry] = []

    def show(role: str, state: CertificateGiven, subject: Name) -> None:
        own = keys.generate(CLIENT_KEY)
        made = _certificate(subject, own, ca, now - timedelta(minutes=30) if state == "expired" else now + timedelta(hours=1))
        place = directory / f"client-{len(shown)}"
        certificate, key = place.with_suffix(".crt"), place.with_suffix(".key")
        certificate.write_bytes(made.certificate_pem)
        write_private(key, made.key_pem)
        shown.append(Shown(role, state, certificate, key, _identity(subject)))
        if state == "revoked":
            gone.append(revocation.Entry(made.certificate.serial_number))

    tried_whole = False
    for role in roles:
        subject = _subject_let_in(cluster, role, address)
        show(role, "right", subject or _named(role))
        if subject is not None and not tried_whole:
            tried_whole = True
            show(role, "wrong-name", _named(_NOBODY))
            show(role, "expired", subject)
            if lists:
                show(role, "revoked", subject)
    crl = revocation.to_pem(revocation.make(ca, gone, None, now))
    return Tester(ca.certificate_pem, crl, hash_of(ca.certificate.subject), tuple(shown))


def _certificate(subject: Name, key: PrivateKey, ca: Issued, until: datetime) -> Issued:
    """Return a client certificate with any subject and any end."""
    from cryptography import x509  # noqa: PLC0415

    from pgssl_wizard.certificates.issue import Issued, digest_for, identifier_of  # noqa: PLC0415

    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(ca.certificate.subject).public_key(key.public_key())
    builder = (
        builder.serial_number(x509.random_serial_number()).not_valid_before(ca.certificate.not_valid_before_utc).not_valid_after(until)
    )
    authority = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier_of(ca.certificate))
    constraints = x509.BasicConstraints(ca=False, path_length=None)
    builder = builder.add_extension(constraints, critical=True).add_extension(authority, critical=False)
    return Issued(builder.sign(ca.key, digest_for(ca.key)), key)


def _subject_let_in(cluster: Cluster, role: str, address: str) -> Name | None:
    """Return the subject of a certificate that a rule lets a role in by; None when there is none that is easily found."""
    lines = parse_maps(cluster.ident_file, cluster.major, read_bytes, names_in)
    mapped = [line.system_user.text for line in lines if line.error is None and line.system_user is not None]
    let_in: list[Name] = []
    for subject in [_named(role), *(subject for text in mapped if text[:1] not in {"", "/"} for subject in _subjects(text))]:
        shown = _identity(subject)
        client = choose_database(cluster, address, role, shown)
        if decision_on(client, cluster, tls=True, shown=shown).decision == "accept":
            let_in.append(subject)
            if decision_on(client, cluster, tls=True).decision == "reject":
                return subject
    return let_in[0] if let_in else None


def _subjects(text: str) -> list[Name]:
    """Return the subjects that a name in a map may mean: a common name, or a whole name."""
    from cryptography import x509  # noqa: PLC0415

    found = [_named(text)]
    try:
        found.append(x509.Name.from_rfc4514_string(text))
    except ValueError:
        return found
    return found


def _named(common_name: str) -> Name:
    from cryptography import x509  # noqa: PLC0415
    from cryptography.x509.oid import NameOID  # noqa: PLC0415

    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _identity(subject: Name) -> ClientCertificate:
    from cryptography.x509.oid import NameOID  # noqa: PLC0415

    found = subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return ClientCertificate(str(found[0].value) if found else "", of_name(subject))
