"""What a server makes of a value: the same verdict, the same words, the same value shown."""

from __future__ import annotations

import os
import random
import re
from dataclasses import replace

from pgssl_wizard.files.conf_edit import quote
from pgssl_wizard.files.known_settings import KnownSetting, fold, known, known_names
from pgssl_wizard.files.setting_checks import PLACES
from pgssl_wizard.files.setting_values import check
from pgssl_wizard.files.settings import judge
from tests.files.settings_oracle import Said, Starts, in_force, lister, reader, reload, said_by, settings_given
from tests.servers import RealCluster

#: How many values are made up for each setting; far more when a change is to be tried hard.
EXAMPLES = int(os.environ.get("PGSSL_EXAMPLES", "150")) // 2
#: Another stream of values than last time.
SEED = int(os.environ.get("PGSSL_SEED", "1"))

#: Values that need a server built with more than those of the tests.
OF_BUILD = frozenset({"lz4", "zstd", "io_uring"})

#: Settings whose verdict the machine decides on, so that only what is refused everywhere could be compared.
OF_MACHINE = frozenset({*PLACES, "max_stack_depth"})

#: Settings of the session that asks, which would not come back with an answer, or with another one; and what they do.
UNASKABLE = {
    "session_preload_libraries": "no such library",
    "local_preload_libraries": "no such library",
    "statement_timeout": "ends the question",
    "temp_file_limit": "ends the question",
    "lock_timeout": "ends the question",
    "transaction_timeout": "ends the question",
    "idle_session_timeout": "ends the session",
    "idle_in_transaction_session_timeout": "ends the session",
    "authentication_timeout": "ends the session",
    "post_auth_delay": "waits",
    "pre_auth_delay": "waits",
    "max_stack_depth": "the machine decides",
    "db_user_namespace": "no role is found any more",
    "client_encoding": "answers come in another encoding",
    "client_connection_check_interval": "asks the connection",
    "role": "is a role",
    "session_authorization": "is a role",
    "ignore_system_indexes": "takes too long",
    "debug_discard_caches": "takes too long",
    "debug_invalidate_system_caches_always": "takes too long",
    "default_table_access_method": "is looked up in the catalogue",
    "default_tablespace": "is looked up in the catalogue",
    "temp_tablespaces": "is looked up in the catalogue",
    "default_text_search_config": "is looked up in the catalogue",
    "search_path": "finds other functions",
    "archive_command": "shown as disabled while archive_mode is off",
    "tcp_keepalives_idle": "asks the connection",
    "tcp_keepalives_interval": "asks the connection",
    "tcp_keepalives_count": "asks the connection",
    "tcp_user_timeout": "asks the connection",
    "timezone_abbreviations": "the machine decides",
    "dynamic_library_path": "the server's own libraries are not found",
    "synchronized_standby_slots": "the slots are looked up",
    "wal_consistency_checking": "names are looked up once the server runs",
    "restrict_nonsystem_relation_kind": "hides the view that is asked",
    "debug_parallel_query": "takes too long",
    "force_parallel_mode": "takes too long",
    "transaction_isolation": "is of the transaction that asks",
    "transaction_read_only": "is of the transaction that asks",
    "transaction_deferrable": "is of the transaction that asks",
}

