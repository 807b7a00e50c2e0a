"""The server's files out of whatever a person brings: which certificate is the server's, what stands above it, whose key fits.

Several files, any order, leaf, intermediates, root and key in one or apart. Nothing is read here, and no private key is
looked at: keys are told by their public halves.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from cryptography import x509

from pgssl_wizard.certificates.chain import self_signed, way_up
from pgssl_wizard.certificates.given import Fault, Given, called, name_called
from pgssl_wizard.certificates.judge import judge
from pgssl_wizard.certificates.keys import type_of
from pgssl_wizard.certificates.load import Certificate, Objects, Part
from pgssl_wizard.certificates.read import fingerprint, is_ca, public_of
from pgssl_wizard.certificates.refusals import why_none
from pgssl_wizard.certificates.request import public_sha256

#: What would be loaded and then refused by every client that verifies, or that logs in: nothing of it is put in place.
STOPPING = frozenset(
    {
        *("certificate-expired", "certificate-not-yet-valid", "no-server-auth", "weak-key", "weak-signature"),
        # libpq 13 to 18 cannot bind a login by scram-sha-256 to a channel with such a certificate.
        *("eddsa-key", "eddsa-signature"),
        *("issuer-not-ca", "path-length", "name-constraints", "key-identifier-differs"),
    }
)
#: Said here in words that fit what is brought.
_SAID_HERE = frozenset({"chain-incomplete", "issuer-not-at-hand", "chain-order", "root-in-chain", "unrelated-certificate"})
#: Of what is odd about a file, that which keeps a part of it from being read; the server gets a file made anew.
_UNREAD = frozenset({"damaged", "odd-certificate", "foreign-block", "passphrase-needed", "wrong-passphrase"})
_SERVABLE = ("rsa-", "ecdsa-", "ed25519", "ed448")


@dataclass(frozen=True, slots=True)
class KeyAtHand:
    """A private key that is there, told by its public half; None for one that could not be opened."""

    path: Path
    public_sha256: str | None


@dataclass(frozen=True, slots=True)
class Assembled:
    """What the server's files can be made of.

    Attributes:
        leaf: the server's certificate; None when none can be told, and the faults say why.
        leaf_file: where it was found.
        between: the certificates above it, lowest first, without the root.
        root: the self-signed end, None when it is not among the files.
        root_file: a file with the root that clients can be given as it stands: PEM without a private key; None when there is none.
        key: the key that belongs to the leaf.
        faults: errors first.
    """

    leaf: x509.Certificate | None = None
    leaf_file: Path | None = None
    between: tuple[x509.Certificate, ...] = ()
    root: x509.Certificate | None = None
    root_file: Path | None = None
    key: KeyAtHand | None = None
    faults: tuple[Fault, ...] = ()


def assemble(files: Sequence[Given], keys: Sequence[KeyAtHand], now: datetime) -> Assembled:
    """Return what is to be made of files that a person brings.

    Args:
        files: what was brought; their roles do not matter.
        keys: those among which the leaf's is, best first.
        now: with a time zone.
    """
    unread = tuple(_unread(files))
    pool = [(given, each) for given in files for each in given.objects.certificates]
    found = _leaf(pool, keys, now)
    if found is None:
        return Assembled(faults=_sorted([*unread, *_no_leaf(files, pool, keys)]))
    (given, leaf), key = found
    way = way_up((given, leaf), sorted(pool, key=lambda each: _rank(each[1].value, now), reverse=True))
    above = [link.value for _, link in way.links[1:]]
    root = above.pop() if above and self_signed(above[-1]) else None
    holder = _root_file(files, root if root is not None else leaf.value if self_signed(leaf.value) else None)
    faults = [
        *unread,
        *_judged(given.path, leaf.value, above, root, now),
        *_left_out(files, [leaf.value, *above], root),
        *_end(given.path, pool, [leaf.value, *above], root),
        *_order(files, [leaf.value, *above]),
    ]
    return Assembled(leaf.value, given.path, tuple(above), root, holder, key, _sorted(faults))


def _sorted(faults: Sequence[Fault]) -> tuple[Fault, ...]:
    order = ("error", "warning", "info")
    return tuple(sorted(dict.fromkeys(faults), key=lambda fault: order.index(fault.severity)))


def _public(certificate: x509.Certificate) -> str | None:
    key = public_of(certificate)
    return None if key is None else public_sha256(key)


def _rank(certificate: x509.Certificate, now: datetime) -> tuple[bool, bool, datetime]:
    """Return how much a certificate is worth among others for the same key: valid now, a root, the longest life."""
    valid = certificate.not_valid_before_utc <= now < certificate.not_valid_after_utc
    return valid, self_signed(certificate), certificate.not_valid_after_utc


def _leaf(
    pool: Sequence[tuple[Given, Certificate]], keys: Sequence[KeyAtHand], now: datetime
) -> tuple[tuple[Given, Certificate], KeyAtHand] | None:
    """Return the certificate to which one of the keys belongs, and that key; the newest valid one where there are several."""

    def worth(each: tuple[Given, Certificate]) -> tuple[bool, bool, datetime]:
        valid, _, ends = _rank(each[1].value, now)
        return not is_ca(each[1].value), valid, ends

    for key in keys:
        fitting = [each for each in pool if key.public_sha256 is not None and _public(each[1].value) == key.public_sha256]
        if fitting:
            return max(fitting, key=worth), key
    return None


def _no_leaf(files: Sequence[Given], pool: Sequence[tuple[Given, Certificate]], keys: Sequence[KeyAtHand]) -> Iterator[Fault]:
    """Yield why no certificate can be told to be the server's."""
    shut = [key for key in keys if key.public_sha256 is None]
    if not pool:
        if not any(problem.code in _UNREAD for given in files for problem in given.objects.problems):
            for given in files[:1]:
                yield Fault(given.path, 0, "error", "no-certificate", f"There is no certificate in it: {why_none(given)}.", None)
        return
    given, meant = next((each for each in pool if not is_ca(each[1].value)), pool[0])
    who = called(meant.value)
    if shut:
        told = f"The key in {shut[0].path} asks for a passphrase, so nobody can see whether it belongs to {who}."
        hint = "certificate.import_passphrase_command names a command that prints it."
        yield Fault(shut[0].path, 0, "error", "key-encrypted", told, hint)
    elif keys:
        tried = ", ".join(dict.fromkeys(str(key.path) for key in keys))
        told = f"No key at hand belongs to {who}; tried: {tried}."
        yield Fault(given.path, meant.line, "error", "key-mismatch", told, "Name its key in certificate.import_key.")
    else:
        told = f"There is no private key for {who}."
        yield Fault(given.path, meant.line, "error", "no-key", told, "Name its key in certificate.import_key.")


