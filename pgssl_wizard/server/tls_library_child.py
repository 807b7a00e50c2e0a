"""The child of `tls_library`: loads the very libssl that a server loads, and answers what it makes of settings.

Run as a script, so that it imports nothing of ours: another OpenSSL in this process would answer instead. One JSON document on standard
input, one on standard output. The calls and their order are the server's own (be_tls_init in be-secure-openssl.c); the numbers are
those of openssl/ssl.h, the same in 1.1.1 and 3.x.
"""

from __future__ import annotations

import ctypes
import json
import os
import re
import sys
from collections.abc import Callable
from typing import Any

_LOAD_CONFIG = 0x40  # OPENSSL_INIT_LOAD_CONFIG
_SET_TMP_ECDH, _SET_GROUPS_LIST, _SET_DH_AUTO = 4, 92, 118
_SET_MINIMUM, _SET_MAXIMUM, _GET_MINIMUM, _GET_MAXIMUM = 123, 124, 130, 131
_VERSION_TEXT, _DIRECTORY = 0, 4
_NAMES = {0x0301: "TLSv1", 0x0302: "TLSv1.1", 0x0303: "TLSv1.2", 0x0304: "TLSv1.3"}
_KEY_TYPES = {"RSA": 6, "ECDSA": 408}  # EVP_PKEY_RSA, EVP_PKEY_EC
_NUMBERS = {name: number for number, name in _NAMES.items()}

_pointer, _integer, _long, _text = ctypes.c_void_p, ctypes.c_int, ctypes.c_long, ctypes.c_char_p
#: What the functions take and return; all of them are in libssl or in the libcrypto that it needs.
_SIGNATURES = {
    "OPENSSL_init_ssl": (_integer, ctypes.c_uint64, _pointer),
    "OpenSSL_version": (_text, _integer),
    "TLS_method": (_pointer,),
    "SSL_CTX_new": (_pointer, _pointer),
    "SSL_CTX_free": (None, _pointer),
    "SSL_CTX_ctrl": (_long, _pointer, _integer, _long, _pointer),
    "SSL_CTX_set_cipher_list": (_integer, _pointer, _text),
    "SSL_CTX_set_ciphersuites": (_integer, _pointer, _text),
    "SSL_CTX_get_ciphers": (_pointer, _pointer),
    "SSL_CTX_get_security_level": (_integer, _pointer),
    "SSL_new": (_pointer, _pointer),
    "SSL_free": (None, _pointer),
    "SSL_ctrl": (_long, _pointer, _integer, _long, _pointer),
    "SSL_get1_supported_ciphers": (_pointer, _pointer),
    "SSL_CIPHER_get_name": (_text, _pointer),
    "SSL_CIPHER_standard_name": (_text, _pointer),
    "SSL_CIPHER_get_bits": (_integer, _pointer, _pointer),
    "SSL_CIPHER_get_kx_nid": (_integer, _pointer),
    "SSL_CIPHER_get_auth_nid": (_integer, _pointer),
    "SSL_CIPHER_get_cipher_nid": (_integer, _pointer),
    "SSL_CIPHER_get_digest_nid": (_integer, _pointer),
    "SSL_CIPHER_is_aead": (_integer, _pointer),
    "OPENSSL_sk_num": (_integer, _pointer),
    "OPENSSL_sk_value": (_pointer, _pointer, _integer),
    "OPENSSL_sk_free": (None, _pointer),
    "OBJ_nid2sn": (_text, _integer),
    "OBJ_sn2nid": (_integer, _text),
    "EC_KEY_new_by_curve_name": (_pointer, _integer),
    "EC_KEY_free": (None, _pointer),
    "SSL_CTX_use_certificate_ASN1": (_integer, _pointer, _integer, _text),
    "SSL_CTX_use_PrivateKey_ASN1": (_integer, _integer, _pointer, _text, _long),
    "SSL_set_bio": (None, _pointer, _pointer, _pointer),
    "SSL_set_accept_state": (None, _pointer),
    "SSL_set_connect_state": (None, _pointer),
    "SSL_do_handshake": (_integer, _pointer),
    "BIO_s_mem": (_pointer,),
    "BIO_new": (_pointer, _pointer),
    "BIO_up_ref": (_integer, _pointer),
    "ERR_get_error": (ctypes.c_ulong,),
    "ERR_reason_error_string": (_text, ctypes.c_ulong),
    "ERR_clear_error": (None,),
}


