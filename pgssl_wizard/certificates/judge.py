"""Files judged together: what would be refused, what is accepted in silence and fails later, what is good to know. Pure.

One judgement for `lint`, for `inspect` and for whoever brings files: the caller says what each file is for and what time it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric import rsa

from pgssl_wizard.certificates import key_file
from pgssl_wizard.certificates.chain import Around, leaf_meant, of_anchors, of_chain
from pgssl_wizard.certificates.given import Fault, Given
from pgssl_wizard.certificates.leaf import is_for_servers, of_leaf
from pgssl_wizard.certificates.load import Certificate
from pgssl_wizard.certificates.read import is_ca, names_of, public_of
from pgssl_wizard.certificates.refusals import OpenSSL, refusals
from pgssl_wizard.certificates.revocation_lists import of_coverage, of_lists


def judge(files: Sequence[Given], now: datetime, openssl: OpenSSL = None) -> tuple[Fault, ...]:
    """Return what is to be said of files that belong together, what would be refused first.

    Args:
        files: each with what it is for; one file may be given twice, for two things.
        now: the time, with a time zone.
        openssl: which one loads them; None: they must do for any.
    """
    refused = list(refusals(files, openssl))
    found = list(refused)
    said = {(fault.path, fault.line, fault.code) for fault in refused}
    # What has been told as a refusal is not told once more as a doubt.
    found += [fault for fault in doubts(files, now) if (fault.path, fault.line, fault.code) not in said]
    places = {(fault.path, fault.line) for fault in refused}
    wholly = {fault.path for fault in refused if fault.code.startswith("no-")}
    for given in files:
        for fault in _problems(given):
            if (fault.path, fault.line) not in places and not (fault.line == 0 and fault.path in wholly):
                found.append(fault)
    return tuple(dict.fromkeys(found))


def doubts(files: Sequence[Given], now: datetime) -> Iterator[Fault]:
    """Yield what the server accepts in silence, and what is good to know."""
    around = Around(_of_role(files, "ca"), _of_role(files, "intermediate"))
    of_clients = _authorities_in(files, "client-certificate")
    uncovered = tuple(of_coverage(files, [*around.all, *of_clients]))
    for given in files:
        if given.role in {"server-certificate", "client-certificate"} and (leaf := leaf_meant(given)) is not None:
            yield from of_leaf(given, leaf, now)
            yield from of_chain(given, around, now)
            yield from _key_inside(given)
        elif given.role in {"ca", "intermediate"}:
            yield from of_anchors(given, now)
        elif given.role == "crl":
            yield from of_lists(
                given, [*around.all, *_authorities_in(files, "server-certificate"), *of_clients], now, covered=not uncovered
            )
        elif given.role in {"server-key", "client-key", "ca-key"}:
            yield from _key(given)
        elif given.role == "request":
            yield from _request(given)
        elif given.role == "pkcs12":
            yield from _pkcs12(given, around, now)
    yield from uncovered


def _of_role(files: Sequence[Given], role: str) -> tuple[tuple[Given, Certificate], ...]:
    return tuple((given, each) for given in files if given.role == role for each in given.objects.certificates)


def _authorities_in(files: Sequence[Given], role: str) -> list[tuple[Given, Certificate]]:
    """Return the CAs in the chains of some certificates."""
    return [(given, each) for given, each in _of_role(files, role) if is_ca(each.value) and each is not given.leaf]


def _key(given: Given) -> Iterator[Fault]:
    for key in given.objects.keys[:1]:
        if key.encrypted and given.role == "server-key":
            told = "The key asks for a passphrase: the server needs ssl_passphrase_command, or somebody at the terminal at every start."
            hint = "With ssl_passphrase_command_supports_reload = on a reload can load a new one too."
            yield Fault(given.path, key.line, "info", "key-encrypted", told, hint)
        elif key.encrypted and given.role == "client-key":
            told = "The key asks for a passphrase: clients need sslpassword, or somebody at the terminal."
            yield Fault(given.path, key.line, "info", "key-encrypted", told)
        if isinstance(key.public, rsa.RSAPublicKey) and key.public.key_size < 2048:
            told = f"The RSA key has {key.public.key_size} bits: current systems refuse less than 2048."
            yield Fault(given.path, key.line, "warning", "weak-key", told)
    if len(given.objects.keys) > 1:
        told = "There is more than one key in the file; the first counts."
        yield Fault(given.path, given.objects.keys[1].line, "info", "more-keys", told, "Take the others out.")


def _key_inside(given: Given) -> Iterator[Fault]:
    """Yield that a key in the certificate's file is open to others; the server looks at that only where it is told to find its key."""
    fault = key_file.fault(given.file) if given.file is not None and given.objects.keys else None
    if fault is not None:
        told = f"It holds the private key too. {fault.what}"
        yield Fault(given.path, given.objects.keys[0].line, "warning", "key-permissions", told, fault.hint)


def _request(given: Given) -> Iterator[Fault]:
    for request in given.objects.requests[:1]:
        if not names_of(request.value):
            told = "The request asks for no subject alternative names: the certificate has none either, unless the CA adds them."
            yield Fault(given.path, request.line, "warning", "no-san", told, "Make it again with the names that clients connect to.")
        key = public_of(request.value)
        if isinstance(key, rsa.RSAPublicKey) and key.key_size < 2048:
            told = f"The RSA key has {key.key_size} bits: current systems refuse less than 2048."
            yield Fault(given.path, request.line, "warning", "weak-key", told)


def _pkcs12(given: Given, around: Around, now: datetime) -> Iterator[Fault]:
    told = "PostgreSQL itself reads no PKCS#12; Java and .NET clients do."
    yield Fault(given.path, 0, "info", "pkcs12", told, f"openssl pkcs12 -in {given.path.name} -nodes takes it apart.")
    leaf = leaf_meant(given)
    if leaf is not None:
        # Mostly what a client gets; what comes from a company's CA may be for a server.
        inside = Given(given.path, "server-certificate" if is_for_servers(leaf.value) else "client-certificate", given.objects)
        yield from of_leaf(inside, leaf, now)
        yield from of_chain(inside, around, now)


def _problems(given: Given) -> Iterator[Fault]:
    """Yield what was odd about reading the file; where that keeps the server from it, the refusal has told it already."""
    for problem in given.objects.problems:
        if problem.code in {"passphrase-needed", "trailing-bytes"} or given.role == "pkcs12":
            yield Fault(given.path, problem.line, "info", problem.code, problem.what, problem.hint)
        else:
            yield Fault(given.path, problem.line, "warning", problem.code, problem.what, problem.hint)
