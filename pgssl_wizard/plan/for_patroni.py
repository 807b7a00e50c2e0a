"""What Patroni is to be given: its dynamic configuration, and patroni.yml where that one wins. Pure.

Sources: Patroni's patroni/config.py (`_build_effective_configuration`: what patroni.yml says wins over the dynamic configuration, each
parameter by itself and a list as a whole; `_safe_copy_dynamic_configuration`: `authentication` counts only in patroni.yml),
patroni/postgresql/config.py (`replace_pg_hba`: the lists are ignored where hba_file or ident_file lead elsewhere; `ConfigWriter`:
what it writes has a header) and patroni/ctl.py (`edit-config --apply` merges a file into what is there).
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping

from pgssl_wizard.cluster.facts import Cluster
from pgssl_wizard.cluster.managed import written_by_patroni
from pgssl_wizard.files.hba import Rule, Token
from pgssl_wizard.plan import handed_over
from pgssl_wizard.plan.handed_over import Wish
from pgssl_wizard.plan.model import Document, HandedFile, HandedOver
from pgssl_wizard.plan.settings import resolution
from pgssl_wizard.plan.yaml_text import Value, document

_LOCAL = "patroni.yml of every member"

#: Words that mean themselves without quotes, those that mean more than themselves, and those that are one word without quotes.
_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_KEYWORDS = frozenset({"all", "sameuser", "samerole", "samegroup", "replication"})
_BARE = re.compile(r'[^\s,"#]+')


def hand_over(wish: Wish) -> HandedOver:
    """Return the dynamic configuration's patch for TLS, then the one for the rules, and what belongs into patroni.yml."""
    files = handed_over.files(wish, root=wish.certificate is not None)
    documents = [*_tls(wish, files), *_own_connections(wish), *_rules(wish)]
    return HandedOver("Patroni", handed_over.titled(documents), (*files, *_not_its_own(wish)))


def own_users(wish: Wish) -> tuple[str, ...]:
    """Return the roles as which Patroni itself may come in, as far as anything tells: superusers, and those that replicate."""
    server = wish.cluster.server
    found = set(server.privileged if server else ())
    found |= {each.user for each in (server.sessions if server else ()) if each.walsender}
    for line in wish.now:
        if line.rule is not None and any(token.text == "replication" and not token.quoted for token in line.rule.databases):
            found |= {token.text for token in line.rule.users if not _is_more_than_one(token)}
    return tuple(sorted(found))


def _not_its_own(wish: Wish) -> Iterator[HandedFile]:
    """Yield the files of rules and maps that change and that Patroni does not write."""
    cluster = wish.cluster
    main = {"rules": cluster.hba_file, "maps": cluster.ident_file}
    for each in wish.plan.changes:
        if each.role not in {"rules", "maps"}:
            continue
        place = main[each.role]
        real = cluster.files[place].real_path if place in cluster.files else place
        if each.path != real or not _written(cluster, each.role):
            yield HandedFile(each.path, each.mode, each.owner, "Patroni does not write this file: change it as the difference shows")


def _tls(wish: Wish, files: tuple[HandedFile, ...]) -> Iterator[Document]:
    name = _name(wish)
    ready = (
        *handed_over.made_first(wish),
        *(("# On every member, with its own certificate or one that has the names of all:",) if files else ()),
        *handed_over.installed(wish, files),
        *(("# On every member, as a superuser:", *handed_over.resets(wish)) if wish.plan.sql else ()),
    )
    again = f"patronictl restart {name}" if wish.plan.effective == "restart-needed" else f"patronictl reload {name}"
    if not wish.plan.settings:
        # Patroni notices a change of its configuration, and none of the files that it names.
        if files:
            yield Document("TLS: the new files count", "sh", again + "\n", (*ready, "# Then this:", handed_over.proof(wish)))
        return
    dynamic, local = _parameters(wish)
    restart = (again,) if wish.plan.effective == "restart-needed" else ()
    if dynamic:
        text = document({"postgresql": {"parameters": dynamic}})
        note = "# Save this as patroni-tls.yaml. Where patroni.yml of a member names one of these settings itself, that one wins."
        apply = f"patronictl edit-config {name} --apply patroni-tls.yaml"
        after = () if local else (*restart, handed_over.proof(wish))
        yield Document("TLS, for the dynamic configuration", "yaml", text, (*ready, note, apply, *after))
        ready = ()
    if local:
        text = document({"postgresql": {"parameters": local}})
        note = f"# Into {_LOCAL}, which names these settings now and wins over the dynamic configuration."
        then = (f"patronictl reload {name}", *restart, handed_over.proof(wish))
        yield Document(f"TLS, for {_LOCAL}", "yaml", text, (*ready, note, *then))


