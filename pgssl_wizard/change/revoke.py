"""Certificates revoked, and the lists of a CA kept current: `root.crl` and `intermediate.crl` beside the CA's certificates."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from pgssl_wizard.certificates import revocation
from pgssl_wizard.certificates.authority import Passphrase, open_authority, signed_by, upwards
from pgssl_wizard.certificates.given import called
from pgssl_wizard.certificates.issue import Issued
from pgssl_wizard.certificates.kits import CERTIFICATE
from pgssl_wizard.certificates.load import load
from pgssl_wizard.certificates.read import extension, fingerprint, is_ca, read_certificates
from pgssl_wizard.certificates.revocation import Entry
from pgssl_wizard.change import write
from pgssl_wizard.change.ca_files import read_ca_file, signing_files
from pgssl_wizard.change.write import FileState, read_state
from pgssl_wizard.errors import Refused, UnusableInput
from pgssl_wizard.findings import Finding


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a person asks for.

    Attributes:
        certificates: files, or the directories of kits.
        serials: of certificates that are not at hand; of the CA that signs clients.
        ca: the CA's directory; None when certificate and key are named.
        ca_certificate, ca_key: instead of what lies in `ca`.
        reason: one of `revocation.REASONS`.
        days: how long the lists live.
        renew: make the lists anew even if they are still good; so does asking for no certificate.
    """

    certificates: tuple[Path, ...] = ()
    serials: tuple[int, ...] = ()
    ca: Path | None = None
    ca_certificate: Path | None = None
    ca_key: Path | None = None
    reason: str = "unspecified"
    days: int = revocation.DAYS
    renew: bool = False


@dataclass(frozen=True, slots=True)
class Revoked:
    """One certificate that is on its CA's list now; `certificate`, `subject` and `sha256` are None when only its number is known."""

    certificate: Path | None
    subject: str | None
    serial: int
    sha256: str | None
    reason: str
    already: bool


