"""Entries of pg_ident.conf: added where they are missing, and whether they let the roles in that have certificates. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pgssl_wizard.answers import Answers
from pgssl_wizard.cluster.facts import Cluster
from pgssl_wizard.errors import Refused
from pgssl_wizard.files.hba_edit import LinesEditor
from pgssl_wizard.files.ident import MapLine, parse_maps
from pgssl_wizard.findings import Finding
from pgssl_wizard.plan.planned_files import PlannedFiles
from pgssl_wizard.rule_answers import MapAnswer

#: What a word of the file cannot hold without quotes. A word that has quotes already is taken as it stands.
_NEEDS_QUOTES = re.compile(r'[ \t\r,#"]|^@')


@dataclass(frozen=True, slots=True)
class MapsEdit:
    """The maps' part of a plan: the new bytes of the file, None when nothing changes, and every line as it is read now and will be."""

    data: bytes | None
    before: tuple[MapLine, ...]
    lines: tuple[MapLine, ...]


def edit(cluster: Cluster, answers: Answers) -> MapsEdit:
    """Return the maps with the wanted entries in them.

    Raises:
        Refused: a line of the file, or a wanted one, that the server would not load.
    """
    standing = _parsed(cluster, {})
    if not answers.clients.maps:
        return MapsEdit(None, standing, standing)
    broken = next((line for line in standing if line.error), None)
    if broken is not None and cluster.ident_file in cluster.files:
        raise Refused(
            f"The server would refuse this line: {broken.error}.",
            where=f"{broken.file}:{broken.line}",
            hint="Correct it first; until then the server keeps the maps it loaded last.",
            code="map-error",
        )
    fact = cluster.files.get(cluster.ident_file)
    old = (fact.data if fact else None) or b""
    texts = [_text(each) for each in answers.clients.maps]
    have = {_meaning(line) for line in standing}
    alone = Path("new")
    wanted = [(text, parse_maps(alone, cluster.major, {alone: text.encode()}.get, lambda _: None)) for text in dict.fromkeys(texts)]
    missing = [text for text, lines in wanted if not any(_meaning(line) in have for line in lines)]
    if not missing:
        return MapsEdit(None, standing, standing)
    editor = LinesEditor(old, cluster.major)
    for text in missing:
        editor.append(text)
    data = editor.result()
    then = _parsed(cluster, {cluster.ident_file: data})
    wrong = next((line for line in then if line.error), None)
    if wrong is not None:
        raise Refused(
            f"The server would not load this entry: {wrong.error}.", where=f"clients.maps ({wrong.file}:{wrong.line})", code="map-error"
        )
    return MapsEdit(data, standing, then)


def findings(answers: Answers, maps: MapsEdit, major: int) -> Iterator[Finding]:
    """Yield which roles with a certificate a map of theirs does not let in, and that a map replaces the names' being the same."""
    from pgssl_wizard.access import maps as usermaps  # noqa: PLC0415 - few answers have maps
    from pgssl_wizard.access.decide import Attempt  # noqa: PLC0415

    by_name = usermaps.by_name(maps.lines)
    for name in dict.fromkeys(each.map for each in answers.clients.rule if each.map):
        where = "clients.maps"
        if name not in by_name:
            yield Finding(
                "error",
                "map-missing",
                f"There is no map {name}: the server turns everybody down who meets its rule.",
                f"Add entries: clients.maps = [{{ map = “{name}”, system_user = “…”, role = “…” }}].",
                where,
                "clients",
            )
            continue
        if answers.clients.name == "DN":
            continue
        shut = [role for role in answers.clients.roles if not usermaps.check(by_name, name, Attempt("", role), role, major).allowed]
        if shut:
            yield Finding(
                "warning",
                "map-lets-nobody",
                f"By the map {name} the certificates of these roles do not let them in as themselves: {', '.join(shut[:5])}.",
                r"A map replaces the rule that both names are the same: add /^(.*)$ with the role \1 for that.",
                where,
                "clients",
            )


def _parsed(cluster: Cluster, edits: dict[Path, bytes]) -> tuple[MapLine, ...]:
    files = PlannedFiles(cluster, edits)
    return parse_maps(cluster.ident_file, cluster.major, files.read, files.names)


def _meaning(line: MapLine) -> tuple[object, ...]:
    user, role = line.system_user, line.role
    return line.map, user and user.text, role and (role.text, role.quoted)


def _text(entry: MapAnswer) -> str:
    return "  ".join(_word(each) for each in (entry.map, entry.system_user, entry.role))


def _word(text: str) -> str:
    if text.startswith('"') and text.endswith('"') and len(text) > 1:
        return text
    return '"' + text.replace('"', '""') + '"' if not text or _NEEDS_QUOTES.search(text) else text
