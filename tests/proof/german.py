"""A server that speaks German, where one is installed with its translations and the locale can be made."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from pgssl_wizard.server import programs
from pgssl_wizard.server.identity import Identity
from tests.servers import RealCluster
from tests.servers.cluster import let_through

LOCALE = "de_DE.UTF-8"
#: Where Debian keeps the translations of its servers.
_TRANSLATIONS = Path("/usr/share/locale/de/LC_MESSAGES")


class _WithLocales(Identity):
    """The servers' user, with a directory of locales of our own."""

    def environment(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return its environment."""
        return super().environment({"LOCPATH": str(self.home), **(extra or {})})


def cluster(directory: Path) -> RealCluster:
    """Return a cluster that is not running and will speak German; skips the test where there is none."""
    if shutil.which("localedef") is None:
        pytest.skip("no localedef to make a locale with")
    found = [
        looked
        for place in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
        if (looked := programs.look(place)) is not None and (_TRANSLATIONS / f"postgres-{looked.major}.mo").exists()
    ]
    if not found:
        pytest.skip("no installed server has its German translation")
    locales = directory / "locales"
    locales.mkdir()
    made = subprocess.run(
        ["localedef", "--no-archive", "-i", "de_DE", "-f", "UTF-8", str(locales / LOCALE)], check=False, capture_output=True, text=True
    )
    if not (locales / LOCALE).exists():
        pytest.skip(f"the locale cannot be made: {made.stderr}")
    let_through(locales)
    real = RealCluster.make(directory, found[0].major, programs=found[0])
    user = real.identity
    # What this user's home is nobody asks here: it carries the place of the locales.
    real.identity = _WithLocales(user.uid, user.gid, user.groups, user.name, locales)
    real.set(lc_messages=LOCALE)
    return real
