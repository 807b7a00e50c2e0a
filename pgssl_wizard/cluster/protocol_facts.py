"""What the server's own TLS library and the host's openssl.cnf make of the settings, asked beforehand so that a plan need not."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from pgssl_wizard.answers import ProtocolAnswers
from pgssl_wizard.cluster.facts import Cluster, FileFact
from pgssl_wizard.cluster.reading import fact_of
from pgssl_wizard.errors import WizardError
from pgssl_wizard.protocol import dh
from pgssl_wizard.protocol.openssl_conf import SystemDefault, system_default
from pgssl_wizard.protocol.profiles import settings_for
from pgssl_wizard.protocol.suites import VERSIONS, Offer, Question, TlsLibrary
from pgssl_wizard.server import programs, tls_library
from pgssl_wizard.server.identity import Identity
from pgssl_wizard.server.reach import reachable_by


def library_of(found: programs.Programs, uid: int, gid: int, pid: int | None) -> tuple[TlsLibrary | None, SystemDefault | None]:
    """Return the library of a server's programs, or of the running server, and what the host's openssl.cnf asks of it.

    Args:
        found: the programs.
        uid: the server's user.
        gid: its group.
        pid: of the running server; None when it is down.
    """
    place = _place(found.program("postgres"), uid, gid, pid)
    library = tls_library.library(place) if place is not None else None
    if place is None or library is None:
        return None, None
    named = place.environment.get("OPENSSL_CONF", "")
    if named:
        # A server's relative names mean its data directory.
        return library, system_default(Path("/") / named, _read, _names)
    return library, system_default(Path(library.directory) / "openssl.cnf", _read, _names) if library.directory else None


def question_of(cluster: Cluster, protocol: ProtocolAnswers) -> Question:
    """Return the settings that these answers lead to; what they leave alone is as the files have it.

    Raises:
        UnusableInput: this version cannot have them.
    """
    known = cluster.tls_library.groups if cluster.tls_library else ()
    wanted = settings_for(protocol, cluster.major, cluster.openssl_version, known)

    def value(name: str) -> str:
        return wanted.get(name, cluster.value(name))

    return Question(
        minimum=_version(value("ssl_min_protocol_version")),
        maximum=_version(value("ssl_max_protocol_version")),
        ciphers=value("ssl_ciphers"),
        tls13_ciphers=value("ssl_tls13_ciphers"),
        groups=value("ssl_groups"),
        curve=value("ssl_ecdh_curve") if "ssl_groups" not in cluster.settings else "",
    )


def offer_of(cluster: Cluster, protocol: ProtocolAnswers) -> Offer | None:
    """Return what the server will offer with these answers; None when nobody can say, or this version cannot have them."""
    if cluster.bin_directory is None or not os.access(cluster.bin_directory / "postgres", os.F_OK):
        return None
    try:
        question = question_of(cluster, protocol)
    except WizardError:
        return None
    pid = cluster.postmaster.pid if cluster.postmaster else None
    place = _place(cluster.bin_directory / "postgres", cluster.uid, cluster.gid, pid)
    found = tls_library.offers(place, (question,)) if place is not None else None
    if found is None and cluster.openssl_version is not None:
        found = tls_library.offers_by_program(cluster.openssl_version, (question,))
    return found[0] if found else None


def dh_named(cluster: Cluster, protocol: ProtocolAnswers) -> dh.DhParameters | None:
    """Return what the file that the answers name is worth; None when they name none."""
    return dh_of(cluster, fact_of(protocol.dh_params)) if protocol.dh_params is not None else None


def dh_of(cluster: Cluster, fact: FileFact) -> dh.DhParameters:
    """Return what a file of Diffie-Hellman parameters is worth to this server."""
    if fact.data is None:
        why = "It does not exist" if not fact.exists else f"It cannot be read: {fact.problem}"
        return dh.DhParameters(problem=f"{why}, and the server would not start.", hint="Name a PEM file with Diffie-Hellman parameters.")
    judged = dh.judge(fact.data)
    if judged.problem:
        # What is no parameters at all is not made better by a mode: it may even be a key.
        return judged
    server = Identity.of(cluster.uid, cluster.gid)
    if reachable_by(cluster.uid, fact.path, gids=server.groups) is not None:
        return dh.DhParameters(
            problem=f"The server's user {server.name} cannot read it, and the server would not start.",
            hint="It is no secret: mode 0644, in a directory that everybody may pass.",
        )
    return judged


def _place(postgres: Path, uid: int, gid: int, pid: int | None) -> tls_library.Place | None:
    server = Identity.of(uid, gid)
    place = tls_library.find(postgres, server, pid)
    if place is not None and os.geteuid() == 0 and reachable_by(uid, place.libssl, gids=server.groups) is not None:
        # Programs below a home that is shut: their owner can load them, and nobody else need be trusted with more.
        owner = Identity.owner_of(place.libssl)
        # Never with the server's variables: its user must not choose what another user loads.
        return replace(place, identity=owner, environment=owner.environment())
    return place


def _version(value: str) -> str:
    """Return a version of TLS as the server spells it; it takes any case."""
    return next((known for known in VERSIONS if known.lower() == value.lower()), "")


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def _names(path: Path) -> list[str] | None:
    try:
        return os.listdir(path)
    except OSError:
        return None
