"""From a leaf up to a root: what stands in a file and in which order, who signed whom, and what the CAs above allow."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from cryptography import x509

from pgssl_wizard.certificates.given import Fault, Given, called, name_called
from pgssl_wizard.certificates.leaf import SOON, of_dates, of_extensions
from pgssl_wizard.certificates.load import Certificate
from pgssl_wizard.certificates.read import common_name_of, extension, fingerprint, is_ca, names_of, public_of
from pgssl_wizard.certificates.refusals import issued_by, key_words, strength, weak_digest


@dataclass(frozen=True, slots=True)
class Around:
    """The CAs at hand: those of root files, and intermediates that lie by themselves."""

    anchors: tuple[tuple[Given, Certificate], ...] = ()
    intermediates: tuple[tuple[Given, Certificate], ...] = ()

    @property
    def all(self) -> tuple[tuple[Given, Certificate], ...]:
        """Both."""
        return self.anchors + self.intermediates


@dataclass(frozen=True, slots=True)
class Way:
    """A certificate and what signed it, one above the other; each with the file it stands in."""

    links: tuple[tuple[Given, Certificate], ...]

    @property
    def top(self) -> Certificate:
        """The last that is known."""
        return self.links[-1][1]

    @property
    def ends(self) -> bool:
        """Whether the last is self-signed, so that nothing can stand above it."""
        return self_signed(self.top.value)


def self_signed(certificate: x509.Certificate) -> bool:
    """Return whether a certificate is its own issuer."""
    return certificate.issuer == certificate.subject


def way_up(start: tuple[Given, Certificate], pool: Sequence[tuple[Given, Certificate]]) -> Way:
    """Return the way from a certificate to a root, as far as the pool leads; the first that signed, in the pool's order."""
    links = [start]
    met = {fingerprint(start[1].value)}
    while not self_signed(links[-1][1].value):
        above = next(
            (each for each in pool if fingerprint(each[1].value) not in met and issued_by(links[-1][1].value, each[1].value)), None
        )
        if above is None:
            break
        met.add(fingerprint(above[1].value))
        links.append(above)
    return Way(tuple(links))


def leaf_meant(given: Given) -> Certificate | None:
    """Return the certificate at the end of a file's chain: the first, unless the file begins with what signed it."""
    found = given.leaf
    met: set[str] = set()
    while found is not None:
        met.add(fingerprint(found.value))
        below = next(
            (each for each in given.objects.certificates if fingerprint(each.value) not in met and issued_by(each.value, found.value)), None
        )
        if below is None:
            break
        found = below
    return found


def of_chain(given: Given, around: Around, now: datetime) -> Iterator[Fault]:
    """Yield what is to be said of the chain in a server's or client's file, the leaf by itself left aside."""
    first = leaf_meant(given)
    if first is None:
        return
    inside = _once(given)
    within = way_up((given, first), [(given, each) for each in inside])
    known = [fingerprint(link.value) for _, link in within.links]
    yield from _duplicates(given)
    yield from _order(given, inside, within)
    for each in inside:
        if fingerprint(each.value) not in known:
            told = f"{called(each.value)} has nothing to do with the certificate of this file; the server sends it all the same."
            yield Fault(given.path, each.line, "info", "unrelated-certificate", told, "Take it out.")
    if len(within.links) > 1 and within.ends:
        told = f"The root {called(within.top.value)} is in the file: clients have it or do not trust it, so it is sent for nothing."
        yield Fault(given.path, within.top.line, "info", "root-in-chain", told, "It does no harm; it may be left out.")
    for each in inside:
        if fingerprint(each.value) != fingerprint(first.value):
            yield from of_dates(given, each, now, f"The CA certificate {called(each.value)}")
            yield from of_ca(given, each)
    whole = way_up((given, first), [*((given, each) for each in inside), *around.intermediates, *around.anchors])
    yield from _end(given, within, whole, around)
    yield from of_links(given, whole)


def _once(given: Given) -> list[Certificate]:
    return list({fingerprint(each.value): each for each in reversed(given.objects.certificates)}.values())[::-1]


