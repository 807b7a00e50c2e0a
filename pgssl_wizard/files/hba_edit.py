"""Edits of pg_hba.conf that touch only the rule meant: indentation, alignment, comments and line endings stay."""

from __future__ import annotations

from pgssl_wizard.files.addresses import numeric
from pgssl_wizard.files.tokens import LogicalLine, Word, fields, logical_lines


def replace_type(data: bytes, line: int, new: str, major: int) -> bytes:
    """Return the file with the type of the rule at `line` replaced; blanks behind it give way so that columns stay aligned."""
    found = _line(data, line, major)
    word = fields(found.text)[0][0]
    return _replace_word(data, found, word, new)


def replace_method(data: bytes, line: int, new: str, major: int) -> bytes:
    """Return the file with the authentication method of the rule at `line` replaced, its options kept."""
    found = _line(data, line, major)
    words = fields(found.text)
    return _replace_word(data, found, words[_method_index(words)][0], new)


def set_option(data: bytes, line: int, name: str, value: str, major: int) -> bytes:
    """Return the file with `name=value` on the rule at `line`: changed where it stands, else added behind the last word."""
    found = _line(data, line, major)
    words = fields(found.text)
    for field in words[_method_index(words) + 1 :]:
        for word in field:
            if word.text.partition("=")[0] == name:
                return _replace_word(data, found, word, f"{name}={value}")
    at = found.end_offset(words[-1][-1].end)
    return data[:at] + f" {name}={value}".encode() + data[at:]


def remove_options(data: bytes, line: int, names: frozenset[str], major: int) -> bytes:
    """Return the file without these options of the rule at `line`."""
    while True:
        found = _line(data, line, major)
        words = fields(found.text)
        for field in words[_method_index(words) + 1 :]:
            if len(field) == 1 and field[0].text.partition("=")[0] in names:
                start, end = found.byte_offset(field[0].start), found.end_offset(field[0].end)
                while start and data[start - 1 : start] in {b" ", b"\t"}:
                    start -= 1
                data = data[:start] + data[end:]
                break
        else:
            return data


def comment_out(data: bytes, line: int, major: int) -> bytes:
    """Return the file with every physical line of the rule at `line` turned into a comment."""
    found = _line(data, line, major)
    for origin in reversed(found.origins):
        data = data[:origin] + b"# " + data[origin:]
    return data


def text_of(data: bytes, line: int, major: int) -> str:
    """Return the rule at `line` as it stands, physical lines joined by newlines, for display."""
    found = _line(data, line, major)
    return data[found.origins[0] : found.end].decode("utf-8", "replace").rstrip("\r")


def insert_after(data: bytes, line: int, text: str, major: int) -> bytes:
    """Return the file with one more line behind the rule at `line`, in the file's own line ending."""
    found = _line(data, line, major)
    ending = line_ending(data)
    head, tail = data[: found.end].removesuffix(b"\r"), data[found.end :].removeprefix(b"\n")
    return head + ending + text.encode("utf-8", "surrogateescape") + ending + tail


def append(data: bytes, text: str) -> bytes:
    """Return the file with one more line at its end, in the file's own line ending."""
    ending = line_ending(data)
    if data and not data.endswith(b"\n"):
        data += ending
    return data + text.encode("utf-8", "surrogateescape") + ending


def line_ending(data: bytes) -> bytes:
    """Return CRLF when the first line ends so, else LF."""
    first = data.find(b"\n")
    return b"\r\n" if first > 0 and data[first - 1 : first] == b"\r" else b"\n"


def _line(data: bytes, line: int, major: int) -> LogicalLine:
    for found in logical_lines(data, major):
        if found.first == line:
            return found
    raise LookupError(f"no rule begins at line {line}")


def _method_index(words: list[list[Word]]) -> int:
    if words[0][0].text == "local":
        return 3
    address = words[3][0].text
    return 5 if "/" not in address and numeric(address) is not None else 4


def _replace_word(data: bytes, line: LogicalLine, word: Word, new: str) -> bytes:
    start, end = line.byte_offset(word.start), line.end_offset(word.end)
    replacement = new.encode()
    grown = len(replacement) - (end - start)
    blanks = 0
    while data[end + blanks : end + blanks + 1] == b" ":
        blanks += 1
    if 0 < grown < blanks:
        end += grown
    elif grown < 0 and blanks > 1:
        replacement += b" " * -grown
    return data[:start] + replacement + data[end:]
