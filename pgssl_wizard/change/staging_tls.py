"""The planned TLS files and their settings, staged in the throwaway cluster of a rehearsal with the modes and owners that they will have."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from pgssl_wizard.change.contents import setting_after
from pgssl_wizard.change.paths import real_path
from pgssl_wizard.change.staging import Staging
from pgssl_wizard.cluster.facts import Cluster
from pgssl_wizard.cluster.reading import names_in, read_bytes
from pgssl_wizard.plan.model import Plan, PlannedFile
from pgssl_wizard.server.throwaway import Throwaway

#: Settings that name a file or a directory; what they name is staged when it is planned.
_FILE_SETTINGS = ("ssl_cert_file", "ssl_key_file", "ssl_ca_file", "ssl_crl_file", "ssl_crl_dir", "ssl_dh_params_file")
#: What rules rest on: `oauth` needs its libraries named (18 and later), and md5 is refused beside the other one (up to 16).
_OF_THE_RULES = frozenset({"oauth_validator_libraries", "db_user_namespace"})
#: Told by the server, never set.
_FIXED = {"ssl_library"}


def stage_tls(plan: Plan, cluster: Cluster, throwaway: Throwaway, staging: Staging, planned: Mapping[Path, bytes]) -> dict[str, str]:
    """Write the planned TLS files and the settings that lead to them into the throwaway cluster; return those settings."""
    by_path = {real_path(change.path): change for change in plan.changes}
    staged_values: dict[str, str] = {}
    names = sorted({*(name for name in cluster.settings if name.startswith("ssl") or name in _OF_THE_RULES), *plan.settings} - _FIXED)
    for name in names:
        old = cluster.settings.get(name)
        value = setting_after(plan, cluster, name)
        if name not in plan.settings and (old is None or old.source == "default") and name not in _FILE_SETTINGS:
            continue
        if value and name in _FILE_SETTINGS:
            path = real_path(cluster.data_directory / value)
            if name == "ssl_crl_dir" and (staged := _stage_directory(path, by_path, planned, staging)) is not None:
                path = staged
            change = by_path.get(path)
            data = planned.get(path)
            value = str(path if change is None or data is None else _stage_one(change, path, data, staging))
        staged_values[name] = value
    set_in_file(throwaway, staged_values)
    return staged_values


def set_in_file(throwaway: Throwaway, settings: Mapping[str, str]) -> None:
    """Append settings to the throwaway cluster's postgresql.conf; the last one of a name wins.

    In the file and not among the program's arguments: a passphrase command may hold more than its author thinks.
    """
    lines = [f"{name} = {quoted(value)}\n" for name, value in settings.items()]
    config = throwaway.config_file.read_bytes()
    throwaway.write(throwaway.config_file, config + b"\n" + "".join(lines).encode("utf-8", "surrogateescape"))


def quoted(value: str) -> str:
    """Return a value as a file of settings has it."""
    escaped = value.replace("\\", "\\\\").replace("'", "''")
    return f"'{escaped}'"


def _stage_directory(directory: Path, by_path: Mapping[Path, PlannedFile], planned: Mapping[Path, bytes], staging: Staging) -> Path | None:
    """Stage a directory of revocation lists whole, for the server finds them by their names; None when nothing of it is planned."""
    names = [*(names_in(directory) or ()), *(path.name for path in planned if path.parent == directory)]
    entries = {
        directory / name: real_path(directory / name) for name in dict.fromkeys(names) if re.fullmatch(r"[0-9a-f]{8}\.r[0-9]+", name)
    }
    if not any(real in planned for real in entries.values()):
        return None
    staged = None
    for entry, real in entries.items():
        data = planned.get(real) or (read_bytes(real) if real.is_file() else None)
        if data is not None:
            # As it will stand, for a list that the server's user cannot read is no list.
            status = real.stat() if real not in planned else None
            mode, uid, gid = (status.st_mode & 0o7777, status.st_uid, status.st_gid) if status else _of(by_path[real])
            staged = staging.put_as_is(entry, data)
            if os.geteuid() == 0:
                os.chown(staged, uid, gid)
            staged.chmod(mode)
    return staged.parent if staged is not None else None


def _of(change: PlannedFile) -> tuple[int, int, int]:
    return change.mode, change.uid, change.gid


def _stage_one(change: PlannedFile, path: Path, data: bytes, staging: Staging) -> Path:
    """Stage a certificate, key or CA with the mode and owner that it will have."""
    staged = staging.put_as_is(path, data)
    if os.geteuid() == 0:
        os.chown(staged, change.uid, change.gid)
    staged.chmod(change.mode)
    return staged
