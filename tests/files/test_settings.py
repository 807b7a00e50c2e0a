"""The server's verdict on settings files: ours is the one of real servers, at a start, in the view, and in force."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pgssl_wizard.files.setting_checks import PLACES
from pgssl_wizard.files.settings import SettingsVerdict, judge
from tests.files.reading import lister, reader
from tests.files.settings_oracle import Starts, as_rows, in_force, reload, said_by, settings_given, view
from tests.servers import RealCluster

#: How many files each comparison makes up; far more of them when a change is to be tried hard.
EXAMPLES = int(os.environ.get("PGSSL_EXAMPLES", "150"))

CORPUS = Path(os.environ.get("PGSSL_CORPUS", Path(__file__).parents[3] / "shared" / "corpus"))

_compare = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), database=None)


# --- what files are made of -------------------------------------------------------------------------------------------

NAMES = st.sampled_from(
    [
        *(
            "ssl",
            "SSL",
            "Ssl",
            "work_mem",
            "Work_Mem",
            "sort_mem",
            "port",
            "max_connections",
            "log_connections",
            "search_path",
            "DateStyle",
        ),
        *("datestyle", "application_name", "ssl_ecdh_curve", "ssl_groups", "ssl_crl_dir", "log_statement_stats", "log_parser_stats"),
        *(
            "recovery_target_xid",
            "recovery_target_name",
            "config_file",
            "hba_file",
            "ssl_library",
            "no_such",
            "a.b",
            "A.B",
            "a.b.c",
            "caf\xe9",
        ),
        *("include", "include_if_exists", "include_dir", "INCLUDE", "autovacuum_work_mem", "unix_socket_permissions", "seed", "role"),
    ]
).map(lambda name: name.encode("latin-1"))
VALUES = st.sampled_from(
    [
        *("on", "off", "'on'", "1", "0", "5", "64kB", "'64 kB'", "1.5", "0x10", "'0x1F'", "010", "-1", "1e3", "5432abc", ".", "1.5MB"),
        *("''", "'a''b'", r"'a\'b'", r"'\101\x'", r"'\0'", r"'a\0b'", "'x", "'a' 'b'", "a.b", "a-b:c/d", "/etc", "server.crt", "srv-1.crt"),
        *("'iso, dmy'", "'a, b'", "'a,'", "'sub.conf'", "'missing.conf'", "'conf.d'", "'.'", "'./sub.conf'", "'conf.d/../sub.conf'", "' '"),
        *("'postgresql.conf'", "sub", "'sub.conf", "=", "= on", "on off", "on;", '"on"', "'caf\xe9'", "caf\xe9", "'loop.conf'", "#", "'#'"),
    ]
).map(lambda value: value.encode("latin-1"))
BETWEEN = st.sampled_from([b" = ", b"=", b" ", b"\t=\t", b"  =", b"", b" = = ", b"\r", b" == "])
TAILS = st.sampled_from([b"", b"", b"", b" # why", b"#c", b"\r", b" \t", b" x", b" 'y'", b"\0"])
LINES = st.one_of(
    st.tuples(st.sampled_from([b"", b"", b"  ", b"\t"]), NAMES, BETWEEN, VALUES, TAILS).map(b"".join),
    st.sampled_from([b"", b"# comment", b"#ssl = on", b"\r", b"   ", b"\xef\xbb\xbfssl = on", b"ssl", b"= on", b"'a' = 1", b"1 = 2"]),
    st.binary(max_size=12),
)
FILES = st.tuples(st.lists(LINES, max_size=10), st.sampled_from([b"\n", b"\n", b"\r\n"]), st.booleans()).map(
    lambda parts: parts[1].join(parts[0]) + (parts[1] if parts[2] else b"")
)
#: What stands beside postgresql.conf and may be included.
BESIDE = st.fixed_dictionaries(
    {},
    optional={
        "sub.conf": FILES,
        "loop.conf": st.sampled_from([b"include 'loop.conf'\n", b"include 'postgresql.conf'\n", b"include './conf.d/../loop.conf'\n"]),
        "conf.d/10.conf": FILES,
        "conf.d/9.conf": FILES,
        "conf.d/.hidden.conf": st.just(b"no_such = 1\n"),
        "conf.d/x.conf~": st.just(b"no_such = 1\n"),
        "conf.d/d.conf/": st.just(b""),
        "conf.d/.conf": st.just(b"no_such = 1\n"),
        "postgresql.auto.conf": FILES,
    },
)
#: Files without a mistake, whose settings a reload puts in force.
GOOD_LINES = st.sampled_from(
    [
        *(
            "work_mem = 5MB",
            "Work_Mem = '1.5 MB'",
            "sort_mem = 6MB",
            "WORK_MEM = 0x400",
            "maintenance_work_mem = 70000",
            "vacuum_mem = 2GB",
        ),
        *("DateStyle = 'sql, dmy'", "datestyle = german", "DATESTYLE = ymd", "search_path = 'a, \"B\"'", "application_name = 'n\xe4me'"),
        *("seq_page_cost = 1.25", "random_page_cost = '3.00000001'", "log_min_duration_statement = '1.5s'", "autovacuum_naptime = 90"),
        *(
            "ssl_ciphers = 'HIGH'",
            "SSL_Ciphers = 'a''b'",
            r"log_line_prefix = '%m \\ '",
            "log_file_mode = 0640",
            "synchronous_commit = yes",
        ),
        *("checkpoint_timeout = '0.5h'", "vacuum_cost_delay = 1500us", "autovacuum_work_mem = 5kB", "constraint_exclusion = 1", "a.b = 1"),
        *(
            "log_connections = on",
            "wal_compression = on",
            "client_min_messages = debug",
            "effective_cache_size = '1 TB'",
            "bgwriter_delay = 0xff",
        ),
        *("synchronous_standby_names = 'ANY 1 (a, \"b\")'", "log_directory = 'a//b/../c/'", "tcp_keepalives_idle = 0", "# comment", ""),
    ]
).map(lambda line: line.encode())
GOOD = st.lists(GOOD_LINES, max_size=12).map(lambda lines: b"\n".join([*lines, b""]))


# --- comparisons ------------------------------------------------------------------------------------------------------


def test_a_start_ends_as_we_say_with_the_same_messages_in_the_same_order(starts: Starts) -> None:
    """Whatever stands in the files: also bytes that are no text, broken quotes, includes in circles, values out of range."""

    @_compare
    @given(FILES, BESIDE)
    def compare(data: bytes, beside: dict[str, bytes]) -> None:
        starts.write({"postgresql.conf": data, **beside})
        started, verdict = starts.start(), starts.judged()
        assert said_by(verdict) == started.said
        assert verdict.accepted == started.accepted

    compare()


def test_the_view_lists_the_lines_as_we_do(free_file: RealCluster) -> None:
    """File, line, name, value, whether it applies, and why not."""
    running = in_force(free_file)
    command_line = settings_given(free_file)

    @_compare
    @given(FILES, BESIDE)
    def compare(data: bytes, beside: dict[str, bytes]) -> None:
        leave(free_file, {"postgresql.conf": data, **beside})
        verdict = judge(
            free_file.config_file,
            free_file.major,
            reader,
            lister,
            free_file.data_directory / "postgresql.auto.conf",
            command_line,
            as_view=True,
        )
        expected = as_rows(verdict, running, command_line)
        assert view(free_file) == expected

    compare()


def test_what_is_in_force_after_a_reload_is_what_we_say_and_comes_from_that_line(free_file: RealCluster) -> None:
    """Values as pg_settings shows them; what no line sets any more is back at its default."""
    command_line = settings_given(free_file)

    @settings(_compare, max_examples=max(EXAMPLES // 2, 10))
    @given(GOOD, GOOD, GOOD)
    def compare(data: bytes, included: bytes, auto: bytes) -> None:
        text = data + b"include 'more.conf'\n" + (data[: len(data) // 2].rpartition(b"\n")[0] + b"\n")
        leave(free_file, {"postgresql.conf": text, "more.conf": included, "postgresql.auto.conf": auto})
        auto_conf = free_file.data_directory / "postgresql.auto.conf"
        verdict = judge(free_file.config_file, free_file.major, reader, lister, auto_conf, command_line)
        assert verdict.accepted
        reload(free_file)
        now = in_force(free_file)
        expected = {name: value for name, value in verdict.in_force.items() if value.file is not None and "." not in name}
        assert {name: (now[name].value, now[name].file, now[name].line) for name in expected} == {
            name: (value.value, str(value.file), value.line) for name, value in expected.items()
        }
        assert {name for name, force in now.items() if force.source == "configuration file"} == set(expected)

    compare()


def leave(cluster: RealCluster, files: Mapping[str, bytes]) -> None:
    """Leave these settings files in the data directory, and none of those of an example before."""
    for name in ("sub.conf", "loop.conf", "more.conf"):
        (cluster.data_directory / name).unlink(missing_ok=True)
    for path in (
        sorted((cluster.data_directory / "conf.d").glob("**/*"), reverse=True) if (cluster.data_directory / "conf.d").exists() else []
    ):
        path.rmdir() if path.is_dir() else path.unlink()
    if not any(name.startswith("conf.d/") for name in files):
        (cluster.data_directory / "conf.d").mkdir(exist_ok=True)
        (cluster.data_directory / "conf.d").rmdir()
    for name, data in {"postgresql.auto.conf": b"", **files}.items():
        path = cluster.data_directory / name
        path.parent.mkdir(exist_ok=True)
        path.parent.chmod(0o700) if path.parent == cluster.data_directory else path.parent.chmod(0o755)
        if name.endswith("/"):
            path.mkdir(exist_ok=True)
            path.chmod(0o755)
        else:
            path.write_bytes(data)
            path.chmod(0o644)


# --- what a page of the manual would say ------------------------------------------------------------------------------


def said_of(directory: Path, text: str, major: int = 18, **more: Any) -> SettingsVerdict:
    """Judge one file by itself."""
    (directory / "postgresql.conf").write_text(text, encoding="utf-8")
    return judge(directory / "postgresql.conf", major, reader, lister, **more)


def test_an_earlier_line_in_the_same_spelling_is_not_even_looked_at(tmp_path: Path) -> None:
    """In another spelling, or by its old name, it is."""
    assert said_of(tmp_path, "ssl = maybe\nssl = on\n").accepted
    assert not said_of(tmp_path, "SSL = maybe\nssl = on\n").accepted
    assert not said_of(tmp_path, "sort_mem = lots\nwork_mem = 1MB\n").accepted
    verdict = said_of(tmp_path, "ssl = maybe\nSSL = on\nssl = off\n")
    assert [(row.applied, row.error) for row in verdict.rows] == [(False, None), (True, None), (True, None)]
    assert verdict.in_force["ssl"] == ("off", tmp_path / "postgresql.conf", 3)


def test_one_unknown_name_or_syntax_error_and_nothing_is_taken(tmp_path: Path) -> None:
    """A value that is refused leaves the others alone."""
    unknown = said_of(tmp_path, "work_mem = 5MB\nno_such = 1\nssl = maybe\n")
    assert [(row.applied, row.error) for row in unknown.rows] == [
        (False, None),
        (False, "unrecognized configuration parameter"),
        (False, None),
    ]
    assert unknown.in_force == {}
    refused = said_of(tmp_path, "work_mem = 5MB\nssl = maybe\n")
    assert [(row.applied, row.error) for row in refused.rows] == [(True, None), (False, "setting could not be applied")]
    assert not refused.accepted
    assert refused.rows[1].message == 'parameter "ssl" requires a Boolean value'


def test_all_errors_can_be_had_at_once(tmp_path: Path) -> None:
    """Also those that a server comes to when the ones before are mended; with the line where they stand."""
    text = "ssl = on off\nno_such = 1\nssl = maybe\nwork_mem = 5MB\ninclude 'gone.conf'\nport ="
    verdict = said_of(tmp_path, text, all_errors=True)
    assert [(row.line, row.words) for row in verdict.rows if row.message] == [
        (1, 'syntax error, near token "off"'),
        (2, 'unrecognized configuration parameter "no_such"'),
        (3, 'parameter "ssl" requires a Boolean value'),
        (5, f'could not open configuration file "{tmp_path}/gone.conf": No such file or directory'),
        (6, "syntax error, near end of line"),
    ]
    assert not verdict.accepted
    assert not any(row.applied for row in verdict.rows)


def test_the_server_gives_up_on_a_file_after_a_hundred_syntax_errors(starts: Starts) -> None:
    """And reads the rest of the others."""
    starts.write({"postgresql.conf": b"= x\n" * 120 + b"include 'sub.conf'\n", "sub.conf": b"= y\n"})
    started, verdict = starts.start(), starts.judged()
    assert said_by(verdict) == started.said
    assert len(verdict.log) == 102
    starts.write({"postgresql.conf": b"= x\n" * 99 + b"include 'sub.conf'\nssl = on\n", "sub.conf": b"= y\n" * 101})
    assert said_by(starts.judged()) == starts.start().said


def test_includes_may_be_ten_levels_deep(starts: Starts) -> None:
    """A directory counts as one."""
    for depth in (10, 11):
        files = {f"{level}.conf": f"include '{level + 1}.conf'\n".encode() for level in range(1, depth)} | {f"{depth}.conf": b"ssl = off\n"}
        for main in (b"include '1.conf'\n", b"include_dir 'd'\n"):
            starts.write({"postgresql.conf": main, **files, "d/1.conf": b"include '../2.conf'\n"})
            started, verdict = starts.start(), starts.judged()
            assert said_by(verdict) == started.said
            assert started.accepted == (depth == 10)


def test_a_file_that_cannot_be_read_is_told_as_the_server_tells_it(starts: Starts) -> None:
    """A directory, a link to nothing, no permission, a directory that is a file."""
    starts.write(
        {
            "postgresql.conf": b"include 'd'\ninclude_if_exists 'd'\ninclude_dir 'sub.conf'\ninclude_dir 'l'\n",
            "d/": b"",
            "sub.conf": b"",
            "l/": b"",
        }
    )
    (starts.directory / "l" / "x.conf").symlink_to("nowhere")
    assert said_by(starts.judged()) == starts.start().said
    starts.write({"postgresql.conf": b"include 'secret.conf'\ninclude_if_exists 'secret.conf'\n", "secret.conf": b""})
    (starts.directory / "secret.conf").chmod(0)

    def refusing(path: Path) -> bytes | None:
        if path.name == "secret.conf":
            raise PermissionError(13, "Permission denied")
        return reader(path)

    started = starts.start()
    verdict = judge(starts.config_file, starts.major, refusing, lister, command_line={})
    assert list(verdict.log) == [said.message for said in started.said]


def test_the_command_line_wins_and_an_error_there_comes_first(tmp_path: Path) -> None:
    """A value in the file must be good all the same."""
    verdict = said_of(tmp_path, "port = 5433\nssl = on\n", command_line={"PORT": "6000"})
    assert verdict.in_force["port"] == ("6000", None, 0)
    assert verdict.in_force["ssl"].value == "on"
    assert not said_of(tmp_path, "port = many\n", command_line={"port": "6000"}).accepted
    broken = said_of(tmp_path, "ssl = on\n", command_line={"port": "many"})
    assert (broken.accepted, broken.log) == (False, ('invalid value for parameter "port": "many"',))


def test_postgresql_auto_conf_comes_after_the_includes(tmp_path: Path) -> None:
    """An error there ends it by its bare name."""
    auto = tmp_path / "postgresql.auto.conf"
    auto.write_text("ssl = off\n", encoding="utf-8")
    (tmp_path / "sub.conf").write_text("ssl = on\n", encoding="utf-8")
    verdict = said_of(tmp_path, "include 'sub.conf'\n", auto_conf=auto)
    assert verdict.in_force["ssl"] == ("off", auto, 1)
    auto.write_text("ssl off off\n", encoding="utf-8")
    assert said_of(tmp_path, "ssl = on\n", auto_conf=auto).log[-1] == 'configuration file "postgresql.auto.conf" contains errors'


def test_lines_that_do_nothing_are_noted(starts: Starts) -> None:
    """The data directory in another spelling, the name of the configuration file, a missing file that may be missing."""
    starts.write({"postgresql.conf": b"Data_Directory = '/a'\nconfig_file = '/b'\ninclude_if_exists 'gone.conf'\ndata_directory = '/c'\n"})
    verdict = starts.judged()
    assert [(note.name, note.line) for note in verdict.notes] == [("data_directory", 1), ("config_file", 2)]
    assert verdict.in_force["data_directory"].value == "/c" == starts.start("data_directory").value
    assert "config_file" not in verdict.in_force
    assert verdict.skipped == ((starts.config_file, 3, starts.directory / "gone.conf"),)


@pytest.mark.parametrize(
    "text",
    [
        "wal_level = minimal\narchive_mode = on\n",
        "wal_level = minimal\n",
        "max_connections = 5\nsuperuser_reserved_connections = 5\n",
        "max_connections = 5\nsuperuser_reserved_connections = 4\n",
        "wal_level = minimal\nmax_wal_senders = 0\n",
    ],
)
def test_settings_that_do_not_go_together_keep_the_server_from_starting(stopped_cluster: RealCluster, text: str) -> None:
    """Though each is accepted; and a server with those that do starts."""
    with stopped_cluster.config_file.open("a", encoding="utf-8") as file:
        file.write(text)
    verdict = judge(stopped_cluster.config_file, stopped_cluster.major, reader, lister)
    assert verdict.accepted
    if not verdict.conflicts:
        stopped_cluster.start()
        return
    with pytest.raises(AssertionError, match="did not start"):
        stopped_cluster.start()
    assert verdict.conflicts[0].text in stopped_cluster.log()


def test_reading_takes_time_and_memory_in_proportion(tmp_path: Path) -> None:
    """A file that is included many times is parsed once; long lines and many errors cost no more than short ones."""
    (tmp_path / "sub.conf").write_text("ssl = on\n" * 100, encoding="utf-8")
    verdict = said_of(tmp_path, "include 'sub.conf'\n" * 200)
    assert len(verdict.rows) == 20_000
    assert verdict.in_force["ssl"].line == 100
    assert said_of(tmp_path, "search_path = '" + "a''" * 100_000 + "'\nx = '" + "\\'" * 100_000 + "\n").log


# --- files of real people ---------------------------------------------------------------------------------------------


def corpus_files() -> list[Path]:
    """Return the settings files of the corpus, none where there is no corpus."""
    return sorted((CORPUS / "conf").glob("*")) if CORPUS.is_dir() else []


@pytest.mark.skipif(not corpus_files(), reason="the corpus is not here")
def test_real_files_start_a_server_exactly_when_we_say_so(starts: Starts) -> None:
    """With the same messages; but for what the machine decides, which we take with a note."""
    compared = 0
    for path in corpus_files():
        starts.write({"postgresql.conf": path.read_bytes()})
        started, verdict = starts.start(), starts.judged()
        expected = [said.message for said in started.said if not of_machine(said.message) and not of_build(said.message)]
        if len(expected) < len(started.said) and len(expected) == 1:
            expected = []  # nothing but the machine or the build was against it
        assert list(verdict.log) == expected, path
        compared += 1
    assert compared == len(corpus_files())


@pytest.mark.skipif(not corpus_files(), reason="the corpus is not here")
@pytest.mark.parametrize(("folder", "asked"), [("oracle", 15), ("oracle-pg13", 13), ("oracle-pg18", 18)])
def test_real_files_are_judged_as_by_servers_built_with_everything(folder: str, asked: int) -> None:
    """Whether they start, the messages, and the rows of the view."""
    compared = 0
    for answer in sorted((CORPUS / folder / "conf").glob("*.json")):
        oracle = json.loads(answer.read_text(encoding="utf-8"))
        path = CORPUS / oracle["file"]
        verdict = judge(path, asked, reader, lister)
        messages = [line.partition(":  ")[2] for line in oracle["startup"]["messages"] if line.startswith(("LOG", "FATAL"))]
        messages = [
            message.replace("conftest/test.conf", str(path)).replace('"conftest/', f'"{path.parent}/')
            for message in messages
            if not message.startswith("skipping missing")
        ]
        expected = [message for message in messages if not of_machine(message)]
        if len(expected) < len(messages) and len(expected) == 1:
            expected = []
        assert list(verdict.log) == expected, oracle["file"]
        assert verdict.accepted == (not expected), oracle["file"]
        compare_with_view(path, judge(path, asked, reader, lister, as_view=True), oracle["file_settings"])
        compared += 1
    assert compared > 250


@pytest.mark.skipif(not corpus_files(), reason="the corpus is not here")
@pytest.mark.parametrize(("folder", "asked"), [("oracle", 15), ("oracle-pg13", 13), ("oracle-pg18", 18)])
def test_real_trees_of_includes_are_followed_as_by_servers(folder: str, asked: int) -> None:
    """Each line of each file, in the server's order."""
    compared = 0
    for answer in sorted((CORPUS / folder / "trees").glob("*.json")):
        oracle = json.loads(answer.read_text(encoding="utf-8"))
        if oracle["tree"]["kind"] != "conf":
            continue
        path = CORPUS / oracle["file"] / oracle["tree"]["entry"]
        verdict = judge(path, asked, reader, lister)
        messages = [line.partition(":  ")[2] for line in oracle["startup"]["messages"] if line.startswith(("LOG", "FATAL"))]
        root = str(CORPUS / oracle["file"])
        expected = [message.replace('"tree/', f'"{root}/') for message in messages if not message.startswith("skipping missing")]
        assert list(verdict.log) == expected
        assert verdict.accepted == oracle["accepted"]
        compared += 1
    assert compared > 2


