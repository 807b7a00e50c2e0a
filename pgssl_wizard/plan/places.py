"""Whether certificate and key may go where the answers put them. Pure."""

from __future__ import annotations

from pathlib import Path

from pgssl_wizard.answers import Answers
from pgssl_wizard.cluster.facts import Cluster
from pgssl_wizard.cluster.standing import Surroundings
from pgssl_wizard.errors import Refused
from pgssl_wizard.plan.issuing import Issuing
from pgssl_wizard.plan.recommend import tls_directory

#: What lies in a data directory and is nobody's to put files into; so is everything that begins with `pg_`.
_SERVERS_OWN = frozenset({"base", "global", "PG_VERSION", "postmaster.pid", "postmaster.opts"})


def check(issued: Issuing, cluster: Cluster, surroundings: Surroundings, answers: Answers) -> None:
    """Stop when the server could not read the files there, or when something stands there that is not this server's to replace.

    Raises:
        Refused: names the path.
    """
    check_blocked(surroundings)
    files = answers.files
    targets = [files.certificate, files.key] if issued.leaf in issued.made else []
    targets += [files.ca] if answers.clients.checked else []
    for path in targets:
        check_target(path, cluster, surroundings)


def check_blocked(surroundings: Surroundings) -> None:
    """Stop when the server's user cannot get to a file.

    Raises:
        Refused: names the directory.
    """
    for path, blocking in surroundings.blocked.items():
        raise Refused(
            f"The server's user cannot get to {path}: {blocking} does not let it through.",
            where=str(blocking),
            hint="Choose another place, or give that directory the x bit for the server's user.",
            code="parent-blocks",
        )


def check_free(path: Path, cluster: Cluster, surroundings: Surroundings, hint: str) -> None:
    """Stop when something stands at the place of a file that must be new, or the place is the server's own.

    Raises:
        Refused: names the path.
    """
    fact = surroundings.files.get(path)
    if fact is not None and fact.exists:
        raise Refused("This file exists, and is not overwritten.", where=str(path), hint=hint, code="in-the-way")
    check_target(path, cluster, surroundings)


def check_target(path: Path, cluster: Cluster, surroundings: Surroundings) -> None:
    """Stop when a file may not go to a place.

    Raises:
        Refused: names the path.
    """
    fact = surroundings.files.get(path)
    configuration = {real.real_path for real in cluster.files.values()} | set(cluster.files)
    if path in configuration or (fact and fact.real_path in configuration):
        raise Refused("This is one of the server's own configuration files.", where=str(path), code="in-the-way")
    if cluster.data_directory in path.parents:
        first = path.relative_to(cluster.data_directory).parts[0]
        if first in _SERVERS_OWN or first.startswith(("pg_", "pgsql_tmp")):
            raise Refused("The server keeps its own data there.", where=str(path), hint="Choose another place.", code="in-the-way")
    link = surroundings.foreign_links.get(path)
    if link is not None:
        raise Refused(
            f"{link} is a symbolic link, and whoever made it does not own what it leads to.",
            where=str(path),
            hint="Name the file itself, or have root make the link anew.",
            code="foreign-link",
        )
    if fact is None or not fact.exists:
        return
    if path in surroundings.strange_links or (fact.real_path.name != path.name and fact.uid not in {cluster.uid, 0}):
        raise Refused(
            f"This is a link to {fact.real_path}, which is no certificate and no key of this server's.",
            where=str(path),
            hint="Remove the link, or name another place; nobody's file is overwritten.",
            code="in-the-way",
        )
    if fact.problem:
        raise Refused(f"{path} stands in the way: {fact.problem}.", where=str(path), code="in-the-way")
    hint = "Choose another place, or move the file away; nobody's key or certificate is overwritten."
    if "snakeoil" in fact.real_path.name:
        raise Refused("This file is shared with other programs of this machine.", where=str(path), hint=hint, code="in-the-way")
    in_use = {cluster.path_of(name) for name in ("ssl_cert_file", "ssl_key_file", "ssl_ca_file", "ssl_crl_file")}
    homes = (cluster.data_directory, cluster.config_file.parent, tls_directory(cluster))
    if path not in in_use and not any(home in path.parents for home in homes):
        raise Refused("This file exists, and nothing says that it is this server's.", where=str(path), hint=hint, code="in-the-way")
