"""What a file is, by its name; and whether it is one at all, or a template that something else makes the file from."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal, get_args

Kind = Literal["postgresql.conf", "pg_hba.conf", "pg_ident.conf", "pg_hosts.conf", "certificate", "key", "crl", "request", "pkcs12"]
KINDS: tuple[Kind, ...] = get_args(Kind)

#: Those that are not lines of text.
TLS_KINDS: frozenset[Kind] = frozenset({"certificate", "key", "crl", "request", "pkcs12"})

#: What a certificate is for, where `--kind` says that too.
ROLES = ("server-certificate", "client-certificate", "ca")

#: Shorter names that `--kind` takes too.
SHORT: dict[str, Kind] = {
    "postgresql": "postgresql.conf",
    "conf": "postgresql.conf",
    "pg_hba": "pg_hba.conf",
    "hba": "pg_hba.conf",
    "pg_ident": "pg_ident.conf",
    "ident": "pg_ident.conf",
    "pg_hosts": "pg_hosts.conf",
    "hosts": "pg_hosts.conf",
}

#: The endings of files that hold no lines of settings or rules. `.pem` and `.der` may hold any of them; their content tells.
_ENDINGS: dict[str, Kind] = {
    **dict.fromkeys(("crt", "cert", "cer", "pem", "der"), "certificate"),
    **dict.fromkeys(("key", "pk8", "p8"), "key"),
    "crl": "crl",
    **dict.fromkeys(("csr", "req"), "request"),
    **dict.fromkeys(("p12", "pfx"), "pkcs12"),
}
#: What people and programs hang on to a name: copies, samples, templates, versions.
_AFTER = r"(?=\Z|[.~@_-])"
#: The most telling first: a path flattened into a name may hold the word postgresql too.
_NAMES: tuple[tuple[re.Pattern[str], Kind], ...] = (
    (re.compile(rf"(?:\A|[^a-z])pg_?hba(?:[^a-z]|\Z)|hba(?:_[a-z0-9]+)?[._]conf{_AFTER}"), "pg_hba.conf"),
    (re.compile(rf"(?:\A|[^a-z])pg_?ident(?:[^a-z]|\Z)|ident[._]conf{_AFTER}"), "pg_ident.conf"),
    (re.compile(r"(?:\A|[^a-z])pg_hosts(?:[^a-z]|\Z)"), "pg_hosts.conf"),
    (re.compile(rf"postgres(?:ql)?.*\.conf{_AFTER}"), "postgresql.conf"),
)
_SETTINGS_DIRECTORY = re.compile(r"(?:\A|\.)conf\.d\Z")


def kind_of(path: Path) -> Kind | None:
    """Return the kind of a file by its name, and for settings by its directory too; None when the name does not tell."""
    name = path.name.lower()
    ending = _ENDINGS.get(name.rpartition(".")[2]) if "." in name else None
    if ending is not None:
        return ending
    for pattern, kind in _NAMES:
        if pattern.search(name):
            return kind
    if name.endswith(".conf") and (_SETTINGS_DIRECTORY.search(path.parent.name.lower()) or "conf.d-" in name):
        return "postgresql.conf"
    return None


def is_main(path: Path) -> bool:
    """Return whether a settings file is the one that the server starts from, so that what it leaves out has its default."""
    name = path.name.lower()
    return "postgresql.conf" in name and not _SETTINGS_DIRECTORY.search(path.parent.name.lower())


#: What only a template has: Jinja, ERB and EPP; shells, @marks@ (as in the server's own samples), formats of Python, which may be
#: meant in quotes.
_BLOCKS = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|<%.*?%>")
_WORDS = re.compile(r"\$\{[^\s}]*\}?|@@\w+@@|(?<!\S)@[\w-]+@(?!\S)|(?<![^\s,=])\{[A-Za-z_][\w.]*\}")
_MARKS = ("{{", "{%", "<%", "${", "@", "{")
_QUOTED = re.compile(r"'(?:[^'\\\n]|\\.|'')*'")


def template_line(text: str, kind: Kind) -> tuple[int, str] | None:
    """Return the first line that a template engine has to fill in, and what gives it away; None when there is none.

    Comments do not count: they may hold anything.
    """
    if not any(mark in text for mark in _MARKS):
        return None
    for number, line in enumerate(text.split("\n"), start=1):
        if not any(mark in line for mark in _MARKS):
            continue
        code = line.partition("#")[0]
        found = _BLOCKS.search(code) or _WORDS.search(_QUOTED.sub("''", code) if kind == "postgresql.conf" else code)
        if found:
            return number, found[0]
    return None
