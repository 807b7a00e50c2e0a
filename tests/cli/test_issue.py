"""The command `issue` as a shell sees it; its kits on disk and against real servers."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs12

from pgssl_wizard.certificates import issue, keys, workers
from pgssl_wizard.certificates.issue import Issued
from pgssl_wizard.certificates.kit_text import Connection
from pgssl_wizard.certificates.kits import MODES, Kit, Maker
from pgssl_wizard.certificates.profiles import Profile
from pgssl_wizard.certificates.read import read_certificates
from pgssl_wizard.change import kits as on_disk
from pgssl_wizard.change.issue import Wanted, carry_out, prepare
from pgssl_wizard.change.signals import watched
from tests.bench.pty_timing import Program
from tests.cli.test_commands import CHECKOUT, Shell, shell
from tests.servers import RealCluster

__all__ = ["shell"]

NOW = datetime.now(UTC)


def make_ca(directory: Path, *, middle: bool = False, days: int = 3650, passphrase: bytes | None = None) -> list[Issued]:
    """Put a CA into a directory, as the wizard leaves it."""
    directory.mkdir(exist_ok=True)
    made = [issue.make(Profile("root", "Test CA", "ecdsa-p256", days, "Test CA", path_length=1), keys.generate("ecdsa-p256"), None, NOW)]
    if middle:
        profile = Profile("intermediate", "Middle CA", "ecdsa-p256", days, "Test CA", path_length=0)
        made.append(issue.make(profile, keys.generate("ecdsa-p256"), made[0], NOW))
    for name, each in zip(("root", "intermediate"), made, strict=False):
        (directory / f"{name}.crt").write_bytes(each.certificate_pem)
        how = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
        pem = each.key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, how)
        (directory / f"{name}.key").write_bytes(pem)
    return made


@pytest.fixture
def ca(shell: Shell) -> list[Issued]:
    """A CA in the shell's directory `ca`."""
    return make_ca(shell.directory / "ca")


def issued(shell: Shell, *arguments: object) -> dict[str, dict[str, Any]]:
    """Run `issue --ca ca -o kits` and return what was issued, by role."""
    document = shell.json("issue", "--ca", "ca", "-o", "kits", *arguments)
    return {each["role"]: each for each in document["issued"]}


def test_a_kit_has_the_contracts_files_modes_and_owner(shell: Shell, ca: list[Issued]) -> None:
    document = shell.json("issue", "app", "a/b", "--ca", "ca", "-o", "kits")
    assert set(document) == {"command", "ok", "issued", "kept", "findings"}
    assert [each["role"] for each in document["issued"]] == ["app", "a/b"]
    for each, name in zip(document["issued"], ("app", "a%2Fb"), strict=True):
        assert set(each) == {"role", "directory", "certificate", "key", "not_after", "sha256"}
        place = shell.directory / "kits" / name
        assert Path(each["directory"]) == place
        assert (stat.S_IMODE(place.stat().st_mode), place.stat().st_uid) == (0o700, os.geteuid())
        assert {path.name: (stat.S_IMODE(path.stat().st_mode), path.stat().st_uid) for path in place.iterdir()} == {
            file: (mode, os.geteuid()) for file, mode in MODES.items()
        }
        leaf = read_certificates(Path(each["certificate"]).read_bytes())[0]
        assert issue.Issued(leaf, ca[0].key).sha256 == each["sha256"]
        assert f"{leaf.not_valid_after_utc:%Y-%m-%dT%H:%M:%SZ}" == each["not_after"]
        assert keys.matches(Path(each["key"]).read_bytes(), leaf)
    assert sorted(os.listdir(shell.directory / "kits")) == ["a%2Fb", "app"]
    assert stat.S_IMODE((shell.directory / "kits").stat().st_mode) == 0o700


def test_the_report_for_people_is_short_and_holds_no_secret(shell: Shell, ca: list[Issued]) -> None:
    done = shell.run("issue", "app", "--ca", "ca", "-o", "kits")
    assert done.returncode == 0
    assert "1 client certificate, signed by Test CA" in done.stdout
    assert "Test CA signs 1 client certificate" in done.stderr
    assert "PRIVATE" not in done.stdout + done.stderr
    assert shell.run("issue", "bob", "--ca", "ca", "-o", "kits", "-q").stderr == ""


