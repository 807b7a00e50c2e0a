"""What the running server answers: sessions, who waits for a reload, whether it is a standby."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from pgssl_wizard.cluster.facts import ServerSays, Session
from pgssl_wizard.files.values import boolean, same_number
from pgssl_wizard.server.admin import AdminSession

_SESSIONS = """
select a.usename, a.datname, a.application_name, host(a.client_addr) as address, a.backend_type,
       coalesce(s.ssl, false) as tls, s.version, s.cipher, s.client_dn, coalesce(g.encrypted, false) as gss
from pg_stat_activity a
left join pg_stat_ssl s using (pid)
left join pg_stat_gssapi g using (pid)
where a.client_addr is not null and a.pid <> pg_backend_pid() and a.usename is not null
order by a.usename, a.datname, a.client_addr, a.pid
"""

# A file's value that is not in force: somebody edited it and nobody reloaded. Units differ in spelling, so both sides go
# through the server: reset_val is compared in its own unit only for settings whose text differs.
_PENDING = """
select f.name, f.setting as waiting, s.setting as current, f.sourcefile, f.sourceline, s.context, s.unit, s.vartype
from pg_file_settings f join pg_settings s on lower(f.name) = lower(s.name)
where f.applied and f.error is null and s.source in ('configuration file', 'default', 'environment variable')
"""

_GONE = """
select s.name, s.setting as current, s.sourcefile, s.sourceline from pg_settings s
where s.source = 'configuration file' and s.sourcefile is not null
  and not exists (select from pg_file_settings f where lower(f.name) = lower(s.name))
"""


def ask(session: AdminSession, hba_file: Path) -> tuple[ServerSays, dict[str, str]]:
    """Return what the server says of itself, and the settings in force by name."""
    basics = session.query(
        "select current_user as me, (select rolsuper from pg_roles where rolname = current_user) as superuser, "
        "pg_is_in_recovery() as standby, extract(epoch from pg_conf_load_time())::float8 as loaded, "
        "current_setting('allow_alter_system', true) as alter_system, (select count(*) from pg_stat_replication) as standbys"
    )[0]
    in_force = {row["name"]: row["setting"] for row in session.query(
        "select name, setting from pg_settings where name like 'ssl%' or name in "
        "('listen_addresses', 'port', 'unix_socket_directories', 'hba_file', 'ident_file', 'config_file', 'password_encryption', 'log_connections')"
    )}  # fmt: skip
    superuser = bool(basics["superuser"])
    sessions = tuple(_session(row) for row in session.query(_SESSIONS))
    pending: tuple[str, ...] = ()
    if superuser:
        pending = (
            *(_waiting(row) for row in session.query(_PENDING) if _differs(row)),
            *(f"{row['name']} was taken out of {row['sourcefile']} (in force: {row['current']})" for row in session.query(_GONE)),
        )
    roles = tuple(row["rolname"] for row in session.query("select rolname from pg_roles where rolcanlogin order by rolname"))
    said = ServerSays(
        user=str(basics["me"]),
        superuser=superuser,
        in_recovery=bool(basics["standby"]),
        sessions=sessions,
        pending=pending,
        rules_edited_since_load=_newer(hba_file, float(basics["loaded"])),
        allow_alter_system=basics["alter_system"] != "off",
        roles=roles,
        standbys=int(basics["standbys"]),
    )
    return said, in_force


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
    )


def _differs(row: dict[str, Any]) -> bool:
    waiting, current = str(row["waiting"]), str(row["current"])
    if waiting == current:
        return False
    if row["vartype"] == "bool":
        return boolean(waiting) is not boolean(current)
    if row["vartype"] in {"integer", "real"}:
        return not same_number(waiting, current, row["unit"])
    if row["vartype"] == "enum":
        return waiting.lower() != current.lower()
    if row["name"].endswith(("_file", "_dir", "_directory", "_directories", "_command")):
        # The server makes some of them absolute at its start.
        return not current.endswith("/" + waiting)
    # The server spells lists its own way (`iso, mdy` becomes `ISO, MDY`), and 18 turned booleans such as log_connections into lists.
    return _plain(waiting) != _plain(current)


def _plain(value: str) -> str:
    text = re.sub(r"[\s\"]", "", value).lower()
    return "" if boolean(text) is False else text


def _waiting(row: dict[str, Any]) -> str:
    when = "needs a restart" if row["context"] == "postmaster" else "waits for a reload"
    return f"{row['name']} = {row['waiting']} in {row['sourcefile']}:{row['sourceline']} {when} (in force: {row['current']})"


def _newer(path: Path, loaded: float) -> bool:
    try:
        return path.stat().st_mtime > loaded
    except OSError:
        return False
