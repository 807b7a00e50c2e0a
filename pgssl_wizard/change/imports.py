"""The key of a certificate that was brought: opened once more at apply, compared with the certificate, and written anew."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from pgssl_wizard.change.passphrases import Passphrases
from pgssl_wizard.cluster.certificates import certificates_beside_key, fact_about, read
from pgssl_wizard.cluster.imported import COMMAND, asked, passphrase_by_command
from pgssl_wizard.errors import Refused
from pgssl_wizard.plan.importing import not_covered
from pgssl_wizard.plan.model import Plan

if TYPE_CHECKING:
    from pgssl_wizard.certificates.keys import PrivateKey
    from pgssl_wizard.certificates.load import Key, Objects


def names_not_carried(plan: Plan) -> tuple[str, ...]:
    """Return the clients' names that an imported certificate does not carry, so that whoever verifies is to be refused by them."""
    if not asked(plan.answers):
        return ()
    place = plan.answers.files.certificate
    planned = next((change.after for change in plan.changes if change.role in {"server-certificate", "server-pair"}), None)
    chain = read(planned or certificates_beside_key(place) or b"")
    leaf = fact_about(chain[0], "server", place) if chain else None
    return not_covered(leaf, plan.answers) if leaf is not None else ()


def what_is_proved(plan: Plan) -> str:
    """Return by which names the new certificate is met, and by which it is not, in words."""
    missing = names_not_carried(plan)
    if not missing:
        return "the new certificate is met, by every name"
    return f"the new certificate is met, by every name that it carries; whoever verifies is refused by {', '.join(missing)}"


def key_of(
    source: Path, certificate: bytes, plan: Plan, passphrases: Passphrases, key_pem: Callable[[PrivateKey, bytes | None], bytes]
) -> bytes:
    """Return the bytes of the server's key.

    Args:
        source: the file in which it was found.
        certificate: the server's certificate file, PEM, leaf first.
        plan: with the answers that open the source.
        passphrases: which the server's key has, or gets.
        key_pem: how the bytes of a key's file are made.

    Raises:
        Refused: the key that belongs to the certificate is not there any more.
        UnusableInput: a command for a passphrase does not work.
    """
    from cryptography import x509  # noqa: PLC0415 - cryptography only when it is needed

    from pgssl_wizard.certificates.keys import PrivateKey  # noqa: PLC0415
    from pgssl_wizard.certificates.refusals import same_key  # noqa: PLC0415

    leaf = x509.load_pem_x509_certificates(certificate)[0]
    try:
        data = source.read_bytes()
    except OSError as error:
        raise Refused(f"cannot be read: {error.strerror}", where=str(source), code="unreadable-file") from error
    objects = _opened(data, plan, passphrases)
    for key in objects.keys:
        if key.public is not None and same_key(key.public, leaf):
            if not isinstance(key.value, PrivateKey):
                break
            return key_pem(key.value, passphrases.server_key())
    if _shut(objects):
        raise Refused(
            "the key in it asks for a passphrase, and none that is known opens it",
            where=str(source),
            hint=f"name a command that prints the passphrase: {COMMAND}",
            code="key-encrypted",
        )
    raise Refused(
        "the key that belongs to the certificate is not in it",
        where=str(source),
        hint="name its file in certificate.import_key",
        code="key-mismatch",
    )


def _opened(data: bytes, plan: Plan, passphrases: Passphrases) -> Objects:
    """Return what the source holds, opened by the command for what is brought, else as the server's own key."""
    from pgssl_wizard.certificates.load import load  # noqa: PLC0415

    certificate = plan.answers.certificate
    objects = load(data)
    if not _shut(objects):
        return objects
    if certificate.passphrase != "none":
        objects = load(data, passphrases.server_key())
    if _shut(objects) and certificate.import_passphrase_command:
        objects = load(data, passphrase_by_command(certificate.import_passphrase_command))
    return objects


def _shut(objects: Objects) -> bool:
    def is_shut(key: Key) -> bool:
        return key.encrypted and key.public is None

    return any(is_shut(key) for key in objects.keys) or any(
        problem.code in {"passphrase-needed", "wrong-passphrase"} for problem in objects.problems
    )
