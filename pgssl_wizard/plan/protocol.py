"""What the server's own TLS library makes of the planned settings: what is refused, what costs a word, whom it may shut out. Pure.

Everything here is judged by the expansion that `cluster.protocol_facts` asked for; only where nobody could ask, by the words of the list.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pgssl_wizard.answers import Answers, ProtocolAnswers
from pgssl_wizard.cluster.facts import Cluster, Session
from pgssl_wizard.cluster.standing import Surroundings
from pgssl_wizard.errors import Refused, UnusableInput, WizardError
from pgssl_wizard.findings import Finding
from pgssl_wizard.plan.model import Ciphers, Plan, Weakness
from pgssl_wizard.protocol.profiles import HYBRID_SINCE, weak_words
from pgssl_wizard.protocol.suites import HYBRID, OLD_VERSIONS, VERSIONS, Offer, Question, Suite

#: How many sessions a finding names.
_NAMED = 5

#: What takes each reason for refusing a suite out of a list.
_WITHOUT = (("nobody proves", "!aNULL"), ("MD5", "!MD5"), ("RC4", "!RC4"), ("Sweet32", "!3DES"), ("bits", "!LOW"))

#: Why NULL suites and old versions cost a word; the documentation's own reasons (SSL support, NULL ciphers) and RFC 8996.
WEAKNESSES: dict[Weakness, str] = {
    "null-ciphers": "NULL ciphers prove who the server is and encrypt nothing: whoever is in between reads everything, passwords and data too. "
    "They save next to nothing; encryption costs little beside authentication.",
    "weak-protocol": "TLS 1.0 and 1.1 were withdrawn in 2021 (RFC 8996): their integrity rests on MD5 and SHA-1, and attacks on them are published.",
}


def check(cluster: Cluster, surroundings: Surroundings, answers: Answers) -> None:
    """Refuse settings that the server's library does not take, and suites that no server should offer.

    Raises:
        UnusableInput: anonymous, export or broken suites, also when a keyword brought them in.
        Refused: the library's words, or a file of Diffie-Hellman parameters that would keep the server from starting.
    """
    protocol, offer = answers.protocol, surroundings.offer
    if protocol.profile == "custom":
        _check_suites(protocol, offer)
        if protocol.dh_params is not None and surroundings.dh is not None and surroundings.dh.problem:
            raise Refused(surroundings.dh.problem, where=str(protocol.dh_params), hint=surroundings.dh.hint, code="dh-params")
    _check_dh_level(cluster, surroundings)
    if offer is not None and offer.refusal is not None:
        custom = protocol.profile == "custom"
        what = {"minimum": "version", "maximum": "version", "groups": "group"}.get(offer.refusal.setting, "list of ciphers")
        raise Refused(
            f"The server's {short(offer.library)} does not take this {what}: {offer.refusal.words}.",
            where=f"protocol.{offer.refusal.setting}" if custom else "protocol.profile",
            hint=_hint(offer, cluster),
            code="openssl-refuses",
        )


def weaknesses(cluster: Cluster, answers: Answers, offer: Offer | None) -> tuple[Weakness, ...]:
    """Return what of the answers costs a word; what stood in the files before and stays is not asked about again where TLS is on already."""
    protocol = answers.protocol
    if protocol.profile not in {"custom", "server-default"}:
        return ()
    anew = _turned_on(cluster)
    found: list[Weakness] = []
    if offer is not None and (anew or protocol.ciphers or protocol.tls13_ciphers) and any(suite.bits == 0 for suite in offer.suites):
        found.append("null-ciphers")
    minimum, maximum = protocol.minimum, protocol.maximum
    if anew:
        minimum = minimum or cluster.value("ssl_min_protocol_version")
        maximum = maximum or cluster.value("ssl_max_protocol_version")
    if minimum in OLD_VERSIONS or maximum in OLD_VERSIONS:
        found.append("weak-protocol")
    return tuple(found)


def _turned_on(cluster: Cluster) -> bool:
    """Whether the change switches TLS on, so that a list that stood idle begins to count."""
    return cluster.value("ssl") != "on"


@dataclass(frozen=True, slots=True)
class Preview:
    """What the answers about the protocol come to, before there is a plan.

    Attributes:
        ciphers: what would be offered; None when nobody can say.
        objection: why the plan would be refused, or None.
        findings: what the plan would say.
    """

    ciphers: Ciphers | None = None
    objection: WizardError | None = None
    findings: tuple[Finding, ...] = ()


def preview(cluster: Cluster, surroundings: Surroundings, answers: Answers, changed: Mapping[str, str]) -> Preview:
    """Return what a plan would say of the protocol alone; `changed` are the settings that would change."""
    ciphers = ciphers_of(surroundings.offer, answers.certificate.key)
    draft = Plan(
        cluster.data_directory,
        cluster.major,
        answers,
        settings=changed,
        ciphers=ciphers,
        weaknesses=weaknesses(cluster, answers, surroundings.offer),
    )
    try:
        check(cluster, surroundings, answers)
        return Preview(ciphers, findings=findings(draft, cluster, surroundings))
    except WizardError as error:
        return Preview(ciphers, error)


def findings(plan: Plan, cluster: Cluster, surroundings: Surroundings) -> tuple[Finding, ...]:
    """Return what is worth saying of the versions, suites and groups that this plan leads to.

    Raises:
        Refused: nobody, or no client below TLS 1.3 that is let in, could connect.
    """
    found = [*_of_weakness(plan), *_of_host(cluster, plan.ciphers)]
    if plan.ciphers is not None:
        found += [*_of_versions(plan.ciphers), *_of_suites(plan, plan.ciphers, cluster), *_of_sessions(plan, plan.ciphers, cluster)]
    found += _of_groups(plan, cluster)
    if surroundings.dh is not None and plan.ciphers is not None and not any(s.exchange == "DHE" for s in plan.ciphers.usable):
        found.append(
            _say("info", "dh-params-unused", "No suite of this list uses Diffie-Hellman over primes (DHE), so its parameters are not used.")
        )
    for finding in found:
        if finding.severity == "error":
            raise Refused(finding.message, where=_where(plan, finding.code), hint=finding.hint, code=finding.code)
    return tuple(found)


def _where(plan: Plan, code: str) -> str:
    protocol = plan.answers.protocol
    if protocol.profile != "custom":
        return "protocol.profile"
    by_list = code in {"no-suite-for-key", "broken-suites"} or (code == "no-usual-client" and not protocol.maximum)
    return "protocol.ciphers" if by_list else "protocol.maximum" if protocol.maximum else "protocol.minimum"


def short(library: str) -> str:
    """Return a library's name and number without its date: `OpenSSL 3.0.19`."""
    return " ".join(library.split()[:2])


