"""Every question once: key, type, default, help, limits.

The screens, the answers file, `--set key=value` and the help text all come from here. What a person gave is `Given`;
`complete` joins it with what the wizard recommends for a cluster to `Answers`, which has no gaps.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pgssl_wizard.certificates.profiles import KeyType

Source = Literal["self-signed", "new-ca", "existing-ca", "request", "import"]
ProtocolProfile = Literal["modern", "intermediate", "server-default", "custom"]
Encryption = Literal["optional", "required"]
ClientCertificates = Literal["none", "optional", "verify-ca", "verify-full", "cert"]


@dataclass(frozen=True, slots=True)
class ServerAnswers:
    """`[server]`: every name and address that clients connect to."""

    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CertificateAnswers:
    """`[certificate]`: where it comes from, its key, how long it lives; directories are absolute here."""

    source: Source = "new-ca"
    key: KeyType = "ecdsa-p256"
    days: int = 365
    ca_directory: Path = Path("ca")
    ca_name: str = "PostgreSQL CA"
    ca_days: int = 3650
    intermediate: bool = False
    intermediate_days: int = 1825


@dataclass(frozen=True, slots=True)
class FileAnswers:
    """`[files]`: where things go; paths are absolute here, `settings` None where they take effect."""

    certificate: Path = Path("server.crt")
    key: Path = Path("server.key")
    ca: Path = Path("root.crt")
    key_owner: Literal["server", "root"] = "server"
    key_group: str = ""
    settings: Path | None = None


@dataclass(frozen=True, slots=True)
class ProtocolAnswers:
    """`[protocol]`: a profile, or with `custom` each setting."""

    profile: ProtocolProfile = "intermediate"
    minimum: str = ""
    maximum: str = ""
    ciphers: str = ""
    tls13_ciphers: str = ""
    groups: str = ""
    prefer_server_ciphers: bool = True


@dataclass(frozen=True, slots=True)
class ClientAnswers:
    """`[clients]`: who must use TLS, who must show a certificate, and whose certificates count."""

    encryption: Encryption = "required"
    certificates: ClientCertificates = "none"
    ca: Path | None = None


@dataclass(frozen=True, slots=True)
class Answers:
    """A complete set of answers for one cluster."""

    server: ServerAnswers = field(default_factory=ServerAnswers)
    certificate: CertificateAnswers = field(default_factory=CertificateAnswers)
    files: FileAnswers = field(default_factory=FileAnswers)
    protocol: ProtocolAnswers = field(default_factory=ProtocolAnswers)
    clients: ClientAnswers = field(default_factory=ClientAnswers)


@dataclass(frozen=True, slots=True)
class Given:
    """What a person answered, by dotted key, still as TOML values; anything absent is left to the recommendation.

    Attributes:
        values: `{"certificate.days": 90}`.
        where: for each key `answers.toml:12`, `--set` or the step it was typed on, for error messages.
        base: what relative paths (other than those under `[files]`) mean.
    """

    values: Mapping[str, object] = field(default_factory=dict)
    where: Mapping[str, str] = field(default_factory=dict)
    base: Path = field(default_factory=Path.cwd)