def _duplicates(given: Given) -> Iterator[Fault]:
    seen: dict[str, int] = {}
    for each in given.objects.certificates:
        mark = fingerprint(each.value)
        if mark in seen:
            told = f"{called(each.value)} stands in the file twice, already in line {seen[mark]}."
            yield Fault(given.path, each.line, "info", "duplicate-certificate", told, "Take one of them out.")
        else:
            seen[mark] = each.line


def _order(given: Given, inside: Sequence[Certificate], way: Way) -> Iterator[Fault]:
    wanted = [fingerprint(link.value) for _, link in way.links]
    there = [fingerprint(each.value) for each in inside if fingerprint(each.value) in wanted]
    if there != wanted and there[:1] == wanted[:1]:
        order = ", then ".join(called(link.value) for _, link in way.links)
        told = "The certificates are not in the order in which they signed each other; clients that do not sort them refuse the chain."
        yield Fault(given.path, inside[1].line if len(inside) > 1 else 0, "warning", "chain-order", told, f"Put {order}.")


def _end(given: Given, within: Way, whole: Way, around: Around) -> Iterator[Fault]:
    """Yield what follows from where the chain ends: in the file, and with the CAs at hand."""
    top = within.top.value
    line = within.top.line
    used = [link for link in whole.links[len(within.links) :] if link in around.intermediates]
    if used:
        names = " and ".join(called(link.value) for _, link in used)
        files = " and ".join(dict.fromkeys(other.path.name for other, _ in used))
        told = f"The intermediate {names} is missing in the file: clients that have only the root refuse the chain."
        yield Fault(given.path, line, "warning", "chain-incomplete", told, f"Append {files} to it.")
    if around.anchors:
        anchors = {fingerprint(each.value) for _, each in around.anchors}
        if whole.ends and fingerprint(whole.top.value) in anchors:
            return
        yield _not_under(given, whole, around)
    elif not whole.ends and not used:
        issuer = name_called(top.issuer)
        if len(within.links) == 1 and extension(top, x509.AuthorityInformationAccess) is not None:
            told = f"It is signed by {issuer}, whose certificate is not in the file: clients that have only the root refuse it."
            hint = "Append the intermediate that the CA hands out with it (often called chain.pem)."
            yield Fault(given.path, line, "warning", "chain-incomplete", told, hint)
        else:
            told = f"{called(top)} is signed by {issuer}, which is not at hand: clients need it as their root."
            hint = f"If {issuer} is an intermediate, append it to the file; name the root file too to have the chain checked."
            yield Fault(given.path, line, "info", "issuer-not-at-hand", told, hint)


def _not_under(given: Given, whole: Way, around: Around) -> Fault:
    top = whole.top.value
    files = " and ".join(dict.fromkeys(other.path.name for other, _ in around.anchors))
    same = [each for _, each in around.anchors if each.value.subject == top.issuer and not self_signed(top)]
    if same:
        told = f"{called(top)} names {name_called(top.issuer)} as its issuer, and the one in {files} did not sign it: the CA has a new key."
        return Fault(
            given.path, whole.top.line, "warning", "not-under-root", told, "Find the root that signed it, or have it signed again."
        )
    if self_signed(top):
        told = f"The chain ends with {called(top)}, which is not in {files}: who trusts only that file refuses it."
    else:
        told = f"No certificate in {files} leads on from {called(top)}, signed by {name_called(top.issuer)}: who trusts only that file refuses it."
    hint = "Add the right root, or the missing intermediate to the chain."
    if given.role == "server-certificate":
        hint += " If the file is only for client certificates, all is well."
    return Fault(given.path, whole.top.line, "warning", "not-under-root", told, hint)


def of_links(given: Given, way: Way) -> Iterator[Fault]:
    """Yield what each certificate of a chain may not do with the one below it; told at the place of the lower one if it is in this file."""
    below = 0
    for (_, lower), (_, upper) in zip(way.links, way.links[1:], strict=False):
        line = lower.line if lower in given.objects.certificates else 0
        if is_ca(lower.value) and not self_signed(lower.value) and lower is not way.links[0][1]:
            below += 1
        yield from _link(given, line, lower.value, upper.value)
        constraints = extension(upper.value, x509.BasicConstraints)
        if constraints is not None and constraints.path_length is not None and constraints.path_length < below:
            allowed = "no CA" if constraints.path_length == 0 else f"{constraints.path_length} CAs"
            told = f"{called(upper.value)} allows {allowed} below it and {below} {'is' if below == 1 else 'are'} there: clients refuse the chain."
            yield Fault(
                given.path, line, "warning", "path-length", told, "Have the upper CA made again with a greater pathlen, or take one CA out."
            )
        yield from _constraints(given, way.links[0][1], upper.value)


