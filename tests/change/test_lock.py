"""Two runs at once: the second is told who the first is."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pgssl_wizard.change.lock import exclusive, holder
from pgssl_wizard.errors import Refused

ME = {"uid": os.getuid(), "gid": os.getgid()}


def names_in(directory: Path) -> list[str]:
    """Return the names in a directory."""
    return sorted(path.name for path in directory.iterdir())


def test_a_second_run_is_refused_and_told_who_and_since_when(tmp_path: Path) -> None:
    """The lock names process, user and time."""
    with exclusive(tmp_path, **ME):
        with pytest.raises(Refused, match=rf"process {os.getpid()} of \S+, since \d{{4}}-.*Z") as caught, exclusive(tmp_path, **ME):
            pass
        assert caught.value.code == "locked"
        assert re.search(r"process \d+", holder(tmp_path) or "")
    assert holder(tmp_path) is None


def test_a_lock_leaves_nothing_behind(tmp_path: Path) -> None:
    """A refused run changes nothing, not even by an empty directory."""
    with exclusive(tmp_path, **ME):
        assert names_in(tmp_path) == ["pgsql_tmp.pgssl-wizard"]
    assert names_in(tmp_path) == []


def test_a_killed_run_holds_no_lock(tmp_path: Path) -> None:
    """It dies with its process; the file that it leaves behind stops nobody."""
    program = (
        "import os,signal,sys;from pathlib import Path;from pgssl_wizard.change.lock import exclusive\n"
        "with exclusive(Path(sys.argv[1]), uid=os.getuid(), gid=os.getgid()): os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False)
    assert done.returncode < 0
    assert (tmp_path / "pgsql_tmp.pgssl-wizard" / "lock").exists()
    assert holder(tmp_path) is None
    with exclusive(tmp_path, **ME):
        pass


def test_a_link_in_place_of_our_directory_is_refused(tmp_path: Path) -> None:
    """Nobody leads us elsewhere."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "pgsql_tmp.pgssl-wizard").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Refused, match="symbolic link"), exclusive(tmp_path, **ME):
        pass
