"""The record of a request for a certificate, so that whoever comes back weeks later finds it; no secret is in it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from pgssl_wizard.cluster.facts import PendingRequest, waiting_key
from pgssl_wizard.findings import Finding

#: Where changes are recorded too, below the data directory.
_DIRECTORY = "pgsql_tmp.pgssl-wizard"
_FORMAT = 1


def free_record(data_directory: Path) -> Path:
    """Return the file for the record of a new request: `request.json`, or the first number that is free."""
    directory = data_directory / _DIRECTORY
    number = 1
    while True:
        path = directory / ("request.json" if number == 1 else f"request-{number}.json")
        if not os.path.lexists(path):  # Path.exists follows links, and raises where one may not look
            return path
        number += 1


def find(data_directory: Path) -> PendingRequest | None:
    """Return the newest request whose key still waits; None when there is none, or nobody may look."""
    try:
        paths = sorted((data_directory / _DIRECTORY).glob("request*.json"))
    except OSError:
        return None
    found = [each for path in paths if (each := read(path)) is not None and os.path.isfile(each.key)]  # noqa: PTH113 - as above
    return max(found, key=lambda each: each.made, default=None)


def read(path: Path) -> PendingRequest | None:
    """Return what a record says, None when it is no record of ours."""
    try:
        data = json.loads(path.read_bytes().decode("utf-8", "surrogateescape"))
        if data["format"] != _FORMAT:
            return None
        request, key, place = Path(data["request"]), Path(data["key"]), Path(data["place"])
        if not key.is_absolute() or key != waiting_key(place):
            # Whoever may write here must not have us take another file for a key that waits.
            return None
        return PendingRequest(
            record=path,
            request=request,
            key=key,
            place=place,
            names=tuple(str(name) for name in data["names"]),
            key_type=str(data["key_type"]),
            public_sha256=str(data["public_key_sha256"]),
            made=datetime.fromisoformat(data["made"]),
            request_exists=os.path.isfile(request),  # noqa: PTH113 - as above
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def to_bytes(pending: PendingRequest) -> bytes:
    """Return the record as JSON."""
    document = {
        "format": _FORMAT,
        "request": os.fsdecode(pending.request),
        "key": os.fsdecode(pending.key),
        "place": os.fsdecode(pending.place),
        "names": list(pending.names),
        "key_type": pending.key_type,
        "public_key_sha256": pending.public_sha256,
        "made": pending.made.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    return (json.dumps(document, indent=1) + "\n").encode("utf-8", "surrogateescape")


def findings(pending: PendingRequest | None, now: datetime) -> Iterator[Finding]:
    """Yield that a certificate was requested, how long ago, and what to do with the answer."""
    if pending is None:
        return
    days = (now - pending.made).days
    ago = "today" if days < 1 else "a day ago" if days == 1 else f"{days} days ago"
    lies = f"the request is {pending.request}" if pending.request_exists else f"the request is no longer at {pending.request}"
    yield Finding(
        "info",
        "request-pending",
        f"A certificate for {', '.join(pending.names)} was requested on {pending.made:%Y-%m-%d} ({ago}): {lies}, and its key waits in {pending.key}.",
        "When your CA has answered, apply with certificate.source = “import” and the files in certificate.import_certificate. "
        "To ask for something else, move the key and the request away.",
        str(pending.request),
        "certificate",
    )
