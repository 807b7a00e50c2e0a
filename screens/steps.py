"""The steps as data: their order, names in the receipt, and where each screen is; screens are imported when first shown."""

from __future__ import annotations

from dataclasses import dataclass

#: What the receipt says of a change that no longer stands: a person undid it, or nobody confirmed it.
UNDONE, PUT_BACK = "undone", "put back"


@dataclass(frozen=True, slots=True)
class StepSpec:
    """One step: its key (also the lesson's file name), its name in the receipt, and `module:Class` of its screen."""

    key: str
    name: str
    screen: str


STEPS: tuple[StepSpec, ...] = (
    StepSpec("cluster", "Data directory", "directory:DirectoryStep"),
    StepSpec("names", "Names", "names:NamesStep"),
    StepSpec("certificate", "Certificate", "source:SourceStep"),
    StepSpec("key", "Key and validity", "key:KeyStep"),
    StepSpec("files", "File locations", "places:PlacesStep"),
    StepSpec("protocol", "Protocol", "protocol:ProtocolStep"),
    StepSpec("clients", "Client certificates", "clients:ClientsStep"),
    StepSpec("rules", "Access rules", "rules:RulesStep"),
    StepSpec("preview", "Preview", "preview:PreviewStep"),
    StepSpec("apply", "Apply", "apply:ApplyStep"),
    StepSpec("proof", "Proof", "proof:ProofStep"),
)

KEYS = tuple(spec.key for spec in STEPS)


def sign_of(answer: str, *, current: bool) -> tuple[str, str]:
    """Return the sign and its style that a step has in the receipt."""
    if current:
        return "◉", "bold $pg-primary"
    if answer in {UNDONE, PUT_BACK}:
        return "-", "$pg-muted"
    return ("✓", "$pg-ok") if answer else ("○", "$pg-muted")


def position(key: str) -> int:
    """Return the place of a step, from 0; -1 for screens that are none."""
    return KEYS.index(key) if key in KEYS else -1
