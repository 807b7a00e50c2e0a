"""What the running server answers: sessions, who waits for a reload, whether it is a standby."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pgssl_wizard.cluster.facts import Known, ServerSays, Session
from pgssl_wizard.cluster.settings import Live
from pgssl_wizard.files.known_settings import OLD_NAMES
from pgssl_wizard.files.setting_numbers import NotANumber, parse_integer, parse_real
from pgssl_wizard.files.values import boolean
from pgssl_wizard.server.admin import AdminSession

# Only sessions of which the server tells us whether they are encrypted: a role without privileges sees but its own.
_SESSIONS = """
select a.usename, a.datname, a.application_name, host(a.client_addr) as address, a.backend_type,
       s.ssl as tls, s.version, s.cipher, s.client_dn, coalesce(g.encrypted, false) as gss
from pg_stat_activity a
join pg_stat_ssl s using (pid)
left join pg_stat_gssapi g using (pid)
where a.client_addr is not null and a.pid <> pg_backend_pid() and a.usename is not null
order by a.usename, a.datname, a.client_addr, a.pid
"""

# The port of a session over the Unix socket is -1; a role without privileges sees null.
_LOCAL = """
select a.usename, a.datname, a.application_name, a.backend_type, count(*) as count
from pg_stat_activity a
where a.client_port = -1 and a.pid <> pg_backend_pid() and a.usename is not null and a.application_name not like 'pgssl-wizard%'
group by 1, 2, 3, 4
order by 1, 2, 3, 4
"""

_OURSELVES = """
select session_user as usename, current_database() as datname, host(inet_client_addr()) as address,
       coalesce((select ssl from pg_stat_ssl where pid = pg_backend_pid()), false) as tls
"""

# As is_member_of_role_nosuper goes: whatever a membership inherits or lets set counts.
_MEMBERS = """
select m.rolname::text as member, g.rolname::text as granted
from pg_auth_members a join pg_roles m on m.oid = a.member join pg_roles g on g.oid = a.roleid
"""

_BASICS = """
select current_user as me, (select rolsuper from pg_roles where rolname = current_user) as superuser,
       pg_is_in_recovery() as standby, extract(epoch from pg_conf_load_time())::float8 as loaded,
       current_setting('allow_alter_system', true) as alter_system, (select count(*) from pg_stat_replication) as standbys,
       array(select rolname::text from pg_roles where rolcanlogin order by 1) as roles,
       array(select rolname::text from pg_roles where rolcanlogin and (rolsuper or rolreplication) order by 1) as privileged
