"""YAML out of plain values: block style, every text in double quotes, so that no reader takes it for anything else. Pure.

Source: YAML 1.2, chapters 5.7 (escapes) and 7.3.1 (double-quoted style); what is written reads the same in YAML 1.1.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

Value: TypeAlias = "str | Mapping[str, Value] | Sequence[Value]"

#: Keys that every reader takes for text as they stand; `on`, `null` and their like are not among those used here.
_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")
_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})
_NAMED = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r"}


def document(value: Mapping[str, Value]) -> str:
    """Return a document, ending with a newline; empty mappings and lists are left out by the caller."""
    return "\n".join(_mapping(value, "")) + "\n"


def quoted(text: str) -> str:
    """Return a text in double quotes, with escapes for whatever is no plain printable character."""
    return '"' + "".join(_NAMED.get(char) or _escaped(char) for char in text) + '"'


def _escaped(char: str) -> str:
    if char.isprintable() and char != "\ufeff":
        return char
    number = ord(char)
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def _mapping(value: Mapping[str, Value], indent: str) -> Iterator[str]:
    for key, content in value.items():
        name = key if _PLAIN_KEY.fullmatch(key) and key.lower() not in _WORDS else quoted(key)
        if isinstance(content, str):
            yield f"{indent}{name}: {quoted(content)}"
        elif isinstance(content, Mapping):
            yield f"{indent}{name}:"
            yield from _mapping(content, indent + "  ")
        else:
            yield f"{indent}{name}:"
            for each in content:
                if isinstance(each, str):
                    yield f"{indent}  - {quoted(each)}"
                else:
                    raise TypeError(each)
