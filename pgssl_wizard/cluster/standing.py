"""What stands at the places that the answers name, outside the cluster itself: a CA, kits, lists, files that a person brings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal

from pgssl_wizard.cluster.facts import CertificateFact, FileFact
from pgssl_wizard.findings import Finding
from pgssl_wizard.protocol.dh import DhParameters
from pgssl_wizard.protocol.suites import Offer


@dataclass(frozen=True, slots=True)
class StandingCa:
    """A CA that stands and is to sign (`existing-ca`).

    Attributes:
        certificate, key: its files.
        chain: the signer and those above it, without the root.
        root: the self-signed end, which is the signer itself where the chain is empty; None when no file holds it.
        root_file: what clients can have as root: a file with it alone, or the one that holds all of them.
        key_fits: whether the key belongs to the signer; None: it is encrypted, or cannot be read.
        key_exists: whether its file is there.
        may_sign: whether the signer is a CA.
        until: when the first of them ends.
        too_short: whether that is before a certificate of the wanted days would end.
    """

    certificate: Path
    key: Path
    chain: tuple[CertificateFact, ...] = ()
    root: CertificateFact | None = None
    root_file: Path | None = None
    key_fits: bool | None = None
    key_exists: bool = False
    may_sign: bool = False
    until: datetime | None = None
    too_short: bool = False

    @property
    def signer(self) -> CertificateFact | None:
        """Who signs; None when there is no certificate."""
        return self.chain[0] if self.chain else self.root


@dataclass(frozen=True, slots=True)
class KitSigner:
    """The CA that signs clients' certificates, where it stands already.

    Attributes:
        certificate, key: its files.
        name: the signer's common name.
        key_exists: whether the key's file is there.
        key_fits: whether the key belongs to a CA in the certificate's file; None: it is encrypted, missing or cannot be read.
    """

    certificate: Path
    key: Path
    name: str
    key_exists: bool = False
    key_fits: bool | None = None


@dataclass(frozen=True, slots=True)
class KitFact:
    """What stands at the place of a role's kit.

    Attributes:
        directory: the kit's place.
        problem: why what stands there will not do; None for a kit that is as it would be made, and for nothing.
        revoked: its certificate is on its CA's own revocation list.
        root, readme, not_after: what clients check the server with, the settings, and the end, of a kit that will do otherwise.
    """

    role: str
    directory: Path
    exists: bool
    problem: str | None = None
    root: bytes | None = field(default=None, repr=False)
    readme: bytes | None = field(default=None, repr=False)
    not_after: datetime | None = None
    revoked: bool = False


@dataclass(frozen=True, slots=True)
class Imported:
    """What the files of an import hold, put together; no private key is in here.

    Attributes:
        leaf: the server's certificate; None when none can be told, and the findings say why.
        between: the certificates above it, lowest first, without the root.
        root: the self-signed end, None when it is not among the files.
        pem: leaf and intermediates, as the server's file will hold them.
        root_pem: the root alone, empty when there is none.
        root_file: a file with the root that clients can be given as it stands.
        key_file: the file in which the leaf's key was found.
        public_sha256: of the key's public half, as in a request's record.
        key_stands: the key at the server's place is the leaf's already, kept as wanted.
        certificate_stands: the file at the server's place holds leaf and intermediates already.
        findings: what is to be said of it all, errors first.
    """

    leaf: CertificateFact | None = None
    between: tuple[CertificateFact, ...] = ()
    root: CertificateFact | None = None
    pem: bytes = b""
    root_pem: bytes = b""
    root_file: Path | None = None
    key_file: Path | None = None
    public_sha256: str = ""
    key_stands: bool = False
    certificate_stands: bool = False
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class ListFact:
    """A CA above clients' certificates, and the newest revocation list of it that stands anywhere.

    Attributes:
        ca: its common name.
        hash: how OpenSSL calls it in a directory of lists.
        certificate, key: its files; None for a CA whose files are elsewhere.
        file: where it keeps its list; it may be missing.
        key_fits: whether the key is there and belongs to it; None: it is encrypted, or cannot be read.
        may_sign: whether its key usage lets it sign lists.
        pem: the newest list; empty when there is none.
        age: how that stands in its life; None when there is none.
        ends: when it ends; None for never.
        problem: why what stands in `file` is not to be continued; None for nothing there.
    """

    ca: str
    hash: str
    certificate: Path | None = None
    key: Path | None = None
    file: Path | None = None
    key_fits: bool | None = False
    may_sign: bool = True
    pem: bytes = b""
    age: Literal["current", "due", "expired", "not-yet-valid"] | None = None
    ends: datetime | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Revocation:
    """What stands of revocation lists; only where client certificates are asked for and there is a place for lists.

    Attributes:
        file, directory: where the server will look: as answered, else as its settings say today.
        cas: the CAs above clients that stand.
        in_file: each list in `file`, PEM, and the name of the CA of `cas` that signed it, None for another.
        strange: what else `file` holds, in words.
        in_directory: what lies in `directory` by name: the list, and whose, as above; empty for anything that is no list.
    """

    file: Path | None = None
    directory: Path | None = None
    cas: tuple[ListFact, ...] = ()
    in_file: tuple[tuple[bytes, str | None], ...] = ()
    strange: str | None = None
    in_directory: Mapping[str, tuple[bytes, str | None]] = field(default_factory=dict)


#: What can be made anew before its time.
Renewable = Literal["server", "intermediate", "crl"]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What stands at the places that the answers name, outside the cluster itself.

    Attributes:
        files: a fact for every path that the plan may create, modify or use, missing ones included.
        directories: the directories these files go into, missing ones included (mode, owner).
        ca: certificates found in the CA directory, by file name (`root.crt`, `intermediate.crt`).
        ca_path_length: how many CAs may stand below each of them, None for any number.
        ca_keys: which of the CA's keys are there and match their certificate, by file name; None: encrypted or unreadable.
        standing_ca: the CA of `existing-ca`.
        imported: what the files of an import hold; None when nothing is imported.
        request_record: where a new request is recorded, a name that is free.
        leaf: the certificate at the place where the server's goes, with whether the key beside it matches.
        leaf_issuer: whose key really signed it: the file name of a CA above, `standing`, `self`, or None for anybody else.
        leaf_chain: common names of what follows the leaf in its file.
        leaf_due: less than a third of its life is left.
        leaf_key_encrypted: the key beside it asks for a passphrase.
        renew: what is to be made anew although it would still do; nothing else but that is done then.
        user: the uid that runs this program.
        key_gid: of the group that shall read the key, None when there is no such group or none is asked for.
        group_member: whether the server's user is in that group; running_with_group: whether the running server already is.
        kit_signer: who signs clients' certificates; None when nobody is there yet, or none is asked for.
        kits: what stands at the place of each role's kit.
        revocation: what stands of revocation lists; None when none are asked for.
        foreign_links: per planned file, the link on the way to it that somebody made who does not own what it leads to, if any.
        strange_links: planned files that are links to something that is neither certificate nor key.
        blocked: per planned file, the first parent directory that the server's user cannot pass, if any.
        offer: what the server will offer with the answers' settings, by its own library; None when nobody can say.
        dh: what the file of Diffie-Hellman parameters is worth, when one is named.
    """

    files: Mapping[Path, FileFact] = field(default_factory=dict)
    directories: Mapping[Path, FileFact] = field(default_factory=dict)
    ca: Mapping[str, CertificateFact] = field(default_factory=dict)
    ca_path_length: Mapping[str, int | None] = field(default_factory=dict)
    ca_keys: Mapping[str, bool | None] = field(default_factory=dict)
    client_ca: tuple[CertificateFact, ...] = ()
    standing_ca: StandingCa | None = None
    imported: Imported | None = None
    request_record: Path | None = None
    leaf: CertificateFact | None = None
    leaf_issuer: str | None = None
    leaf_chain: tuple[str, ...] = ()
    leaf_due: bool = False
    leaf_key_encrypted: bool = False
    renew: frozenset[Renewable] = frozenset()
    key_gid: int | None = None
    group_member: bool | None = None
    running_with_group: bool | None = None
    user: int = 0
    user_gid: int = 0
    user_name: str = "root:root"
    umask: int = 0o022
    kit_signer: KitSigner | None = None
    kits: tuple[KitFact, ...] = ()
    revocation: Revocation | None = None
    blocked: Mapping[Path, Path] = field(default_factory=dict)
    foreign_links: Mapping[Path, Path] = field(default_factory=dict)
    strange_links: frozenset[Path] = frozenset()
    offer: Offer | None = None
    dh: DhParameters | None = None
