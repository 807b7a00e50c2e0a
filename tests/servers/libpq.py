"""Clients of every major: their own libpq in a process of its own, because two of them cannot live in one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.servers import found

_CHILD = """
import ctypes, json, sys
libpq = ctypes.CDLL(sys.argv[1])
libpq.PQconnectdbParams.restype = ctypes.c_void_p
libpq.PQstatus.argtypes = libpq.PQerrorMessage.argtypes = libpq.PQfinish.argtypes = [ctypes.c_void_p]
libpq.PQerrorMessage.restype = ctypes.c_char_p
libpq.PQsslAttribute.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
libpq.PQsslAttribute.restype = ctypes.c_char_p
results = []
for settings in json.load(sys.stdin):
    names = (ctypes.c_char_p * (len(settings) + 1))(*[name.encode() for name in settings], None)
    values = (ctypes.c_char_p * (len(settings) + 1))(*[value.encode() for value in settings.values()], None)
    connection = libpq.PQconnectdbParams(names, values, 0)
    in_order = libpq.PQstatus(connection) == 0
    version = libpq.PQsslAttribute(connection, b"protocol")
    results.append([in_order, version.decode() if version else None, libpq.PQerrorMessage(connection).decode(errors="replace")])
    libpq.PQfinish(connection)
json.dump([libpq.PQlibVersion(), results], sys.stdout)
"""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one attempt ended: whether it got in, over which TLS, and what the library said."""

    got_in: bool
    tls: str | None
    message: str


def libraries() -> dict[int, Path]:
    """Return the client libraries that lie beside the servers found, by major."""
    places = {major: programs.bin_directory.parent / "lib" / "libpq.so.5" for major, programs in found.available().items()}
    return {major: path for major, path in places.items() if path.exists()}


def connect(library: Path, attempts: Sequence[Mapping[str, str]]) -> list[Outcome]:
    """Return how each attempt ends; a setting that this library does not know makes it fail."""
    environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "LD_LIBRARY_PATH": str(library.parent)}
    done = subprocess.run(
        [sys.executable, "-c", _CHILD, str(library)],
        input=json.dumps(list(attempts)),
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    version, results = json.loads(done.stdout)
    assert version >= 130000, version
    return [Outcome(*each) for each in results]
