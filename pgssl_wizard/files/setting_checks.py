"""The server's own checks of single settings (its check hooks), as far as the text and the settings before it decide.

Each function takes a value that passed the check of its type and returns what the server stores, or raises `Wrong`. What only
the machine can tell is in `PLACES`. Every check hook of 13 to 19 is here or in `setting_words`, `setting_targets`, `standby_names`,
or it is named in `PLACES` or `WITHOUT_EFFECT`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pgssl_wizard.files.setting_lists import BadList, canonical_path, clean_ascii, split_identifiers, split_words
from pgssl_wizard.files.standby_names import check_standby_names

_LIST = "List syntax is invalid."


class Wrong(Exception):
    """The server refuses the value.

    Attributes:
        detail: its DETAIL, or the WARNING that it logs before.
        message: in place of `invalid value for parameter`.
    """

    def __init__(self, detail: str = "", *, message: str = "", hint: str = "") -> None:
        super().__init__(message or detail)
        self.detail = detail
        self.message = message
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Case:
    """What a check may look at besides the value.

    Attributes:
        name: of the setting, folded.
        before: what the server holds for other settings at this moment, by folded name.
    """

    name: str
    major: int
    before: Callable[[str], str]


Check = Callable[[str, Case], str]

#: Settings whose values the machine decides on, and on what; the value is taken here. Not listed where it is empty or the default.
PLACES: Mapping[str, str] = {
    "extension_destdir": "the server must come from Debian's packages, whose setting this is",
    "lc_messages": "the locale must be installed on the server",
    "lc_monetary": "the locale must be installed on the server",
    "lc_numeric": "the locale must be installed on the server",
    "lc_time": "the locale must be installed on the server",
    "timezone": "the server must know the time zone",
    "log_timezone": "the server must know the time zone",
    "timezone_abbreviations": "the server must have a file of this name among its time zone abbreviations",
    "default_tablespace": "the tablespace must exist",
    "temp_tablespaces": "the tablespaces must exist",
    "default_table_access_method": "the access method must exist",
    "default_text_search_config": "the text search configuration must exist",
    "synchronized_standby_slots": "the replication slots must exist",
    "timing_clock_source": "the processor must have a usable time stamp counter",
}

#: Settings with a check that passes everything on Linux, at a start, outside of pg_upgrade.
WITHOUT_EFFECT = frozenset(
    {
        *("client_connection_check_interval", "effective_io_concurrency", "maintenance_io_concurrency", "huge_page_size"),
        *("recovery_prefetch", "ssl", "ssl_sni", "temp_buffers", "seed", "max_slot_wal_keep_size", "idle_replication_slot_timeout"),
        *("transaction_deferrable", "transaction_isolation", "transaction_read_only", "wal_segment_size"),
    }
)

#: Bytes that a value may have as a stack limit on the usual Linux (`ulimit -s` 8 MB less the server's reserve), in kB.
_USUAL_STACK = 7680

_MAX_BACKENDS = 0x3FFFF


def note_of(name: str, value: str, major: int) -> str | None:
    """Return what the value depends on besides its text, None when on nothing."""
    if name == "max_stack_depth":
        return "the server's stack limit (ulimit -s) must allow it" if int(value) > _USUAL_STACK else None
    if name == "wal_consistency_checking" and major >= 15:
        unknown = [word for word in split_identifiers(value, major) if word.lower() not in _RESOURCE_MANAGERS]
        return f"a library in shared_preload_libraries must bring {', '.join(unknown)}" if unknown else None
    if name == "timing_clock_source" and value != "tsc":
        return None
    if name.endswith("timezone") and value in {"UTC", "GMT"}:
        return None
    if name.startswith("lc_") and value in {"", "C", "POSIX"}:
        return None
    return PLACES.get(name) if value else None


def _cleaned(value: str, case: Case) -> str:
    return clean_ascii(value, case.major)


def _autovacuum_work_mem(value: str, case: Case) -> str:
    least = 64 if case.major >= 17 else 1024
    return value if value == "-1" else str(max(int(value), least))


def _wal_buffers(value: str, _case: Case) -> str:
    return value if value == "-1" else str(max(int(value), 4))


def _backtrace_functions(value: str, case: Case) -> str:
    if not re.fullmatch(r"[0-9_a-zA-Z, \n\t]*", value):
        raise Wrong("Invalid character." if case.major >= 18 else "Invalid character" if case.major >= 17 else "invalid character")
    return value


def _bonjour(value: str, _case: Case) -> str:
    if value == "on":
        raise Wrong(message="Bonjour is not supported by this build")
    return value


def _path(value: str, case: Case) -> str:
    return canonical_path(value, case.major)


def _slru(value: str, case: Case) -> str:
    if int(value) % 16:
        raise Wrong(f'"{case.name}" must be a multiple of 16' + ("." if case.major >= 18 else ""))
    return value


def _keywords(*allowed: str) -> Check:
    """Return a check of a list of names, each of them one of these."""

    def check(value: str, case: Case) -> str:
        for word in _identifiers(value, case):
            if word.lower() not in allowed:
                raise Wrong(f'Unrecognized key word: "{word}".')
        return value

    return check


def _log_destination(value: str, case: Case) -> str:
    return _keywords("stderr", "csvlog", "syslog", *(["jsonlog"] if case.major >= 15 else []))(value, case)


def _list(value: str, case: Case) -> str:
    _identifiers(value, case)
    return value


def _standby_slots(value: str, case: Case) -> str:
    return _list(value, case) if value else value


def _io_direct(value: str, case: Case) -> str:
    stop = "." if case.major >= 18 else ""
    try:
        words = split_words(value, case.major)
    except BadList:
        raise Wrong(f'{"Invalid" if case.major >= 17 else "invalid"} list syntax in parameter "debug_io_direct"{stop}') from None
    for word in words:
        if word.lower() not in {"data", "wal", "wal_init"}:
            raise Wrong(f'{"Invalid" if case.major >= 17 else "invalid"} option "{word}"{stop}')
    return value


def _table_access_method(value: str, case: Case) -> str:
    if not value:
        raise Wrong(f"{_quoted(case.name, case.major)} cannot be empty.")
    return value


def _io_max_concurrency(value: str, _case: Case) -> str:
    if value == "0":
        raise Wrong("Only -1 or values bigger than 0 are valid.")
    return value


def _locale(value: str, case: Case) -> str:
    if case.name == "lc_messages" and not value:
        raise Wrong
    if case.major >= 16 and not value.isascii():
        raise Wrong(f'locale name "{value}" contains non-ASCII characters')
    return value


def _log_connections(value: str, case: Case) -> str:
    try:
        words = split_identifiers(value, case.major)
    except BadList:
        raise Wrong('Invalid list syntax in parameter "log_connections".') from None
    if words and words[0].lower() in {"off", "false", "no", "0", "on", "true", "yes", "1"}:
        if len(words) > 1:
            option = _quoted("log_connections", case.major) if case.major >= 19 else "log_connections"
            raise Wrong(f'Cannot specify {option} option "{words[0]}" in a list with other options.')
        return value
    for word in words:
        if word.lower() not in {"receipt", "authentication", "authorization", "setup_durations", "all"}:
            raise Wrong(f'Invalid option "{word}".')
    return value


def _log_statement_stats(value: str, case: Case) -> str:
    stages = ("log_parser_stats", "log_planner_stats", "log_executor_stats")
    if value == "on" and any(case.before(name) == "on" for name in stages):
        one, two, three = stages
        raise Wrong(f'Cannot enable "log_statement_stats" when "{one}", "{two}", or "{three}" is true.')
    return value


def _log_stage_stats(value: str, case: Case) -> str:
    if value == "on" and case.before("log_statement_stats") == "on":
        raise Wrong('Cannot enable parameter when "log_statement_stats" is true.')
    return value


def _backends(value: str, case: Case) -> str:
    """All kinds of processes together must not be too many; 18 checks that later."""
    kinds = ("max_connections", "autovacuum_max_workers", "max_worker_processes", "max_wal_senders")
    others = sum(int(case.before(name)) for name in kinds if name != case.name)
    if case.major <= 17 and int(value) + others + 1 > _MAX_BACKENDS:
        raise Wrong
    return value


def _slot_name(value: str, _case: Case) -> str:
    if not value:
        return value
    if len(value.encode("utf-8", "surrogateescape")) > 63:
        raise Wrong(f'replication slot name "{value}" is too long')
    if not re.fullmatch(r"[a-z0-9_]+", value):
        raise Wrong(
            f'replication slot name "{value}" contains invalid character',
            hint="Replication slot names may only contain lower case letters, numbers, and the underscore character.",
        )
    return value


def _role(value: str, _case: Case) -> str:
    # No role can be looked up while files are read.
    if value != "none":
        raise Wrong
    return value


def _nobody(_value: str, _case: Case) -> str:
    raise Wrong


def _without_oids(value: str, _case: Case) -> str:
    if value == "on":
        raise Wrong(message="tables declared WITH OIDS are not supported")
    return value


def _standard_strings(value: str, case: Case) -> str:
    if value == "off" and case.major >= 19:
        raise Wrong(message="non-standard string literals are not supported")
    return value


def _vacuum_buffer_usage_limit(value: str, case: Case) -> str:
    if 0 < int(value) < 128:
        raise Wrong(f'"{case.name}" must be 0 or between 128 kB and 16777216 kB' + ("." if case.major >= 18 else ""))
    return value


_RESOURCE_MANAGERS = ("all", "heap2", "heap", "btree", "hash", "gin", "gist", "sequence", "spgist", "brin", "generic")


def _wal_consistency_checking(value: str, case: Case) -> str:
    if case.major <= 14:
        return _keywords(*_RESOURCE_MANAGERS)(value, case)
    # Later the libraries that are loaded at the start may add more, so the names are looked at after that.
    return _list(value, case)


def _abbreviations(value: str, _case: Case) -> str:
    if not value:
        raise Wrong(message='could not read time zone file "": Is a directory')
    if not re.fullmatch(r"[A-Za-z]*", value):
        raise Wrong
    return value


def _timezone(value: str, _case: Case) -> str:
    # INTERVAL '…' as in SQL; what the quotes hold is the server's to read.
    if value[:8].lower() == "interval" and not re.fullmatch(r"[ \t\n\v\f\r]*'[^']*'", value[8:]):
        raise Wrong
    return value


def _identifiers(value: str, case: Case) -> list[str]:
    try:
        return split_identifiers(value, case.major)
    except BadList:
        raise Wrong(_LIST) from None


def _quoted(name: str, major: int) -> str:
    """Return a setting's name as the server puts it into its details: in quotes from 17 on."""
    return f'"{name}"' if major >= 17 else name


