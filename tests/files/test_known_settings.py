"""The table of settings is what the servers themselves say, for every major."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pgssl_wizard.files.known_settings import current_name, known, known_names, majors_of, tls_settings
from pgssl_wizard.files.setting_values import check
from tests.servers import RealCluster
from tests.servers.settings_table import TABLE, asked, of_19, rows, supplement

#: What a packager changed or added; it is not PostgreSQL's, and not in the table.
PACKAGERS = {"unix_socket_directories": "Debian builds in another place", "extension_destdir": "a patch of Debian's"}


def test_the_table_is_what_the_server_says_of_each_setting(cluster: RealCluster, major: int) -> None:
    """Type, context, unit, limits, values, default; `python -m tests.servers.settings_table` writes it anew."""
    said = asked(cluster)
    table = {line.split("\t")[0]: tuple(line.split("\t")[3:]) for line in TABLE.read_text().splitlines() if covers(line, major)}
    ours = {name: fields for name, fields in table.items() if name not in PACKAGERS}
    theirs = {name: fields for name, fields in said.items() if name not in PACKAGERS}
    assert ours == theirs
    assert set(known_names(major)) - set(PACKAGERS) == set(theirs)


def test_19_is_18_with_the_changes_kept_by_hand() -> None:
    """Until there is a server to ask."""
    table = {
        major: {line.split("\t")[0]: tuple(line.split("\t")[3:]) for line in TABLE.read_text().splitlines() if covers(line, major)}
        for major in range(13, 20)
    }
    assert table[19] == of_19(table[18])  # type: ignore[arg-type]
    assert not set(supplement()["19"]["new"]) & set(table[18])
    assert set(supplement()["19"]["changed"]) | set(supplement()["19"]["gone"]) <= set(table[18])
    assert "".join("\t".join(row) + "\n" for row in rows(table)) == TABLE.read_text()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "asked_major", "found"),
    [
        ("SSL", 13, "ssl"),
        ("datestyle", 18, "DateStyle"),
        ("sort_mem", 13, "work_mem"),
        ("VACUUM_MEM", 18, "maintenance_work_mem"),
        ("ssl_ecdh_curve", 17, "ssl_ecdh_curve"),
        ("ssl_ecdh_curve", 18, "ssl_groups"),
        ("ssl_groups", 17, None),
        ("ssl_crl_dir", 13, None),
        ("force_parallel_mode", 15, "force_parallel_mode"),
        ("force_parallel_mode", 16, None),
        ("seed", 13, "seed"),
        ("ssl_renegotiation_limit", 18, "ssl_renegotiation_limit"),
        ("ssl_sni", 18, None),
        ("ssl_sni", 19, "ssl_sni"),
        ("\u017fsl", 18, None),
        ("work_mem ", 18, None),
    ],
)
def test_a_name_means_the_setting_that_the_server_means(name: str, asked_major: int, found: str | None) -> None:
    """In any case, by its old name too; only ASCII letters fold."""
    setting = known(name, asked_major)
    assert (setting.name if setting else None) == found


def test_a_setting_that_only_packages_have_is_taken_with_a_note() -> None:
    """Debian's servers know one more; others refuse the file for it."""
    setting = known("extension_destdir", 15)
    assert setting is not None
    assert "extension_destdir" not in known_names(15)
    assert "Debian" in str(check(setting, "/usr/share", 15).note)


def test_a_name_that_is_gone_or_not_there_yet_has_its_majors() -> None:
    """For what is said of it."""
    assert majors_of("promote_trigger_file") == (13, 14, 15)
    assert majors_of("ssl_crl_dir") == (14, 15, 16, 17, 18, 19)
    assert majors_of("no_such_setting") == ()
    assert current_name("No_Such_Setting", 18) == "no_such_setting"


def test_spellings_of_enums_that_no_view_lists_have_their_meaning() -> None:
    """From the sources."""
    level = known("wal_level", 18)
    assert level is not None
    assert {value.name: value.meaning for value in level.values if not value.listed} == {"archive": "replica", "hot_standby": "replica"}
    compression = known("wal_compression", 15)
    assert compression is not None
    assert {value.name: value.meaning for value in compression.values}["on"] == "pglz"


def test_tls_settings_are_those_that_somebody_can_set() -> None:
    """Not the name of the library, and not the relic that takes 0 alone."""
    assert "ssl" in {setting.name for setting in tls_settings(13)}
    for major in range(13, 20):
        assert not {"ssl_library", "ssl_renegotiation_limit"} & {setting.name for setting in tls_settings(major)}


def test_the_table_is_read_when_the_first_setting_is_looked_up(tmp_path: Path) -> None:
    """Not at the start of the program."""
    code = (
        "import pgssl_wizard.files.settings\n"
        "from pgssl_wizard.files import known_settings as k\n"
        "assert k._table.cache_info().currsize == 0\n"
        "k.known('ssl', 18)\n"
        "assert k._table.cache_info().currsize == 1\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def covers(line: str, major: int) -> bool:
    """Whether a line of the table is about a major."""
    _, since, until, *_ = line.split("\t")
    return int(since) <= major <= int(until)