def _unread(files: Sequence[Given]) -> Iterator[Fault]:
    """Yield what could not be read of the files."""
    for given in files:
        for problem in given.objects.problems:
            if problem.code not in _UNREAD:
                continue
            nothing = not (given.objects.certificates or given.objects.keys)
            hint = problem.hint
            if problem.code in {"passphrase-needed", "wrong-passphrase"}:
                hint = "certificate.import_passphrase_command names a command that prints its passphrase."
            yield Fault(given.path, problem.line, "error" if nothing else "warning", problem.code, problem.what, hint)


def _judged(
    path: Path, leaf: x509.Certificate, above: Sequence[x509.Certificate], root: x509.Certificate | None, now: datetime
) -> Iterator[Fault]:
    """Yield what is said of the certificate and its chain, as they will stand on the server."""
    files = [_given(path, "server-certificate", [leaf, *above])]
    if root is not None:
        files.append(Given(path.with_name(f"{path.name} (root)"), "ca", _given(path, "ca", [root]).objects))
    said: set[str] = set()
    for fault in judge(files, now):
        if fault.code not in _SAID_HERE:
            said.add(fault.code)
            stops = fault.code in STOPPING
            yield replace(fault, path=path, line=0, severity="error" if stops else fault.severity)
    kind = type_of(key) if (key := public_of(leaf)) is not None else "unknown"
    if not kind.startswith(_SERVABLE):
        told = f"The certificate's key is of type {kind}, with which the wizard sets up no server."
        yield Fault(path, 0, "error", "key-type", told, "Have one made for an ECDSA or RSA key.")
    life, left = leaf.not_valid_after_utc - leaf.not_valid_before_utc, leaf.not_valid_after_utc - now
    if left < life / 3 and not said & {"certificate-expired", "certificate-expiring"}:
        told = f"Less than a third of the certificate's life is left: it ends on {leaf.not_valid_after_utc:%Y-%m-%d}."
        yield Fault(path, 0, "warning", "renewal-due", told, "Ask for the next one soon.")


