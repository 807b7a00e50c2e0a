"""When something that ends has to be renewed: with a third of its life left, so that two attempts may fail before anybody notices."""

from __future__ import annotations

from datetime import datetime

#: The part of a life that is left when renewing is due.
PART = 3


def due_from(begins: datetime, ends: datetime) -> datetime:
    """Return the time from which a certificate or revocation list is to be renewed."""
    return ends - (ends - begins) / PART
