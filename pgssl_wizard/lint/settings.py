"""What is worth saying of postgresql.conf and its like: what the server refuses, what is weak, what does not mean what it looks like.

Used for a file by itself and for the settings of a cluster, so that both are told the same in the same words.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from pgssl_wizard.files import passphrase_commands
from pgssl_wizard.files.hba import TYPES
from pgssl_wizard.files.known_settings import OLD_NAMES, current_name, fold, known, known_names, majors_of
from pgssl_wizard.files.settings import JudgedLine, SettingsVerdict
from pgssl_wizard.files.values import boolean
from pgssl_wizard.files.versions import NEWEST, OLDEST
from pgssl_wizard.findings import Severity, Topic
from pgssl_wizard.lint.refusals import BYTE_ORDER_MARK, NO_MARK
from pgssl_wizard.lint.remarks import Remark
from pgssl_wizard.lint.text import cure_of_opening
from pgssl_wizard.protocol.profiles import weak_words

#: The text of a physical line (from 1) of a file; empty when it is not known.
LineOf = Callable[[Path, int], str]

TLS_OFF = "TLS is off: whoever is on the network between client and server reads and changes everything"
_VERSIONS = ("tlsv1", "tlsv1.1", "tlsv1.2", "tlsv1.3")
_WEAK_VERSIONS = frozenset(_VERSIONS[:2])
#: Settings whose relative paths mean the data directory, and those whose mean wherever the server was started from.
_IN_DATA_DIRECTORY = frozenset({"ssl_ca_file", "ssl_cert_file", "ssl_crl_dir", "ssl_crl_file", "ssl_dh_params_file", "ssl_key_file"})
_FROM_ANYWHERE = frozenset({"config_file", "data_directory", "external_pid_file", "hba_file", "hosts_file", "ident_file"})
#: Since this major several groups may be named.
_SEVERAL_GROUPS = 18

#: Settings of versions before those known here, and what to write today.
_REPLACED = {
    "checkpoint_segments": "Write max_wal_size.",
    "standby_mode": "Make an empty file standby.signal in the data directory.",
    "trigger_file": "Use pg_ctl promote.",
    "wal_keep_segments": "Write wal_keep_size, in megabytes.",
}
_FULL_BOOLEANS = frozenset({"on", "off", "true", "false", "yes", "no", "1", "0"})


def of_settings(
    file: Path, verdict: SettingsVerdict, major: int, line_of: LineOf, *, main: bool = False, with_data: bool = False
) -> Iterator[Remark]:
    """Yield what is worth saying of a settings file and what it includes.

    Args:
        file: the file, for what concerns it as a whole.
        verdict: of the server, read to the end.
        major: the server's.
        line_of: for lines that are refused.
        main: whether it is the file that the server starts from, so that what it leaves out has its default.
        with_data: whether it lies in the data directory, which relative paths mean.
    """
    yield from refused(verdict, major, line_of)
    winners, beaten = _winners(verdict.rows, major)
    yield from _overridden(beaten, winners, major)
    yield from _machine(verdict)
    ssl = winners.get("ssl")
    if (ssl is None and main) or (ssl is not None and boolean(ssl.value or "") is False):
        yield _say(ssl, "info", "tls-off", TLS_OFF, "Set ssl = on, once a certificate is there.", "certificate", file)
    yield from of_values(verdict.rows, major, with_data=with_data)


def of_values(rows: Sequence[JudgedLine], major: int, *, with_data: bool) -> Iterator[Remark]:
    """Yield what is to be said of the values that count: weak ones, and those that do not mean what they look like.

    Args:
        rows: every line, in the order in which the server reads them.
        major: the server's.
        with_data: whether the lines stand in the data directory, which relative paths mean.
    """
    winners, _ = _winners(rows, major)
    for line in winners.values():
        yield from _old_or_odd(line, major, with_data=with_data)
    yield from _protocol(winners)
    yield from _ciphers(winners, major)
    hashing, command = winners.get("password_encryption"), winners.get("ssl_passphrase_command")
    if hashing is not None and hashing.file is not None:
        yield from _password_hashes(hashing.file, hashing.line, hashing.value or "")
    if command is not None and command.file is not None:
        yield from passphrase_command(command.file, command.line, command.value or "", major)


def refused(verdict: SettingsVerdict, major: int, line_of: LineOf) -> Iterator[Remark]:
    """Yield the lines that the server refuses, and settings with which it does not start, each of them accepted.

    Args:
        verdict: made with `all_errors`, which tells those too that the server would stumble over next.
        major: the server's.
        line_of: the text of a line.
    """
    for row in verdict.rows:
        if row.message is None or row.file is None:  # the command line is nobody's file
            continue
        if row.error == "unrecognized configuration parameter":
            yield _unknown(row, major, line_of)
            continue
        message = re.sub(r' in file ".*?" line \d+', "", row.message or "").rstrip(".")
        detail = f" ({row.detail.rstrip('.')})" if row.detail else ""
        yield Remark(
            row.file,
            row.line,
            "error",
            "settings-syntax-error",
            f"is refused by PostgreSQL {major}: {message}{detail}",
            hint=_cure(row, message, line_of(row.file, row.line)),
            topic="cluster",
        )
    for note in verdict.conflicts:
        if note.file is not None:
            yield Remark(
                note.file,
                note.line,
                "error",
                "settings-conflict",
                f"does not go with the other settings: PostgreSQL {major} does not start with them: {note.text}",
                hint="A reload takes them; the next restart fails. Change one of the settings that are named.",
                topic="cluster",
            )


def _password_hashes(file: Path, line: int, value: str) -> Iterator[Remark]:
    """Yield what is to be said of `password_encryption`."""
    if value.lower() in {"scram-sha-256", "scram"}:
        return
    yield Remark(
        file,
        line,
        "warning",
        "md5-passwords",
        f"sets password_encryption = {value}: new passwords are stored as md5 hashes, which whoever reads them can use to log in",
        hint="Set password_encryption = scram-sha-256, and set the passwords anew.",
    )


def passphrase_command(file: Path, line: int, command: str, major: int) -> Iterator[Remark]:
    """Yield what is to be said of the command that prints the passphrase of the server's key."""
    if passphrase_commands.spells_it_out(command):
        yield Remark(
            file,
            line,
            "warning",
            "passphrase-in-command",
            "spells the passphrase out in its command: whoever reads this file, a backup of it or the list of processes has it",
            hint="Let the command fetch it: from a file of the server's user alone, a vault, or systemd's credentials.",
            topic="key",
        )
    stray = passphrase_commands.stray(command)
    if stray is None:
        return
    if major >= passphrase_commands.STRICT_SINCE:
        yield Remark(
            file,
            line,
            "warning",
            "passphrase-command-percent",
            f"has {stray} in its passphrase command, which PostgreSQL {major} refuses when it runs the command: the key stays shut",
            hint="Write %% for a percent sign; %p is the prompt.",
            topic="key",
        )
    else:
        yield Remark(
            file,
            line,
            "info",
            "passphrase-command-percent",
            f"has {stray} in its passphrase command, which {passphrase_commands.STRICT_SINCE} and later refuse",
            hint="Write %% for a percent sign before that upgrade; %p is the prompt.",
            topic="key",
        )


