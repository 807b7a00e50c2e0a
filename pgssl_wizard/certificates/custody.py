"""The card that goes with a new CA: what lies where, which prints identify it, and what is to be taken offline."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pgssl_wizard.certificates.issue import Issued

#: What the card is called when it is saved.
NAME = "custody-card.txt"


def card(issued: Sequence[Issued], directory: Path, *, encrypted: bool) -> str:
    """Return the card to be printed.

    Args:
        issued: the CA's certificates that were made, the root first; their keys are not looked at.
        directory: where they lie.
        encrypted: their keys ask for a passphrase.
    """
    from pgssl_wizard.certificates.read import common_name_of  # noqa: PLC0415 - with it comes `cryptography`

    lines = ["Custody card of a certificate authority", "", "Print this, and keep it with the keys."]
    for each in issued:
        name = common_name_of(each.certificate)
        file = _stem(each)
        ends = each.certificate.not_valid_after_utc
        lines += ["", name, "-" * len(name)]
        lines += [f"  certificate   {directory / f'{file}.crt'}", f"  key           {directory / f'{file}.key'}"]
        lines += [f"  valid until   {ends:%Y-%m-%d %H:%M} UTC", f"  serial        {each.certificate.serial_number:x}"]
        print_ = ":".join(each.sha256[at : at + 2].upper() for at in range(0, 64, 2))
        lines += ["  SHA-256       " + print_[:48].rstrip(":"), "                " + print_[48:]]
    many = len(issued) > 1
    keys = " and ".join(f"{_stem(each)}.key" for each in issued)
    names = {_stem(each) for each in issued}
    lines += _part(
        "To take offline",
        f"{keys}: the server never needs {'them' if many else 'it'} again. Move {'them' if many else 'it'} to a medium that is locked away, "
        f"twice, and delete {'them' if many else 'it'} here. Bring back what signs for as long as it takes: a new server, a renewal, a client, "
        "a revocation list.",
        *(["The root signs only intermediates and its own revocation list: it can stay away for years."] if len(names) > 1 else []),
        "The keys are encrypted. The passphrase is written down nowhere; keep it apart from the keys. Without it they sign nothing more, and "
        "every client needs a new root."
        if encrypted
        else "The keys are not encrypted: whoever has one can pose as any of your servers.",
    )
    lines += _part(
        "To hand out",
        *(["root.crt goes to every client, as ~/.postgresql/root.crt or sslrootcert=FILE."] if "root" in names else []),
        "Whoever gets a certificate by mail compares the SHA-256 above by telephone.",
    )
    lines += _part(
        "If a key is lost to somebody else",
        "Make a new CA, hand out its root beside the old one, renew the servers, then take the old root away from the clients.",
    )
    return "\n".join(lines) + "\n"


def _part(title: str, *paragraphs: str) -> list[str]:
    """Return a part of the card, as wide as it can be printed."""
    texts = [line for text in paragraphs for line in textwrap.wrap(text, 78, initial_indent="  ", subsequent_indent="  ")]
    return ["", title, "-" * len(title), *texts]


def _stem(issued: Issued) -> str:
    return "root" if issued.certificate.subject == issued.certificate.issuer else "intermediate"
