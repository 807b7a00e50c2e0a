"""postgresql.conf: the same bytes back, and edits that touch only the line meant."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgssl_wizard.files import conf, conf_edit
from pgssl_wizard.files.conf import ConfFile
from pgssl_wizard.files.settings import resolve
from tests.files.reading import lister, reader
from tests.files.settings_oracle import Starts

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


@pytest.fixture
def starts(major: int, open_tmp_path: Path) -> Starts:
    """Starts of one major."""
    return Starts.below(open_tmp_path, major)


@given(st.binary())
def test_any_bytes_come_back_unchanged(data: bytes) -> None:
    assert ConfFile.parse(data).to_bytes() == data


@given(FILES, st.sampled_from(["on", "off", "it's", "a\\b", "/etc/x.crt", ""]))
def test_a_setting_that_is_set_has_that_value_and_every_other_line_stays(data: bytes, value: str) -> None:
    new = conf_edit.set_value(data, "ssl", value)
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
        (b"  ssl   =  off   # why\n", b"  ssl   =  on    # why\n"),
        (b"ssl off\n", b"ssl on\n"),
        (b"#ssl = off\n#ssl_ca_file = ''\n", b"#ssl = off\nssl = on\n#ssl_ca_file = ''\n"),
        (b"a = 1\r\n", b"a = 1\r\nssl = on\r\n"),
        (b"a = 1", b"a = 1\nssl = on\n"),
        (b"ssl = off\nSSL = off\n", b"ssl = off\nSSL = on\n"),
    ],
)
def test_an_edit_keeps_the_files_own_style(data: bytes, expected: bytes) -> None:
    assert conf_edit.set_value(data, "ssl", "on") == expected


@pytest.mark.parametrize(
    ("data", "value", "expected"),
    [
        (b"port = 5432\t\t\t\t# (change)\n", "6000", b"port = 6000\t\t\t\t# (change)\n"),
        (b"port = 5432\t\t# (change)\n", "x" * 20, b"port = 'xxxxxxxxxxxxxxxxxxxx'\t# (change)\n"),
        (b"port = 5432\t\t\t# (change)\n", "x" * 8, b"port = 'xxxxxxxx'\t\t# (change)\n"),
        (b"port = 5432     # why\n", "1", b"port = 1        # why\n"),
        (b"port = 5432 # why\n", "1", b"port = 1 # why\n"),
        (b"port=5432#why\r\n", "1", b"port=1#why\r\n"),
        (b"\tport\t5432", "1", b"\tport\t1"),
        (b"port = '5432'   \n", "a\nb", b"port = 'a\\nb'   \n"),
        (b"caf\xe9 = 1\nport = 1 # caf\xe9\n", "2", b"caf\xe9 = 1\nport = 2 # caf\xe9\n"),
    ],
)
def test_a_replaced_value_leaves_the_rest_of_its_line_where_it_is(data: bytes, value: str, expected: bytes) -> None:
    """A comment that stands apart keeps its column."""
    entry = ConfFile.parse(data).last("port")
    assert entry is not None
    assert conf_edit.replace(data, entry, value) == expected


@pytest.mark.parametrize(
    ("data", "line", "before", "after"),
    [
        (b"a = 1\nb = 2\n", 1, b"ssl = on\na = 1\nb = 2\n", b"a = 1\nssl = on\nb = 2\n"),
        (b"a = 1\r\nb = 2\r\n", 2, b"a = 1\r\nssl = on\r\nb = 2\r\n", b"a = 1\r\nb = 2\r\nssl = on\r\n"),
        (b"a = 1", 1, b"ssl = on\na = 1", b"a = 1\nssl = on\n"),
        (b"  work_mem=1\n", 1, b"  ssl=on\n  work_mem=1\n", b"  work_mem=1\n  ssl=on\n"),
        (b"work_mem 1\n", 1, b"ssl on\nwork_mem 1\n", b"work_mem 1\nssl on\n"),
        (b"work_mem     = 1\n", 1, b"ssl          = on\nwork_mem     = 1\n", b"work_mem     = 1\nssl          = on\n"),
        (b"work_mem\t= 1\n", 1, b"ssl\t\t= on\nwork_mem\t= 1\n", b"work_mem\t= 1\nssl\t\t= on\n"),
        (b"#ssl = off\n", 1, b"ssl = on\n#ssl = off\n", b"#ssl = off\nssl = on\n"),
        (b"# about ssl\n", 1, b"ssl = on\n# about ssl\n", b"# about ssl\nssl = on\n"),
        (b"", 1, b"ssl = on\n", b"ssl = on\n"),
    ],
)
def test_a_line_that_is_added_looks_like_its_neighbour(data: bytes, line: int, before: bytes, after: bytes) -> None:
    """Indentation, sign, column, line ending."""
    assert conf_edit.insert_before(data, line, "ssl", "on") == before
    assert conf_edit.insert_after(data, line, "ssl", "on") == after


@pytest.mark.parametrize(
    ("data", "line", "commented", "removed"),
    [
        (b"a = 1\n  ssl = on # x\r\nb = 2", 2, b"a = 1\n  #ssl = on # x\r\nb = 2", b"a = 1\nb = 2"),
        (b"a = 1\nssl = on", 2, b"a = 1\n#ssl = on", b"a = 1\n"),
        (b"ssl = 'x\n", 1, b"#ssl = 'x\n", b""),
    ],
)
def test_a_line_can_be_commented_out_or_removed(data: bytes, line: int, commented: bytes, removed: bytes) -> None:
    """And nothing else."""
    assert conf_edit.comment_out(data, line) == commented
    assert conf_edit.remove_line(data, line) == removed


@given(FILES, st.sampled_from(["on", "it's", "a\\b", "two\nlines", "", "caf\u00e9", "\udce9", " ", "#", "'"]), st.data())
def test_every_edit_changes_its_own_line_alone_and_the_value_is_read_back(data: bytes, value: str, draw: st.DataObject) -> None:
    """Whatever the other lines are."""
    lines = data.split(b"\n")
    line = draw.draw(st.integers(1, len(lines)))
    # An empty last line is where the file ends: what is added behind it takes its place.
    behind = line if line == len(lines) and not lines[-1] else line + 1
    for new, at in ((conf_edit.insert_before(data, line, "q", value), line), (conf_edit.insert_after(data, line, "q", value), behind)):
        entry = ConfFile.parse(new).last("q")
        assert entry is not None
        assert (entry.value, entry.line) == (value, at)
        kept = new.split(b"\n")
        del kept[at - 1]
        assert [text.rstrip(b"\r") for text in kept if text.strip()] == [text.rstrip(b"\r") for text in lines if text.strip()]
    commented = conf_edit.comment_out(data, line)
    assert len(commented) == len(data) + 1
    assert not [entry for entry in ConfFile.parse(commented).entries if entry.line == line]
    assert ConfFile.parse(conf_edit.append_at_end(data, "q", value)).entries[-1].value == value


@pytest.mark.parametrize(
    ("token", "value"),
    [
        (rb"'a\'b''c'", "a'b'c"),
        (rb"'\b\f\n\r\t\x'", "\b\f\n\r\tx"),
        (rb"'\303\251 \1011 \440'", "\u00e9 A1  "),
        (rb"'C:\temp\new.crt'", "C:\temp\new.crt"),
        (b"'caf\xe9'", "caf\udce9"),
        (rb"'a\0b'", "a"),
        (b"'ab\0c'", "a"),
    ],
)
def test_escapes_are_resolved_byte_by_byte(token: bytes, value: str) -> None:
    """A zero byte ends the value."""
    assert conf.unquote(token) == value


def test_a_syntax_error_names_what_the_server_names() -> None:
    """Also the line, which the server counts one too low at the end of a file without a last line feed."""
    problems = ConfFile.parse(b"ssl = on off\nssl\n\nport =").errors
    assert [(problem.line, problem.told, problem.near) for problem in problems] == [(1, 1, "off"), (2, 2, None), (4, 3, None)]


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
def test_the_server_takes_a_line_exactly_when_we_do_and_reads_the_same_value(line: str, starts: Starts) -> None:
    starts.write({"postgresql.conf": line.encode() + b"\n"})
    parsed = ConfFile.parse(line.encode() + b"\n")
    name = parsed.entries[0].name if parsed.entries else "ssl"
    started = starts.start(name)
    if parsed.errors:
        assert parsed.errors[0].place in started.said[0].message
        return
    assert started.accepted
    if name in {"ssl_cert_file", "foo.bar"}:
        assert started.value == parsed.entries[0].value


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
