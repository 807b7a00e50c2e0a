"""Offers as a library gives them, made by hand for tests that need no server."""

from __future__ import annotations

from pgssl_wizard.protocol.suites import Offer, Question, Suite

VERSION = "OpenSSL 3.0.19 27 Jan 2026"


def suite(name: str, *tls: str) -> Suite:
    """Return a suite by its name, offered in these versions (by default the one it belongs to)."""
    new = name.startswith("TLS_")
    null, old = "NULL" in name, not new and "GCM" not in name and "CHACHA" not in name
    exchange = "any" if new else next((kind for kind in ("ECDHE", "DHE") if name.startswith(kind)), "RSA")
    authentication = "any" if new else "ECDSA" if "-ECDSA-" in name else "none" if name.startswith(("ADH", "AECDH")) else "RSA"
    bits = 0 if null else 256 if "256" in name.replace("SHA256", "") or "CHACHA" in name else 128
    cipher = "RC4" if "RC4" in name else "DES-EDE3-CBC" if "DES" in name else "" if null else "AES"
    digest = "MD5" if name.endswith("MD5") else "SHA1" if old else ""
    return Suite(name, bits, exchange, authentication, cipher, digest, not old, tls or (("TLSv1.3",) if new else ("TLSv1.2",)))


def offer(*names: str, level: int = 2, groups: tuple[str, ...] = ("prime256v1",), **asked: str) -> Offer:
    """Return an offer of these suites below TLS 1.3, which comes with its own."""
    new = ("TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256", "TLS_AES_128_GCM_SHA256") if asked.get("maximum") != "TLSv1.2" else ()
    return Offer(VERSION, Question(curve="prime256v1", **asked), tuple(suite(name) for name in (*new, *names)), groups, level)
