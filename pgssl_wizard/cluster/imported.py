"""Files that a person brings for an import: opened, put together, and told as facts. No private key leaves this module."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pgssl_wizard.answers import Answers
from pgssl_wizard.cluster.certificates import certificates_beside_key, fact_about, read
from pgssl_wizard.cluster.facts import Cluster, FileFact
from pgssl_wizard.cluster.reading import fact_of
from pgssl_wizard.cluster.standing import Imported
from pgssl_wizard.errors import UnusableInput
from pgssl_wizard.findings import Finding, Topic
from pgssl_wizard.server import passphrase
from pgssl_wizard.server.identity import Identity

if TYPE_CHECKING:
    from pgssl_wizard.certificates.assemble import Assembled, KeyAtHand
    from pgssl_wizard.certificates.given import Fault, Given
    from pgssl_wizard.certificates.load import Key, Objects

#: The key of the answers that names the command, for messages.
COMMAND = "certificate.import_passphrase_command"
#: What is said of the key and not of the certificate.
_KEY_CODES = frozenset({"key-mismatch", "no-key", "key-encrypted", "key-type", "weak-key", "eddsa-key"})


def asked(answers: Answers) -> bool:
    """Whether the answers import a certificate: by `import`, or as the answer to a request."""
    certificate = answers.certificate
    return certificate.source == "import" or (certificate.source == "request" and bool(certificate.import_certificate))


def files_of(answers: Answers) -> dict[Path, FileFact]:
    """Return a fact for each file that is brought; they may hold keys, so their bytes are let go."""
    named = [*answers.certificate.import_certificate, *([answers.certificate.import_key] if answers.certificate.import_key else [])]
    return {path: fact_of(path, secret=True) for path in named}


def look(
    cluster: Cluster, answers: Answers, files: Mapping[Path, FileFact], now: datetime, standing_passphrase: bytes | None = None
) -> Imported:
    """Return what the files hold, put together.

    Args:
        cluster: for a request that waits.
        answers: which name the files and the command that opens them.
        files: a fact for each of them, and for the key at the server's place.
        now: with a time zone.
        standing_passphrase: what opens the server's own key, and one that waits.

    Raises:
        UnusableInput: the command for the passphrase does not work.
    """
    from pgssl_wizard.certificates.assemble import assemble  # noqa: PLC0415 - with it comes `cryptography`

    opener = _Opener(answers.certificate.import_passphrase_command, standing_passphrase)
    missing = tuple(_missing(answers, files))
    brought = [given for path in answers.certificate.import_certificate if (given := opener.given(path)) is not None]
    keys = list(_keys(cluster, answers, brought, opener))
    found = assemble([_public(given) for given in brought], keys, now)
    # Where no file can be read there is nothing to say of what they hold.
    told = [_finding(fault) for fault in found.faults] if brought or not missing else []
    if found.leaf is None and (only := _only_cas(brought)) is not None:
        told = [only, *(finding for finding in told if finding.code not in _KEY_CODES)]
    facts = _facts(found, answers, (*missing, *told), opener, brought)
    return facts if facts.key_stands else replace(facts, findings=(*facts.findings, *_about_key(cluster, answers, found, opener)))


def passphrase_by_command(command: str) -> bytes:
    """Return the first line that the command for what is brought prints; it is run as the person, where the person is.

    Raises:
        UnusableInput: it cannot be run, fails, does not end, or prints nothing.
    """
    try:
        # Percent signs are the person's own here; only the server replaces them.
        line = command.replace("%", "%%")
        return passphrase.ask(line, Identity.current(), Path(), os.environ, where=COMMAND)
    except UnusableInput as error:
        raise UnusableInput(
            error.message,
            where=COMMAND,
            hint="Try it by hand: it has to print the passphrase as its first line and end, without asking anybody.",
            code=error.code,
        ) from None


@dataclass(slots=True)
class _Opener:
    """Reads files, and asks for the passphrase once, when the first of them needs it."""

    command: str
    standing: bytes | None = field(repr=False)
    _asked: bytes | None = field(default=None, repr=False)

    def given(self, path: Path) -> Given | None:
        """Return what a file holds, None when it cannot be read."""
        from pgssl_wizard.certificates.given import Given  # noqa: PLC0415

        objects = self.objects(path)
        return None if objects is None else Given(path, "server-certificate", objects)

    def objects(self, path: Path, *, standing: bool = False) -> Objects | None:
        """Return what a file holds, None when it cannot be read; `standing`: by the passphrase of the server's own key first."""
        from pgssl_wizard.certificates.load import load  # noqa: PLC0415

        try:
            data = path.read_bytes() if path.is_file() else None
        except (OSError, ValueError):
            return None
        if data is None:
            return None
        objects = load(data, self.standing if standing else None)
        if _shut(objects) and self.command:
            objects = load(data, self._passphrase())
        return objects

    def _passphrase(self) -> bytes:
        if self._asked is None:
            self._asked = passphrase_by_command(self.command)
        return self._asked


