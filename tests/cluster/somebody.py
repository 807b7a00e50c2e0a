"""Doing something as another user, wholly: in a child process that has become them."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from typing import TypeVar

from pgssl_wizard.server.identity import Identity

_T = TypeVar("_T")


def as_somebody(identity: Identity, function: Callable[[], _T]) -> _T:
    """Return what `function` returns, or raise what it raises, called by that user. Only for root."""
    # Imported as ourselves: the libraries may lie where that user cannot read.
    import pgssl_wizard.certificates.read
    import pgssl_wizard.server.connecting  # noqa: F401

    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups(identity.groups)
            os.setgid(identity.gid)
            os.setuid(identity.uid)
            answer: tuple[bool, object] = (True, function())
        except BaseException as error:  # noqa: BLE001 - it is raised again in the parent
            answer = (False, error)
        with os.fdopen(writing, "wb") as pipe:
            pickle.dump(answer, pipe)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        data = pipe.read()
    os.waitpid(child, 0)
    worked, result = pickle.loads(data)  # noqa: S301 - our own child wrote it
    if not worked:
        raise result
    return result  # type: ignore[no-any-return]


#: Nobody in particular: neither root nor any server's user.
STRANGER = Identity(65533, 65533)