@pytest.mark.parametrize("mask", [0o000, 0o077, 0o777])
def test_no_file_is_ever_wider_than_at_the_end_whatever_the_umask(mask: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every call that makes or fills something is looked at, and what stands at that moment."""
    make_ca(tmp_path / "ca")
    prepared = prepare(Wanted(("app", "bob"), tmp_path / "kits", tmp_path / "ca"), now=NOW, ca_passphrase=lambda _: None)
    (tmp_path / "kits").mkdir(mode=0o700)
    seen: list[tuple[str, int]] = []
    write = os.write

    def watching(descriptor: int, data: bytes) -> int:
        for path in (tmp_path / "kits").rglob("*"):
            mode = stat.S_IMODE(path.stat().st_mode)
            seen.append((path.name, mode))
            assert mode & ~(0o700 if path.is_dir() else MODES[path.name]) == 0
        status = os.fstat(descriptor)
        assert status.st_size == 0
        assert stat.S_IMODE(status.st_mode) in MODES.values()
        return write(descriptor, data)

    monkeypatch.setattr(os, "write", watching)
    before = os.umask(mask)
    try:
        with watched() as watch:
            carry_out(prepared, tmp_path / "kits", watch, lambda _: None)
    finally:
        os.umask(before)
    assert {name for name, _ in seen} > set(MODES)
    for name in ("app", "bob"):
        assert stat.S_IMODE((tmp_path / "kits" / name).stat().st_mode) == 0o700
        assert {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "kits" / name).iterdir()} == dict(MODES)


def test_an_intermediate_signs_when_it_is_there_and_goes_with_the_leaf(shell: Shell) -> None:
    root, middle = make_ca(shell.directory / "ca", middle=True)
    kit = issued(shell, "app")["app"]
    leaf, *following = read_certificates(Path(kit["certificate"]).read_bytes())
    assert following == [middle.certificate]
    leaf.verify_directly_issued_by(middle.certificate)
    assert (Path(kit["directory"]) / "root.crt").read_bytes() == root.certificate_pem


def test_a_list_of_roles_is_read_and_a_role_named_twice_is_told_once(shell: Shell, ca: list[Issued]) -> None:
    (shell.directory / "roles.txt").write_text("# shop\napp\n\n1st\nmy role\napp\nit's\n..\n", encoding="utf-8")
    document = shell.json("issue", "größe", "--roles-from", "roles.txt", "--ca", "ca", "-o", "kits")
    assert [each["role"] for each in document["issued"]] == ["größe", "app", "1st", "my role", "it's", ".."]
    assert [(each["code"], each["where"]) for each in document["findings"]] == [("role-named-twice", "roles.txt:6")]
    assert sorted(os.listdir(shell.directory / "kits")) == ["%2E%2E", "1st", "app", "gr%C3%B6%C3%9Fe", "it%27s", "my%20role"]


@pytest.mark.parametrize(
    ("arguments", "code", "where"),
    [
        (["app", "--ca", "nowhere"], "no-ca", "nowhere"),
        (["app", "--ca", "empty"], "no-ca", "empty/root.crt"),
        (["app"], "usage", None),
        (["--ca", "ca"], "usage", None),
        (["--ca", "ca", "--roles-from", "roles.txt"], "bad-role", "roles.txt:2"),
        (["--ca", "ca", "--roles-from", "missing.txt"], "unreadable-file", "missing.txt"),
        (["a\nb", "--ca", "ca"], "bad-role", None),
        (["x" * 65, "--ca", "ca"], "bad-role", None),
        (["app", "--ca", "ca", "--host", "/tmp"], "bad-host", "--host"),
        (["app", "--ca", "ca", "--root", "missing.crt"], "no-root", "missing.crt"),
        (["app", "--ca", "ca", "--root", "roles.txt"], "no-root", "roles.txt"),
        (["app", "--ca", "ca", "--p12-passphrase-file", "empty.txt"], "bad-passphrase", "empty.txt"),
        (["app", "--ca", "ca", "--p12-passphrase-prompt"], "no-terminal", "--p12-passphrase-prompt"),
    ],
)
def test_unusable_input_ends_with_2_and_makes_nothing(
    arguments: list[str], code: str, where: str | None, shell: Shell, ca: list[Issued]
) -> None:
    (shell.directory / "empty").mkdir()
    (shell.directory / "empty.txt").write_text("\nx\n")
    (shell.directory / "roles.txt").write_text("app\nbad\x01role\n")
    document = shell.json("issue", "-o", "kits", *arguments, code=2)
    (finding,) = document["findings"]
    assert (finding["code"], finding["where"]) == (code, where)
    assert document["issued"] == []
    assert not (shell.directory / "kits").exists()


def test_read_only_refuses(shell: Shell, ca: list[Issued]) -> None:
    assert shell.json("issue", "app", "--ca", "ca", "-o", "kits", "--read-only", code=3)["findings"][0]["code"] == "read-only"
    assert not (shell.directory / "kits").exists()


def test_an_encrypted_ca_key_opens_by_command_and_its_passphrase_is_never_printed(shell: Shell) -> None:
    make_ca(shell.directory / "ca", passphrase=b"open sesame")
    assert shell.json("issue", "app", "--ca", "ca", "-o", "kits", code=2)["findings"][0]["code"] == "ca-encrypted"
    (shell.directory / "phrase").write_text("open sesame\n")
    (shell.directory / "wrong").write_text("open barley\n")
    for command, code in (("cat wrong", "ca-passphrase"), ("false", "passphrase-command"), ("true", "bad-passphrase")):
        done = shell.run("issue", "app", "--ca", "ca", "-o", "kits", "--ca-passphrase-command", command, "--json")
        assert done.returncode == 2
        assert f'"{code}"' in done.stdout
        assert "barley" not in done.stdout + done.stderr
    assert "app" in issued(shell, "app", "--ca-passphrase-command", "cat phrase")


def test_a_terminal_is_asked_for_passphrases_and_shows_none(shell: Shell) -> None:
    make_ca(shell.directory / "ca", passphrase=b"open sesame")
    command = [sys.executable, "-m", "pgssl_wizard", "issue", "app", "--ca", "ca", "-o", "kits", "--p12-passphrase-prompt"]
    program = Program(["env", f"PYTHONPATH={CHECKOUT}", "sh", "-c", f'cd "{shell.directory}" && exec "$@"', "sh", *command])
    try:
        for prompt, answer in (
            ("for the PKCS#12 files: ", b"secret-one\n"),
            ("The same again: ", b"secret-one\n"),
            ("Passphrase of the CA's key: ", b"open barley\n"),
            ("CA's key: \r\nPassphrase of the CA's key: ", b"open sesame\n"),
        ):
            program.wait_for(prompt)
            program.press(answer)
        program.wait_for("README.txt in it")
        assert "secret-one" not in program.text()
        assert "open " not in program.text()
    finally:
        program.close()
    assert pkcs12.load_pkcs12((shell.directory / "kits" / "app" / "postgresql.p12").read_bytes(), b"secret-one").key is not None


def test_the_pkcs12_file_takes_the_passphrase_of_a_file(shell: Shell, ca: list[Issued]) -> None:
    (shell.directory / "phrase").write_text("größe\nsecond line\n", encoding="utf-8")
    kit = issued(shell, "app", "--p12-passphrase-file", "phrase")["app"]
    data = (Path(kit["directory"]) / "postgresql.p12").read_bytes()
    with pytest.raises(ValueError, match="password"):
        pkcs12.load_pkcs12(data, b"")
    assert pkcs12.load_pkcs12(data, "größe".encode()).key is not None
    assert not [path for path in Path(kit["directory"]).iterdir() if "größe".encode() in path.read_bytes()]


def test_files_of_other_names_and_another_root_are_taken(shell: Shell, ca: list[Issued]) -> None:
    (shell.directory / "ca").rename(shell.directory / "x")
    (shell.directory / "x" / "root.crt").rename(shell.directory / "x" / "our.pem")
    (shell.directory / "x" / "root.key").rename(shell.directory / "x" / "our-key.pem")
    other = make_ca(shell.directory / "server")[0]
    # A key that stands beside the certificate does not travel with it.
    (shell.directory / "both.pem").write_bytes(other.key_pem + other.certificate_pem)
    named = ("--ca-certificate", "x/our.pem", "--ca-key", "x/our-key.pem", "--root", "both.pem")
    document = shell.json("issue", "app", "-o", "kits", *named)
    place = Path(document["issued"][0]["directory"])
    assert (place / "root.crt").read_bytes() == other.certificate_pem
    read_certificates((place / "postgresql.crt").read_bytes())[0].verify_directly_issued_by(ca[0].certificate)


def test_a_ca_that_ends_sooner_shortens_the_certificate_with_a_word(shell: Shell) -> None:
    root = make_ca(shell.directory / "ca", days=30)[0]
    document = shell.json("issue", "app", "--ca", "ca", "-o", "kits")
    assert [finding["code"] for finding in document["findings"]] == ["certificate-shortened"]
    assert document["issued"][0]["not_after"] == f"{root.certificate.not_valid_after_utc:%Y-%m-%dT%H:%M:%SZ}"


def test_a_kit_that_stands_is_kept_or_in_the_way_and_never_overwritten(shell: Shell, ca: list[Issued]) -> None:
    first = issued(shell, "app")["app"]
    content = {path: path.read_bytes() for path in Path(first["directory"]).iterdir()}
    again = shell.json("issue", "app", "bob", "--ca", "ca", "-o", "kits")
    assert again["kept"] == [first]
    assert [each["role"] for each in again["issued"]] == ["bob"]
    assert [finding["code"] for finding in again["findings"]] == ["kit-kept"]
    moved = shell.json("issue", "app", "--ca", "ca", "-o", "kits", "--host", "elsewhere.example.com")
    assert [finding["code"] for finding in moved["findings"]] == ["kit-kept", "kit-with-other-settings"]
    refused = shell.json("issue", "app", "eve", "--ca", "ca", "-o", "kits", "--key", "ecdsa-p384", code=3)
    assert [finding["code"] for finding in refused["findings"]] == ["kit-in-the-way"]
    assert refused["issued"] == refused["kept"] == []
    assert content == {path: path.read_bytes() for path in Path(first["directory"]).iterdir()}
    assert sorted(os.listdir(shell.directory / "kits")) == ["app", "bob"]
    (shell.directory / "kits" / "file").write_text("somebody's")
    assert shell.json("issue", "file", "--ca", "ca", "-o", "kits", code=3)["findings"][0]["code"] == "kit-in-the-way"
    assert (shell.directory / "kits" / "file").read_text() == "somebody's"


@pytest.mark.parametrize("kind", ["file", "directory", "link", "full"])
def test_what_gets_the_name_meanwhile_is_not_replaced(kind: str, tmp_path: Path) -> None:
    make_ca(tmp_path / "ca")
    output = tmp_path / "kits"
    prepared = prepare(Wanted(("app",), output, tmp_path / "ca"), now=NOW, ca_passphrase=lambda _: None)
    output.mkdir()
    place = output / "app"
    if kind == "file":
        place.write_text("x")
    elif kind == "link":
        place.symlink_to("/nowhere")
    else:
        place.mkdir()
        if kind == "full":
            (place / "x").write_text("x")
    with watched() as watch, pytest.raises(Exception, match="meanwhile"):
        carry_out(prepared, output, watch, lambda _: None)
    assert os.listdir(output) == ["app"]
    assert not (place / "postgresql.key").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_cancelled_run_leaves_complete_kits_only_and_the_next_makes_the_rest(
    number: signal.Signals, shell: Shell, ca: list[Issued]
) -> None:
    roles = shell.directory / "roles.txt"
    roles.write_text("".join(f"role{each}\n" for each in range(400)))
    (shell.directory / "phrase").write_text("x")
    command = ["issue", "--roles-from", "roles.txt", "--ca", "ca", "-o", "kits", "--p12-passphrase-file", "phrase", "--json"]
    process = subprocess.Popen(
        [sys.executable, "-m", "pgssl_wizard", *command],
        cwd=shell.directory,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(CHECKOUT), "HOME": str(shell.directory)},
    )
    kits = shell.directory / "kits"
    while process.poll() is None and not (kits.exists() and any(not name.startswith(".") for name in os.listdir(kits))):
        os.sched_yield()
    process.send_signal(number)
    out, err = process.communicate()
    assert process.returncode == 128 + number, out + err
    assert "Traceback" not in err
    assert '"stopped"' in out
    names = os.listdir(kits)
    assert 0 < len(names) < 400
    for name in names:
        assert sorted(os.listdir(kits / name)) == sorted(MODES)
    document = shell.json(*command[:-1])
    assert len(document["kept"]) == len(names)
    assert len(os.listdir(kits)) == 400


def test_what_a_killed_run_left_is_removed_by_the_next_and_a_running_one_is_left_alone(shell: Shell, ca: list[Issued]) -> None:
    issued(shell, "app")
    left = shell.directory / "kits" / ".bob.0123456789ab.pgssl-wizard"
    left.mkdir()
    (left / "postgresql.key").write_text("half")
    with on_disk._opened(shell.directory / "kits"):
        assert shell.json("issue", "bob", "--ca", "ca", "-o", "kits", code=3)["findings"][0]["code"] == "busy"
        assert left.exists()
    issued(shell, "bob")
    assert sorted(os.listdir(shell.directory / "kits")) == ["app", "bob"]


def test_a_full_disk_leaves_no_half_kit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_ca(tmp_path / "ca")
    output = tmp_path / "kits"
    prepared = prepare(Wanted(("app", "bob"), output, tmp_path / "ca"), now=NOW, ca_passphrase=lambda _: None)
    write, count = os.write, 0

    def full(descriptor: int, data: bytes) -> int:
        nonlocal count
        count += 1
        if count > 8:
            raise OSError(28, "No space left on device")
        return write(descriptor, data)

    monkeypatch.setattr(os, "write", full)
    with watched() as watch, pytest.raises(Exception, match="No space left"):
        carry_out(prepared, output, watch, lambda _: None)
    assert os.listdir(output) == []


@pytest.mark.parametrize("release", ["4.18.0-553.el8", "6.1.0"])
def test_every_kit_is_brought_to_the_disk_before_it_gets_its_name(release: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_ca(tmp_path / "ca")
    output = tmp_path / "kits"
    roles = tuple(f"role{number}" for number in range(10))
    prepared = prepare(Wanted(roles, output, tmp_path / "ca"), now=NOW, ca_passphrase=lambda _: None)
    output.mkdir()
    monkeypatch.setattr("platform.release", lambda: release)
    events: list[str] = []
    fsync, rename = os.fsync, os.rename

    def synced(descriptor: int) -> None:
        events.append("directory" if os.path.samestat(os.fstat(descriptor), output.stat()) else "file")
        fsync(descriptor)

    def renamed(*arguments: Any, **named: Any) -> None:
        events.append("name")
        rename(*arguments, **named)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "rename", renamed)
    with watched() as watch:
        carry_out(prepared, output, watch, lambda _: None)
    alone = release.startswith("4") or sys.platform != "linux"
    assert events == ["file"] * (10 * 7 if alone else 0) + ["name"] * 10 + ["directory"]


def test_progress_is_told_at_once_and_while_kits_are_made(shell: Shell, ca: list[Issued]) -> None:
    (shell.directory / "roles.txt").write_text("".join(f"role{each}\n" for each in range(4)))
    process = subprocess.Popen(
        [sys.executable, "-m", "pgssl_wizard", "issue", "--roles-from", "roles.txt", "--ca", "ca", "-o", "kits", "--key", "rsa-4096"],
        cwd=shell.directory,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(CHECKOUT), "HOME": str(shell.directory)},
    )
    assert process.stderr is not None
    assert "signs 4 client certificates" in process.stderr.readline()
    assert not [name for name in os.listdir(shell.directory) if name == "kits" and len(os.listdir(shell.directory / name)) == 4]
    process.communicate()
    assert process.returncode == 0


ROLES = ("app", "my role", 'quo"te', "größe", "a/b")


@pytest.fixture
def guarded(major: int, tmp_path: Path) -> Any:
    """A running cluster that lets nobody in over TCP without a certificate, its CA, and the kits of some roles."""
    hba = "local all all peer\nhostssl all all 127.0.0.1/32 cert\nhostssl all all ::1/128 cert\n"
    with RealCluster.make(tmp_path, major, hba=hba) as cluster:
        root, middle = make_ca(tmp_path / "ca", middle=True)
        profile = Profile("server", "localhost", "ecdsa-p256", 30, "Middle CA", ("localhost", "127.0.0.1"))
        server = issue.make(profile, keys.generate("ecdsa-p256"), middle, NOW)
        cluster.write("server.key", server.key_pem)
        cluster.write("server.crt", server.certificate_pem + middle.certificate_pem)
        cluster.write("root.crt", root.certificate_pem)
        cluster.set(ssl="on", ssl_ca_file="root.crt")
        cluster.start()
        for role in ROLES[1:]:
            cluster.sql('create role "{}" login'.format(role.replace('"', '""')))
        wanted = Wanted(ROLES, tmp_path / "kits", tmp_path / "ca", connection=Connection("localhost", cluster.port, "app"))
        with watched() as watch:
            made: list[Kit] = []
            carry_out(prepare(wanted, now=NOW, ca_passphrase=lambda _: None), tmp_path / "kits", watch, made.append)
        yield {kit.role: tmp_path / "kits" / kit.directory for kit in made}


def settings_in(kit: Path, start: str = "  host=") -> str:
    """Return a line of a kit's README.txt as it stands."""
    return next(line for line in (kit / "README.txt").read_text(encoding="utf-8").split("\n") if line.startswith(start)).strip()


def test_a_kit_lets_exactly_its_role_in(guarded: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    for role, kit in guarded.items():
        monkeypatch.chdir(kit)
        with psycopg.connect(settings_in(kit)) as connection:
            row = connection.execute("select current_user, ssl, client_dn from pg_stat_ssl where pid = pg_backend_pid()").fetchone()
        assert row is not None
        assert row[:2] == (role, True)
        other = "app" if role != "app" else "my role"
        with pytest.raises(psycopg.OperationalError, match="certificate authentication failed"):
            psycopg.connect(settings_in(kit), user=other)
    with pytest.raises(psycopg.OperationalError, match="certificate"):
        psycopg.connect(settings_in(kit), sslcert="none", sslkey="none")


@pytest.mark.skipif(shutil.which("psql") is None, reason="psql is not installed")
def test_the_line_for_psql_runs_in_a_shell_as_it_stands(guarded: dict[str, Path]) -> None:
    for role, kit in guarded.items():
        command = settings_in(kit, "  psql ") + " -XAtc 'select current_user'"
        done = subprocess.run(["/bin/sh", "-c", command], check=False, capture_output=True, text=True, cwd=kit)
        assert (done.stdout.strip(), done.returncode) == (role, 0), done.stderr


def test_python_runs_the_line_for_psycopg_as_it_stands(guarded: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    for role, kit in guarded.items():
        monkeypatch.chdir(kit)
        with eval(settings_in(kit, "  psycopg.connect("), {"psycopg": psycopg}) as connection:  # noqa: S307 - our own text
            assert connection.info.user == role


def test_a_strict_verifier_s_objection_is_told(tmp_path: Path) -> None:
    key = keys.generate("ecdsa-p256")
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Old CA")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, NOW, NOW.replace(year=NOW.year + 1))
    old = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=False).sign(key, issue.digest_for(key))
    place = tmp_path / "ca"
    place.mkdir()
    (place / "root.crt").write_bytes(Issued(old, key).certificate_pem)
    (place / "root.key").write_bytes(Issued(old, key).key_pem)
    prepared = prepare(Wanted(("app",), tmp_path / "kits", place), now=NOW, ca_passphrase=lambda _: None)
    assert "strict-verifier-objects" in [finding.code for finding in prepared.findings]
    assert len(list(workers.make(prepared.order, prepared.make))) == 1
    assert Maker(prepared.order).certificate("app").certificate.issuer == name
