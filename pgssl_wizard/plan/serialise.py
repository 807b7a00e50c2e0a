"""A plan as JSON: for people and scripts, for the saved plan that `apply PLAN` takes, and for its hash.

Secrets never pass through here: keys do not exist before apply, and the old content of a secret file is never read.
"""

from __future__ import annotations

import base64
import collections.abc
import dataclasses
import hashlib
import json
import typing
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

from pgssl_wizard.answers import Answers
from pgssl_wizard.errors import Refused, UnusableInput
from pgssl_wizard.files.diff import unified
from pgssl_wizard.plan.model import Ciphers, HandedOver, KnownChange, Plan, PlannedFile
from pgssl_wizard.plan.secrets import line_of_secret, masked

FORMAT = "pgssl-wizard plan 1"


def plan_to_json(plan: Plan) -> dict[str, Any]:
    """Return the keys that the `plan` document has besides `command`, `ok` and `findings`."""
    return {
        "changes": [change_to_json(change) for change in plan.changes],
        "directories": [change_to_json(directory) for directory in plan.new_directories],
        "settings": dict(plan.settings),
        "sql": list(plan.sql),
        "openssl": list(plan.openssl),
        "trust_anchor": {"path": str(plan.trust_anchor)} if plan.trust_anchor else None,
        "locked_out": [
            {"who": each.who, "rule_now": each.rule_now, "rule_then": each.rule_then, "message": each.message} for each in plan.locked_out
        ],
        "known": [known_to_json(each) for each in plan.known],
        "goes_live_too": list(plan.goes_live_too),
        "effective": plan.effective,
        "ciphers": ciphers_to_json(plan.ciphers),
        "handed_over": handed_over_to_json(plan.handed_over),
        "hash": plan.hash,
    }


def handed_over_to_json(handed: HandedOver | None) -> dict[str, Any] | None:
    """Return what the cluster's manager is to be given; null for a cluster that nobody manages."""
    if handed is None:
        return None
    return {
        "manager": handed.manager,
        "documents": [{"title": each.title, "format": each.format, "text": each.text, "how": list(each.how)} for each in handed.documents],
        "files": [{"path": str(each.path), "mode": f"{each.mode:04o}", "owner": each.owner, "what": each.what} for each in handed.files],
    }


def known_to_json(known: KnownChange) -> dict[str, Any]:
    """Return what the change means to one known client."""
    return {
        "who": known.who,
        "machine": known.machine,
        "source": known.source,
        "user": known.user,
        "database": known.database,
        "from": known.origin,
        "manner": known.manner or None,
        "application": known.application or None,
        "let_in_now": known.let_in_now,
        "let_in_then": known.let_in_then,
        "rule_now": known.rule_now,
        "rule_then": known.rule_then,
        "changes": known.changes,
        "certificate": known.certificate,
        "refused": known.refused,
    }


def ciphers_to_json(ciphers: Ciphers | None) -> dict[str, Any] | None:
    """Return what the lists expand to, best first; null when the server's library could not be asked."""
    if ciphers is None:
        return None
    offer = ciphers.offer
    return {
        "openssl": offer.library,
        "security_level": offer.level,
        "suites": [
            {
                "name": suite.name,
                "tls": list(suite.tls),
                "bits": suite.bits,
                "strength": suite.strength,
                "authentication": suite.authentication,
                "key_exchange": suite.exchange,
                "fits_key": suite.fits(ciphers.key),
            }
            for suite in offer.suites
            if suite.tls
        ],
        "groups": list(offer.groups),
    }


def change_to_json(change: PlannedFile) -> dict[str, Any]:
    """Return one planned file; `diff` is null for keys and certificates, `profile` tells a certificate in words."""
    textual = change.role in {"settings", "auto-settings", "rules", "maps"}
    certificate = change.role.endswith("-certificate") or change.role in {"client-ca", "server-pair", "kit", "request"}
    return {
        "path": str(change.path),
        "action": change.action,
        "mode": f"{change.mode:04o}",
        "owner": change.owner,
        "secret": change.secret,
        "diff": masked(unified(change.before, change.after, str(change.path))) if textual else None,
        "profile": _in_words(change) if certificate else None,
    }


