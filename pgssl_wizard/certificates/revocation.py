"""Revocation lists are made here and nowhere else, and read here when they are to be continued. No file is touched."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtensionOID

from pgssl_wizard.certificates.issue import Issued, digest_for, identifier_of
from pgssl_wizard.certificates.load import TROUBLES, load
from pgssl_wizard.certificates.profiles import BACKDATED
from pgssl_wizard.certificates.read import common_name_of, extension, public_of
from pgssl_wizard.errors import Refused

#: How long a list lives: a server that gets no new one refuses every client certificate then, so it has to outlast a holiday; and
#: half of it, after which a new one is made, fits a monthly job.
DAYS = 30

#: RFC 5280, 5.3.1, as it spells them; removeFromCRL is for lists of differences only.
REASONS: dict[str, x509.ReasonFlags] = {flag.value: flag for flag in x509.ReasonFlags if flag is not x509.ReasonFlags.remove_from_crl}

#: Whether a list can be used now. `due`: less than half of its life is left.
Age = Literal["current", "due", "expired", "not-yet-valid"]

#: What a list may say of itself and still be the whole list of one CA; anything else would be lost when it is continued.
_KNOWN = {ExtensionOID.AUTHORITY_KEY_IDENTIFIER, ExtensionOID.CRL_NUMBER, ExtensionOID.ISSUER_ALTERNATIVE_NAME, ExtensionOID.FRESHEST_CRL}


#: Issuer (DER) and serial number of certificates that count no longer.
RevokedSet = frozenset[tuple[bytes, int]]


@dataclass(frozen=True, slots=True)
class Entry:
    """One certificate to be revoked: its serial number, and a reason out of `REASONS`."""

    serial: int
    reason: str = "unspecified"


def make(
    issuer: Issued, entries: Iterable[Entry], standing: x509.CertificateRevocationList | None, now: datetime, days: int = DAYS
) -> x509.CertificateRevocationList:
    """Return the next list of a CA.

    Args:
        issuer: whose list it is.
        entries: what is revoked besides what was revoked before.
        standing: the list so far, None when this is the first.
        now: the time, with a time zone; the list begins an hour before, and so do its new entries.
        days: how long it lives from its beginning.

    Raises:
        Refused: the CA's key usage does not let it sign lists.
    """
    usage = extension(issuer.certificate, x509.KeyUsage)
    if usage is not None and not usage.crl_sign:
        raise Refused(
            f"{common_name_of(issuer.certificate) or 'This CA'} may not sign revocation lists (its key usage does not say cRLSign).",
            hint="Servers would refuse such a list, and every client with it. Have the CA made again with keyCertSign and cRLSign.",
            code="ca-may-not-revoke",
        )
    begins = max(now - BACKDATED, issuer.certificate.not_valid_before_utc).replace(microsecond=0)
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.certificate.subject)
        .last_update(begins)
        .next_update(begins + timedelta(days=days))
    )
    known = set()
    for old in standing or ():
        known.add(old.serial_number)
        builder = builder.add_revoked_certificate(old)
    for entry in entries:
        if entry.serial in known:
            continue
        known.add(entry.serial)
        one = x509.RevokedCertificateBuilder().serial_number(entry.serial).revocation_date(begins)
        if entry.reason != "unspecified":
            # RFC 5280: the code for no reason should be left out.
            one = one.add_extension(x509.CRLReason(REASONS[entry.reason]), critical=False)
        builder = builder.add_revoked_certificate(one.build())
    authority = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier_of(issuer.certificate))
    builder = builder.add_extension(authority, critical=False).add_extension(x509.CRLNumber(number_after(standing)), critical=False)
    return builder.sign(issuer.key, digest_for(issuer.key))


def number_after(standing: x509.CertificateRevocationList | None) -> int:
    """Return the number of the list that follows."""
    return number_of(standing) + 1 if standing is not None else 1


def number_of(crl: x509.CertificateRevocationList) -> int:
    """Return the number of a list; 0 for one without."""
    found = extension(crl, x509.CRLNumber)
    return found.crl_number if found is not None else 0


def age_in_order(crl: x509.CertificateRevocationList) -> tuple[int, datetime]:
    """Return what is greater for the newer of two lists of one CA."""
    return number_of(crl), crl.last_update_utc


def to_pem(crl: x509.CertificateRevocationList) -> bytes:
    """Return a list as the server reads it."""
    return crl.public_bytes(Encoding.PEM)


def serial_text(serial: int) -> str:
    """Return a serial number as certificates are listed with it: whole bytes, hexadecimal."""
    return serial.to_bytes(max(1, (serial.bit_length() + 7) // 8), "big").hex()


def lists_in(data: bytes) -> list[x509.CertificateRevocationList]:
    """Return the lists that the server reads from a PEM file, in their order."""
    objects = load(data)
    return [each.value for each in objects.crls if each.seen] if objects.format == "PEM" else []


def named_in(data: bytes | None) -> RevokedSet:
    """Return every certificate that the lists in a file name; none where there is no file."""
    return frozenset((each.value.issuer.public_bytes(), entry.serial_number) for each in load(data or b"").crls for entry in each.value)


def is_named(certificate: x509.Certificate, revoked: RevokedSet) -> bool:
    """Return whether a certificate is among these."""
    return (certificate.issuer.public_bytes(), certificate.serial_number) in revoked


def signed_by(crl: x509.CertificateRevocationList, ca: x509.Certificate) -> bool:
    """Return whether a list is that of a CA."""
    key = public_of(ca)
    try:
        return crl.issuer == ca.subject and key is not None and crl.is_signature_valid(key)  # type: ignore[arg-type]
    except TROUBLES:
        return False


def age_of(crl: x509.CertificateRevocationList, now: datetime) -> Age:
    """Return how a list stands in its life; one that does not say when the next comes is current for ever."""
    begins, ends = crl.last_update_utc, crl.next_update_utc
    if begins > now:
        return "not-yet-valid"
    if ends is None:
        return "current"
    if ends <= now:
        return "expired"
    return "due" if ends - now < (ends - begins) / 2 else "current"


def standing_list(data: bytes, ca: x509.Certificate, where: str) -> x509.CertificateRevocationList:
    """Return the list in the file where a CA keeps it.

    Args:
        data: the file's bytes.
        ca: whose list it has to be.
        where: the file, for messages.

    Raises:
        Refused: it is anything but one whole list of this CA, so that continuing it would lose what it says.
    """
    who = common_name_of(ca) or "this CA"

    def refuse(why: str, hint: str = "Move it away, if nothing in it is needed; then a new list begins.") -> Refused:
        return Refused(f"This is not the revocation list of {who}: {why}.", where=where, hint=hint, code="crl-in-the-way")

    objects = load(data)
    if objects.format == "DER" and objects.crls:
        raise refuse("it is DER, and servers read PEM", f"openssl crl -inform DER -in {where} -out {where} makes it PEM.")
    lists = [each.value for each in objects.crls] if objects.format == "PEM" else []
    if not lists:
        raise refuse("there is none in the file" + (", or it is damaged" if data.strip() else ""))
    if len(lists) > 1 or objects.certificates or objects.keys:
        raise refuse("there is more than one list in the file, or something else beside it")
    found = lists[0]
    if found.issuer != ca.subject:
        raise refuse(f"it is of {found.issuer.rfc4514_string() or 'somebody without a name'}")
    if not signed_by(found, ca):
        raise refuse("its signature is not good, so it is damaged, forged, or of a former key")
    try:
        odd = [each for each in found.extensions if each.oid not in _KNOWN]
        # Read now: an entry that cannot be read could not be kept.
        odd_entries = [each for entry in found for each in entry.extensions if each.critical]
    except TROUBLES:
        raise refuse("it cannot be read whole") from None
    if odd or odd_entries:
        kind = (odd or odd_entries)[0].oid.dotted_string
        raise refuse(
            f"it says more than a plain list does (extension {kind}), which would be lost", "Have it made by the program that made it."
        )
    return found
