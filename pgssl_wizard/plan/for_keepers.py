"""What Stolon, pg_auto_failover and NixOS are to be given: a cluster specification, commands, a module. Pure.

Sources: Stolon's doc/cluster_spec.md and cmd/keeper (`generateHBA`: its own rules come first); pg_auto_failover's chapter
“Security” and `pg_autoctl enable ssl`; the NixOS module services.postgresql.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator

from pgssl_wizard.files.hba import Rule
from pgssl_wizard.plan import handed_over
from pgssl_wizard.plan.handed_over import Line, Wish
from pgssl_wizard.plan.model import Document, HandedFile, HandedOver

#: Files of the same names are read anew only so.
_RELOADED = ("# On every server, as a superuser:", "psql -c 'SELECT pg_reload_conf()'")

#: Settings that `pg_autoctl enable ssl` writes.
_BY_AUTOCTL = frozenset({"ssl", "ssl_cert_file", "ssl_key_file", "ssl_ca_file", "ssl_crl_file"})


def for_stolon(wish: Wish) -> HandedOver:
    """Return the patches of Stolon's cluster specification."""
    files = handed_over.files(wish)
    return HandedOver("Stolon", handed_over.titled(tuple(_for_stolon(wish, files))), files)


def _for_stolon(wish: Wish, files: tuple[HandedFile, ...]) -> Iterator[Document]:
    name = shlex.quote(wish.name)
    if wish.plan.settings or files:
        text = json.dumps({"pgParameters": dict(wish.settings)}, indent=2) + "\n"
        yield Document(
            "TLS, for the cluster specification",
            "json",
            text,
            (
                *handed_over.made_first(wish),
                *(("# Beside every keeper's server:",) if files else ()),
                *handed_over.installed(wish, files),
                "# Save this as stolon-tls.json.",
                f"stolonctl --cluster-name {name} update --patch --file stolon-tls.json",
                *(_RELOADED if files else ()),
                handed_over.proof(wish),
            ),
        )
    own = _stolons_own(wish.now)
    then, now = _behind(wish.then, own), _behind(wish.now, own)
    if wish.rules_change and then != now:
        lines, said = handed_over.shown(then)
        text = json.dumps({"pgHBA": list(lines)}, indent=2, ensure_ascii=False) + "\n"
        yield Document(
            "Rules, for the cluster specification",
            "json",
            text,
            (
                *said,
                "# Only when TLS answers. The list takes the place of the one before as a whole.",
                f"# Stolon's own rules, for {' and '.join(sorted(own)) or 'its own roles'}, come first and let those in without TLS as well.",
                "# Save this as stolon-rules.json.",
                f"stolonctl --cluster-name {name} update --patch --file stolon-rules.json",
                handed_over.proof(wish),
            ),
        )


def _stolons_own(lines: tuple[Line, ...]) -> frozenset[str]:
    """Return the roles of the rules that Stolon writes itself: its file begins with one over the socket for each."""
    own = set()
    for line in lines[:2]:
        if (
            line.rule is not None
            and line.rule.type == "local"
            and [token.text for token in line.rule.databases] in (["postgres"], ["replication"])
        ):
            own |= {token.text for token in line.rule.users}
    return frozenset(own)


def _behind(lines: tuple[Line, ...], own: frozenset[str]) -> tuple[str, ...]:
    """Return the rules behind Stolon's own."""
    kept = list(lines)
    while kept and kept[0].rule is not None and _is_for(kept[0].rule, own):
        kept.pop(0)
    return tuple(line.text for line in kept)


def _is_for(rule: Rule, own: frozenset[str]) -> bool:
    return bool(rule.users) and {token.text for token in rule.users} <= own


def for_pg_auto_failover(wish: Wish) -> HandedOver:
    """Return the commands for every node, and the files that pg_auto_failover leaves to people: the rules."""
    files = handed_over.files(wish, root=wish.certificate is not None)
    return HandedOver("pg_auto_failover", handed_over.titled(tuple(_for_pg_auto_failover(wish, files))), (*files, *_left_to_people(wish)))


