"""The same certificates by hand: commands for a POSIX shell in an empty directory, OpenSSL 1.1.1 and newer."""

from __future__ import annotations

import shlex
from collections.abc import Container, Mapping, Sequence
from typing import TYPE_CHECKING

from pgssl_wizard.certificates.names import parse_names
from pgssl_wizard.certificates.profiles import Profile

if TYPE_CHECKING:
    from pgssl_wizard.certificates.profiles import KeyType


def commands(
    profiles: Sequence[Profile],
    files: Mapping[Profile, tuple[str, str]],
    chains: Mapping[str, Sequence[str]],
    encrypted: Container[str] = (),
) -> tuple[str, ...]:
    """Return the commands that make the same certificates.

    Args:
        profiles: what is made now, issuers first.
        files: base names of certificate and key of every profile, those that exist already included.
        encrypted: base names of keys that get a passphrase; openssl asks for it at the terminal.
        chains: chain files that are more than one certificate: base name to the base names put together, leaf first.
    """
    lines: list[str] = []
    by_name = {profile.common_name: names for profile, names in files.items() if profile.kind in {"root", "intermediate"}}
    chained = {parts[0]: target for target, parts in chains.items() if len(parts) > 1}
    for profile in profiles:
        certificate, key = files[profile]
        # A file that becomes the first part of a chain is made under a name of its own and put together at the end.
        single = chained_single(certificate) if certificate in chained else certificate
        stem = single.rsplit(".", 1)[0]
        subject = shlex.quote("/CN=" + profile.common_name.replace("\\", "\\\\").replace("/", "\\/"))
        if not profile.keeps_key:
            cipher = " -aes-256-cbc" if key in encrypted else ""
            lines.append(f"umask 077 && openssl {key_command(profile.key)}{cipher} -out {shlex.quote(key)}")
        lines.append(f"printf '%s\\n' {' '.join(shlex.quote(line) for line in extensions(profile))} > {shlex.quote(stem + '.ext')}")
        digest = "-sha384" if _signer_key(profile, files) == "ecdsa-p384" else "-sha256"
        lines.append(f"openssl req -new {digest} -key {shlex.quote(key)} -subj {subject} -out {shlex.quote(stem + '.csr')}")
        sign = f"openssl x509 -req {digest} -days {profile.days} -in {shlex.quote(stem + '.csr')} -extfile {shlex.quote(stem + '.ext')}"
        if profile.kind in {"root", "self-signed"}:
            lines.append(f"{sign} -signkey {shlex.quote(key)} -out {shlex.quote(single)}")
        else:
            ca, ca_key = by_name[profile.issuer]
            serial = "-set_serial 0x$(openssl rand -hex 16 | sed 's/^./4/')"
            lines.append(f"{sign} -CA {shlex.quote(ca)} -CAkey {shlex.quote(ca_key)} {serial} -out {shlex.quote(single)}")
    for target, parts in chains.items():
        if len(parts) > 1:
            sources = [chained_single(part) if part == target else part for part in parts]
            lines.append(f"cat {' '.join(shlex.quote(part) for part in sources)} > {shlex.quote(target)}")
    return tuple(lines)


def request_commands(profile: Profile, request: str, key: str) -> tuple[str, ...]:
    """Return the commands that make the same key and request.

    Args:
        profile: of kind `request`.
        request: base name of its file.
        key: base name of the key's file.
    """
    usage = "digitalSignature,keyEncipherment" if profile.key.startswith("rsa") else "digitalSignature"
    names = [f"{'IP' if name.kind == 'address' else 'DNS'}:{name.text}" for name in parse_names(profile.names)]
    wanted = (f"keyUsage=critical,{usage}", "extendedKeyUsage=serverAuth", "subjectAltName=" + ",".join(names))
    digest = "-sha384" if profile.key == "ecdsa-p384" else "-sha256"
    subject = shlex.quote("/CN=" + profile.common_name)
    return (
        f"umask 077 && openssl {key_command(profile.key)} -out {shlex.quote(key)}",
        f"openssl req -new {digest} -key {shlex.quote(key)} -subj {subject} "
        + " ".join(f"-addext {shlex.quote(each)}" for each in wanted)
        + f" -out {shlex.quote(request)}",
    )


def chained_single(certificate: str) -> str:
    """Return the name under which the leaf alone is made before it becomes a chain file."""
    stem, dot, suffix = certificate.rpartition(".")
    return f"{stem}-only{dot}{suffix}" if dot else f"{certificate}-only"


def key_command(kind: KeyType) -> str:
    """Return the openssl subcommand that makes a key of this type, PKCS#8."""
    if kind.startswith("rsa"):
        return f"genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:{kind.removeprefix('rsa-')}"
    return f"genpkey -algorithm EC -pkeyopt ec_paramgen_curve:{'P-256' if kind.endswith('256') else 'P-384'}"


def extensions(profile: Profile) -> list[str]:
    """Return the lines of an OpenSSL extension file for this profile."""
    assert profile.kind != "client", "a kit is made by `issue`, which shows no commands"
    lines = ["subjectKeyIdentifier=hash"]
    if profile.kind != "root":
        # For a self-signed one, openssl leaves it out unless it is told "always".
        lines.append("authorityKeyIdentifier=keyid:always")
    if profile.kind in {"root", "intermediate"}:
        length = "" if profile.path_length is None else f",pathlen:{profile.path_length}"
        return [*lines, f"basicConstraints=critical,CA:TRUE{length}", "keyUsage=critical,keyCertSign,cRLSign"]
    usage = "digitalSignature,keyEncipherment" if profile.key.startswith("rsa") else "digitalSignature"
    names = parse_names(profile.names)
    entries = [f"DNS:{name.text}" for name in names] + [f"IP:{name.text}" for name in names if name.kind == "address"]
    return [
        *lines,
        "basicConstraints=critical,CA:FALSE",
        *([f"keyUsage=critical,{usage}"] if profile.kind != "self-signed" else []),
        "extendedKeyUsage=serverAuth",
        "subjectAltName=" + ",".join(entries),
    ]


def _signer_key(profile: Profile, files: Mapping[Profile, tuple[str, str]]) -> str:
    if profile.kind in {"root", "self-signed"}:
        return profile.key
    return next((other.key for other in files if other.common_name == profile.issuer and other.kind != "server"), profile.key)
