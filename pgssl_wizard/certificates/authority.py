"""A CA that signs clients' certificates: its certificate, its key, and who stands above it. No file is read here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import ExtendedKeyUsageOID

from pgssl_wizard.certificates import keys
from pgssl_wizard.certificates.issue import Issued
from pgssl_wizard.certificates.read import common_name_of, is_ca, read_certificates
from pgssl_wizard.errors import Refused, UnusableInput

#: Asked for a passphrase; the argument counts the times before. None: there is no more to try.
Passphrase = Callable[[int], bytes | None]


@dataclass(frozen=True, slots=True)
class Authority:
    """Who signs.

    Attributes:
        signer: certificate and key.
        chain: what a client has to send after its own certificate: the signer and whoever is above it, without the root.
        root: the self-signed end of it; None when nothing that was read holds it.
    """

    signer: Issued
    chain: tuple[x509.Certificate, ...]
    root: x509.Certificate | None

    @property
    def name(self) -> str:
        """The signer's common name, or its whole name where it has none."""
        return common_name_of(self.signer.certificate) or self.signer.certificate.subject.rfc4514_string()

    @property
    def until(self) -> datetime:
        """When the first of them ends: no certificate below is good any longer."""
        above = [*self.chain, *([self.root] if self.root else [])]
        return min((each.not_valid_after_utc for each in above), default=self.signer.certificate.not_valid_after_utc)


def open_authority(
    certificate: tuple[str, bytes], key: tuple[str, bytes], others: Sequence[x509.Certificate], now: datetime, passphrase: Passphrase
) -> Authority:
    """Return the CA in two files.

    Args:
        certificate: path, for messages, and PEM; certificates of those above may stand in it too.
        key: path and PEM.
        others: where else those above may be found.
        now: an expired CA signs nothing.
        passphrase: asked when the key is encrypted.

    Raises:
        UnusableInput: there is no usable CA in the files, or no passphrase that opens the key.
        Refused: it may not sign clients, or no longer.
    """
    found = read_certificates(certificate[1])
    if not found:
        raise UnusableInput("There is no certificate in this file.", where=certificate[0], code="ca-unusable")
    private = _open_key(key, passphrase)
    own = private.public_key()
    signer = next((each for each in found if _public_key(each) == own), None)
    if signer is None:
        raise UnusableInput(f"This key does not belong to {certificate[0]}.", where=key[0], code="ca-unusable")
    _check_may_sign(signer, certificate[0], now)
    chain, root = upwards(signer, [*found, *others])
    return Authority(Issued(signer, private), chain, root)


def _open_key(key: tuple[str, bytes], passphrase: Passphrase) -> keys.PrivateKey:
    path, pem = key
    if not keys.encrypted(pem):
        opened = keys.load(pem)
        if opened is None:
            raise UnusableInput(
                "There is no private key in this file that can sign here.",
                where=path,
                hint="It has to be ECDSA or RSA, PEM.",
                code="ca-unusable",
            )
        return opened
    tried = 0
    while (phrase := passphrase(tried)) is not None:
        tried += 1
        try:
            opened_key = serialization.load_pem_private_key(pem, phrase)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            continue
        if isinstance(opened_key, keys.PrivateKey):
            return opened_key
        raise UnusableInput("This key can sign nothing here.", where=path, hint="It has to be ECDSA or RSA.", code="ca-unusable")
    if tried:
        raise UnusableInput("The CA's key does not open with this passphrase.", where=path, code="ca-passphrase")
    raise UnusableInput(
        "The CA's key is encrypted, and there is nobody to ask for its passphrase.",
        where=path,
        hint="Name a command that prints it: --ca-passphrase-command.",
        code="ca-encrypted",
    )


def _public_key(certificate: x509.Certificate) -> object:
    try:
        return certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        return None


def _check_may_sign(signer: x509.Certificate, path: str, now: datetime) -> None:
    """Raise unless a client certificate below this one can be good."""

    def refuse(why: str) -> Refused:
        hint = "Name another CA, or make a new one and hand its root to the server."
        return Refused(f"{common_name_of(signer) or 'This CA'} {why}.", where=path, hint=hint, code="ca-may-not-sign")

    if not is_ca(signer):
        raise UnusableInput(f"{common_name_of(signer) or 'This'} is no CA: it may not sign certificates.", where=path, code="ca-unusable")
    if signer.not_valid_after_utc <= now:
        raise refuse(f"expired on {signer.not_valid_after_utc:%Y-%m-%d}")
    if signer.not_valid_before_utc > now:
        raise refuse(f"is not valid before {signer.not_valid_before_utc:%Y-%m-%d}")
    try:
        if not signer.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign:
            raise refuse("may not sign certificates (its key usage does not say keyCertSign)")
    except x509.ExtensionNotFound:
        pass
    try:
        purposes = signer.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return
    if not {ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE} & set(purposes):
        raise refuse("is not meant for clients (its extended key usage lacks clientAuth), so servers would refuse what it signs")


def upwards(signer: x509.Certificate, pool: Sequence[x509.Certificate]) -> tuple[tuple[x509.Certificate, ...], x509.Certificate | None]:
    """Return the signer and those above it without the root, and the root where the pool holds it."""
    chain: list[x509.Certificate] = []
    current = signer
    while not signed_by(current, current):
        chain.append(current)
        above = next((each for each in pool if each not in chain and signed_by(current, each)), None)
        if above is None:
            return tuple(chain), None
        current = above
    return tuple(chain), current


def signed_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Return whether one certificate was signed by another."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True
