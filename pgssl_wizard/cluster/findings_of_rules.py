"""What is worth saying of the access rules. Lines of one kind are told together, by the file they stand in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from pgssl_wizard.cluster.facts import Cluster
from pgssl_wizard.files.hba import Rule
from pgssl_wizard.findings import Finding, Severity, Topic

#: How many line numbers are told; a file made by a program may have hundreds.
_LINES = 6


def of_rules(cluster: Cluster) -> Iterator[Finding]:
    """Yield them."""
    for rule in cluster.rules:
        if rule.error:
            yield Finding(
                "error",
                "rule-error",
                f"The server would refuse this rule, and with it the whole file: {rule.error}.",
                "Correct the line; the server keeps the rules that it loaded last, and would not start.",
                f"{rule.file}:{rule.line}",
                "rules",
            )
    if not cluster.rules:
        yield Finding(
            "error",
            "rule-error",
            f"{cluster.hba_file.name} contains no entries: the server would not start with it, and keeps the rules that it loaded last.",
            "Write the rules first.",
            str(cluster.hba_file),
            "rules",
        )
        return
    ssl_on = cluster.value("ssl") == "on"
    yield from _together(
        cluster,
        lambda rule: rule.type != "local" and rule.method == "trust",
        "warning",
        "trust-over-tcp",
        ("lets anybody in over TCP without a password (trust)", "let anybody in over TCP without a password (trust)"),
        ". TLS encrypts that, and still anybody gets in.",
        "Use scram-sha-256; set the roles' passwords first.",
    )
    yield from _together(
        cluster,
        lambda rule: rule.method == "password" and rule.type != "hostssl",
        "warning",
        "password-method",
        ("takes the password as it is (password)", "take passwords as they are (password)"),
        ": without TLS whoever listens has them.",
        "Use scram-sha-256.",
    )
    yield from _together(
        cluster,
        lambda rule: rule.method == "md5",
        "info",
        "md5-method",
        ("says md5", "say md5"),
        ": it takes md5 hashes, which are broken and deprecated since 18, besides scram.",
        "Use scram-sha-256, once no role has an md5 hash left.",
    )
    yield from _together(
        cluster,
        lambda rule: rule.type == "hostssl" and not ssl_on,
        "info",
        "hostssl-without-tls",
        ("is hostssl while TLS is off: it matches nobody", "are hostssl while TLS is off: they match nobody"),
        ".",
        None,
    )
    yield from _together(
        cluster,
        lambda rule: (
            bool(rule.method == "cert" or rule.option("clientcert") in {"1", "verify-ca", "verify-full"})
            and not cluster.value("ssl_ca_file")
        ),
        "warning",
        "clientcert-without-ca",
        ("asks for client certificates", "ask for client certificates"),
        ", and ssl_ca_file is not set: everybody is refused there.",
        None,
        "clients",
    )


def _together(
    cluster: Cluster,
    meant: Callable[[Rule], bool],
    severity: Severity,
    code: str,
    verbs: tuple[str, str],
    end: str,
    hint: str | None,
    topic: Topic = "rules",
) -> Iterator[Finding]:
    """Yield one finding per file for all its rules that are meant."""
    by_file: dict[Path, list[int]] = {}
    for rule in cluster.rules:
        if not rule.error and meant(rule):
            by_file.setdefault(rule.file, []).append(rule.line)
    for file, lines in by_file.items():
        yield Finding(severity, code, f"{_lines(lines)} {verbs[len(lines) > 1]}{end}", hint, f"{file}:{lines[0]}", topic)


def _lines(lines: list[int]) -> str:
    if len(lines) == 1:
        return f"Line {lines[0]}"
    told = [str(number) for number in lines[:_LINES]]
    if len(lines) > _LINES:
        return f"{len(lines)} lines (from {told[0]} on)"
    return f"Lines {', '.join(told[:-1])} and {told[-1]}"
