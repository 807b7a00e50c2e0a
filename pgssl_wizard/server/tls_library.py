"""What the server's own TLS library makes of settings: the library that the server loads is asked, in a child process and as its user.

Nothing else answers for it: which suites a word such as HIGH means differs between versions and builds, and the host's openssl.cnf
has a say. Where that library cannot be loaded here, `openssl ciphers` of the same version answers; else nobody does.
"""

from __future__ import annotations

import functools
import json
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pgssl_wizard.protocol import suites
from pgssl_wizard.protocol.suites import ASKED_GROUPS, Offer, Question, TlsLibrary
from pgssl_wizard.server import command_line, programs
from pgssl_wizard.server.identity import Identity

#: How long the child may take, in seconds; it takes 0.05.
_PATIENCE = 20.0


@dataclass(frozen=True, slots=True)
class Place:
    """Where a server's TLS library is, and how it is loaded there.

    Attributes:
        libssl, libcrypto: the files; `libcrypto` None where `libssl` finds it itself.
        identity: who loads it: the server's user, since its openssl.cnf may load more.
        environment: as the server has it.
    """

    libssl: Path
    libcrypto: Path | None
    identity: Identity
    environment: Mapping[str, str]


#: What was told, by everything that it depends on.
_told: dict[tuple[object, ...], Mapping[str, Any] | None] = {}


def find(postgres: Path, identity: Identity, pid: int | None = None) -> Place | None:
    """Return where the library of this server program is; of the running process, when there is one. None: it has none of its own."""
    running = command_line.environment(pid) if pid is not None else {}
    loaded = _loaded_by(pid) if pid is not None else []
    libraries = loaded or list(programs.tls_libraries(postgres))
    libssl = next((path for path in libraries if path.name.startswith("libssl")), None)
    if libssl is None:
        return None
    libcrypto = next((path for path in libraries if path.name.startswith("libcrypto")), None)
    # Whoever may see what a process has loaded may see its variables too, also that there are none.
    return Place(libssl, libcrypto, identity, identity.environment(running if loaded else running or None))


def library(place: Place) -> TlsLibrary | None:
    """Return what the library says of itself; None when it cannot be loaded here."""
    told = _ask(place, ())
    if told is None:
        return None
    system = told["system"]
    directory = re.sub(r'^OPENSSLDIR: "(.*)"$', r"\1", told["directory"])
    return TlsLibrary(told["version"], directory, tuple(told["groups"]), system["minimum"], system["maximum"], system["level"])


def offers(place: Place, questions: Sequence[Question]) -> tuple[Offer, ...] | None:
    """Return what a server offers with each of these settings; None when the library cannot be loaded here."""
    told = _ask(place, tuple(questions))
    if told is None:
        return None
    return tuple(
        suites.offer(told["version"], question, each, told["groups"]) for question, each in zip(questions, told["offers"], strict=True)
    )


def offers_by_program(version: str, questions: Sequence[Question], program: str = "openssl") -> tuple[Offer, ...] | None:
    """Return the same from `openssl ciphers`, where that program is of the same version; without bounds of the host's and groups.

    Args:
        version: of the server's library, `3.0.19`.
        questions: the settings.
        program: of OpenSSL.
    """
    # Its library counts, which may be newer than the program: `OpenSSL 3.0.19 27 Jan 2026 (Library: OpenSSL 3.0.20 …)`.
    said = re.search(r"(?:Library: )?(OpenSSL [^()]*?)\)?\s*$", _output([program, "version"]) or "")
    if said is None or not said[1].startswith(f"OpenSSL {version} "):
        return None
    return tuple(_by_program(program, said[1], question) for question in questions)


def _ask(place: Place, questions: tuple[Question, ...]) -> Mapping[str, Any] | None:
    configuration = place.environment.get("OPENSSL_CONF", "")
    key = (place.libssl, _stamp(place.libssl), configuration, _stamp(Path(configuration)), place.identity.uid, questions)
    if key not in _told:
        _told[key] = _run(place, questions)
    return _told[key]


def _run(place: Place, questions: Iterable[Question]) -> Mapping[str, Any] | None:
    who = place.identity
    request = {
        "uid": None if who.is_us else who.uid,
        "gid": who.gid,
        "groups": list(who.groups),
        "libssl": str(place.libssl),
        "libcrypto": str(place.libcrypto) if place.libcrypto else None,
        "groups_asked": ASKED_GROUPS,
        "questions": [asdict(question) for question in questions],
        "keys": _throwaway_keys() if any(question.minimum in suites.OLD_VERSIONS for question in questions) else {},
    }
    # It starts as ourselves, since Python may lie where the server's user cannot read, and becomes that user before it loads anything.
    # What another user's environment names must not be loaded before: the loader's own variables stay away.
    environment = {name: value for name, value in place.environment.items() if name.startswith("OPENSSL_")}
    try:
        done = subprocess.run(
            [sys.executable, "-I", str(Path(__file__).with_name("tls_library_child.py"))],
            check=False,
            input=json.dumps(request).encode(),
            capture_output=True,
            timeout=_PATIENCE,
            env={"PATH": place.environment.get("PATH", ""), "LC_ALL": "C", **environment},
            cwd="/",
            start_new_session=True,
        )
        told = json.loads(done.stdout) if done.returncode == 0 else {"problem": "it ended"}
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None
    return None if "problem" in told else told


