"""Revocation lists that apply makes: the CA's key is opened, its next list signed, and the key let go."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pgssl_wizard.certificates.profiles import Profile
from pgssl_wizard.change.write import create
from pgssl_wizard.errors import Refused
from pgssl_wizard.plan.model import PlannedFile

if TYPE_CHECKING:
    from pgssl_wizard.certificates.issue import Issued


def next_list(change: PlannedFile, signer: Issued, now: datetime) -> bytes:
    """Return the list that goes into a CA's own directory, PEM.

    Args:
        change: says which list it continues.
        signer: whose list it is.
        now: the time; the list begins an hour before.

    Raises:
        Refused: the CA may sign no list.
    """
    from pgssl_wizard.certificates import revocation  # noqa: PLC0415 - few changes make lists

    standing = revocation.lists_in(change.continues)[0] if change.continues else None
    return revocation.to_pem(revocation.make(signer, (), standing, now))


def lower(one: Issued | None, other: Issued) -> Issued:
    """Return the one of two CAs that stands nearer to clients: an intermediate rather than the root."""
    from pgssl_wizard.certificates.authority import signed_by  # noqa: PLC0415

    return one if one is not None and signed_by(other.certificate, other.certificate) else other


def throwaway_client(ca: Issued, role: str, place: Path) -> tuple[Path, Path]:
    """Write a client certificate of a CA, with what a client has to send above it, and its key into a private directory."""
    from datetime import UTC  # noqa: PLC0415

    from pgssl_wizard.certificates import issue, keys  # noqa: PLC0415
    from pgssl_wizard.certificates.authority import signed_by  # noqa: PLC0415

    made = issue.make(Profile("client", role, "ecdsa-p256", 1, ""), keys.generate("ecdsa-p256"), ca, datetime.now(UTC))
    above = b"" if signed_by(ca.certificate, ca.certificate) else ca.certificate_pem
    certificate, key = place / "client.crt", place / "client.key"
    create(certificate, made.certificate_pem + above, mode=0o644)
    create(key, made.key_pem, mode=0o600)
    return certificate, key


def joined(change: PlannedFile, planned: Mapping[Path, bytes]) -> bytes:
    """Return the server's lists: those that stand, then those that are made now."""
    return (change.after or b"") + b"".join(planned[path] for path in change.joins)


def signer_of(change: PlannedFile, made: Mapping[Profile, Issued], ca_passphrase: Callable[[Path], bytes], now: datetime) -> Issued:
    """Return the CA whose list a planned file is, with its key.

    Args:
        change: the list in the CA's own directory.
        made: the CAs that this change makes.
        ca_passphrase: asked for the passphrase of an encrypted key.
        now: an expired CA signs nothing.

    Raises:
        Refused: the CA cannot be used.
        UnusableInput: its key does not open.
    """
    if change.signed_with is None:
        assert change.profile is not None
        return made[change.profile]
    from pgssl_wizard.certificates.authority import open_authority  # noqa: PLC0415

    certificate, key = change.signed_with
    return open_authority(
        (str(certificate), _read(certificate)), (str(key), _read(key)), (), now, lambda tried: ca_passphrase(key) if tried == 0 else None
    ).signer


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Refused(f"cannot be read: {error.strerror}", where=str(path), code="unreadable-file") from error