def _unknown(row: JudgedLine, major: int, line_of: LineOf) -> Remark:
    name = row.name or ""
    text = line_of(row.file, row.line) if row.file else ""
    others = majors_of(name)
    if text.startswith(BYTE_ORDER_MARK):
        hint = NO_MARK
    elif fold(name) in _REPLACED:
        hint = _REPLACED[fold(name)]
    elif others and min(others) > major:
        hint = f"It came with {min(others)}."
    elif others:
        hint = f"It went with {max(others) + 1}: take the line out."
    else:
        near = difflib.get_close_matches(fold(name), known_names(major), 1, 0.8)
        hint = f"Did you mean {near[0]}?" if near else f"No version from {OLDEST} to {NEWEST} has it: take the line out."
    return Remark(
        row.file or Path(),
        row.line,
        "error",
        "setting-unknown",
        f"is refused by PostgreSQL {major}, and the whole file with it: there is no setting {name.removeprefix(BYTE_ORDER_MARK)}",
        hint=hint,
        topic="cluster",
    )


def _cure(row: JudgedLine, message: str, text: str) -> str:
    if message.startswith("could not open"):
        return cure_of_opening(message)
    if not message.startswith("syntax error"):
        return row.hint or "Correct the line; until then the server would not start."
    code = text.strip()
    if text.startswith(BYTE_ORDER_MARK):
        return NO_MARK
    if "\0" in text:
        return "Take the NUL bytes out; text copied from UTF-16 has many."
    if code.startswith(("//", "--", ";", "/*")):
        return "A comment begins with #."
    if re.match(rf"(?:{'|'.join(sorted(TYPES))})\s", code):
        return "This looks like a rule: it belongs into pg_hba.conf."
    found = re.fullmatch(r"([A-Za-z_][A-Za-z0-9_.]*)\s*(?:=|\s)\s*([^#]*?)\s*(?:#.*)?", code)
    value = found[2] if found else ""
    if found and not value:
        return f"Write a value: {found[1]} = '…', or '' for none."
    if found and value.startswith("="):
        return "Write a single equals sign."
    if found and value.startswith("'"):
        if value.endswith(";"):
            return "Take the semicolon out."
        if value.count("'") % 2:
            return "Close the single quote on the same line; a single quote inside is written twice."
        return "Leave nothing but a comment behind the value."
    if found:
        inner = value.strip(";").strip().strip('"')
        # What is long, or looks like a connection string, may hold a password.
        return f"Put the value into single quotes: {found[1]} = '{inner if len(inner) < 40 and '=' not in inner else '…'}'"
    return "A line is name = value, with the value in single quotes."


