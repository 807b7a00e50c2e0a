"""Would a strict client accept this? Asked of pyca's own verifier, which is stricter than libpq."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from datetime import datetime

from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from pgssl_wizard.certificates.names import Name


def objections(chain: Sequence[x509.Certificate], root: x509.Certificate, names: Sequence[Name], when: datetime) -> tuple[str, ...]:
    """Return what the verifier says against the chain, one line a name; empty when it accepts every name.

    Args:
        chain: leaf first.
        root: the trust anchor, which may be the leaf itself when it is self-signed.
        names: those to ask for; names with an underscore cannot be asked, a wildcard is asked with a label in its place.
        when: the time of asking, with a time zone.
    """
    found = []
    for name in names:
        if "_" in name.text:
            continue
        subject: x509.DNSName | x509.IPAddress
        if name.kind == "address":
            subject = x509.IPAddress(ipaddress.ip_address(name.text))
        else:
            subject = x509.DNSName(name.text.replace("*", "any", 1))
        verifier = PolicyBuilder().store(Store([root])).time(when.replace(tzinfo=None)).build_server_verifier(subject)
        try:
            verifier.verify(chain[0], list(chain[1:]))
        except VerificationError as error:
            found.append(f"{name.text}: {error}")
    return tuple(found)


def client_objections(chain: Sequence[x509.Certificate], root: x509.Certificate, when: datetime) -> tuple[str, ...]:
    """Return what the verifier says against a client's chain, leaf first; empty when it accepts it."""
    verifier = PolicyBuilder().store(Store([root])).time(when.replace(tzinfo=None)).build_client_verifier()
    try:
        verifier.verify(chain[0], list(chain[1:]))
    except (VerificationError, ValueError) as error:
        return (str(error),)
    return ()
