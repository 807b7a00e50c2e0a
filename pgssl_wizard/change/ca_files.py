"""The files of a CA that signs: where they are, and what they hold."""

from __future__ import annotations

from pathlib import Path

from pgssl_wizard.change.write import read_state
from pgssl_wizard.errors import UnusableInput


def signing_files(ca: Path | None, certificate: Path | None, key: Path | None) -> tuple[Path, Path]:
    """Return the files of the CA's certificate and key.

    Args:
        ca: its directory, where an intermediate signs if there is one.
        certificate: instead of what lies there.
        key: likewise; by default it lies beside the certificate.

    Raises:
        UnusableInput: nothing names a CA, or there is no such directory.
    """
    if certificate is None and key is None:
        if ca is None:
            raise UnusableInput("Nothing says which CA signs.", hint="Name its directory with --ca.", code="usage")
        if not ca.is_dir():
            raise UnusableInput("There is no CA directory.", where=str(ca), code="no-ca")
        name = "intermediate" if read_state(ca / "intermediate.crt").exists else "root"
        return ca / f"{name}.crt", ca / f"{name}.key"
    if certificate is None:
        assert key is not None
        certificate = key.with_suffix(".crt")
    return certificate, key or certificate.with_suffix(".key")


def read_ca_file(path: Path) -> bytes:
    """Return the bytes of a CA's certificate or key.

    Raises:
        UnusableInput: it is not there.
        Refused: it cannot be read.
    """
    state = read_state(path)
    if state.data is None:
        what = "key" if path.suffix == ".key" else "certificate"
        hint = "Bring it back for as long as it takes to sign." if what == "key" else "Name another directory, or the files themselves."
        raise UnusableInput(f"There is no CA here: its {what} is missing.", where=str(path), hint=hint, code="no-ca")
    return state.data
