"""Which certificates apply will make, and which that stand already will do. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pgssl_wizard.answers import Answers
from pgssl_wizard.certificates.names import common_name, parse_names
from pgssl_wizard.certificates.profiles import Profile
from pgssl_wizard.cluster.facts import FileFact, Surroundings
from pgssl_wizard.errors import Refused
from pgssl_wizard.findings import Finding


@dataclass(frozen=True, slots=True)
class Issuing:
    """What to make.

    Attributes:
        made: profiles in the order of making, issuers first; empty when everything that stands will do.
        leaf: the server certificate that will be served, made now or standing already.
        chain: what its file holds, leaf first.
        known: every profile that the openssl commands may name, standing ones included, with base names.
        anchor: what clients need.
    """

    made: tuple[Profile, ...]
    leaf: Profile
    chain: tuple[Profile, ...]
    known: dict[Profile, tuple[str, str]]
    anchor: Path
    findings: tuple[Finding, ...] = ()


def decide(answers: Answers, surroundings: Surroundings, server_uid: int) -> Issuing:
    """Return what has to be made.

    Args:
        answers: complete.
        surroundings: what stands.
        server_uid: who has to read the key.

    Raises:
        Refused: the CA that stands in the CA directory cannot be used as asked.
        UnusableInput: a name that no certificate can hold.
    """
    names = parse_names(answers.server.names, "server.names")
    texts = tuple(name.text for name in names)
    cn = common_name(names)
    certificate, files = answers.certificate, answers.files
    owner = server_uid if files.key_owner == "server" else 0
    leaf_names = (files.certificate.name, files.key.name)
    if certificate.source == "self-signed":
        leaf = Profile("self-signed", cn, certificate.key, certificate.days, cn, texts)
        made = () if _will_do(leaf, surroundings, files.key, owner, "self", ()) else (leaf,)
        return Issuing(made, leaf, (leaf,), {leaf: leaf_names}, files.certificate)
    directory = certificate.ca_directory
    root, root_stands = _ca("root", answers, surroundings)
    made_list = [] if root_stands else [root]
    known = {root: ("root.crt", "root.key")}
    signer, signer_file = root, "root.crt"
    if certificate.intermediate:
        intermediate, stands = _ca("intermediate", answers, surroundings, root.common_name)
        known[intermediate] = ("intermediate.crt", "intermediate.key")
        if not stands:
            if root_stands and root.path_length == 0:
                raise Refused(
                    f"The root {root.common_name} may not sign an intermediate (its path length is 0).",
                    where=str(directory / "root.crt"),
                    hint="Do without an intermediate, or name another ca_directory for a new CA.",
                    code="ca-path-length",
                )
            if root_stands:
                _need_key("root", answers, surroundings)
            made_list.append(intermediate)
        signer, signer_file = intermediate, "intermediate.crt"
    leaf = Profile("server", cn, certificate.key, certificate.days, signer.common_name, texts)
    chain = (leaf, signer) if certificate.intermediate else (leaf,)
    following = (signer.common_name,) if certificate.intermediate else ()
    known[leaf] = leaf_names
    findings: list[Finding] = []
    if root_stands and root.common_name != certificate.ca_name:
        findings.append(
            Finding(
                "info",
                "existing-ca-used",
                f"The CA directory holds {root.common_name} already; it is used, and {certificate.ca_name} is not made.",
                "Name another ca_directory for a CA of its own.",
                str(directory),
                "certificate",
            )
        )
    if made_list or not _will_do(leaf, surroundings, files.key, owner, signer_file, following):
        if signer not in made_list:
            _need_key(signer_file.removesuffix(".crt"), answers, surroundings)
        made_list.append(leaf)
    return Issuing(tuple(made_list), leaf, chain, known, directory / "root.crt", tuple(findings))


def _ca(kind: str, answers: Answers, surroundings: Surroundings, issuer: str = "") -> tuple[Profile, bool]:
    """Return the profile of a CA and whether it stands already; a standing one keeps its own name and key type."""
    certificate = answers.certificate
    root = kind == "root"
    standing = surroundings.ca.get(f"{kind}.crt")
    name = certificate.ca_name if root else f"{issuer} Intermediate"
    if standing:
        # Only what the chain needs to know of a CA that is not made anew.
        length = 1 if root and surroundings.ca_path_length.get(f"{kind}.crt", 1) != 0 else 0
        key = standing.key_type if standing.key_type in _KEY_TYPES else certificate.key
        profile = Profile(
            "root" if root else "intermediate", standing.common_name, key, (standing.not_after - standing.not_before).days,  # type: ignore[arg-type]
            standing.common_name if root else issuer, path_length=length,
        )  # fmt: skip
        return profile, True
    for suffix in (".crt", ".key"):
        fact = surroundings.files.get(certificate.ca_directory / f"{kind}{suffix}")
        if fact and fact.exists:
            raise Refused(
                f"{fact.path} exists and is no usable part of a CA; a CA's file is never overwritten.",
                where=str(fact.path),
                hint="Move it away, or name another ca_directory.",
                code="ca-file-in-the-way",
            )
    if root:
        # One intermediate may stand below, so that one can be added later without a new root at every client.
        return Profile("root", name, certificate.key, certificate.ca_days, name, path_length=1), False
    return Profile("intermediate", name, certificate.key, certificate.intermediate_days, issuer, path_length=0), False


_KEY_TYPES = {"ecdsa-p256", "ecdsa-p384", "rsa-2048", "rsa-3072", "rsa-4096"}


def _need_key(kind: str, answers: Answers, surroundings: Surroundings) -> None:
    directory = answers.certificate.ca_directory
    state = surroundings.ca_keys.get(f"{kind}.key", False)
    if state is True:
        return
    fact = surroundings.files.get(directory / f"{kind}.key")
    if fact is None or not fact.exists:
        raise Refused(
            f"The CA's key {kind}.key is not there, and a certificate has to be signed with it.",
            where=str(directory),
            hint="Bring the key back for as long as it takes to sign, or name another ca_directory for a new CA.",
            code="ca-key-missing",
        )
    why = "it is encrypted or cannot be read" if state is None else f"it does not belong to {kind}.crt"
    raise Refused(f"The CA's key cannot be used: {why}.", where=str(fact.path), code="ca-key-unusable")


def _will_do(wanted: Profile, surroundings: Surroundings, leaf_key: Path, owner: int, signer: str, following: tuple[str, ...]) -> bool:
    """Whether the leaf that stands at its place is what would be made, with enough of its life left and a key that the server takes."""
    leaf = surroundings.leaf
    if leaf is None or not leaf.key_matches or surroundings.leaf_due or surroundings.leaf_issuer != signer:
        return False
    if (key := surroundings.files.get(leaf_key)) is not None and not _key_is_fit(key, owner):
        return False
    if set(leaf.names) != set(wanted.names) or leaf.key_type != wanted.key or surroundings.leaf_chain != following:
        return False
    issuer = surroundings.ca.get(signer)
    capped = issuer is not None and leaf.not_after == issuer.not_after
    return capped or (leaf.not_after - leaf.not_before).days == wanted.days


def _key_is_fit(key: FileFact, owner: int) -> bool:
    """Whether the server takes a key file: its own for nobody else, or root's with a group that may read it."""
    return key.uid == owner and not key.mode & (0o037 if owner == 0 else 0o077)
