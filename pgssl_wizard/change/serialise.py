"""A change as JSON, in the shape that `apply`, `rollback` and `history` print."""

from __future__ import annotations

from pgssl_wizard.change.model import Change
from pgssl_wizard.proof.serialise import attempt_to_json, proof_to_json, time_to_json


def change_to_json(change: Change) -> dict[str, object]:
    """Return the keys `change`, `trust_anchor`, `rehearsal` and those of `verify`."""
    anchor = None
    if change.trust_anchor is not None:
        anchor = {"path": str(change.trust_anchor), "sha256": change.trust_anchor_sha256}
    rehearsal = None if change.rehearsed is None else {"attempts": [attempt_to_json(each) for each in change.rehearsed]}
    return {"change": summary_to_json(change), "trust_anchor": anchor, "rehearsal": rehearsal, **proof_to_json(change.proof)}


def summary_to_json(change: Change) -> dict[str, object]:
    """Return one change without its proof, as `history` lists it."""
    return {
        "id": change.id,
        "state": change.state,
        "effective": change.effective,
        "proved": change.proved,
        "made": time_to_json(change.made) if change.made else None,
        "files": [str(path) for path in change.files],
        "kept": [str(path) for path in change.kept],
        "confirm_until": time_to_json(change.confirm_until) if change.confirm_until else None,
        "undoable": change.undoable,
        "forgotten": time_to_json(change.forgotten) if change.forgotten else None,
    }
