"""The settings for Go's drivers, run as they stand, where Debian's packages of them are installed (they are large, so .ci/run leaves them out)."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.drivers.snippets import DATABASE, Guarded, code, run

SOURCES = Path("/usr/share/gocode/src/github.com")
PGX = next((name for name in ("github.com/jackc/pgx/v5", "github.com/jackc/pgx/v4") if (SOURCES.parent / name).exists()), "")

#: The connection string comes from the file `line`, which holds the Go expression as the README has it.
PGX_PROGRAM = """package main

import (
	"context"
	"fmt"
	"os"

	"PGX"
)

func main() {
	ctx := context.Background()
	connection, err := CODE
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	var user, database string
	if err := connection.QueryRow(ctx, "select current_user, current_database()").Scan(&user, &database); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(user + "|" + database)
}
"""
PQ_PROGRAM = """package main

import (
	"database/sql"
	"fmt"
	"os"

	_ "github.com/lib/pq"
)

func main() {
	connection, err := CODE
	var user, database string
	if err == nil {
		err = connection.QueryRow("select current_user, current_database()").Scan(&user, &database)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(user + "|" + database)
}
"""


def packages(driver: str) -> bool:
    """Whether Go and the driver's sources are there."""
    return shutil.which("go") is not None and ((SOURCES / "lib" / "pq").exists() if driver == "lib/pq" else bool(PGX))


@pytest.fixture(scope="session")
def go_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where compiled packages go, so that each is compiled once."""
    return tmp_path_factory.mktemp("go-cache")


def execute(driver: str, kit: Path, place: Path, cache: Path) -> subprocess.CompletedProcess[str]:
    """Compile the program around a kit's line and run it in the kit's directory."""
    place.mkdir(exist_ok=True)
    program = PQ_PROGRAM if driver == "lib/pq" else PGX_PROGRAM.replace("PGX", PGX)
    (place / "main.go").write_text(program.replace("CODE", code(kit, driver)), encoding="utf-8")
    build = ["go", "build", "-o", str(place / "who"), str(place / "main.go")]
    go = {"GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "GOCACHE": str(cache), "HOME": str(place), "PATH": os.environ["PATH"]}
    done = subprocess.run(build, check=False, cwd=place, env=go, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return run([place / "who"], kit)


@pytest.mark.parametrize("driver", ["lib/pq", "pgx"])
def test_go(driver: str, guarded: Guarded, tmp_path: Path, go_cache: Path) -> None:
    if not packages(driver):
        pytest.skip(f"Go with {driver} is not installed; Debian has it as golang-go and golang-github-…-dev")
    for role, kit in guarded.kits.items():
        done = execute(driver, kit, tmp_path / "go", go_cache)
        assert done.stdout == f"{role}|{DATABASE}\n", done.stderr
    done = execute(driver, guarded.misled(tmp_path), tmp_path / "go", go_cache)
    assert done.returncode != 0
    assert "x509: certificate signed by unknown authority" in done.stderr