def _shut(objects: Objects) -> bool:
    problems = {problem.code for problem in objects.problems}
    return bool(problems & {"passphrase-needed", "wrong-passphrase"}) or any(key.encrypted and key.public is None for key in objects.keys)


def _missing(answers: Answers, files: Mapping[Path, FileFact]) -> Iterator[Finding]:
    """Yield which files cannot be read."""
    certificate = answers.certificate
    named = [(path, "certificate.import_certificate") for path in certificate.import_certificate]
    named += [(certificate.import_key, "certificate.import_key")] if certificate.import_key else []
    for path, key in named:
        fact = files[path]
        if not fact.exists:
            yield Finding("error", "import-unreadable", f"There is no file {path}.", f"Name it in {key}.", str(path), "key")
        elif fact.problem:
            yield Finding(
                "error", "import-unreadable", f"This file cannot be used: {fact.problem}.", f"Name it in {key}.", str(path), "key"
            )


def _keys(cluster: Cluster, answers: Answers, brought: Sequence[Given], opener: _Opener) -> Iterator[KeyAtHand]:
    """Yield the keys among which the certificate's is: those that are named or brought, then what waits, then what stands."""
    from pgssl_wizard.certificates.assemble import KeyAtHand  # noqa: PLC0415

    def inside(path: Path, objects: Objects | None) -> Iterator[KeyAtHand]:
        from pgssl_wizard.certificates.request import public_sha256  # noqa: PLC0415

        for key in objects.keys if objects is not None else ():
            yield KeyAtHand(path, public_sha256(key.public) if key.public is not None else None)

    named = answers.certificate.import_key
    if named is not None:
        yield from inside(named, opener.objects(named))
        return
    for given in brought:
        yield from inside(given.path, given.objects)
    if cluster.requested is not None:
        # The record knows the public half, so that a key with a passphrase need not be opened for it.
        yield KeyAtHand(cluster.requested.key, cluster.requested.public_sha256)
    place = answers.files.key
    if place not in {given.path for given in brought}:
        yield from inside(place, opener.objects(place, standing=True))


def _public(given: Given) -> Given:
    """Return a file without its private keys."""
    return replace(given, objects=replace(given.objects, keys=tuple(replace(key, value=None) for key in given.objects.keys)))


def _only_cas(brought: Sequence[Given]) -> Finding | None:
    """Return that there are certificates and all of them are CAs'; None where one may be a server's."""
    from pgssl_wizard.certificates.given import called  # noqa: PLC0415
    from pgssl_wizard.certificates.read import is_ca  # noqa: PLC0415

    pool = [(given.path, each.value) for given in brought for each in given.objects.certificates]
    if not pool or not all(is_ca(each) for _, each in pool):
        return None
    facts = [fact_about(each, "root", path) for path, each in pool]
    # A server's certificate made by `openssl req -x509` says that it is a CA.
    if any(fact is None or fact.names or "." in fact.common_name for fact in facts):
        return None
    who = ", ".join(dict.fromkeys(called(each) for _, each in pool))
    told = f"There is no server certificate here, only certificates of CAs: {who}."
    hint = "Add the certificate that the CA made for this server to certificate.import_certificate; it answers a request (certificate.source = request)."
    return Finding("error", "no-server-certificate", told, hint, str(pool[0][0]), "certificate")