_UNITS = ["", "", "B", "kB", "MB", "GB", "TB", "us", "ms", "s", "min", "h", "d", "KB", "mb", "x", " kB", "kB ", " s ", "e", "TBx"]
_NUMBERS = [
    *("0", "1", "-1", "2", "5", "7", "8", "10", "16", "17", "32", "64", "100", "127", "128", "129", "255", "511", "512", "1000", "1024"),
    *("4096", "65535", "65536", "262143", "1048576", "2147483647", "2147483648", "-2147483648", "-2147483649", "9223372036854775807"),
    *("9223372036854775808", "100000000000000000000", "0x10", "0X1f", "010", "08", "00", "-0", "+5", "0x", "0xg", "0b1", "1_000"),
    *("\u0661", ".5", " .5", "-.5", "5.", ".", "1e3", "1E-3", "1e", "1e400", "1e-400", "1e-310", "inf", "-inf", "nan", "infinity"),
    *("0x1.8p3", "0x10.8", "0.5e1", "1.5", "2.5", "3.5", "-1.5", "  7", "7  ", "", " ", "abc", "1 2", "1e308", "1.7976931348623157e308"),
    *("1.797693e308", "-1e308", "0.1", "0.30000001", "1e-8"),
]
_WORDS = [
    *("on", "off", "true", "false", "yes", "no", "1", "0", "t", "f", "y", "n", "o", "of", "ON", "Off", "tRUE", "", "on ", " on", "2"),
    *("none", "all", "any", "auto", "default", "iso", "ISO, MDY", "ymd", "postgres", "sql,dmy", "german", "german, mdy", "iso,sql"),
    *(
        "dmy,ymd",
        "euro",
        "noneuro",
        "us, iso",
        '"ISO"',
        "iso,",
        "default, dmy",
        "stderr",
        "csvlog",
        "syslog, stderr",
        "jsonlog",
        "eventlog",
    ),
    *("stderr,,csvlog", '"stderr', "receipt", "authentication,authorization", "on, receipt", "receipt,on", "setup_durations", "UTF8"),
    *("utf-8", "latin1", "LATIN 1", "unicode", "UNICODE", "sqlascii", "mule_internal", "koi8-r", "win1252", "euc_jp", "x" * 70, "set"),
    *("inherit", "SET, inherit", "view", "foreign-table", "view , foreign-table", "data", "wal", "wal, data", "wal_init", '"data"'),
    *("immediate", "latest", "current", "2024-01-01", "2024-13-01", "2024-02-30 10:00:00+00", "2024-02-29 25:00", "2024-01-01 10:00:00 Z"),
    *("2024-01-01T10:00:00.5+02", "now", "today", "infinity", "epoch", "foo", "1/2", "0/0", "FFFFFFFF/FFFFFFFF", "1/", "123456789/1"),
    *("-5", "99999999999999999999", "a b", "a, b", "a,b,c", "ANY 1 (a)", "FIRST 2 (a, b)", "2 (a, b)", "any", "first 0 (a)", "1 (a", "*"),
    *("*, a", '"a""b"', '"a', "a;b", "(a)", "1,2", "1 a", "ANY (a)", "0 (a)", "99999999999 (a)", "4294967297 (a)", "my_slot", "My_slot"),
    *("slot-1", "\u00e9", "na\u00efve", "$user, public", '"$user", public', "public,", "a\tb", "a\vb", "a\nb", "/a//b/../c", "./x/"),
    *("..", ".", "heap, btree", "Heap2", "bogus", "minimal", "archive", "hot_standby", "warning", "debug", "info", "md5", "scram-sha-256"),
    *("pglz", "sync", "TLSv1.2", "tlsv1.3", "TLSv1", "C", "POSIX", "heap", "Australia", "a1", "it's", "back\\slash", "K", "\u017fon"),
]


def test_every_setting_takes_and_refuses_the_same_values_in_the_same_words(starts: Starts) -> None:
    """Message, detail and hint. Names in different cases let one file try many values of one setting, one after the other."""
    compared = 0
    names = [name for name in known_names(starts.major) if fold(name) not in OF_MACHINE]
    for group in (names[start : start + 12] for start in range(0, len(names), 12)):
        lines: list[str] = []
        for name in group:
            setting = known(name, starts.major)
            assert setting is not None
            rng = random.Random(f"{SEED} {name}")  # noqa: S311 - values for a test
            lines += [f"{spelled(name, place)} = {quote(some_value(setting, rng))}\n" for place in range(min(EXAMPLES, spellings(name)))]
        starts.write({"postgresql.conf": "".join(lines).encode()})
        started, verdict = starts.start(), starts.judged()
        assert [full_build(said) for said in said_by(verdict)] == [full_build(said) for said in started.said], group
        assert verdict.accepted == started.accepted
        compared += len(lines)
    assert compared > len(names)


