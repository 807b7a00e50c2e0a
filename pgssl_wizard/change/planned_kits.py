"""The kits that a plan makes: prepared before anything is written, made once TLS stands, never undone."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pgssl_wizard.change.model import Event
from pgssl_wizard.change.passphrases import Passphrases
from pgssl_wizard.change.progress import Report
from pgssl_wizard.change.signals import Watch
from pgssl_wizard.cluster.facts import Cluster
from pgssl_wizard.cluster.kits import signer_files
from pgssl_wizard.errors import Refused
from pgssl_wizard.plan.kits import connection, roles_of
from pgssl_wizard.plan.model import Plan

if TYPE_CHECKING:
    from pgssl_wizard.certificates.authority import Authority
    from pgssl_wizard.certificates.issue import Issued
    from pgssl_wizard.certificates.kits import Kit
    from pgssl_wizard.certificates.profiles import Profile
    from pgssl_wizard.change.issue import Prepared

#: Seconds between two words on how far it is.
_TELL_EVERY = 0.5


def prepare(
    plan: Plan, cluster: Cluster, made: Mapping[Profile, Issued], root: bytes | None, passphrases: Passphrases, now: datetime
) -> Prepared | None:
    """Open the CA and return the kits to be made, None when the plan has none; writes nothing.

    Args:
        plan: names the roles.
        cluster: for the settings in the kits.
        made: the certificates of this change; the CA that signs may be among them, and is not on the disk yet.
        root: what clients check the server with, PEM.
        passphrases: for an encrypted key.
        now: the time of issuing.

    Raises:
        Refused: the CA may not sign, or something has got a kit's name meanwhile.
        UnusableInput: there is no CA that can be used.
    """
    roles = roles_of(plan.changes)
    if not roles:
        return None
    from pgssl_wizard.certificates.kits import roots_of  # noqa: PLC0415 - with cryptography, only where there are kits
    from pgssl_wizard.change.issue import Wanted, prepare_with  # noqa: PLC0415

    wanted = Wanted(roles, plan.answers.clients.directory, connection=connection(plan.answers, cluster))
    prepared = prepare_with(
        _authority(plan, made, passphrases, now), roots_of(root or b"", str(plan.trust_anchor)), wanted, now=now
    )  # fmt: skip
    if prepared.refused:
        first = prepared.refused[0]
        raise Refused(first.message, where=first.where, hint=first.hint, code=first.code)
    return prepared


def make(prepared: Prepared, output: Path, watch: Watch, report: Report, made: list[Path]) -> None:
    """Make the kits and write them. Tells how many stand, now and then.

    Args:
        prepared: what to make.
        output: where they go.
        watch: for signals.
        report: is told of the progress.
        made: gets the place of each kit that stands, also when the rest cannot be made.

    Raises:
        Refused: they cannot be written. Kits that stand by then are whole.
    """
    from pgssl_wizard.change.issue import carry_out  # noqa: PLC0415

    total, last = len(prepared.make), time.monotonic()

    def told(kit: Kit) -> None:
        nonlocal last
        made.append(output / kit.directory)
        now = time.monotonic()
        if now - last >= _TELL_EVERY:
            last = now
            report(Event("kits", "running", f"{len(made)} of {total} client certificates"))

    carry_out(prepared, output, watch, told)


def _authority(plan: Plan, made: Mapping[Profile, Issued], passphrases: Passphrases, now: datetime) -> Authority:
    """Return who signs: a CA of this change, or the one on the disk."""
    from pgssl_wizard.certificates.authority import Authority, upwards  # noqa: PLC0415
    from pgssl_wizard.certificates.read import read_certificates  # noqa: PLC0415
    from pgssl_wizard.change.issue import open_files  # noqa: PLC0415
    from pgssl_wizard.change.write import read_state  # noqa: PLC0415

    answers = plan.answers
    if answers.clients.ca is None:
        ours = {profile.kind: issued for profile, issued in made.items() if profile.kind in {"root", "intermediate"}}
        signer = ours.get("intermediate") or (None if answers.certificate.intermediate else ours.get("root"))
        if signer is not None:
            standing = read_state(answers.certificate.ca_directory / "root.crt").data or b""
            pool = [*(issued.certificate for issued in ours.values()), *read_certificates(standing)]
            return Authority(signer, *upwards(signer.certificate, pool))
    places = signer_files(answers)
    assert places is not None, "answers that lead to no CA have no kits"
    key = places[1]
    return open_files(*places, now, lambda tried: passphrases.ca_key(key) if tried == 0 else None, root=plan.trust_anchor)
