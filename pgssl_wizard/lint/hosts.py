"""What is worth saying of pg_hosts.conf (19 and later): what the server refuses, and whether it reads the file at all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from pgssl_wizard.files.hosts import SINCE, HostLine
from pgssl_wizard.lint.known import Known
from pgssl_wizard.lint.remarks import Remark
from pgssl_wizard.lint.settings import passphrase_command
from pgssl_wizard.lint.text import NOT_OPENED

_SHAPE = "A line is HOST CERTIFICATE KEY, then the CA, the passphrase command and whether that runs at a reload."
_CURES = (
    ("default and non-SNI", "Give * and /no_sni/ lines of their own."),
    ("multiple values", "Write one file in each field; a name that holds commas stands in double quotes."),
    ("missing entry", _SHAPE),
    ("extra fields", _SHAPE),
    ("multiple", "Take one of the lines out."),
    ("incorrect syntax for boolean", "Write on or off."),
    ("could not open", NOT_OPENED),
)


def of_hosts(file: Path, lines: Sequence[HostLine], known: Known) -> Iterator[Remark]:
    """Yield what is worth saying of the file and its lines."""
    if known.major < SINCE:
        yield Remark(
            file,
            0,
            "warning",
            "file-not-read",
            f"PostgreSQL {known.major} knows no {file.name}: it came with {SINCE}",
            hint=f"Set ssl_cert_file and ssl_key_file, or check it with --server-version {SINCE}.",
            topic="certificate",
        )
    elif known.switched("ssl_sni") is False:
        yield Remark(
            file,
            0,
            "warning",
            "file-not-read",
            f"{file.name} is read with ssl_sni = on alone, and it is off ({known.told('ssl_sni')})",
            hint="Set ssl_sni = on, and restart.",
            topic="certificate",
        )
    for line in lines:
        if line.error:
            yield Remark(
                line.file,
                line.line,
                "error",
                "host-error",
                "is refused by the server, and the whole file with it",
                "are refused by the server, and the whole file with them",
                f": {line.error}.",
                next((cure for words, cure in _CURES if (line.error or "").startswith(words)), "Correct the line."),
                "certificate",
            )
        elif line.passphrase_command:
            yield from passphrase_command(line.file, line.line, line.passphrase_command, max(known.major, SINCE))
