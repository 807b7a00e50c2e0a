"""Whatever file a person has: certificates, keys, revocation lists and requests out of PEM, DER and PKCS#12, with their lines.

Nothing here raises for what a file holds: what cannot be read is a problem, in plain words. Keys and passphrases are in no
message and in no representation.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, TypeVar

from cryptography import x509
from cryptography.exceptions import InternalError, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes
from cryptography.hazmat.primitives.serialization import load_der_private_key, load_pem_private_key, pkcs12
from cryptography.utils import CryptographyDeprecationWarning

from pgssl_wizard.certificates import pem

# What is odd about a certificate is told as a finding, not as a warning of a library on standard error.
warnings.filterwarnings("ignore", category=CryptographyDeprecationWarning, message="Parsed a")

Format = Literal["PEM", "DER", "PKCS#12", "none"]
Holds = Literal["certificate", "key", "crl", "request", "other"]

#: What `cryptography` raises for input that is not what it should be; its own classes derive from Exception alone.
TROUBLES = (
    ValueError,
    TypeError,
    OverflowError,
    UnsupportedAlgorithm,
    InternalError,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
    x509.InvalidVersion,
)

_T = TypeVar("_T")
_CERTIFICATES = {"CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE"}
_REQUESTS = {"CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"}
_FORMS = {
    "PRIVATE KEY": "PKCS#8",
    "ENCRYPTED PRIVATE KEY": "PKCS#8",
    "RSA PRIVATE KEY": "PKCS#1",
    "EC PRIVATE KEY": "SEC1",
    "DSA PRIVATE KEY": "DSA",
}
#: Blocks that belong beside keys and certificates and say nothing.
_PASSED_OVER = {"EC PARAMETERS", "DH PARAMETERS", "X9.42 DH PARAMETERS", "DSA PARAMETERS"}
_FOREIGN = {
    "OPENSSH PRIVATE KEY": ("is a key of SSH, which PostgreSQL does not read", "ssh-keygen -p -m PEM -f FILE turns a copy of it into PEM."),
    "PKCS7": ("is PKCS#7", "openssl pkcs7 -print_certs -in FILE takes the certificates out of it."),
    "CMS": ("is PKCS#7", "openssl pkcs7 -print_certs -in FILE takes the certificates out of it."),
    "PUBLIC KEY": ("is a public key, which nothing in PostgreSQL asks for", None),
    "RSA PUBLIC KEY": ("is a public key, which nothing in PostgreSQL asks for", None),
}
_BASE64_OF_PEM = re.compile(rb"\A\s*LS0tLS1CRUdJTi[A-Za-z0-9+/=\s]+\Z")
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a file: its line (0: the whole file), a code, a whole sentence, and the cure if there is one."""

    line: int
    code: str
    what: str
    hint: str | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """One block or element of a file, without what it holds.

    Attributes:
        line, offset: where it begins; line 0 in files that have no lines.
        label: of the PEM block, empty in DER.
        holds: what the label or the shape says.
        seen: every OpenSSL takes it for a block.
        marked: only a byte order mark hides it, and only from OpenSSL 1.1.1.
        trouble: why OpenSSL cannot read it, in OpenSSL's words.
        read: it is among the certificates, keys, lists or requests.
    """

    line: int
    offset: int
    label: str
    holds: Holds
    seen: bool = True
    trouble: str | None = None
    read: bool = True
    marked: bool = False


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate and where it stands."""

    line: int
    offset: int
    value: x509.Certificate
    seen: bool = True


@dataclass(frozen=True, slots=True)
class Key:
    """A private key and where it stands.

    Attributes:
        form: PKCS#8, PKCS#1, SEC1, DSA or PKCS#12.
        encrypted: it asks for a passphrase.
        public: its public key; None when it could not be opened.
        value: the key itself, None when it could not be opened; never shown.
    """

    line: int
    offset: int
    form: str
    encrypted: bool
    public: PublicKeyTypes | None = field(default=None, compare=False)
    value: PrivateKeyTypes | None = field(default=None, repr=False, compare=False)
    seen: bool = True


@dataclass(frozen=True, slots=True)
class RevocationList:
    """A certificate revocation list and where it stands."""

    line: int
    offset: int
    value: x509.CertificateRevocationList
    seen: bool = True


@dataclass(frozen=True, slots=True)
class Request:
    """A certificate signing request and where it stands."""

    line: int
    offset: int
    value: x509.CertificateSigningRequest
    seen: bool = True


@dataclass(frozen=True, slots=True)
class Objects:
    """What a file holds, in its order.

    Attributes:
        format: how; `none` when nothing was found.
        form: in words, what a file is that holds no PEM: `it is empty`, `it is DER`.
        parts: every block or element, also those that could not be read.
        problems: in plain words.
    """

    format: Format
    form: str
    certificates: tuple[Certificate, ...] = ()
    keys: tuple[Key, ...] = ()
    crls: tuple[RevocationList, ...] = ()
    requests: tuple[Request, ...] = ()
    parts: tuple[Part, ...] = ()
    problems: tuple[Problem, ...] = ()


@dataclass(slots=True)
class _Found:
    certificates: list[Certificate] = field(default_factory=list)
    keys: list[Key] = field(default_factory=list)
    crls: list[RevocationList] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def objects(self, form: Format, words: str) -> Objects:
        parts = [tuple(each) for each in (self.certificates, self.keys, self.crls, self.requests, self.parts, self.problems)]
        return Objects(form, words, *parts)  # type: ignore[arg-type]


def load(data: bytes, passphrase: bytes | None = None) -> Objects:
    """Return what a file holds.

    Args:
        data: its bytes.
        passphrase: for keys and PKCS#12 that ask for one.
    """
    found = _Found()
    if not data.strip():
        return found.objects("none", "it is empty")
    text, distorted = _straightened(data)
    if distorted:
        found.problems.append(distorted)
    held = pem.blocks(text)
    if held:
        for block in held:
            _take(found, block, passphrase, hidden=distorted is not None)
        for block in held:
            if block.marked:
                what = f"A byte order mark hides the block in line {block.line} from OpenSSL 1.1.1; OpenSSL 3 passes over it."
                found.problems.append(Problem(block.line, "byte-order-mark", what, "Save it without the mark."))
        words = "it begins with a byte order mark" if text.startswith(pem.MARK) else "what it holds is something else, or damaged"
        return found.objects("PEM", _as_form(distorted) if distorted else words)
    if data[:1] == b"\x30":
        return _der(found, data, passphrase)
    return found.objects("none", _as_form(distorted) if distorted else _in_words(data))


def _straightened(data: bytes) -> tuple[bytes, Problem | None]:
    """Return the text that a person meant, and why the server does not see it."""
    wide = data.find(b"B\0E\0G\0I\0N")
    if data.startswith(_UTF_16) or wide >= 0:
        order = "utf-16" if data.startswith(_UTF_16) else "utf-16-be" if wide % 2 else "utf-16-le"
        text = data.decode(order, "ignore").encode("ascii", "ignore")
        return text, Problem(0, "not-text", "It is UTF-16 text, of which the server understands nothing.", "Save it as ASCII or UTF-8.")
    if b"\r" in data and b"\n" not in data and b"-----BEGIN" in data:
        problem = Problem(0, "carriage-returns-only", "It ends its lines with carriage returns alone: for the server it is a single line.")
        return data.replace(b"\r", b"\n"), problem
    if b"-----\\n" in data and b"-----BEGIN" in data and b"\n" not in data.strip():
        problem = Problem(
            1, "escaped-lines", "It has \\n where its lines should end, and the server reads a single line.", "printf '%b' ends them."
        )
        return data.strip(b"\"' \r\n").replace(b"\\r", b"").replace(b"\\n", b"\n"), problem
    if _BASE64_OF_PEM.match(data):
        import base64  # noqa: PLC0415

        try:
            text = base64.b64decode(b"".join(data.split()))
        except ValueError:
            return data, None
        problem = Problem(0, "encoded-twice", "It is PEM inside of base64, as Kubernetes keeps secrets.", "base64 -d turns it into PEM.")
        return text, problem
    return data, None


def _as_form(problem: Problem) -> str:
    return problem.what[0].lower() + problem.what[1:].rstrip(".")


def _in_words(data: bytes) -> str:
    start = data[:512].lstrip().lower()
    if start.startswith((b"<!doctype", b"<html", b"<?xml")):
        return "it is a web page"
    if start.startswith((b"ssh-", b"ecdsa-sha2")):
        return "it is a public key of SSH"
    if b"-----BEGIN" in data:
        return "what it holds is something else, or damaged"
    return "the server takes nothing else"


def _take(found: _Found, block: pem.Block, passphrase: bytes | None, *, hidden: bool) -> None:
    """Put in what one block holds."""
    holds = _held(block.label)
    seen = block.seen and not hidden
    before = len(found.problems)
    read = False
    if holds == "certificate":
        certificate = _tried(x509.load_der_x509_certificate, pem.single(block.der))
        if certificate is not None and _legible(certificate):
            found.certificates.append(Certificate(block.line, block.offset, certificate, seen))
            read = True
        elif certificate is not None:
            words = "holds a certificate whose fields are not as the standard wants them; nothing more can be said of it"
            found.problems.append(Problem(block.line, "odd-certificate", f"Line {block.line} {words}."))
    elif holds == "crl":
        crl = _tried(x509.load_der_x509_crl, pem.single(block.der))
        if crl is not None and _legible_crl(crl):
            found.crls.append(RevocationList(block.line, block.offset, crl, seen))
            read = True
    elif holds == "request":
        request = _tried(x509.load_der_x509_csr, pem.single(block.der))
        if request is not None and _legible_request(request):
            found.requests.append(Request(block.line, block.offset, request, seen))
            read = True
    elif holds == "key" and block.label in _FORMS:
        read = _take_key(found, block, passphrase, seen=seen)
    found.parts.append(Part(block.line, block.offset, block.label, holds, seen, block.trouble, read, block.marked and not hidden))
    if block.trouble or not (block.seen or block.marked):
        found.problems.append(_of_block(block, read=read))
    elif block.label in _FOREIGN:
        words, hint = _FOREIGN[block.label]
        found.problems.append(Problem(block.line, "foreign-block", f"What begins in line {block.line} {words}.", hint))
    elif holds == "other" and block.label not in _PASSED_OVER:
        words = f"Line {block.line} begins a block “{_plain(block.label)}”, which the server passes over."
        found.problems.append(Problem(block.line, "foreign-block", words))
    elif holds != "other" and not read and len(found.problems) == before:
        found.problems.append(Problem(block.line, "damaged", f"Line {block.line} begins a {_NOUNS[holds]} that is damaged inside."))


_NOUNS: dict[Holds, str] = {
    "certificate": "certificate",
    "key": "private key",
    "crl": "revocation list",
    "request": "request",
    "other": "block",
}


def _held(label: str) -> Holds:
    if label in _CERTIFICATES:
        return "certificate"
    if label == "X509 CRL":
        return "crl"
    if label in _REQUESTS:
        return "request"
    return "key" if label.endswith("PRIVATE KEY") else "other"


def _of_block(block: pem.Block, *, read: bool) -> Problem:
    what = _NOUNS[_held(block.label)]
    if not block.seen:
        words = f"Line {block.line} should begin a {what} and does not: the server passes it over."
        return Problem(
            block.line, "unseen-block", words, f"Write exactly -----BEGIN {_plain(block.label)}-----, from the start of the line."
        )
    reasons = {
        "short header": "its END line is missing",
        "bad end line": "its END line is missing or another one, or a blank line stands inside",
        "not proc type": "lines with a colon stand inside",
        "bad base64 decode": "it is not base64, or a part is missing",
    }
    why = reasons.get(block.trouble or "", "it is damaged")
    also = " What it should be can still be read." if read else ""
    return Problem(block.line, "damaged", f"Line {block.line} begins a {what} that OpenSSL cannot read ({block.trouble}): {why}.{also}")


def _plain(label: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in label[:40])


def _take_key(found: _Found, block: pem.Block, passphrase: bytes | None, *, seen: bool) -> bool:
    encrypted = block.encrypted or block.label == "ENCRYPTED PRIVATE KEY"
    value: PrivateKeyTypes | None = None
    wrong = False
    if block.pem and (not encrypted or passphrase is not None):
        try:
            value = load_pem_private_key(block.pem, passphrase if encrypted else None)
        except TROUBLES:
            wrong = encrypted
    if wrong:
        found.problems.append(Problem(block.line, "wrong-passphrase", f"The passphrase does not open the key in line {block.line}."))
    if value is None and not ((encrypted and pem.shape(block.der)) or (block.encrypted and block.der)):
        return False
    form = _FORMS[block.label]
    found.keys.append(Key(block.line, block.offset, form, encrypted, value.public_key() if value else None, value, seen))
    return True


def _der(found: _Found, data: bytes, passphrase: bytes | None) -> Objects:
    """Take what a binary file holds, by the shape of its first elements."""
    tags = pem.shape(data)
    whole = pem.single(data)
    after = data[len(whole) :]
    if after.strip(b"\r\n\0"):
        found.problems.append(Problem(0, "trailing-bytes", "Bytes follow what it holds; it may be two files in one, which DER cannot be."))
    if tags[:2] == (0x02, 0x30) and _shape_of_second(data) == 0x06:
        return _pkcs12(found, data, passphrase)
    if tags[:1] == (0x06,):
        found.problems.append(
            Problem(0, "foreign-block", "It is PKCS#7.", "openssl pkcs7 -inform DER -print_certs -in FILE takes the certificates out.")
        )
        found.parts.append(Part(0, 0, "", "other"))
        return found.objects("DER", "it is PKCS#7")
    certificate = _tried(x509.load_der_x509_certificate, whole)
    if certificate is not None and _legible(certificate):
        found.certificates.append(Certificate(0, 0, certificate, seen=False))
        found.parts.append(Part(0, 0, "", "certificate", seen=False))
        return found.objects("DER", "it is DER")
    crl = _tried(x509.load_der_x509_crl, whole)
    if crl is not None and _legible_crl(crl):
        found.crls.append(RevocationList(0, 0, crl, seen=False))
        found.parts.append(Part(0, 0, "", "crl", seen=False))
        return found.objects("DER", "it is DER")
    request = _tried(x509.load_der_x509_csr, whole)
    if request is not None and _legible_request(request):
        found.requests.append(Request(0, 0, request, seen=False))
        found.parts.append(Part(0, 0, "", "request", seen=False))
        return found.objects("DER", "it is DER")
    if _take_der_key(found, whole, tags, passphrase):
        found.parts.append(Part(0, 0, "", "key", seen=False))
        return found.objects("DER", "it is DER")
    found.problems.append(Problem(0, "damaged", "It looks like DER and holds nothing that can be read: it is damaged or something else."))
    return found.objects("none", "it is DER or PKCS#12, and damaged or something else")


def _shape_of_second(data: bytes) -> int | None:
    """Return the first tag inside of the second element: an object identifier there tells PKCS#12 from a key."""
    head = 2 if data[1] < 0x80 else 2 + (data[1] & 0x7F)
    first = pem.element_length(data[head : head + 8])
    if first is None:
        return None
    tags = pem.shape(data[head + first : head + first + 64], 1)
    # A PKCS#8 key has an algorithm there too, but no version 3 before it.
    return tags[0] if tags and data[head : head + 3] == b"\x02\x01\x03" else None


