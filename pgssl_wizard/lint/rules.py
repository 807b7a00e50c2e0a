"""What is worth saying of the rules in pg_hba.conf: what the server refuses, what is unsafe, what does not mean what it looks like.

Used for a file by itself and for the rules of a cluster, so that both are told the same in the same words.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path

from pgssl_wizard.files.auth_methods import BUILT_IN, REMOVED
from pgssl_wizard.files.hba import Rule
from pgssl_wizard.lint.addresses import is_loopback, of_address
from pgssl_wizard.lint.known import Known
from pgssl_wizard.lint.names import of_names
from pgssl_wizard.lint.order import of_order
from pgssl_wizard.lint.refusals import cure
from pgssl_wizard.lint.remarks import Remark

#: The text of a physical line (from 1) of a file; empty when it is not known.
LineOf = Callable[[Path, int], str]

#: The methods in which the client sends the password itself.
_IN_THE_CLEAR = frozenset({"password", "ldap", "pam", "bsd", "radius"})
_ENCRYPTED = frozenset({"hostssl", "hostgssenc"})
#: Options that hold passwords.
PASSWORDS = frozenset({"ldapbindpasswd", "radiussecrets"})
_STRAY_WORD = "authentication option not in name=value format: "
#: Values of clientcert that ask for a certificate; 1 is how 13 and older write verify-ca.
ASKING = frozenset({"1", "verify-ca", "verify-full"})


def of_rules(file: Path, rules: Sequence[Rule], known: Known, line_of: LineOf) -> Iterator[Remark]:
    """Yield what is worth saying, rule by rule, then of their order.

    Args:
        file: pg_hba.conf, for what concerns it as a whole.
        rules: its lines, includes expanded.
        known: the settings around it.
        line_of: for lines that are refused, whose text tells more than what was understood of it.
    """
    if not rules:
        yield Remark(
            file,
            0,
            "error",
            "rule-error",
            f"{file.name} contains no entries: the server would not start with it, and keeps the rules that it loaded last",
            hint="Write the rules first.",
        )
    for rule in rules:
        if rule.error:
            yield refused(rule, known, line_of)
            continue
        yield from _way_in(rule)
        yield from of_address(rule)
        yield from of_names(rule, known.major)
        yield from _options(rule, known.major)
        yield from _around(rule, known)
    yield from of_order(rules, known.major)
    if not rules or any(rule.error for rule in rules):
        yield Remark(
            file,
            0,
            "info",
            "view-shows-file",
            f"A server that runs keeps the rules that it loaded last; pg_hba_file_rules shows {file.name} and not those",
        )


def words_of(rule: Rule) -> str | None:
    """Return the server's words against a rule, without what may be a part of a password that lacks its quotes."""
    if rule.error and rule.error.startswith(_STRAY_WORD) and PASSWORDS & {name for name, _ in rule.options}:
        return f"{_STRAY_WORD}********"
    return rule.error


def refused(rule: Rule, known: Known, line_of: LineOf) -> Remark:
    """Return what to say of a line that the server refuses."""
    error = words_of(rule) or ""
    hint = cure(rule, known.major, line_of(rule.file, rule.line), line_of(rule.file, rule.line - 1))
    if error.startswith("oauth_validator_libraries must be set"):
        hint = f"Set oauth_validator_libraries ({known.told('oauth_validator_libraries')})."
    if error.startswith("MD5 authentication is not supported"):
        hint = f"Write scram-sha-256, or turn db_user_namespace off ({known.told('db_user_namespace')})."
    if rule.line == 0:
        return Remark(rule.file, 0, "error", "rule-error", f"PostgreSQL {known.major} cannot read the rules: {error}", hint=hint)
    return Remark(
        rule.file,
        rule.line,
        "error",
        "rule-error",
        f"is refused by PostgreSQL {known.major}, and the whole file with it",
        f"are refused by PostgreSQL {known.major}, and the whole file with them",
        f": {error}.",
        hint,
    )


def of_maps_named(rules: Sequence[Rule], maps: Collection[str], source: str) -> Iterator[Remark]:
    """Yield the rules that name a map which the maps file does not have: nobody gets in by them."""
    for rule in rules:
        name = None if rule.error else rule.option("map")
        if name is None or name in maps:
            continue
        near = next((each for each in maps if each.lower() == name.lower()), None)
        yield Remark(
            rule.file,
            rule.line,
            "warning",
            "map-missing",
            f"names the map {name}, which {source} does not have: everybody is refused there",
            f"name the map {name}, which {source} does not have: everybody is refused there",
            hint=f"Write map={near}, as it stands there." if near else f"Add it to {source}, or take map= out.",
            topic="clients",
        )


