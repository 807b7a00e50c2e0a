"""Values that are lists, names or paths, cut up as the server does.

Source: SplitIdentifierString and SplitGUCList in varlena.c, canonicalize_path in path.c, pg_clean_ascii in string.c.
"""

from __future__ import annotations

#: Bytes of a name, without the end mark (NAMEDATALEN - 1).
LONGEST_NAME = 63

_BLANK = " \t\n\r\f"
_BLANK_17 = _BLANK + "\v"  # 17 made the vertical tab a blank


class BadList(Exception):
    """The text is no list that the server takes."""


def split_identifiers(text: str, major: int) -> list[str]:
    """Return the names of a comma-separated list: quoted ones as they are, others in lower case; cut to a name's length.

    Raises:
        BadList: unbalanced quotes, an empty name, anything but a comma between two names.
    """
    return [_cut(name if quoted else _lower(name)) for name, quoted in _split(text, major)]


def split_words(text: str, major: int) -> list[str]:
    """Return the words of a comma-separated list as they are.

    Raises:
        BadList: as `split_identifiers`.
    """
    return [word for word, _ in _split(text, major)]


def canonical_path(path: str, major: int) -> str:
    """Return a path as the server stores it: no doubled or trailing slashes; from 15 on without `.` and `..` where that can be."""
    if not path:
        return path
    return _simplified(path) if major >= 15 else _simplified_14(path)


def clean_ascii(text: str, major: int) -> str:
    r"""Return text with every byte that is not printable ASCII replaced: by `?` up to 15, then by `\xff`."""
    data = text.encode("utf-8", "surrogateescape")
    return "".join(chr(byte) if 32 <= byte <= 126 else "?" if major < 16 else f"\\x{byte:02x}" for byte in data)


def cut_name(text: str) -> str:
    """Return a name cut to the bytes that the server keeps while it reads its files: it knows no encoding yet."""
    return _cut(text)


def _split(text: str, major: int) -> list[tuple[str, bool]]:
    blank = _BLANK_17 if major >= 17 else _BLANK
    found: list[tuple[str, bool]] = []
    rest = text.lstrip(blank)
    if not rest:
        return found
    while True:
        if rest.startswith('"'):
            name, rest = _quoted(rest)
            found.append((name, True))
        else:
            length = next((place for place, char in enumerate(rest) if char == "," or char in blank), len(rest))
            if not length:
                raise BadList
            found.append((rest[:length], False))
            rest = rest[length:]
        rest = rest.lstrip(blank)
        if not rest:
            return found
        if not rest.startswith(","):
            raise BadList
        rest = rest[1:].lstrip(blank)


def _quoted(text: str) -> tuple[str, str]:
    """Return the name within quotes at the beginning, and what follows."""
    parts: list[str] = []
    start = 1
    while True:
        end = text.find('"', start)
        if end < 0:
            raise BadList
        parts.append(text[start:end])
        if text[end + 1 : end + 2] != '"':
            return '"'.join(parts), text[end + 1 :]
        start = end + 2


def _lower(name: str) -> str:
    return "".join(char.lower() if "A" <= char <= "Z" else char for char in name)


def _cut(name: str) -> str:
    data = name.encode("utf-8", "surrogateescape")
    return name if len(data) <= LONGEST_NAME else data[:LONGEST_NAME].decode("utf-8", "surrogateescape")


def _simplified(path: str) -> str:
    """Resolve a path by its text alone, as 15 and later do."""
    absolute = path.startswith("/")
    kept: list[str] = []
    for part in path.split("/"):
        if part in {"", "."}:
            continue
        if part == "..":
            if kept and kept[-1] != "..":
                kept.pop()
                continue
            if absolute:
                continue
        kept.append(part)
    return ("/" if absolute else "") + "/".join(kept) or ("/" if absolute else ".")


def _simplified_14(path: str) -> str:
    """Up to 14 only doubled slashes, and `.` and `..` at the end, are resolved."""
    absolute = path.startswith("/")
    parts = [part for part in path.split("/") if part]
    pending = 0
    while parts:
        last = parts[-1]
        if last == "." and (len(parts) > 1 or absolute or pending):
            parts.pop()
        elif last == ".." and (len(parts) > 1 or absolute):
            parts.pop()
            pending += 1
        elif pending and last not in {".", ".."}:
            parts.pop()
            pending -= 1
        else:
            break
    if pending and not absolute:
        parts += [".."] * pending
    return ("/" if absolute else "") + "/".join(parts) or ("/" if absolute else ".")
