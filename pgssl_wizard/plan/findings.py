"""What a careful colleague would say about a plan, and which of the cluster's findings still hold under it. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Sequence

from pgssl_wizard.answers import Answers
from pgssl_wizard.cluster.facts import Cluster
from pgssl_wizard.files.hba import Rule
from pgssl_wizard.findings import Finding
from pgssl_wizard.plan import kits, passphrase, revocation
from pgssl_wizard.plan.model import Plan
from pgssl_wizard.rule_answers import DEMANDS, RuleAnswer

#: Findings about a cluster after which no plan can be made.
STOPPING = frozenset(
    {"settings-syntax-error", "setting-unknown", "settings-unreadable", "rules-unreadable", "rule-error", "unreadable-file", "foreign-link"}
)

#: Findings that turning TLS on cures.
_CURED_BY_TLS = frozenset({"tls-off", "hostssl-without-tls", "ssl-not-in-force", "tls-not-loaded", "tls-waits-for-restart"})

#: What `goes-live-too` says again.
_SAID_BY_THE_PLAN = frozenset({"pending-edits", "pending-rules"})

#: Findings about how the key is opened: the plan says them of what will be.
_OF_THE_PASSPHRASE = frozenset({"key-asks-for-passphrase", "key-needs-restart", "passphrase-command-percent", "passphrase-in-command"})

#: Findings about one rule, which go with it.
_OF_A_RULE = frozenset(
    {
        *("trust-over-tcp", "trust-with-any-certificate", "md5-method", "password-method", "ident-over-tcp"),
        *("rule-never-matches", "rule-superfluous", "plaintext-above-hostssl"),
        *("address-host-bits", "address-shorthand", "address-octal", "mask-with-holes", "address-of-nobody"),
        *("address-keyword-is-name", "address-wildcard", "address-is-no-address"),
        *("keyword-case", "quoted-keyword", "quoted-group", "keyword-elsewhere", "depends-on-build", "method-goes-away"),
    }
)

#: Findings about rules that take plaintext, where the plan leaves none of them.
_OF_PLAINTEXT = frozenset({"password-method", "plaintext-above-hostssl", "reject-misses-replication"})

#: Findings about the protocol, and the settings of a plan that cure them.
_OF_PROTOCOL = {
    "weak-protocol": frozenset({"ssl_min_protocol_version", "ssl_max_protocol_version"}),
    "protocol-bounds": frozenset({"ssl_min_protocol_version", "ssl_max_protocol_version"}),
    "weak-ciphers": frozenset({"ssl_ciphers"}),
    "tls13-suites-misplaced": frozenset({"ssl_ciphers"}),
    "several-curves": frozenset({"ssl_ecdh_curve"}),
}


def still_true(plan: Plan, cluster: Cluster) -> tuple[Finding, ...]:
    """Return the cluster's findings that are worth repeating in the preview."""
    replaced: set[str] = set()
    if any(change.role in {"server-certificate", "server-pair"} for change in plan.changes) or "ssl_cert_file" in plan.settings:
        # Whatever was said of the certificate or key in use goes with them.
        replaced = {str(cluster.path_of(name)) for name in ("ssl_cert_file", "ssl_key_file")}
        replaced |= {str(certificate.path) for certificate in cluster.certificates if certificate.role == "server"}
    inside = cluster.data_directory in plan.answers.files.key.parents
    gone = {
        f"{change.file}:{change.line}"
        for change in plan.rules
        if change.action == "comment-out" or (change.action == "change" and plan.answers.clients.certificates == "cert")
    }

    def cured(finding: Finding) -> bool:
        return (
            finding.code in _CURED_BY_TLS
            or (finding.where in replaced and (finding.code != "key-in-data-directory" or not inside))
            or (finding.code in _SAID_BY_THE_PLAN and bool(plan.goes_live_too))
            or (finding.code in _OF_A_RULE and finding.where in gone)
            or (finding.code in _OF_PLAINTEXT and plan.answers.clients.encryption == "required")
            or (finding.code == "clientcert-without-ca" and plan.answers.clients.checked)
            or bool(_OF_PROTOCOL.get(finding.code, frozenset()) & plan.settings.keys())
            or (finding.code == "auto-conf-override" and bool(plan.sql))
            or (finding.code == "key-in-data-directory" and not inside)
            or (finding.code == "request-pending" and any(change.role == "requested-key" for change in plan.changes))
            or finding.code in _OF_THE_PASSPHRASE
            or revocation.cures(plan, finding)
        )

    return tuple(finding for finding in cluster.findings if not cured(finding))


