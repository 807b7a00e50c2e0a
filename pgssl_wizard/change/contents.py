"""The bytes of every file of a plan: keys and certificates are made here, at apply, and exist nowhere else before."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pgssl_wizard.certificates.profiles import Profile
from pgssl_wizard.change.paths import real_path
from pgssl_wizard.cluster.facts import Cluster
from pgssl_wizard.errors import Refused
from pgssl_wizard.plan.model import Plan, PlannedFile

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

    from pgssl_wizard.certificates.issue import Issued

Passphrase = Callable[[Path], bytes | None]


@dataclass(frozen=True, slots=True)
class Contents:
    """What will stand in the files.

    Attributes:
        files: bytes by planned path; deletions are absent.
        leaf_sha256: fingerprint of the certificate that the server will serve; None when TLS stays off.
        pair: the served certificates and their key as one PEM file; None when the key cannot be read here.
        trust_anchor: the bytes that clients get as root, None when there is none.
    """

    files: Mapping[Path, bytes] = field(repr=False)
    leaf_sha256: str | None = None
    pair: bytes | None = field(default=None, repr=False)
    trust_anchor: bytes | None = field(default=None, repr=False)
    trust_anchor_sha256: str | None = None

    def by_real_path(self) -> dict[Path, bytes]:
        """Return the bytes by the path that a write really goes to."""
        return {real_path(path): data for path, data in self.files.items()}


def make(plan: Plan, cluster: Cluster, *, now: datetime, ca_passphrase: Passphrase | None = None) -> Contents:
    """Make keys and certificates and return the bytes of every planned file; writes nothing.

    Args:
        plan: what to make.
        cluster: for what stands already.
        now: certificates begin an hour before.
        ca_passphrase: asked for the passphrase of an encrypted CA key.

    Raises:
        Refused: the CA that should sign cannot be used.
    """
    made = _issue(plan, now=now, ca_passphrase=ca_passphrase)
    files: dict[Path, bytes] = {}
    later: list[PlannedFile] = []
    for change in plan.changes:
        if change.action == "delete":
            continue
        if change.copy_of is not None:
            later.append(change)
        else:
            files[change.path] = _bytes_of(change, plan, made)
    for change in later:
        assert change.copy_of is not None
        files[change.path] = files[change.copy_of] if change.copy_of in files else _read(change.copy_of)
    certificate = _file(files, _setting_path(plan, cluster, "ssl_cert_file"))
    key = _file(files, _setting_path(plan, cluster, "ssl_key_file"))
    anchor = _file(files, plan.trust_anchor)
    return Contents(
        files=files,
        leaf_sha256=fingerprint(certificate) if certificate else None,
        pair=certificate.rstrip(b"\n") + b"\n" + key if certificate and key else None,
        trust_anchor=anchor,
        trust_anchor_sha256=fingerprint(anchor) if anchor else None,
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
    from cryptography import x509  # noqa: PLC0415 - 40 ms that only a change and a proof pay for
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415

    try:
        return x509.load_pem_x509_certificates(pem)[0].fingerprint(SHA256()).hex()
    except ValueError:
        return None


def _issue(plan: Plan, *, now: datetime, ca_passphrase: Passphrase | None) -> dict[Profile, Issued]:
    """Make every certificate of the plan, issuers first."""
    if not plan.issue:
        return {}
    from pgssl_wizard.certificates import issue, keys  # noqa: PLC0415 - cryptography only when it is needed

    made: dict[Profile, Issued] = {}
    for profile in plan.issue:
        key = keys.generate(profile.key)
        issuer = None
        if profile.kind not in {"root", "self-signed"}:
            issuer = next((each for each in made.values() if _common_name(each.certificate) == profile.issuer), None)
            issuer = issuer or _existing_ca(plan, profile, ca_passphrase)
        made[profile] = issue.make(profile, key, issuer, now)
    return made


def _common_name(certificate: Certificate) -> str:
    """Return the CN of a certificate's subject, empty when it has none."""
    from cryptography.x509.oid import NameOID  # noqa: PLC0415

    attributes = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(attributes[0].value) if attributes else ""


def _ca_files(plan: Plan) -> list[tuple[Path, Path]]:
    """Return certificate and key of the CAs that may stand in the CA directory, the lower one first."""
    directory = plan.answers.certificate.ca_directory
    return [(directory / f"{name}.crt", directory / f"{name}.key") for name in ("intermediate", "root")]


def _existing_ca(plan: Plan, profile: Profile, ca_passphrase: Passphrase | None) -> Issued:
    """Return the CA in the CA directory that should sign `profile`, with its key."""
    from cryptography import x509  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415

    from pgssl_wizard.certificates.issue import Issued  # noqa: PLC0415

    for certificate_path, key_path in _ca_files(plan):
        if not certificate_path.exists():
            continue
        try:
            certificate = x509.load_pem_x509_certificates(_read(certificate_path))[0]
        except ValueError:
            raise Refused("holds no certificate", where=str(certificate_path), code="ca-unusable") from None
        if _common_name(certificate) != profile.issuer:
            continue
        data = _read(key_path)
        try:
            key = load_pem_private_key(data, None)
        except TypeError:
            passphrase = ca_passphrase(key_path) if ca_passphrase else None
            if passphrase is None:
                raise Refused("is encrypted, and no passphrase was given", where=str(key_path), code="ca-encrypted") from None
            try:
                key = load_pem_private_key(data, passphrase)
            except ValueError:
                raise Refused("cannot be opened with this passphrase", where=str(key_path), code="ca-encrypted") from None
        except ValueError:
            raise Refused("holds no private key", where=str(key_path), code="ca-unusable") from None
        if key.public_key() != certificate.public_key():
            raise Refused(f"does not belong to {certificate_path}", where=str(key_path), code="ca-unusable")
        return Issued(certificate, key)  # type: ignore[arg-type]
    raise Refused(
        f"no CA named {profile.issuer!r} with its key is there",
        where=str(plan.answers.certificate.ca_directory),
        hint="bring the CA's key back for as long as it takes to sign",
        code="ca-missing",
    )


def _bytes_of(change: PlannedFile, plan: Plan, made: Mapping[Profile, Issued]) -> bytes:
    """Return the content of one planned file that is no copy of another."""
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415

    if change.after is not None:
        return change.after
    if change.role.endswith("-key"):
        assert change.profile is not None
        key = made[change.profile].key
        return key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    chain = change.chain or ((change.profile,) if change.profile else ())
    assert chain, f"nothing says what {change.path} will hold"
    return b"".join(_certificate_pem(profile, plan, made) for profile in chain)


def _certificate_pem(profile: Profile, plan: Plan, made: Mapping[Profile, Issued]) -> bytes:
    """Return a certificate that was made now, or the CA's own that stands already."""
    from cryptography import x509  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import Encoding  # noqa: PLC0415

    if profile in made:
        return made[profile].certificate.public_bytes(Encoding.PEM)
    for path, _ in _ca_files(plan):
        if path.exists():
            certificate = x509.load_pem_x509_certificates(_read(path))[0]
            if _common_name(certificate) == profile.common_name:
                return certificate.public_bytes(Encoding.PEM)
    raise Refused(f"the certificate of {profile.common_name!r} is not there", where=str(plan.answers.certificate.ca_directory), code="ca-missing")
