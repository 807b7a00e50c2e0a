"""The name under which OpenSSL looks for the revocation list of a CA in a directory: `<hash>.r<N>`.

The hash is X509_NAME_hash of OpenSSL 1.0 and newer (crypto/x509/x_name.c, x509_cmp.c), which `openssl crl -hash` prints: the first
four bytes, least significant first, of the SHA-1 of the issuer's name in canonical form. In that form texts are UTF-8, in lower case
as far as they are ASCII, without blanks at their ends and with one blank for several inside, and the outermost sequence is left out.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator

from cryptography import x509

#: How the name of a list in a directory looks; the number follows other lists whose CA has the same hash.
FILE_NAME = re.compile(r"([0-9a-f]{8})\.r(0|[1-9][0-9]*)")

_SEQUENCE, _SET, _UTF8 = 0x30, 0x31, 0x0C
#: The kinds of text that are brought to one form, by tag: PrintableString, T61String, IA5String and VisibleString hold one byte a
#: character, BMPString two, UniversalString four.
_ENCODINGS = {0x0C: "utf-8", 0x13: "latin-1", 0x14: "latin-1", 0x16: "latin-1", 0x1A: "latin-1", 0x1C: "utf-32-be", 0x1E: "utf-16-be"}
_BLANKS = b" \t\n\v\f\r"


def hash_of(name: x509.Name) -> str:
    """Return the hash of a CA's name, eight hexadecimal digits, as `openssl crl -hash` prints it."""
    canonical = b"".join(_canonical_set(inner) for tag, inner in _elements(_content(name.public_bytes())) if tag == _SET)
    digest = hashlib.sha1(canonical, usedforsecurity=False).digest()
    return f"{int.from_bytes(digest[:4], 'little'):08x}"


def _canonical_set(content: bytes) -> bytes:
    """Return one part of the name, of one attribute or several, which are sorted as DER sorts a set."""
    attributes = []
    for _, attribute in _elements(content):
        (kind, oid), (tag, value) = _elements(attribute)
        if tag in _ENCODINGS:
            tag, value = _UTF8, _straightened(value.decode(_ENCODINGS[tag], "surrogatepass").encode("utf-8", "surrogatepass"))
        attributes.append(_element(_SEQUENCE, _element(kind, oid) + _element(tag, value)))
    return _element(_SET, b"".join(sorted(attributes)))


def _straightened(text: bytes) -> bytes:
    return re.sub(b"[ \t\n\v\f\r]+", b" ", text.strip(_BLANKS)).lower()


def _content(der: bytes) -> bytes:
    return next(_elements(der))[1]


def _elements(der: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield tag and content of each element; what the library has written itself is well formed."""
    position = 0
    while position < len(der):
        tag, length = der[position], der[position + 1]
        position += 2
        if length & 0x80:
            count = length & 0x7F
            length = int.from_bytes(der[position : position + count], "big")
            position += count
        yield tag, der[position : position + length]
        position += length


def _element(tag: int, content: bytes) -> bytes:
    length = len(content)
    if length < 0x80:
        return bytes((tag, length)) + content
    size = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(size))) + size + content
