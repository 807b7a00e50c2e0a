"""Every file that a private key or a passphrase goes into, and every program that is started, as the system saw them.

The real commands run under strace, which writes down each call that opens, writes, names or shows a file to somebody, and each
program's arguments and environment (what `ps` and /proc show of it).
"""

from __future__ import annotations

import codecs
import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from pgssl_wizard.change.paths import changes_directory
from tests.cli.test_commands import CHECKOUT
from tests.servers import RealCluster

P12, CA, KEY = "p12-passphrase-4711", "ca-passphrase-4712", "key-passphrase-4713"

_CALLS = "execve openat open creat fchmod chmod fchmodat fchmodat2 fchown chown fchownat lchown rename renameat renameat2 link linkat"
_CALLS += " write pwrite64 writev pwritev mknod mknodat sendfile copy_file_range"
#: A question mark in front: not every machine has every one of these calls.
_TRACED = ",".join(f"?{name}" for name in _CALLS.split())
#: Longer than any key with its chain, and than any argument.
_LONGEST = "6000"
_OWN = re.compile(r"/(base|global|pg_wal|pg_xact|pg_multixact)/")

_NO_FILE = re.compile(r"(pipe|socket|TCP|TCPv6|UNIX|UNIX-STREAM|UDP|anon_inode):|/dev/(null|tty|pts)\b")
_LINE = re.compile(r"^(\d+) +(?:<\.\.\. (\w+) resumed>(.*)|(\w+)\((.*))$", re.DOTALL)
_WORD = re.compile(r'(?:(?:AT_FDCWD|\d+)<(?P<at>[^>]*)>)|"(?P<text>(?:[^"\\]|\\.)*)"')


@dataclass(slots=True)
class Watched:
    """One file as the calls made it.

    Attributes:
        exclusive: whether it was made by a call that fails where something has that name.
        modes: every mode that it has had since the first secret byte, with owner and group.
        secrets: what of it went in, by number.
    """

    mode: int
    exclusive: bool
    uid: int = 0
    gid: int = 0
    modes: list[tuple[int, int, int]] = field(default_factory=list)
    secrets: set[int] = field(default_factory=set)

    def now(self) -> tuple[int, int, int]:
        """Return mode, owner and group."""
        return self.mode, self.uid, self.gid