def _take_der_key(found: _Found, der: bytes, tags: tuple[int, ...], passphrase: bytes | None) -> bool:
    forms: dict[tuple[int, ...], str] = {(0x02, 0x30): "PKCS#8", (0x02, 0x02): "PKCS#1", (0x02, 0x04): "SEC1"}
    encrypted = tags[:2] == (0x30, 0x04) and len(tags) == 2
    form = "PKCS#8" if encrypted else forms.get(tags[:2])
    if form is None:
        return False
    value: PrivateKeyTypes | None = None
    if not encrypted or passphrase is not None:
        try:
            value = load_der_private_key(der, passphrase if encrypted else None)
        except TROUBLES:
            if not encrypted:
                return False
            found.problems.append(Problem(0, "wrong-passphrase", "The passphrase does not open the key."))
    found.keys.append(Key(0, 0, form, encrypted, value.public_key() if value else None, value, seen=False))
    return True


def _pkcs12(found: _Found, data: bytes, passphrase: bytes | None) -> Objects:
    opened = None
    used: bytes | None = None
    for used in dict.fromkeys((passphrase, None, b"")):
        try:
            opened = pkcs12.load_pkcs12(data, used)
            break
        except TROUBLES:
            continue
    words = "it is PKCS#12"
    if opened is None:
        found.parts.append(Part(0, 0, "", "other", seen=False, read=False))
        if passphrase is None:
            found.problems.append(
                Problem(0, "passphrase-needed", "It is PKCS#12 with a passphrase, so nothing can be said of what it holds.")
            )
        else:
            found.problems.append(Problem(0, "wrong-passphrase", "The passphrase does not open it, or it is damaged."))
        return found.objects("PKCS#12", words)
    if opened.key is not None:
        public = opened.key.public_key()
        found.keys.append(Key(0, 0, "PKCS#12", bool(used), public, opened.key, seen=False))
        found.parts.append(Part(0, 0, "", "key", seen=False))
    first = [opened.cert] if opened.cert is not None else []
    for each in [*first, *opened.additional_certs]:
        if _legible(each.certificate):
            found.certificates.append(Certificate(0, 0, each.certificate, seen=False))
            found.parts.append(Part(0, 0, "", "certificate", seen=False))
    return found.objects("PKCS#12", words)


def _tried(read: Callable[[bytes], _T], der: bytes) -> _T | None:
    try:
        return read(der) if der else None
    except TROUBLES:
        return None


def _told(ask: Callable[[], object]) -> bool:
    try:
        ask()
    except TROUBLES:
        return False
    return True


def _legible(certificate: x509.Certificate) -> bool:
    """Whether names and dates can be told: `cryptography` decodes them only when they are asked for."""
    names = _told(lambda: (certificate.subject.rfc4514_string(), certificate.issuer.rfc4514_string()))
    return names and _told(lambda: (certificate.not_valid_before_utc, certificate.not_valid_after_utc, certificate.version))


def _legible_crl(crl: x509.CertificateRevocationList) -> bool:
    return _told(lambda: (crl.issuer.rfc4514_string(), crl.last_update_utc, crl.next_update_utc))


def _legible_request(request: x509.CertificateSigningRequest) -> bool:
    return _told(lambda: (request.subject.rfc4514_string(), request.extensions))
