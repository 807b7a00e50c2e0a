"""Revocation lists: one that is too old, or of a CA that is not at hand, refuses every client with a certificate."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from cryptography import x509

from pgssl_wizard.certificates.chain import self_signed
from pgssl_wizard.certificates.given import Fault, Given, called, name_called
from pgssl_wizard.certificates.load import TROUBLES, Certificate, RevocationList
from pgssl_wizard.certificates.read import extension, fingerprint, is_ca, public_of
from pgssl_wizard.certificates.revocation_directory import wrongly_named

#: The next list should be in place before this much is left.
SOON = timedelta(days=7)


def of_lists(given: Given, authorities: Sequence[tuple[Given, Certificate]], now: datetime, *, covered: bool = False) -> Iterator[Fault]:
    """Yield what is to be said of a file of revocation lists.

    Args:
        given: the file.
        authorities: all that are at hand.
        now: the time.
        covered: each of them has a list, here or in another file.
    """
    if given.objects.certificates and not given.objects.crls:
        yield Fault(
            given.path,
            given.objects.certificates[0].line,
            "warning",
            "certificate-as-crl",
            "It holds a certificate and no revocation list: the server loads it without a word and then refuses every client with a certificate.",
            "Put the list of the CA here; pgssl-wizard revoke makes one, and so does openssl ca -gencrl.",
        )
    yield from wrongly_named(given)
    for crl in given.objects.crls:
        yield from _dates(given, crl, now)
        yield from _signer(given, crl, authorities, covered=covered)


def _dates(given: Given, crl: RevocationList, now: datetime) -> Iterator[Fault]:
    begins, ends = crl.value.last_update_utc, crl.value.next_update_utc
    who = f"The revocation list of {name_called(crl.value.issuer)}"
    cure = "Have the CA make a new one, and put it in place before the old one ends."
    if begins > now:
        told = f"{who} counts only from {begins:%Y-%m-%d %H:%M} UTC: until then the server refuses every client with a certificate."
        yield Fault(given.path, crl.line, "warning", "crl-not-yet-valid", told, "Check the clocks.")
    if ends is None:
        yield Fault(given.path, crl.line, "info", "crl-without-end", f"{who} does not say when the next one comes: it counts for ever.")
    elif ends <= now:
        told = f"{who} ended on {ends:%Y-%m-%d %H:%M} UTC: the server refuses every client with a certificate (CRL has expired)."
        yield Fault(given.path, crl.line, "warning", "crl-expired", told, cure)
    elif ends - now < SOON:
        told = f"{who} ends on {ends:%Y-%m-%d %H:%M} UTC: from then on the server refuses every client with a certificate."
        yield Fault(given.path, crl.line, "warning", "crl-expiring", told, cure)


def _signer(given: Given, crl: RevocationList, authorities: Sequence[tuple[Given, Certificate]], *, covered: bool) -> Iterator[Fault]:
    who = f"The revocation list of {name_called(crl.value.issuer)}"
    if not authorities:
        return
    issuers = [each for _, each in authorities if each.value.subject == crl.value.issuer]
    if not issuers:
        files = " and ".join(dict.fromkeys(other.path.name for other, _ in authorities))
        if covered:
            # As it should be for an intermediate whose certificate clients send along.
            told = f"{who} is of a CA that is not in {files}: it counts for clients that send the certificate of that CA along."
            yield Fault(given.path, crl.line, "info", "crl-of-another-ca", told)
            return
        told = f"{who} is of a CA that is not in {files}: it revokes nothing there."
        yield Fault(
            given.path, crl.line, "warning", "crl-of-another-ca", told, "Put the list of the CA here that signs client certificates."
        )
        return
    signers = [each for each in issuers if _signed_by(crl.value, each.value)]
    if not signers:
        told = f"{who} is not signed with the key of the CA of that name: the server refuses every client with a certificate."
        yield Fault(given.path, crl.line, "warning", "crl-bad-signature", told, "Have the CA make a new one with its present key.")
    elif all(_may_not(each.value) for each in signers):
        told = f"The key usage of {called(signers[0].value)} leaves out cRLSign: its revocation list counts for nothing, and its clients are refused."
        yield Fault(given.path, crl.line, "warning", "crl-key-usage", told, "Have the CA made again with keyCertSign and cRLSign.")


def _signed_by(crl: x509.CertificateRevocationList, issuer: x509.Certificate) -> bool:
    key = public_of(issuer)
    try:
        return key is not None and crl.is_signature_valid(key)  # type: ignore[arg-type]
    except TROUBLES:
        return False


def _may_not(issuer: x509.Certificate) -> bool:
    usage = extension(issuer, x509.KeyUsage)
    return usage is not None and not usage.crl_sign


def of_coverage(files: Sequence[Given], authorities: Sequence[tuple[Given, Certificate]]) -> Iterator[Fault]:
    """Yield the CAs of clients without a list, when lists are given: with any list, every CA above a client needs one."""
    lists = [(given, crl) for given in files if given.role == "crl" for crl in given.objects.crls]
    if not lists:
        return
    place = lists[0][0]
    told: set[str] = set()
    for other, ca in authorities:
        mark = fingerprint(ca.value)
        if mark in told or not (is_ca(ca.value) or self_signed(ca.value)) or any(crl.value.issuer == ca.value.subject for _, crl in lists):
            continue
        told.add(mark)
        words = (
            f"There is no revocation list of {called(ca.value)} ({other.path.name}): as soon as one list is set, the server refuses every "
            "client below a CA without one (unable to get certificate CRL)."
        )
        hint = f"Have {called(ca.value)} make one too, even if it is empty, and put it into the same file."
        yield Fault(place.path, 0, "warning", "ca-without-crl", words, hint)
