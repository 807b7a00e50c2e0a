"""The bytes of a request: a key that is made now and waits, the request signed with it, and the record of both."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pgssl_wizard.cluster.facts import PendingRequest
from pgssl_wizard.plan.model import Plan

if TYPE_CHECKING:
    from pgssl_wizard.certificates.keys import PrivateKey


def is_request(plan: Plan) -> bool:
    """Whether a plan is a request: it leaves the server alone."""
    return plan.effective == "not-reloaded"


def make(plan: Plan, *, now: datetime, key_pem: Callable[[PrivateKey], bytes]) -> dict[Path, bytes]:
    """Return the bytes by planned path; writes nothing.

    Args:
        plan: of a request.
        now: goes into the record.
        key_pem: how the bytes of a server's key are made.
    """
    from pgssl_wizard.certificates import keys, request  # noqa: PLC0415 - cryptography only when it is needed
    from pgssl_wizard.cluster.requested import to_bytes  # noqa: PLC0415

    paths = {change.role: change.path for change in plan.changes}
    profile = next(change.profile for change in plan.changes if change.role == "request")
    assert profile is not None
    key = keys.generate(profile.key)
    record = PendingRequest(
        record=paths["record"],
        request=paths["request"],
        key=paths["requested-key"],
        place=plan.answers.files.key,
        names=profile.names,
        key_type=profile.key,
        public_sha256=request.public_sha256(key.public_key()),
        made=now,
    )
    return {
        paths["requested-key"]: key_pem(key),
        paths["request"]: request.make(profile, key),
        paths["record"]: to_bytes(record),
    }
