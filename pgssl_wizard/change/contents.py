"""The bytes of every file of a plan: keys and certificates are made here, at apply, and exist nowhere else before."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pgssl_wizard.certificates.profiles import Profile
from pgssl_wizard.change import imports, lists, planned_kits, requests
from pgssl_wizard.change.passphrases import Ask, Passphrases
from pgssl_wizard.change.paths import real_path
from pgssl_wizard.cluster.facts import Cluster
from pgssl_wizard.errors import Refused
from pgssl_wizard.findings import Finding
from pgssl_wizard.plan.model import Plan, PlannedFile

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

    from pgssl_wizard.certificates.issue import Issued
    from pgssl_wizard.certificates.keys import PrivateKey
    from pgssl_wizard.change.issue import Prepared


@dataclass(frozen=True, slots=True)
class Contents:
    """What will stand in the files.

    Attributes:
        files: bytes by planned path; deletions are absent.
        leaf_sha256: fingerprint of the certificate that the server will serve; None when TLS stays off.
        pair: the served certificates and their key as one PEM file; None when the key cannot be read here.
        trust_anchor: the bytes that clients get as root, None when there is none.
        key_passphrase: what opens the server's key that was made now, None when it needs none.
        key_shut: the key asks for a passphrase that nobody here knows.
        kits: the roles' kits, to be made; None when there are none.
        client_ca: a CA whose key was opened for its revocation list, so that a client below it can be tried; None when there is none.
        findings: what only the passphrases and the CA's files told.
        card: what a person prints who has a new CA.
    """

    files: Mapping[Path, bytes] = field(repr=False)
    leaf_sha256: str | None = None
    pair: bytes | None = field(default=None, repr=False)
    trust_anchor: bytes | None = field(default=None, repr=False)
    trust_anchor_sha256: str | None = None
    key_passphrase: bytes | None = field(default=None, repr=False)
    key_shut: bool = False
    kits: Prepared | None = field(default=None, repr=False)
    client_ca: Issued | None = field(default=None, repr=False)
    findings: tuple[Finding, ...] = ()
    card: str = ""

    def by_real_path(self) -> dict[Path, bytes]:
        """Return the bytes by the path that a write really goes to."""
        return {real_path(path): data for path, data in self.files.items()}


def make(plan: Plan, cluster: Cluster, *, now: datetime, ask: Ask | None = None) -> Contents:
    """Make keys and certificates and return the bytes of every planned file; writes nothing.

    Args:
        plan: what to make.
        cluster: for what stands already.
        now: certificates begin an hour before.
        ask: a person who knows passphrases.

    Raises:
        Refused: the CA that should sign cannot be used, or nobody says a passphrase.
        UnusableInput: a command for a passphrase does not work.
    """
    passphrases = Passphrases(plan, cluster, ask)
    if requests.is_request(plan):
        return Contents(requests.make(plan, now=now, key_pem=lambda key: _key_pem(key, passphrases.server_key())))
    made = _issue(plan, now=now, ca_passphrase=passphrases.ca_key)
    files: dict[Path, bytes] = {}
    later: list[PlannedFile] = []
    client_ca: Issued | None = None
    for change in plan.changes:
        if change.action == "delete" or change.role == "kit":
            continue
        if change.copy_of is not None or change.joins or change.key_file is not None:
            later.append(change)
        elif change.role == "ca-crl":
            signer = lists.signer_of(change, made, passphrases.ca_key, now)
            files[change.path] = lists.next_list(change, signer, now)
            client_ca = lists.lower(client_ca, signer)
        else:
            files[change.path] = _bytes_of(change, plan, made, passphrases)
    for change in later:
        if change.joins:
            files[change.path] = lists.joined(change, files)
            continue
        if change.key_file is not None:
            leaf = change.after or _file(files, plan.answers.files.certificate) or b""
            files[change.path] = (change.after or b"") + imports.key_of(change.key_file, leaf, plan, passphrases, _key_pem)
            continue
        assert change.copy_of is not None
        files[change.path] = files[change.copy_of] if change.copy_of in files else _read(change.copy_of)
    certificate = _file(files, _setting_path(plan, cluster, "ssl_cert_file"))
    key = _file(files, _setting_path(plan, cluster, "ssl_key_file"))
    anchor = _file(files, plan.trust_anchor)
    kits = planned_kits.prepare(plan, cluster, made, anchor, passphrases, now)
    opened = passphrases.server_key() if any(change.role in {"server-key", "server-pair"} for change in plan.changes) else None
    return Contents(
        files=files,
        leaf_sha256=fingerprint(certificate) if certificate else None,
        pair=_pair(certificate, key),
        trust_anchor=anchor,
        trust_anchor_sha256=_root_fingerprint(anchor) if anchor else None,
        key_passphrase=opened,
        key_shut=opened is None and plan.answers.certificate.passphrase == "prompt" and key is not None and b"ENCRYPTED" in key,
        kits=kits,
        client_ca=client_ca,
        card=_card(plan, made),
        findings=(*_said(plan, opened), *(kits.findings if kits else ())),
    )


def _pair(certificate: bytes | None, key: bytes | None) -> bytes | None:
    """Return certificates and key as one file, which they may be already."""
    if certificate is None or key is None or certificate == key:
        return key if certificate else None
    return certificate.rstrip(b"\n") + b"\n" + key


def _said(plan: Plan, opened: bytes | None) -> tuple[Finding, ...]:
    """Return what is to be said once the passphrase is known: that the command holds it itself."""
    certificate = plan.answers.certificate
    command = certificate.passphrase_command.encode("utf-8", "surrogateescape")
    told = any(finding.code == "passphrase-in-command" for finding in plan.findings)
    if opened is None or certificate.passphrase != "command" or opened not in command or told:
        return ()
    return (
        Finding(
            "warning",
            "passphrase-in-command",
            "the command holds the passphrase itself: whoever reads the settings, a backup of them or the list of processes has it",
            "let the command fetch it: from a file of the server's user alone, a vault, or systemd's credentials",
            "certificate.passphrase_command",
            "key",
        ),
    )


def setting_after(plan: Plan, cluster: Cluster, name: str) -> str:
    """Return the value that a setting has once the plan is applied."""
    return plan.settings[name] if name in plan.settings else cluster.value(name)


def _setting_path(plan: Plan, cluster: Cluster, name: str) -> Path | None:
    """Return the file that a setting points to once the plan is applied; None while TLS is off."""
    value = setting_after(plan, cluster, name)
    if not value or setting_after(plan, cluster, "ssl") != "on":
        return None
    return plan.data_directory / value


def _file(files: Mapping[Path, bytes], path: Path | None) -> bytes | None:
    """Return the bytes that will stand at `path`: planned ones, or those on disk where they can be read."""
    if path is None:
        return None
    real = real_path(path)
    for planned, data in files.items():
        if real_path(planned) == real:
            return data
    try:
        return real.read_bytes()
    except OSError:
        return None


def _read(path: Path) -> bytes:
    """Return the bytes of a file that has to be there."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise Refused(f"cannot be read: {error.strerror}", where=str(path), code="unreadable-file") from error


