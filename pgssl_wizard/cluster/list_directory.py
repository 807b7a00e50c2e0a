"""The directory that ssl_crl_dir names: which lists the server finds in it, and what is wrong with the rest."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pgssl_wizard.cluster.reading import fact_of, may_read, names_in, who_can_read

if TYPE_CHECKING:
    from pgssl_wizard.certificates.given import Fault, Given


def lists_in(
    directory: Path, authorities: Sequence[Given], elsewhere: Sequence[Given], uid: int, groups: frozenset[int]
) -> tuple[tuple[Given, ...], tuple[Fault, ...]]:
    """Return the files in which the server finds lists, and what is to be said of the directory, whatever the time.

    Args:
        directory: of the setting.
        authorities: the CA file.
        elsewhere: the file of ssl_crl_file.
        uid: of the server's OS user, who has to read the files.
        groups: of that user.
    """
    from pgssl_wizard.certificates.given import Fault, Given, called  # noqa: PLC0415 - with it comes `cryptography`
    from pgssl_wizard.certificates.load import load  # noqa: PLC0415
    from pgssl_wizard.certificates.read import fingerprint, is_ca  # noqa: PLC0415
    from pgssl_wizard.certificates.revocation_directory import found_in  # noqa: PLC0415

    names = names_in(directory)
    faults: list[Fault] = []
    if names is None:
        faults.append(Fault(directory, 0, "warning", "no-crl-dir", "There is no such directory, so the server finds no list in it.", None))
    files: list[Given] = []
    for name in sorted(names or ()):
        fact = fact_of(directory / name)
        if fact.data is None:
            continue
        if not may_read(fact, uid, groups):
            told = f"The server's user cannot read this list; {who_can_read(fact)} can."
            faults.append(Fault(fact.path, 0, "warning", "no-crl", told, "chmod 644: it holds no secret."))
            continue
        files.append(Given(directory / name, "crl", load(fact.data)))
    reached, said = found_in(directory, files)
    faults += said
    if not reached and not any(given.objects.crls for given in elsewhere):
        cas = [each.value for given in authorities for each in given.objects.certificates if is_ca(each.value)]
        for ca in {fingerprint(each): each for each in cas}.values():
            told = f"There is no revocation list of {called(ca)}: with ssl_crl_dir set, the server refuses every client with a certificate."
            faults.append(Fault(directory, 0, "warning", "ca-without-crl", told, "Put one there, or leave ssl_crl_dir empty."))
    return reached, tuple(faults)