@dataclass(slots=True)
class Record:
    """What strace wrote down of one command, read with the secrets in mind.

    Attributes:
        secrets: what is looked for.
        base: where the command runs, and relative paths begin.
        files: by their last name, those that secrets went into.
        told: programs that were given a secret as an argument or in their environment.
        programs: how many programs were started.
    """

    secrets: Sequence[bytes]
    base: Path
    files: dict[str, Watched] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)
    programs: int = 0

    def read(self, path: Path) -> None:
        """Go through the calls in the order in which they happened."""
        half: dict[str, str] = {}
        with path.open(encoding="latin-1") as lines:
            for line in lines:
                found = _LINE.match(line.rstrip("\n"))
                if found is None:
                    continue
                pid, again, rest, name, begun = found.groups()
                if again is not None:
                    self._call(again, half.pop(pid, "") + rest)
                elif begun.endswith(" <unfinished ...>"):
                    half[pid] = begun.removesuffix(" <unfinished ...>")
                    if name in {"write", "pwrite64", "writev", "pwritev"}:
                        # What is written is known now, and whatever comes before the end of the call comes after its beginning.
                        self._written(half[pid])
                else:
                    self._call(name, begun)
        self.files = {name: file for name, file in self.files.items() if file.secrets}

    def _call(self, name: str, text: str) -> None:
        if name in {"write", "pwrite64", "writev", "pwritev"}:
            self._written(text)
            return
        if re.search(r"= -1 E\w+ \(.*\)$", text):
            return
        match name:
            case "execve":
                self.programs += 1
                data = _bytes(text)
                self.told += [text[:300] for secret in self.secrets if secret in data]
            case "open" | "openat" | "creat":
                found = re.search(r", (O_[A-Z_|]+)(?:, (0\d*))?\) += \d+<(.*)>$", text)
                if found and "O_CREAT" in found[1] and "O_TMPFILE" not in found[1]:
                    exclusive = "O_EXCL" in found[1]
                    if exclusive or found[3] not in self.files:
                        # The umask is not counted: it depends on who calls.
                        self.files[found[3]] = Watched(int(found[2] or "0", 8), exclusive, os.geteuid(), os.getegid())
            case "mknod" | "mknodat":
                mode = re.search(r"\|(0\d+)", text)
                self.files[self._paths(text)[0]] = Watched(int(mode[1], 8) if mode else 0o777, True, os.geteuid(), os.getegid())
            case "fchmod" | "chmod" | "fchmodat" | "fchmodat2":
                mode = re.search(r", (0\d*)(?:, \w+)?\) += 0$", text)
                file = self.files.get(self._paths(text)[0])
                if mode and file:
                    file.mode = int(mode[1], 8)
                    file.modes.append(file.now())
            case "fchown" | "chown" | "lchown" | "fchownat":
                owner = re.search(r", (-?\d+), (-?\d+)(?:, \w+)?\) += 0$", text)
                file = self.files.get(self._paths(text)[0])
                if owner and file:
                    uid, gid = int(owner[1]), int(owner[2])
                    file.uid, file.gid = (file.uid if uid in {-1, 0xFFFFFFFF} else uid), (file.gid if gid in {-1, 0xFFFFFFFF} else gid)
                    file.modes.append(file.now())
            case "rename" | "renameat" | "renameat2":
                old, new, *_ = self._paths(text)
                for path in [path for path in self.files if path == old or path.startswith(f"{old}/")]:
                    self.files[new + path.removeprefix(old)] = self.files.pop(path)
            case "link" | "linkat":
                old, new, *_ = self._paths(text)
                if old in self.files:
                    self.files[new] = self.files[old]
            case "sendfile" | "copy_file_range":
                places = [each["at"] for each in _WORD.finditer(text) if each["at"]]
                target, source = places if name == "sendfile" else reversed(places)
                if source in self.files:
                    file = self.files.setdefault(target, Watched(0o777, False))
                    file.secrets |= self.files[source].secrets
                    file.modes.append(file.now())

    def _written(self, text: str) -> None:
        path = re.match(r"\d+<([^>]*)>", text)
        if path is None or _OWN.search(path[1]) or _NO_FILE.match(path[1]):
            return
        data = _bytes(text)
        if path[1].endswith("(deleted)"):
            # A name that is gone: nobody opens it any more.
            return
        found = {number for number, secret in enumerate(self.secrets) if secret in data}
        if found:
            file = self.files.setdefault(path[1], Watched(0o777, False))
            if not file.secrets:
                file.modes = []
            file.secrets |= found
            file.modes.append(file.now())

    def _paths(self, text: str) -> list[str]:
        """Return the paths that a call names, joined to the directories that it names with them."""
        paths: list[str] = []
        base: str | None = None
        for found in _WORD.finditer(text):
            if found["at"] is None:
                paths.append(str(Path(base or self.base, found["text"])))
                base = None
            else:
                base = found["at"]
        return paths if base is None else [*paths, base]

    def complaints(self, owners: set[int]) -> Iterator[str]:
        """Yield in words whatever should not have been; `owners` may own a secret for a while, beside its last owner."""
        for name, file in self.files.items():
            mode, uid, gid = file.now()
            if not file.exclusive:
                yield f"{name} was not made exclusively"
            if mode & 0o027:
                yield f"{name} ends with mode {mode:04o}"
            for then, owner, group in file.modes:
                if then & ~mode:
                    yield f"{name} had mode {then:04o} and ends with {mode:04o}"
                if owner not in {uid, *owners}:
                    yield f"{name} belonged to {owner} and ends with {uid}"
                if then & 0o040 and group != gid:
                    yield f"{name} was open to the group {group} and ends with {gid}"
            if Path(name).exists() and stat.S_IMODE(Path(name).stat().st_mode) != mode:
                yield f"{name} has another mode than the calls have given it: something was overlooked"
        for program in self.told:
            yield f"a secret stands among the arguments or in the environment of {program}"


def _bytes(text: str) -> bytes:
    """Return what strace's notation means."""
    return codecs.escape_decode(text.encode("latin-1"))[0]


