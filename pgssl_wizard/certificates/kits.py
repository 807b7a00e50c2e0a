"""What one role gets: the bytes of its kit, made at once and held nowhere else; and whether a kit that stands will do.

Nothing is read or written here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.serialization import PrivateFormat, pkcs12
from cryptography.x509.oid import ExtendedKeyUsageOID

from pgssl_wizard.certificates import issue, keys
from pgssl_wizard.certificates.authority import Authority, signed_by
from pgssl_wizard.certificates.issue import Issued
from pgssl_wizard.certificates.kit_text import Connection, readme
from pgssl_wizard.certificates.profiles import KeyType, Profile, made_for
from pgssl_wizard.certificates.read import common_name_of, fingerprint, read_certificates
from pgssl_wizard.certificates.roles import directory_name
from pgssl_wizard.errors import UnusableInput

CERTIFICATE, KEY, KEY_DER, PKCS12, ROOT, README = (
    "postgresql.crt",
    "postgresql.key",
    "postgresql.pk8",
    "postgresql.p12",
    "root.crt",
    "README.txt",
)
#: The files of a kit with their modes, in the order of writing.
MODES: Mapping[str, int] = {CERTIFICATE: 0o600, KEY: 0o600, KEY_DER: 0o600, PKCS12: 0o600, ROOT: 0o644, README: 0o644}

#: The JDBC driver looks for the entry of this name and for no other.
_FRIENDLY_NAME = b"user"
#: As many as OpenSSL's own command takes; one that is worth guessing takes ten times as many.
_ROUNDS_EMPTY, _ROUNDS = 2048, 20_000
#: The library makes no file with an empty passphrase that Java reads. This one is the same: HMAC fills a short passphrase
#: up with zeros, and so does the derivation of the file's checksum.
_EMPTY = b"\0"


@dataclass(frozen=True, slots=True)
class Order:
    """What every kit of one run has in common; bytes only, so that it can be handed to another process.

    Attributes:
        signer, signer_key: who signs, DER.
        chain: what follows the leaf, DER, the signer first; empty when the root itself signs.
        root: PEM of what clients check the server with.
        until: when the first of those above ends.
        passphrase: of the PKCS#12 files; empty for none.
        made: certificates begin an hour before.
    """

    signer: bytes
    signer_key: bytes = field(repr=False)
    chain: tuple[bytes, ...]
    root: bytes
    until: datetime
    key: KeyType
    days: int
    passphrase: bytes = field(repr=False)
    connection: Connection
    made: datetime


@dataclass(frozen=True, slots=True)
class Kit:
    """The kit of one role.

    Attributes:
        directory: its name.
        files: bytes by name, most of them secrets; empty once they are on the disk.
    """

    role: str
    directory: str
    files: Mapping[str, bytes] = field(repr=False)
    not_after: datetime
    sha256: str


def order(
    authority: Authority, root: bytes, *, key: KeyType, days: int, passphrase: bytes, connection: Connection, made: datetime
) -> Order:
    """Return the order for kits signed by this CA."""
    der = serialization.Encoding.DER
    return Order(
        signer=authority.signer.certificate.public_bytes(der),
        signer_key=authority.signer.key.private_bytes(der, PrivateFormat.PKCS8, serialization.NoEncryption()),
        chain=tuple(each.public_bytes(der) for each in authority.chain),
        root=root,
        until=authority.until,
        key=key,
        days=days,
        passphrase=passphrase,
        connection=connection,
        made=made,
    )


class Maker:
    """Makes kits to one order."""

    def __init__(self, wanted: Order) -> None:
        private = serialization.load_der_private_key(wanted.signer_key, None)
        assert isinstance(private, keys.PrivateKey)
        self._order = wanted
        self._signer = Issued(x509.load_der_x509_certificate(wanted.signer), private)
        self._chain = [x509.load_der_x509_certificate(each) for each in wanted.chain]
        self._chain_pem = b"".join(each.public_bytes(serialization.Encoding.PEM) for each in self._chain)
        self._protection = protection(wanted.passphrase)

    def profile(self, role: str) -> Profile:
        """Return what a role's certificate will say."""
        return Profile("client", role, self._order.key, self._order.days, common_name_of(self._signer.certificate))

    def certificate(self, role: str) -> Issued:
        """Return a new key and a certificate for it."""
        wanted = self._order
        return issue.make(self.profile(role), keys.generate(wanted.key), self._signer, wanted.made, until=wanted.until)

    def pair(self, made: Issued) -> dict[str, bytes]:
        """Return the two files that libpq reads."""
        return {CERTIFICATE: made.certificate_pem + self._chain_pem, KEY: made.key_pem}

    def packed(self, made: Issued) -> bytes:
        """Return the PKCS#12 file."""
        return pkcs12.serialize_key_and_certificates(_FRIENDLY_NAME, made.key, made.certificate, self._chain or None, self._protection)

    def kit(self, role: str) -> Kit:
        """Return the whole kit of a role."""
        made = self.certificate(role)
        ends = made.certificate.not_valid_after_utc
        files = {
            **self.pair(made),
            KEY_DER: made.key.private_bytes(serialization.Encoding.DER, PrivateFormat.PKCS8, serialization.NoEncryption()),
            PKCS12: self.packed(made),
            ROOT: self._order.root,
            README: self.readme(role, ends),
        }
        return Kit(role, directory_name(role), files, ends, made.sha256)

    def readme(self, role: str, ends: datetime) -> bytes:
        """Return the text that goes with a certificate of this end."""
        return readme(role, self._order.connection, ends, with_passphrase=bool(self._order.passphrase)).encode()

    def standing(self, role: str, files: Mapping[str, bytes | None]) -> Kit | str:
        """Return the kit in these files when it is what would be made; else why not, as `Standard.judge` says it."""
        wanted = self._order
        standard = Standard(
            self._signer.certificate,
            tuple(self._chain),
            wanted.root,
            wanted.until,
            wanted.key,
            wanted.days,
            wanted.passphrase,
            wanted.made,
        )
        return standard.judge(role, files)


