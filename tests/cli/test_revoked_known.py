"""Who is revoked, among those who are known, in plans for real servers."""

from __future__ import annotations

import psycopg

from tests.cli.test_commands import Shell, shell
from tests.cli.test_renew import settings_with
from tests.cli.test_revoked import ANSWERS
from tests.servers import RealCluster

__all__ = ["shell"]


def test_who_is_revoked_counts_as_refused_from_where_the_list_is_placed(newest_cluster: RealCluster, shell: Shell) -> None:
    """The session with the kit stays open all the while: a server looks at its lists when somebody comes."""
    data, kit = newest_cluster.data_directory, shell.directory / "clients" / "app"
    placed = ("--set", "files.crl=root.crl")
    shell.json("apply", data, *ANSWERS)

    def fares(*more: str) -> tuple[bool, bool]:
        known = shell.json("plan", data, *ANSWERS, *more)["known"]
        (found,) = (each for each in known if each["user"] == "app" and each["source"] == "session")
        return found["let_in_now"], found["let_in_then"]

    with psycopg.connect(**settings_with(newest_cluster, kit)):  # type: ignore[arg-type]
        assert fares(*placed) == (True, True)
        shell.json("revoke", kit, "--ca", shell.directory / "ca")
        assert fares() == (True, True), "no list is placed"
        assert fares(*placed) == (True, False)
        shell.json("apply", data, *ANSWERS, *placed)
        assert fares(*placed) == (False, False)
