"""A client certificate that a person names for a proof: read, judged by its own words, and given to the role that it belongs to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pgssl_wizard.cluster.facts import Cluster
from pgssl_wizard.cluster.reading import names_in, read_bytes
from pgssl_wizard.errors import UnusableInput
from pgssl_wizard.files.ident import parse_maps
from pgssl_wizard.findings import Finding
from pgssl_wizard.proof.clients import PASSWORD_METHODS, choose_database, decision_on
from pgssl_wizard.proof.matrix import ROOTS, SSLMODES
from pgssl_wizard.proof.model import RootGiven
from pgssl_wizard.proof.revoked import revoked_by
from pgssl_wizard.proof.shown import Shown, of_files

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

#: Every sslmode with every root, as for a client that shows nothing.
WHOLE: tuple[tuple[str, RootGiven], ...] = tuple((sslmode, root) for sslmode in SSLMODES for root in ROOTS)


@dataclass(frozen=True, slots=True)
class Named:
    """The certificate as it is tried, and what is to be said of it."""

    shown: Shown
    findings: tuple[Finding, ...] = ()


def named_here(cluster: Cluster, certificate: Path, key: Path, *, user: str | None, address: str) -> Named:
    """Return a named certificate for a server of this machine, whose own files say what becomes of it.

    Args:
        cluster: whose rules, maps, authorities and lists count.
        certificate: PEM, with whatever the client has to send above it.
        key: PEM, without a passphrase.
        user: the role to come as; by default the one that the name in it belongs to.
        address: from which this machine connects.

    Raises:
        UnusableInput: the files cannot be used, or nobody is named.
    """
    chain = _read(certificate, key)
    shown = of_files(user or "", certificate, key, revoked_by(cluster))
    identity = shown.identity
    assert identity is not None
    if not _vouched_for(chain, cluster):
        shown = replace(shown, state="wrong-ca")
    roles = [user] if user else list(_roles(cluster, shown))
    if not roles:
        raise _nameless(certificate)
    decided = [(role, decision_on(choose_database(cluster, address, role), cluster, tls=True, shown=identity)) for role in roles]
    role, decision = next((each for each in decided if each[1].decision == "accept"), decided[0])
    shown = replace(shown, role=role, ways=WHOLE)
    if shown.state != "right":
        return Named(shown)
    if decision.decision == "accept" or decision.name_compared is None:
        return Named(shown)
    shown = replace(shown, state="wrong-name")
    if decision.method in PASSWORD_METHODS:
        place = f"{decision.rule.file}:{decision.rule.line}" if decision.rule else None
        words = f"{certificate} does not name {role}, and the server compares the name only once the password is given: it is not tried"
        return Named(replace(shown, ways=()), (Finding("info", "name-after-password", words, where=place),))
    return Named(shown)


def named_elsewhere(certificate: Path, key: Path, *, user: str | None) -> Shown:
    """Return a named certificate for a server whose files are not known: its date is all that can be judged.

    Args:
        certificate: PEM, with whatever the client has to send above it.
        key: PEM, without a passphrase.
        user: the role to come as; by default the name in it.

    Raises:
        UnusableInput: the files cannot be used, or nobody is named.
    """
    _read(certificate, key)
    shown = of_files(user or "", certificate, key)
    role = user or (shown.identity.cn if shown.identity is not None else "")
    if not role:
        raise _nameless(certificate)
    return replace(shown, role=role)


def _roles(cluster: Cluster, shown: Shown) -> Iterator[str]:
    """Yield roles that the name in a certificate may mean: the one that it bears, then those that a map leads it to."""
    identity = shown.identity
    assert identity is not None
    if identity.cn:
        yield identity.cn
    for line in parse_maps(cluster.ident_file, cluster.major, read_bytes, names_in):
        if (
            line.error is None
            and line.system_user is not None
            and line.role is not None
            and line.system_user.text in {identity.cn, identity.dn}
        ):
            yield line.role.text


def _vouched_for(chain: list[Certificate], cluster: Cluster) -> bool:
    """Whether `ssl_ca_file` leads to the certificate's root; where there is none, nobody asks for it."""
    from pgssl_wizard.certificates.authority import upwards  # noqa: PLC0415 - only for a certificate that somebody names
    from pgssl_wizard.certificates.read import read_certificates  # noqa: PLC0415

    path = cluster.path_of("ssl_ca_file")
    if path is None:
        return True
    try:
        trusted = read_certificates(path.read_bytes())
    except OSError:
        return True
    root = upwards(chain[0], [*chain[1:], *trusted])[1]
    return root is not None and root in trusted


def _read(certificate: Path, key: Path) -> list[Certificate]:
    """Return the certificates of the file, the client's own first.

    Raises:
        UnusableInput: a file cannot be read, holds something else, or the two do not belong together.
    """
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415

    from pgssl_wizard.certificates.read import public_of, read_certificates  # noqa: PLC0415

    chain = read_certificates(_bytes(certificate))
    if not chain:
        raise UnusableInput("holds no certificate (PEM)", where=str(certificate), code="no-certificate")
    data = _bytes(key)
    try:
        private = load_pem_private_key(data, None)
    except TypeError:
        raise UnusableInput(
            "asks for a passphrase, and nobody is there to give it", where=str(key), hint="name a copy without one", code="key-encrypted"
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        raise UnusableInput("holds no private key (PEM)", where=str(key), code="no-key") from None
    if private.public_key() != public_of(chain[0]):
        raise UnusableInput(f"is not the key of {certificate}", where=str(key), code="key-mismatch")
    return chain


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UnusableInput(f"cannot be read: {error.strerror}", where=str(path), code="unreadable-file") from error


def _nameless(certificate: Path) -> UnusableInput:
    return UnusableInput("names nobody", where=str(certificate), hint="say with --user who comes with it", code="nobody-named")