@dataclass(frozen=True, slots=True)
class Standard:
    """What a kit that stands is measured by; a CA's key is not needed for that.

    Attributes:
        signer: who has to have signed.
        chain: what has to follow the certificate.
        root: what has to stand in `root.crt`, PEM; None: that is not looked at.
        until: when the first of those above the certificate ends.
        key, days: of the certificate.
        passphrase: of the PKCS#12 file.
        now: for how much of its life is left.
    """

    signer: x509.Certificate
    chain: tuple[x509.Certificate, ...]
    root: bytes | None
    until: datetime
    key: KeyType
    days: int
    passphrase: bytes = field(repr=False)
    now: datetime

    def judge(self, role: str, files: Mapping[str, bytes | None]) -> Kit | str:
        """Return the kit in these files when it is what would be made and has more than a third of its life left; else why not.

        Args:
            role: whose it shall be.
            files: what lies in the directory; None for a name whose content cannot be read.
        """
        missing = [name for name in MODES if files.get(name) is None]
        if missing:
            return f"it has no {missing[0]} that can be read"
        content = {name: data for name, data in files.items() if data is not None}
        found = read_certificates(content[CERTIFICATE])
        if not found:
            return f"there is no certificate in its {CERTIFICATE}"
        leaf = found[0]
        problem = self._differs(role, leaf, found[1:]) or self._key_differs(leaf, content)
        if problem is None and self.root is not None and content[ROOT] != self.root:
            problem = f"its {ROOT} is another one"
        if problem is None:
            left, life = leaf.not_valid_after_utc - self.now, leaf.not_valid_after_utc - leaf.not_valid_before_utc
            if left <= life / 3:
                problem = f"its certificate ends on {leaf.not_valid_after_utc:%Y-%m-%d}, and less than a third of its life is left"
        if problem is not None:
            return problem
        return Kit(role, directory_name(role), {}, leaf.not_valid_after_utc, fingerprint(leaf))

    def _differs(self, role: str, leaf: x509.Certificate, following: Sequence[x509.Certificate]) -> str | None:
        """Say in what a certificate differs from the one that would be made, its key and its life's rest apart."""
        if common_name_of(leaf) != role:
            return f"its certificate names {common_name_of(leaf) or 'nobody'}"
        if not signed_by(leaf, self.signer):
            return "another CA signed its certificate"
        if tuple(following) != self.chain:
            return f"other intermediates stand in its {CERTIFICATE}"
        if keys.key_type(leaf) != self.key:
            return f"its key is {keys.key_type(leaf)}"
        try:
            purposes = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        except (x509.ExtensionNotFound, ValueError):
            purposes = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
        if ExtendedKeyUsageOID.CLIENT_AUTH not in purposes:
            return "its certificate is not for a client"
        life = leaf.not_valid_after_utc - leaf.not_valid_before_utc
        if not made_for(self.days, life) and leaf.not_valid_after_utc != self.until.replace(microsecond=0):
            return f"its certificate was made for {life / timedelta(days=1):.0f} days"
        return None

    def _key_differs(self, leaf: x509.Certificate, files: Mapping[str, bytes]) -> str | None:
        if not keys.matches(files[KEY], leaf):
            return f"its {KEY} does not belong to its certificate"
        try:
            packed = pkcs12.load_pkcs12(files[PKCS12], self.passphrase)
        except ValueError:
            return f"its {PKCS12} has another passphrase"
        if packed.cert is None or packed.cert.certificate != leaf:
            return f"its {PKCS12} holds another certificate"
        return None


def protection(passphrase: bytes) -> serialization.KeySerializationEncryption:
    """Return how a PKCS#12 file is encrypted: what OpenSSL 3, Java 8u301 and .NET 5 read without being told."""
    return (
        PrivateFormat.PKCS12.encryption_builder()
        .kdf_rounds(_ROUNDS if passphrase else _ROUNDS_EMPTY)
        .key_cert_algorithm(pkcs12.PBES.PBESv2SHA256AndAES256CBC)
        .hmac_hash(hashes.SHA256())
        .build(passphrase or _EMPTY)
    )


def roots_of(pem: bytes, path: str) -> bytes:
    """Return the certificates of a file of roots and nothing else that may stand in it, such as a key.

    Raises:
        UnusableInput: there is none.
    """
    found = read_certificates(pem)
    if not found:
        raise UnusableInput("There is no certificate in this file.", where=path, code="no-root")
    return b"".join(each.public_bytes(serialization.Encoding.PEM) for each in found)