def _link(given: Given, line: int, lower: x509.Certificate, upper: x509.Certificate) -> Iterator[Fault]:
    who, above = called(lower), called(upper)
    constraints = extension(upper, x509.BasicConstraints)
    if constraints is not None and not constraints.ca:
        told = f"{above} signed {who} and is no CA (CA:FALSE): clients refuse the chain."
        yield Fault(given.path, line, "warning", "issuer-not-ca", told, "Have it signed by a CA.")
    if lower.not_valid_after_utc > upper.not_valid_after_utc:
        told = f"{who} lives to {lower.not_valid_after_utc:%Y-%m-%d}, and {above}, which signed it, only to {upper.not_valid_after_utc:%Y-%m-%d}."
        yield Fault(given.path, line, "info", "outlives-issuer", told, "What counts is the earlier day.")
    authority = extension(lower, x509.AuthorityKeyIdentifier)
    own = extension(upper, x509.SubjectKeyIdentifier)
    if lower.version == x509.Version.v1:
        return
    if authority is None or (authority.key_identifier is None and authority.authority_cert_serial_number is None):
        told = f"{who} does not say by which key it is signed (authorityKeyIdentifier): strict clients refuse it, such as Python 3.13 and later."
        yield Fault(given.path, line, "warning", "no-key-identifier", told, "Have it made with authorityKeyIdentifier=keyid.")
    elif own is not None and authority.key_identifier is not None and authority.key_identifier != own.digest:
        told = f"{who} names another key identifier than the one {above} has: OpenSSL does not find its issuer and refuses the chain."
        yield Fault(given.path, line, "warning", "key-identifier-differs", told, "Have it signed again by the CA as it is now.")


def of_ca(given: Given, certificate: Certificate) -> Iterator[Fault]:
    """Yield what is to be said of a CA's certificate by itself, its dates left aside."""
    value = certificate.value
    who = called(value)
    yield from of_extensions(given, certificate)
    usage = extension(value, x509.KeyUsage)
    if usage is not None and not usage.key_cert_sign and is_ca(value):
        told = f"The key usage of {who} leaves out keyCertSign: clients refuse what it signed."
        yield Fault(given.path, certificate.line, "warning", "ca-key-usage", told, "Have it made with keyCertSign and cRLSign.")
    elif usage is None and is_ca(value):
        told = f"The CA {who} has no key usage: strict clients refuse it, such as Python 3.13 and later."
        yield Fault(
            given.path, certificate.line, "warning", "ca-key-usage", told, "Have it made with keyUsage=critical,keyCertSign,cRLSign."
        )
    if is_ca(value) and extension(value, x509.SubjectKeyIdentifier) is None:
        told = f"The CA {who} has no subjectKeyIdentifier: strict clients refuse it, such as Python 3.13 and later."
        yield Fault(given.path, certificate.line, "warning", "no-key-identifier", told, "Have it made with subjectKeyIdentifier=hash.")
    key = public_of(value)
    bits = strength(key)
    if key is not None and bits is not None and bits < 112:
        told = f"The key of the CA {who} is {key_words(key)}: current systems refuse what it signed."
        yield Fault(given.path, certificate.line, "warning", "weak-key", told, "Make a new CA with RSA 2048 or more, or ECDSA P-256.")
    digest = weak_digest(value)
    if digest is not None:
        told = f"The CA {who} is signed with {digest}: current systems refuse it."
        yield Fault(given.path, certificate.line, "warning", "weak-signature", told, "Have it signed again with SHA-256.")