def known_and_not_offered(cluster: Cluster, ciphers: Ciphers) -> tuple[Session, ...]:
    """Return the sessions of now whose version or suite will not be offered any more.

    Whether such a client gets in again nobody can know: one seen with TLS 1.2 may well speak 1.3. So they are named and warned about, and
    never counted as locked out.
    """
    if cluster.server is None:
        return ()
    return tuple(
        session
        for session in cluster.server.sessions
        if session.tls and session.tls_version in VERSIONS and not _takes(ciphers, session.tls_version, session.cipher or "")
    )


def _takes(ciphers: Ciphers, version: str, cipher: str) -> bool:
    if version == "TLSv1.3":
        return version in ciphers.versions
    # A client that takes a suite takes it with either kind of key.
    either = _without_key(cipher)
    return any(version in suite.tls and _without_key(suite.name) == either for suite in ciphers.usable)


def _without_key(cipher: str) -> str:
    return re.sub(r"^ECDHE-(?:ECDSA|RSA)-", "ECDHE-", cipher)


def _check_suites(protocol: ProtocolAnswers, offer: Offer | None) -> None:
    """Refuse what no server should offer."""
    if offer is None:
        # Nobody could ask the library: the words are all there is.
        for word in weak_words(protocol.ciphers)[:1]:
            raise UnusableInput(
                f"{word} allows suites without encryption, without authentication, or with broken ciphers.",
                where="protocol.ciphers",
                hint="Begin with HIGH:!aNULL, or name suites one by one. The server's own programs (--pg-bin) could judge it more exactly.",
                code="weak-cipher",
            )
        return
    broken = [suite for suite in offer.suites if suite.broken]
    if not broken or not (protocol.ciphers or protocol.tls13_ciphers):
        return
    first = broken[0]
    more = f", and {len(broken) - 1} more like it" if len(broken) > 1 else ""
    without = [out for reason, out in _WITHOUT if any(reason in suite.broken for suite in broken)]
    better = ":".join([protocol.ciphers, *(out for out in without if out not in protocol.ciphers.split(":"))])
    raise UnusableInput(
        f"This list brings in {first.name}{more}: {first.broken}.",
        where="protocol.ciphers",
        hint=f"Leave them out: {better}",
        code="weak-cipher",
    )


