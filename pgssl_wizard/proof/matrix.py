"""What each connection attempt ought to do, by the rules, the settings and libpq's own meaning of `sslmode`. Pure.

The source for libpq is its behaviour from 13 to 18: `allow` tries plaintext first, `prefer` falls back to plaintext when the
handshake fails or the server refuses the encrypted session, `require` with a root certificate at hand acts as `verify-ca`, and
without one neither `verify-ca` nor `verify-full` connects at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pgssl_wizard.proof.model import CertificateGiven, RootGiven, Verdict

SSLMODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
ROOTS: tuple[RootGiven, ...] = ("none", "right", "wrong")


@dataclass(frozen=True, slots=True)
class Promise:
    """What the server's settings and rules promise to one user from one address.

    Attributes:
        tls: the server offers TLS.
        plaintext: what the rules do with a session that is not encrypted.
        encrypted: what they do with an encrypted one that shows no client certificate.
        client_ca: `ssl_ca_file` is set, so that a client certificate of another authority is refused.
        tls13: the handshake is TLS 1.3, in which such a refusal arrives only after the client thinks it is connected.
    """

    tls: bool
    plaintext: Verdict
    encrypted: Verdict
    client_ca: bool = False
    tls13: bool = True


@dataclass(frozen=True, slots=True)
class Row:
    """One attempt to be made; `carried`: the server's certificate is meant to cover the host."""

    host: str
    sslmode: str
    root: RootGiven
    certificate: CertificateGiven = "none"
    carried: bool = True


def rows(names: Sequence[str], *, client_ca: bool, uncovered: Sequence[str] = ()) -> Iterator[Row]:
    """Return the attempts of a whole proof: every combination for the first name, and verify-full for each other one.

    Args:
        names: those that the certificate is meant to cover.
        client_ca: the server checks clients' certificates.
        uncovered: names that it is known not to cover.
    """
    if not names:
        return
    certificates: tuple[CertificateGiven, ...] = ("none", "wrong-ca") if client_ca else ("none",)
    for certificate in certificates:
        for sslmode in SSLMODES:
            for root in ROOTS:
                yield Row(names[0], sslmode, root, certificate)
    for name in names[1:]:
        yield Row(name, "verify-full", "right")
    for name in uncovered:
        yield Row(name, "verify-full", "right", carried=False)


def expect(promise: Promise, row: Row) -> Verdict:
    """Return how the attempt ought to end."""
    match row.sslmode:
        case "disable":
            return promise.plaintext
        case "allow":
            return "accept" if promise.plaintext == "accept" else _encrypted(promise, row)
        case "prefer":
            if not promise.tls:
                return promise.plaintext
            if _refused_too_late_to_fall_back(promise, row):
                return "reject"
            return "accept" if _encrypted(promise, row) == "accept" else promise.plaintext
        case "require":
            return _encrypted(promise, row)
        case "verify-ca" | "verify-full":
            not_found = row.sslmode == "verify-full" and not row.carried
            return "reject" if row.root == "none" or not_found else _encrypted(promise, row)
        case _:
            raise ValueError(row.sslmode)


def _encrypted(promise: Promise, row: Row) -> Verdict:
    """Return what becomes of the TLS attempt alone."""
    if not promise.tls or row.root == "wrong" or _certificate_refused(promise, row):
        return "reject"
    return promise.encrypted


def _certificate_refused(promise: Promise, row: Row) -> bool:
    """Whether the server refuses the client's certificate, whatever the rules say."""
    return row.certificate in {"wrong-ca", "revoked", "expired"} and promise.client_ca


def _refused_too_late_to_fall_back(promise: Promise, row: Row) -> bool:
    """Whether the client has taken the connection for good when the refusal of its certificate arrives."""
    return promise.tls13 and row.root != "wrong" and _certificate_refused(promise, row)
