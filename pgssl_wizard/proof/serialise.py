"""The proof as JSON, in the shape that `verify` and `apply` print."""

from __future__ import annotations

from datetime import UTC, datetime

from pgssl_wizard.proof.model import Attempt, Proof, Served, Way


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


def way_to_json(way: Way) -> dict[str, object]:
    """Return one way in."""
    return {
        "who": way.who,
        "kind": way.kind,
        "transport": way.transport,
        "database": way.database or None,
        "replication": way.replication,
        "address": way.address,
        "certificate": way.certificate,
        "expected": way.expected,
        "outcome": way.outcome,
        "message": way.message,
        "rule": way.rule,
        "closed": way.closed,
        "asked_for_password": way.asked,
    }


def proof_to_json(proof: Proof | None) -> dict[str, object]:
    """Return the keys of `verify`; without a proof they are there all the same."""
    if proof is None:
        return {
            "served": None,
            "matches_disk": None,
            "configured": None,
            "attempts": [],
            "client_library": None,
            "ways": [],
            "ways_left_out": 0,
            "log": None,
        }
    configured, log = proof.configured, proof.log
    return {
        "served": served_to_json(proof.served) if proof.served else None,
        "matches_disk": proof.matches_disk,
        "configured": {"certificate": str(configured.certificate), "sha256": configured.sha256, "by_server": configured.by_server}
        if configured
        else None,
        "attempts": [attempt_to_json(attempt) for attempt in proof.attempts],
        "client_library": proof.client_library or None,
        "ways": [way_to_json(way) for way in proof.ways],
        "ways_left_out": proof.ways_left_out,
        "log": {"file": str(log.file) if log.file else None, "lines": list(log.lines)} if log else None,
    }