def _check_dh_level(cluster: Cluster, surroundings: Surroundings) -> None:
    """Refuse what OpenSSL 3 refuses under a host's security level of 3 and more: the 2048 bits that PostgreSQL brings itself."""
    library = cluster.tls_library
    if library is None or library.level < 3 or library.version.startswith("OpenSSL 1."):
        return
    needed = {3: 3072, 4: 7680}.get(library.level, 15360)
    if surroundings.dh is None or surroundings.dh.bits < needed:
        raise Refused(
            f"The host's security level is {library.level}, and under it {short(library.version)} takes no Diffie-Hellman parameters below "
            f"{needed} bits: the server could not switch TLS on (dh key too small).",
            where=str(cluster.system_default.file) if cluster.system_default else "protocol.dh_params",
            hint=f"Name a file with {needed} bits as protocol.dh_params (profile custom), or lower the level in openssl.cnf.",
            code="openssl-refuses",
        )


def _hint(offer: Offer, cluster: Cluster) -> str | None:
    if offer.refusal is None or offer.refusal.setting != "groups":
        return "`openssl ciphers -v LIST` shows what a list brings in." if offer.refusal and "ciphers" in offer.refusal.setting else None
    if offer.asked.curve:
        return f"PostgreSQL {cluster.major} takes one classic curve, such as prime256v1 or secp384r1."
    if HYBRID.lower() in offer.asked.groups.lower() and cluster.tls_library is not None and HYBRID not in cluster.tls_library.groups:
        return f"{HYBRID} needs OpenSSL {'.'.join(map(str, HYBRID_SINCE))}; leave it out."
    known = cluster.tls_library.groups if cluster.tls_library is not None else ()
    return f"It knows {', '.join(known)}." if known else None


def _of_weakness(plan: Plan) -> Iterator[Finding]:
    for code in plan.weaknesses:
        hint = "apply asks for --accept-weak; the wizard for a typed word."
        if code == "null-ciphers" and plan.ciphers is not None:
            offered = [suite for suite in plan.ciphers.usable if suite.bits == 0]
            if not offered:
                hint = f"Here they come to nothing: {_why_not(plan.ciphers.offer)} {hint}"
            elif "TLSv1.3" in plan.ciphers.versions:
                hint = f"Clients that speak TLS 1.3 encrypt all the same. {hint}"
        yield _say("warning", code, WEAKNESSES[code], hint)