"""

_SETTINGS = "select name, setting, source, sourcefile, context, unit, vartype, boot_val from pg_settings"

# Reads the files as a reload would; an entry that a later one overrides is not applied.
_FILE_SETTINGS = "select sourcefile, sourceline, name, setting, applied, error from pg_file_settings order by seqno"

#: Sources that a line in a file comes after: such a line is what a reload puts in force.
_BELOW_FILES = frozenset({"configuration file", "default", "environment variable"})

#: Old names that the server still understands in files, and what its views call them.
_OLD_NAMES = {old: new for old, (new, _) in OLD_NAMES.items()}


@dataclass(frozen=True, slots=True)
class Told:
    """What the server said, what it says of its settings, and when it last read its configuration (epoch seconds)."""

    said: ServerSays
    live: Live
    loaded: float


def ask(session: AdminSession) -> Told:
    """Return what the server says of itself and of its settings."""
    basics = session.query(_BASICS)[0]
    settings = {str(row["name"]).lower(): row for row in session.query(_SETTINGS)}
    superuser = bool(basics["superuser"])
    pending: tuple[str, ...] = ()
    restart: tuple[str, ...] = ()
    if superuser:
        in_files = session.query(_FILE_SETTINGS)
        pending, restart = waiting(in_files, settings)
    said = ServerSays(
        user=str(basics["me"]),
        superuser=superuser,
        in_recovery=bool(basics["standby"]),
        sessions=tuple(_session(row) for row in session.query(_SESSIONS)),
        pending=pending,
        allow_alter_system=basics["alter_system"] != "off",
        roles=tuple(basics["roles"]),
        privileged=tuple(basics["privileged"]),
        standbys=int(basics["standbys"]),
        restart_pending=restart,
        local=(*(_ourselves(row) for row in session.query(_OURSELVES)), *(_local(row) for row in session.query(_LOCAL))),
        memberships=closed(session.query(_MEMBERS)),
    )
    live = Live(
        in_force={name: str(row["setting"]) for name, row in settings.items() if row["setting"] is not None},
        built_in={name: str(row["boot_val"]) for name, row in settings.items() if row["boot_val"] is not None},
        environment=frozenset(name for name, row in settings.items() if row["source"] == "environment variable"),
    )
    return Told(said, live, float(basics["loaded"]))


def edited_since(paths: Iterable[Path], loaded: float) -> tuple[Path, ...]:
    """Return the files that changed after an instant (epoch seconds); one that was moved in place counts, however old its content."""
    found = []
    for path in paths:
        try:
            status = path.stat()
        except (OSError, ValueError):
            continue
        if max(status.st_mtime, status.st_ctime) > loaded:
            found.append(path)
    return tuple(found)


def waiting(in_files: list[dict[str, Any]], settings: Mapping[str, Mapping[str, Any]]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return which edits a reload would activate, and which wait for a restart, in words.

    Args:
        in_files: the rows of pg_file_settings in their order.
        settings: the rows of pg_settings by name.
    """
    if any(row["error"] and not row["name"] for row in in_files):
        # A syntax error: the server would apply nothing at all, and what it lists is not the whole.
        return (), ()
    last: dict[str, dict[str, Any]] = {}
    for row in in_files:
        name = str(row["name"]).lower()
        last[_OLD_NAMES.get(name, name)] = row
    reload, restart = [], []
    for name, row in last.items():
        now = settings.get(name)
        if now is None:
            if "." in name and row["applied"]:
                reload.append(f"{_shown(name, row['setting'])} in {_where(row)} waits for a reload (not known to the server yet)")
        elif now["source"] in _BELOW_FILES and _differs(row, now):
            words = f"{_shown(name, row['setting'])} in {_where(row)}"
            if now["context"] == "postmaster":
                restart.append(f"{words} needs a restart{_in_force(name, now)}")
            elif row["applied"] and not row["error"]:
                reload.append(f"{words} waits for a reload{_in_force(name, now)}")
    return (*reload, *_gone(last, settings, restart=False)), (*restart, *_gone(last, settings, restart=True))


def _gone(last: Mapping[str, object], settings: Mapping[str, Mapping[str, Any]], *, restart: bool) -> Iterator[str]:
    """Yield settings in force whose line is no longer there."""
    for name, now in settings.items():
        if now["source"] != "configuration file" or not now["sourcefile"] or name in last:
            continue
        if (now["context"] == "postmaster") is restart and now["setting"] != now["boot_val"]:
            when = "goes back to its default at the next restart" if restart else "goes back to its default at a reload"
            yield f"{name}, taken out of {now['sourcefile']}, {when}{_in_force(name, now)}"


def _session(row: dict[str, Any]) -> Session:
    return Session(
        user=row["usename"],
        database=row["datname"] or "",
        application=row["application_name"] or "",
        address=row["address"],
        tls=bool(row["tls"]),
        gss=bool(row["gss"]),
        replication=row["backend_type"] == "walsender" and not row["datname"],
        tls_version=row["version"],
        cipher=row["cipher"],
        certificate=row["client_dn"],
        walsender=row["backend_type"] == "walsender",
    )