def of_anchors(given: Given, now: datetime) -> Iterator[Fault]:
    """Yield what is to be said of a root file or an intermediate's file."""
    inside = _once(given)
    yield from _duplicates(given)
    for each in inside:
        lone = self_signed(each.value) and not is_ca(each.value)
        who = "The certificate" if lone and len(inside) == 1 else f"The CA certificate {called(each.value)}"
        others = any(self_signed(other.value) and _lives(other, now) for other in inside if other is not each)
        for fault in of_dates(given, each, now, who):
            # While an old root goes, the new one beside it carries on.
            yield replace(fault, severity="info") if others else fault
        yield from of_ca(given, each)
        if not is_ca(each.value) and not lone and each.value.version != x509.Version.v1:
            told = f"{called(each.value)} is no CA: as a trust anchor it makes nobody's certificate valid."
            yield Fault(
                given.path, each.line, "warning", "leaf-as-ca", told, f"Put the root here that is above {name_called(each.value.issuer)}."
            )
    if given.role == "ca" and inside and not any(self_signed(each.value) for each in inside) and any(is_ca(each.value) for each in inside):
        top = inside[-1].value
        told = (
            f"There is no root in the file, only {_list(called(each.value) for each in inside)}: OpenSSL, and with it libpq and the server, "
            "trusts a chain only up to a self-signed root."
        )
        yield Fault(given.path, inside[0].line, "warning", "no-root", told, f"Add the root {name_called(top.issuer)}.")
    if given.objects.keys:
        told = "A private key lies in a file that is handed out to clients."
        yield Fault(
            given.path,
            given.objects.keys[0].line,
            "warning",
            "key-beside-ca",
            told,
            "Take it out; if anybody else has the file, make a new CA.",
        )
    pool = [(given, each) for each in inside]
    for each in inside:
        if not self_signed(each.value):
            way = way_up((given, each), pool)
            yield from _pairwise(given, way)


def _lives(certificate: Certificate, now: datetime) -> bool:
    return certificate.value.not_valid_before_utc <= now and now + SOON < certificate.value.not_valid_after_utc


def _pairwise(given: Given, way: Way) -> Iterator[Fault]:
    if len(way.links) > 1:
        (_, lower), (_, upper) = way.links[:2]
        yield from _link(given, lower.line, lower.value, upper.value)


def _list(texts: Iterable[str]) -> str:
    told = list(texts)
    return told[0] if len(told) == 1 else ", ".join(told[:-1]) + " and " + told[-1] if len(told) < 5 else f"{len(told)} others"


def _constraints(given: Given, leaf: Certificate, upper: x509.Certificate) -> Iterator[Fault]:
    """Yield the names of the leaf that a CA above it may not vouch for."""
    allowed = extension(upper, x509.NameConstraints)
    if allowed is None:
        return
    names = names_of(leaf.value) or ((common_name_of(leaf.value),) if common_name_of(leaf.value) else ())
    for name in names:
        permitted = [each for each in allowed.permitted_subtrees or () if _kind(each) == _kind_of_text(name)]
        excluded = [each for each in allowed.excluded_subtrees or () if _kind(each) == _kind_of_text(name)]
        if (permitted and not any(_within(name, each) for each in permitted)) or any(_within(name, each) for each in excluded):
            told = f"{called(upper)} may not vouch for {name} (nameConstraints): clients refuse the chain."
            yield Fault(given.path, leaf.line, "warning", "name-constraints", told, "Leave that name out, or have another CA sign.")


def _kind(name: x509.GeneralName) -> str:
    return "dns" if isinstance(name, x509.DNSName) else "address" if isinstance(name, x509.IPAddress) else "other"


def _kind_of_text(text: str) -> str:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return "dns"
    return "address"


def _within(name: str, subtree: x509.GeneralName) -> bool:
    if isinstance(subtree, x509.IPAddress):
        network = subtree.value
        if isinstance(network, ipaddress.IPv4Network | ipaddress.IPv6Network):
            address = ipaddress.ip_address(name)
            return address.version == network.version and address in network
        return str(network) == name
    base = str(subtree.value).lower()
    host = name.lower().removeprefix("*.") if name.startswith("*.") else name.lower()
    if base.startswith("."):
        return host.endswith(base)
    return not base or host == base or host.endswith("." + base)
