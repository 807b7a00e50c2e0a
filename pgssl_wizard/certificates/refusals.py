"""What the server, or libpq, would refuse to load, in OpenSSL's words; nothing here asks for the time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from pgssl_wizard.certificates import key_file
from pgssl_wizard.certificates.given import Fault, Given, called
from pgssl_wizard.certificates.keys import type_of
from pgssl_wizard.certificates.load import TROUBLES, Certificate, Key, Part
from pgssl_wizard.certificates.read import public_of

#: Whose reading counts; None: a file must do for both.
OpenSSL = Literal["1.1.1", "3"] | None

#: The security level: that of OpenSSL 3.2, which Debian, Ubuntu and RHEL had before; 1.1.1 has 1 by itself.
_LEVELS: dict[OpenSSL, int] = {"1.1.1": 1, "3": 2, None: 2}
_BITS = {0: 0, 1: 80, 2: 112, 3: 128, 4: 192, 5: 256}
_KEY_LABELS = {"PRIVATE KEY", "ENCRYPTED PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "DSA PRIVATE KEY"}


def refusals(files: Sequence[Given], openssl: OpenSSL = None) -> Iterator[Fault]:
    """Yield what would not be loaded, of files that are used together.

    Args:
        files: all of them.
        openssl: which one loads them.
    """
    for given in files:
        if given.role in {"server-certificate", "client-certificate"}:
            yield from _chain(given, openssl)
        elif given.role in {"ca", "intermediate"}:
            yield from _trusted(given, openssl)
        elif given.role == "crl":
            yield from _lists(given, openssl)
        elif given.role in {"server-key", "client-key", "ca-key"}:
            yield from _key(given, openssl)
        elif given.role == "request":
            yield from _request(given)
        elif given.objects.format != "PKCS#12" or any(problem.code == "wrong-passphrase" for problem in given.objects.problems):
            yield Fault(
                given.path, 0, "error", "no-pkcs12", f"It is no PKCS#12 file that can be opened: {given.objects.form}.", None, refused=True
            )
    yield from _pairs(files)


def _sees(part: Part, openssl: OpenSSL) -> bool:
    return part.seen or (part.marked and openssl == "3")


def _who(given: Given) -> str:
    if given.role == "ca-key":
        return "OpenSSL"
    return "libpq" if given.role in {"client-certificate", "client-key"} else "The server"


def _convert(given: Given, what: str) -> str | None:
    name = given.path.name
    if given.objects.format == "DER":
        return f"openssl {what} -inform DER -in {name} -out {given.path.stem}.pem turns a copy of it into PEM."
    if given.objects.format == "PKCS#12":
        return f"openssl pkcs12 -in {name} -nodes -out {given.path.stem}.pem takes it apart: certificates and key in one file, to be kept at 0600."
    return next((problem.hint for problem in given.objects.problems if problem.hint), None)


def _chain(given: Given, openssl: OpenSSL) -> Iterator[Fault]:
    """Yield what SSL_CTX_use_certificate_chain_file would refuse: it reads to the end of the file and minds every block."""
    stumble = _stumble(given, openssl, {"certificate"})
    seen = [part for part in given.objects.parts if _sees(part, openssl) and part.holds == "certificate"]
    if not seen and stumble is None:
        words = "no start line"
        yield _unread(given, "no-certificate", f"{_who(given)} reads no certificate from it ({words}): {why_none(given)}.", "x509")
        return
    if stumble is not None:
        yield _stumbled(given, "no-certificate", stumble)
        return
    first = given.objects.parts[0]
    if first.holds == "certificate" and not _sees(first, openssl):
        told = f"{_who(given)} does not see the first certificate in it, and takes the one in line {seen[0].line} for its own (key values mismatch)."
        yield _unread(given, "no-certificate", told, "x509")
    lines = {part.line for part in seen}
    for position, certificate in enumerate(each for each in given.objects.certificates if each.line in lines):
        yield from _too_weak(given, certificate, _LEVELS[openssl], leaf=position == 0)


def _too_weak(given: Given, certificate: Certificate, level: int, *, leaf: bool) -> Iterator[Fault]:
    key = public_of(certificate.value)
    bits = strength(key)
    who = called(certificate.value)
    if key is not None and bits is not None and bits < _BITS[level]:
        words = "ee key too small" if leaf else "ca key too small"
        told = f"The key of {who} is {key_words(key)}: OpenSSL refuses it ({words})."
        if bits >= _BITS[1]:
            told = f"The key of {who} is {key_words(key)}: OpenSSL 3 as Debian, Ubuntu and RHEL set it up refuses it ({words}); older ones load it."
        yield Fault(
            given.path, certificate.line, "error", "weak-key", told, "Use RSA with 2048 bits or more, or ECDSA P-256.", refused=True
        )
    digest = _digest(certificate.value)
    issued_by_itself = certificate.value.issuer == certificate.value.subject
    if digest is not None and not issued_by_itself and _digest_strength(digest, level) < _BITS[level]:
        told = (
            f"{who} is signed with {digest}: OpenSSL 3 as Debian, Ubuntu and RHEL set it up refuses to load it (ca md too weak), "
            "and so do clients."
        )
        yield Fault(given.path, certificate.line, "error", "weak-signature", told, "Have it signed again with SHA-256.", refused=True)


def _trusted(given: Given, openssl: OpenSSL) -> Iterator[Fault]:
    """Yield what SSL_CTX_load_verify_locations and SSL_load_client_CA_file would refuse."""
    stumble = _stumble(given, openssl, {"certificate", "crl", "key"})
    if stumble is not None:
        yield _stumbled(given, "no-certificate", stumble)
    elif not any(_sees(part, openssl) and part.holds == "certificate" for part in given.objects.parts):
        words = "no certificate or crl found"
        yield _unread(given, "no-certificate", f"The server reads no certificate from it ({words}): {why_none(given)}.", "x509")


def _lists(given: Given, openssl: OpenSSL) -> Iterator[Fault]:
    stumble = _stumble(given, openssl, {"certificate", "crl", "key"})
    if stumble is not None:
        yield _stumbled(given, "no-crl", stumble)
    elif not any(_sees(part, openssl) and part.holds in {"certificate", "crl"} for part in given.objects.parts):
        words = "no certificate or crl found"
        yield _unread(given, "no-crl", f"The server reads no revocation list from it ({words}): {why_none(given)}.", "crl")


def _key(given: Given, openssl: OpenSSL) -> Iterator[Fault]:
    """Yield what is wrong with the file of a key: first its owner and mode, as the server looks at them first too."""
    fault = key_file.fault(given.file) if given.file is not None else None
    if fault is not None:
        # Nothing in PostgreSQL loads a CA's key, but open to others it is worse than any.
        own = given.role == "ca-key"
        yield Fault(given.path, 0, "warning" if own else "error", "key-permissions", fault.what, fault.hint, refused=not own)
    if given.role != "server-key" and given.objects.format == "DER" and given.objects.keys:
        return
    for part in given.objects.parts:
        if not _sees(part, openssl):
            continue
        if part.trouble is not None:
            words = f"Line {part.line} begins a block that OpenSSL cannot read ({part.trouble})."
            yield Fault(
                given.path, part.line, "error", "no-key", f"{_who(given)} reads no private key from it: {_lower(words)}", None, refused=True
            )
            return
        if part.holds == "key" and part.label in _KEY_LABELS:
            if not part.read:
                words = f"the key in line {part.line} is damaged inside"
                yield Fault(
                    given.path, part.line, "error", "no-key", f"{_who(given)} reads no private key from it: {words}.", None, refused=True
                )
            return
    words = "no start line, or unsupported with OpenSSL 3"
    told = f"{_who(given)} reads no private key from it ({words}): {why_none(given)}."
    yield _unread(given, "no-key", told, "pkey")


def _request(given: Given) -> Iterator[Fault]:
    requests = given.objects.requests
    if not requests:
        told = f"There is no certificate signing request in it: {why_none(given)}."
        yield Fault(given.path, 0, "error", "no-request", told, None, refused=True)
        return
    try:
        valid = requests[0].value.is_signature_valid
    except TROUBLES:
        return
    if not valid:
        told = "The request is not signed with the key it asks for; no CA accepts it."
        yield Fault(given.path, requests[0].line, "error", "bad-signature", told, "Make it again.", refused=True)


def _stumble(given: Given, openssl: OpenSSL, decoded: set[str]) -> Part | None:
    """Return the first block over which OpenSSL stumbles: damaged ones of any kind, and of those it decodes, what decodes to nothing."""
    for part in given.objects.parts:
        # Of keys only those that are open: one with a passphrase is passed over.
        undecoded = (
            part.holds in decoded and not part.read and (part.holds != "key" or part.label in _KEY_LABELS - {"ENCRYPTED PRIVATE KEY"})
        )
        if _sees(part, openssl) and (part.trouble is not None or undecoded):
            return part
    return None


def _stumbled(given: Given, code: str, part: Part) -> Fault:
    words = part.trouble or "what it holds is damaged"
    noun = "certificate" if part.holds == "certificate" else "block"
    told = f"{_who(given)} would not load it: the {noun} that begins in line {part.line} cannot be read ({words})."
    return Fault(given.path, part.line, "error", code, told, "Copy that block again, whole.", refused=True)


def _unread(given: Given, code: str, told: str, command: str) -> Fault:
    hidden = next((problem for problem in given.objects.problems if problem.line), None)
    return Fault(given.path, hidden.line if hidden else 0, "error", code, told, _convert(given, command), refused=True)


def why_none(given: Given) -> str:
    """Return what a file is, in words, that does not hold what was looked for: `it holds a private key`, `it is DER`."""
    objects = given.objects
    if objects.format != "PEM" or objects.form != "what it holds is something else, or damaged":
        return objects.form
    held = {part.holds: part for part in objects.parts if part.seen}
    for holds, words in (
        ("key", "a private key"),
        ("crl", "a revocation list"),
        ("request", "a certificate signing request"),
        ("certificate", "a certificate"),
    ):
        if holds in held:
            return f"it holds {words}"
    return objects.form


def _lower(text: str) -> str:
    return text[0].lower() + text[1:]


def _pairs(files: Sequence[Given]) -> Iterator[Fault]:
    """Yield keys that do not belong to the certificate beside them."""
    owners = [given for given in files if given.leaf is not None and given.role not in {"crl", "request", "pkcs12"}]
    holders = [given for given in files if given.role in {"server-key", "client-key", "ca-key"} and given.objects.keys]
    told: set[Path] = set()
    for given in [*holders, *(each for each in owners if each.objects.keys and each.role in {"server-certificate", "client-certificate"})]:
        key = given.objects.keys[0]
        if key.public is None:
            continue
        if any(each.leaf is not None and same_key(key.public, each.leaf.value) for each in owners):
            continue
        requests = [request for each in files for request in each.objects.requests]
        if any(same_public(key.public, public_of(request.value)) for request in requests):
            continue
        other = _owner_meant(given, owners, holders)
        if other is not None:
            told.add(other.path)
            yield _mismatch(given, key, other)
        elif given.role == "server-key" and owners:
            words = "The key belongs to none of the certificates given with it."
            yield Fault(given.path, key.line, "warning", "key-without-certificate", words, None)
    keys = [key.public for each in files for key in each.objects.keys if key.public is not None]
    for given in owners:
        first = given.leaf
        if given.role not in {"server-certificate", "client-certificate"} or given.path in told or first is None or not first.seen:
            continue
        issued = next(
            (each for each in given.objects.certificates if each is not first and each.seen and issued_by(each.value, first.value)), None
        )
        if issued is not None and not any(same_key(key, first.value) for key in keys):
            words = (
                f"The first certificate is {called(first.value)}, which signed {called(issued.value)} in line {issued.line}: "
                "the server takes the first for its own, and its key does not fit (key values mismatch)."
            )
            yield Fault(given.path, first.line, "error", "key-mismatch", words, "Put the leaf first, then what signed it.", refused=True)


def _owner_meant(given: Given, owners: Sequence[Given], holders: Sequence[Given]) -> Given | None:
    """Return the certificate with which a key is meant to go: the one of the same name, or the only one."""
    leafs = [each for each in owners if each.role in {"server-certificate", "client-certificate"}]
    if given in leafs:
        return given
    named = [each for each in owners if each.path.stem == given.path.stem and each.path.parent == given.path.parent]
    if named:
        return named[0]
    # A CA's key and a client's key lie beside a server's certificate without belonging to it.
    rivals = [each for each in leafs if each.role.partition("-")[0] == given.role.partition("-")[0]]
    keys = [each for each in holders if each.role == given.role]
    return rivals[0] if len(rivals) == 1 and len(keys) == 1 else None


def _mismatch(given: Given, key: Key, other: Given) -> Fault:
    later = next((each for each in other.objects.certificates[1:] if key.public is not None and same_key(key.public, each.value)), None)
    if later is not None:
        first = called(other.objects.certificates[0].value)
        told = (
            f"The key belongs to {called(later.value)} in line {later.line}, and the first certificate is {first}: "
            "the server takes the first (key values mismatch)."
        )
        return Fault(
            other.path,
            other.objects.certificates[0].line,
            "error",
            "key-mismatch",
            told,
            "Put the leaf first, then what signed it.",
            refused=True,
        )
    told = f"The key does not belong to the first certificate in {_beside(given.path, other.path)}: the next restart would fail (key values mismatch)."
    hint = "Put the leaf first in the certificate's file, or the right key here."
    return Fault(given.path, key.line, "error", "key-mismatch", told, hint, refused=True)


def _beside(path: Path, other: Path) -> str:
    return "its file" if path == other else other.name if path.parent == other.parent else str(other)


def issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Return whether one certificate signed another, by name and signature."""
    if certificate.issuer != issuer.subject:
        return False
    try:
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, *TROUBLES):
        return False
    return True