class _Library:
    """The functions, by their names."""

    def __init__(self, libssl: str, libcrypto: str | None) -> None:
        # A Python may have an OpenSSL built in; the library is to call its own.
        mode = os.RTLD_NOW | os.RTLD_LOCAL | getattr(os, "RTLD_DEEPBIND", 0)
        loaded = [ctypes.CDLL(path, mode=mode) for path in (libcrypto, libssl) if path is not None]
        self._functions: dict[str, Callable[..., Any]] = {}
        for name, (result, *arguments) in _SIGNATURES.items():
            function = next((found for library in reversed(loaded) if (found := getattr(library, name, None)) is not None), None)
            if function is None:
                raise OSError(f"the library has no {name}")
            function.restype, function.argtypes = result, arguments
            self._functions[name] = function

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return self._functions[name]

    def words(self) -> str:
        """Return the reason of the oldest error, as the server would log it, and forget all of them."""
        code = self.ERR_get_error()
        reason = self.ERR_reason_error_string(code)
        self.ERR_clear_error()
        return str(reason.decode()) if reason else f"SSL error code {code}" if code else "no SSL error reported"


def main() -> None:
    """Read what to do, become the user named, answer."""
    request = json.load(sys.stdin)
    if request["uid"] is not None and os.geteuid() == 0:
        os.setgroups(request["groups"])
        os.setgid(request["gid"])
        os.setuid(request["uid"])
    try:
        answer = _answer(request)
    except OSError as error:
        answer = {"problem": str(error)}
    json.dump(answer, sys.stdout)


def _answer(request: dict[str, Any]) -> dict[str, object]:
    library = _Library(request["libssl"], request["libcrypto"])
    if library.OPENSSL_init_ssl(_LOAD_CONFIG, None) != 1:
        raise OSError(f"the library does not start: {library.words()}")
    return {
        "version": library.OpenSSL_version(_VERSION_TEXT).decode(),
        "directory": library.OpenSSL_version(_DIRECTORY).decode(),
        "groups": [name for name in request["groups_asked"] if _knows_group(library, name)],
        "system": _system(library),
        "offers": [_offer(library, question, request["keys"]) for question in request["questions"]],
    }


def _context(library: _Library) -> int:
    context = library.SSL_CTX_new(library.TLS_method())
    if not context:
        raise OSError(f"could not create SSL context: {library.words()}")
    return int(context)


def _knows_group(library: _Library, name: str) -> bool:
    context = _context(library)
    known: bool = library.SSL_CTX_ctrl(context, _SET_GROUPS_LIST, 0, ctypes.c_char_p(name.encode())) == 1
    library.ERR_clear_error()
    library.SSL_CTX_free(context)
    return known


def _system(library: _Library) -> dict[str, object]:
    """Return what a context has before a server sets anything: the library's defaults and the host's openssl.cnf."""
    context = _context(library)
    minimum = library.SSL_CTX_ctrl(context, _GET_MINIMUM, 0, None)
    maximum = library.SSL_CTX_ctrl(context, _GET_MAXIMUM, 0, None)
    level = library.SSL_CTX_get_security_level(context)
    library.SSL_CTX_free(context)
    return {"minimum": _NAMES.get(minimum, ""), "maximum": _NAMES.get(maximum, ""), "level": level}


