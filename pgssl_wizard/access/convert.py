"""How rules change when TLS or client certificates are asked for; everything else of the files stays, byte for byte.

With encryption required: `host` and `hostnogssenc` become `hostssl`; a `hostnossl` rule that lets people in is
commented out and never converted, because over TLS it would let them in by a method meant for something else; a `host … gss`
rule becomes `hostgssenc` and `hostssl`; `hostgssenc`, `local` and reject rules stay; a last line refuses plaintext in clear words.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal, Required, TypedDict

from pgssl_wizard.errors import UnusableInput
from pgssl_wizard.files.bulk import uncollected
from pgssl_wizard.files.hba import Rule, Token
from pgssl_wizard.files.hba_edit import LinesEditor
from pgssl_wizard.plan.model import RuleChange
from pgssl_wizard.rule_answers import DEMANDS, Certificates

#: `all` does not cover physical replication.
LAST_LINE = "hostnossl all,replication all all reject"
#: What the method `cert` keeps of the options of the method it replaces. A map stays behind: it was written for other names,
#: of Kerberos principals or LDAP entries, and might let a certificate in as somebody else.
_KEPT_BY_CERT = frozenset({"clientname"})
#: Methods beside which the server takes a map.
_MAPPED = frozenset({"cert", "ident", "peer", "gss", "sspi", "oauth"})
#: How much a rule asks of a client's certificate; a rule that asks for more than is wanted stays as it is.
_STRENGTH = {None: 0, "0": 0, "no-verify": 0, "verify-ca": 1, "verify-full": 2, "cert": 3}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the person asked of the rules.

    Attributes:
        encryption_required: plaintext is let in no more.
        certificates: what clients must show.
        map: which map translates their names; empty for none.
        by_dn: the whole name of the certificate counts, not the common name (14 and later).
    """

    encryption_required: bool
    certificates: Certificates = "none"
    map: str = ""
    by_dn: bool = False


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


def convert(
    rules: Sequence[Rule],
    data: Mapping[Path, bytes],
    hba_file: Path,
    major: int,
    wanted: Wanted,
    single: Mapping[tuple[Path, int], Wanted] = MappingProxyType({}),
) -> Conversion:
    """Return what changes.

    Args:
        rules: every rule in reading order, none with an error.
        data: the bytes of every file that holds rules.
        hba_file: where the last line goes.
        major: decides continuation lines.
        wanted: what the person asked for.
        single: what differs for one rule, by its file and line.

    Raises:
        UnusableInput: a map beside a method that takes none; names the rule.
    """
    with uncollected():
        return _converted(rules, data, hba_file, major, wanted, single)


def _converted(
    rules: Sequence[Rule],
    data: Mapping[Path, bytes],
    hba_file: Path,
    major: int,
    usual: Wanted,
    single: Mapping[tuple[Path, int], Wanted],
) -> Conversion:
    editors: dict[Path, LinesEditor] = {}
    changes: list[RuleChange] = []
    # A file that is included twice holds each rule once.
    done: dict[tuple[Path, int], tuple[str, ...]] = {}
    steps: dict[tuple[str, str, str | None], _Step] = {}
    for rule in rules:
        editor = editors.get(rule.file)
        if editor is None:
            editor = editors[rule.file] = LinesEditor(data[rule.file], major)
        place = (rule.file, rule.line)
        wanted = single.get(place, usual) if single else usual
        key = (rule.type, rule.method, _demanded(rule) if rule.options or rule.method == "cert" else None)
        step = steps.get(key) or steps.setdefault(key, _step(*key, usual)) if wanted is usual else _step(*key, wanted)
        if wanted.map or wanted.by_dn:
            step = _named(rule, step, wanted)
        before = editor.before(rule.line)
        if step.action == "keep":
            after: tuple[str, ...] = (before,)
        elif place in done:
            after = done[place]
        else:
            after = done[place] = _apply(editor, rule, step, wanted)
        changes.append(RuleChange(rule.file, rule.line, before, after, step.action, _table(rule), step.note))
    if usual.encryption_required and not _has_last_line(rules):
        if hba_file not in editors:
            editors[hba_file] = LinesEditor(data[hba_file], major)
        editors[hba_file].append(LAST_LINE)
        table = ("hostnossl", "all,replication", "all", "all", "reject")
        changes.append(RuleChange(hba_file, 0, "", (LAST_LINE,), "add", table, "plaintext is refused in clear words"))
    files = {path: editor.result() for path, editor in editors.items()}
    return Conversion(tuple(changes), {path: new for path, new in files.items() if new != data[path]})


def _demand(wanted: Wanted) -> str | None:
    return wanted.certificates if wanted.certificates in DEMANDS else None


