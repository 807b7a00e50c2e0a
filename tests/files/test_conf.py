"""postgresql.conf: the same bytes back, and edits that touch only the line meant."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgssl_wizard.errors import Refused
from pgssl_wizard.files import conf
from pgssl_wizard.files.conf import ConfFile
from pgssl_wizard.files.settings import resolve
from pgssl_wizard.server import programs
from pgssl_wizard.server.programs import Programs
from tests.servers import RealCluster

LINES = st.sampled_from(
    [
        b"ssl = on",
        b"  SSL=off # why",
        b"#ssl = off",
        b"",
        b"# comment",
        b"port 5432",
        b"listen_addresses = '*'\t# tab",
        b"include_dir 'conf.d'",
        b"x.y = 'it''s \\'q\\''",
        b"broken = = 1",
        b"caf\xe9 = 1",
    ]
)
FILES = st.tuples(st.lists(LINES, max_size=8), st.sampled_from([b"\n", b"\r\n"]), st.booleans()).map(
    lambda parts: parts[1].join(parts[0]) + (parts[1] if parts[2] else b"")
)


@given(st.binary())
def test_any_bytes_come_back_unchanged(data: bytes) -> None:
    assert ConfFile.parse(data).to_bytes() == data


@given(FILES, st.sampled_from(["on", "off", "it's", "a\\b", "/etc/x.crt", ""]))
def test_a_setting_that_is_set_has_that_value_and_every_other_line_stays(data: bytes, value: str) -> None:
    new = conf.set_value(data, "ssl", value)
    last = ConfFile.parse(new).last("ssl")
    assert last is not None
    assert last.value == value
    old_lines, new_lines = data.split(b"\n"), new.split(b"\n")
    kept = [line for number, line in enumerate(new_lines, 1) if number != last.line]
    had = ConfFile.parse(data).last("ssl")
    before = [line for number, line in enumerate(old_lines, 1) if had is None or number != had.line]
    assert [line.rstrip(b"\r") for line in kept if line.strip()] == [line.rstrip(b"\r") for line in before if line.strip()]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"  ssl   =  off   # why\n", b"  ssl   =  on   # why\n"),
        (b"ssl off\n", b"ssl on\n"),
        (b"#ssl = off\n#ssl_ca_file = ''\n", b"#ssl = off\nssl = on\n#ssl_ca_file = ''\n"),
        (b"a = 1\r\n", b"a = 1\r\nssl = on\r\n"),
        (b"a = 1", b"a = 1\nssl = on\n"),
        (b"ssl = off\nSSL = off\n", b"ssl = off\nSSL = on\n"),
    ],
)
def test_an_edit_keeps_the_files_own_style(data: bytes, expected: bytes) -> None:
    assert conf.set_value(data, "ssl", "on") == expected


@pytest.mark.parametrize(
    "line",
    [
        "ssl on",
        "ssl=on#c",
        "ssl = 'on'",
        "ssl = on off",
        "ssl == on",
        'ssl = "on"',
        "ssl = 'on",
        "ssl",
        "ssl =",
        "ssl_cert_file = server.crt",
        "ssl_cert_file = srv-1.crt",
        "ssl_cert_file = certs/server.crt",
        "ssl_cert_file = server.crt.pem",
        "ssl_cert_file = /etc/x.crt",
        "authentication_timeout = 2min",
        "authentication_timeout = '90 s'",
        "authentication_timeout = 90 s",
        "foo.bar = x",
        "foo.bar.baz = x",
        "ssl_cert_file = 'C:\\temp\\new.crt'",
        "ssl_cert_file = 'it''s'",
    ],
)
def test_the_server_takes_a_line_exactly_when_we_do_and_reads_the_same_value(line: str, stopped_cluster: RealCluster) -> None:
    stopped_cluster.config_file.write_text(line + "\n")
    parsed = ConfFile.parse(line.encode() + b"\n")
    found: Programs = stopped_cluster.programs
    name = parsed.entries[0].name if parsed.entries else "ssl"
    if parsed.errors:
        with pytest.raises(Refused) as refused:
            programs.postgres_c(found, name, stopped_cluster.data_directory)
        assert parsed.errors[0].message.rsplit("near ", 1)[1] in str(refused.value)
        return
    value = programs.postgres_c(found, name, stopped_cluster.data_directory)
    if name in {"ssl_cert_file", "foo.bar"}:
        assert parsed.entries[0].value == value


def test_includes_are_read_in_place_in_byte_order_and_the_last_line_wins(tmp_path: Path) -> None:
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "postgresql.conf").write_text("ssl = off\ninclude_dir 'conf.d'\nport = 1\ninclude_if_exists 'nothing.conf'\n")
    (tmp_path / "conf.d" / "9.conf").write_text("ssl = nine\n")
    (tmp_path / "conf.d" / "10.conf").write_text("ssl = ten\nport = 10\n")
    (tmp_path / "conf.d" / ".hidden.conf").write_text("ssl = hidden\n")
    (tmp_path / "conf.d" / "x.conf~").write_text("ssl = backup\n")
    (tmp_path / "conf.d" / "d.conf").mkdir()
    (tmp_path / "auto.conf").write_text("work_mem = 1\n")
    found = resolve(tmp_path / "postgresql.conf", tmp_path / "auto.conf", reader, lister, {"port": "7"})
    assert not found.errors
    winner = found.winner("SSL")
    assert winner is not None
    assert (winner.value, winner.file, winner.line) == ("nine", tmp_path / "conf.d" / "9.conf", 1)
    assert [line.value for line in found.overridden("ssl")] == ["off", "ten"]
    port = found.winner("port")
    assert port is not None
    assert (port.value, port.file) == ("7", None)


def test_a_file_that_includes_itself_or_nothing_is_an_error_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "postgresql.conf").write_text("\ninclude 'postgresql.conf'\ninclude 'missing.conf'\ninclude ''\n")
    found = resolve(tmp_path / "postgresql.conf", None, reader, lister)
    assert [problem.line for problem in found.errors] == [2, 3, 4]


def reader(path: Path) -> bytes | None:
    """Read a file, None when it is missing."""
    try:
        return path.read_bytes()
    except OSError:
        return None


def lister(path: Path) -> list[str] | None:
    """List a directory, None when it is none."""
    try:
        return [entry.name for entry in path.iterdir()]
    except OSError:
        return None
