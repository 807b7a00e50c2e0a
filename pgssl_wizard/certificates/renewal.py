"""When something that ends has to be renewed, and what a kit is called once a new one has taken its place."""

from __future__ import annotations

import re
from datetime import datetime

#: The part of a life that is left when renewing is due: two attempts may fail before anybody notices.
PART = 3

#: The name of a kit's directory, as `roles.directory_name` makes it; what was put aside has a dot in it.
_KIT = re.compile(r"[A-Za-z0-9_%-]+")


def due_from(begins: datetime, ends: datetime) -> datetime:
    """Return the time from which a certificate or revocation list is to be renewed."""
    return ends - (ends - begins) / PART


def is_kit(name: str) -> bool:
    """Return whether a directory of this name is a kit in use: not one that was put aside, nor anything else beside them."""
    return _KIT.fullmatch(name) is not None


def put_aside(name: str, ends: datetime) -> str:
    """Return the name that an old kit gets when a new one takes its place."""
    return f"{name}.until-{ends:%Y-%m-%d-%H%M%S}"
