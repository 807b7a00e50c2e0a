"""What a server loads in silence and clients refuse, or the other way round: a certificate at the end of a chain."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, SignatureAlgorithmOID

from pgssl_wizard.certificates.given import Fault, Given, called
from pgssl_wizard.certificates.keys import type_of
from pgssl_wizard.certificates.load import Certificate
from pgssl_wizard.certificates.names import parse_name
from pgssl_wizard.certificates.read import common_name_of, extension, extensions_legible, is_ca, names_of, public_of
from pgssl_wizard.errors import UnusableInput

#: Less than this left and a certificate is worth a word.
SOON = timedelta(days=30)

_EDDSA = {SignatureAlgorithmOID.ED25519, SignatureAlgorithmOID.ED448}


def of_leaf(given: Given, certificate: Certificate, now: datetime) -> Iterator[Fault]:
    """Yield what is to be said of a server's or a client's certificate by itself."""
    about = _About(given, certificate)
    yield from of_dates(given, certificate, now, "The certificate")
    yield from of_extensions(given, certificate)
    if given.role == "client-certificate":
        yield from _client(about)
    else:
        yield from _server(about)
    yield from _usage(about)
    yield from _weak_key(about)


class _About:
    """Makes faults of one certificate."""

    def __init__(self, given: Given, certificate: Certificate) -> None:
        self.given = given
        self.line = certificate.line
        self.value = certificate.value

    def warning(self, code: str, what: str, hint: str | None = None) -> Fault:
        return Fault(self.given.path, self.line, "warning", code, what, hint)

    def info(self, code: str, what: str, hint: str | None = None) -> Fault:
        return Fault(self.given.path, self.line, "info", code, what, hint)


def of_dates(given: Given, certificate: Certificate, now: datetime, who: str) -> Iterator[Fault]:
    """Yield what the dates say today; `who` begins the sentences."""
    about = _About(given, certificate)
    begins, ends = certificate.value.not_valid_before_utc, certificate.value.not_valid_after_utc
    if ends < begins:
        yield about.warning("certificate-expired", f"{who} ends on {ends:%Y-%m-%d}, before it begins: no client accepts it.")
    elif ends <= now:
        yield about.warning("certificate-expired", f"{who} expired on {ends:%Y-%m-%d}; verifying clients refuse it.")
    elif ends - now < SOON:
        days = (ends - now).days
        when = "today or tomorrow" if days < 1 else f"in {days} days" if days > 1 else "in 1 day"
        yield about.warning("certificate-expiring", f"{who} expires {when}, on {ends:%Y-%m-%d}.")
    if begins > now and begins <= ends:
        yield about.warning("certificate-not-yet-valid", f"{who} counts only from {begins:%Y-%m-%d %H:%M} UTC.", "Check the clocks.")


def of_extensions(given: Given, certificate: Certificate) -> Iterator[Fault]:
    """Yield what is odd about the form of any certificate."""
    about = _About(given, certificate)
    if certificate.value.version == x509.Version.v1:
        told = (
            f"{called(certificate.value)} is an X.509 certificate of version 1, without any extension: Go, Rust and Java clients refuse it."
        )
        yield about.warning("x509-v1", told, "Have it made again with extensions; with openssl x509 -req that takes -extfile.")
    elif not extensions_legible(certificate.value):
        told = f"The extensions of {called(certificate.value)} cannot be read: clients will not either."
        yield about.warning("odd-extensions", told, "Have it made again.")
    if certificate.value.serial_number < 0:
        told = f"The serial number of {called(certificate.value)} is negative: Go clients refuse it."
        yield about.warning("odd-serial", told, "Have it made again with a positive one.")


def _server(about: _About) -> Iterator[Fault]:
    yield from _names(about)
    if is_ca(about.value):
        yield about.warning(
            "ca-as-leaf",
            "The certificate is that of a CA (CA:TRUE), as openssl req -x509 makes them: clients built on rustls refuse it for a server.",
            "Make it with basicConstraints=critical,CA:FALSE.",
        )
    if about.value.issuer == about.value.subject:
        yield about.info("self-signed", "The certificate is self-signed: a client can verify it only with a copy of it.")
    usages = _extended(about.value)
    if usages is not None and not usages & {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE}:
        yield about.warning(
            "no-server-auth",
            f"The certificate is for {_usages(usages)}, not for servers: verifying clients refuse it.",
            "Have one made with extendedKeyUsage serverAuth.",
        )
    key = public_of(about.value)
    kind = type_of(key) if key is not None else ""
    if kind in {"ed25519", "ed448"}:
        yield about.warning(
            "eddsa-key",
            f"The certificate's key is {kind}: logging in with scram-sha-256 fails in PostgreSQL's own clients.",
            "They cannot bind the login to the channel with it; use ECDSA or RSA.",
        )
    elif about.value.signature_algorithm_oid in _EDDSA:
        yield about.warning(
            "eddsa-signature",
            "The certificate is signed by a CA with an Ed25519 or Ed448 key: logging in with scram-sha-256 fails in PostgreSQL's own clients.",
            "They cannot bind the login to the channel (could not find digest for NID UNDEF); have it signed by a CA with ECDSA or RSA.",
        )


def _names(about: _About) -> Iterator[Fault]:
    names = names_of(about.value)
    common = common_name_of(about.value)
    alternatives = extension(about.value, x509.SubjectAlternativeName)
    if not names:
        likely = _address(common) is not None or (common and not re.search(r"[^A-Za-z0-9.*_-]", common))
        hint = f"Have one made with {'IP' if _address(common) else 'DNS'}:{common} among its subject alternative names." if likely else None
        yield about.warning("no-san", "The certificate has no subject alternative names: many clients refuse it.", hint)
        return
    addresses = {str(each) for each in alternatives.get_values_for_type(x509.IPAddress)} if alternatives else set()
    dns = tuple(alternatives.get_values_for_type(x509.DNSName)) if alternatives else ()
    for name in dns:
        address = _address(name)
        if address is not None:
            if address not in addresses:
                yield about.warning(
                    "address-as-name",
                    f"The address {name} is written as a DNS name: libpq takes that, most other clients do not.",
                    f"Have one made with IP:{address} too.",
                )
        else:
            yield from _odd_name(about, name)
    if common and (address := _address(common)) is not None and address not in addresses | {_address(name) for name in dns}:
        yield about.warning(
            "address-in-common-name",
            f"The address {common} stands only in the common name, where clients do not look for it.",
            f"Have one made with IP:{address} among its subject alternative names.",
        )
    unseen = sorted(each for each in addresses if each not in {_address(name) for name in dns})
    if unseen:
        yield about.info(
            "address-not-as-name",
            f"libpq 13 and 14 do not find {'the address' if len(unseen) == 1 else 'the addresses'} {', '.join(unseen)}: "
            "they look for addresses among the DNS names.",
            "For such clients, have one made with the address as a DNS name too.",
        )
    elif common and dns and common.lower() not in {name.lower() for name in dns} and _looks_like_host(common):
        yield about.info(
            "name-only-in-common-name",
            f"The name {common} stands only in the common name: with alternative names, clients do not look there.",
        )


def _odd_name(about: _About, name: str) -> Iterator[Fault]:
    rest = name.removeprefix("*.")
    if "*" in rest or name == "*":
        yield about.warning(
            "wildcard",
            f"No client matches “{name}”: a * stands only for the whole first label.",
            "Write it as *.example.com, or name each host.",
        )
    elif name.startswith("*.") and "." not in rest:
        yield about.warning(
            "wildcard",
            f"“{name}” stands for a whole top-level domain: libpq takes it, OpenSSL's own check and browsers do not.",
            "Name each host.",
        )
    else:
        try:
            parse_name(name)
        except UnusableInput as error:
            yield about.warning("bad-name", error.message)


def _looks_like_host(text: str) -> bool:
    return "." in text and " " not in text and text.isascii()


def _address(text: str) -> str | None:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return None


def _client(about: _About) -> Iterator[Fault]:
    usages = _extended(about.value)
    if usages is not None and not usages & {ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE}:
        yield about.warning(
            "no-client-auth",
            f"The certificate is for {_usages(usages)}, not for clients: the server refuses it (unsupported certificate).",
            "Have one made with extendedKeyUsage clientAuth.",
        )
    if not common_name_of(about.value):
        yield about.warning("no-common-name", "The certificate has no common name, which is what the server compares with the role.")


def _usage(about: _About) -> Iterator[Fault]:
    usage = extension(about.value, x509.KeyUsage)
    if usage is None or usage.digital_signature:
        return
    only = isinstance(public_of(about.value), rsa.RSAPublicKey) and usage.key_encipherment
    what = "TLS 1.3 and all forward secret suites" if only else "TLS"
    yield about.warning(
        "key-usage",
        f"Its key usage leaves out digitalSignature, which {what} needs: clients refuse it.",
        "Have one made with digitalSignature.",
    )


def _weak_key(about: _About) -> Iterator[Fault]:
    key = public_of(about.value)
    if isinstance(key, rsa.RSAPublicKey) and key.key_size < 2048:
        yield about.warning("weak-key", f"The certificate's RSA key has {key.key_size} bits: current systems refuse less than 2048.")


def is_for_servers(certificate: x509.Certificate) -> bool:
    """Return whether a certificate is for servers and not for clients."""
    usages = _extended(certificate) or set()
    return ExtendedKeyUsageOID.SERVER_AUTH in usages and ExtendedKeyUsageOID.CLIENT_AUTH not in usages


def _extended(certificate: x509.Certificate) -> set[x509.ObjectIdentifier] | None:
    found = extension(certificate, x509.ExtendedKeyUsage)
    return None if found is None else set(found)


def _usages(usages: set[x509.ObjectIdentifier]) -> str:
    known = {
        ExtendedKeyUsageOID.SERVER_AUTH: "servers",
        ExtendedKeyUsageOID.CLIENT_AUTH: "clients",
        ExtendedKeyUsageOID.CODE_SIGNING: "signing code",
        ExtendedKeyUsageOID.EMAIL_PROTECTION: "e-mail",
        ExtendedKeyUsageOID.TIME_STAMPING: "time stamps",
        ExtendedKeyUsageOID.OCSP_SIGNING: "OCSP",
    }
    return " and ".join(sorted(known.get(each, each.dotted_string) for each in usages)) or "nothing"
