"""Which certificates apply will make, and which that stand already will do. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from pgssl_wizard.answers import Answers, FileAnswers, KeyPassphrase
from pgssl_wizard.certificates.names import common_name, parse_names
from pgssl_wizard.certificates.profiles import KeyType, Profile, made_for
from pgssl_wizard.cluster.facts import CertificateFact, FileFact
from pgssl_wizard.cluster.standing import Surroundings
from pgssl_wizard.errors import Refused
from pgssl_wizard.findings import Finding

#: What the commands by hand call the signer's certificate once it is taken out of a file that holds more.
SIGNER_ALONE = "signer.crt"


@dataclass(frozen=True, slots=True)
class Issuing:
    """What to make.

    Attributes:
        made: profiles in the order of making, issuers first; empty when everything that stands will do.
        leaf: the server certificate that will be served, made now or standing already.
        chain: what its file holds, leaf first.
        known: every profile that the openssl commands may name, standing ones included, with base names.
        anchor: what clients need; None where nobody knows the root of a certificate that was brought.
        asks_ca: the key of a CA that signs is encrypted, and no command opens it: apply asks for its passphrase.
    """

    made: tuple[Profile, ...]
    leaf: Profile
    chain: tuple[Profile, ...]
    known: dict[Profile, tuple[str, str]]
    anchor: Path | None
    findings: tuple[Finding, ...] = ()
    asks_ca: bool = False


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
    leaf_names = _leaf_names(files)
    if certificate.source == "self-signed":
        leaf = Profile("self-signed", cn, certificate.key, certificate.days, cn, texts)
        made = () if _will_do(leaf, surroundings, answers, owner, "self", ()) else (leaf,)
        return Issuing(made, leaf, (leaf,), {leaf: leaf_names}, files.certificate)
    if certificate.source == "existing-ca":
        return _by_standing_ca(answers, surroundings, owner, Profile("server", cn, certificate.key, certificate.days, "", texts))
    directory = certificate.ca_directory
    root, root_stands = _ca("root", answers, surroundings)
    made_list = [] if root_stands else [root]
    root_asks = signer_asks = False
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
            root_asks = root_stands and _need_key("root", answers, surroundings)
            made_list.append(intermediate)
        elif "intermediate" in surroundings.renew:
            root_asks = _need_key("root", answers, surroundings) | _need_key("intermediate", answers, surroundings)
            del known[intermediate]
            intermediate = replace(intermediate, days=certificate.intermediate_days, keeps_key=True)
            known[intermediate] = ("intermediate.crt", "intermediate.key")
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
    if made_list or not _will_do(leaf, surroundings, answers, owner, signer_file, following):
        signer_asks = signer not in made_list and _need_key(signer_file.removesuffix(".crt"), answers, surroundings)
        made_list.append(leaf)
    return Issuing(tuple(made_list), leaf, chain, known, directory / "root.crt", tuple(findings), root_asks or signer_asks)


def _leaf_names(files: FileAnswers) -> tuple[str, str]:
    """Return the base names of certificate and key, as the commands by hand make them: apart, also where one file will hold both."""
    if files.certificate == files.key:
        return f"{files.key.stem}-alone.crt", f"{files.key.stem}-alone.key"
    return files.certificate.name, files.key.name


def _by_standing_ca(answers: Answers, surroundings: Surroundings, owner: int, leaf: Profile) -> Issuing:
    """Return what a CA that stands has to sign."""
    ca = surroundings.standing_ca
    files = answers.files
    signer = ca.signer if ca else None
    if ca is None or signer is None:
        raise Refused(
            "There is no CA certificate to be read here.",
            where=str(ca.certificate if ca else answers.certificate.ca_directory),
            hint="Name it with certificate.ca_certificate, PEM, the certificates above it behind it.",
            code="ca-missing",
        )
    if not ca.may_sign:
        raise Refused(
            f"{signer.common_name or signer.subject} is no CA: it may not sign certificates.", where=str(ca.certificate), code="ca-unusable"
        )
    if ca.root is None or ca.root_file is None:
        raise Refused(
            f"The root above {signer.common_name} is not there, and clients need it to verify the server.",
            where=str(ca.certificate),
            hint=f"Append it to that file, or put it into {answers.certificate.ca_directory / 'root.crt'}.",
            code="ca-root-missing",
        )
    leaf = replace(leaf, issuer=signer.common_name)
    above = [*(each.common_name for each in ca.chain[1:]), ca.root.common_name]
    standing = [
        Profile("intermediate", each.common_name, _key_type(each, leaf.key), 1, issuer, path_length=0)
        for each, issuer in zip(ca.chain, above[: len(ca.chain)], strict=True)
    ]
    root = Profile("root", ca.root.common_name, _key_type(ca.root, leaf.key), 1, ca.root.common_name)
    known = dict.fromkeys([*standing, root], (ca.certificate.name, ca.key.name))
    if standing:
        known[root] = (ca.root_file.name, "")
    if len(standing) == 1 and ca.root_file == ca.certificate:
        known[standing[0]] = (SIGNER_ALONE, ca.key.name)
    known[leaf] = _leaf_names(files)
    chain = (leaf, *standing)
    if _will_do(leaf, surroundings, answers, owner, "standing", tuple(each.common_name for each in ca.chain)):
        return Issuing((), leaf, chain, known, ca.root_file)
    if not ca.key_exists:
        raise Refused(
            f"The key of {signer.common_name} is not there, and a certificate has to be signed with it.",
            where=str(ca.key),
            hint="Bring it back for as long as it takes to sign, or name it with certificate.ca_key.",
            code="ca-key-missing",
        )
    asks = _need_opening(ca.key_fits, surroundings.files[ca.key], ca.certificate.name, answers)
    findings: tuple[Finding, ...] = ()
    if ca.too_short and ca.until is not None:
        findings = (
            Finding(
                "warning",
                "ends-with-its-ca",
                f"The certificate ends with {signer.common_name} or a CA above it on {ca.until:%Y-%m-%d}, before {leaf.days} days are over.",
                "Renew that CA first, or take fewer days.",
                str(ca.certificate),
                "certificate",
            ),
        )
    return Issuing((leaf,), leaf, chain, known, ca.root_file, findings, asks)


def _key_type(fact: CertificateFact, otherwise: KeyType) -> KeyType:
    return fact.key_type if fact.key_type in _KEY_TYPES else otherwise  # type: ignore[return-value]


def _need_opening(fits: bool | None, key: FileFact, certificate: str, answers: Answers) -> bool:
    """Return whether somebody has to be asked for a passphrase before a CA's key can sign; raise where it never can."""
    if fits is True:
        return False
    if fits is None and not key.problem:
        return not answers.certificate.ca_passphrase_command
    why = key.problem or f"it does not belong to {certificate}"
    raise Refused(f"The CA's key cannot be used: {why}.", where=str(key.path), code="ca-key-unusable")


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


