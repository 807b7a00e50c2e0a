"""What a person says of single rules and of maps; free of everything else, so that the answers can hold it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pgssl_wizard.errors import UnusableInput

RuleEncryption = Literal["leave", "optional", "required"]
Certificates = Literal["none", "optional", "verify-ca", "verify-full", "cert"]

#: Those that let nobody in without a certificate.
DEMANDS = frozenset({"verify-ca", "verify-full", "cert"})


@dataclass(frozen=True, slots=True)
class RuleAnswer:
    """What differs for one rule.

    Attributes:
        match: its words as in the file.
        file: where it stands, as far as that is needed to tell it from the same rule in other files; empty for any.
        encryption, certificates: None where it is as for all the others.
        map: the map that translates the certificate's name; empty for none.
    """

    match: str
    file: str = ""
    encryption: RuleEncryption | None = None
    certificates: Certificates | None = None
    map: str = ""

    def to_table(self) -> dict[str, Any]:
        """Return it as the answers file has it."""
        told = {"match": self.match, "file": self.file, "encryption": self.encryption, "certificates": self.certificates}
        return {key: value for key, value in {**told, "map": self.map}.items() if value}


def put(tables: Sequence[Mapping[str, Any]], answer: RuleAnswer) -> list[dict[str, Any]]:
    """Return the tables of `clients.rule` with this answer in the place of an earlier one about the same rule; one that says nothing goes."""
    others = [dict(each) for each in tables if (each["match"], each.get("file", "")) != (answer.match, answer.file)]
    says_something = answer.encryption or answer.certificates or answer.map
    return [*others, answer.to_table()] if says_something else others


@dataclass(frozen=True, slots=True)
class MapAnswer:
    """One entry of pg_ident.conf, each field as the file has it but for quotes that are only needed there."""

    map: str
    system_user: str
    role: str

    def to_table(self) -> dict[str, Any]:
        """Return it as the answers file has it."""
        return {"map": self.map, "system_user": self.system_user, "role": self.role}


def typed(entries: Iterable[MapAnswer]) -> dict[str, str]:
    """Return the entries of each map as a person types them."""
    found: dict[str, list[str]] = {}
    for each in entries:
        found.setdefault(each.map, []).append(f"{each.system_user} = {each.role}")
    return {name: "; ".join(texts) for name, texts in found.items()}


def parse_entries(name: str, text: str) -> list[MapAnswer]:
    """Return the entries that a person typed for a map.

    Raises:
        UnusableInput: one has no role.
    """
    found = []
    for part in filter(None, (each.strip() for each in text.split(";"))):
        # The name may be that of a certificate, with an equals sign of its own: CN=app = app.
        user, equals, role = part.rpartition("=")
        if not equals or not user.strip() or not role.strip():
            raise UnusableInput(f"“{part}” names no role.", where="clients.maps", hint="Write NAME = ROLE; NAME = ROLE.", code="bad-map")
        found.append(MapAnswer(name, user.strip(), role.strip()))
    return found
