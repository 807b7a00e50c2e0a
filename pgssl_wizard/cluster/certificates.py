"""The certificates that the settings point to, what state they are in, and whether the server can load them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pgssl_wizard.certificates import key_file
from pgssl_wizard.cluster.facts import CertificateFact, CertificateRole, FileFact
from pgssl_wizard.cluster.list_directory import lists_in
from pgssl_wizard.cluster.reading import fact_of, may_read, who_can_read

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

    from pgssl_wizard.certificates.given import Given, Role

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
    """What the certificate, key, CA and CRL settings lead to. The key's bytes are let go once they are compared.

    Attributes:
        certificates: the server's chain, leaf first, then the CAs for clients.
        problems: what is wrong with the files.
        key_encrypted: the server needs a passphrase for the key.
        own: the server's certificate, to be judged when the time is known; empty when there is none.
        of_clients: the CA and CRL files, and those of the CRL directory that the server finds, likewise.
    """

    certificates: tuple[CertificateFact, ...] = ()
    problems: tuple[Problem, ...] = ()
    key_encrypted: bool = False
    own: tuple[Given, ...] = ()
    of_clients: tuple[Given, ...] = ()


def tls_files(
    certificate: Path | None,
    key: Path | None,
    client_ca: Path | None,
    uid: int,
    groups: frozenset[int],
    *,
    crl: Path | None = None,
    crl_directory: Path | None = None,
) -> TlsFiles:
    """Return what the files hold and what is wrong with them.

    `cryptography` takes 80 ms to import; a cluster without certificates does not pay for it.

    Args:
        certificate: of ssl_cert_file.
        key: of ssl_key_file.
        client_ca: of ssl_ca_file, None when it is empty.
        uid: of the server's OS user, who must be able to read them.
        groups: of that user, or those that the running server has.
        crl: of ssl_crl_file, None when it is empty.
        crl_directory: of ssl_crl_dir, likewise.
    """
    found: list[CertificateFact] = []
    problems: list[Problem] = []
    own = _taken(certificate, "server-certificate", uid, groups, problems)
    if key is not None:
        problems += _key_problems(key, uid, groups)
    secret = _loaded(key, "server-key", _bytes_of_key(key))
    of_clients = [
        *_taken(client_ca, "ca", uid, groups, problems),
        *_taken(crl, "crl", uid, groups, problems),
    ]
    for given in own:
        found += _chain_facts(given.path, _certificates(given))
    if found and secret:
        found[0] = with_key(found[0], _belongs(secret[0], own[0]))
    for given in of_clients:
        if given.role == "ca":
            found += facts_of(_certificates(given), "client-ca", given.path)
    problems += _refused([*own, *secret])
    problems += _refused(of_clients)
    if crl_directory is not None:
        authorities = [given for given in of_clients if given.role == "ca"]
        lists, faults = lists_in(crl_directory, authorities, [given for given in of_clients if given.role == "crl"], uid, groups)
        of_clients += lists
        problems += [Problem(fault.path, fault.what, fault.code, fault.hint) for fault in faults]
    encrypted = any(held.encrypted for given in secret for held in given.objects.keys[:1])
    return TlsFiles(tuple(found), tuple(problems), encrypted, tuple(own), tuple(of_clients))


def _taken(path: Path | None, role: Role, uid: int, groups: frozenset[int], problems: list[Problem]) -> list[Given]:
    """Return what a file holds that is no secret; why it cannot be used goes to the problems."""
    if path is None:
        return []
    fact = fact_of(path)
    unusable = _unusable(fact, role, uid, groups)
    if unusable:
        problems.append(unusable)
    return _loaded(path, role, fact.data)


def _loaded(path: Path | None, role: Role, data: bytes | None, passphrase: bytes | None = None) -> list[Given]:
    if path is None or data is None:
        return []
    from pgssl_wizard.certificates.given import Given  # noqa: PLC0415
    from pgssl_wizard.certificates.load import load  # noqa: PLC0415

    return [Given(path, role, load(data, passphrase))]


def _bytes_of_key(key: Path | None) -> bytes | None:
    try:
        return key.read_bytes() if key is not None and key.is_file() and key.stat().st_size < _LARGEST_KEY else None
    except (OSError, ValueError):
        return None


def _certificates(given: Given) -> list[Certificate]:
    return [each.value for each in given.objects.certificates] if given.objects.format == "PEM" else []


def _belongs(key: Given, certificate: Given) -> bool | None:
    """Return whether a key belongs to the first certificate of a chain; None when it cannot be told."""
    from pgssl_wizard.certificates.refusals import same_key  # noqa: PLC0415

    public = next((held.public for held in key.objects.keys[:1] if held.seen), None)
    return None if public is None or certificate.leaf is None else same_key(public, certificate.leaf.value)


def _refused(files: Sequence[Given]) -> Iterator[Problem]:
    """Yield what the server would not load of files that go together."""
    if not files:
        return
    from pgssl_wizard.certificates.refusals import refusals  # noqa: PLC0415

    roles = {given.path: given.role for given in files}
    for fault in refusals(files):
        code = "no-client-ca" if fault.code == "no-certificate" and roles[fault.path] == "ca" else fault.code
        yield Problem(fault.path, fault.what, code, fault.hint)


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


def certificates_beside_key(path: Path) -> bytes | None:
    """Return the certificates alone, PEM, of a file that holds the key too; None when there are none."""
    data = _bytes_of_key(path)
    if not data:
        return None
    from cryptography.hazmat.primitives.serialization import Encoding  # noqa: PLC0415

    return b"".join(each.public_bytes(Encoding.PEM) for each in read(data)) or None


def asks_for_passphrase(key: Path) -> bool:
    """Whether the key in a file is encrypted."""
    held = _loaded(key, "server-key", _bytes_of_key(key))
    return any(each.encrypted for given in held for each in given.objects.keys[:1])


def key_matches(key: Path | None, certificate_pem: bytes, passphrase: bytes | None = None) -> bool | None:
    """Return whether the key in a file belongs to the first certificate; None when it cannot be told."""
    held = _loaded(key, "server-key", _bytes_of_key(key), passphrase)
    return _belongs(held[0], _loaded(key, "server-certificate", certificate_pem)[0]) if held else None


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


def _key_problems(key: Path, uid: int, groups: frozenset[int]) -> Iterator[Problem]:
    """Yield what the server itself would say of the file: check_ssl_key_file_permissions in be-secure-common.c, the same in 13 to 19."""
    fact = fact_of(key, secret=True)
    if not fact.exists:
        yield Problem(key, "There is no such file: the server cannot load its key.", "key-unusable")
    elif fact.problem:
        yield Problem(key, f"The server cannot use this key: {fact.problem}.", "key-unusable")
    elif (fault := key_file.fault(key_file.KeyFile(fact.mode, fact.uid, fact.owner, uid))) is not None:
        yield Problem(key, fault.what, "key-permissions", fault.hint)
    elif not may_read(fact, uid, groups):
        yield Problem(key, f"The server's user cannot read it; {who_can_read(fact)} can.", "key-permissions")


#: What a file is called in sentences, and the code of its problems.
_UNUSABLE: dict[Role, tuple[str, str]] = {
    "server-certificate": ("certificate", "no-certificate"),
    "ca": ("CA file", "no-client-ca"),
    "crl": ("CRL file", "no-crl"),
}


def _unusable(fact: FileFact, role: Role, uid: int, groups: frozenset[int]) -> Problem | None:
    what, code = _UNUSABLE[role]
    if not fact.exists:
        return Problem(fact.path, f"There is no such file: the server cannot load its {what}.", code)
    if fact.problem:
        return Problem(fact.path, f"The server cannot use this {what}: {fact.problem}.", code)
    if not may_read(fact, uid, groups):
        return Problem(fact.path, f"The server's user cannot read this {what}; {who_can_read(fact)} can.", code)
    return None