def fingerprint(pem: bytes) -> str | None:
    """Return the lower-case hex SHA-256 of the first certificate in a PEM file; None when there is none."""
    from pgssl_wizard.proof.anchor import leaf_sha256  # noqa: PLC0415 - what only a change and a proof pay for

    return leaf_sha256(pem)


def _root_fingerprint(pem: bytes) -> str | None:
    from pgssl_wizard.proof.anchor import root_sha256  # noqa: PLC0415 - as above

    return root_sha256(pem)


def _issue(plan: Plan, *, now: datetime, ca_passphrase: Callable[[Path], bytes]) -> dict[Profile, Issued]:
    """Make every certificate of the plan, issuers first."""
    if not plan.issue:
        return {}
    from pgssl_wizard.certificates import issue, keys, read  # noqa: PLC0415 - cryptography only when it is needed

    made: dict[Profile, Issued] = {}
    for profile in plan.issue:
        issuer = None
        if profile.kind not in {"root", "self-signed"}:
            issuer = next((each for each in made.values() if read.common_name_of(each.certificate) == profile.issuer), None)
            issuer = issuer or _existing_ca(plan, profile.issuer, ca_passphrase)
        key = _existing_ca(plan, profile.common_name, ca_passphrase).key if profile.keeps_key else keys.generate(profile.key)
        made[profile] = issue.make(profile, key, issuer, now)
    return made


def _ca_certificate(plan: Plan, common_name: str) -> tuple[Path, Certificate] | None:
    """Return the file and certificate of the CA of that name in the CA directory, the lower one first; None when it is not there."""
    from cryptography import x509  # noqa: PLC0415

    from pgssl_wizard.certificates import read  # noqa: PLC0415

    for path in _ca_files(plan):
        if not path.exists():
            continue
        try:
            certificates = x509.load_pem_x509_certificates(_read(path))
        except ValueError:
            raise Refused("holds no certificate", where=str(path), code="ca-unusable") from None
        for certificate in certificates:
            if read.common_name_of(certificate) == common_name:
                return path, certificate
    return None


