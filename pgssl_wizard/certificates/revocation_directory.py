"""A directory of revocation lists as OpenSSL looks into it: by the hash of the CA's name, from `.r0` on until there is none. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from pgssl_wizard.certificates.given import Fault, Given, name_called
from pgssl_wizard.certificates.issuer_hash import FILE_NAME, hash_of
from pgssl_wizard.certificates.load import RevocationList
from pgssl_wizard.certificates.revocation import to_pem


def found_in(directory: Path, files: Sequence[Given]) -> tuple[tuple[Given, ...], tuple[Fault, ...]]:
    """Return the files in which OpenSSL finds lists, and what is to be said of the others.

    Args:
        directory: of ssl_crl_dir, or a client's sslcrldir.
        files: everything in it that is a file, whatever its name.
    """
    by_name = {given.path.name: given for given in files}
    reached = tuple(given for given in files if _reached(given, by_name) and _own(given))
    seen = {to_pem(crl.value) for given in reached for crl in _own(given)}
    faults = tuple(fault for given in files for fault in _faults(directory, given, by_name, seen))
    return reached, faults


def wrongly_named(given: Given) -> Iterator[Fault]:
    """Yield that a list is named as in a directory of lists, and by the hash of another CA."""
    named = FILE_NAME.fullmatch(given.path.name)
    for crl in given.objects.crls if named is not None else ():
        wanted = hash_of(crl.value.issuer)
        if named is not None and named[1] != wanted:
            told = f"The revocation list of {name_called(crl.value.issuer)} is never found under this name: OpenSSL looks for {wanted}.r0."
            yield Fault(given.path, crl.line, "warning", "crl-wrong-name", told, _RENAME)


_RENAME = "openssl rehash on the directory gives it its name; so does openssl crl -hash."


def _own(given: Given) -> list[RevocationList]:
    """Return the lists in a file whose CA has the hash that the file is named by."""
    named = FILE_NAME.fullmatch(given.path.name)
    if named is None or given.objects.format != "PEM":
        return []
    return [crl for crl in given.objects.crls if crl.seen and hash_of(crl.value.issuer) == named[1]]


def _reached(given: Given, by_name: dict[str, Given]) -> bool:
    named = FILE_NAME.fullmatch(given.path.name)
    return named is not None and all(f"{named[1]}.r{number}" in by_name for number in range(int(named[2])))


def _faults(directory: Path, given: Given, by_name: dict[str, Given], seen: set[bytes]) -> Iterator[Fault]:
    named = FILE_NAME.fullmatch(given.path.name)
    if named is None:
        for crl in given.objects.crls:
            if to_pem(crl.value) not in seen:
                told = f"The revocation list of {name_called(crl.value.issuer)} is never found under this name: OpenSSL looks for {hash_of(crl.value.issuer)}.r0 in {directory}."
                yield Fault(given.path, crl.line, "warning", "crl-wrong-name", told, _RENAME)
        return
    if not given.objects.crls:
        what = "a certificate and no revocation list" if given.objects.certificates else f"no revocation list ({given.objects.form})"
        hint = "Lists are named .r0, certificates .0." if given.objects.certificates else "Have the CA make a new one."
        yield Fault(given.path, 0, "warning", "no-crl", f"It holds {what}: OpenSSL finds none here.", hint)
    elif given.objects.format != "PEM":
        yield Fault(
            given.path,
            0,
            "warning",
            "no-crl",
            "It is DER, and OpenSSL reads PEM here: it finds no list.",
            "openssl crl -inform DER turns it into PEM.",
        )
    yield from wrongly_named(given)
    if _own(given) and not _reached(given, by_name):
        missing = next(number for number in range(int(named[2])) if f"{named[1]}.r{number}" not in by_name)
        told = f"It is never found: OpenSSL stops at the first number that is missing, and there is no {named[1]}.r{missing}."
        yield Fault(given.path, 0, "warning", "crl-wrong-name", told, f"Name it {named[1]}.r{missing}.")
