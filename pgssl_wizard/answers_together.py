"""Answers that are each fine and do not go together: said with the line of the one that a person gave."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from pgssl_wizard.answers import CUSTOM_ONLY, QUESTIONS, Answers, Given
from pgssl_wizard.errors import UnusableInput


def check_together(answers: Answers, given: Given, data_directory: Path) -> None:
    """Refuse answers that contradict each other.

    Raises:
        UnusableInput: names the line of the first that somebody gave.
    """

    def refuse(message: str, *keys: str, hint: str | None = None) -> UnusableInput:
        """Return the objection; it names the line of the first of these keys that somebody gave."""
        said = next((key for key in keys if key in given.values), None)
        return UnusableInput(message, where=given.where.get(said, said) if said else keys[0], hint=hint, code="does-not-fit")

    _check_names(answers, given)
    _check_protocol(answers, given)
    certificate, files, clients = answers.certificate, answers.files, answers.clients
    if certificate.source == "new-ca":
        inside = _data_directory_around(certificate.ca_directory, data_directory)
        if inside is not None:
            which = "the data directory" if inside == data_directory else f"a data directory ({inside})"
            raise refuse(
                f"The CA must not lie in {which}: its key would be in every base backup.",
                "certificate.ca_directory",
                hint="Name a directory elsewhere.",
            )
        if not 1 <= len(certificate.ca_name) <= 51:
            raise refuse("The CA's name must have 1 to 51 characters, so that “Intermediate” still fits behind it.", "certificate.ca_name")
        upper, upper_key = certificate.ca_days, "certificate.ca_days"
        if certificate.intermediate:
            if certificate.intermediate_days > certificate.ca_days:
                message = f"The intermediate ({certificate.intermediate_days} days) cannot outlive the root ({certificate.ca_days} days)."
                raise refuse(message, "certificate.intermediate_days", "certificate.ca_days")
            upper, upper_key = certificate.intermediate_days, "certificate.intermediate_days"
        if certificate.days > upper:
            message = f"The server certificate ({certificate.days} days) cannot outlive its issuer ({upper} days)."
            raise refuse(message, "certificate.days", upper_key)
    _check_existing(answers, given, data_directory, refuse)
    _check_kits(answers, given, data_directory, refuse)
    _check_passphrases(answers, given, refuse)
    _check_import(answers, given, refuse)
    _check_lists(answers, data_directory, refuse)
    if clients.checked and certificate.source == "self-signed" and clients.ca is None:
        raise refuse(
            "A self-signed certificate signs no client certificates, so nobody could show one.",
            "clients.certificates",
            "certificate.source",
            hint="Choose certificate.source = “new-ca”, or name the clients' CA in clients.ca.",
        )
    if files.ca in {files.certificate, files.key}:
        raise refuse("The clients' CA needs a file of its own.", "files.ca", "files.key", "files.certificate")
    if files.key_owner == "root" and not files.key_group:
        raise refuse(
            "A key owned by root needs the group that may read it.", "files.key_group", "files.key_owner", hint="On Debian it is ssl-cert."
        )
    if files.key_owner == "server" and given.values.get("files.key_group"):
        raise refuse("files.key_group counts only with files.key_owner = “root”; a key of the server's is for it alone.", "files.key_group")


def _check_lists(answers: Answers, data_directory: Path, refuse: Callable[..., UnusableInput]) -> None:
    """Refuse places for revocation lists where they would mean nothing, or harm."""
    files = answers.files
    for key, path in (("files.crl", files.crl), ("files.crl_dir", files.crl_dir)):
        if path is None:
            continue
        if not answers.clients.checked:
            raise refuse(
                "A revocation list is for client certificates, and none are asked for: the server would never look at it.",
                key,
                hint="Choose clients.certificates, or leave it out.",
            )
        if path in {files.certificate, files.key, files.ca, data_directory} or (key == "files.crl_dir" and path == files.crl):
            raise refuse("Revocation lists need a place of their own.", key)
        if path.parent == answers.certificate.ca_directory and path.name in {"root.crl", "intermediate.crl"}:
            raise refuse(
                "This is where the CA keeps its own list; the server needs a copy, with the lists of all CAs in it.",
                key,
                hint="Name a file elsewhere, such as root.crl, which means the data directory.",
            )


def _check_import(answers: Answers, given: Given, refuse: Callable[..., UnusableInput]) -> None:
    """Refuse what does not go with a certificate that somebody else signs, or with one that is made here."""
    certificate, files = answers.certificate, answers.files
    brings = certificate.source == "import" or (certificate.source == "request" and bool(certificate.import_certificate))
    for key in ("certificate.import_certificate", "certificate.import_key", "certificate.import_passphrase_command"):
        if given.values.get(key) and not brings:
            why = "with certificate.import_certificate" if certificate.source == "request" else "with certificate.source = “import”"
            raise refuse(f"{key} counts only {why}; here the source is “{certificate.source}”.", key)
    if certificate.source == "request" and certificate.request_file in {files.certificate, files.key, files.ca}:
        raise refuse("The request needs a file of its own.", "certificate.request_file")
    if certificate.source in {"request", "import"} and answers.clients.checked and answers.clients.ca is None:
        raise refuse(
            "Whose client certificates count? The wizard has no CA of its own that could sign them.",
            "clients.certificates",
            "certificate.source",
            hint="Name the clients' CA in clients.ca.",
        )


def _check_passphrases(answers: Answers, given: Given, refuse: Callable[..., UnusableInput]) -> None:
    """Refuse what does not go with how the keys are kept."""
    certificate = answers.certificate
    if certificate.passphrase == "command" and not certificate.passphrase_command.strip():
        raise refuse(
            "A key with a passphrase by command needs that command.",
            "certificate.passphrase",
            "certificate.passphrase_command",
            hint="Name it in certificate.passphrase_command: the server runs it, and its first line is the passphrase.",
        )
    if certificate.passphrase == "none" and given.values.get("certificate.passphrase_command"):
        raise refuse(
            "certificate.passphrase_command counts only with certificate.passphrase = “command” (or “prompt”).",
            "certificate.passphrase_command",
        )
    if certificate.passphrase != "command" and given.values.get("certificate.passphrase_reload") is False:
        raise refuse("certificate.passphrase_reload counts only with certificate.passphrase = “command”.", "certificate.passphrase_reload")
    if certificate.encrypt_ca_key and certificate.source != "new-ca":
        raise refuse(
            f"certificate.encrypt_ca_key counts only where a CA is made; here certificate.source is “{certificate.source}”.",
            "certificate.encrypt_ca_key",
            "certificate.source",
        )


def _check_existing(answers: Answers, given: Given, data_directory: Path, refuse: Callable[..., UnusableInput]) -> None:
    """Refuse what does not go with a CA that stands, or with one that does not."""
    certificate = answers.certificate
    if certificate.source != "existing-ca":
        for key in ("certificate.ca_certificate", "certificate.ca_key"):
            if given.values.get(key):
                raise refuse(f"{key} counts only with certificate.source = “existing-ca”; here it is “{certificate.source}”.", key)
        return
    place = certificate.ca_key or certificate.ca_certificate
    directory = place.parent if place else certificate.ca_directory
    inside = _data_directory_around(directory, data_directory)
    if inside is not None:
        raise refuse(
            f"The CA's key must not lie in a data directory ({inside}): it would be in every base backup.",
            *("certificate.ca_key", "certificate.ca_certificate", "certificate.ca_directory"),
            hint="Move it elsewhere first.",
        )


def _check_kits(answers: Answers, given: Given, data_directory: Path, refuse: Callable[..., UnusableInput]) -> None:
    """Refuse roles that get no certificate, and a place where no kit belongs."""
    certificate, clients = answers.certificate, answers.clients
    if not clients.roles:
        return
    from pgssl_wizard.certificates import roles  # noqa: PLC0415 - pure; kept out of the first frame

    roles.check(roles.NamedRole(name, given.where.get("clients.roles", "clients.roles")) for name in clients.roles)
    if certificate.source not in {"new-ca", "existing-ca"} and clients.ca is None:
        raise refuse(
            f"With certificate.source = “{certificate.source}” there is no CA here that could sign the roles' certificates.",
            "clients.roles",
            "certificate.source",
            hint="Name the clients' CA in clients.ca, with its key beside it; or run `issue` where that CA is.",
        )
    named = certificate.source == "existing-ca" and certificate.ca_certificate is not None
    ca_directory = certificate.ca_directory if certificate.source in {"new-ca", "existing-ca"} and not named else None
    problem = why_no_kits_there(clients.directory, ca_directory, data_directory)
    if problem is not None:
        raise refuse(problem, "clients.directory", "clients.roles", hint="Name a directory elsewhere.")


def why_no_kits_there(directory: Path, ca_directory: Path | None, data_directory: Path | None = None) -> str | None:
    """Return why no client's kit may lie in a directory, None when it may.

    Args:
        directory: absolute.
        ca_directory: of the CA that signs, where it has one of its own.
        data_directory: of this cluster; others are known by what lies in them.
    """
    inside = _data_directory_around(directory, data_directory)
    if inside is not None:
        return f"The kits must not lie in a data directory ({inside}): their keys would be in every base backup."
    real = Path(os.path.realpath(directory))
    if ca_directory is not None and Path(os.path.realpath(ca_directory)) in (real, *real.parents):
        return f"The kits must not lie in the CA's directory ({ca_directory}): that one is put away, and kits are handed out."
    return None


def _check_names(answers: Answers, given: Given) -> None:
    from pgssl_wizard.certificates.names import parse_names  # noqa: PLC0415 - pure; kept out of the first frame

    where = given.where.get("server.names", "server.names")
    if not answers.server.names:
        message = "At least one name or address is needed: clients compare it with the certificate."
        raise UnusableInput(message, where=where, code="does-not-fit")
    parse_names(answers.server.names, where)


def _check_protocol(answers: Answers, given: Given) -> None:
    if answers.protocol.profile != "custom":
        for key in CUSTOM_ONLY:
            if key in given.values and given.values[key] != QUESTIONS[key].default:
                message = f"{key} counts only with protocol.profile = “custom”; here it is “{answers.protocol.profile}”."
                raise UnusableInput(message, where=given.where.get(key, key), code="does-not-fit")
        return
    from pgssl_wizard.files.versions import NEWEST  # noqa: PLC0415
    from pgssl_wizard.protocol.profiles import check_custom  # noqa: PLC0415

    try:
        check_custom(answers.protocol, NEWEST)  # what one version alone refuses is said with the plan
    except UnusableInput as error:
        error.where = given.where.get(error.where or "", error.where)
        raise


def _data_directory_around(path: Path, data_directory: Path | None) -> Path | None:
    """Return the data directory, of this cluster or another, that a path lies in, symbolic links followed; None when it is in none."""
    real = Path(os.path.realpath(path))
    own = {data_directory, Path(os.path.realpath(data_directory))} if data_directory is not None else set()
    for directory in (path, *path.parents, real, *real.parents):
        if directory in own or os.path.exists(directory / "PG_VERSION"):  # noqa: PTH110 - Path.exists raises where one may not look
            return directory
    return None