def _for_pg_auto_failover(wish: Wish, files: tuple[HandedFile, ...]) -> Iterator[Document]:
    plan, answers = wish.plan, wish.plan.answers
    if files or any(name in _BY_AUTOCTL for name in plan.settings):
        command = ["pg_autoctl", "enable", "ssl", "--pgdata", str(plan.data_directory), "--ssl-ca-file", str(answers.files.ca)]
        command += ["--server-cert", str(answers.files.certificate), "--server-key", str(answers.files.key), "--ssl-mode", "verify-full"]
        yield Document(
            "TLS, on every node",
            "sh",
            shlex.join(command) + "\n",
            (
                *handed_over.made_first(wish),
                *handed_over.installed(wish, files),
                "# On the monitor first, then on every node; each certificate has the name by which pg_autoctl knows that node (--hostname).",
                "# Its own connections then check names (verify-full); so must ssl_ca_file be there, and stale client certificates gone.",
                *_RELOADED,
                handed_over.proof(wish),
            ),
        )
    others = {name: value for name, value in plan.settings.items() if name not in _BY_AUTOCTL}
    if others:
        statements = [f"ALTER SYSTEM SET {name} = '{value.replace(chr(39), 2 * chr(39))}'" for name, value in others.items()]
        text = "".join(f"psql -c {shlex.quote(statement)}\n" for statement in (*statements, "SELECT pg_reload_conf()"))
        note = "# As a superuser, on every node: ALTER SYSTEM outranks what pg_auto_failover writes, ssl_ciphers among it."
        yield Document("What it has no option for, on every node", "sh", text, (note,))


def _left_to_people(wish: Wish) -> Iterator[HandedFile]:
    for each in wish.plan.changes:
        if each.role in {"rules", "maps"}:
            yield HandedFile(
                each.path,
                each.mode,
                each.owner,
                "pg_auto_failover leaves this file to you, on every node: change it as the difference shows",
            )


def for_nixos(wish: Wish) -> HandedOver:
    """Return a NixOS module."""
    files = handed_over.files(wish)
    return HandedOver("NixOS", handed_over.titled(tuple(_for_nixos(wish, files))), files)


def _for_nixos(wish: Wish, files: tuple[HandedFile, ...]) -> Iterator[Document]:
    switch = "nixos-rebuild switch"
    if wish.plan.settings or files:
        lines = [f"    {name} = {_nix(value)};" for name, value in wish.settings.items()]
        text = "\n".join(["{", "  services.postgresql.settings = {", *lines, "  };", "}"]) + "\n"
        yield Document(
            "TLS, a module",
            "nix",
            text,
            (
                *handed_over.made_first(wish),
                "# The key must not come into the store, which everybody can read: it stands outside.",
                *handed_over.installed(wish, files),
                "# Save this as postgresql-tls.nix, name it in imports, and take these settings out wherever else they are made.",
                switch,
                *(("systemctl reload postgresql",) if files else ()),
                handed_over.proof(wish),
            ),
        )
    if wish.rules_change or any(each.role == "maps" for each in wish.plan.changes):
        parts = []
        said: tuple[str, ...] = ()
        if wish.rules_change:
            rules, said = handed_over.shown(tuple(line.text for line in wish.then))
            parts.append(f"  services.postgresql.authentication = lib.mkForce {_nix_lines(rules)};")
        if wish.maps is not None and any(each.role == "maps" for each in wish.plan.changes):
            parts.append(f"  services.postgresql.identMap = lib.mkForce {_nix_lines(wish.maps)};")
        text = "\n".join(["{ lib, ... }:", "{", *parts, "}"]) + "\n"
        note = "# Only when TLS answers. mkForce lets these lines take the place of all others, those of NixOS itself among them."
        yield Document(
            "Rules, a module",
            "nix",
            text,
            (*said, note, "# Save this as postgresql-rules.nix, and name it in imports.", switch, handed_over.proof(wish)),
        )


def _nix(text: str) -> str:
    """Return a text as Nix spells it; `on` and `off` as booleans, which the module takes too."""
    if text in {"on", "off"}:
        return "true" if text == "on" else "false"
    escaped = re.sub(r'(["\\])', r"\\\1", text).replace("${", "\\${").replace("\n", "\\n")
    return f'"{escaped}"'


def _nix_lines(lines: tuple[str, ...]) -> str:
    """Return lines as an indented string, in which two quotes and `${` mean something else."""
    escaped = [line.replace("''", "'''").replace("${", "''${") for line in lines]
    return "''\n" + "".join(f"    {line}\n" for line in escaped) + "  ''"