def _way_in(rule: Rule) -> Iterator[Remark]:
    """Yield what is to be said of the method."""
    if rule.method == "trust":
        yield from _trust(rule)
    elif rule.method in _IN_THE_CLEAR and rule.type not in _ENCRYPTED and not is_loopback(rule):
        taken = "the password as it is" if rule.method == "password" else "the password as it is, to ask elsewhere"
        yield Remark(
            rule.file,
            rule.line,
            "warning",
            "password-method",
            f"takes {taken} ({rule.method})",
            f"take {taken.replace('password as it is', 'passwords as they are')} ({rule.method})",
            ": without TLS whoever listens has them.",
            "Use scram-sha-256." if rule.method == "password" else "Write hostssl.",
        )
    elif rule.method == "md5":
        yield Remark(
            rule.file,
            rule.line,
            "warning",
            "md5-method",
            "says md5",
            "say md5",
            ": it takes md5 hashes, which are broken and deprecated since 18, besides scram.",
            "Use scram-sha-256, once no role has an md5 hash left.",
        )
    elif rule.method == "ident" and not is_loopback(rule):
        yield Remark(
            rule.file,
            rule.line,
            "warning",
            "ident-over-tcp",
            "believes the client's machine who its user is (ident)",
            "believe the client's machine who its user is (ident)",
            ": whoever rules that machine, or its address, is anybody.",
            "Use scram-sha-256.",
        )


def _trust(rule: Rule) -> Iterator[Remark]:
    certificate = rule.option("clientcert")
    if rule.type == "local":
        yield Remark(
            rule.file,
            rule.line,
            "info",
            "trust-over-socket",
            "lets every user of this machine in as any role (trust)",
            "let every user of this machine in as any role (trust)",
            hint="Use peer, or scram-sha-256.",
        )
    elif certificate in {"1", "verify-ca"}:
        yield Remark(
            rule.file,
            rule.line,
            "warning",
            "trust-with-any-certificate",
            "lets whoever has any certificate of that CA in as any role (trust)",
            "let whoever has any certificate of that CA in as any role (trust)",
            hint="Use the method cert, or clientcert=verify-full: then the certificate has to name the role.",
            topic="clients",
        )
    elif certificate != "verify-full":
        only_plain = rule.type == "hostnossl"
        yield Remark(
            rule.file,
            rule.line,
            "warning",
            "trust-over-tcp",
            "lets anybody in over TCP without a password (trust)",
            "let anybody in over TCP without a password (trust)",
            ", and only those who do not use TLS." if only_plain else ". TLS encrypts that, and still anybody gets in.",
            "Use scram-sha-256; set the roles' passwords first.",
        )


def _options(rule: Rule, major: int) -> Iterator[Remark]:
    """Yield what is to be said of options, and of what depends on the version or the build."""

    def say(severity: str, code: str, one: str, many: str, hint: str | None, topic: str = "clients") -> Remark:
        return Remark(rule.file, rule.line, severity, code, one, many, hint=hint, topic=topic)  # type: ignore[arg-type]

    wanted = rule.option("clientcert")
    if rule.option("clientname") is not None:
        if rule.method != "cert" and wanted != "verify-full":
            yield say(
                "warning",
                "clientname-without-effect",
                "has clientname and does not compare any name",
                "have clientname and do not compare any name",
                "Add clientcert=verify-full, or take clientname out.",
            )
        else:
            yield say(
                "info",
                "clientname-hidden",
                "has clientname, which pg_hba_file_rules does not show",
                "have clientname, which pg_hba_file_rules does not show",
                None,
            )
    if wanted in {"0", "1", "no-verify"}:
        instead = "Write clientcert=verify-ca." if wanted == "1" else "Take clientcert out."
        yield say(
            "info",
            "clientcert-old-value",
            f"says clientcert={wanted}, for which 14 and later refuse the whole file",
            f"say clientcert={wanted}, for which 14 and later refuse the whole file",
            instead,
        )
    if rule.method in REMOVED and major < REMOVED[rule.method]:
        yield say(
            "info",
            "method-goes-away",
            f"uses {rule.method}, for which {REMOVED[rule.method]} and later refuse the whole file",
            f"use {rule.method}, for which {REMOVED[rule.method]} and later refuse the whole file",
            "Move to ldap, pam, scram-sha-256 or oauth before that upgrade.",
            "rules",
        )
    if rule.method in BUILT_IN:
        yield say(
            "info",
            "depends-on-build",
            f"needs a server built with {rule.method} ({BUILT_IN[rule.method]}); others refuse the whole file",
            f"need a server built with {rule.method} ({BUILT_IN[rule.method]}); others refuse the whole file",
            None,
            "rules",
        )


def _around(rule: Rule, known: Known) -> Iterator[Remark]:
    """Yield what follows from the settings around the rules."""
    if rule.type == "hostssl" and known.switched("ssl") is False:
        yield Remark(
            rule.file,
            rule.line,
            "info",
            "hostssl-without-tls",
            "is hostssl while TLS is off: it matches nobody",
            "are hostssl while TLS is off: they match nobody",
            f" ({known.told('ssl')}). pg_hba_file_rules shows that as an error, and the file loads.",
        )
    if rule.method != "cert" and rule.option("clientcert") not in ASKING:
        return
    authority = known.value("ssl_ca_file")
    if authority == "" and not known.switched("ssl_sni"):
        yield Remark(
            rule.file,
            rule.line,
            "warning",
            "clientcert-without-ca",
            "asks for client certificates",
            "ask for client certificates",
            f", and ssl_ca_file is not set ({known.told('ssl_ca_file')}): everybody is refused there.",
            "Set ssl_ca_file to the certificate of the CA that signs them.",
            "clients",
        )
    elif authority is None:
        yield Remark(
            rule.file,
            rule.line,
            "info",
            "clientcert-needs-ca",
            "asks for client certificates",
            "ask for client certificates",
            ": without ssl_ca_file everybody is refused there.",
            topic="clients",
        )