def _ourselves(row: dict[str, Any]) -> Known:
    return Known(
        "session",
        row["usename"],
        row["datname"],
        row["address"],
        # Its library takes TLS as soon as the server has it.
        tls=True if row["tls"] else False if row["address"] is None else None,
        application="pgssl-wizard",
        administrator=True,
    )


def _local(row: dict[str, Any]) -> Known:
    walsender = row["backend_type"] == "walsender"
    return Known(
        "replication" if walsender else "session",
        row["usename"],
        row["datname"] or "",
        replication=walsender and not row["datname"],
        walsender=walsender,
        application=row["application_name"] or "",
        count=int(row["count"]),
    )


def closed(pairs: Iterable[Mapping[str, Any]]) -> dict[str, tuple[str, ...]]:
    """Return, by role, every role that it is a member of, directly or through others, out of single memberships."""
    direct: dict[str, list[str]] = {}
    for pair in pairs:
        direct.setdefault(pair["member"], []).append(pair["granted"])
    found: dict[str, tuple[str, ...]] = {}
    for member, granted in direct.items():
        reached: dict[str, None] = {}
        ahead = list(granted)
        while ahead:
            role = ahead.pop()
            if role not in reached:
                reached[role] = None
                ahead += direct.get(role, ())
        found[member] = tuple(sorted(reached))
    return found


def _differs(row: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    written, current = str(row["setting"]), str(now["setting"])
    if written == current:
        return False
    if now["vartype"] == "bool":
        return boolean(written) is not boolean(current)
    if now["vartype"] in {"integer", "real"}:
        # -1 asks the server to choose, and it says what it chose.
        return written.strip() != "-1" and not _same_number(written, current, now)
    if now["vartype"] == "enum":
        return written.lower() != current.lower() and (boolean(written) is None or boolean(written) is not boolean(current))
    if now["name"].endswith(("_file", "_dir", "_directory", "_directories")):
        # The server makes some of them absolute, and canonical, at its start.
        plain = os.path.normpath(written) if written else ""
        return plain != (os.path.normpath(current) if current else "") and not current.endswith("/" + plain.removeprefix("./"))
    # The server spells lists its own way (`iso, mdy` becomes `ISO, MDY`), and 18 turned booleans such as log_connections into lists.
    return _plain(written) != _plain(current)


def _same_number(written: str, current: str, now: Mapping[str, Any]) -> bool:
    """Whether a number as written in a file (`2min`) is the one in force (`120`, in the setting's unit)."""
    parse = parse_integer if now["vartype"] == "integer" else parse_real
    try:
        return abs(parse(written, now["unit"] or "") - float(current)) <= 1e-6 * max(1.0, abs(float(current)))
    except (NotANumber, ValueError):
        return False


def _plain(value: str) -> str:
    text = re.sub(r"[\s\"]", "", value).lower()
    meant = boolean(text)
    return "" if meant is False else "on" if meant else text


def _shown(name: str, value: object) -> str:
    """Return `name = value` as people read it: a long value is cut, and one that may hold a secret is left out."""
    if _may_hold_secret(name, str(value)):
        return f"{name} = (not shown)"
    text = str(value) or "''"
    return f"{name} = {text if len(text) <= 60 else text[:59] + '…'}"


def _in_force(name: str, now: Mapping[str, Any]) -> str:
    if _may_hold_secret(name, str(now["setting"])):
        return ""
    return f" (in force: {_shown(name, now['setting']).removeprefix(name + ' = ')})"


def _may_hold_secret(name: str, value: str) -> bool:
    """Whether a value may hold a password: connection strings, commands, and what extensions call so."""
    if "conninfo" in name or name.endswith("_command"):
        return True
    telling = re.search(
        r"password|passphrase|passwd|secret|token|credential|api_?key", f"{name if '.' in name else ''} {value}", re.IGNORECASE
    )
    return telling is not None


def _where(row: Mapping[str, Any]) -> str:
    return f"{row['sourcefile']}:{row['sourceline']}"