def _winners(rows: Sequence[JudgedLine], major: int) -> tuple[dict[str, JudgedLine], list[JudgedLine]]:
    """Return the line that counts for each known setting, by name, and the lines that lose against a later one."""
    winners: dict[str, JudgedLine] = {}
    beaten: list[JudgedLine] = []
    for row in rows:
        if row.name is None or row.file is None or known(row.name, major) is None:
            continue
        name = current_name(row.name, major)
        if name in winners:
            beaten.append(winners[name])
        winners[name] = row
    return winners, beaten


def _overridden(beaten: Sequence[JudgedLine], winners: dict[str, JudgedLine], major: int) -> Iterator[Remark]:
    for row in beaten:
        winner = winners[current_name(row.name or "", major)]
        elsewhere = "" if winner.file == row.file else f" of {winner.file.name if winner.file else ''}"
        yield Remark(
            row.file or Path(),
            row.line,
            "info",
            "setting-overridden",
            f"does not count: line {winner.line}{elsewhere} sets {row.name} again",
            "do not count: later lines set the same again",
            hint="Take one of them out.",
            topic="cluster",
        )


def _machine(verdict: SettingsVerdict) -> Iterator[Remark]:
    for note in verdict.notes:
        if note.file is not None:
            words = f"depends on the machine: {note.text}"
            yield Remark(note.file, note.line, "info", "depends-on-machine", words, words.replace("depends", "depend", 1), topic="cluster")


def _old_or_odd(line: JudgedLine, major: int, *, with_data: bool) -> Iterator[Remark]:
    """Yield what is to be said of one setting's name and the form of its value."""
    name, value = fold(line.name or ""), line.value or ""
    setting = known(name, major)
    if name in OLD_NAMES and setting is not None and fold(setting.name) != name:
        yield _say(line, "info", "setting-renamed", f"uses {line.name}, the old name of {setting.name}", f"Write {setting.name}.")
    if setting is not None and setting.kind == "bool" and boolean(value) is not None and value.lower() not in _FULL_BOOLEANS:
        meant = "on" if boolean(value) else "off"
        yield _say(line, "info", "abbreviated", f"says {line.name} = {value}, which means {meant}", f"Write {meant}.")
    if any(char in value for char in "\b\f\n\r\t"):
        yield _say(
            line,
            "warning",
            "backslash-in-value",
            f"has a control character in {line.name}: a single backslash begins an escape",
            "Write every backslash twice.",
        )
    if name not in _IN_DATA_DIRECTORY | _FROM_ANYWHERE or not value:
        return
    if value.startswith("~") or "$" in value:
        yield _say(
            line,
            "warning",
            "path-not-expanded",
            f"has the path {value}, in which the server replaces neither ~ nor $",
            "Write the whole path.",
            "files",
        )
    elif value.startswith("/"):
        return
    elif name in _FROM_ANYWHERE:
        yield _say(
            line,
            "warning",
            "path-relative-to-anywhere",
            f"has a relative path for {line.name}, which means wherever the server is started from",
            "Write the whole path.",
            "files",
        )
    elif not with_data:
        yield Remark(
            line.file or Path(),
            line.line,
            "info",
            "path-relative-to-data",
            "has a relative path, which means the data directory and not the place of this file",
            "have relative paths, which mean the data directory and not the place of this file",
            topic="files",
        )