def _own_connections(wish: Wish) -> Iterator[Document]:
    """Yield how Patroni's own connections check the server, where that is new."""
    if wish.certificate is None or wish.plan.trust_anchor is None or not wish.plan.settings:
        return
    checked = {"sslmode": "verify-full", "sslrootcert": str(handed_over.root_place(wish))}
    text = document({"postgresql": {"authentication": dict.fromkeys(("superuser", "replication", "rewind"), checked)}})
    yield Document(
        f"Patroni's own connections, for {_LOCAL}",
        "yaml",
        text,
        (
            "# Beside username and password of each; it counts in patroni.yml alone. Leave rewind out where there is none.",
            "# verify-full needs each member's connect_address in its certificate; with verify-ca, names do not count.",
            "# Where one says sslmode: disable, take that out before the rules ask for TLS: without it, TLS is tried first.",
            f"patronictl reload {_name(wish)}",
        ),
    )


def _rules(wish: Wish) -> Iterator[Document]:
    cluster = wish.cluster
    lists: dict[str, Value] = {}
    said: tuple[str, ...] = ()
    first, others = _in_order(wish)
    if wish.rules_change and _written(cluster, "rules") and (*first, *others) != tuple(line.text for line in wish.now):
        lines, said = handed_over.shown((*first, *others))
        lists["pg_hba"] = lines
        if first:
            said = (
                f"# The first {len(first)} line(s) let Patroni's own roles in over TLS without a certificate, or it would lose its members.",
                "# Take them out once `authentication` names sslcert and sslkey for each: pgssl-wizard issue makes those.",
                *said,
            )
    if wish.maps is not None and any(each.role == "maps" for each in wish.plan.changes) and _written(cluster, "maps"):
        lists["pg_ident"] = wish.maps
    if not lists:
        return
    text = document({"postgresql": lists})
    by_role = cluster.patroni.by_role if cluster.patroni else ()
    roles = (f"# {', '.join(by_role)} of the dynamic configuration count instead for members of that role: change them likewise.",)
    notes = (*said, *(roles if by_role else ()))
    if _is_local(cluster):
        note = f"# Into {_LOCAL}, in place of the list there, which wins over the dynamic configuration."
        yield Document(f"Rules, for {_LOCAL}", "yaml", text, (*notes, note, f"patronictl reload {_name(wish)}", handed_over.proof(wish)))
        return
    note = (
        "# Only when TLS answers on every member. Save this as patroni-rules.yaml; the list takes the place of the one before as a whole."
    )
    local = (
        ()
        if cluster.patroni and cluster.patroni.rules
        else ("# Where patroni.yml of a member has such a list, that one wins: change it there.",)
    )
    apply = f"patronictl edit-config {_name(wish)} --apply patroni-rules.yaml"
    yield Document("Rules, for the dynamic configuration", "yaml", text, (*notes, note, *local, apply, handed_over.proof(wish)))


def _name(wish: Wish) -> str:
    return shlex.quote(wish.name)


