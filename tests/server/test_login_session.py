"""Whether logging out ends what was left behind, by what systemd-logind is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from pgssl_wizard.server.login_session import ends_its_processes

SESSION = "0::/user.slice/user-1000.slice/session-3.scope\n"


def system(root: Path, settings: dict[str, str], *, cgroup: str = SESSION, user: str = "54321") -> Path:
    """Lay out the files of a system."""
    files = {"proc/self/cgroup": cgroup, "proc/self/loginuid": user, **settings}
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.mark.parametrize(
    ("settings", "ends"),
    [
        ({}, False),
        ({"etc/systemd/logind.conf": "[Login]\n#KillUserProcesses=yes\n"}, False),
        ({"etc/systemd/logind.conf": "[Login]\nKillUserProcesses=yes\n"}, True),
        ({"usr/lib/systemd/logind.conf.d/10-kill.conf": "[Login]\nKillUserProcesses = on\n"}, True),
        ({"etc/systemd/logind.conf": "[Login]\nKillUserProcesses=yes\n", "etc/systemd/logind.conf.d/9.conf": "[Login]\nKillUserProcesses=no"}, False),
        (
            {
                "etc/systemd/logind.conf.d/50.conf": "[Login]\nKillUserProcesses=no\n",
                "usr/lib/systemd/logind.conf.d/50.conf": "[Login]\nKillUserProcesses=yes\n",
            },
            False,
        ),
        ({"etc/systemd/logind.conf": "[Login]\nKillUserProcesses=yes\nKillExcludeUsers=root 54321\n"}, False),
        ({"etc/systemd/logind.conf": "[Login]\nKillUserProcesses=yes\nKillOnlyUsers=somebody\n"}, False),
        ({"etc/systemd/logind.conf": "[Login]\nKillUserProcesses=yes\nKillOnlyUsers=somebody 54321\n"}, True),
        ({"etc/systemd/logind.conf": "not an ini file"}, False),
    ],
)  # fmt: skip
def test_it_is_read_as_logind_reads_it(tmp_path: Path, settings: dict[str, str], ends: bool) -> None:
    """Drop-ins win over the file, and those of /etc over those of the same name elsewhere."""
    assert ends_its_processes(system(tmp_path, settings)) is ends


def test_root_is_spared_and_services_have_no_session(tmp_path: Path) -> None:
    kills = {"etc/systemd/logind.conf": "[Login]\nKillUserProcesses=yes\n"}
    assert not ends_its_processes(system(tmp_path / "root", kills, user="0"))
    assert not ends_its_processes(system(tmp_path / "service", kills, cgroup="0::/system.slice/cron.service\n"))
    assert not ends_its_processes(system(tmp_path / "nobody", kills, user="4294967295", cgroup="0::/\n"))