def _in_words(change: PlannedFile) -> str | None:
    """Return what a certificate will say, or says already where it was brought."""
    from pgssl_wizard.certificates.describe import in_words  # noqa: PLC0415

    if change.holds:
        above = [words[0] for words in change.holds[1:]]
        return "; ".join((*change.holds[0], *(f"followed by {each}" for each in above)))
    return "; ".join(in_words(change.profile)) if change.profile else None


def fingerprint(plan: Plan) -> str:
    """Return the SHA-256 over everything that the plan says, its own hash left out."""
    text = json.dumps(_encode(dataclasses.replace(plan, hash="")), sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def dump(plan: Plan) -> bytes:
    """Return the saved plan.

    Raises:
        Refused: a password stands in a file that the plan changes, and would stand in the saved plan too.
    """
    for change in plan.changes:
        line = line_of_secret(change.before) or line_of_secret(change.after)
        if line is not None:
            raise Refused(
                "A password stands in this file, and a saved plan would hold a copy of it.",
                where=f"{change.path}:{line}",
                hint="Save the answers instead: apply DATADIR -a ANSWERS makes the same change.",
                code="secret-in-plan",
            )
    return json.dumps({"format": FORMAT, "plan": _encode(plan)}, indent=1, ensure_ascii=True).encode() + b"\n"


def load(data: bytes, where: str) -> Plan:
    """Return a saved plan.

    Raises:
        UnusableInput: it is no saved plan, of another format, or was changed by hand.
    """
    try:
        document = json.loads(data)
        plan: Plan = _decode(document["plan"], Plan) if document["format"] == FORMAT else Plan(Path(), 0, Answers())
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UnusableInput(
            "This is no saved plan of this version.", where=where, hint="Make one with plan -o.", code="bad-plan"
        ) from error
    if fingerprint(plan) != plan.hash:
        raise UnusableInput("The saved plan was changed by hand.", where=where, hint="Make it again with plan -o.", code="bad-plan")
    return plan


def is_plan(data: bytes) -> bool:
    """Return whether a file looks like a saved plan."""
    return FORMAT.encode() in data[:200]


def _encode(value: Any) -> Any:
    if names := _field_names(type(value)):
        return {name: _encode(getattr(value, name)) for name in names}
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, tuple | list):
        return [_encode(each) for each in value]
    if isinstance(value, collections.abc.Mapping):
        return {str(key): _encode(each) for key, each in value.items()}
    return value


def _field_names(kind: Any) -> tuple[str, ...]:
    """Return the fields of a record's type: a dataclass or a named tuple; none for anything else."""
    if dataclasses.is_dataclass(kind):
        return tuple(each.name for each in dataclasses.fields(kind))
    return getattr(kind, "_fields", ())


def _decode(value: Any, kind: Any) -> Any:
    """Build a value of the declared type; a mismatch raises one of the errors that `load` expects."""
    origin = get_origin(kind)
    if origin in {Union, UnionType}:
        if value is None:
            if NoneType not in get_args(kind):
                raise TypeError(kind)
            return None
        return _decode(value, next(each for each in get_args(kind) if each is not NoneType))
    if names := _field_names(kind):
        hints = typing.get_type_hints(kind)
        return kind(**{name: _decode(value[name], hints[name]) for name in names})
    if kind is Path:
        return Path(value)
    if kind is bytes:
        return base64.b64decode(value, validate=True)
    if origin is tuple:
        arguments = get_args(kind)
        if arguments[-1] is Ellipsis:
            return tuple(_decode(each, arguments[0]) for each in value)
        return tuple(_decode(each, one) for each, one in zip(value, arguments, strict=True))
    if origin is collections.abc.Mapping:
        key, content = get_args(kind)
        return {_decode(name, key): _decode(each, content) for name, each in value.items()}
    return value
