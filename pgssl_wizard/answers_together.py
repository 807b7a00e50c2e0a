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
    if clients.certificates != "none" and certificate.source == "self-signed" and clients.ca is None:
        raise refuse(
            "A self-signed certificate signs no client certificates, so nobody could show one.",
            "clients.certificates",
            "certificate.source",
            hint="Choose certificate.source = “new-ca”, or name the clients' CA in clients.ca.",
        )
    if len({files.certificate, files.key, files.ca}) < 3:
        raise refuse("Certificate, key and CA need three different files.", "files.key", "files.certificate", "files.ca")
    if files.key_owner == "root" and not files.key_group:
        raise refuse(
            "A key owned by root needs the group that may read it.", "files.key_group", "files.key_owner", hint="On Debian it is ssl-cert."
        )
    if files.key_owner == "server" and given.values.get("files.key_group"):
        raise refuse("files.key_group counts only with files.key_owner = “root”; a key of the server's is for it alone.", "files.key_group")


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


def _data_directory_around(path: Path, data_directory: Path) -> Path | None:
    """Return the data directory, of this cluster or another, that a path lies in, symbolic links followed; None when it is in none."""
    real = Path(os.path.realpath(path))
    own = {data_directory, Path(os.path.realpath(data_directory))}
    for directory in (path, *path.parents, real, *real.parents):
        if directory in own or os.path.exists(directory / "PG_VERSION"):  # noqa: PTH110 - Path.exists raises where one may not look
            return directory
    return None