def _protocol(winners: dict[str, JudgedLine]) -> Iterator[Remark]:
    lower, upper = winners.get("ssl_min_protocol_version"), winners.get("ssl_max_protocol_version")
    for line in (lower, upper):
        if line is not None and (line.value or "").lower() in _WEAK_VERSIONS:
            allows = "allows" if line is lower else "allows nothing above"
            yield _say(
                line,
                "warning",
                "weak-protocol",
                f"{allows} {line.value}, which is broken and was withdrawn in 2021",
                f"Write {line.name} = 'TLSv1.2'." if line is lower else f"Write {line.name} = '', for no limit.",
                "protocol",
            )
    least = (lower.value or "").lower() if lower else "tlsv1.2"
    most = (upper.value or "").lower() if upper else ""
    if least in _VERSIONS and most in _VERSIONS and _VERSIONS.index(least) > _VERSIONS.index(most):
        yield _say(
            upper or lower,
            "warning",
            "protocol-bounds",
            f"makes the highest TLS version ({most.replace('tls', 'TLS')}) lower than the lowest ({least.replace('tls', 'TLS')}): "
            "the server cannot switch TLS on",
            "Write ssl_max_protocol_version = '', for no limit.",
            "protocol",
        )


def _ciphers(winners: dict[str, JudgedLine], major: int) -> Iterator[Remark]:
    line = winners.get("ssl_ciphers")
    if line is not None and line.value is not None:
        new = [word for word in re.split(r"[:, ]+", line.value) if word.startswith("TLS_")]
        if new:
            where = "ssl_tls13_ciphers" if major >= _SEVERAL_GROUPS else ""
            yield _say(
                line,
                "warning",
                "tls13-suites-misplaced",
                f"names {new[0]}, a suite of TLS 1.3, which ssl_ciphers does not hold",
                f"Put it into {where}." if where else f"Take it out: PostgreSQL {major} leaves those to OpenSSL.",
                "protocol",
            )
        weak = weak_words(line.value)
        if weak:
            yield _say(
                line,
                "warning",
                "weak-ciphers",
                f"allows {', '.join(weak[:3])}: suites without encryption or without authentication, or broken ones",
                "Write HIGH:!aNULL, or name suites one by one.",
                "protocol",
            )
    curves = winners.get("ssl_ecdh_curve")
    if curves is not None and major < _SEVERAL_GROUPS and re.search(r"[:, ]", curves.value or ""):
        yield _say(
            curves,
            "warning",
            "several-curves",
            f"names several curves, and PostgreSQL {major} takes exactly one: TLS cannot be switched on",
            "Write one, such as prime256v1.",
            "protocol",
        )


def _say(
    line: JudgedLine | None,
    severity: Severity,
    code: str,
    words: str,
    hint: str | None = None,
    topic: Topic = "cluster",
    file: Path | None = None,
) -> Remark:
    if line is None or line.file is None:
        return Remark(file or Path(), 0, severity, code, words, hint=hint, topic=topic)
    if words == TLS_OFF:
        words = f"switches TLS off: {TLS_OFF.partition(': ')[2]}"
    return Remark(line.file, line.line, severity, code, words, hint=hint, topic=topic)
