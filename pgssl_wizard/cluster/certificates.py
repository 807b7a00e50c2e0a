"""The certificates that the settings point to, what state they are in, and whether the server can load them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pgssl_wizard.cluster.facts import CertificateFact, CertificateRole, FileFact
from pgssl_wizard.cluster.reading import fact_of, may_read, who_can_read

if TYPE_CHECKING:
    from cryptography.x509 import Certificate


#: UTF-8's byte order mark, which the server's reader of PEM files does not pass over.
_MARK = b"\xef\xbb\xbf"
_LARGEST_KEY = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Problem:
    """Something about one of the files that keeps the server from loading it, or clients from accepting what it holds.

    Attributes:
        where: the file.
        what: in words, a whole sentence.
        code: kebab-case, for scripts.
        hint: what to do, or None.
    """

    where: Path
    what: str
    code: str
    hint: str | None = None


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """What the certificate, key and CA settings lead to. The key's bytes are let go once they are compared.

    Attributes:
        certificates: the server's chain, leaf first, then the CAs for clients.
        problems: what is wrong with the files.
        key_encrypted: the server needs a passphrase for the key.
    """

    certificates: tuple[CertificateFact, ...] = ()
    problems: tuple[Problem, ...] = ()
    key_encrypted: bool = False


def tls_files(certificate: Path | None, key: Path | None, client_ca: Path | None, uid: int, groups: frozenset[int]) -> TlsFiles:
    """Return what the three files hold and what is wrong with them.

    `cryptography` takes 80 ms to import; a cluster without certificates does not pay for it.

    Args:
        certificate: of ssl_cert_file.
        key: of ssl_key_file.
        client_ca: of ssl_ca_file, None when it is empty.
        uid: of the server's OS user, who must be able to read them.
        groups: of that user, or those that the running server has.
    """
    found: list[CertificateFact] = []
    problems: list[Problem] = []
    chain: list[Certificate] = []
    if certificate is not None:
        fact = fact_of(certificate)
        unusable = _unusable(fact, "certificate", uid, groups)
        problems += [unusable] if unusable else []
        if fact.data is not None:
            chain = read(fact.data)
            found += _chain_facts(certificate, chain)
            if (not chain or fact.data.startswith(_MARK)) and not unusable:
                problems.append(Problem(certificate, f"The server reads no certificate from it: {_form(fact.data)}.", "no-certificate"))
    encrypted = False
    if key is not None:
        problems += _key_problems(key, uid, groups)
        matches, problem, encrypted = _compared(key, chain[0] if chain else None)
        problems += [problem] if problem else []
        if found:
            found[0] = with_key(found[0], matches)
    if client_ca is not None:
        fact = fact_of(client_ca)
        unusable = _unusable(fact, "CA file", uid, groups)
        problems += [unusable] if unusable else []
        if fact.data is not None:
            certificates = read(fact.data)
            found += facts_of(certificates, "client-ca", client_ca)
            if not certificates and not unusable:
                problems.append(Problem(client_ca, f"The server reads no certificate from it: {_form(fact.data)}.", "no-client-ca"))
    return TlsFiles(tuple(found), tuple(problems), encrypted)


def read(data: bytes) -> list[Certificate]:
    """Return the certificates of a PEM file; what cannot be read is left out."""
    from pgssl_wizard.certificates.read import read_certificates  # noqa: PLC0415

    return read_certificates(data)


def facts_of(certificates: list[Certificate], role: CertificateRole, path: Path) -> list[CertificateFact]:
    """Return the facts; a certificate so odd that its fields cannot be told is left out."""
    return [fact for fact in (fact_about(each, role, path) for each in certificates) if fact is not None]


def fact_about(certificate: Certificate, role: CertificateRole, path: Path, key_matches: bool | None = None) -> CertificateFact | None:
    """Return what is worth knowing about a certificate, None when its fields cannot be told."""
    from cryptography import x509  # noqa: PLC0415
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415

    from pgssl_wizard.certificates.read import fact  # noqa: PLC0415

    try:
        return fact(certificate, role, path, key_matches)
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        return None


def chain_facts(path: Path, data: bytes) -> list[CertificateFact]:
    """Return the certificates of a chain file: the leaf first, as the server wants it, then what signs it."""
    return _chain_facts(path, read(data))


def with_key(fact: CertificateFact, matches: bool | None) -> CertificateFact:
    """Return the fact with what is known about its key."""
    return replace(fact, key_matches=matches)


def key_matches(key: Path | None, certificate_pem: bytes) -> bool | None:
    """Return whether the key in a file belongs to the first certificate; None when it cannot be told."""
    certificates = read(certificate_pem)
    return _compared(key, certificates[0])[0] if key is not None and certificates else None


def state_in_words(leaf: CertificateFact | None, now: datetime) -> str:
    """Return what a server certificate is good for, for lists: `snakeoil: nobody can verify it`, `self-signed`, `expired …`."""
    if leaf is None:
        return "no certificate"
    if is_snakeoil(leaf):
        return "snakeoil certificate: nobody can verify it"
    if leaf.not_after <= now:
        return f"expired {leaf.not_after:%Y-%m-%d}"
    if not leaf.names:
        return "certificate without names"
    if leaf.self_signed:
        return "self-signed"
    return f"certificate to {leaf.not_after:%Y-%m-%d}"


def is_snakeoil(leaf: CertificateFact) -> bool:
    """Whether this is the certificate that Debian's ssl-cert makes at install time: every cluster shares it, no client trusts it."""
    # Older packages link server.crt in the data directory to it.
    return "snakeoil" in leaf.path.name or "snakeoil" in os.path.basename(os.path.realpath(leaf.path))  # noqa: PTH119