def _given(path: Path, role: str, certificates: Sequence[x509.Certificate]) -> Given:
    """Return certificates as a file that holds them in this order."""
    parts = tuple(Part(0, 0, "CERTIFICATE", "certificate") for _ in certificates)
    held = tuple(Certificate(0, 0, each) for each in certificates)
    return Given(path, role, Objects("PEM", "", certificates=held, parts=parts))  # type: ignore[arg-type]


def _root_file(files: Sequence[Given], root: x509.Certificate | None) -> Path | None:
    """Return a file that clients can have as their root: one with the root alone before others that hold it too."""
    if root is None:
        return None
    holding = [
        given
        for given in files
        if not given.objects.keys and any(each.seen and fingerprint(each.value) == fingerprint(root) for each in given.objects.certificates)
    ]
    return min(holding, key=lambda given: len(given.objects.certificates)).path if holding else None


def _left_out(files: Sequence[Given], served: Sequence[x509.Certificate], root: x509.Certificate | None) -> Iterator[Fault]:
    """Yield what is in the files and will not be on the server."""
    taken = {fingerprint(each) for each in served} | ({fingerprint(root)} if root is not None else set())
    for given in files:
        inside = [each.value for each in given.objects.certificates]
        marks = {fingerprint(each) for each in inside}
        if root is not None and fingerprint(root) in marks and marks & {fingerprint(each) for each in served}:
            told = f"The root {called(root)} is left out of the server's file: clients have it as their trust anchor or not at all."
            yield Fault(given.path, 0, "info", "root-left-out", told)
        # Roots without a way to them are said to be just that.
        open_end = root is None and not self_signed(served[-1])
        others = [
            called(each) for each in inside if fingerprint(each) not in taken and not (open_end and self_signed(each) and is_ca(each))
        ]
        if others:
            names = ", ".join(dict.fromkeys(others[:3])) + (f" and {len(others) - 3} more" if len(others) > 3 else "")
            told = f"{names}: not of the server's chain, and left out."
            yield Fault(given.path, 0, "info", "unrelated-certificate", told)


def _end(
    path: Path, pool: Sequence[tuple[Given, Certificate]], served: Sequence[x509.Certificate], root: x509.Certificate | None
) -> Iterator[Fault]:
    """Yield what is missing above the last certificate."""
    top = served[-1]
    if root is not None or self_signed(top):
        return
    issuer = name_called(top.issuer)
    roots = [each.value for _, each in pool if self_signed(each.value) and is_ca(each.value)]
    if roots:
        told = f"Nothing leads from {called(top)} to {called(roots[0])}: the certificate of {issuer} is missing."
        hint = f"Add the certificate of {issuer} to certificate.import_certificate, or leave out a root that has nothing to do with it."
        yield Fault(path, 0, "error", "chain-incomplete", told, hint)
    elif len(served) == 1:
        told = f"It is signed by {issuer}, whose certificate is not among the files: if that is no root, clients that have only the root refuse it."
        hint = f"Add the certificate of {issuer}, which the CA hands out with yours (often called chain.pem), or the root itself."
        yield Fault(path, 0, "warning", "chain-incomplete", told, hint)


def _order(files: Sequence[Given], served: Sequence[x509.Certificate]) -> Iterator[Fault]:
    """Yield that a file has its certificates in another order than the server has to send them."""
    wanted = [fingerprint(each) for each in served]
    for given in files:
        there = [mark for each in given.objects.certificates if (mark := fingerprint(each.value)) in wanted]
        if given.objects.format == "PEM" and there != [mark for mark in wanted if mark in there]:
            order = ", then ".join(called(each) for each in served)
            yield Fault(given.path, 0, "info", "chain-order", f"The certificates are put in order: {order}.")
