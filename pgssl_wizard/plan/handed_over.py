"""The plan in the words of the system that manages a cluster: what it is to be given instead of files. Pure.

TLS goes first and rules after it, each in a document of its own: in one step, a key that the server cannot read and rules that ask
for TLS would shut everybody out.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pgssl_wizard.cluster.facts import Cluster
from pgssl_wizard.errors import Refused, UnusableInput
from pgssl_wizard.files.hba import Rule, parse_rules
from pgssl_wizard.files.tokens import as_text, fields, logical_lines
from pgssl_wizard.plan.model import Document, HandedFile, Plan, PlannedFile
from pgssl_wizard.plan.planned_files import PlannedFiles
from pgssl_wizard.plan.secrets import STARS, masked
from pgssl_wizard.plan.settings import resolution

#: Settings that name files, and those that only open them: systems that mount files themselves set these themselves.
OF_FILES = frozenset(
    {
        *("ssl", "ssl_cert_file", "ssl_key_file", "ssl_ca_file", "ssl_crl_file", "ssl_crl_dir", "ssl_dh_params_file"),
        *("ssl_passphrase_command", "ssl_passphrase_command_supports_reload"),
    }
)

_WHAT = {
    "server-certificate": "the server's certificate, with the intermediates behind it",
    "server-key": "its private key",
    "server-pair": "the server's certificate and its private key",
    "client-ca": "the CA whose client certificates count (ssl_ca_file)",
    "crl": "which client certificates count no longer",
}


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the rules: its text in one piece, and the rule; None for a line that includes others."""

    text: str
    rule: Rule | None = None


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be put into a manager's words.

    Attributes:
        plan: what would change if the files were ours.
        cluster: what is there.
        settings: every setting that the answers ask for, whether or not it has to change.
        now, then: the lines of pg_hba.conf today and afterwards.
        maps: the lines of pg_ident.conf afterwards; None when they stay as they are.
    """

    plan: Plan
    cluster: Cluster
    settings: Mapping[str, str]
    now: tuple[Line, ...]
    then: tuple[Line, ...]
    maps: tuple[str, ...] | None

    @property
    def rules_change(self) -> bool:
        """Whether pg_hba.conf is to be another one."""
        return self.now != self.then

    @property
    def name(self) -> str:
        """What the manager calls the cluster: the setting cluster_name, which each sets itself; `CLUSTER` when nothing tells."""
        winner = resolution(self.cluster, {}).winner("cluster_name")
        return (winner.value if winner else "") or "CLUSTER"

    @property
    def certificate(self) -> PlannedFile | None:
        """The server's certificate, when another one is to be served."""
        return next((each for each in self.plan.changes if each.role in {"server-certificate", "server-pair"}), None)

    @property
    def root(self) -> str:
        """The file with the root, as people have it once the certificates are made: by its base name where the commands make it."""
        anchor = self.plan.trust_anchor
        if anchor is None:
            return "root.crt"
        return source(self.plan, anchor)


def wish(plan: Plan, cluster: Cluster, settings: Mapping[str, str]) -> Wish:
    """Return what is to be put into a manager's words.

    Raises:
        Refused: a line of the rules or maps is no text, which no manager's format can hold.
    """
    edits = {path: each.after for path in cluster.files for each in plan.changes if each.after is not None and _is(cluster, path, each)}
    maps = plan_lines(cluster, edits.get(cluster.ident_file) or b"", cluster.ident_file)
    if cluster.ident_file not in cluster.files:
        # It is new.
        made = next((each.after for each in plan.changes if each.role == "maps"), None)
        maps = plan_lines(cluster, made or b"", cluster.ident_file)
    # What is empty already need not be said.
    settings = {name: value for name, value in settings.items() if value or name in plan.settings}
    return Wish(plan, cluster, settings, _rules(cluster, {}), _rules(cluster, edits), maps or None)


def _is(cluster: Cluster, path: Path, change: PlannedFile) -> bool:
    return cluster.files[path].real_path == change.path


def _rules(cluster: Cluster, edits: Mapping[Path, bytes]) -> tuple[Line, ...]:
    files = PlannedFiles(cluster, edits)
    data = files.read(cluster.hba_file) or b""
    rules = {
        rule.line: rule for rule in parse_rules(cluster.hba_file, cluster.major, files.read, files.names) if rule.file == cluster.hba_file
    }
    return tuple(
        Line(_plain(line.text, cluster.hba_file, line.first), rules.get(line.first))
        for line in logical_lines(data, cluster.major)
        if fields(line.text, cluster.major)
    )


def plan_lines(cluster: Cluster, data: bytes, file: Path) -> tuple[str, ...]:
    """Return the lines of a file of rules or maps that mean something, each in one piece."""
    return tuple(_plain(line.text, file, line.first) for line in logical_lines(data, cluster.major) if fields(line.text, cluster.major))


def _plain(text: str, file: Path, number: int) -> str:
    """Return a line with single blanks between its words, whatever stands in quotes left alone, and without the comment behind it."""
    line = as_text(text)
    if not line.isascii() and any("\udc80" <= char <= "\udcff" for char in line):
        raise Refused(
            "This line is no UTF-8 text, and can be handed to no manager as it stands.",
            where=f"{file}:{number}",
            hint="Write it in UTF-8 first.",
            code="not-utf8",
        )
    parts: list[str] = []
    for quoted, comment, other in re.findall(r'("[^"]*(?:"|$))|(#.*)|([^"#]+)', line):
        if comment:
            break
        parts.append(quoted or re.sub(r"[ \t\r]+", " ", other))
    return "".join(parts).strip()


