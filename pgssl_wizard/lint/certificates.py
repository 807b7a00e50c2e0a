"""Certificates, keys, revocation lists, requests and PKCS#12: what each file is for, and what is said of them together."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import cast

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from pgssl_wizard.certificates.given import Given, Role
from pgssl_wizard.certificates.judge import judge
from pgssl_wizard.certificates.key_file import KeyFile
from pgssl_wizard.certificates.keys import type_of
from pgssl_wizard.certificates.load import Objects, load
from pgssl_wizard.certificates.read import extension, fingerprint, is_ca, names_of, public_of
from pgssl_wizard.certificates.refusals import same_key
from pgssl_wizard.lint.kinds import Kind
from pgssl_wizard.lint.remarks import Remark

_CA_WORDS = {
    "root",
    "ca",
    "cas",
    "cacert",
    "cacerts",
    "rootca",
    "carootcert",
    "authority",
    "anchor",
    "anchors",
    "trust",
    "trusted",
    "truststore",
}
_BETWEEN_WORDS = {"intermediate", "intermediates", "issuing", "sub", "subca", "chain"}
_CLIENT_WORDS = {"client", "clients", "user", "postgresql"}
_SERVER_WORDS = {"server", "fullchain", "host", "snakeoil"}


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What the judgement rests on besides the files' bytes.

    Attributes:
        now: the time, with a time zone.
        key_file: owner and mode of a file, None when it is no regular file or they do not matter.
        passphrase: for what asks for one; never shown.
        role: what the certificates are for, where a person said it.
    """

    now: datetime
    key_file: Callable[[Path], KeyFile | None] = lambda _: None
    passphrase: bytes | None = field(default=None, repr=False)
    role: Role | None = None


@dataclass(frozen=True, slots=True)
class CertificateLine:
    """One certificate as it is listed; `line` is 0 in files that have no lines, `key` None for one of an unknown kind."""

    line: int
    subject: str
    issuer: str
    names: tuple[str, ...]
    not_before: datetime
    not_after: datetime
    sha256: str
    key: str | None


@dataclass(frozen=True, slots=True)
class Examined:
    """What came of one file; `count` is how many things of its kind it holds."""

    path: Path
    kind: Kind
    role: Role
    accepted: bool
    count: int
    certificates: tuple[CertificateLine, ...]
    remarks: tuple[Remark, ...]


def examine(files: Iterable[tuple[Path, Kind, bytes]], circumstances: Circumstances) -> dict[Path, Examined]:
    """Return what is to be said of files that belong together; a `.pem` or `.der` is what it holds."""
    loaded = [(path, kind, load(data, circumstances.passphrase)) for path, kind, data in files]
    settled = [(path, _settled(path, kind, objects), objects) for path, kind, objects in loaded]
    keys = [objects for _, _, objects in settled if objects.keys]
    given = [
        Given(path, _role(path, kind, objects, keys, circumstances.role), objects, circumstances.key_file(path) if objects.keys else None)
        for path, kind, objects in settled
    ]
    faults = judge(given, circumstances.now)
    found: dict[Path, Examined] = {}
    for (path, kind, objects), each in zip(settled, given, strict=True):
        own = [fault for fault in faults if fault.path == path]
        remarks = tuple(
            Remark(path, fault.line, fault.severity, fault.code, fault.what, end="", hint=fault.hint, topic="certificate", alone=True)
            for fault in own
        )
        lines = tuple(_line(certificate.line, certificate.value) for certificate in objects.certificates)
        count = {"key": len(objects.keys), "crl": len(objects.crls), "request": len(objects.requests)}.get(kind, len(objects.certificates))
        found[path] = Examined(path, kind, each.role, not any(fault.refused for fault in own), count, lines, remarks)
    return found


def kind_by_content(data: bytes) -> Kind | None:
    """Return what a file holds whose name does not tell, None when that is nothing of ours."""
    if b"-----BEGIN " not in data and data[:1] != b"\x30":
        return None
    return _by_objects(load(data))


def _by_objects(objects: Objects) -> Kind | None:
    if objects.format == "PKCS#12":
        return "pkcs12"
    if objects.certificates:
        return "certificate"
    if objects.keys:
        return "key"
    return "crl" if objects.crls else "request" if objects.requests else None


def _settled(path: Path, kind: Kind, objects: Objects) -> Kind:
    """Return the kind: a `.pem` or `.der` may hold anything, and a `.key` that holds a certificate is no mistake of ours."""
    if path.suffix.lower() in {".pem", ".der"} and kind == "certificate":
        return _by_objects(objects) or kind
    return kind


def _role(path: Path, kind: Kind, objects: Objects, keys: Sequence[Objects], said: Role | None) -> Role:
    words = set(re.split(r"[^a-z0-9]+", path.stem.lower()))
    if kind == "key":
        if said is not None:
            return {"client-certificate": "client-key", "ca": "ca-key"}.get(said, "server-key")  # type: ignore[return-value]
        if words & (_CA_WORDS | _BETWEEN_WORDS):
            return "ca-key"
        return "client-key" if words & _CLIENT_WORDS or path.suffix.lower() in {".pk8", ".p8"} else "server-key"
    if kind != "certificate":
        return cast("Role", kind)
    if said is not None:
        return said
    return _role_by_name(words, objects) or _role_by_content(objects, keys)


def _role_by_name(words: set[str], objects: Objects) -> Role | None:
    first = objects.certificates[0].value if objects.certificates else None
    if words & _BETWEEN_WORDS and not words & {"root"} and (first is None or is_ca(first)):
        return (
            "ca"
            if objects.certificates and any(each.value.issuer == each.value.subject for each in objects.certificates)
            else "intermediate"
        )
    if words & _CA_WORDS or ("bundle" in words and first is not None and is_ca(first)):
        return "ca"
    if words & _SERVER_WORDS:
        return "server-certificate"
    if words & _CLIENT_WORDS and (first is None or _only_for(first) != "server"):
        return "client-certificate"
    return None


def _role_by_content(objects: Objects, keys: Sequence[Objects]) -> Role:
    if not objects.certificates:
        return "server-certificate"
    first = objects.certificates[0].value
    if not is_ca(first):
        return "client-certificate" if _only_for(first) == "client" else "server-certificate"
    own = any(key.public is not None and same_key(key.public, first) for held in keys for key in held.keys)
    if own or names_of(first) or not all(is_ca(each.value) for each in objects.certificates):
        return "server-certificate"
    return "ca" if any(each.value.issuer == each.value.subject for each in objects.certificates) else "intermediate"


def _only_for(certificate: x509.Certificate) -> str | None:
    """Return server or client when a certificate is for one of them alone."""
    usages = extension(certificate, x509.ExtendedKeyUsage)
    if usages is None:
        return None
    server, client = ExtendedKeyUsageOID.SERVER_AUTH in usages, ExtendedKeyUsageOID.CLIENT_AUTH in usages
    return "server" if server and not client else "client" if client and not server else None


def _line(line: int, certificate: x509.Certificate) -> CertificateLine:
    key = public_of(certificate)
    return CertificateLine(
        line=line,
        subject=certificate.subject.rfc4514_string(),
        issuer=certificate.issuer.rfc4514_string(),
        names=names_of(certificate),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        sha256=fingerprint(certificate),
        key=None if key is None else type_of(key),
    )
