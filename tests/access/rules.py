"""Rules out of plain text, and attempts to try on them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from hypothesis import strategies as st

from pgssl_wizard.access.convert import Conversion, Wanted, convert
from pgssl_wizard.access.decide import Attempt, ClientCertificate
from pgssl_wizard.files.hba import Rule, parse_rules
from pgssl_wizard.rule_answers import Certificates

HBA = Path("/etc/pg/pg_hba.conf")


def parse(data: bytes | str, major: int = 17, others: Mapping[Path, bytes] | None = None) -> tuple[Rule, ...]:
    """Return the rules of a file that stands at `HBA`; `others` stand beside it."""
    files = {HBA: data.encode() if isinstance(data, str) else data, **(others or {})}
    return parse_rules(HBA, major, files.get, _names(files))


def _names(files: Mapping[Path, bytes]) -> Callable[[Path], list[str] | None]:
    return lambda directory: [path.name for path in files if path.parent == directory] or None


def change(
    data: bytes | str,
    *,
    required: bool = True,
    certificates: Certificates = "none",
    major: int = 17,
    others: Mapping[Path, bytes] | None = None,
) -> Conversion:
    """Return what becomes of the rules."""
    files = {HBA: data.encode() if isinstance(data, str) else data, **(others or {})}
    return convert(parse(data, major, others), files, HBA, major, Wanted(required, certificates))


def changed(data: bytes | str, *, required: bool = True, certificates: Certificates = "none", major: int = 17) -> str:
    """Return the file afterwards."""
    files = change(data, required=required, certificates=certificates, major=major).files
    original = data.encode() if isinstance(data, str) else data
    return files.get(HBA, original).decode()


DATABASES = ("all", "sameuser", "samerole", "replication", "app", '"all"', "all,replication", "app,replication")
USERS = ("all", "app", "+staff", "app,postgres")
ADDRESSES = ("all", "127.0.0.1/32", "10.0.0.0/8", "10.1.0.0 255.255.0.0", "::1/128", "samehost", "db.example.com", ".example.com")
METHODS = ("trust", "reject", "scram-sha-256", "md5", "gss", "ldap ldapserver=l ldapprefix=x", "ident map=m", "password")
COMMENTS = ("", "   # who is this?", "\t", " ")


@st.composite
def lines(draw: st.DrawFn) -> str:
    """One line of a rules file that every major accepts, or a comment or blank line."""
    kind = draw(st.sampled_from(("local", "host", "host", "host", "hostssl", "hostnossl", "hostgssenc", "hostnogssenc", "# old", "")))
    if kind in {"# old", ""}:
        return kind
    gap = draw(st.sampled_from((" ", "\t", "      ")))
    parts = [kind, draw(st.sampled_from(DATABASES)), draw(st.sampled_from(USERS))]
    method = draw(st.sampled_from(METHODS))
    if kind == "local":
        method = "peer" if method == "gss" else method
    else:
        parts.append(draw(st.sampled_from(ADDRESSES)))
    parts.append(method)
    if kind == "hostssl" and draw(st.booleans()):
        if draw(st.booleans()):
            parts[-1] = "cert"
        else:
            parts.append("clientcert=" + draw(st.sampled_from(("verify-ca", "verify-full"))))
    return gap.join(parts) + draw(st.sampled_from(COMMENTS))


@st.composite
def files(draw: st.DrawFn) -> str:
    """A whole rules file, with either line ending and with or without a last one."""
    ending = draw(st.sampled_from(("\n", "\n", "\r\n")))
    body = draw(st.lists(lines(), max_size=12))
    return ending.join(body) + (ending if draw(st.booleans()) else "")


def _attempts() -> Sequence[Attempt]:
    found: list[Attempt] = []
    shown = ClientCertificate("app", "CN=app", trusted=True)
    for database, user, replication in (
        ("app", "app", False),
        ("postgres", "postgres", False),
        ("", "postgres", True),
        ("all", "app", False),
    ):
        for roles in ((), ("staff",)):
            found.append(Attempt(database, user, None, replication=replication, roles=roles))
            for address, name in (("127.0.0.1", "localhost"), ("10.1.2.3", "db.example.com"), ("::1", None), ("192.0.2.1", None)):
                for tls, gss, certificate in ((False, False, None), (True, False, None), (True, False, shown), (False, True, None)):
                    found.append(Attempt(database, user, address, tls, gss, certificate, replication, roles, name))
    return tuple(found)


ATTEMPTS = _attempts()
OWN = ("127.0.0.1/8", "10.1.2.3/16", "::1/128")