def _offer(library: _Library, question: dict[str, str], keys: dict[str, list[str]]) -> dict[str, object]:
    """Return what a server with these settings offers, or its complaint, in the server's words and order."""
    context = _context(library)
    try:
        refusal = _configure(library, context, question)
        if refusal is not None:
            return {"refusal": refusal, "level": 0, "versions": {}, "suites": {}, "listed": []}
        suites: dict[str, dict[str, object]] = {}
        listed = _names(library, library.SSL_CTX_get_ciphers(context), suites)
        versions = {name: _offered(library, context, number, suites) for number, name in _NAMES.items()}
        level = library.SSL_CTX_get_security_level(context)
        for name in ("TLSv1", "TLSv1.1"):
            versions[name] = [suite for suite in versions[name] if not keys or _handshake(library, question, _NUMBERS[name], suite, keys)]
        return {
            "refusal": None,
            "level": level,
            "versions": {name: found for name, found in versions.items() if found},
            "suites": suites,
            "listed": listed,
            "idle": [word for word in re.split("[:, ]+", question["ciphers"]) if word[:1].isalnum() and not _brings(library, word)],
        }
    finally:
        library.SSL_CTX_free(context)
        library.ERR_clear_error()


def _brings(library: _Library, word: str) -> bool:
    """Return whether a word of a list brings in any suite below TLS 1.3; the library passes over those it does not know."""
    context = _context(library)
    try:
        taken = library.SSL_CTX_set_cipher_list(context, word.encode()) == 1
        names = _names(library, library.SSL_CTX_get_ciphers(context), {}) if taken else []
        return any(not name.startswith("TLS_") for name in names)
    finally:
        library.SSL_CTX_free(context)
        library.ERR_clear_error()


def _configure(library: _Library, context: int, question: dict[str, str]) -> list[str] | None:
    """Set what the server sets; return the setting and the complaint of the first that is refused."""
    minimum, maximum = _NUMBERS.get(question["minimum"]), _NUMBERS.get(question["maximum"])
    for name, number, control in (("minimum", minimum, _SET_MINIMUM), ("maximum", maximum, _SET_MAXIMUM)):
        if number is not None and library.SSL_CTX_ctrl(context, control, number, None) != 1:
            return [name, f"could not set {name} SSL protocol version"]
    if question["curve"]:
        number = library.OBJ_sn2nid(question["curve"].encode())
        if not number:
            return ["groups", f"ECDH: unrecognized curve name: {question['curve']}"]
        key = library.EC_KEY_new_by_curve_name(number)
        if not key:
            return ["groups", "ECDH: could not create key"]
        library.SSL_CTX_ctrl(context, _SET_TMP_ECDH, 0, ctypes.c_void_p(key))
        library.EC_KEY_free(key)
    groups = question["groups"]
    if groups and not question["curve"] and library.SSL_CTX_ctrl(context, _SET_GROUPS_LIST, 0, ctypes.c_char_p(groups.encode())) != 1:
        return ["groups", f"could not set group names specified in ssl_groups: {library.words()}"]
    if library.SSL_CTX_set_cipher_list(context, question["ciphers"].encode()) != 1:
        return ["ciphers", "could not set the cipher list (no valid ciphers available)"]
    suites = question["tls13_ciphers"]
    if suites and library.SSL_CTX_set_ciphersuites(context, suites.encode()) != 1:
        return ["tls13_ciphers", "could not set the TLSv1.3 cipher suites (no valid ciphers available)"]
    return None


def _offered(library: _Library, context: int, version: int, suites: dict[str, dict[str, object]]) -> list[str]:
    """Return the suites of one version of TLS that are left by the bounds, the security level and the host's options."""
    minimum = library.SSL_CTX_ctrl(context, _GET_MINIMUM, 0, None)
    maximum = library.SSL_CTX_ctrl(context, _GET_MAXIMUM, 0, None)
    if version < minimum or (maximum and version > maximum):
        return []
    connection = library.SSL_new(context)
    if not connection:
        return []
    try:
        for control in (_SET_MAXIMUM, _SET_MINIMUM):
            if library.SSL_ctrl(connection, control, version, None) != 1:
                return []
        found = library.SSL_get1_supported_ciphers(connection)
        try:
            return _names(library, found, suites)
        finally:
            if found:
                library.OPENSSL_sk_free(found)
    finally:
        library.SSL_free(connection)