def _step(kind: str, method: str, has: str | None, wanted: Wanted) -> _Step:
    demand = _demand(wanted)
    if kind in {"local", "hostgssenc"} or method == "reject":
        return _Step("keep", note="stays")
    if kind == "hostssl":
        if demand and _STRENGTH.get(has, 0) < _STRENGTH[demand]:
            return _Step("change", "hostssl", None, True, f"now asks for a certificate ({demand})")
        return _Step("keep", note="stays")
    if kind == "hostnossl":
        if wanted.encryption_required:
            return _Step("comment-out", note="was for plaintext only")
        return _Step("keep", note="stays")
    # host and hostnogssenc: both let TLS and plaintext in.
    if wanted.encryption_required:
        twin = "hostgssenc" if kind == "host" and method == "gss" else None
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
    value = rule.option("clientcert") if rule.options else None
    return "verify-ca" if value == "1" else value


def _named(rule: Rule, step: _Step, wanted: Wanted) -> _Step:
    """Return the step of a rule whose certificates name roles by a map or by their whole name, refusing what the server would not load."""
    takes_certificate = step.first == "hostssl" or step.second == "hostssl" or (step.action == "keep" and rule.type == "hostssl")
    demand = (_demand(wanted) if step.certificate else None) or _demanded(rule)
    method = "cert" if demand == "cert" else rule.method
    if wanted.map and (step.action == "comment-out" or method not in _MAPPED):
        raise UnusableInput(
            f"A map goes with the method cert (or ident, peer, gss, sspi, oauth), and the method of this rule is {method}.",
            where=f"{rule.file}:{rule.line}",
            hint="Ask it for certificates = “cert”, or leave the map out: beside a password, the certificate has to name the role itself.",
            code="map-without-method",
        )
    wrong_map = bool(wanted.map) and rule.option("map") != wanted.map
    wrong_name = wanted.by_dn and takes_certificate and demand in {"verify-full", "cert"} and rule.option("clientname") != "DN"
    if step.action != "keep" or not (wrong_map or wrong_name):
        return step
    return _Step("change", rule.type, None, rule.type == "hostssl", "the certificate's name is read in another way")


def _apply(editor: LinesEditor, rule: Rule, step: _Step, asked: Wanted) -> tuple[str, ...]:
    """Change a rule; return the lines that take its place."""
    if step.action == "comment-out":
        editor.comment_out(rule.line)
        return ()
    # The rule that is changed for TLS: the second one when a GSS twin goes first.
    tls_first = step.first == "hostssl"
    if tls_first and step.second is None and not (step.certificate or asked.map or asked.by_dn):
        # What most files are made of.
        editor.change(rule.line, kind="hostssl")
        return (editor.after(rule.line),)
    demand = _demand(asked) if step.certificate else None
    if demand is not None and _STRENGTH.get(_demanded(rule), 0) >= _STRENGTH[demand]:
        # It asks for as much already, or for more.
        demand = None
    names = _names(rule, demand, asked)
    on_tls = tls_first or step.first == rule.type
    editor.change(rule.line, **_change(rule, step.first, demand if tls_first else None, names if on_tls else {}))
    first = editor.after(rule.line)
    if step.second is None:
        return (first,)
    second = editor.copy(rule.line, **_change(rule, step.second, None if tls_first else demand, {} if on_tls else names))
    editor.insert_after(rule.line, second)
    return (first, second)


class _Change(TypedDict, total=False):
    """What an editor is told to change of a rule."""

    kind: Required[str]
    method: str
    options: Mapping[str, str]
    without: Collection[str]


def _names(rule: Rule, demand: str | None, asked: Wanted) -> dict[str, str]:
    """Return the options that say how a certificate names a role."""
    found = {"map": asked.map} if asked.map else {}
    if asked.by_dn and (demand or _demanded(rule)) in {"verify-full", "cert"}:
        found["clientname"] = "DN"
    return found


def _change(rule: Rule, kind: str, demand: str | None, names: Mapping[str, str]) -> _Change:
    if demand == "cert":
        gone = {name for name, _ in rule.options} - _KEPT_BY_CERT - names.keys()
        return {"kind": kind, "method": "cert", "options": dict(names), "without": gone}
    options = {**({"clientcert": demand} if demand else {}), **names}
    return {"kind": kind, "options": options} if options else {"kind": kind}


def _table(rule: Rule) -> tuple[str, str, str, str, str]:
    address = f"{rule.address} {rule.netmask}" if rule.netmask else rule.address or ""
    return rule.type, _joined(rule.databases), _joined(rule.users), address, rule.method


def _joined(tokens: tuple[Token, ...]) -> str:
    return tokens[0].text if len(tokens) == 1 else ",".join(token.text for token in tokens)


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
