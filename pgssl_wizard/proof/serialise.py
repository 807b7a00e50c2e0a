"""The proof as JSON, in the shape that `verify` and `apply` print."""

from __future__ import annotations

from datetime import UTC, datetime

from pgssl_wizard.proof.model import Attempt, Proof, Served


def time_to_json(moment: datetime) -> str:
    """Return a time as ISO 8601 with Z."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def served_to_json(served: Served) -> dict[str, object]:
    """Return what a handshake met."""
    return {
        "sha256": served.sha256,
        "protocol": served.protocol,
        "cipher": served.cipher,
        "chain": [
            {
                "subject": certificate.subject,
                "issuer": certificate.issuer,
                "not_after": time_to_json(certificate.not_after),
                "sha256": certificate.sha256,
            }
            for certificate in served.chain
        ],
    }


def attempt_to_json(attempt: Attempt) -> dict[str, object]:
    """Return one attempt."""
    return {
        "host": attempt.host,
        "hostaddr": attempt.hostaddr,
        "user": attempt.user,
        "sslmode": attempt.sslmode,
        "root": attempt.root,
        "certificate": attempt.certificate,
        "expected": attempt.expected,
        "outcome": attempt.outcome,
        "tls": attempt.tls,
        "message": attempt.message,
    }


def proof_to_json(proof: Proof | None) -> dict[str, object]:
    """Return the keys `served`, `matches_disk`, `attempts`; without a proof they are there all the same."""
    if proof is None:
        return {"served": None, "matches_disk": None, "attempts": []}
    return {
        "served": served_to_json(proof.served) if proof.served else None,
        "matches_disk": proof.matches_disk,
        "attempts": [attempt_to_json(attempt) for attempt in proof.attempts],
    }
