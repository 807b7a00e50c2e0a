"""How rules change when TLS or client certificates are asked for; everything else of the files stays, byte for byte.

With encryption required: `host` and `hostnogssenc` become `hostssl`; a `hostnossl` rule that lets people in is
commented out and never converted, because over TLS it would let them in by a method meant for something else; a `host … gss`
rule becomes `hostgssenc` and `hostssl`; `hostgssenc`, `local` and reject rules stay; a last line refuses plaintext in clear words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pgssl_wizard.files import hba_edit
from pgssl_wizard.files.hba import Rule, parse_rules
from pgssl_wizard.files.tokens import fields, logical_lines
from pgssl_wizard.plan.model import RuleChange

Certificates = Literal["none", "optional", "verify-ca", "verify-full", "cert"]

#: `all` does not cover physical replication.
LAST_LINE = "hostnossl all,replication all all reject"
#: What the method `cert` keeps of the options of the method it replaces. A map stays behind: it was written for other names,
#: of Kerberos principals or LDAP entries, and might let a certificate in as somebody else.
_KEPT_BY_CERT = frozenset({"clientname"})
#: How much a rule asks of a client's certificate; a rule that asks for more than is wanted stays as it is.
_STRENGTH = {None: 0, "0": 0, "no-verify": 0, "verify-ca": 1, "verify-full": 2, "cert": 3}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the person asked of the rules."""

    encryption_required: bool
    certificates: Certificates = "none"


@dataclass(frozen=True, slots=True)
class Conversion:
    """The rules, today and after.

    Attributes:
        changes: one for every rule, `keep` included, and those that are new.
        files: the new bytes of every file that changes.
    """

    changes: tuple[RuleChange, ...]
    files: Mapping[Path, bytes]


@dataclass(frozen=True, slots=True)
class _Step:
    """What happens to one rule: `first` is the type it gets, `second` that of a twin inserted behind it."""

    action: Literal["keep", "change", "comment-out"]
    first: str = ""
    second: str | None = None
    certificate: bool = False
    note: str = ""


def convert(rules: Sequence[Rule], data: Mapping[Path, bytes], hba_file: Path, major: int, wanted: Wanted) -> Conversion:
    """Return what changes.

    Args:
        rules: every rule in reading order, none with an error.
        data: the bytes of every file that holds rules.
        hba_file: where the last line goes.
        major: decides continuation lines.
        wanted: what the person asked for.
    """
    demand = wanted.certificates if wanted.certificates in {"verify-ca", "verify-full", "cert"} else None
    steps = {(rule.file, rule.line): _step(rule, wanted, demand) for rule in rules}
    files = dict(data)
    after: dict[tuple[Path, int], tuple[str, ...]] = {}
    # From the bottom up, so that line numbers above stay what they were.
    # A file that is included twice holds each rule once.
    once = {(rule.file, rule.line): rule for rule in rules}
    for rule in sorted(once.values(), key=lambda rule: (str(rule.file), rule.line), reverse=True):
        step = steps[rule.file, rule.line]
        if step.action == "keep":
            continue
        before = files[rule.file]
        changed, lines = _apply(before, rule, step, demand, major)
        files[rule.file] = changed
        after[rule.file, rule.line] = lines
    changes = [_change(rule, steps[rule.file, rule.line], data, after, major) for rule in rules]
    if wanted.encryption_required and not _has_last_line(rules):
        whole = files[hba_file]
        if major >= 14 and whole.rstrip(b"\r\n").endswith(b"\\"):
            # A backslash at the very end, in a comment as well, would swallow the new line.
            whole = hba_edit.append(whole, "")
        files[hba_file] = hba_edit.append(whole, LAST_LINE)
        table = ("hostnossl", "all,replication", "all", "all", "reject")
        changes.append(RuleChange(hba_file, 0, "", (LAST_LINE,), "add", table, "plaintext is refused in clear words"))
    return Conversion(tuple(changes), {path: new for path, new in files.items() if new != data[path]})


def _step(rule: Rule, wanted: Wanted, demand: str | None) -> _Step:
    lets_in = rule.method != "reject"
    if rule.type == "local" or not lets_in or rule.type == "hostgssenc":
        return _Step("keep", note="stays")
    has = _demanded(rule)
    if rule.type == "hostssl":
        if demand and _STRENGTH.get(has, 0) < _STRENGTH[demand]:
            return _Step("change", "hostssl", None, True, f"now asks for a certificate ({demand})")
        return _Step("keep", note="stays")
    if rule.type == "hostnossl":
        if wanted.encryption_required:
            return _Step("comment-out", note="was for plaintext only")
        return _Step("keep", note="stays")
    # host and hostnogssenc: both let TLS and plaintext in.
    if wanted.encryption_required:
        twin = "hostgssenc" if rule.type == "host" and rule.method == "gss" else None
        note = "TLS only" + (f", with a certificate ({demand})" if demand else "")
        if twin:
            return _Step("change", twin, "hostssl", demand is not None, "GSS encryption or TLS")
        return _Step("change", "hostssl", None, demand is not None, note)
    if demand:
        return _Step("change", "hostssl", "hostnossl", True, f"over TLS with a certificate ({demand}), or plaintext as before")
    return _Step("keep", note="stays")