def _of_versions(ciphers: Ciphers) -> Iterator[Finding]:
    library = short(ciphers.offer.library)
    if not ciphers.versions:
        yield _say(
            "error", "no-version-left", f"With these settings {library} offers no version of TLS at all: nobody could connect over it."
        )
        return
    if not any(_usual(suite, version) for suite in ciphers.usable for version in suite.tls):
        yield _say(
            "error",
            "no-usual-client",
            "No client of today could connect: they want TLS 1.2 or 1.3 with encryption, and so does the proof of this change.",
            "Let TLS 1.3 in (an empty protocol.maximum), or add suites that encrypt.",
        )
    missing = [version for version in ciphers.asked_versions if version not in ciphers.versions]
    reasons: dict[str, list[str]] = {}
    for version in missing:
        if version == "TLSv1.3" or _by_host(ciphers, version):
            reasons.setdefault("something on this host, or in this build of it, forbids that.", []).append(version)
        elif version in OLD_VERSIONS:
            reasons.setdefault(_why_not(ciphers.offer), []).append(version)
    for why, versions in reasons.items():
        words = " and ".join(words_of(version) for version in versions)
        many = len(versions) > 1
        yield _say(
            "warning",
            "version-not-offered",
            f"{words} {'are' if many else 'is'} let in by the settings, and {library} does not offer {'them' if many else 'it'}: {why}",
            f"Offered: {', '.join(words_of(version) for version in ciphers.versions)}.",
        )


def _by_host(ciphers: Ciphers, version: str) -> bool:
    """Whether a version below 1.3 is missing although the list has suites for it that encrypt: then it is no matter of the list."""
    listed = [suite for suite in ciphers.offer.suites if suite.authentication != "any" and suite.fits(ciphers.key) and suite.bits > 0]
    allowed = any(version in suite.tls for suite in ciphers.offer.suites)
    return version == "TLSv1.2" and bool(listed) and not allowed


def _of_suites(plan: Plan, ciphers: Ciphers, cluster: Cluster) -> Iterator[Finding]:
    below = [version for version in ciphers.asked_versions if version != "TLSv1.3"]
    if below and ciphers.versions == ("TLSv1.3",) and not _by_host(ciphers, below[-1]):
        ours = "ssl_ciphers" in plan.settings or bool(plan.issue)
        kind = ciphers.key.split("-", maxsplit=1)[0].upper()
        listed = any(suite.authentication != "any" and suite.fits(ciphers.key) for suite in ciphers.offer.suites)
        why = f" Those it names are not offered: {_why_not(ciphers.offer)}" if listed else ""
        yield _say(
            "error" if ours else "warning",
            "no-suite-for-key",
            f"This cipher list leaves no suite of {words_of(below[-1])} for the key's type ({kind}).{why}",
            "Add suites for the key, or change the key; or let TLS 1.3 alone in (protocol.minimum = “TLSv1.3”).",
        )
    idle = ciphers.offer.idle if plan.answers.protocol.ciphers else ()
    if idle:
        yield _say(
            "warning",
            "cipher-word-idle",
            f"{', '.join(idle)} in the list of ciphers {'bring' if len(idle) > 1 else 'brings'} in nothing: "
            f"{short(ciphers.offer.library)} does not know {'them' if len(idle) > 1 else 'it'}, or was built without.",
            "Look for a slip of the pen; the names are those of `openssl ciphers`.",
        )
    broken = [suite for suite in ciphers.usable if suite.broken]
    if broken and plan.answers.protocol.profile in {"server-default", "custom"}:
        names = ", ".join(suite.name for suite in broken[:3])
        # Under TLS that is on already the clients live with them; no change of ours begins to offer them.
        yield _say(
            "error" if _turned_on(cluster) else "warning",
            "broken-suites",
            f"The server's own list offers {names}: {broken[0].broken}.",
            "Choose the profile intermediate.",
        )


def _of_groups(plan: Plan, cluster: Cluster) -> Iterator[Finding]:
    wanted = plan.settings.get("ssl_groups", "")
    library = cluster.tls_library
    if plan.answers.protocol.profile in {"intermediate", "modern"} and wanted and library is not None and HYBRID not in library.groups:
        needs = ".".join(map(str, HYBRID_SINCE))
        yield _say(
            "info",
            "no-hybrid-group",
            f"The post-quantum group {HYBRID} is left out: the server's {short(library.version)} does not know it ({needs} does).",
        )