def _parameters(wish: Wish) -> tuple[Mapping[str, Value], Mapping[str, Value]]:
    """Return the settings for the dynamic configuration, and those that patroni.yml names today."""
    cluster, now = wish.cluster, resolution(wish.cluster, {})
    fact = cluster.files.get(cluster.config_file)
    told = cluster.patroni
    dynamic: dict[str, Value] = {}
    local: dict[str, Value] = {}
    for name, value in wish.settings.items():
        winner = now.winner(name)
        set_by_patroni = winner is not None and winner.file == cluster.config_file and written_by_patroni(fact.data if fact else None)
        if told is not None and set_by_patroni and name not in told.parameters:
            # Whatever stands in its file and not in the dynamic configuration comes from patroni.yml.
            if name in wish.plan.settings:
                local[name] = value
        else:
            dynamic[name] = value
    return dynamic, local


def _is_local(cluster: Cluster) -> bool:
    """Whether the list of rules comes from patroni.yml: Patroni writes the file, and its dynamic configuration has no such list."""
    fact = cluster.files.get(cluster.hba_file)
    return cluster.patroni is not None and not cluster.patroni.rules and written_by_patroni(fact.data if fact else None)


def _written(cluster: Cluster, role: str) -> bool:
    """Whether Patroni writes the file of rules or maps out of its list: it does so at one place, and not where a setting leads away."""
    name, place = ("pg_hba.conf", cluster.hba_file) if role == "rules" else ("pg_ident.conf", cluster.ident_file)
    return place == cluster.config_file.parent / name


def _in_order(wish: Wish) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the rules for Patroni's own roles, which need no certificate, and all the others behind them.

    Those are needed only where certificates are demanded; TLS alone Patroni's connections do by themselves.
    """
    own = own_users(wish) if wish.plan.answers.clients.demanded else ()
    if not own:
        return (), tuple(line.text for line in wish.then)
    required = wish.plan.answers.clients.encryption == "required"
    first: dict[tuple[object, ...], str] = {}
    for line in wish.now:
        rule = line.rule
        if rule is None or rule.type == "local" or rule.error or (required and rule.type == "hostnossl"):
            continue
        users = tuple(name for name in own if any(_means(token, name) for token in rule.users))
        if users:
            # A rule for the same attempts that stands before is met first.
            first.setdefault((rule.databases, users, rule.address, rule.netmask), _restricted(rule, users, tls_only=required))
    others = tuple(line.text for line in wish.then if line.rule is None or line.rule.type == "local" or not _only_for(line.rule, own))
    return tuple(first.values()), others


def _only_for(rule: Rule, own: tuple[str, ...]) -> bool:
    return all(not _is_more_than_one(token) and token.text in own for token in rule.users)


def _means(token: Token, name: str) -> bool:
    """Whether a word of a rule surely means a role: by its name, or because it means all."""
    return token.text == name or (token.text == "all" and not token.quoted)


def _is_more_than_one(token: Token) -> bool:
    return not token.quoted and (token.text == "all" or token.text[:1] in {"+", "/"})


def _restricted(rule: Rule, users: tuple[str, ...], *, tls_only: bool) -> str:
    """Return a rule for these roles alone, as it is today but for TLS."""
    kind = "hostssl" if tls_only and rule.type in {"host", "hostnogssenc"} and rule.method != "reject" else rule.type
    words = [kind, ",".join(_word(token.text, token.quoted) for token in rule.databases), ",".join(_word(name, True) for name in users)]
    words += [word for word in (rule.address, rule.netmask) if word]
    return " ".join([*words, rule.method, *(_option(name, value) for name, value in rule.options)])


def _word(text: str, quoted: bool) -> str:
    if quoted and text not in _KEYWORDS and _PLAIN.fullmatch(text):
        return text
    return '"' + text.replace('"', '""') + '"' if quoted or not _BARE.fullmatch(text) else text


def _option(name: str, value: str) -> str:
    text = f"{name}={value}"
    return text if _BARE.fullmatch(text) else '"' + text.replace('"', '""') + '"'
