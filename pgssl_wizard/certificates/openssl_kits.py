"""A client's certificate and kit by hand: commands for a POSIX shell, OpenSSL 1.1.1 and newer."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

from pgssl_wizard.certificates.openssl import key_command
from pgssl_wizard.certificates.profiles import Profile
from pgssl_wizard.certificates.roles import directory_name

#: Names that mean themselves in a configuration file of OpenSSL.
_PLAIN = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_. -]*[A-Za-z0-9_.-])?")


def commands(profile: Profile, signer: tuple[str, str], above: Sequence[str], root: str, *, digest: str) -> tuple[str, ...]:
    """Return the commands that make one kit, but for its README.txt, in a directory named after the role.

    Args:
        profile: of kind `client`.
        signer: base names of the CA's certificate and key.
        above: base names of what a client sends after its own certificate: the signer, unless it is the root.
        root: base name of what the client checks the server with.
        digest: `-sha256` or `-sha384`, as the signer's key calls for.
    """
    directory = directory_name(profile.common_name)

    def at(name: str) -> str:
        return shlex.quote(f"{directory}/{name}")

    lines = [
        "subjectKeyIdentifier=hash",
        "authorityKeyIdentifier=keyid:always",
        "basicConstraints=critical,CA:FALSE",
        "keyUsage=critical,digitalSignature",
        "extendedKeyUsage=clientAuth",
        *_alternative_name(profile.common_name),
    ]
    subject = shlex.quote("/CN=" + profile.common_name.replace("\\", "\\\\").replace("/", "\\/").replace("+", "\\+"))
    ca, key = (shlex.quote(name) for name in signer)
    serial = "-set_serial 0x$(openssl rand -hex 16 | sed 's/^./4/')"
    leaf, chain = at("leaf.crt"), " ".join(shlex.quote(name) for name in above)
    certfile = f" -certfile {shlex.quote(above[0])}" if above else ""
    return (
        f"umask 077 && mkdir {shlex.quote(directory)}",
        f"openssl {key_command(profile.key)} -out {at('postgresql.key')}",
        f"printf '%s\\n' {' '.join(shlex.quote(line) for line in lines)} > {at('leaf.ext')}",
        f"openssl req -new -utf8 {digest} -key {at('postgresql.key')} -subj {subject} -out {at('leaf.csr')}",
        f"openssl x509 -req {digest} -days {profile.days} -in {at('leaf.csr')} -extfile {at('leaf.ext')} -CA {ca} -CAkey {key} {serial} -out {leaf}",
        f"cat {leaf} {chain}".rstrip() + f" > {at('postgresql.crt')}",
        f"openssl pkcs8 -topk8 -nocrypt -outform DER -in {at('postgresql.key')} -out {at('postgresql.pk8')}",
        f"openssl pkcs12 -export -in {leaf} -inkey {at('postgresql.key')}{certfile} -passout pass: -out {at('postgresql.p12')}",
        f"cp {shlex.quote(root)} {at('root.crt')} && rm {leaf} {at('leaf.ext')} {at('leaf.csr')}",
    )


def _alternative_name(role: str) -> list[str]:
    """Return the lines that say the role's name once more, as a directory name."""
    if _PLAIN.fullmatch(role):
        return ["subjectAltName=dirName:role", "[role]", f"CN={role}"]
    from cryptography import x509  # noqa: PLC0415 - a configuration file cannot spell every name; the encoded one is the same everywhere
    from cryptography.x509.oid import NameOID  # noqa: PLC0415

    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, role)])
    return [f"subjectAltName=DER:{x509.SubjectAlternativeName([x509.DirectoryName(name)]).public_bytes().hex()}"]
