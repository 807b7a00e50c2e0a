"""pg_hosts.conf (19 and later): which certificate the server shows to clients that ask for which host name.

Source: be-secure-common.c (parse_hosts_line, load_hosts) and be-secure-openssl.c of 19 before its release; not tried.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from pgssl_wizard.files.auth_lines import AuthLine, Reader, Token
from pgssl_wizard.files.sources import ListDirectory, Read
from pgssl_wizard.files.values import boolean

#: The first major that reads the file, and only with `ssl_sni = on`.
SINCE = 19
#: Any name that no other line has, and clients that name none.
DEFAULT, NO_NAME = "*", "/no_sni/"


@dataclass(frozen=True, slots=True)
class HostLine:
    """One logical line of pg_hosts.conf that is not blank and not a comment.

    Attributes:
        file, line: where it starts; from 1, or 0 for a file that cannot be opened.
        last_line: the last physical line.
        hosts: the names, compared without regard to case; `*` stands for any other, `/no_sni/` for clients that name none.
        certificate, key, ca: paths, relative to the data directory; a missing CA is not inherited from `ssl_ca_file`.
        passphrase_command, passphrase_reload: as the settings of like names.
        error: the server's own words, or None when the line is accepted.
    """

    file: Path
    line: int
    last_line: int
    hosts: tuple[str, ...] = ()
    certificate: str | None = None
    key: str | None = None
    ca: str | None = None
    passphrase_command: str | None = None
    passphrase_reload: bool = False
    error: str | None = None


def parse_hosts(file: Path, read: Read, list_directory: ListDirectory) -> tuple[HostLine, ...]:
    """Return every line of the file, includes and `@file` lists expanded; a missing file has none, as for the server."""
    reader: Reader[AuthLine] = Reader(SINCE, read, list_directory)
    found: list[HostLine] = []
    seen: set[str] = set()
    for line in reader.lines(file):
        if line.first == 0 and read(file) is None:
            continue
        host_line = _host_line(line)
        if host_line.error is None:
            twice = next((name for name in host_line.hosts if name.lower() in seen), None)
            seen.update(name.lower() for name in host_line.hosts)
            if twice is not None:
                host_line = replace(host_line, error=_twice(twice))
        found.append(host_line)
    return tuple(found)


def _twice(name: str) -> str:
    if name == DEFAULT:
        return "multiple default hosts specified"
    return "multiple no_sni hosts specified" if name == NO_NAME else f'multiple entries for host "{name}" specified'


def _host_line(line: AuthLine) -> HostLine:
    empty = HostLine(line.file, line.first, line.last, error=line.error)
    if line.error:
        return empty
    hosts = tuple(token.text for token in line.fields[0])
    if len(hosts) > 1 and {DEFAULT, NO_NAME} & set(hosts):
        return replace(empty, error="default and non-SNI entries cannot be mixed with other entries")
    found = replace(empty, hosts=hosts)
    rest: list[list[Token]] = line.fields[1:]
    values: list[str] = []
    problem = None
    for words in ("SSL certificate", "SSL key", "SSL CA", "SSL passphrase command"):
        if not rest:
            problem = "missing entry at end of line" if len(values) < 2 else None
            break
        if len(rest[0]) > 1:
            problem = f"multiple values specified for {words}"
            break
        values.append(rest[0][0].text)
        rest = rest[1:]
    certificate, key, ca, command = (*values, *[None] * 4)[:4]
    found = replace(found, certificate=certificate, key=key, ca=ca, passphrase_command=command, error=problem)
    if problem:
        return found
    if not rest:
        return found
    if len(rest) > 1:
        return replace(found, error="extra fields at end of line")
    reload = boolean(rest[0][0].text) if len(rest[0]) == 1 else None
    if reload is None:
        return replace(found, error="incorrect syntax for boolean value SSL_passphrase_cmd_reload")
    return replace(found, passphrase_reload=reload)