def _need_key(kind: str, answers: Answers, surroundings: Surroundings) -> bool:
    """Return whether somebody has to be asked before the CA's key can sign; raise where it cannot be used."""
    directory = answers.certificate.ca_directory
    state = surroundings.ca_keys.get(f"{kind}.key", False)
    if state is True:
        return False
    fact = surroundings.files.get(directory / f"{kind}.key")
    if fact is None or not fact.exists:
        raise Refused(
            f"The CA's key {kind}.key is not there, and a certificate has to be signed with it.",
            where=str(directory),
            hint="Bring the key back for as long as it takes to sign, or name another ca_directory for a new CA.",
            code="ca-key-missing",
        )
    return _need_opening(state, fact, f"{kind}.crt", answers)


def _will_do(wanted: Profile, surroundings: Surroundings, answers: Answers, owner: int, signer: str, following: tuple[str, ...]) -> bool:
    """Whether the leaf that stands at its place is what would be made, with enough of its life left and a key that the server takes."""
    leaf = surroundings.leaf
    if surroundings.renew and not {"server", "intermediate"} & surroundings.renew:
        return True
    if leaf is None or surroundings.leaf_due or surroundings.leaf_issuer != signer:
        return False
    if not _key_opens(leaf, surroundings, answers.certificate.passphrase):
        return False
    if (key := surroundings.files.get(answers.files.key)) is not None and not key_is_fit(key, owner):
        return False
    if set(leaf.names) != set(wanted.names) or leaf.key_type != wanted.key or surroundings.leaf_chain != following:
        return False
    issuer = surroundings.ca.get(signer)
    capped = issuer is not None and leaf.not_after == issuer.not_after
    return capped or made_for(wanted.days, leaf.not_after - leaf.not_before)


def _key_opens(leaf: CertificateFact, surroundings: Surroundings, passphrase: KeyPassphrase) -> bool:
    """Whether the key belongs to the leaf and is kept as wanted; whom nobody but a person at the terminal can open is taken on trust."""
    if surroundings.leaf_key_encrypted != (passphrase != "none"):
        return False
    return leaf.key_matches is True or (leaf.key_matches is None and passphrase == "prompt")


def key_is_fit(key: FileFact, owner: int) -> bool:
    """Whether the server takes a key file: its own for nobody else, or root's with a group that may read it."""
    return key.uid == owner and not key.mode & (0o037 if owner == 0 else 0o077)