def compare_with_view(path: Path, verdict: SettingsVerdict, rows: list[dict[str, Any]]) -> None:
    """Compare with the rows of a view; a valid value that takes a restart could not be applied there either."""
    ours = verdict.rows
    assert [(row.line, row.name, row.value) for row in ours] == [(row["sourceline"], row["name"], row["setting"]) for row in rows]
    for our, row in zip(ours, rows, strict=True):
        if our.error is None and row["error"] is not None:
            # Valid, but it takes a restart, or the machine has no such locale.
            assert row["error"] == "setting could not be applied"
            assert our.name is not None
        else:
            error = row["error"] and row["error"].replace('"conftest/', f'"{path.parent}/')
            assert (our.error, our.applied) == (error, row["applied"]), (path, our)


def of_machine(message: str) -> bool:
    """Whether a message is about a setting whose values the machine decides on."""
    name = message.partition(' parameter "')[2].partition('"')[0].lower()
    return message.startswith("invalid value") and (name in PLACES or name == "max_stack_depth")


def of_build(message: str) -> bool:
    """Whether a message is about a value that needs a server built with more than those of the tests."""
    return message.startswith("invalid value") and message.endswith(('"lz4"', '"zstd"', '"io_uring"'))


def test_files_that_include_each_other_over_and_over_are_given_up() -> None:
    text = b"include 'a'\n" * 10
    verdict = judge(Path("/c/postgresql.conf"), 17, lambda _: text, lambda _: None, all_errors=True)
    assert not verdict.accepted
