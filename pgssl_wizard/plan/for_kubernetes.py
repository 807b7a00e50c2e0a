"""What operators on Kubernetes are to be given: fragments of their resources, and the Secrets that go with them. Pure.

Sources: CloudNativePG's pkg/postgres/configuration.go (fixed parameters; the fixed rules before and behind the given ones) and its
chapter “Certificates”; Crunchy PGO's postgrescluster_types.go, internal/postgres/hba.go and the controller's postgres.go (which
rules and parameters win); the Zalando operator's cluster_manifest.md and user.md.

A patch of the type `merge` replaces lists as a whole and leaves everything else of the resource as it is.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pgssl_wizard.files.hba import Rule
from pgssl_wizard.plan import handed_over
from pgssl_wizard.plan.handed_over import Line, Wish
from pgssl_wizard.plan.model import Document, HandedOver
from pgssl_wizard.plan.yaml_text import Value, document

_GIT = "# Where the resource is kept elsewhere (Git, Helm), put the same there, or it will be undone."


@dataclass(frozen=True, slots=True)
class _Operator:
    """What one operator calls things.

    Attributes:
        resource: for kubectl.
        prefix: of the files that people save.
        keeps: settings that it sets itself, whatever anybody says.
        head: whether a rule at the beginning of the file is one that it puts there itself.
        tail: whether the last rule is.
    """

    resource: str
    prefix: str
    keeps: frozenset[str]
    head: Callable[[Rule], bool]
    tail: Callable[[Rule], bool]


def _of_cloudnativepg(rule: Rule) -> bool:
    if rule.type == "local":
        return rule.method == "peer" and (rule.option("map") or "").startswith(("local", "cnpg_"))
    users = {token.text for token in rule.users}
    return rule.type == "hostssl" and rule.method == "cert" and users <= {"streaming_replica", "cnpg_pooler_pgbouncer"}


def _for_all(rule: Rule) -> bool:
    words = [rule.databases, rule.users]
    return all([token.text for token in word] == ["all"] for word in words) and rule.address == "all"


def _of_crunchy(rule: Rule) -> bool:
    users = [token.text for token in rule.users]
    if rule.type == "local":
        return users == ["postgres"] and rule.method == "peer"
    return all(user.startswith("_crunchy") or user == "ccp_monitoring" for user in users)


_CLOUDNATIVEPG = _Operator(
    "clusters.postgresql.cnpg.io",
    "cnpg",
    handed_over.OF_FILES | {"ssl_prefer_server_ciphers"},
    _of_cloudnativepg,
    lambda rule: rule.type in {"host", "hostssl"} and _for_all(rule),
)
_CRUNCHY = _Operator("postgresclusters.postgres-operator.crunchydata.com", "pgo", handed_over.OF_FILES, _of_crunchy, lambda _: False)
_ZALANDO = _Operator("postgresqls.acid.zalan.do", "spilo", handed_over.OF_FILES, lambda _: False, lambda _: False)


def for_cloudnativepg(wish: Wish) -> HandedOver:
    """Return the fragments for a Cluster of CloudNativePG."""
    return HandedOver("CloudNativePG", handed_over.titled(tuple(_for_cloudnativepg(wish))))


def _for_cloudnativepg(wish: Wish) -> Iterator[Document]:
    name, plan = wish.name, wish.plan
    spec: dict[str, Value] = {}
    how: list[str] = []
    if certificate := handed_over.apart(wish):
        tls, ca = f"{name}-tls", f"{name}-root"
        certificates: dict[str, Value] = {"serverTLSSecret": tls, "serverCASecret": ca}
        how += handed_over.made_first(wish)
        how.append(
            f"# For clients inside, the certificate needs the names of the services too: {name}-rw, {name}-rw.NAMESPACE.svc and so on."
        )
        how.append(
            _secret("tls", tls, cert=handed_over.source(plan, certificate.path), key=handed_over.source(plan, plan.answers.files.key))
        )
        how.append(_secret("generic", ca, **{"ca.crt": wish.root}))
        labelled = [tls, ca]
        if plan.answers.clients.checked:
            client_ca, replication = f"{name}-client-ca", f"{name}-replication"
            certificates |= {"clientCASecret": client_ca, "replicationTLSSecret": replication}
            how.append("# Certificates of the operator's own CA count no longer: the standbys' (streaming_replica) comes from this CA too.")
            how.append(handed_over.issue(wish, "streaming_replica"))
            how.append(_secret("generic", client_ca, **{"ca.crt": str(plan.answers.clients.ca or wish.root)}))
            how.append(
                _secret("tls", replication, cert="clients/streaming_replica/postgresql.crt", key="clients/streaming_replica/postgresql.key")
            )
            labelled += [client_ca, replication]
        how.append(f"kubectl label secret {' '.join(map(shlex.quote, labelled))} cnpg.io/reload= --overwrite")
        spec["certificates"] = certificates
    if parameters := _parameters(wish, _CLOUDNATIVEPG):
        spec["postgresql"] = {"parameters": parameters}
    if spec:
        how += [
            *handed_over.left_out(wish, _refused(_CLOUDNATIVEPG)),
            *_patch(_CLOUDNATIVEPG, name, "tls"),
            handed_over.proof(wish),
        ]
        yield Document("TLS, for the Cluster", "yaml", document({"spec": spec}), tuple(how))
    lists = _lists(wish, _CLOUDNATIVEPG)
    if lists is not None:
        values, said = lists
        note = "# Only when TLS answers. The operator's own rules stay before these, and its last one (host all all all …) behind them."
        text = document({"spec": {"postgresql": values}})
        yield Document(
            "Rules, for the Cluster", "yaml", text, (*said, note, *_patch(_CLOUDNATIVEPG, name, "rules"), handed_over.proof(wish))
        )
    names = [each for each in plan.answers.server.names if not each.replace(".", "").isdigit() and ":" not in each]
    if certificate and names:
        text = document({"spec": {"certificates": {"serverAltDNSNames": names}}})
        note = "# In place of the first Secrets: the operator makes the certificate for these names besides its own, and renews it. Names only, no addresses."
        yield Document("Or: the operator's own certificate", "yaml", text, (note, *_patch(_CLOUDNATIVEPG, name, "names")))


def for_crunchy(wish: Wish) -> HandedOver:
    """Return the fragments for a PostgresCluster of Crunchy PGO."""
    return HandedOver("Crunchy PGO", handed_over.titled(tuple(_for_crunchy(wish))))


def _for_crunchy(wish: Wish) -> Iterator[Document]:
    # Its Patroni calls the cluster so (PatroniScope).
    name, plan = wish.name.removesuffix("-ha"), wish.plan
    spec: dict[str, Value] = {}
    how: list[str] = []
    if certificate := handed_over.apart(wish):
        tls, replication = f"{name}-tls", f"{name}-replication"
        spec |= {"customTLSSecret": {"name": tls}, "customReplicationTLSSecret": {"name": replication}}
        how += handed_over.made_first(wish)
        how.append("# The standbys' certificate (_crunchyrepl) comes from the same CA: both Secrets must hold the same ca.crt.")
        how.append(handed_over.issue(wish, "_crunchyrepl"))
        pair = {"tls.crt": handed_over.source(plan, certificate.path), "tls.key": handed_over.source(plan, plan.answers.files.key)}
        how.append(_secret("generic", tls, **pair, **{"ca.crt": wish.root}))
        pair = {"tls.crt": "clients/_crunchyrepl/postgresql.crt", "tls.key": "clients/_crunchyrepl/postgresql.key"}
        how.append(_secret("generic", replication, **pair, **{"ca.crt": wish.root}))
    if parameters := _parameters(wish, _CRUNCHY):
        spec["patroni"] = {"dynamicConfiguration": {"postgresql": {"parameters": parameters}}}
    if spec:
        how += [*handed_over.left_out(wish, _refused(_CRUNCHY)), *_patch(_CRUNCHY, name, "tls"), handed_over.proof(wish)]
        yield Document("TLS, for the PostgresCluster", "yaml", document({"spec": spec}), tuple(how))
    lists = _lists(wish, _CRUNCHY)
    if lists is not None:
        values, said = lists
        notes = (
            "# Only when TLS answers. The operator's own rules stay before these.",
            "# Rules in spec.authentication.rules come before these too: where there are some, change them instead.",
        )
        text = document({"spec": {"patroni": {"dynamicConfiguration": {"postgresql": values}}}})
        yield Document(
            "Rules, for the PostgresCluster", "yaml", text, (*said, *notes, *_patch(_CRUNCHY, name, "rules"), handed_over.proof(wish))
        )


def for_spilo(wish: Wish) -> HandedOver:
    """Return the fragments for a postgresql resource of the Zalando operator, which runs Spilo."""
    return HandedOver("Spilo", handed_over.titled(tuple(_for_spilo(wish))))


def _for_spilo(wish: Wish) -> Iterator[Document]:
    name, plan = wish.name, wish.plan
    spec: dict[str, Value] = {}
    how = ["# For Spilo under the Zalando operator. Spilo alone takes SSL_CERTIFICATE_FILE, SSL_PRIVATE_KEY_FILE and SPILO_CONFIGURATION."]
    if certificate := handed_over.apart(wish):
        how += handed_over.made_first(wish)
        pair = {"tls.crt": handed_over.source(plan, certificate.path), "tls.key": handed_over.source(plan, plan.answers.files.key)}
        files: dict[str, Value] = {"secretName": f"{name}-tls"}
        if plan.answers.clients.checked:
            files["caFile"] = "ca.crt"
            pair["ca.crt"] = str(plan.answers.clients.ca or wish.root)
        how.append("# The operator needs spilo_fsgroup (or spec.spiloFSGroup) first, so that the server can read the key.")
        how.append(_secret("generic", f"{name}-tls", **pair))
        spec["tls"] = files
    if parameters := _parameters(wish, _ZALANDO):
        spec["postgresql"] = {"parameters": parameters}
    if spec:
        how += [*handed_over.left_out(wish, _refused(_ZALANDO)), *_patch(_ZALANDO, name, "tls"), handed_over.proof(wish)]
        yield Document("TLS, for the postgresql resource", "yaml", document({"spec": spec}), tuple(how))
    lists = _lists(wish, _ZALANDO)
    if lists is not None:
        values, said = lists
        note = "# Only when TLS answers. The list takes the place of Spilo's own as a whole."
        own = ("# Spilo's own roles (postgres, standby) have no certificate: let them in by rules of theirs before you demand one.",)
        notes = (*said, note, *(own if plan.answers.clients.demanded else ()))
        text = document({"spec": {"patroni": values}})
        yield Document(
            "Rules, for the postgresql resource", "yaml", text, (*notes, *_patch(_ZALANDO, name, "rules"), handed_over.proof(wish))
        )


def _parameters(wish: Wish, operator: _Operator) -> dict[str, Value]:
    """Return the settings that change and that the operator lets people set."""
    return {name: value for name, value in wish.settings.items() if name in wish.plan.settings and name not in operator.keeps}


def _refused(operator: _Operator) -> list[str]:
    """Return the settings that it keeps to itself, those left out that the Secrets stand for."""
    return sorted(operator.keeps - {"ssl", "ssl_cert_file", "ssl_key_file", "ssl_ca_file", "ssl_prefer_server_ciphers"})


def _lists(wish: Wish, operator: _Operator) -> tuple[dict[str, Value], tuple[str, ...]] | None:
    """Return the lists of rules and maps, and what is to be said of them; None when none changes."""
    values: dict[str, Value] = {}
    said: tuple[str, ...] = ()
    then, now = _between(wish.then, operator, after=True), _between(wish.now, operator, after=False)
    if wish.rules_change and then != now:
        lines, said = handed_over.shown(then)
        values["pg_hba"] = lines
    if wish.maps is not None and any(each.role == "maps" for each in wish.plan.changes):
        if operator is _CLOUDNATIVEPG:
            values["pg_ident"] = [line for line in wish.maps if not line.startswith(("local ", "cnpg_"))]
        else:
            said = (*said, f"# Maps have no place in this resource: {'; '.join(wish.maps)}")
    return (values, said) if values else None


def _between(lines: tuple[Line, ...], operator: _Operator, *, after: bool) -> tuple[str, ...]:
    """Return the rules that people give, without those that the operator puts before and behind them.

    Args:
        lines: of the file, today or afterwards.
        operator: whose rules are left out.
        after: what its last rule becomes has to stand among the given ones, where it takes effect before that one.
    """
    kept = list(lines)
    while kept and kept[0].rule is not None and operator.head(kept[0].rule):
        kept.pop(0)
    texts = [line.text for line in kept]
    if after:
        # It has become what stands among the given ones already.
        while len(texts) > 1 and texts[-1] in texts[:-1]:
            texts.pop()
    elif kept and (last := next((number for number in range(len(kept) - 1, -1, -1) if _is_tail(kept[number], operator)), None)) is not None:
        del texts[last]
    return tuple(texts)


def _is_tail(line: Line, operator: _Operator) -> bool:
    return line.rule is not None and operator.tail(line.rule)


def _patch(operator: _Operator, name: str, what: str) -> tuple[str, ...]:
    file = f"{operator.prefix}-{what}.yaml"
    return f"# Save this as {file}.", _GIT, f"kubectl patch {operator.resource} {shlex.quote(name)} --type merge --patch-file {file}"


def _secret(kind: str, name: str, **files: str) -> str:
    given = [
        f"--{key}={shlex.quote(value)}" if kind == "tls" else f"--from-file={key}={shlex.quote(value)}" for key, value in files.items()
    ]
    # Made, or made anew: `create` alone fails where it stands.
    return f"kubectl create secret {kind} {shlex.quote(name)} {' '.join(given)} --dry-run=client -o yaml | kubectl apply -f -"
