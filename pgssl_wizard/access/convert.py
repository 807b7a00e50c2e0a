"""How rules change when TLS or client certificates are asked for; everything else of the files stays, byte for byte.

With encryption required: `host` and `hostnogssenc` become `hostssl`; a `hostnossl` rule that lets people in is
commented out and never converted, because over TLS it would let them in by a method meant for something else; a `host … gss`
rule becomes `hostgssenc` and `hostssl`; `hostgssenc`, `local` and reject rules stay; a last line refuses plaintext in clear words.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Required, TypedDict

from pgssl_wizard.files.bulk import uncollected
from pgssl_wizard.files.hba import Rule, Token
from pgssl_wizard.files.hba_edit import LinesEditor
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
    with uncollected():
        return _converted(rules, data, hba_file, major, wanted)


def _converted(rules: Sequence[Rule], data: Mapping[Path, bytes], hba_file: Path, major: int, wanted: Wanted) -> Conversion:
    demand = wanted.certificates if wanted.certificates in {"verify-ca", "verify-full", "cert"} else None
    editors: dict[Path, LinesEditor] = {}
    changes: list[RuleChange] = []
    # A file that is included twice holds each rule once.
    done: dict[tuple[Path, int], tuple[str, ...]] = {}
    steps: dict[tuple[str, str, str | None], _Step] = {}
    for rule in rules:
        editor = editors.get(rule.file)
        if editor is None:
            editor = editors[rule.file] = LinesEditor(data[rule.file], major)
        key = (rule.type, rule.method, _demanded(rule))
        step = steps.get(key) or steps.setdefault(key, _step(*key, wanted, demand))
        before = editor.before(rule.line)
        place = (rule.file, rule.line)
        if step.action == "keep":
            after: tuple[str, ...] = (before,)
        elif place in done:
            after = done[place]
        else:
            after = done[place] = _apply(editor, rule, step, demand)
        changes.append(RuleChange(rule.file, rule.line, before, after, step.action, _table(rule), step.note))
    if wanted.encryption_required and not _has_last_line(rules):
        if hba_file not in editors:
            editors[hba_file] = LinesEditor(data[hba_file], major)
        editors[hba_file].append(LAST_LINE)
        table = ("hostnossl", "all,replication", "all", "all", "reject")
        changes.append(RuleChange(hba_file, 0, "", (LAST_LINE,), "add", table, "plaintext is refused in clear words"))
    files = {path: editor.result() for path, editor in editors.items()}
    return Conversion(tuple(changes), {path: new for path, new in files.items() if new != data[path]})


def _step(kind: str, method: str, has: str | None, wanted: Wanted, demand: str | None) -> _Step:
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


def _apply(editor: LinesEditor, rule: Rule, step: _Step, demand: str | None) -> tuple[str, ...]:
    """Change a rule; return the lines that take its place."""
    if step.action == "comment-out":
        editor.comment_out(rule.line)
        return ()
    # The rule that is changed for TLS: the second one when a GSS twin goes first.
    tls_first = step.first == "hostssl"
    wanted = demand if step.certificate else None
    editor.change(rule.line, **_change(rule, step.first, wanted if tls_first else None))
    first = editor.after(rule.line)
    if step.second is None:
        return (first,)
    second = editor.copy(rule.line, **_change(rule, step.second, None if tls_first else wanted))
    editor.insert_after(rule.line, second)
    return (first, second)


class _Change(TypedDict, total=False):
    """What an editor is told to change of a rule."""

    kind: Required[str]
    method: str
    options: Mapping[str, str]
    without: Collection[str]


def _change(rule: Rule, kind: str, demand: str | None) -> _Change:
    if demand == "cert":
        return {"kind": kind, "method": "cert", "without": {name for name, _ in rule.options} - _KEPT_BY_CERT}
    return {"kind": kind, "options": {"clientcert": demand}} if demand else {"kind": kind}


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