def _demanded(rule: Rule) -> str | None:
    if rule.method == "cert":
        return "cert"
    value = rule.option("clientcert")
    return "verify-ca" if value == "1" else value


def _apply(data: bytes, rule: Rule, step: _Step, demand: str | None, major: int) -> tuple[bytes, tuple[str, ...]]:
    if step.action == "comment-out":
        return hba_edit.comment_out(data, rule.line, major), ()
    original = _bytes_of(data, rule)
    # The rule that is changed for TLS: the second one when a GSS twin goes first.
    tls_first = step.first == "hostssl"
    if step.second:
        other = step.second if tls_first else step.first
        twin = _alone(original, other, None, major)
        tls = _alone(original, "hostssl", demand if step.certificate else None, major)
        lines = (tls, twin) if tls_first else (twin, tls)
        data = _rewrite(data, rule, "hostssl" if tls_first else other, demand if tls_first and step.certificate else None, major)
        data = hba_edit.insert_after(data, rule.line, lines[1], major)
        return data, lines
    data = _rewrite(data, rule, step.first, demand if step.certificate else None, major)
    return data, (hba_edit.text_of(data, rule.line, major),)


def _rewrite(data: bytes, rule: Rule, kind: str, demand: str | None, major: int) -> bytes:
    line = rule.line
    if rule.type != kind:
        data = hba_edit.replace_type(data, line, kind, major)
    if demand == "cert":
        data = _without_options(data, rule, major)
        for name, value in rule.options:
            if name in _KEPT_BY_CERT:
                data = hba_edit.set_option(data, line, name, value, major)
        data = hba_edit.replace_method(data, line, "cert", major)
    elif demand:
        if sum(name == "clientcert" for name, _ in rule.options) > 1:
            # The last of several counts; one is enough.
            data = hba_edit.remove_options(data, line, frozenset({"clientcert"}), major)
        data = hba_edit.set_option(data, line, "clientcert", demand, major)
    return data


def _without_options(data: bytes, rule: Rule, major: int) -> bytes:
    """Return the file without any option of the rule, blanks or commas between them included."""
    line = next(line for line in logical_lines(data, major) if line.first == rule.line)
    words = [word for field in fields(line.text) for word in field]
    left = len(words) - len(rule.options)
    start, end = line.end_offset(words[left - 1].end), line.end_offset(words[-1].end)
    return data[:start] + data[end:]


def _alone(original: bytes, kind: str, demand: str | None, major: int) -> str:
    """Return one rule rewritten, as if it stood in a file of its own; bytes that are no UTF-8 come back as surrogates."""
    here = Path("/rule")
    # An `@file` beside it only has to hold some word, so that its field does not vanish.
    rule = parse_rules(here, major, lambda path: original if path == here else b"x", lambda _: None)[0]
    return _bytes_of(_rewrite(original, rule, kind, demand, major), rule).decode("utf-8", "surrogateescape")


def _bytes_of(data: bytes, rule: Rule) -> bytes:
    """Return the physical lines of a rule, without the ending of the last."""
    return b"\n".join(data.split(b"\n")[rule.line - 1 : rule.last_line]).removesuffix(b"\r")


def _change(
    rule: Rule, step: _Step, data: Mapping[Path, bytes], after: Mapping[tuple[Path, int], tuple[str, ...]], major: int
) -> RuleChange:
    before = hba_edit.text_of(data[rule.file], rule.line, major)
    address = rule.address or ""
    if rule.netmask:
        address = f"{address} {rule.netmask}"
    table = (
        rule.type,
        ",".join(token.text for token in rule.databases),
        ",".join(token.text for token in rule.users),
        address,
        rule.method,
    )
    lines = after.get((rule.file, rule.line), ())
    if step.action == "keep":
        lines = (before,)
    return RuleChange(rule.file, rule.line, before, lines, step.action, table, step.note)


def _has_last_line(rules: Sequence[Rule]) -> bool:
    """Whether plaintext is already refused for everybody at the end: by such a rule, with no GSS rule behind it."""
    for rule in reversed(rules):
        if rule.type == "hostgssenc" or (rule.type == "host" and rule.method == "gss"):
            return False
        databases = {token.text for token in rule.databases if not token.quoted}
        users = {token.text for token in rule.users if not token.quoted}
        if rule.type == "hostnossl" and rule.method == "reject" and {"all", "replication"} <= databases and "all" in users:
            return rule.address == "all"
    return False
