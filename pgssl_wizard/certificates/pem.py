"""PEM as OpenSSL reads it, block by block, and what a person meant where OpenSSL sees nothing.

The server stops at the first block that is damaged, passes over what stands between blocks, and does not see a block whose
first line is not exactly right. All three matter, so each block says whether it is seen and what is wrong with it.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass, field

#: UTF-8's byte order mark, which OpenSSL's reader does not pass over.
MARK = b"\xef\xbb\xbf"

_BEGIN, _END, _TAIL = b"-----BEGIN ", b"-----END ", b"-----"
#: What stands for the start of a block in the eyes of a person: indented, quoted, with other dashes or too few.
_MEANT = re.compile(rb"(?i)\A[\s>\"'|#*]{0,8}(?:-|\xe2\x80[\x90-\x95]){2,8} ?BEGIN ([A-Z0-9 ]{3,40}?) ?(?:(?:-|\xe2\x80[\x90-\x95]){2,8})")
_MEANT_END = re.compile(rb"(?i)(?:-|\xe2\x80[\x90-\x95]){2,8} ?END ")
_BASE64 = re.compile(rb"[A-Za-z0-9+/]*={0,2}")
_BLANKS = b" \t\r\n\x0b\x0c"


@dataclass(frozen=True, slots=True)
class Block:
    """One block.

    Attributes:
        label: what stands behind BEGIN.
        line, offset: where it begins; lines from 1, bytes from 0.
        seen: every OpenSSL takes its first line for the start of a block.
        marked: only a byte order mark hides it, and only from OpenSSL 1.1.1: OpenSSL 3 passes over one where it begins to look.
        trouble: why OpenSSL cannot read it, in OpenSSL's words; None when the block is whole.
        der: what it holds, as far as it could be decoded.
        encrypted: its header says that it is (the traditional form of keys).
        pem: the block by itself, tidied.
    """

    label: str
    line: int
    offset: int
    seen: bool
    trouble: str | None
    der: bytes = field(repr=False)
    marked: bool = False
    encrypted: bool = False
    pem: bytes = field(default=b"", repr=False)


@dataclass(slots=True)
class _Body:
    """The lines between BEGIN and END."""

    after: int
    header: list[bytes]
    data: list[bytes]
    trouble: str | None


def blocks(data: bytes) -> tuple[Block, ...]:
    """Return the blocks of a file in their order; those that only a person would take for one are marked."""
    lines = data.split(b"\n")
    found: list[Block] = []
    number, offset = 0, 0
    offsets = []
    for line in lines:
        offsets.append(offset)
        offset += len(line) + 1
    after = 0
    while number < len(lines):
        line = lines[number]
        bare = line.removeprefix(MARK)
        label = _label(line)
        marked = label is None and bare != line and number == after and _label(bare) is not None
        meant = None if label is not None else _MEANT.match(bare)
        if label is not None or marked:
            name = _label(bare) or b""
            body = _body(lines, number + 1, name)
            found.append(_block(name, number + 1, offsets[number], body, seen=not marked, marked=marked))
        elif meant is not None:
            body = _loose(lines, number + 1)
            found.append(_block(meant[1].upper(), number + 1, offsets[number], body, seen=False))
        else:
            number += 1
            continue
        number = after = body.after
    return tuple(found)


def _label(line: bytes) -> bytes | None:
    stripped = _stripped(line)
    if stripped.startswith(_BEGIN) and stripped.endswith(_TAIL) and len(stripped) >= len(_BEGIN) + len(_TAIL) and len(line) < 254:
        return stripped[len(_BEGIN) : -len(_TAIL)]
    return None


def _stripped(line: bytes) -> bytes:
    """Take off what OpenSSL takes off the end of a line: blanks, control characters and, its characters being signed, all above ASCII."""
    end = len(line)
    while end and (line[end - 1] <= 0x20 or line[end - 1] >= 0x80):
        end -= 1
    return line[:end]


def _body(lines: list[bytes], start: int, label: bytes) -> _Body:
    """Follow OpenSSL's get_header_and_data: a blank line ends a header, behind which lines have 64 characters but for the last."""
    header: list[bytes] = []
    data: list[bytes] = []
    parted = ended = headed = False
    for number in range(start, len(lines)):
        line = _stripped(lines[number])
        if number == len(lines) - 1 and not lines[number]:
            break
        if not line:
            if parted:
                return _after_trouble(lines, start, "bad end line")
            parted = True
            header, data = data, header
            continue
        if line.startswith(_END):
            if line != _END + label + _TAIL:
                return _after_trouble(lines, start, "bad end line")
            if headed and not parted:
                # A line with a colon begins a header, which no blank line ended: there is no data.
                return _after_trouble(lines, start, "bad base64 decode")
            return _Body(number + 1, header, data, None)
        if ended or (parted and len(line) > 64):
            return _after_trouble(lines, start, "bad end line")
        ended = parted and len(line) < 64
        headed = headed or (not parted and b":" in line)
        data.append(line)
    return _after_trouble(lines, start, "short header")


