"""The command `revoke`: certificates that count no longer, and the lists by which servers know it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pgssl_wizard.cli import report
from pgssl_wizard.cli.ca_passphrase import ca_passphrase
from pgssl_wizard.cli.calling import Call, PathArgument, command
from pgssl_wizard.errors import ExitCode, UnusableInput

if TYPE_CHECKING:
    from pgssl_wizard.change.revoke import Outcome, Revoked, StandingList

#: RFC 5280, 5.3.1; a test holds it against the library's own list, which costs too much to import here.
REASONS = (
    "unspecified",
    "keyCompromise",
    "cACompromise",
    "affiliationChanged",
    "superseded",
    "cessationOfOperation",
    "certificateHold",
    "privilegeWithdrawn",
    "aACompromise",
)


@command("revoke")
@click.argument("certificates", metavar="[CERTIFICATE…]", nargs=-1, type=PathArgument())
@click.option("--ca", type=PathArgument(), metavar="DIR", help="The CA's directory: intermediate.crt and .key, root.crt and .key.")
@click.option("--serial", "serials", multiple=True, metavar="HEX", help="A certificate that is not at hand, by its number. Repeatable.")
@click.option(
    "--reason",
    type=click.Choice(REASONS, case_sensitive=False),
    default="unspecified",
    show_default=True,
    metavar="NAME",
    help=f"Why: {', '.join(REASONS[1:])}.",
)
@click.option(
    "--days",
    type=click.IntRange(1, 3650),
    default=30,
    show_default=True,
    metavar="N",
    help="How long the lists live. Once one has ended, servers refuse every client certificate.",
)
@click.option("--renew", is_flag=True, help="Make the lists anew with what is in them; so does naming no certificate.")
@click.option("--ca-certificate", type=PathArgument(), metavar="FILE", help="The CA's certificate, when it has another name.")
@click.option("--ca-key", type=PathArgument(), metavar="FILE", help="The CA's key, when it has another name.")
@click.option("--ca-passphrase-command", metavar="COMMAND", help="Prints the passphrase of the CA's key.  [default: a prompt]")
def revoke(
    call: Call,
    certificates: tuple[Path, ...],
    ca: Path | None,
    serials: tuple[str, ...],
    reason: str,
    days: int,
    renew: bool,
    ca_certificate: Path | None,
    ca_key: Path | None,
    ca_passphrase_command: str | None,
) -> int:
    """Revoke client certificates and write the list of the CA that signed them: root.crl or intermediate.crl in its directory.

    CERTIFICATE is a file (PEM or DER) or the directory of a kit. What was revoked before stays revoked. Every CA above a
    client needs a list that has not ended, so the lists of the CAs above are made too where their keys are.

    Servers know nothing of it yet: a list counts once it is in their files and they have reloaded.
    """
    from datetime import UTC, datetime  # noqa: PLC0415

    from pgssl_wizard.change import revoke as change  # noqa: PLC0415 - with it comes `cryptography`

    call.journey.refuse_when_read_only("revoke")
    if ca is None and ca_certificate is None and ca_key is None:
        raise UnusableInput("revoke wants a CA: --ca DIR, or --ca-certificate and --ca-key.", code="usage")
    wanted = change.Wanted(certificates, tuple(_parse_serial(text) for text in serials), ca, ca_certificate, ca_key, reason, days, renew)
    done = change.revoke(wanted, now=datetime.now(UTC), ca_passphrase=ca_passphrase(ca_passphrase_command))
    if call.as_json:
        document = {"revoked": [_revoked(each) for each in done.revoked], "crl": [_list(each) for each in done.lists]}
        return call.document(ExitCode.DONE, done.findings, document)
    _tell(done)
    return ExitCode.DONE


def _parse_serial(text: str) -> int:
    """Return the number that a person gives in hexadecimal digits, with colons between the bytes or without.

    Raises:
        UnusableInput: it is none, or longer than certificates have (20 bytes).
    """
    digits = text.strip().lower().removeprefix("0x").replace(":", "")
    if not digits or set(digits) - set("0123456789abcdef") or len(digits) > 40 or int(digits, 16) == 0:
        raise UnusableInput(
            f"{text!r} is no serial number in hexadecimal digits.",
            where="--serial",
            hint="openssl x509 -serial -noout -in FILE prints one; so does pg_stat_ssl, in decimal.",
            code="bad-serial",
        )
    return int(digits, 16)


def _absolute(path: Path) -> str:
    import os  # noqa: PLC0415

    return os.path.abspath(path)  # noqa: PTH100 - links in a path stay as they are


def _revoked(each: Revoked) -> dict[str, Any]:
    from pgssl_wizard.certificates.revocation import serial_text  # noqa: PLC0415

    return {
        "certificate": _absolute(each.certificate) if each.certificate else None,
        "subject": each.subject,
        "serial": serial_text(each.serial),
        "sha256": each.sha256,
        "reason": each.reason,
        "already": each.already,
    }


def _list(each: StandingList) -> dict[str, Any]:
    from pgssl_wizard.certificates.revocation import number_of  # noqa: PLC0415
    from pgssl_wizard.proof.serialise import time_to_json  # noqa: PLC0415

    ends = each.value.next_update_utc
    return {
        "path": _absolute(each.path),
        "issuer": each.issuer,
        "number": number_of(each.value),
        "this_update": time_to_json(each.value.last_update_utc),
        "next_update": time_to_json(ends) if ends is not None else None,
        "revoked": len(each.value),
        "written": each.written,
    }


def _tell(done: Outcome) -> None:
    """Print the report for people."""
    from pgssl_wizard.certificates.revocation import number_of, serial_text  # noqa: PLC0415

    for one in done.revoked:
        if not one.already:
            why = f"  {one.reason}" if one.reason != "unspecified" else ""
            print(f"Revoked: {one.subject or 'the certificate'}, serial number {serial_text(one.serial)}{why}")
    for each in done.lists:
        ends = f", to {each.value.next_update_utc:%Y-%m-%d %H:%M} UTC" if each.value.next_update_utc is not None else ""
        state = "" if each.written else ", as it was"
        print(f"{each.path}: list {number_of(each.value)} of {each.issuer}, {len(each.value)} revoked{ends}{state}")
    report.findings(done.findings)
    if any(each.written for each in done.lists):
        print("It counts once servers have it: pgssl-wizard renew DATADIR --crl --now, or apply with files.crl (or files.crl_dir) set.")
        print("Do so again, or renew, before the list ends: from then on servers refuse every client certificate.")
