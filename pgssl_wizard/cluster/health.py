"""What monitoring wants to hear of a cluster that a look at its files alone would not call a fault."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from pgssl_wizard.cluster.facts import Cluster
from pgssl_wizard.files.hba import Rule
from pgssl_wizard.findings import Finding


def findings(cluster: Cluster) -> Iterator[Finding]:
    """Yield that TLS is off, that nobody could see what is served, and the rules that let plaintext in."""
    if cluster.value("ssl") != "on":
        yield Finding("warning", "tls-is-off", "TLS is off.", f"pgssl-wizard setup {cluster.data_directory}", None, "certificate")
    if not cluster.running:
        yield Finding("warning", "server-down", "The server is down, so nobody can see what it serves.", None, None, "apply")
    plain = [rule for rule in cluster.rules if _lets_plaintext_in(rule)]
    for from_afar in (True, False):
        told = [rule for rule in plain if _from_afar(rule) is from_afar]
        if not told:
            continue
        lines = ", ".join(f"{rule.file.name}:{rule.line}" for rule in told[:8]) + (f" and {len(told) - 8} more" if len(told) > 8 else "")
        where = f"{told[0].file}:{told[0].line}"
        if from_afar:
            hint = "apply with clients.encryption = “required” makes them hostssl; history and migrate show who still comes so."
            yield Finding("warning", "plaintext-rules", f"Plaintext is let in over TCP: {lines}.", hint, where, "rules")
        else:
            words = f"Plaintext is let in from this machine alone, over TCP: {lines}."
            yield Finding("info", "plaintext-rules-local", words, None, where, "rules")


def _lets_plaintext_in(rule: Rule) -> bool:
    return not rule.error and rule.type in {"host", "hostnossl", "hostnogssenc"} and rule.method != "reject"


def _from_afar(rule: Rule) -> bool:
    """Whether a rule takes clients of other machines."""
    if rule.address == "samehost":
        return False
    try:
        network = ipaddress.ip_network(f"{rule.address}/{rule.netmask}" if rule.netmask else str(rule.address), strict=False)
    except ValueError:
        return True
    return not network.is_loopback