def test_every_value_is_shown_as_the_server_shows_it(free_file: RealCluster) -> None:
    """Bare in pg_settings, with its unit by SHOW; of settings that a reload changes."""
    rng = random.Random(SEED)  # noqa: S311 - values for a test
    compared = 0
    left_out = {*UNASKABLE, *OF_MACHINE, *settings_given(free_file)}
    for _ in range(max(EXAMPLES // 10, 2)):
        lines: dict[str, str] = {}
        expected: dict[str, str] = {}
        shown: dict[str, str | None] = {}
        for name in known_names(free_file.major):
            setting = known(name, free_file.major)
            assert setting is not None
            if setting.context in {"internal", "postmaster"} or fold(name) in left_out:
                continue
            for _try in range(8):
                value = some_value(setting, rng)
                checked = check(setting, value, free_file.major)
                if checked.value is not None:
                    lines[name], expected[fold(name)] = f"{name} = {quote(value)}\n", checked.value
                    shown[fold(name)] = checked.shown
                    break
        # One of them rules the others out.
        expected.pop("log_statement_stats", None)
        lines.pop("log_statement_stats", None)
        free_file.config_file.write_text("".join(lines.values()), encoding="utf-8")
        assert not judge(free_file.config_file, free_file.major, reader, lister, None, settings_given(free_file)).log
        reload(free_file)
        now = in_force(free_file)
        assert {name: now[name].value for name in expected if name in now} == {name: expected[name] for name in expected if name in now}
        compared += len(expected)
        with_units = [name for name in expected if name in now and (setting := known(name, free_file.major)) and setting.unit]
        ((shows,),) = free_file.sql(f"select array[{', '.join(f'current_setting({chr(39)}{name}{chr(39)})' for name in with_units)}]")
        assert isinstance(shows, list)
        for name, show in zip(with_units, shows, strict=True):
            assert shown[name] == show, name
    assert compared > 100


def test_a_setting_that_takes_a_restart_has_the_value_that_we_say(starts: Starts) -> None:
    """As `postgres -C` prints it, which shows modes in decimal."""
    rng = random.Random(SEED)  # noqa: S311 - values for a test
    for name in known_names(starts.major):
        setting = known(name, starts.major)
        assert setting is not None
        if setting.context != "postmaster" or fold(name) in {"config_file", "data_directory", "hba_file", "ident_file"}:
            continue
        value = next((value for _ in range(20) if check(setting, value := some_value(setting, rng), starts.major).value is not None), None)
        if value is None or (starts.major >= 15 and fold(name).startswith("shared_memory")):
            continue
        starts.write({"postgresql.conf": f"{name} = {quote(value)}\n".encode()})
        stored = check(setting, value, starts.major).value
        assert stored is not None
        mode = fold(name) == "unix_socket_permissions"
        assert starts.start(name).value == (str(int(stored, 8)) if mode else stored), (name, value)


def test_what_the_machine_decides_is_taken_with_a_note() -> None:
    """A time zone, a locale, a tablespace."""
    for name, value in [("timezone", "Mars/Base"), ("lc_messages", "xx_XX"), ("default_tablespace", "fast"), ("max_stack_depth", "100MB")]:
        setting = known(name, 18)
        assert setting is not None
        checked = check(setting, value, 18)
        assert checked.error is None
        assert checked.note
    locale = known("lc_messages", 18)
    assert locale is not None
    assert check(locale, "C", 18).note is None


def test_what_we_refuse_of_settings_that_the_machine_decides_on_the_server_refuses_too(starts: Starts) -> None:
    """In the same words."""
    for name in sorted(OF_MACHINE):
        setting = known(name, starts.major)
        if setting is None:
            continue
        rng = random.Random(f"{SEED} {name}")  # noqa: S311 - values for a test
        values = [*_WORDS, "interval", "interval 5", "interval '5", *(some_value(setting, rng) for _ in range(EXAMPLES))]
        refused = [value for value in values if check(setting, value, starts.major).value is None][: spellings(name)]
        lines = [f"{spelled(name, place)} = {quote(value)}\n" for place, value in enumerate(refused)]
        starts.write({"postgresql.conf": "".join(lines).encode()})
        said = [said for said in starts.start().said if not said.message.startswith("locale name")]
        ours = [replace(one, detail=None) if str(one.detail).startswith("locale name") else one for one in said_by(starts.judged())]
        assert ours == said, name


def test_some_values_are_refused_with_a_reason_to_tell() -> None:
    """The words that people know from their log, and what the server adds."""
    level = known("ssl_min_protocol_version", 17)
    assert level is not None
    refused = check(level, "SSLv3", 17)
    assert refused.error == 'invalid value for parameter "ssl_min_protocol_version": "SSLv3"'
    assert refused.hint == "Available values: TLSv1, TLSv1.1, TLSv1.2, TLSv1.3."
    timeout = known("authentication_timeout", 16)
    assert timeout is not None
    assert check(timeout, "1000s", 16).error == '1000 s is outside the valid range for parameter "authentication_timeout" (1 .. 600)'
    assert check(timeout, "1000s", 17).error == '1000 s is outside the valid range for parameter "authentication_timeout" (1 s .. 600 s)'
    assert "Valid units" in str(check(timeout, "1 fortnight", 17).hint)


def full_build(said: Said) -> Said:
    """Return a message with the values out of its hint that need another build."""
    hint = said.hint and re.sub(r"(lz4|zstd|io_uring), |, (lz4|zstd|io_uring)(?=\.)", "", said.hint)
    return replace(said, hint=hint)


def spellings(name: str) -> int:
    """Return in how many ways a name can be spelled."""
    return int(2 ** min(sum(char.isalpha() for char in name), 12))


def spelled(name: str, place: int) -> str:
    """Return a name in a spelling of its own for each place."""
    out = []
    for char in name:
        if char.isalpha():
            out.append(char.upper() if place & 1 else char.lower())
            place >>= 1
        else:
            out.append(char)
    return "".join(out)


def some_value(setting: KnownSetting, rng: random.Random) -> str:
    """Return a value that may fit a setting, or nearly."""
    if rng.random() < 0.12:
        return rng.choice(_WORDS)
    if setting.kind in {"integer", "real"}:
        if rng.random() < 0.25:
            limit = rng.choice([setting.low, setting.high]) + rng.choice([-1, 0, 1, 0.4, -0.4, 0.5])
            return repr(limit) if rng.random() < 0.5 or abs(limit) > 1e300 else str(int(limit))
        number = rng.choice(_NUMBERS) if rng.random() < 0.6 else f"{rng.uniform(-5, 5000):.{rng.randrange(4)}f}"
        return number + (rng.choice(_UNITS) if rng.random() < 0.6 else "")
    if setting.kind == "enum" and rng.random() < 0.5:
        value = rng.choice([choice.name for choice in setting.values if choice.name not in OF_BUILD])
        return rng.choice([value, value.upper(), value.title(), value + " ", value[:-1]])
    if setting.kind == "bool" and rng.random() < 0.6:
        return rng.choice(_WORDS[:22])
    return rng.choice(_WORDS)