def _handshake(library: _Library, question: dict[str, str], version: int, suite: str, keys: dict[str, list[str]]) -> bool:
    """Return whether a handshake of an old version comes about, in memory, with a client that takes this suite at any level.

    What these versions sign with, MD5 and SHA-1, is forbidden by some levels of security, and by some builds at every level; no list of
    suites tells.
    """
    server, client = _context(library), _context(library)
    try:
        for kind, (certificate, key) in keys.items():
            leaf, private = bytes.fromhex(certificate), bytes.fromhex(key)
            library.SSL_CTX_use_certificate_ASN1(server, len(leaf), leaf)
            library.SSL_CTX_use_PrivateKey_ASN1(_KEY_TYPES[kind], server, private, len(private))
        library.SSL_CTX_ctrl(server, _SET_DH_AUTO, 1, None)
        _configure(library, server, question)
        library.SSL_CTX_set_cipher_list(client, f"{suite}:@SECLEVEL=0".encode())
        # The host's openssl.cnf has bounded the client as well.
        groups = question["curve"] or question["groups"]
        library.SSL_CTX_ctrl(client, _SET_GROUPS_LIST, 0, ctypes.c_char_p(groups.encode()))
        for control in (_SET_MINIMUM, _SET_MAXIMUM):
            library.SSL_CTX_ctrl(client, control, version, None)
        ends = [library.SSL_new(server), library.SSL_new(client)]
        pipes = [library.BIO_new(library.BIO_s_mem()) for _ in ends]
        for pipe in pipes:
            library.BIO_up_ref(pipe)
        for end, (incoming, outgoing) in zip(ends, (pipes, reversed(pipes)), strict=True):
            library.SSL_set_bio(end, incoming, outgoing)
        library.SSL_set_accept_state(ends[0])
        library.SSL_set_connect_state(ends[1])
        # Two round trips, and the last flight of the server's.
        done = [[library.SSL_do_handshake(end) == 1 for end in reversed(ends)] for _ in range(4)]
        for end in ends:
            library.SSL_free(end)
        return all(done[-1])
    finally:
        for context in (server, client):
            library.SSL_CTX_free(context)
        library.ERR_clear_error()


def _names(library: _Library, stack: int | None, suites: dict[str, dict[str, object]]) -> list[str]:
    """Return the names of a stack of suites, and note what each of them is."""
    names = []
    for place in range(library.OPENSSL_sk_num(stack) if stack else 0):
        cipher = library.OPENSSL_sk_value(stack, place)
        name = library.SSL_CIPHER_get_name(cipher).decode()
        names.append(name)
        if name not in suites:
            suites[name] = {
                "standard": (library.SSL_CIPHER_standard_name(cipher) or b"").decode(),
                "bits": library.SSL_CIPHER_get_bits(cipher, None),
                "exchange": _of(library, library.SSL_CIPHER_get_kx_nid(cipher)),
                "authentication": _of(library, library.SSL_CIPHER_get_auth_nid(cipher)),
                "encryption": _of(library, library.SSL_CIPHER_get_cipher_nid(cipher)),
                "digest": _of(library, library.SSL_CIPHER_get_digest_nid(cipher)),
                "aead": library.SSL_CIPHER_is_aead(cipher) == 1,
            }
    return names


def _of(library: _Library, number: int) -> str:
    """Return the short name of an algorithm; empty for none."""
    name = library.OBJ_nid2sn(number) if number else None
    return str(name.decode()) if name else ""


if __name__ == "__main__":
    main()
