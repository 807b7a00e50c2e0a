"""The power fails before any single step: what was not brought to the disk is gone, and still a server starts and rollback ends it.

The worst that a disk may do is rebuilt from a real run: of a file stays what its last fsync brought to the disk, of a directory the names
that its last fsync did. (What a disk does at best, keep everything, is what `test_every_step` tries.)
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from pgssl_wizard.change.paths import STATE_DIRECTORY
from pgssl_wizard.change.rollback import rollback
from tests.change.test_every_step import SERVERS_FILES, SERVERS_OWN, Stage, Step, before_each_step, snapshot, stage_each, staged

pytestmark = pytest.mark.matrix

#: Content (None: a directory), mode, owner and group.
Entry = tuple[bytes | None, int, int, int]
Disk = Mapping[Path, Entry]

#: One of each kind of writing: new files, files that are exchanged, a detour, directories.
KINDS = ("first TLS, down", "pair in use, down", "pair in use, no postgresql.auto.conf", "settings in two files")


def entry_of(path: Path) -> Entry:
    """Return a file or directory as it is."""
    status = path.stat()
    return None if path.is_dir() else path.read_bytes(), stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid


def servers_own(path: Path, *, is_folder: bool) -> bool:
    """Whether the server alone writes what has this name."""
    if is_folder:
        return path.name.startswith(SERVERS_OWN) and path.name != STATE_DIRECTORY
    return path.name in SERVERS_FILES


def below(folder: Path) -> Iterator[Path]:
    """Yield everything below a directory, outer ones first, the server's own business left out."""
    for path in sorted(folder.iterdir()):
        if not servers_own(path, is_folder=path.is_dir()):
            yield path
            if path.is_dir():
                yield from below(path)


class SurelyOnDisk:
    """What a power cut leaves, at the worst, of everything below one directory while a change is made."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.disks: list[Disk] = []
        self._contents: dict[int, Entry] = {}
        self._names: dict[Path, dict[Path, int]] = {}
        self._synced: Path | None = None
        for folder in (root, *(path for path in below(root) if path.is_dir())):
            self._bring(folder)
            for path in folder.iterdir():
                if path.is_file():
                    self._bring(path)

    def before(self, step: Step) -> None:
        """Note what would be left if the power failed now."""
        if self._synced is not None and self._synced.exists():
            self._bring(self._synced)
        self._synced = Path(f"/proc/self/fd/{step.arguments[0]}").readlink() if step.name == "fsync" else None
        disk = dict(self._left(self.root))
        if disk not in self.disks:
            self.disks.append(disk)

    def _bring(self, path: Path) -> None:
        """Take note of what one fsync brings to the disk."""
        if path.is_dir():
            self._names[path] = {each: each.stat().st_ino for each in path.iterdir() if not each.is_symlink()}
        self._contents[path.stat().st_ino] = entry_of(path)

    def _left(self, folder: Path) -> Iterator[tuple[Path, Entry]]:
        for path, inode in self._names.get(folder, {}).items():
            if servers_own(path, is_folder=path.is_dir()):
                continue
            # A name may get to the disk before what it names: then that is empty, and nobody's but root's.
            is_folder = path in self._names
            entry = self._contents.get(inode, (None if is_folder else b"", 0o600, 0, 0))
            yield path, entry
            if is_folder:
                yield from self._left(path)


def rebuild(root: Path, disk: Disk) -> None:
    """Make everything below `root` what is left of it."""
    for path in list(below(root)):
        if path not in disk and path.exists():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    for path, (content, mode, uid, gid) in sorted(disk.items()):
        if content is None:
            path.mkdir(exist_ok=True)
        else:
            path.unlink(missing_ok=True)
            path.write_bytes(content)
        os.chown(path, uid, gid)
        path.chmod(mode)
        # The same disk is the same disk, whenever it was rebuilt.
        os.utime(path, ns=(0, 0))


def without_times(stage: Stage) -> dict[str, object]:
    """Return the cluster's files; when a file was changed last is not worth a wait for the disk."""
    return {name: entry[:4] for name, entry in snapshot(stage.cluster.base).items()}


def tried(stage: Stage, body: Callable[[], object]) -> list[Disk]:
    """Run `body`; return every disk that a power cut could leave of it at the worst."""
    surely = SurelyOnDisk(stage.place.parent)
    with before_each_step(surely.before):
        body()
    surely.before(Step(0, "end", ()))
    return surely.disks


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """These kinds."""
    if "stage" in metafunc.fixturenames:
        stage_each(metafunc, KINDS)


@pytest.fixture
def stage(request: pytest.FixtureRequest, open_tmp_path: Path) -> Iterator[Stage]:
    """A cluster and a change of it."""
    yield from staged(request, open_tmp_path)


def test_after_a_power_cut_at_any_step_a_server_starts_and_rollback_puts_everything_back(stage: Stage) -> None:
    """During a change and during its undoing."""
    before = without_times(stage)
    disks = tried(stage, stage.apply)
    applied = disks[-1]
    assert len(disks) > 10
    disks += tried(stage, lambda: rollback(stage.data))
    assert without_times(stage) == before
    states = set()
    for disk in disks:
        stage.cluster.stop()
        rebuild(stage.place.parent, disk)
        stage.assert_pair_matches()
        stage.assert_starts()
        journal = stage.journal()
        states.add(journal.state if journal is not None else "none")
        rollback(stage.data)
        assert without_times(stage) == before
    assert states == {"none", "working", "applied", "undoing", "rolled-back"}
    assert {path: entry for path, entry in applied.items() if path.name == "journal.json"}, "the last of a change is on the disk too"
