"""Kits written to the disk, whole or not at all.

A kit is filled in a hidden directory beside its place, with final modes before any byte, and gets its name when all of it is
on the disk. Kits are the person's: no transaction undoes them.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import platform
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from pgssl_wizard.certificates.kits import MODES, Kit
from pgssl_wizard.change.paths import is_temporary, real_path, temporary_name
from pgssl_wizard.change.signals import Watch
from pgssl_wizard.change.write import make_directory
from pgssl_wizard.errors import Refused

#: Kits that are brought to the disk together.
_TOGETHER = 100
#: From how many on it is better to wait for the whole file system once than for every file by itself.
_WORTH_A_WHOLE_SYNC = 8

Told = Callable[[Kit], None]


def write(output: Path, kits: Iterable[Kit], watch: Watch, told: Told, aside: Mapping[str, str] = MappingProxyType({})) -> None:
    """Write kits into a directory, which is made if it is missing.

    Whatever ends this early, what has a kit's name is a whole kit.

    Args:
        output: symbolic links are followed.
        kits: taken as they come.
        watch: a signal waits while kits get their names.
        told: called for each kit that stands.
        aside: kits that may stand already, by name, and the name that they get when the new one takes their place.

    Raises:
        Refused: no place, no permission, another run, or something that has got a kit's name meanwhile.
    """
    real = real_path(output)
    try:
        _make_ancestors(real)
        with _opened(real) as directory:
            _clear(directory)
            try:
                for batch in _batches(kits):
                    _write_batch(directory, output, batch, watch, told, aside)
            finally:
                os.fsync(directory)
    except OSError as error:
        raise Refused(
            f"The kits cannot be written: {error.strerror}.", where=str(output), hint="Kits that stand are whole.", code="cannot-write"
        ) from error


def clear(output: Path) -> None:
    """Remove half-made kits that a killed run left in a directory; nothing happens while another run writes kits there.

    Raises:
        OSError: the directory cannot be opened.
    """
    with contextlib.suppress(FileNotFoundError, NotADirectoryError, Refused), _opened(real_path(output)) as directory:
        _clear(directory)


def _make_ancestors(path: Path) -> None:
    missing = []
    while not path.exists():
        missing.append(path)
        path = path.parent
    for each in reversed(missing):
        make_directory(each, mode=0o700)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[int]:
    """Open a directory, and keep other runs of ours out of it."""
    directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Refused("Another run is writing kits here.", where=str(path), hint="Wait until it has ended.", code="busy") from None
        except OSError as error:
            # Some network file systems lock no directories.
            if error.errno not in {errno.EBADF, errno.ENOLCK, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP}:
                raise
        yield directory
    finally:
        os.close(directory)


def _clear(directory: int) -> None:
    """Remove what a run that was killed left behind: keys that belong to no kit."""
    for name in os.listdir(directory):
        if is_temporary(name):
            _remove(directory, name)


def _batches(kits: Iterable[Kit]) -> Iterator[Sequence[Kit]]:
    """Gather kits, a few at first and never for long, so that a watcher sees something."""
    batch: list[Kit] = []
    began = time.monotonic()
    for kit in kits:
        batch.append(kit)
        if len(batch) >= _TOGETHER or time.monotonic() - began > 0.5:
            yield batch
            batch, began = [], time.monotonic()
    if batch:
        yield batch


def _write_batch(directory: int, output: Path, kits: Sequence[Kit], watch: Watch, told: Told, aside: Mapping[str, str]) -> None:
    waiting: dict[str, Kit] = {}
    try:
        for kit in kits:
            name = temporary_name(kit.directory)
            waiting[name] = kit
            _fill_kit(directory, name, kit.files)
        _bring_to_disk(directory, list(waiting))
        with watch.held():
            for name, kit in list(waiting.items()):
                if kit.directory in aside:
                    os.rename(kit.directory, aside[kit.directory], src_dir_fd=directory, dst_dir_fd=directory)
                _give_name(directory, name, kit, output)
                del waiting[name]
                # What is on the disk need not stay in memory.
                told(replace(kit, files={}))
    finally:
        for name in waiting:
            _remove(directory, name)


@contextlib.contextmanager
def _opened_at(directory: int, name: str, flags: int, mode: int = 0) -> Iterator[int]:
    descriptor = os.open(name, flags | os.O_NOFOLLOW | os.O_CLOEXEC, mode, dir_fd=directory)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _fill_kit(directory: int, name: str, files: Mapping[str, bytes]) -> None:
    """Make a hidden kit; it need not be on the disk yet."""
    os.mkdir(name, 0o700, dir_fd=directory)
    if not os.access(name, os.R_OK | os.X_OK, dir_fd=directory):
        # A strict umask takes bits away; without any, only the name leads to it.
        os.chmod(name, 0o700, dir_fd=directory)
    with _opened_at(directory, name, os.O_RDONLY | os.O_DIRECTORY) as kit:
        os.fchmod(kit, 0o700)
        for file, mode in MODES.items():
            with _opened_at(kit, file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode & 0o600) as descriptor:
                os.fchmod(descriptor, mode)
                rest = memoryview(files[file])
                while rest:
                    rest = rest[os.write(descriptor, rest) :]


def _bring_to_disk(directory: int, names: Sequence[str]) -> None:
    """Return when hidden kits are on the disk, all of them at once where the system can."""
    if len(names) >= _WORTH_A_WHOLE_SYNC and _sync_file_system(directory):
        return
    for name in names:
        with _opened_at(directory, name, os.O_RDONLY | os.O_DIRECTORY) as kit:
            for file in MODES:
                with _opened_at(kit, file, os.O_RDONLY) as descriptor:
                    os.fsync(descriptor)
            os.fsync(kit)


def _sync_file_system(descriptor: int) -> bool:
    """Bring everything of one file system to the disk; False where that cannot be asked for, or would not tell of errors."""
    if sys.platform != "linux" or not _tells_of_errors(platform.release()):
        return False
    import ctypes  # noqa: PLC0415 - only for many kits

    call = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
    if call is None:
        return False
    if call(descriptor) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return True


def _tells_of_errors(release: str) -> bool:
    """Whether syncfs of this Linux reports what could not be written, as it does since 5.8."""
    found = re.match(r"(\d+)\.(\d+)", release)
    return found is not None and (int(found[1]), int(found[2])) >= (5, 8)


def _give_name(directory: int, name: str, kit: Kit, output: Path) -> None:
    """Turn a hidden kit into the kit; nothing that stands is ever replaced."""
    in_the_way = Refused(
        f"Something has got the name of the kit for {kit.role} meanwhile.",
        where=str(output / kit.directory),
        hint="Move it away, or name another directory.",
        code="kit-in-the-way",
    )
    try:
        os.stat(kit.directory, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        pass
    else:
        raise in_the_way
    try:
        # A rename replaces at most an empty directory that came into being since.
        os.rename(name, kit.directory, src_dir_fd=directory, dst_dir_fd=directory)
    except (FileExistsError, NotADirectoryError) as error:
        raise in_the_way from error
    except OSError as error:
        if error.errno == errno.ENOTEMPTY:
            raise in_the_way from error
        raise


def _remove(directory: int, name: str) -> None:
    """Remove a hidden kit."""
    with contextlib.suppress(OSError):
        shutil.rmtree(name, dir_fd=directory)