@pytest.fixture
def strace() -> str:
    """The program, where it may watch others."""
    program = shutil.which("strace")
    if program is None:
        pytest.skip("strace is not installed")
    tried = subprocess.run(
        [program, "-f", "--seccomp-bpf", "-qq", "-e", "trace=execve", "-o", os.devnull, "true"], check=False, capture_output=True, text=True
    )
    if tried.returncode != 0:
        pytest.skip(f"strace may not watch other processes here: {tried.stderr.strip()}")
    return program


@dataclass(slots=True)
class Watch:
    """Runs commands in a directory of their own, watched."""

    strace: str
    directory: Path

    def run(self, *command: object, words: Sequence[bytes] = ()) -> tuple[Record, subprocess.CompletedProcess[str]]:
        """Run one program to its end; return what was seen of it, with these secrets in mind besides every private key in PEM."""
        record = self.directory.parent / "record"
        done = subprocess.run(
            [
                self.strace,
                "-f",
                "--seccomp-bpf",
                "-y",
                "-v",
                "-qq",
                "-s",
                _LONGEST,
                "-e",
                f"trace={_TRACED}",
                "-o",
                str(record),
                *map(str, command),
            ],
            check=False,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            cwd=self.directory,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(CHECKOUT), "HOME": str(self.directory), "PYTHONDONTWRITEBYTECODE": "1"},
        )
        seen = Record(
            [b"PRIVATE KEY-----", *(passphrase.encode() for passphrase in (P12, CA, KEY)), *words, *_raw(self.directory)], self.directory
        )
        seen.read(record)
        record.unlink()
        said = (done.stdout + done.stderr).encode()
        assert [secret for secret in seen.secrets if secret in said] == [], "a secret was printed"
        return seen, done

    def wizard(self, *arguments: object, owners: set[int]) -> Record:
        """Run one of our commands, which works, and expect that nothing of it is to be complained about."""
        seen, done = self.run(sys.executable, "-m", "pgssl_wizard", *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        assert list(seen.complaints(owners)) == []
        assert seen.programs > 0
        return seen


def _raw(directory: Path) -> Iterator[bytes]:
    """Yield the keys below a directory as they stand in other forms than PEM: their numbers, and whole PKCS#12 files."""
    for path in directory.rglob("*.key"):
        data = path.read_bytes()
        passphrase = (KEY if path.name == "server.key" else CA).encode() if b"ENCRYPTED" in data else None
        key = load_pem_private_key(data, passphrase)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        yield key.private_numbers().private_value.to_bytes(32, "big")
    for path in directory.rglob("*.p12"):
        yield path.read_bytes()


def names(record: Record) -> set[str]:
    """Return the last part of the names of the files that secrets went into."""
    return {Path(name).name for name in record.files}


_CARELESS = f"""
import os, subprocess
pem = b'-----BEGIN PRIVATE KEY-----'
with open('late.pem', 'wb') as file:
    file.write(pem)
os.chmod('late.pem', 0o600)
descriptor = os.open('wide.pem', os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
os.write(descriptor, b'-----BEGIN CERTIFICATE-----' * 50 + pem)
os.fchmod(descriptor, 0o640)
os.fchown(descriptor, 4321, 4322)
os.fchmod(descriptor, 0o600)
os.rename('wide.pem', 'named.pem')
descriptor = os.open('good.pem', os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
os.fchmod(descriptor, 0o640)
os.write(descriptor, pem)
os.mkdir('kit')
os.rename('good.pem', 'kit/good.pem')
subprocess.run(['true', {CA!r}])
subprocess.run(['true'], env=dict(os.environ, SECRET={KEY!r}))
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="gives a file away")
def test_the_watch_sees_what_it_is_there_to_see(strace: str, tmp_path: Path) -> None:
    """A key that is open to all for an instant, one that was open to a group, and passphrases that are shown to `ps`."""
    watch = Watch(strace, tmp_path / "work")
    watch.directory.mkdir()
    (watch.directory / "careless.py").write_text(_CARELESS, encoding="utf-8")
    seen, done = watch.run(sys.executable, "careless.py")
    assert done.returncode == 0, done.stderr
    assert names(seen) == {"late.pem", "named.pem", "good.pem"}
    told = list(seen.complaints(set()))
    late, named, good = (str(watch.directory / name) for name in ("late.pem", "named.pem", "kit/good.pem"))
    assert f"{late} was not made exclusively" in told
    assert f"{late} had mode 0666 and ends with 0600" in told
    assert f"{named} had mode 0640 and ends with 0600" in told
    assert f"{named} belonged to 0 and ends with 4321" in told
    assert not any(each.startswith(good) for each in told)
    shown = [each for each in told if each.startswith("a secret stands among")]
    assert len(shown) == 2
    assert f'["true", "{CA}"]' in shown[0]
    assert '["true"], ["' in shown[1]


def test_no_secret_is_ever_open_to_more_than_in_the_end_nor_shown_to_whoever_lists_processes(
    strace: str, newest_cluster: RealCluster, tmp_path: Path
) -> None:
    """From a new CA with an intermediate, all keys encrypted, and a rehearsal, through kits and revocation, to undoing and forgetting."""
    tmp_path.chmod(0o711)
    data, identity = newest_cluster.data_directory, newest_cluster.identity
    watch = Watch(strace, tmp_path / "work")
    watch.directory.mkdir(mode=0o711)
    vault = {passphrase: watch.directory / f"vault-{number}" for number, passphrase in enumerate((P12, CA, KEY))}
    for passphrase, path in vault.items():
        path.touch(0o600)
        path.write_text(f"{passphrase}\n", encoding="utf-8")
    os.chown(vault[KEY], identity.uid, identity.gid)
    answers = {
        "server.names": "localhost,127.0.0.1",
        "certificate.intermediate": "true",
        "certificate.encrypt_ca_key": "true",
        "certificate.ca_passphrase_command": f"cat {vault[CA]}",
        "certificate.passphrase": "command",
        "certificate.passphrase_command": f"cat {vault[KEY]}",
        "clients.certificates": "verify-ca",
        "clients.roles": "app",
    }
    options = [each for name, value in answers.items() for each in ("--set", f"{name}={value}")]
    owners = {os.geteuid(), identity.uid}
    kit = {"postgresql.key", "postgresql.pk8", "postgresql.p12"}
    by_command = ("--ca", "ca", "--ca-passphrase-command", f"cat {vault[CA]}")

    made = watch.wizard("apply", data, *options, owners=owners)
    assert {"root.key", "intermediate.key", "server.key", *kit} <= names(made)
    staged = [name for name in made.files if name.endswith("server.key") and "rehearsal" in name]
    assert staged, "the rehearsal has keys of its own"
    assert not any(Path(name).exists() for name in staged)
    assert "wrong-client.key" in names(made), "and so has the proof"
    assert (data / "server.key").read_bytes().startswith(b"-----BEGIN ENCRYPTED PRIVATE KEY-----")

    issued = watch.wizard("issue", "other", "-o", "kits", *by_command, "--p12-passphrase-file", vault[P12], owners=owners)
    assert names(issued) == kit
    revoked = watch.wizard("revoke", watch.directory / "kits" / "other" / "postgresql.crt", *by_command, owners=owners)
    assert names(revoked) == set()
    renewed = watch.wizard("renew", data, "--server", "--clients", "--now", "--no-rehearse", owners=owners)
    assert {"server.key", *kit} <= names(renewed)
    assert any(re.fullmatch(r"\d\d-server\.key", name) for name in names(renewed)), "the old key is copied"
    assert "pair.pem" in names(renewed), "and stands with its certificate while both are exchanged"

    undone = watch.wizard("rollback", data, owners=owners)
    assert "server.key" in names(undone)
    assert list(changes_directory(data).glob("*/*-server.key")) == []
    watch.wizard("renew", data, "--server", "--now", "--no-rehearse", owners=owners)
    assert list(changes_directory(data).glob("*/*-server.key")) != []
    forgotten = watch.wizard("forget", data, "--keep", "0", owners=owners)
    assert names(forgotten) == set()
    assert list(changes_directory(data).glob("*/*-server.key")) == []