def _about_key(cluster: Cluster, answers: Answers, found: Assembled, opener: _Opener) -> Iterator[Finding]:
    """Yield that the certificate's key is written without the passphrase that it came with, or that nothing here opens it."""
    from pgssl_wizard.certificates.request import public_sha256  # noqa: PLC0415

    if found.leaf is None or found.key is None or answers.certificate.passphrase != "none":
        # With a passphrase of its own, what is to open the key is asked at apply.
        return
    source = found.key.path
    objects = opener.objects(source)
    if objects is None:
        return
    own = public_sha256(found.leaf.public_key())
    key = next((each for each in objects.keys if each.public is not None and public_sha256(each.public) == own), None)
    if key is None:
        waits = cluster.requested is not None and source == cluster.requested.key
        if waits and _shut(objects):
            what = "does not open it" if opener.command else "is not set"
            told = f"The key that waited for this certificate asks for a passphrase, and {COMMAND} {what}."
            hint = f"Name a command that prints the passphrase that the key got with the request: {COMMAND}."
            yield Finding("error", "key-encrypted", told, hint, str(source), "key")
    elif _comes_shut(source, key):
        told = f"The key comes with a passphrase and is written to {answers.files.key} without one: the server then starts by itself."
        yield Finding("info", "key-passphrase-left-out", told, "To keep one, set certificate.passphrase.", str(source), "key")


def _comes_shut(source: Path, key: Key) -> bool:
    """Whether a key that is open now is of no use without a passphrase; of PKCS#12 the whole file is."""
    from pgssl_wizard.certificates.load import load  # noqa: PLC0415

    if key.encrypted or key.form != "PKCS#12":
        return key.encrypted
    try:
        return _shut(load(source.read_bytes()))
    except OSError:
        return False


def _roots_alone(path: Path | None, brought: Sequence[Given]) -> bool:
    """Whether a file holds nothing but roots, so that clients can be given it."""
    from pgssl_wizard.certificates.chain import self_signed  # noqa: PLC0415

    inside = [each.value for given in brought if given.path == path for each in given.objects.certificates]
    return all(self_signed(each) for each in inside)


def _facts(found: Assembled, answers: Answers, findings: tuple[Finding, ...], opener: _Opener, brought: Sequence[Given]) -> Imported:
    from cryptography.hazmat.primitives.serialization import Encoding  # noqa: PLC0415

    from pgssl_wizard.certificates.request import public_sha256  # noqa: PLC0415

    if found.leaf is None or found.leaf_file is None:
        return Imported(findings=findings)
    leaf = fact_about(found.leaf, "server", found.leaf_file)
    if leaf is None:
        odd = Finding("error", "odd-certificate", "The fields of the certificate cannot be read.", None, str(found.leaf_file), "key")
        return Imported(findings=(odd, *findings))
    files = answers.files
    pair = files.certificate == files.key
    standing = certificates_beside_key(files.key) if pair else fact_of(files.certificate).data
    own = public_sha256(found.leaf.public_key())
    held = opener.objects(files.key, standing=True)
    keys = [key for key in held.keys[:1] if held.format == "PEM"] if held is not None else []
    wanted = answers.certificate.passphrase
    stands = read(standing or b"") == [found.leaf, *found.between]

    def is_ours(key: Key) -> bool:
        """Whether the server's key is the certificate's; one that only a person can open is taken on trust beside its certificate."""
        if key.encrypted != (wanted != "none"):
            return False
        return public_sha256(key.public) == own if key.public is not None else stands and wanted == "prompt"

    between = [fact_about(each, "intermediate", found.leaf_file) for each in found.between]
    return Imported(
        leaf=leaf,
        between=tuple(each for each in between if each is not None),
        root=fact_about(found.root, "root", found.root_file or found.leaf_file) if found.root is not None else None,
        pem=b"".join(each.public_bytes(Encoding.PEM) for each in (found.leaf, *found.between)),
        root_pem=found.root.public_bytes(Encoding.PEM) if found.root is not None else b"",
        root_file=found.root_file if _roots_alone(found.root_file, brought) else None,
        key_file=found.key.path if found.key is not None else None,
        public_sha256=own,
        key_stands=any(is_ours(key) for key in keys),
        certificate_stands=stands,
        findings=findings,
    )


def _finding(fault: Fault) -> Finding:
    """Return what is said of a file as a finding of the step on which the files are named."""
    topic: Topic = "key" if fault.code in _KEY_CODES else "certificate"
    where = f"{fault.path}:{fault.line}" if fault.line else str(fault.path)
    return Finding(fault.severity, fault.code, fault.what, fault.hint, where, topic)