def checks() -> Mapping[str, Check]:
    """Return the check of each setting that has one, by folded name."""
    from pgssl_wizard.files import setting_targets, setting_words  # noqa: PLC0415 - they rest on this module

    return {
        "application_name": _cleaned,
        "cluster_name": _cleaned,
        "autovacuum_work_mem": _autovacuum_work_mem,
        "backtrace_functions": _backtrace_functions,
        "bonjour": _bonjour,
        "wal_buffers": _wal_buffers,
        **dict.fromkeys(("log_directory", "external_pid_file", "stats_temp_directory"), _path),
        **dict.fromkeys(
            (
                *("commit_timestamp_buffers", "multixact_member_buffers", "multixact_offset_buffers", "notify_buffers"),
                *("serializable_buffers", "subtransaction_buffers", "transaction_buffers"),
            ),
            _slru,
        ),
        "createrole_self_grant": _keywords("set", "inherit"),
        "restrict_nonsystem_relation_kind": _keywords("view", "foreign-table"),
        "log_destination": _log_destination,
        "search_path": _list,
        "temp_tablespaces": _list,
        "synchronized_standby_slots": _standby_slots,
        "debug_io_direct": _io_direct,
        "default_table_access_method": _table_access_method,
        "io_max_concurrency": _io_max_concurrency,
        **dict.fromkeys(("lc_messages", "lc_monetary", "lc_numeric", "lc_time"), _locale),
        "log_connections": _log_connections,
        "log_statement_stats": _log_statement_stats,
        **dict.fromkeys(("log_parser_stats", "log_planner_stats", "log_executor_stats"), _log_stage_stats),
        **dict.fromkeys(("max_connections", "autovacuum_max_workers", "max_worker_processes", "max_wal_senders"), _backends),
        "primary_slot_name": _slot_name,
        "role": _role,
        "session_authorization": _nobody,
        "default_with_oids": _without_oids,
        "standard_conforming_strings": _standard_strings,
        "vacuum_buffer_usage_limit": _vacuum_buffer_usage_limit,
        "wal_consistency_checking": _wal_consistency_checking,
        "timezone_abbreviations": _abbreviations,
        "timezone": _timezone,
        "synchronous_standby_names": _standby_names,
        **setting_words.CHECKS,
        **setting_targets.CHECKS,
    }


def _standby_names(value: str, _case: Case) -> str:
    problem = check_standby_names(value)
    if problem is not None:
        raise Wrong(problem.detail, message=problem.message)
    return value
