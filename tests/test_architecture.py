"""What imports what, and what is packaged: promises that a later change could break without anybody noticing."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[1]


def imported(code: str) -> set[str]:
    """Return the top-level modules that are loaded after running some code in a fresh interpreter."""
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys\nprint(*sorted({{name.partition('.')[0] for name in sys.modules}}))"],
        check=True,
        capture_output=True,
        text=True,
        cwd=CHECKOUT,
    )
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "room", ["access", "certificates", "change", "cli", "cluster", "files", "lint", "plan", "practice", "proof", "protocol", "server"]
)
def test_no_room_of_the_engine_loads_textual(room: str) -> None:
    names = sorted(path.stem for path in (CHECKOUT / "pgssl_wizard" / room).glob("*.py") if path.stem != "__init__")
    code = "import " + ", ".join(f"pgssl_wizard.{room}.{name}" for name in names)
    assert not imported(code) & {"textual", "rich"}


def test_a_headless_command_never_loads_textual(tmp_path: Path) -> None:
    code = f"from pgssl_wizard.cli.main import run; run(['inspect', {str(tmp_path)!r}])"
    assert not imported(code) & {"textual", "rich"}


def test_the_first_frame_waits_for_nothing_that_it_does_not_need() -> None:
    code = "import pgssl_wizard.__main__, pgssl_wizard.cli.wizard, pgssl_wizard.app, pgssl_wizard.screens.start"
    assert not imported(code) & {"click", "cryptography", "psycopg", "pglast", "tomlkit"}


def test_every_package_is_listed_for_the_wheel() -> None:
    listed = set(tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"])
    there = {"pgssl_wizard"}
    for path in (CHECKOUT / "pgssl_wizard").rglob("__init__.py"):
        there.add(".".join(path.relative_to(CHECKOUT).parent.parts))
    for top in ("screens", "assets"):
        for path in (CHECKOUT / top).rglob("__init__.py"):
            there.add(".".join(("pgssl_wizard", *path.relative_to(CHECKOUT).parent.parts)))
    assert listed == there


@pytest.mark.parametrize("name", ["screens", "assets"])
def test_the_folders_at_the_top_cannot_be_imported_under_a_generic_name(name: str) -> None:
    done = subprocess.run([sys.executable, "-c", f"import {name}"], check=False, capture_output=True, text=True, cwd=CHECKOUT)
    assert f"import this package as pgssl_wizard.{name}" in done.stderr
