"""Files whose certificates, keys and lists are judged together, and what is said of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cryptography import x509

from pgssl_wizard.certificates.key_file import KeyFile
from pgssl_wizard.certificates.load import Certificate, Objects
from pgssl_wizard.certificates.read import common_name_of, names_of
from pgssl_wizard.findings import Severity

#: What a file is for. `ca` is a root file of clients or the CA file of a server; an intermediate lies by itself only until
#: it is put into a chain.
Role = Literal[
    "server-certificate", "client-certificate", "ca", "intermediate", "server-key", "client-key", "ca-key", "crl", "request", "pkcs12"
]


@dataclass(frozen=True, slots=True)
class Given:
    """One file.

    Attributes:
        path: how it is named in what is said.
        role: what it is for.
        objects: what it holds.
        file: owner and mode of a key's file, None when they do not matter.
    """

    path: Path
    role: Role
    objects: Objects
    file: KeyFile | None = None

    @property
    def leaf(self) -> Certificate | None:
        """The first certificate that OpenSSL sees, which the server and libpq take for their own; if it sees none, the first."""
        certificates = self.objects.certificates
        seen = {part.line for part in self.objects.parts if part.seen or part.marked}
        return next((each for each in certificates if each.line in seen), certificates[0] if certificates else None)


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing worth saying.

    Attributes:
        path, line: where; line 0 for the file as a whole.
        severity: error: the server would refuse it; warning: clients will, or it is surely unsafe; info: good to know.
        code: kebab-case, for scripts.
        what: a whole sentence.
        hint: the cure, or None.
        refused: a server or client would not load the file.
    """

    path: Path
    line: int
    severity: Severity
    code: str
    what: str
    hint: str | None = None
    refused: bool = False


def called(certificate: x509.Certificate) -> str:
    """Return what people call a certificate: its common name, else its first name, else the whole subject."""
    names = names_of(certificate)
    return f"“{_shown(common_name_of(certificate) or (names[0] if names else certificate.subject.rfc4514_string()) or 'without a name')}”"


def name_called(name: x509.Name) -> str:
    """Return the common name of a subject or issuer, else the whole of it."""
    common = name.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return f"“{_shown(str(common[0].value) if common else name.rfc4514_string() or 'without a name')}”"


def _shown(text: str) -> str:
    return text if len(text) <= 80 else text[:77] + "…"
