"""What each kind of certificate says, before any key exists: the plan shows profiles, apply turns them into certificates.

The profiles satisfy libpq, OpenSSL with `-x509_strict`, pyca's verifier and pkilint. Ed25519 is absent on purpose: a leaf
signed by it breaks SCRAM channel binding in libpq 13 to 18.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

#: A client whose clock is a little behind must not find a certificate from the future.
BACKDATED = timedelta(hours=1)
#: Certificates know whole seconds only; both ends may lose a part of one.
ROUNDED = timedelta(seconds=2)

KeyType = Literal["ecdsa-p256", "ecdsa-p384", "rsa-2048", "rsa-3072", "rsa-4096"]
#: Of a client's certificate, where nobody says otherwise.
CLIENT_KEY: KeyType = "ecdsa-p256"
CLIENT_DAYS = 365
#: A `request` becomes a server certificate at somebody else's CA, which decides how long it lives.
CertificateKind = Literal["root", "intermediate", "server", "self-signed", "client", "request"]


@dataclass(frozen=True, slots=True)
class Profile:
    """One certificate to be made.

    Attributes:
        kind: which profile of extensions it gets.
        common_name: the subject's CN, at most 64 bytes; of a client, the role.
        names: subject alternative names, DNS names and addresses as a person writes them; empty for CAs and clients.
        key: the type of its own key.
        days: how long it lives, from an hour before it is made; never beyond its issuer. 0 for a `request`.
        issuer: the common name of who signs it; its own for `root` and `self-signed`, empty for a `request`.
        path_length: how many CAs may stand below it, None for leaves.
        keeps_key: a CA that is made anew for the key that it has, so that what it signed stays good.
    """

    kind: CertificateKind
    common_name: str
    key: KeyType
    days: int
    issuer: str
    names: tuple[str, ...] = ()
    path_length: int | None = None
    keeps_key: bool = False


def made_for(days: int, life: timedelta) -> bool:
    """Return whether a certificate of this life was made for so many days; a CA younger than an hour cuts off some of that hour."""
    return timedelta() <= timedelta(days=days) - life <= BACKDATED + ROUNDED