def _chain_facts(path: Path, certificates: list[Certificate]) -> list[CertificateFact]:
    from pgssl_wizard.certificates.read import is_ca  # noqa: PLC0415

    found: list[CertificateFact] = []
    for position, certificate in enumerate(certificates):
        # Told first: of a certificate whose fields cannot be read nobody can say whether it is a CA either.
        fact = fact_about(certificate, "server" if position == 0 else "intermediate", path)
        if fact is None and position == 0:
            return []
        if fact is not None:
            top = position > 0 and fact.self_signed and is_ca(certificate)
            found.append(replace(fact, role="root") if top else fact)
    return found


def _compared(key: Path, leaf: Certificate | None) -> tuple[bool | None, Problem | None, bool]:
    """Compare a key with the certificate, and say whether it is encrypted; its bytes live no longer than this call."""
    try:
        pem = key.read_bytes() if key.is_file() and key.stat().st_size < _LARGEST_KEY else b""
    except (OSError, ValueError):
        return None, None, False
    if not pem:
        return None, None, False
    if b"PRIVATE KEY-----" not in pem or pem.startswith(_MARK):
        return None, Problem(key, f"The server reads no private key from it: {_form(pem)}.", "no-key"), False
    if leaf is None:
        return None, None, False
    from pgssl_wizard.certificates import keys  # noqa: PLC0415

    matches = keys.matches(pem, leaf)
    if matches is not False:
        return matches, None, keys.encrypted(pem)
    problem = Problem(
        key,
        "The key does not belong to the first certificate in its file: the next restart would fail (key values mismatch).",
        "key-mismatch",
        "Put the leaf first in the certificate's file, or the right key here.",
    )
    return matches, problem, False


def _key_problems(key: Path, uid: int, groups: frozenset[int]) -> Iterator[Problem]:
    """Yield what the server itself would say of the file: check_ssl_key_file_permissions in be-secure-common.c, the same in 13 to 19."""
    fact = fact_of(key, secret=True)
    if not fact.exists:
        yield Problem(key, "There is no such file: the server cannot load its key.", "key-unusable")
    elif fact.problem:
        yield Problem(key, f"The server cannot use this key: {fact.problem}.", "key-unusable")
    elif fact.uid not in {uid, 0}:
        yield Problem(
            key,
            f"It belongs to {fact.owner}: private key file must be owned by the database user or root.",
            "key-permissions",
            "Give it to the server's user, 0600.",
        )
    elif fact.mode & (0o077 if fact.uid == uid else 0o037):
        yield Problem(
            key,
            f"Its mode is {fact.mode:04o}: private key file has group or world access.",
            "key-permissions",
            "chmod 0600; or 0640 when it belongs to root and a group of the server's user.",
        )
    elif not may_read(fact, uid, groups):
        yield Problem(key, f"The server's user cannot read it; {who_can_read(fact)} can.", "key-permissions")


def _unusable(fact: FileFact, what: str, uid: int, groups: frozenset[int]) -> Problem | None:
    code = "no-certificate" if what == "certificate" else "no-client-ca"
    if not fact.exists:
        return Problem(fact.path, f"There is no such file: the server cannot load its {what}.", code)
    if fact.problem:
        return Problem(fact.path, f"The server cannot use this {what}: {fact.problem}.", code)
    if not may_read(fact, uid, groups):
        return Problem(fact.path, f"The server's user cannot read this {what}; {who_can_read(fact)} can.", code)
    return None


def _form(data: bytes) -> str:
    """Say what a file is that is no PEM; the server takes nothing else."""
    if not data.strip():
        return "it is empty"
    if data.startswith(_MARK):
        return "it begins with a byte order mark"
    if data.startswith(b"\x30\x82"):
        return "it is DER or PKCS#12"
    if b"-----BEGIN" in data:
        return "what it holds is something else, or damaged"
    return "the server takes nothing else"
