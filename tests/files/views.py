"""What the server's own views say of its files, byte for byte: text comes back as the bytes that the view holds."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from tests.servers import RealCluster

#: Real files with a real server's answers; not part of the project.
CORPUS = Path(os.environ.get("PGSSL_CORPUS") or Path(__file__).resolve().parents[3] / "shared" / "corpus")
#: How many generated files each comparison with a server uses.
EXAMPLES = int(os.environ.get("PGSSL_EXAMPLES", "15"))


class HbaRow(NamedTuple):
    """A row of pg_hba_file_rules; the file is None before 16, which do not tell it."""

    file: str | None
    line: int
    type: str | None
    database: tuple[str, ...] | None
    user: tuple[str, ...] | None
    address: str | None
    netmask: str | None
    method: str | None
    options: tuple[str, ...] | None
    error: str | None


class MapRow(NamedTuple):
    """A row of pg_ident_file_mappings (15 and later)."""

    file: str | None
    line: int
    map: str | None
    system_user: str | None
    role: str | None
    error: str | None


def hba_rows(cluster: RealCluster) -> list[HbaRow]:
    """Return what pg_hba_file_rules says of the file as it is now."""
    file = _text("file_name") if cluster.major >= 16 else "null"
    texts = ", ".join(
        [
            *(_text("type"), _list("database"), _list("user_name")),
            *(_text("address"), _text("netmask"), _text("auth_method"), _list("options"), _text("error")),
        ]
    )
    rows = cluster.sql(f"select {file}, line_number, {texts} from pg_hba_file_rules")  # noqa: S608 - columns of ours
    return [HbaRow._make(map(_bytes, row)) for row in rows]


def map_rows(cluster: RealCluster) -> list[MapRow]:
    """Return what pg_ident_file_mappings says of the file as it is now."""
    file = _text("file_name") if cluster.major >= 16 else "null"
    texts = ", ".join(map(_text, ("map_name", "sys_name", "pg_username", "error")))
    rows = cluster.sql(f"select {file}, line_number, {texts} from pg_ident_file_mappings")  # noqa: S608 - columns of ours
    return [MapRow._make(map(_bytes, row)) for row in rows]


def reloaded(cluster: RealCluster, what: str) -> bool:
    """Have the server read its files again; return whether it took the one whose refusal the log would announce by `what`."""
    before = len(cluster.log())
    cluster.reload()
    return what not in cluster.log()[before:]


def _text(column: str) -> str:
    return f"encode(textsend({column}), 'hex')"


def _list(column: str) -> str:
    return f"(select array_agg({_text('x')} order by n) from unnest({column}) with ordinality as u(x, n))"  # noqa: S608 - columns of ours


def _bytes(value: object) -> object:
    if isinstance(value, list):
        return tuple(_bytes(each) for each in value)
    return bytes.fromhex(value).decode("utf-8", "surrogateescape") if isinstance(value, str) else value