def _ca_files(plan: Plan) -> list[Path]:
    """Return the files in which a CA that stands may be, the signer's first."""
    certificate = plan.answers.certificate
    named = [certificate.ca_certificate] if certificate.ca_certificate else []
    return [*named, certificate.ca_directory / "intermediate.crt", certificate.ca_directory / "root.crt"]


def _existing_ca(plan: Plan, common_name: str, ca_passphrase: Callable[[Path], bytes]) -> Issued:
    """Return the CA in the CA directory that is to sign, with its key."""
    from pgssl_wizard.certificates import keys  # noqa: PLC0415
    from pgssl_wizard.certificates.issue import Issued  # noqa: PLC0415

    found = _ca_certificate(plan, common_name)
    if found is None:
        raise _no_ca(plan, common_name)
    path, certificate = found
    key_path = plan.answers.certificate.ca_key or path.with_suffix(".key")
    pem = _read(key_path)
    key = _decrypt(pem, key_path, ca_passphrase) if keys.encrypted(pem) else keys.load(pem)
    if key is None:
        raise Refused("holds no private key that can sign here", where=str(key_path), code="ca-unusable")
    if key.public_key() != certificate.public_key():
        raise Refused(f"does not belong to {path}", where=str(key_path), code="ca-unusable")
    return Issued(certificate, key)


def _decrypt(pem: bytes, path: Path, ca_passphrase: Callable[[Path], bytes]) -> PrivateKey | None:
    """Return the key in an encrypted PEM."""
    from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415

    from pgssl_wizard.certificates import keys  # noqa: PLC0415

    try:
        key = load_pem_private_key(pem, ca_passphrase(path))
    except ValueError:
        raise Refused("does not open with this passphrase", where=str(path), code="ca-encrypted") from None
    return keys.load(keys.to_pem(key))  # type: ignore[arg-type]


def _no_ca(plan: Plan, common_name: str) -> Refused:
    """Return the refusal for a CA that should be there."""
    return Refused(
        f"no CA named {common_name!r} is there",
        where=str(plan.answers.certificate.ca_directory),
        hint="bring it back for as long as it takes to sign",
        code="ca-missing",
    )


def _bytes_of(change: PlannedFile, plan: Plan, made: Mapping[Profile, Issued], passphrases: Passphrases) -> bytes:
    """Return the content of one planned file that is no copy of another."""
    if change.after is not None:
        return change.after
    if change.role.endswith("-key"):
        assert change.profile is not None
        passphrase = passphrases.server_key() if change.role == "server-key" else passphrases.new_ca_key()
        return _key_pem(made[change.profile].key, passphrase)
    chain = change.chain or ((change.profile,) if change.profile else ())
    assert chain, f"nothing says what {change.path} will hold"
    certificates = b"".join(_certificate_pem(profile, plan, made) for profile in chain)
    if change.role != "server-pair":
        return certificates
    assert change.profile is not None
    return certificates + _key_pem(made[change.profile].key, passphrases.server_key())


def _card(plan: Plan, made: Mapping[Profile, Issued]) -> str:
    """Return the card that says what of a new CA lies where; empty when none is made."""
    ours = [issued for profile, issued in made.items() if profile.kind in {"root", "intermediate"}]
    if not ours:
        return ""
    from pgssl_wizard.certificates import custody  # noqa: PLC0415

    certificate = plan.answers.certificate
    return custody.card(ours, certificate.ca_directory, encrypted=certificate.encrypt_ca_key)


def _key_pem(key: PrivateKey, passphrase: bytes | None) -> bytes:
    """Return the bytes of a key's file; every key that is written comes through here."""
    from pgssl_wizard.certificates import keys  # noqa: PLC0415

    return keys.to_pem(key, passphrase)


def _certificate_pem(profile: Profile, plan: Plan, made: Mapping[Profile, Issued]) -> bytes:
    """Return a certificate that was made now, or the CA's own that stands already."""
    from cryptography.hazmat.primitives.serialization import Encoding  # noqa: PLC0415

    if profile in made:
        return made[profile].certificate_pem
    found = _ca_certificate(plan, profile.common_name)
    if found is None:
        raise _no_ca(plan, profile.common_name)
    return found[1].public_bytes(Encoding.PEM)