def _after_trouble(lines: list[bytes], start: int, trouble: str) -> _Body:
    body = _loose(lines, start)
    body.trouble = trouble
    return body


def _loose(lines: list[bytes], start: int) -> _Body:
    """Read a body as a person would: up to whatever ends it or begins another."""
    header: list[bytes] = []
    data: list[bytes] = []
    for number in range(start, len(lines)):
        line = lines[number]
        if _MEANT_END.search(line):
            return _Body(number + 1, header, data, None)
        if _label(line) is not None or _MEANT.match(line):
            return _Body(number, header, data, None)
        (header if b":" in line else data).append(line.strip(_BLANKS + b">|\"'"))
    return _Body(len(lines), header, data, None)


def _block(label: bytes, line: int, offset: int, body: _Body, *, seen: bool, marked: bool = False) -> Block:
    text = b"".join(body.data).translate(None, _BLANKS)
    trouble = body.trouble
    if body.trouble is None and (seen or marked):
        # A hyphen ends what OpenSSL decodes.
        text = text.partition(b"-")[0]
    der = _decoded(text)
    if der is None:
        der, trouble = b"", trouble or "bad base64 decode"
    head = b"\n".join(body.header)
    if head and not trouble and not head.startswith(b"Proc-Type: "):
        trouble = "not proc type"
    encrypted = b"ENCRYPTED" in head
    name = label.decode("ascii", "replace")
    pem = b""
    if der:
        width = [text[at : at + 64] for at in range(0, len(text), 64)]
        pem = b"\n".join([_BEGIN + label + _TAIL, *([*body.header, b""] if encrypted else []), *width, _END + label + _TAIL, b""])
    return Block(name, line, offset, seen, trouble, der, marked, encrypted, pem)


def _decoded(text: bytes) -> bytes | None:
    if not text or len(text) % 4 or not _BASE64.fullmatch(text):
        return None
    try:
        return base64.b64decode(text)
    except binascii.Error:
        return None


def single(der: bytes) -> bytes:
    """Return the outermost element alone: OpenSSL does not mind what follows it, as in TRUSTED CERTIFICATE."""
    length = element_length(der)
    return der[:length] if length is not None else der


def element_length(der: bytes) -> int | None:
    """Return how long the first element is, its head included; None when that cannot be told."""
    if len(der) < 2:
        return None
    first = der[1]
    if first < 0x80:
        return 2 + first
    count = first & 0x7F
    if not 1 <= count <= 4 or len(der) < 2 + count:
        return None
    return 2 + count + int.from_bytes(der[2 : 2 + count], "big")


def shape(der: bytes, depth: int = 3) -> tuple[int, ...]:
    """Return the tags at the start of a sequence's first elements: what tells a certificate from a key without decoding them."""
    if len(der) < 2 or der[0] != 0x30:
        return ()
    head = 2 if der[1] < 0x80 else 2 + (der[1] & 0x7F)
    tags: list[int] = []
    position = head
    while position < len(der) and len(tags) < depth:
        tags.append(der[position])
        length = element_length(der[position : position + 8])
        if length is None:
            break
        position += length
    return tuple(tags)