def of_plan(plan: Plan, cluster: Cluster) -> tuple[Finding, ...]:
    """Return what this plan brings with it."""
    answers, found = plan.answers, []

    def say(severity: str, code: str, message: str, hint: str | None = None, where: str | None = None, topic: str = "apply") -> None:
        found.append(Finding(severity, code, message, hint, where, topic))  # type: ignore[arg-type]

    key_new = any(change.role in {"server-key", "server-pair"} for change in plan.changes)
    if cluster.data_directory in answers.files.key.parents and (key_new or not cluster.certificates):
        say(
            "info",
            "key-in-data-directory",
            "The key lies in the data directory, so every base backup and new standby gets a copy of it.",
            "Choose a place outside, if backups are kept where the key must not be.",
            str(answers.files.key),
            "files",
        )
    if cluster.data_mode & 0o040 and cluster.data_directory in answers.files.key.parents:
        say(
            "warning",
            "group-access",
            "The data directory can be read by its group, for backups; the key must be 0600, so such a backup will fail on it.",
            f"Put key and certificate outside, for example {cluster.data_directory.parent / (cluster.data_directory.name + '-tls')}.",
            str(answers.files.key),
            "files",
        )
    for change in plan.changes:
        if change.action == "modify" and change.role in {"server-certificate", "server-key", "server-pair"}:
            say("warning", "file-replaced", f"{change.path} exists and is replaced; undo puts it back.", None, str(change.path), "files")
        if change.action == "modify" and change.role == "client-ca":
            say(
                "warning",
                "client-ca-replaced",
                f"{change.path} exists and is replaced: client certificates of the authorities in it do not count any more.",
                "To keep them, join them with the new root in one PEM file, and name that in clients.ca. Undo puts the old file back.",
                str(change.path),
                "clients",
            )
    found += passphrase.findings(plan, cluster)
    found += _selinux(plan, cluster)
    signer = _former_signer(plan, cluster)
    if signer is not None:
        say(
            "warning",
            "anchor-changes",
            f"The certificate in use was signed by {signer}; clients that verify it will refuse the new one until they have the new root.",
            "Hand the new root out first, beside the old one; or name the directory of the old CA as certificate.ca_directory.",
            str(plan.trust_anchor),
            "certificate",
        )
    if answers.certificate.source == "self-signed":
        say(
            "warning",
            "self-signed",
            "Self-signed: every client needs this very certificate, and a new copy at each renewal.",
            "For production, make a CA: clients then need its root once.",
            None,
            "certificate",
        )
    ca_keys = [change.path for change in plan.changes if change.role in {"root-key", "intermediate-key"}]
    if ca_keys:
        names = ", ".join(str(path) for path in ca_keys)
        say(
            "info",
            "ca-key-offline",
            f"The CA's key will lie in {names}. Take it offline when this is done.",
            None if answers.certificate.encrypt_ca_key else "certificate.encrypt_ca_key = true gives it a passphrase besides.",
            str(ca_keys[0]),
            "certificate",
        )
    if plan.trust_anchor and any(change.role == "root-certificate" for change in plan.changes):
        say(
            "info",
            "root-before-prefer",
            "A client with a wrong root.crt and sslmode=prefer falls back to plaintext in silence; hand out the root together with verify-full.",
            None,
            str(plan.trust_anchor),
            "clients",
        )
    if answers.clients.checked:
        say(
            "warning",
            "stale-client-certificates",
            "With ssl_ca_file set, the server checks every certificate a client offers: a stale postgresql.crt in somebody's home breaks their login.",
            "Such a client needs sslcertmode=disable (libpq 16), or the stale file gone.",
            None,
            "clients",
        )
    if answers.clients.demanded:
        say(
            "warning",
            "client-certificates-required",
            f"{_who_must_show(answers)} must show a certificate of this CA; whoever has none is refused. {kits.who_shows_what(answers, cluster)}",
            "Name roles in clients.roles, or issue the certificates before you apply; or choose “optional” as a first step.",
            None,
            "clients",
        )
    replication = [change for change in plan.rules if "replication" in change.fields[1].split(",") and change.action == "change"]
    if replication and answers.clients.demanded:
        say(
            "warning",
            "replication-needs-certificate",
            "Standbys must show a client certificate too.",
            None,
            f"{replication[0].file}:{replication[0].line}",
            "rules",
        )
    _ways_in(plan, cluster, say)
    _who_is_not_known(plan, cluster, say)
    commented = [change for change in plan.rules if change.action == "comment-out"]
    if commented:
        lines = ", ".join(str(change.line) for change in commented)
        say(
            "warning",
            "plaintext-rules-commented-out",
            f"Rules that let plaintext in (line {lines}) are commented out; over TLS they would let people in by a method meant for something else.",
            "Who came in through them needs another rule.",
            f"{commented[0].file}:{commented[0].line}",
            "rules",
        )
    if answers.clients.encryption == "required" and any(change.action in {"change", "add"} for change in plan.rules):
        say(
            "warning",
            "plaintext-will-be-refused",
            "Clients that cannot do TLS are refused at their next login; nobody can know them all.",
            "Choose encryption optional first, watch who still comes in plaintext, and tighten later.",
            str(cluster.hba_file),
            "rules",
        )
    if answers.clients.encryption == "optional" and not _takes_plaintext(cluster):
        say(
            "info",
            "plaintext-refused-already",
            "The rules refuse plaintext over TCP already, and “optional” opens none of them again.",
            "rollback of the change that tightened them does, or an edit of yours.",
            str(cluster.hba_file),
            "rules",
        )
    elif answers.clients.encryption == "optional":
        say(
            "info",
            "plaintext-still-let-in",
            "Plaintext over TCP is still let in: whoever does not ask for TLS gets none.",
            "Choose encryption required when no plaintext session is left.",
            None,
            "rules",
        )
    if plan.goes_live_too:
        say(
            "warning",
            "goes-live-too",
            f"Our reload would also activate {len(plan.goes_live_too)} edit(s) that somebody else made: {plan.goes_live_too[0]}.",
            "Make sure they are meant, or take them back first.",
            None,
            "apply",
        )
    if plan.sql:
        say(
            "info",
            "auto-conf-override",
            f"ALTER SYSTEM had set what is changed here; apply runs: {'; '.join(plan.sql)}.",
            None,
            str(cluster.auto_conf),
            "apply",
        )
    if plan.effective == "next-start":
        say(
            "info",
            "server-down",
            "The server is down: the change counts from its next start, and is proved only in the rehearsal.",
            f"After the change, {cluster.to('start')}, then “pgssl-wizard verify {cluster.data_directory}”.",
            None,
            "apply",
        )
    if plan.effective == "restart-needed":
        by_group = passphrase.reload_can_open(answers)
        say(
            "warning",
            "restart-needed",
            "The running server does not notice its new group; it needs a restart before it can read the key."
            if by_group
            else "No reload can open the key: its certificate counts only after a restart, and a restart is what to plan now.",
            f"After the change, {cluster.to('restart')}.",
            None,
            "apply",
        )
    if plan.effective == "restart-needed" and cluster.value("ssl") != "on" and any(each.action != "keep" for each in plan.rules):
        say(
            "warning",
            "rules-before-tls",
            "Until the restart there is no TLS, and whoever reloads the server before it puts the new rules in force: then nobody who "
            "must use TLS gets in.",
            f"Right after the change, {cluster.to('restart')}; or choose clients.encryption = “optional” first, and tighten after the restart.",
            str(cluster.hba_file),
            "rules",
        )
    if cluster.openssl_version is None and answers.protocol.profile != "server-default":
        say(
            "info",
            "openssl-unknown",
            "The server's OpenSSL version is unknown, so the post-quantum group is left out.",
            None,
            None,
            "protocol",
        )
    underscores = [name for name in answers.server.names if "_" in name]
    if underscores:
        say(
            "info",
            "underscore",
            f"{underscores[0]} has an underscore: PostgreSQL's own clients take it, some others refuse it.",
            None,
            None,
            "names",
        )
    return tuple(found)


