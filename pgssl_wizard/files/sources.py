"""Where the parsers get files from, and how the server finds those that a file names. Source: conffiles.c, tried on 13 to 18."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from pgssl_wizard.files.setting_lists import canonical_path

#: The bytes of a file, None when there is none. It may raise OSError instead, whose words the server would use.
Read = Callable[[Path], bytes | None]
#: The names in a directory, None when it is none.
ListDirectory = Callable[[Path], list[str] | None]

#: More levels than this and the server refuses the file.
MAX_DEPTH = 10
#: Files read one out of the other. More come only of files that include each other over and over, which end in the limit on
#: nesting anyhow: told early, or reading them would take for ever.
MAX_INCLUDED = 5_000


def beside(name: str, calling_file: str, major: int) -> str:
    """Return the path that a name in a file means: relative to the directory of that file."""
    if name.startswith("/"):
        return name
    # Up to 14 this much was done where the two are joined, and nothing later.
    while major < 15 and name.startswith("./"):
        name = name[2:]
    return canonical_path(calling_file.rpartition("/")[0] + "/" + name, major)


def configuration_files(names: Iterable[str]) -> list[str]:
    """Return the names that an include directory contributes, in the order in which the server reads them: by their bytes."""
    encoded = {name: name.encode("utf-8", "surrogateescape") for name in names if name.endswith(".conf") and not name.startswith(".")}
    return sorted((name for name, data in encoded.items() if len(data) > len(".conf")), key=encoded.__getitem__)