@dataclass(frozen=True, slots=True)
class StandingList:
    """A CA's list as it stands now; `written`: this run has made it."""

    path: Path
    issuer: str
    value: x509.CertificateRevocationList
    written: bool


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was done: certificates in the order of asking, lists from the signing CA upwards."""

    revoked: tuple[Revoked, ...]
    lists: tuple[StandingList, ...]
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class _Ca:
    """A CA and its files; None where a file of it is not known."""

    certificate: x509.Certificate
    file: Path | None
    key: Path | None

    @property
    def list_file(self) -> Path | None:
        """Where its list is kept."""
        return self.file.with_suffix(".crl") if self.file else None


@dataclass(frozen=True, slots=True)
class _Asked:
    """One certificate to be revoked, and the CA whose it is."""

    ca: _Ca
    serial: int
    path: Path | None = None
    certificate: x509.Certificate | None = None


def revoke(wanted: Wanted, *, now: datetime, ca_passphrase: Passphrase) -> Outcome:
    """Put certificates on the lists of their CAs and see that every CA above clients has a current list.

    Nothing is written before everything that was asked for is known to be possible.

    Args:
        wanted: what is asked for.
        now: the time, with a time zone.
        ca_passphrase: asked when a CA's key is encrypted.

    Raises:
        UnusableInput: no CA or certificate there, or none that can be used.
        Refused: a certificate of another CA, a standing list that is not this CA's, or files that cannot be written.
    """
    certificate, key = signing_files(wanted.ca, wanted.ca_certificate, wanted.ca_key)
    with _alone_in(certificate.parent):
        run = _Run(wanted, certificate, key, now, ca_passphrase)
        return run.carry_out()


class _Run:
    """One run of `revoke`."""

    def __init__(self, wanted: Wanted, certificate: Path, key: Path, now: datetime, passphrase: Passphrase) -> None:
        self.wanted = wanted
        self.now = now
        self.passphrase = passphrase
        self.findings: list[Finding] = []
        found = read_certificates(read_ca_file(certificate))
        if not found:
            raise UnusableInput("There is no certificate in this file.", where=str(certificate), code="ca-unusable")
        directory = wanted.ca or certificate.parent
        self.files: list[tuple[Path, Path, list[x509.Certificate]]] = [(certificate, key, found)]
        for name in ("intermediate", "root"):
            path = directory / f"{name}.crt"
            if path != certificate:
                self.files.append((path, path.with_suffix(".key"), read_certificates(read_state(path).data or b"")))
        self.pool = [each for _, _, held in self.files for each in held]
        chain, root = upwards(found[0], self.pool)
        self.above = [self._ca(each) for each in (*chain, *([root] if root is not None else []))]
        self.rootless = root is None
        self.signers: dict[Path, Issued] = {}
        self.states: dict[Path, FileState] = {}
        self.standing: dict[Path, x509.CertificateRevocationList | None] = {}

    def carry_out(self) -> Outcome:
        """Look at everything, then sign, then write."""
        asked = self._asked()
        entries: dict[Path, list[Entry]] = {}
        revoked: list[Revoked] = []
        for each in asked:
            revoked.append(self._revoked(each))
            if not revoked[-1].already:
                assert each.ca.list_file is not None
                entries.setdefault(each.ca.list_file, []).append(Entry(each.serial, self.wanted.reason))
        renew = self.wanted.renew or not asked
        made: list[tuple[_Ca, Path, x509.CertificateRevocationList, bool]] = []
        for ca in self._all(asked):
            path = ca.list_file
            if path is None:
                self._without(ca, None)
                continue
            standing = self._standing(ca)
            must = path in entries or (renew and ca == self.above[0])
            if must or renew or standing is None or revocation.age_of(standing, self.now) != "current":
                issuer = self._open(ca) if must else self._open_if_possible(ca, standing)
                if issuer is not None:
                    made.append((ca, path, revocation.make(issuer, entries.get(path, ()), standing, self.now, self.wanted.days), True))
                    continue
            if standing is not None:
                made.append((ca, path, standing, False))
        if self.rootless:
            self._no_root()
        for ca, path, value, new in made:
            if new:
                self._write(ca, path, value)
        lists = tuple(StandingList(path, ca.certificate.subject.rfc4514_string(), value, new) for ca, path, value, new in made)
        return Outcome(tuple(revoked), lists, tuple(self.findings))

    def _asked(self) -> list[_Asked]:
        found = [self._asked_by_file(path) for path in self.wanted.certificates]
        found += [_Asked(self.above[0], serial) for serial in self.wanted.serials]
        unique: dict[tuple[bytes, int], _Asked] = {}
        for each in found:
            unique.setdefault((each.ca.certificate.subject.public_bytes(), each.serial), each)
            if each.serial == each.ca.certificate.serial_number and signed_by(each.ca.certificate, each.ca.certificate):
                raise Refused(
                    f"{called(each.ca.certificate)} is a root: its own list cannot take back its certificate, it would refuse everybody below.",
                    where=str(each.path) if each.path else "--serial",
                    hint="Take the root out of ssl_ca_file instead, and make a new CA.",
                    code="root-revokes-itself",
                )
        return list(unique.values())

    def _asked_by_file(self, named: Path) -> _Asked:
        path = named / CERTIFICATE if named.is_dir() else named
        state = read_state(path)
        if state.data is None:
            hint = f"A kit's directory holds {CERTIFICATE}." if named.is_dir() else "Without the file, name the number: --serial HEX."
            raise UnusableInput("There is no such certificate.", where=str(path), hint=hint, code="no-certificate")
        held = load(state.data).certificates
        if not held:
            raise UnusableInput(
                "There is no certificate in this file.", where=str(path), hint="It has to be PEM or DER.", code="no-certificate"
            )
        certificate = held[0].value
        signer = next((each for each in self.pool if is_ca(each) and signed_by(certificate, each)), None)
        if signer is None:
            raise Refused(
                f"{called(certificate)} was signed by {certificate.issuer.rfc4514_string() or 'somebody without a name'}, and by no CA that is here.",
                where=str(path),
                hint="Name the CA that signed it: only that one can revoke it.",
                code="not-of-this-ca",
            )
        self._about(certificate, path)
        return _Asked(self._ca(signer), certificate.serial_number, path, certificate)

    def _about(self, certificate: x509.Certificate, path: Path) -> None:
        who = called(certificate)
        if certificate.not_valid_after_utc <= self.now:
            told = f"{who} expired on {certificate.not_valid_after_utc:%Y-%m-%d}: it is refused in any case."
            self._say("info", "certificate-expired", told, None, path)
        usages = extension(certificate, x509.ExtendedKeyUsage)
        if is_ca(certificate):
            told = f"{who} is a CA: every certificate that it signed is refused from now on."
            self._say("warning", "ca-revoked", told, "Have another CA sign new ones.", path)
        elif usages is not None and ExtendedKeyUsageOID.CLIENT_AUTH not in usages and ExtendedKeyUsageOID.SERVER_AUTH in usages:
            told = f"{who} is a server's certificate: a server never looks itself up, and clients refuse it only when they have the list (sslcrl)."
            self._say("info", "server-certificate-revoked", told, "Give the server a new certificate, and clients the list.", path)

    def _revoked(self, asked: _Asked) -> Revoked:
        standing = self._standing(asked.ca)
        before = standing.get_revoked_certificate_by_serial_number(asked.serial) if standing is not None else None
        subject = asked.certificate.subject.rfc4514_string() if asked.certificate else None
        sha256 = fingerprint(asked.certificate) if asked.certificate else None
        if before is None:
            if asked.certificate is None:
                told = f"Nobody can tell whether {called(asked.ca.certificate)} has ever signed a certificate with the serial number {revocation.serial_text(asked.serial)}."
                self._say("info", "serial-not-checked", told, "The certificate itself would tell.")
            return Revoked(asked.path, subject, asked.serial, sha256, self.wanted.reason, already=False)
        try:
            reason = before.extensions.get_extension_for_class(x509.CRLReason).value.reason.value
        except x509.ExtensionNotFound:
            reason = "unspecified"
        who = called(asked.certificate) if asked.certificate else f"The certificate {revocation.serial_text(asked.serial)}"
        told = f"{who} was revoked on {before.revocation_date_utc:%Y-%m-%d} already."
        self._say("info", "revoked-already", told, None, asked.path)
        return Revoked(asked.path, subject, asked.serial, sha256, reason, already=True)

    def _all(self, asked: Sequence[_Asked]) -> list[_Ca]:
        """Return the CAs to be seen to: those above clients, and whoever has signed what is revoked."""
        found = list(self.above)
        found += [each.ca for each in asked if each.ca not in found]
        return list(dict.fromkeys(found))

    def _ca(self, certificate: x509.Certificate) -> _Ca:
        """Return the files of a CA: where it is the first certificate, else where it stands at all, but then the key is another's."""
        for path, key, held in self.files:
            if held and held[0] == certificate:
                return _Ca(certificate, path, key)
        if len(self.files[0][2]) > 1 and certificate in self.files[0][2]:
            # The key decides which of them signs; the others have no file of their own.
            own = self._signer_in_bundle()
            if own == certificate:
                return _Ca(certificate, self.files[0][0], self.files[0][1])
        return _Ca(certificate, None, None)

    def _signer_in_bundle(self) -> x509.Certificate:
        return self._opened(self.files[0][0], self.files[0][1]).certificate

    def _opened(self, file: Path, key: Path) -> Issued:
        """Return the CA in two files; its passphrase is asked for once."""
        if file not in self.signers:
            certificate, pem = (str(file), read_ca_file(file)), (str(key), read_ca_file(key))
            self.signers[file] = open_authority(certificate, pem, self.pool, self.now, self.passphrase).signer
        return self.signers[file]

    def _standing(self, ca: _Ca) -> x509.CertificateRevocationList | None:
        """Return the list so far; None when there is none."""
        path = ca.list_file
        if path is None:
            raise Refused(
                f"{called(ca.certificate)} has no file of its own here, so its list has no place.",
                hint="Name it with --ca-certificate and --ca-key.",
                code="ca-without-file",
            )
        if path not in self.states:
            state = self.states[path] = read_state(path)
            self.standing[path] = revocation.standing_list(state.data, ca.certificate, str(path)) if state.data is not None else None
        return self.standing[path]

    def _open(self, ca: _Ca) -> Issued:
        assert ca.file is not None
        assert ca.key is not None
        found = self._opened(ca.file, ca.key)
        if found.certificate != ca.certificate:
            raise UnusableInput(f"This key does not belong to {called(ca.certificate)}.", where=str(ca.key), code="ca-unusable")
        return found

    def _open_if_possible(self, ca: _Ca, standing: x509.CertificateRevocationList | None) -> Issued | None:
        """Return the CA's key for a list that nobody asked for; None, with a warning if that matters, when it cannot be had."""
        try:
            return self._open(ca)
        except (UnusableInput, Refused) as problem:
            if standing is None or revocation.age_of(standing, self.now) != "current":
                self._without(ca, standing, f"{problem.message} ({problem.where})" if problem.where else problem.message)
            return None

    def _without(self, ca: _Ca, standing: x509.CertificateRevocationList | None, why: str = "no file of it is here") -> None:
        who = called(ca.certificate)
        hint = f"Where the key of {who} is, run: pgssl-wizard revoke --renew --ca DIR, and bring its list here."
        if standing is not None and revocation.age_of(standing, self.now) == "due":
            told = f"The revocation list of {who} ends on {standing.next_update_utc:%Y-%m-%d %H:%M} UTC and cannot be renewed here: {why}. From then on servers refuse every client certificate."
            self._say("warning", "crl-expiring", told, hint, ca.list_file)
            return
        what = "no revocation list" if standing is None else "no current revocation list"
        told = f"There is {what} of {who}, and it cannot be made here: {why}. A server that has any list wants one of every CA in the chain, and refuses every client certificate without it."
        self._say("warning", "ca-without-crl", told, hint, ca.list_file)

    def _no_root(self) -> None:
        top = self.above[-1].certificate
        told = f"The root above {called(top)} is not here. A server that has any list wants one of the root too, and refuses every client certificate without it."
        self._say("warning", "ca-without-crl", told, "Bring the root's own list to the server as well.")

    def _write(self, ca: _Ca, path: Path, value: x509.CertificateRevocationList) -> None:
        state, data = self.states[path], revocation.to_pem(value)
        try:
            if state.exists:
                write.replace(path, data, mode=0o644, uid=state.uid, gid=state.gid, attributes=state.attributes)
            else:
                # As the CA's other files, when root works in somebody's directory.
                like = read_state(ca.file) if os.geteuid() == 0 and ca.file else FileState(exists=False)
                write.create(path, data, mode=0o644, uid=like.uid, gid=like.gid)
        except OSError as error:
            raise Refused(
                f"The revocation list cannot be written: {error.strerror}.",
                where=str(path),
                hint="What was not written is not revoked; run it again.",
                code="cannot-write",
            ) from error

    def _say(self, severity: str, code: str, message: str, hint: str | None, where: Path | None = None) -> None:
        self.findings.append(Finding(severity, code, message, hint, str(where) if where else None, "clients"))  # type: ignore[arg-type]


@contextlib.contextmanager
def _alone_in(directory: Path) -> Iterator[None]:
    """Keep other runs away from the lists: of two that go on from the same list, one would be lost."""
    try:
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise UnusableInput(f"The CA's directory cannot be read: {error.strerror}.", where=str(directory), code="no-ca") from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Refused(
                "Another run works on the lists here.", where=str(directory), hint="Wait until it has ended.", code="busy"
            ) from None
        except OSError as error:
            # Some network file systems lock no directories.
            if error.errno not in {errno.EBADF, errno.ENOLCK, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP}:
                raise
        yield
    finally:
        os.close(descriptor)