def _takes_plaintext(cluster: Cluster) -> bool:
    """Whether any rule over TCP lets somebody in without TLS."""
    plain = {"host", "hostnossl", "hostnogssenc"}
    return any(rule.type in plain and rule.method != "reject" and not rule.error for rule in cluster.rules)


def _selinux(plan: Plan, cluster: Cluster) -> Iterator[Finding]:
    """Yield what SELinux wants of files outside the data directory: modes and owners alone do not let the server read them."""
    directories = {
        change.path.parent
        for change in plan.changes
        if change.phase == "tls" and change.action == "create" and cluster.data_directory not in change.path.parents
    }
    if not cluster.selinux:
        return
    for directory in sorted(directories):
        pattern = shlex.quote(f"{directory}(/.*)?")
        yield Finding(
            "warning",
            "selinux",
            f"SELinux is in force: the server may read files in {directory} only by their label, whatever their mode says.",
            f"semanage fcontext -a -t cert_t {pattern} && restorecon -R {shlex.quote(str(directory))}, before apply.",
            str(directory),
            "files",
        )


def _former_signer(plan: Plan, cluster: Cluster) -> str | None:
    """Return who signed the certificate that clients may verify today, when the new one is signed by another."""
    now = next((certificate for certificate in cluster.certificates if certificate.role == "server"), None)
    new = next((profile for profile in plan.issue if profile.kind in {"server", "self-signed"}), None)
    if now is None or new is None or "snakeoil" in now.path.name or cluster.value("ssl") != "on":
        return None
    authority_is_new = any(profile.kind in {"root", "self-signed"} for profile in plan.issue)
    same = not authority_is_new and f"CN={new.issuer}" in now.issuer.replace(" = ", "=")
    return None if same else ("itself" if now.self_signed else now.issuer)


