"""The openssl commands run in an empty directory although a CA stands elsewhere."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from pgssl_wizard.certificates.read import read_certificates
from tests.change.test_whole_way import facts_of, plan_for, set_up
from tests.servers import RealCluster


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
@pytest.mark.parametrize("intermediate", [False, True], ids=["root", "intermediate"])
def test_a_ca_that_stands_signs_from_where_it_is(newest_cluster: RealCluster, tmp_path: Path, *, intermediate: bool) -> None:
    """It is linked to and neither copied nor touched."""
    set_up(newest_cluster, tmp_path / "ca", certificate__intermediate=intermediate)
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in (tmp_path / "ca").iterdir()}
    answers = {"server.names": ["other.example.com"], "certificate.intermediate": intermediate}
    plan = plan_for(facts_of(newest_cluster), tmp_path / "ca", answers)
    place = tmp_path / "empty"
    place.mkdir()
    subprocess.run(["/bin/sh", "-ec", "\n".join(plan.openssl)], cwd=place, check=True, capture_output=True)
    made = read_certificates((place / "server.crt").read_bytes())
    signer = read_certificates((tmp_path / "ca" / ("intermediate.crt" if intermediate else "root.crt")).read_bytes())[0]
    made[0].verify_directly_issued_by(signer)
    assert len(made) == 1 + intermediate
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in (tmp_path / "ca").iterdir()} == before
    assert [path for path in place.iterdir() if path.name.endswith(".key") and not path.is_symlink()] == [place / "server.key"]
