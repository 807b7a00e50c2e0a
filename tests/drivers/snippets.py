"""The settings of a kit's README.txt, cut out as they stand, and kits that trust somebody else."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.servers import RealCluster

#: Names that every notation has to quote in its own way.
ROLES = ("app", "my role", 'quo"te', "it's", "back\\slash", "größe", "a/b", "50%", "x;y}z", "$HOME", "{{host}}")
DATABASE = "it's a d{b}"
#: Where drivers that npm brings are; `make drivers` puts them there.
NODE_MODULES = Path(__file__).parents[2] / ".cache" / "drivers" / "node_modules"


@dataclass(frozen=True, slots=True)
class Guarded:
    """A running server that wants certificates, the kits by role, and a root that signed nothing here."""

    cluster: RealCluster
    kits: dict[str, Path]
    other_root: bytes

    def misled(self, place: Path, role: str = "app") -> Path:
        """Return a copy of a role's kit whose root is another CA's."""
        kit = place / "misled"
        shutil.copytree(self.kits[role], kit)
        (kit / "root.crt").write_bytes(self.other_root)
        return kit


def paragraphs(kit: Path, heading: str) -> list[str]:
    """Return what stands below a heading, each paragraph without its indentation."""
    lines = (kit / "README.txt").read_text(encoding="utf-8").split("\n")
    start = next(number for number, text in enumerate(lines) if text.startswith(heading) and lines[number + 1].startswith("---")) + 2
    end = next((number for number in range(start, len(lines) - 1) if lines[number + 1].startswith("---")), len(lines))
    found: list[list[str]] = [[]]
    for text in lines[start:end]:
        if text.strip():
            found[-1].append(text.removeprefix("  "))
        elif found[-1]:
            found.append([])
    return ["\n".join(each) for each in found if each]


def code(kit: Path, heading: str) -> str:
    """Return the settings below a heading: its first paragraph."""
    return paragraphs(kit, heading)[0]


def run(command: Sequence[str | Path], kit: Path, *, text: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a program in a kit's directory, with nothing of this machine's settings for clients."""
    return subprocess.run(
        [str(word) for word in command],
        check=False,
        cwd=kit,
        input=text,
        capture_output=True,
        text=True,
        env={"PATH": os.environ["PATH"] + ":/usr/sbin", "HOME": str(kit.parent), "LANG": "C.UTF-8", **environment},
    )
