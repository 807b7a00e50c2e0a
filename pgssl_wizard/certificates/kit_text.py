"""The README.txt of a kit: one template, filled for one role, each value spelt as the place wants it."""

from __future__ import annotations

import functools
import json
import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib import resources
from urllib.parse import quote

from pgssl_wizard.errors import UnusableInput

_PLACE = re.compile(r"\{\{(\w+)(?::(\w+))?\}\}")
_BARE = re.compile(r"[A-Za-z0-9_.:/%+-]+")
_FILES = {"sslmode": "verify-full", "sslrootcert": "root.crt", "sslcert": "postgresql.crt", "sslkey": "postgresql.key"}


@dataclass(frozen=True, slots=True)
class Connection:
    """Where the role will connect; what is not known stays a word in capitals to be replaced."""

    host: str | None = None
    port: int = 5432
    database: str | None = None


def check(connection: Connection) -> None:
    """Raise UnusableInput when no certificate can ever be checked against this host."""
    host = connection.host
    if host is not None and (not host or host.startswith(("/", "@"))):
        raise UnusableInput(
            "A Unix socket carries no TLS; --host wants the name or address that clients use over the network.",
            where="--host",
            code="bad-host",
        )
    for option, value in (("--host", host), ("--database", connection.database)):
        if value is not None and (not value or not value.isprintable() or (option == "--host" and re.search(r"[\s,;'\"\\]", value))):
            raise UnusableInput(f"{value!a} is no {option.lstrip('-')} that can stand in a kit.", where=option, code="usage")


def readme(role: str, connection: Connection, ends: datetime, *, with_passphrase: bool) -> str:
    """Return the text for one role."""
    values = {
        "role": role,
        "host": connection.host or "HOST",
        "port": str(connection.port),
        "database": connection.database or "DATABASE",
        "ends": f"{ends:%Y-%m-%d}",
        "passphrase": "the passphrase you were told" if with_passphrase else "an empty passphrase",
        "replace": _replace(connection),
    }
    values["conninfo"] = conninfo({**_where(values), **_FILES})
    values["url"] = _url(values, _FILES)
    values["nodeurl"] = _url(values, _FILES, _node_path)
    pieces, last = [], 0
    template = _template()
    for found in _PLACE.finditer(template):
        pieces += [template[last : found.start()], _SPELLINGS[found[2] or "plain"](values[found[1]])]
        last = found.end()
    return "".join([*pieces, template[last:]])


def conninfo(settings: Mapping[str, str]) -> str:
    """Return libpq's own notation, `name=value` with quotes where they are needed."""
    return " ".join(f"{name}={_conninfo_value(value)}" for name, value in settings.items())


def _where(values: Mapping[str, str]) -> dict[str, str]:
    return {"host": values["host"], "port": values["port"], "dbname": values["database"], "user": values["role"]}


def _url(values: Mapping[str, str], settings: Mapping[str, str], path: Callable[[str], str] | None = None) -> str:
    options = "&".join(f"{name}={value}" for name, value in settings.items())
    return f"postgresql://{_url_part(values['role'])}@{_url_host(values['host'])}:{values['port']}/{(path or _url_part)(values['database'])}?{options}"


def _replace(connection: Connection) -> str:
    missing = [word for word, value in (("HOST", connection.host), ("DATABASE", connection.database)) if value is None]
    if not missing:
        return ""
    words = "HOST by a name that the server's certificate carries" if missing[0] == "HOST" else "DATABASE by the database's name"
    if len(missing) == 2:
        words += ", and DATABASE by the database's name"
    return f"Replace {words}.\n"


@functools.cache
def _template() -> str:
    return (resources.files("pgssl_wizard.assets") / "kit" / "README.txt").read_text(encoding="utf-8")


def _conninfo_value(text: str) -> str:
    return text if _BARE.fullmatch(text) else "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _url_part(text: str) -> str:
    return quote(text, safe="")


def _url_host(text: str) -> str:
    return f"[{text}]" if ":" in text else _url_part(text)


def _node_path(text: str) -> str:
    # node-postgres undoes no more of a path than decodeURI does.
    return quote(text, safe=";/:@&=+$,")


def _json(text: str) -> str:
    # Also a string of Python, JavaScript, Go and Rust: a role has no characters that they escape differently.
    return json.dumps(text, ensure_ascii=False)


def _php(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _dotnet(text: str) -> str:
    return text if _BARE.fullmatch(text) else '"' + text.replace('"', '""') + '"'


_SPELLINGS: Mapping[str, Callable[[str], str]] = {
    "plain": str,
    "conninfo": _conninfo_value,
    "dotnet": _dotnet,
    "json": _json,
    "php": _php,
    "phpdsn": lambda text: _php(_conninfo_value(text))[1:-1],
    "shell": shlex.quote,
    "url": _url_part,
    "urlhost": _url_host,
}