def _who_must_show(answers: Answers) -> str:
    """Return the clients whose rules demand a certificate, as the subject of a sentence."""
    if answers.clients.certificates in DEMANDS:
        free = [each for each in answers.clients.rule if each.certificates is not None and each.certificates not in DEMANDS]
        return "Every client over TCP" if not free else f"Every client over TCP but those of {_rules(free)}"
    return f"Clients of {_rules([each for each in answers.clients.rule if each.certificates in DEMANDS])}"


def _rules(answers: Sequence[RuleAnswer]) -> str:
    return ("the rule " if len(answers) == 1 else "the rules ") + ", ".join(f"“{each.match}”" for each in answers)


def _ways_in(plan: Plan, cluster: Cluster, say: Callable[..., None]) -> None:
    """Say when the new rules leave somebody no way in at all: replication, everybody over TCP, the administrator without TLS."""
    letting_in = [rule for rule in cluster.rules if rule.method != "reject"]
    commented = {(change.file, change.line) for change in plan.rules if change.action == "comment-out"}
    left = [rule for rule in letting_in if (rule.file, rule.line) not in commented]

    def over_tcp(rules: list[Rule], replication: bool) -> list[Rule]:
        return [
            rule
            for rule in rules
            if rule.type != "local" and any(token.text == "replication" and not token.quoted for token in rule.databases) is replication
        ]

    for replication, code, who in ((True, "no-way-for-replication", "Replication"), (False, "no-way-over-tcp", "Every client over TCP")):
        lost = over_tcp(letting_in, replication)
        if lost and not over_tcp(left, replication):
            say(
                "warning",
                code,
                f"{who} comes in only through hostnossl rules today, and they are commented out: nobody is left a way in.",
                "Add a hostssl rule for them first.",
                f"{lost[0].file}:{lost[0].line}",
                "rules",
            )
    if not any(rule.type == "local" for rule in letting_in) and commented | {(c.file, c.line) for c in plan.rules if c.action == "change"}:
        say(
            "warning",
            "no-local-way",
            "No rule lets anybody in over the Unix socket, so the administrator too comes in over TLS or not at all.",
            "A rule such as `local all postgres peer` keeps a way in that no certificate can close.",
            str(cluster.hba_file),
            "rules",
        )


def _who_is_not_known(plan: Plan, cluster: Cluster, say: Callable[..., None]) -> None:
    """Say where rules change and the log could tell who would notice, and does not."""
    for each in plan.known:
        if each.source == "named" and not each.let_in_now and not each.let_in_then:
            hint = "A rule for them is missing, or the client is misspelt."
            say("warning", "named-but-refused", f"No rule lets in {each.who}, neither today nor afterwards.", hint, None, "rules")
    if not any(change.role == "rules" for change in plan.changes):
        return
    named = "Name those who must get in as clients.known"
    told = {
        "off": (
            "connections-not-logged",
            "The server does not log connections: known are only those connected now, older lines of its log, and whom you name.",
            f"ALTER SYSTEM SET log_connections = on, then SELECT pg_reload_conf(): some lines for every connection. {named} else.",
        ),
        "elsewhere": (
            "connection-log-elsewhere",
            "The server's log goes to no file that can be read here (syslog, a journal, a pipe): known are only those connected now.",
            f"{named}; or let the server write files: logging_collector = on, which needs a restart.",
        ),
        "unreadable": ("connection-log-unreadable", "The server's log cannot be read: known are only those connected now.", f"{named}."),
        "no-address": (
            "connection-log-without-addresses",
            f"The log tells who came in {cluster.unplaced} times, and not from where: its lines have neither address nor process.",
            "ALTER SYSTEM SET log_line_prefix = '%m [%p] %q%u@%d %h ', and SELECT pg_reload_conf().",
        ),
    }
    found = told.get(cluster.log_silence or "")
    if found is not None:
        say("info", found[0], found[1], found[2], None, "rules")
    names = sum(1 for each in cluster.logged if each.host_name)
    if names:
        say(
            "info",
            "known-by-name-only",
            f"{names} of those in the log are known by a host name alone (log_hostname): rules by address cannot be compared with that.",
            f"{named} with their addresses, or turn log_hostname off.",
            None,
            "rules",
        )