def source(plan: Plan, path: Path) -> str:
    """Return the name of a file that people have once they ran the commands of the plan, or where it stands already."""
    return path.name if any(each.path == path and each.action == "create" for each in plan.changes) else str(path)


def shown(lines: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return lines with passwords replaced by stars, and what has to be said of that."""
    safe = tuple(masked(line) for line in lines)
    return safe, (f"# {STARS} stands for a password that is not shown: put it in first.",) if safe != tuple(lines) else ()


def resets(wish: Wish) -> tuple[str, ...]:
    """Return what takes away the settings of ALTER SYSTEM that stand in the way."""
    return tuple(f"psql -c {shlex.quote(statement)}" for statement in wish.plan.sql)


def made_first(wish: Wish) -> tuple[str, ...]:
    """Return what is said of certificates and keys before anybody can use them: the server's, and those of clients."""
    change, answers = wish.certificate, wish.plan.answers
    lines: list[str] = []
    if change is not None and wish.plan.openssl:
        lines.append("# First make the certificates, by the openssl commands of this plan, in an empty directory.")
    elif change is not None:
        name, key = change.path.name, answers.files.key.name
        lines.append(f"# {name} is the certificate that you bring, its intermediates behind it; its private key is {key}.")
    if answers.clients.roles and answers.clients.ca is None:
        lines.append(issue(wish, *answers.clients.roles))
    return tuple(lines)


def issue(wish: Wish, *roles: str) -> str:
    """Return the command that makes certificates for roles, with the CA where it is: made by the commands of the plan, or standing."""
    made = any(each.role == "root-key" for each in wish.plan.changes)
    directory = "." if made else str(wish.plan.answers.certificate.ca_directory)
    return f"pgssl-wizard issue {shlex.join(roles)} --ca {shlex.quote(directory)} -o clients"


def root_place(wish: Wish) -> Path:
    """Return where members find the root by which they know each other: ssl_ca_file, unless that one holds another CA for clients."""
    place = wish.plan.answers.files.ca
    return place if wish.plan.answers.clients.ca is None else place.with_name(f"server-{place.name}")


def files(wish: Wish, *, root: bool = False) -> tuple[HandedFile, ...]:
    """Return the files that people put on every member themselves; with `root`, the trust anchor too, where ssl_ca_file is."""
    plan, cluster = wish.plan, wish.cluster
    found = [HandedFile(each.path, each.mode, each.owner, _WHAT[each.role]) for each in plan.changes if each.role in _WHAT]
    place = root_place(wish)
    if root and plan.trust_anchor is not None and all(each.path != place for each in found):
        found.append(HandedFile(place, 0o644, cluster.owner, "the root, by which members know each other"))
    return tuple(found)


def installed(wish: Wish, handed: Sequence[HandedFile]) -> tuple[str, ...]:
    """Return the commands that put the files in their places."""
    lines = []
    for each in handed:
        user, _, group = each.owner.partition(":")
        name = each.path.name
        if each.path == root_place(wish):
            name = wish.root
        elif each.path == wish.plan.answers.files.ca:
            name = str(wish.plan.answers.clients.ca)
        lines.append(
            f"install -m {each.mode:04o} -o {shlex.quote(user)} -g {shlex.quote(group or user)} {shlex.quote(name)} {shlex.quote(str(each.path))}"
        )
    return tuple(lines)


def proof(wish: Wish) -> str:
    """Return the command that shows from a client whether it worked."""
    name = wish.plan.answers.server.names[0].replace("*.", "any.")
    port = wish.cluster.postmaster.port if wish.cluster.postmaster else wish.cluster.value("port") or "5432"
    return f"pgssl-wizard verify --host {shlex.quote(name)} --port {port} --root {shlex.quote(wish.root)}"


def left_out(wish: Wish, names: Sequence[str]) -> tuple[str, ...]:
    """Return what is said of settings that are wished for and that the manager keeps to itself."""
    kept = [name for name in names if name in wish.plan.settings and wish.plan.settings[name] not in {"", "off"}]
    return (f"# {wish.cluster.managed_by} lets nobody set {', '.join(kept)}: that part of the wish has no place there.",) if kept else ()


def apart(wish: Wish) -> PlannedFile | None:
    """Return the server's certificate, which goes into a Secret beside its key; None when none is made.

    Raises:
        UnusableInput: both are to be in one file.
    """
    change = wish.certificate
    if change is not None and change.role == "server-pair":
        raise UnusableInput(
            "Certificate and key go into a Secret as two files.",
            where="files.key",
            hint="Name another file for the key.",
            code="pair-in-secret",
        )
    return change


def titled(documents: Sequence[Document]) -> tuple[Document, ...]:
    """Return the documents, numbered where there are several."""
    if len(documents) < 2:
        return tuple(documents)
    return tuple(Document(f"{number}. {each.title}", each.format, each.text, each.how) for number, each in enumerate(documents, 1))