def same_key(key: PublicKeyTypes, certificate: x509.Certificate) -> bool:
    """Return whether a public key is the one in a certificate."""
    return same_public(key, public_of(certificate))


def same_public(key: PublicKeyTypes, other: PublicKeyTypes | None) -> bool:
    """Return whether two public keys are the same."""
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    try:
        return other is not None and key.public_bytes(*form) == other.public_bytes(*form)
    except TROUBLES:
        return False


def strength(key: PublicKeyTypes | None) -> int | None:
    """Return the strength of a key in bits as OpenSSL counts it, None when that is not known."""
    if isinstance(key, rsa.RSAPublicKey | dsa.DSAPublicKey):
        steps = ((15360, 256), (7680, 192), (3072, 128), (2048, 112), (1024, 80))
        return next((bits for size, bits in steps if key.key_size >= size), 0)
    if isinstance(key, ec.EllipticCurvePublicKey):
        return key.key_size // 2
    if isinstance(key, ed448.Ed448PublicKey):
        return 224
    return None if key is None else 128


def key_words(key: PublicKeyTypes) -> str:
    """Return a key's kind and size for people."""
    if isinstance(key, rsa.RSAPublicKey):
        return f"RSA with {key.key_size} bits"
    if isinstance(key, ec.EllipticCurvePublicKey):
        return f"ECDSA {key.curve.name}"
    return type_of(key)


def _digest(certificate: x509.Certificate) -> str | None:
    """Return the digest of a signature when it is a weak one."""
    try:
        digest = certificate.signature_hash_algorithm
    except TROUBLES:
        return None
    return {"md5": "MD5", "sha1": "SHA-1"}.get(digest.name) if digest is not None else None


def _digest_strength(digest: str, level: int) -> int:
    # OpenSSL 1.1.1, whose level is 1, counts half of the digest's length; 3 what is known of collisions.
    return (80 if digest == "SHA-1" else 64) if level <= 1 else (63 if digest == "SHA-1" else 39)


def weak_digest(certificate: x509.Certificate) -> str | None:
    """Return MD5 or SHA-1 when a certificate that somebody else signed is signed with it."""
    return None if certificate.issuer == certificate.subject else _digest(certificate)