def _of_host(cluster: Cluster, ciphers: Ciphers | None) -> Iterator[Finding]:
    """Say what the host's openssl.cnf does to this server. PostgreSQL sets its own values after it (seen on 13, 15 and 17)."""
    host = cluster.system_default
    if host is None or not host.commands:
        return
    asked = ciphers.offer.asked if ciphers is not None else Question()
    ours = {
        "MinProtocol": "ssl_min_protocol_version",
        "MaxProtocol": "ssl_max_protocol_version" if asked.maximum else "",
        "Ciphersuites": "ssl_tls13_ciphers" if asked.tls13_ciphers else "",
        "Groups": "ssl_groups" if asked.groups else "ssl_ecdh_curve",
        "Curves": "ssl_groups" if asked.groups else "ssl_ecdh_curve",
        "CipherString": "" if "@SECLEVEL" in host.commands.get("CipherString", "") and "@SECLEVEL" not in asked.ciphers else "ssl_ciphers",
    }
    holds = [f"{name} = {value}" for name, value in host.commands.items() if not ours.get(name)]
    overruled = [f"{name} (by {ours[name]})" for name in host.commands if ours.get(name)]
    words = [f"holds for this server too: {', '.join(holds)}."] if holds else []
    words += [f"is overruled in {', '.join(overruled)}."] if overruled else []
    stricter = ciphers is not None and any(version not in ciphers.versions for version in ciphers.asked_versions)
    yield Finding(
        "warning" if holds and stricter else "info",
        "openssl-conf",
        f"The host's openssl.cnf {' It '.join(words)}",
        "Where the two differ, the server offers less than its own settings say." if holds and stricter else None,
        next(iter(host.where.values())),
        "protocol",
    )


def _of_sessions(plan: Plan, ciphers: Ciphers, cluster: Cluster) -> Iterator[Finding]:
    shut = known_and_not_offered(cluster, ciphers) if plan.settings or plan.issue else ()
    if not shut:
        return
    named = list(dict.fromkeys(in_words(session) for session in shut))
    more = f" and {len(named) - _NAMED} more" if len(named) > _NAMED else ""
    versions = any(session.tls_version not in ciphers.versions for session in shut)
    message = "tlsv1 alert protocol version" if versions else "sslv3 alert handshake failure"
    yield _say(
        "warning",
        "may-not-connect",
        f"Connected now with what will not be offered any more: {'; '.join(named[:_NAMED])}{more}.",
        f"Those that cannot do {' or '.join(words_of(version) for version in ciphers.versions) or 'anything else'} "
        f"see “{message}” at their next login. Ask their owners, or choose a wider profile first.",
    )


def in_words(session: Session) -> str:
    """Return who a session is and what it speaks: `app from 10.0.0.5 (psql; TLS 1.2, AES256-SHA)`."""
    application = f"{session.application}; " if session.application else ""
    return f"{session.user} from {session.address} ({application}{words_of(session.tls_version or '')}, {session.cipher})"


def words_of(version: str) -> str:
    """Return `TLS 1.2` for `TLSv1.2`."""
    number = version.removeprefix("TLSv")
    return f"TLS {number if '.' in number else number + '.0'}"


def _usual(suite: Suite, version: str) -> bool:
    """Whether clients of today take a suite without being told to."""
    return version in {"TLSv1.2", "TLSv1.3"} and suite.strength in {"strong", "sound", "weak"}


def _why_not(offer: Offer) -> str:
    if offer.level > 0:
        return f"its security level is {offer.level}, and they need @SECLEVEL=0 in protocol.ciphers."
    return "something on this host, or in this build of it, forbids them."


def _say(severity: str, code: str, message: str, hint: str | None = None) -> Finding:
    return Finding(severity, code, message, hint, None, "protocol")  # type: ignore[arg-type]


def ciphers_of(offer: Offer | None, key: str) -> Ciphers | None:
    """Return what is offered to a server with a key of this type; None when nobody could ask."""
    return Ciphers(offer, key) if offer is not None else None
