"""Real files of the world, and what real servers made of them; skipped where they are not there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pgssl_wizard.lint.kinds import Kind
from pgssl_wizard.lint.remarks import separately, together
from pgssl_wizard.lint.whole import Report, lint
from tests.files.reading import lister, reader
from tests.files.views import CORPUS

pytestmark = pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus is not here")

ORACLES = {13: "oracle-pg13", 15: "oracle", 18: "oracle-pg18"}
KINDS: dict[str, Kind] = {"hba": "pg_hba.conf", "ident": "pg_ident.conf", "conf": "postgresql.conf"}
#: What depends on the machine or on other settings, not on the file: a time zone, the library of a validator.
ELSEWHERE = ("localtime", "is not permitted by oauth_validator_libraries")


def examined(path: Path, kind: Kind, version: int) -> Report:
    (report,) = lint([(path, kind)], version, reader, lister)
    assert len(together(report.remarks)) <= len(separately(report.remarks))
    return report


@pytest.mark.parametrize("version", ORACLES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_real_file_is_accepted_where_the_real_server_took_it(kind: str, version: int) -> None:
    differs = []
    for path in sorted((CORPUS / kind).iterdir()):
        report = examined(path, KINDS[kind], version)
        answer = json.loads((CORPUS / ORACLES[version] / kind / f"{path.name}.json").read_text(encoding="utf-8"))
        if report.accepted != answer["accepted"] and not any(word in json.dumps(answer) for word in ELSEWHERE):
            differs.append((path.name, answer["accepted"]))
        refused = [remark for remark in report.remarks if remark.severity == "error"]
        assert bool(refused) != report.accepted or report.remarks[0].code == "template", path.name
    assert differs == []


def test_a_real_template_is_one_finding() -> None:
    for path in sorted((CORPUS / "templates").iterdir()):
        report = examined(path, KINDS[path.name.partition("__")[0]], 18)
        assert [remark.code for remark in report.remarks] == ["template"], path.name


def test_a_real_tree_of_files_is_followed() -> None:
    for tree in json.loads((CORPUS / "trees" / "trees.json").read_text(encoding="utf-8")):
        report = examined(CORPUS / "trees" / tree["name"] / tree["entry"], KINDS[tree["kind"]], 18)
        assert report.count > 0