@functools.cache
def _throwaway_keys() -> dict[str, list[str]]:
    """Return a certificate and key of each kind, DER as hex, for handshakes that never leave the memory of the child."""
    from cryptography import x509  # noqa: PLC0415 - only where an old version of TLS is asked for
    from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec, rsa  # noqa: PLC0415

    name = x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, "throwaway")])
    made = {}
    for kind, key in (("RSA", rsa.generate_private_key(65537, 2048)), ("ECDSA", ec.generate_private_key(ec.SECP256R1()))):
        certificate = (
            x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
            .not_valid_before(datetime(2000, 1, 1, tzinfo=UTC))
            .not_valid_after(datetime(2100, 1, 1, tzinfo=UTC))
            .sign(key, hashes.SHA256())
        )
        form = serialization.PrivateFormat.TraditionalOpenSSL
        private = key.private_bytes(serialization.Encoding.DER, form, serialization.NoEncryption())
        made[kind] = [certificate.public_bytes(serialization.Encoding.DER).hex(), private.hex()]
    return made


def _loaded_by(pid: int) -> list[Path]:
    """Return the TLS libraries that a running process has loaded and that are still there; none when we may not look."""
    try:
        maps = Path(f"/proc/{pid}/maps").read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return []
    found = dict.fromkeys(re.findall(r"\s(/\S*/lib(?:ssl|crypto)[-.]\S+)$", maps, re.MULTILINE))
    paths = [Path(path) for path in found]
    return paths if all(path.is_file() for path in paths) else []


def _stamp(path: Path) -> int | None:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return None


#: One line of `openssl ciphers -v`: name, version, and what it is made of.
_LINE = re.compile(r"^(\S+)\s+(\S+)\s+Kx=(\S+)\s+Au=(\S+)\s+Enc=(\S+)\s+Mac=(\S+)")
_PROGRAM_OPTIONS = {"TLSv1": "-tls1", "TLSv1.1": "-tls1_1", "TLSv1.2": "-tls1_2", "TLSv1.3": "-tls1_3"}


def _by_program(program: str, version: str, question: Question) -> Offer:
    extra = ["-ciphersuites", question.tls13_ciphers] if question.tls13_ciphers else []
    listed = _output([program, "ciphers", "-v", *extra, question.ciphers])
    if listed is None:
        return Offer(version, question, refusal=suites.Refusal("ciphers", "could not set the cipher list (no valid ciphers available)"))
    facts = {name: told for line in listed.splitlines() for name, told in _facts(line)}
    low = suites.VERSIONS.index(question.minimum) if question.minimum in suites.VERSIONS else 0
    high = suites.VERSIONS.index(question.maximum) if question.maximum in suites.VERSIONS else len(suites.VERSIONS) - 1
    offered = {}
    for each in suites.VERSIONS[low : high + 1]:
        lines = (_output([program, "ciphers", "-v", "-s", _PROGRAM_OPTIONS[each], *extra, question.ciphers]) or "").splitlines()
        offered[each] = [name for line in lines for name, _ in _facts(line)]
    return suites.offer(version, question, {"refusal": None, "level": 1, "versions": offered, "suites": facts, "listed": list(facts)})


def _facts(line: str) -> Iterable[tuple[str, dict[str, object]]]:
    found = _LINE.match(line)
    if found is None:
        return
    name, _, exchange, authentication, encryption, digest = found.groups()
    bits = re.search(r"\((\d+)\)", encryption)
    words = {"ECDH": "ECDHE", "DH": "DHE", "None": "none"}
    yield (
        name,
        {
            "bits": int(bits.group(1)) if bits else 0,
            "exchange": words.get(exchange, exchange),
            "authentication": words.get(authentication, authentication),
            "encryption": "" if encryption == "None" else encryption.replace("3DES", "DES-EDE3"),
            "digest": "" if digest == "AEAD" else digest,
            "aead": digest == "AEAD",
        },
    )


def _output(command: Sequence[str]) -> str | None:
    try:
        done = subprocess.run(
            command,
            check=False,
            capture_output=True,
            timeout=_PATIENCE,
            stdin=subprocess.DEVNULL,
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"},
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode(errors="replace") if done.returncode == 0 else None
